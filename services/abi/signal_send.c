/* kill and its relatives. */
#include "process.h"

/* What comes of it for the sender itself is known at once. */
static long signal_send(struct shim_thread *t, u32 target, i32 id, i32 group, u32 signal)
{
	long verdict = shim_signal_kill(t, target, id, group, signal);

	return verdict > 0 ? signals_act(t, verdict, 0, true) : verdict;
}

long sys_kill(struct shim_thread *t, const u64 *a)
{
	return signal_send(t, PROC_TARGET_KILL, (i32)a[0], 0, (u32)a[1]);
}

long sys_tkill(struct shim_thread *t, const u64 *a)
{
	return signal_send(t, PROC_TARGET_THREAD, (i32)a[0], -1, (u32)a[1]);
}

long sys_tgkill(struct shim_thread *t, const u64 *a)
{
	if ((i32)a[0] <= 0 || (i32)a[1] <= 0)
		return -EINVAL;
	return signal_send(t, PROC_TARGET_THREAD, (i32)a[1], (i32)a[0], (u32)a[2]);
}

/* siginfo of a sender: what lies behind the known part is not looked at, as Linux does for its own codes. */
static long siginfo_get(vaddr_t from, u64 signal, struct proc_siginfo *info)
{
	long error = user_copy_in(info, from, sizeof(*info));

	info->signal = (i32)signal;
	return error;
}

long sys_rt_sigqueueinfo(struct shim_thread *t, const u64 *a)
{
	struct proc_siginfo info;
	long error = siginfo_get(a[2], a[1], &info);

	(void)t;
	return error < 0 ? error : proc_signal_send(PROC_TARGET_KILL | PROC_TARGET_QUEUED, (i32)a[0], 0, &info);
}

long sys_rt_tgsigqueueinfo(struct shim_thread *t, const u64 *a)
{
	struct proc_siginfo info;
	long error = siginfo_get(a[3], a[2], &info);

	(void)t;
	if (error >= 0 && ((i32)a[0] <= 0 || (i32)a[1] <= 0))
		error = -EINVAL;
	return error < 0 ? error : proc_signal_send(PROC_TARGET_THREAD | PROC_TARGET_QUEUED, (i32)a[1], (i32)a[0], &info);
}
