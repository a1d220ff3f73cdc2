/* Interval timers and alarm. */
#include "process.h"
#include "include/abi_time.h"

/* A time as setitimer takes it; what does not fit is as long as can be. */
static long timeval_nanos(const struct linux_timeval *time, u64 *nanos)
{
	if (time->tv_sec < 0 || (u64)time->tv_usec >= 1000000)
		return -EINVAL;
	*nanos = time->tv_sec >= INT64_MAX / NANOS_IN_SECOND ? (u64)INT64_MAX :
		(u64)(time->tv_sec * NANOS_IN_SECOND + time->tv_usec * NANOS_IN_MICRO);
	return 0;
}

/* Rounded up to microseconds, so that a running timer never shows zero. */
static struct linux_timeval timeval_of(u64 nanos)
{
	u64 micros = nanos / NANOS_IN_MICRO + (nanos % NANOS_IN_MICRO ? 1 : 0);

	return (struct linux_timeval){ (i64)(micros / 1000000), (i64)(micros % 1000000) };
}

static long interval_put(vaddr_t to, const struct proc_interval *value)
{
	struct linux_itimerval shown = { timeval_of(value->interval), timeval_of(value->value) };

	return user_copy_out(to, &shown, sizeof(shown));
}

long sys_getitimer(struct shim_thread *t, const u64 *a)
{
	struct proc_interval none = { 0 }, old;
	long error = (u32)a[0] > PROC_ITIMER_PROF ? -EINVAL : proc_itimer((u32)a[0], &none, &old);

	(void)t;
	return error < 0 ? error : interval_put(a[1], &old);
}

long sys_setitimer(struct shim_thread *t, const u64 *a)
{
	struct linux_itimerval given = { 0 };
	struct proc_interval value, old;
	long error = a[1] ? user_copy_in(&given, a[1], sizeof(given)) : 0;

	(void)t;
	if (error >= 0)
		error = timeval_nanos(&given.it_interval, &value.interval);
	if (error >= 0)
		error = timeval_nanos(&given.it_value, &value.value);
	if (error < 0)
		return error;
	if ((u32)a[0] > PROC_ITIMER_PROF)
		return -EINVAL;
	error = proc_itimer((u32)a[0] | PROC_TIMER_CHANGE, &value, &old);
	if (error >= 0 && a[2])
		error = interval_put(a[2], &old);
	return error;
}

long sys_alarm(struct shim_thread *t, const u64 *a)
{
	struct proc_interval value = { .value = (u64)(u32)a[0] * NANOS_IN_SECOND }, old;
	long error = proc_itimer(PROC_ITIMER_REAL | PROC_TIMER_CHANGE, &value, &old);
	u64 seconds;

	(void)t;
	if (error < 0)
		return error;
	seconds = old.value / NANOS_IN_SECOND;
	/* Rounded as Linux does: half a second up, and never to zero while it runs. */
	if ((!seconds && old.value) || old.value % NANOS_IN_SECOND >= NANOS_IN_SECOND / 2)
		seconds++;
	return (long)seconds;
}
