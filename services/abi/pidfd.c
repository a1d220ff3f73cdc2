/* pidfd_open and pidfd_send_signal: a process's number stays its own while a descriptor names it. */
#include "pidfd.h"
#include "include/abi_fcntl.h"

static void pidfd_close(struct shim_file *file)
{
	(void)!proc_process_unwatch((i32)file->handle);
}

static const struct shim_file_ops pidfd_ops = { .name = "anon_inode:[pidfd]", .close = pidfd_close };

long shim_pidfd_create(struct shim_thread *t, i32 pid, u32 flags)
{
	struct shim_file *file;
	u64 pollword;
	long error = proc_process_watch(pid, &pollword);

	if (error < 0)
		return error;
	file = file_create(&pidfd_ops, O_RDWR | (flags & O_NONBLOCK), (u64)pid);
	if (!file) {
		(void)!proc_process_unwatch(pid);
		return -ENOMEM;
	}
	file->pollword = pollword_of_handle(pollword);
	return fd_install(t, file, O_CLOEXEC, 0);
}

long shim_pidfd_process(struct shim_thread *t, i32 fd, bool *nonblock)
{
	struct shim_file *file = file_get(t, fd);
	long pid;

	if (!file)
		return -EBADF;
	pid = file->ops == &pidfd_ops ? (long)file->handle : -EBADF;
	*nonblock = file->flags & O_NONBLOCK;
	file_put(file);
	return pid;
}

long sys_pidfd_open(struct shim_thread *t, const u64 *a)
{
	if ((u32)a[1] & ~(u32)O_NONBLOCK || (i32)a[0] <= 0)
		return -EINVAL;
	return shim_pidfd_create(t, (i32)a[0], (u32)a[1]);
}

long sys_pidfd_send_signal(struct shim_thread *t, const u64 *a)
{
	struct proc_siginfo info = { .signal = (i32)a[1], .code = PROC_SI_USER };
	u32 target = PROC_TARGET_KILL;
	bool nonblock;
	long pid;

	if ((u32)a[3])
		return -EINVAL;
	pid = shim_pidfd_process(t, (i32)a[0], &nonblock);
	if (pid < 0)
		return pid;
	if (a[2]) {
		long error = user_copy_in(&info, a[2], sizeof(info));

		if (error < 0)
			return error;
		if (info.signal != (i32)a[1])
			return -EINVAL;
		target |= PROC_TARGET_QUEUED;
	}
	return proc_signal_send(target, (i32)pid, 0, &info);
}
