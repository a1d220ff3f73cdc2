/* nanosleep, clock_nanosleep, pause's kin: waits that end by time alone. */
#include "clock.h"

static volatile u32 never_woken; /* the word of waits that only time or a signal ends */

/* Writes what is left of a relative sleep, if asked. */
static long remaining_put(vaddr_t to, nanos_t deadline)
{
	nanos_t now = clock_monotonic();

	if (!to)
		return 0;
	return timespec_put(to, deadline > now ? (i64)(deadline - now) : 0);
}

/* A relative sleep until t->restart.deadline; a[0]: where the remaining time goes, or 0. Also its restart. */
static long sleep_until(struct shim_thread *t, const u64 *a)
{
	nanos_t deadline = t->restart.deadline;
	long result;

	do
		result = shim_wait(t, &never_woken, 0, deadline);
	while (result == 0);
	if (result == -ETIMEDOUT)
		return 0;
	if (result != -ERESTARTSYS)
		return result;
	result = remaining_put(a[0], deadline);
	return result < 0 ? result : -ERESTART_RESTARTBLOCK;
}

static long sleep_relative(struct shim_thread *t, const struct linux_timespec *time, vaddr_t remaining)
{
	nanos_t length = timespec_nanos(time), now = clock_monotonic();

	t->restart.deadline = length > NANOS_NEVER - now ? NANOS_NEVER : now + length;
	t->restart.args[0] = remaining;
	long result = sleep_until(t, t->restart.args);
	t->restart.call = result == -ERESTART_RESTARTBLOCK ? sleep_until : NULL;
	return result;
}

/* Sleeps to a time of a clock; a wall clock that is set is looked at again. */
static long sleep_absolute(struct shim_thread *t, i32 clock, nanos_t time)
{
	for (;;) {
		u32 steps = __atomic_load_n(&clock_steps, __ATOMIC_ACQUIRE); /* before the deadline is reckoned */
		nanos_t deadline = clock_deadline(clock, time);
		long result;

		if (deadline <= clock_monotonic())
			return 0;
		result = shim_wait(t, &clock_steps, steps, deadline);
		if (result == -ETIMEDOUT)
			return 0;
		if (result < 0)
			return result == -ERESTARTSYS ? -ERESTARTNOHAND : result;
	}
}

/* Sleeps until a processor-time clock has advanced: polled in steps as long as could suffice. */
static long sleep_processor_time(struct shim_thread *t, const struct linux_timespec *time, u32 flags)
{
	nanos_t target = timespec_nanos(time);
	i64 now = 0;
	long result = clock_read(CLOCK_PROCESS_CPUTIME_ID, &now);

	if (result < 0)
		return result;
	if (!(flags & TIMER_ABSTIME))
		target += (nanos_t)now;
	while ((nanos_t)now < target) {
		/* No processor can give the process more time than passes. */
		nanos_t step = (target - (nanos_t)now) / rt_boot->processors + NANOS_IN_MILLI;
		result = shim_wait(t, &never_woken, 0, clock_monotonic() + step);
		if (result < 0 && result != -ETIMEDOUT)
			return result == -ERESTARTSYS ? -EINTR : result;
		result = clock_read(CLOCK_PROCESS_CPUTIME_ID, &now);
		if (result < 0)
			return result;
	}
	return 0;
}

long sys_nanosleep(struct shim_thread *t, const u64 *a)
{
	struct linux_timespec time;
	long result = timespec_get(a[0], &time);

	return result < 0 ? result : sleep_relative(t, &time, a[1]);
}

long sys_clock_nanosleep(struct shim_thread *t, const u64 *a)
{
	i32 clock = (i32)a[0];
	u32 flags = (u32)a[1];
	struct linux_timespec time;
	i64 now;
	long result;

	if (clock_read(clock, &now) < 0)
		return -EINVAL;
	if (!clock_can_sleep(clock) && clock != CLOCK_PROCESS_CPUTIME_ID)
		return -EOPNOTSUPP;
	result = timespec_get(a[2], &time);
	if (result < 0)
		return result;
	if (clock == CLOCK_PROCESS_CPUTIME_ID)
		return sleep_processor_time(t, &time, flags);
	if (flags & TIMER_ABSTIME)
		return sleep_absolute(t, clock, timespec_nanos(&time));
	return sleep_relative(t, &time, a[3]);
}

long sys_restart_syscall(struct shim_thread *t, const u64 *a)
{
	(void)a;
	if (!t->restart.call)
		return -EINTR;
	return t->restart.call(t, t->restart.args);
}
