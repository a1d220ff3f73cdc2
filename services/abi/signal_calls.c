/* The calls that set up and wait for signals. */
#include "process.h"
#include "include/abi_time.h"
#include <tessera/arch.h>

static long set_get(vaddr_t from, u64 size, u64 *set)
{
	return size == SIGSET_SIZE ? user_copy_in(set, from, sizeof(*set)) : -EINVAL;
}

long sys_rt_sigaction(struct shim_thread *t, const u64 *a)
{
	struct linux_sigaction given, shown;
	struct proc_action action, old;
	long result;

	if (a[3] != SIGSET_SIZE)
		return -EINVAL;
	if (a[1]) {
		result = user_copy_in(&given, a[1], sizeof(given));
		if (result < 0)
			return result;
		action = (struct proc_action){ given.handler, given.flags, given.restorer, given.mask };
	}
	result = shim_action(t->process, (u32)a[0], a[1] ? &action : NULL, &old);
	if (result < 0 || !a[2])
		return result;
	shown = (struct linux_sigaction){ old.handler, old.flags, old.restorer, old.mask };
	return user_copy_out(a[2], &shown, sizeof(shown));
}

long sys_rt_sigprocmask(struct shim_thread *t, const u64 *a)
{
	u64 set = 0, old;
	u32 how = PROC_MASK_QUERY;
	long error;

	(void)t;
	if (a[3] != SIGSET_SIZE)
		return -EINVAL;
	if (a[1]) {
		error = user_copy_in(&set, a[1], sizeof(set));
		if (error < 0)
			return error;
		if ((u32)a[0] > SIG_SETMASK)
			return -EINVAL;
		how = (u32)a[0]; /* the same numbers */
	}
	error = proc_signal_mask(how, set, &old);
	if (error >= 0 && a[2])
		error = user_copy_out(a[2], &old, sizeof(old));
	return error;
}

long sys_rt_sigpending(struct shim_thread *t, const u64 *a)
{
	u64 set;
	long error;

	(void)t;
	if (a[1] > SIGSET_SIZE)
		return -EINVAL;
	error = proc_signal_pending(&set);
	return error < 0 ? error : user_copy_out(a[0], &set, a[1]);
}

/* Sleeps until a signal is there to be delivered. */
static long signal_sleep(struct shim_thread *t)
{
	static volatile u32 never_woken;
	long result;

	do
		result = shim_wait(t, &never_woken, 0, NANOS_NEVER);
	while (result == 0);
	return -ERESTARTNOHAND;
}

long sys_pause(struct shim_thread *t, const u64 *a)
{
	(void)a;
	return signal_sleep(t);
}

long sys_rt_sigsuspend(struct shim_thread *t, const u64 *a)
{
	u64 set, old;
	long error = set_get(a[0], a[1], &set);

	if (error >= 0)
		error = proc_signal_mask(PROC_MASK_SET, set, &old);
	if (error < 0)
		return error;
	t->saved_mask = old;
	t->saved_mask_valid = true;
	return signal_sleep(t);
}

/* siginfo as the application sees it: 128 bytes, those behind what the kernel knows are zero. */
static long siginfo_put(vaddr_t to, const struct proc_siginfo *info)
{
	u8 whole[SIGINFO_SIZE] = { 0 };

	memcpy(whole, info, sizeof(*info));
	return user_copy_out(to, whole, sizeof(whole));
}

/* Takes a signal of the set, waiting for one until the deadline. */
static long signal_await(struct shim_thread *t, u64 set, nanos_t deadline, struct proc_siginfo *info)
{
	volatile u32 *event = &shim_shared(t)->event;
	long result = proc_signal_wait(set, deadline != 0, info);

	while (result == -EAGAIN && deadline) {
		long waited = shim_wait(t, event, *event, deadline);

		result = proc_signal_wait(set, waited == 0, info);
		if (result == -EAGAIN && waited < 0)
			return waited == -ERESTARTSYS ? -EINTR : -EAGAIN;
	}
	return result;
}

long sys_rt_sigtimedwait(struct shim_thread *t, const u64 *a)
{
	nanos_t deadline = NANOS_NEVER;
	struct linux_timespec time;
	struct proc_siginfo info;
	u64 set;
	long result = set_get(a[0], a[3], &set);

	if (result < 0)
		return result;
	if (a[2]) {
		result = user_copy_in(&time, a[2], sizeof(time));
		if (result < 0)
			return result;
		if (!timespec_valid(&time))
			return -EINVAL;
		deadline = timespec_nanos(&time);
		if (deadline)
			deadline = deadline > NANOS_NEVER - clock_monotonic() ? NANOS_NEVER : clock_monotonic() + deadline;
	}
	result = signal_await(t, set, deadline, &info);
	if (result > 0 && a[1] && siginfo_put(a[1], &info) < 0)
		return -EFAULT;
	return result;
}

static bool altstack_active(const struct shim_thread *t)
{
	struct tk_regs regs;

	return tk_thread_regs_get(0, &regs) >= 0 && shim_on_altstack(t, shim_regs_stack(&regs));
}

long sys_sigaltstack(struct shim_thread *t, const u64 *a)
{
	bool active = altstack_active(t);
	struct linux_stack given, old = {
		.base = t->altstack.base, .size = t->altstack.size,
		.flags = t->altstack.size ? (i32)((active ? SS_ONSTACK : 0) | t->altstack.flags) : SS_DISABLE,
	};
	long error;

	if (a[0]) {
		error = user_copy_in(&given, a[0], sizeof(given));
		if (error >= 0)
			error = shim_altstack_set(t, &given, active);
		if (error < 0)
			return error;
	}
	return a[1] ? user_copy_out(a[1], &old, sizeof(old)) : 0;
}

long shim_altstack_set(struct shim_thread *t, const struct linux_stack *stack, bool active)
{
	u32 mode = (u32)stack->flags & ~SS_AUTODISARM;

	if (active)
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		memset(&t->altstack, 0, sizeof(t->altstack));
		return 0;
	}
	if (stack->size < MINSIGSTKSZ)
		return -ENOMEM;
	t->altstack.base = stack->base;
	t->altstack.size = stack->size;
	t->altstack.flags = (u32)stack->flags & SS_AUTODISARM;
	return 0;
}
