/* Scheduling policies, nice values, affinity. */
#include "process.h"
#include "include/abi_process.h"

long sys_sched_yield(struct shim_thread *t, const u64 *a)
{
	(void)t;
	(void)a;
	(void)tk_yield();
	return 0;
}

long sys_getpriority(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return proc_priority_get((u32)a[0], (i32)a[1]);
}

long sys_setpriority(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return proc_priority_set((u32)a[0], (i32)a[1], (i32)a[2]);
}

long sys_sched_getscheduler(struct shim_thread *t, const u64 *a)
{
	struct proc_schedule schedule;
	long error = (i32)a[0] < 0 ? -EINVAL : proc_schedule_get((i32)a[0], &schedule);

	(void)t;
	return error < 0 ? error : (long)(schedule.policy | (schedule.reset_on_fork ? SCHED_RESET_ON_FORK : 0));
}

long sys_sched_getparam(struct shim_thread *t, const u64 *a)
{
	struct linux_sched_param shown;
	struct proc_schedule schedule;
	long error = (i32)a[0] < 0 || !a[1] ? -EINVAL : proc_schedule_get((i32)a[0], &schedule);

	(void)t;
	if (error < 0)
		return error;
	shown.priority = (i32)schedule.priority;
	return user_copy_out(a[1], &shown, sizeof(shown));
}

/* policy below 0: the present one. */
static long schedule_change(i32 tid, i64 policy, vaddr_t parameter)
{
	struct linux_sched_param given;
	struct proc_schedule schedule;
	long error;

	if (tid < 0 || !parameter)
		return -EINVAL;
	error = user_copy_in(&given, parameter, sizeof(given));
	if (error >= 0)
		error = proc_schedule_get(tid, &schedule);
	if (error < 0)
		return error;
	if (policy >= 0) {
		schedule.reset_on_fork = policy & SCHED_RESET_ON_FORK ? 1 : 0;
		schedule.policy = (u32)policy & ~(u32)SCHED_RESET_ON_FORK;
		if (schedule.policy & PROC_SCHEDULE_KEEP_NICE)
			return -EINVAL;
	}
	schedule.policy |= PROC_SCHEDULE_KEEP_NICE;
	schedule.priority = (u32)given.priority;
	return proc_schedule_set(tid, &schedule);
}

long sys_sched_setscheduler(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return (i32)a[1] < 0 ? -EINVAL : schedule_change((i32)a[0], (i32)a[1], a[2]);
}

long sys_sched_setparam(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return schedule_change((i32)a[0], -1, a[1]);
}

long sys_sched_getattr(struct shim_thread *t, const u64 *a)
{
	struct linux_sched_attr shown = { .size = sizeof(shown) };
	struct proc_schedule schedule;
	u32 size = (u32)a[2];
	long error;

	(void)t;
	if (!a[1] || (i32)a[0] < 0 || size < SCHED_ATTR_SIZE_FIRST || size > PAGE_SIZE || a[3])
		return -EINVAL;
	error = proc_schedule_get((i32)a[0], &schedule);
	if (error < 0)
		return error;
	shown.size = size < sizeof(shown) ? size : sizeof(shown);
	shown.policy = schedule.policy;
	shown.flags = schedule.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	shown.nice = schedule.policy == 1 || schedule.policy == 2 ? 0 : schedule.nice;
	shown.priority = schedule.priority;
	return user_copy_out(a[1], &shown, shown.size);
}

long sys_sched_setattr(struct shim_thread *t, const u64 *a)
{
	struct linux_sched_attr given = { 0 };
	struct proc_schedule schedule;
	u32 size;
	long error;

	(void)t;
	if (!a[1] || (i32)a[0] < 0 || a[2])
		return -EINVAL;
	error = user_copy_in(&size, a[1], sizeof(size));
	if (error < 0)
		return error;
	if (!size)
		size = SCHED_ATTR_SIZE_FIRST;
	if (size < SCHED_ATTR_SIZE_FIRST || size > PAGE_SIZE) {
		size = sizeof(given); /* what would do */
		return user_copy_out(a[1], &size, sizeof(size)) < 0 ? -EFAULT : -E2BIG;
	}
	error = user_copy_in(&given, a[1], size < sizeof(given) ? size : sizeof(given));
	if (error >= 0)
		error = proc_schedule_get((i32)a[0], &schedule);
	if (error < 0)
		return error;
	if (given.flags & ~(u64)(SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS) || (i32)given.policy < 0)
		return -EINVAL;
	if (!(given.flags & SCHED_FLAG_KEEP_POLICY))
		schedule.policy = given.policy;
	if (!(given.flags & SCHED_FLAG_KEEP_PARAMS)) {
		bool realtime = schedule.policy == 1 || schedule.policy == 2;

		schedule.priority = given.priority;
		if (!realtime)
			schedule.nice = given.nice < -20 ? -20 : given.nice > 19 ? 19 : given.nice;
	}
	schedule.reset_on_fork = given.flags & SCHED_FLAG_RESET_ON_FORK ? 1 : 0;
	return proc_schedule_set((i32)a[0], &schedule);
}

static long priority_bound(u32 policy, bool highest)
{
	if (policy == 1 || policy == 2)
		return highest ? 99 : 1;
	return policy == 0 || policy == 3 || policy == 5 || policy == 6 ? 0 : -EINVAL;
}

long sys_sched_get_priority_max(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return priority_bound((u32)a[0], true);
}

long sys_sched_get_priority_min(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return priority_bound((u32)a[0], false);
}

long sys_sched_rr_get_interval(struct shim_thread *t, const u64 *a)
{
	struct proc_schedule schedule;
	struct linux_timespec shown;
	long error = (i32)a[0] < 0 ? -EINVAL : proc_schedule_get((i32)a[0], &schedule);

	(void)t;
	if (error < 0)
		return error;
	shown = timespec_of_nanos(schedule.policy == 2 ? 100 * NANOS_IN_MILLI : schedule.policy == 1 ? 0 : 4 * NANOS_IN_MILLI);
	return user_copy_out(a[1], &shown, sizeof(shown));
}

long sys_sched_getaffinity(struct shim_thread *t, const u64 *a)
{
	u64 mask, size = (u32)a[1];
	long error;

	(void)t;
	if (size < sizeof(mask) || size % sizeof(mask))
		return -EINVAL;
	error = (i32)a[0] < 0 ? -ESRCH : proc_affinity_get((i32)a[0], &mask);
	if (error >= 0)
		error = user_copy_out(a[2], &mask, sizeof(mask));
	return error < 0 ? error : (long)sizeof(mask);
}

long sys_sched_setaffinity(struct shim_thread *t, const u64 *a)
{
	u64 mask = 0, size = (u32)a[1];
	long error = user_copy_in(&mask, a[2], size < sizeof(mask) ? size : sizeof(mask));

	(void)t;
	if (error < 0)
		return error;
	return (i32)a[0] < 0 ? -ESRCH : proc_affinity_set((i32)a[0], mask);
}
