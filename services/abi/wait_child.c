/* wait4 and waitid. */
#include "process.h"
#include "usage.h"
#include "pidfd.h"
#include "include/abi_process.h"

/* Waits until proc has something to tell; the child's number, 0 (WNOHANG) or an error. */
static long child_await(struct shim_thread *t, u32 kind, i32 id, u32 options, struct proc_wait_result *result)
{
	volatile u32 *event = &shim_shared(t)->event;

	for (;;) {
		u32 seen = __atomic_load_n(event, __ATOMIC_ACQUIRE); /* before proc looks */
		long found = proc_wait_child(kind, id, options, result);

		if (found != -EAGAIN)
			return found;
		found = shim_wait(t, event, seen, NANOS_NEVER);
		if (found < 0)
			return found;
	}
}

long sys_wait4(struct shim_thread *t, const u64 *a)
{
	i32 pid = (i32)a[0];
	u32 options = (u32)a[2], kind = PROC_WAIT_PID;
	struct proc_wait_result result;
	long found, error = 0;

	if (options & ~(u32)(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid == -1) {
		kind = PROC_WAIT_ALL;
	} else if (pid <= 0) {
		kind = PROC_WAIT_GROUP;
		pid = -pid;
	}
	found = child_await(t, kind, pid, options | WEXITED, &result);
	if (found > 0 && a[1])
		error = user_copy_out(a[1], &result.status, sizeof(result.status));
	if (found > 0 && !error && a[3])
		error = shim_usage_put(a[3], &result.usage);
	return error < 0 ? error : found;
}

/* The fields that Linux fills in: zeros when nothing was found. */
static long siginfo_put(vaddr_t to, const struct proc_wait_result *result, bool found)
{
	struct proc_siginfo info = { 0 };

	if (found) {
		info.signal = SIGCHLD;
		info.code = result->code;
		info.child.pid = result->pid;
		info.child.uid = result->uid;
		info.child.status = result->value;
	}
	return user_copy_out(to, &info, offsetof(struct proc_siginfo, child.pad));
}

long sys_waitid(struct shim_thread *t, const u64 *a)
{
	u32 options = (u32)a[3], kind;
	i32 id = (i32)a[1];
	struct proc_wait_result result;
	bool nonblock = false;
	long found, error = 0;

	if (options & ~(u32)(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | WNOTHREAD | WCLONE | WALL) ||
	    !(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	switch ((u32)a[0]) {
	case P_ALL:
		kind = PROC_WAIT_ALL;
		break;
	case P_PID:
		if (id <= 0)
			return -EINVAL;
		kind = PROC_WAIT_PID;
		break;
	case P_PGID:
		if (id < 0)
			return -EINVAL;
		kind = PROC_WAIT_GROUP;
		break;
	case P_PIDFD:
		if (id < 0)
			return -EINVAL;
		found = shim_pidfd_process(t, id, &nonblock);
		if (found < 0)
			return found;
		kind = PROC_WAIT_PID;
		id = (i32)found;
		break;
	default:
		return -EINVAL;
	}
	found = child_await(t, kind, id, options | (nonblock ? WNOHANG : 0), &result);
	if (!found && nonblock && !(options & WNOHANG))
		return -EAGAIN;
	if (found > 0 && a[4])
		error = shim_usage_put(a[4], &result.usage);
	if (found >= 0 && !error && a[2])
		error = siginfo_put(a[2], &result, found > 0);
	if (error < 0)
		return error;
	return found < 0 ? found : 0;
}
