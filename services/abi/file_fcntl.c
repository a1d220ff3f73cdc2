/* fcntl. Descriptor flags and duplication are fd.c's, locks file_lock.c's. */
#include "file.h"
#include <fs_client.h>

enum { OWNER_THREAD, OWNER_PROCESS, OWNER_GROUP }; /* F_OWNER_* */
#define STATUS_FLAGS (O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME)

static long status_flags_set(struct shim_file *file, u32 wanted)
{
	u32 flags, changed;
	long result = 0;

	wanted &= STATUS_FLAGS;
	changed = (file->flags ^ wanted) & STATUS_FLAGS;
	/* No direct transfers to files in memory, and no pipes of packets. */
	if ((changed & O_DIRECT) && (wanted & O_DIRECT) && (file->ops == &file_data_ops || file->ops == &file_stream_ops))
		return -EINVAL;
	if ((changed & O_NOATIME) && file->ops == &file_data_ops)
		result = fs_flags_set(file->handle, wanted);
	if (result < 0)
		return result;
	flags = __atomic_load_n(&file->flags, __ATOMIC_RELAXED);
	/* A word by itself: each flag is looked at when it matters. */
	while (!__atomic_compare_exchange_n(&file->flags, &flags, (flags & ~(u32)STATUS_FLAGS) | wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return 0;
}

static long seals_call(struct shim_file *file, u32 add, bool change)
{
	long result;

	if (file->ops != &file_data_ops)
		return -EINVAL;
	if (change && !add)
		return file_writable(file) ? 0 : -EPERM;
	result = fs_seals(file->handle, change ? add : 0);
	return change && result > 0 ? 0 : result;
}

/* Who is to get SIGIO; kept and told, though no file sends it yet. */
static long owner_set(struct shim_file *file, u32 command, u64 argument)
{
	struct linux_f_owner_ex owner = { OWNER_PROCESS, (i32)argument };

	if (command == F_SETOWN_EX) {
		long result = user_copy_in(&owner, argument, sizeof(owner));

		if (result < 0)
			return result;
		if ((u32)owner.type > OWNER_GROUP)
			return -EINVAL;
	} else if (owner.pid < 0) {
		if (owner.pid == INT32_MIN)
			return -EINVAL;
		owner = (struct linux_f_owner_ex){ OWNER_GROUP, -owner.pid };
	}
	file->owner = owner.pid;
	file->owner_kind = (u32)owner.type;
	return 0;
}

/* Commands on the open file. */
static long file_command(struct shim_thread *t, struct shim_file *file, u32 command, u64 argument)
{
	switch (command) {
	case F_GETFL:
		return (long)(file->flags & ~(u32)(O_CLOEXEC | FS_O_EXECUTE));
	case F_SETFL:
		return status_flags_set(file, (u32)argument);
	case F_GETLK: case F_SETLK: case F_SETLKW: case F_OFD_GETLK: case F_OFD_SETLK: case F_OFD_SETLKW:
		return file_lock_command(t, file, command, argument);
	case F_GETPIPE_SZ:
		return file->ops == &file_stream_ops ? fs_pipe_size(file->handle, 0) : -EBADF;
	case F_SETPIPE_SZ:
		if (file->ops != &file_stream_ops)
			return -EBADF;
		return (u32)argument ? fs_pipe_size(file->handle, (u32)argument) : fs_pipe_size(file->handle, 1);
	case F_ADD_SEALS:
		return seals_call(file, (u32)argument, true);
	case F_GET_SEALS:
		return seals_call(file, 0, false);
	case F_SETOWN:
	case F_SETOWN_EX:
		return owner_set(file, command, argument);
	case F_GETOWN:
		return file->owner_kind == OWNER_GROUP ? -file->owner : file->owner;
	case F_GETOWN_EX:
		return user_copy_out(argument, &(struct linux_f_owner_ex){ (i32)file->owner_kind, file->owner }, sizeof(struct linux_f_owner_ex));
	case F_SETSIG:
		if (argument > 64)
			return -EINVAL;
		file->owner_signal = (u32)argument;
		return 0;
	case F_GETSIG:
		return (long)file->owner_signal;
	case F_GETLEASE:
		return F_UNLCK; /* no one ever holds one */
	default:
		return -EINVAL; /* leases, notification and signal-driven I/O are not there */
	}
}

long sys_fcntl(struct shim_thread *t, const u64 *a)
{
	i32 fd = (i32)a[0];
	u32 command = (u32)a[1];
	struct shim_file *file;
	long result;

	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return fd_duplicate(t, fd, (i32)a[2], command == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fd_flags_get(t, fd);
	case F_SETFD:
		return fd_flags_set(t, fd, (u32)a[2]);
	default:
		break;
	}
	file = file_get(t, fd);
	if (!file)
		return -EBADF;
	result = (file->flags & O_PATH) && command != F_GETFL ? -EBADF : file_command(t, file, command, a[2]);
	file_put(file);
	return result;
}
