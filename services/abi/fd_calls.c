/* System calls on descriptors as such: close, dup, close_range, and the ioctls that every file has. */
#include "shim.h"
#include "include/abi_fcntl.h"
#include "include/abi_ioctl.h"

#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u

long sys_close(struct shim_thread *t, const u64 *a)
{
	return fd_close(t, (i32)a[0]);
}

long sys_dup(struct shim_thread *t, const u64 *a)
{
	struct shim_file *file = file_get(t, (i32)a[0]);

	return file ? fd_install(t, file, 0, 0) : -EBADF;
}

/* dup3 with newfd not oldfd, and dup2 with the same restriction lifted by its caller. */
static long descriptor_copy(struct shim_thread *t, i32 from, i32 to, u32 flags)
{
	struct shim_file *file;

	if ((u32)to >= t->process->files_limit)
		return -EBADF;
	file = file_get(t, from);
	return file ? fd_replace(t, file, to, flags) : -EBADF;
}

long sys_dup2(struct shim_thread *t, const u64 *a)
{
	i32 from = (i32)a[0], to = (i32)a[1];

	if (from == to) {
		long result = fd_flags_get(t, from);
		return result < 0 ? result : to;
	}
	return descriptor_copy(t, from, to, 0);
}

long sys_dup3(struct shim_thread *t, const u64 *a)
{
	if ((u32)a[2] & ~(u32)O_CLOEXEC || (i32)a[0] == (i32)a[1])
		return -EINVAL;
	return descriptor_copy(t, (i32)a[0], (i32)a[1], (u32)a[2]);
}

long sys_close_range(struct shim_thread *t, const u64 *a)
{
	u32 first = (u32)a[0], last = (u32)a[1], flags = (u32)a[2];
	i32 fd;

	if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE) {
		long result = fd_table_unshare(t);
		if (result < 0)
			return result;
	}
	if (first > INT32_MAX)
		return 0;
	for (fd = fd_next(t->process->files, (i32)first); fd >= 0 && (u32)fd <= last; fd = fd_next(t->process->files, fd + 1)) {
		if (flags & CLOSE_RANGE_CLOEXEC)
			(void)fd_flags_set(t, fd, FD_CLOEXEC);
		else
			(void)fd_close(t, fd);
	}
	return 0;
}

/* FIONBIO and FIOASYNC: an int at the argument sets or clears a status flag. */
static long status_flag_set(struct shim_file *file, vaddr_t argument, u32 flag)
{
	i32 on;
	long result = user_copy_in(&on, argument, sizeof(on));

	if (result < 0)
		return result;
	if (on)
		__atomic_fetch_or(&file->flags, flag, __ATOMIC_RELAXED); /* a flag alone */
	else
		__atomic_fetch_and(&file->flags, ~flag, __ATOMIC_RELAXED);
	return 0;
}

long sys_ioctl(struct shim_thread *t, const u64 *a)
{
	u32 command = (u32)a[1];
	struct shim_file *file = file_get(t, (i32)a[0]);
	long result;

	if (!file)
		return -EBADF;
	if (file->flags & O_PATH)
		result = -EBADF;
	else if (command == FIOCLEX || command == FIONCLEX)
		result = fd_flags_set(t, (i32)a[0], command == FIOCLEX ? FD_CLOEXEC : 0);
	else if (command == FIONBIO)
		result = status_flag_set(file, a[2], O_NONBLOCK);
	else if (command == FIOASYNC)
		result = -ENOTTY; /* no file sends SIGIO yet */
	else if (file->ops->ioctl)
		result = file->ops->ioctl(t, file, command, a[2]);
	else
		result = -ENOTTY;
	file_put(file);
	return result;
}
