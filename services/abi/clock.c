/* What time it is, by every clock, and setting it. */
#include "timerfd.h"
#include <proc_client.h>

volatile u32 clock_steps;
static struct rt_lock set_lock = RT_LOCK_INIT; /* guards changes of the clock page's offset */

static struct tk_clock_page *clock_page(void)
{
	return (struct tk_clock_page *)token_of_frame(rt_boot->clock_frame);
}

bool clock_is_wall(i32 clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI || clock == CLOCK_REALTIME_COARSE;
}

bool clock_can_sleep(i32 clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
}

nanos_t clock_deadline(i32 clock, nanos_t time)
{
	i64 offset;

	if (!clock_is_wall(clock) || time == NANOS_NEVER)
		return time;
	offset = clock_realtime() - (i64)clock_monotonic();
	return (i64)time <= offset ? 0 : time - (nanos_t)offset;
}

/* Clocks of another process or thread: ~id << 3 with bit 2 for a thread, and the kind in the low two bits. */
static long cpu_clock_read(i32 clock, i64 *nanos)
{
	u32 kind = (u32)clock & 3, thread = (u32)clock >> 2 & 1;
	i32 id = ~(clock >> 3);
	u64 value;
	long result;

	if (kind == 3)
		return -EINVAL; /* a clock device's descriptor */
	result = proc_cpu_time(id, thread, kind == 1, &value);
	if (result < 0)
		return -EINVAL;
	*nanos = (i64)value;
	return 0;
}

long clock_read(i32 clock, i64 *nanos)
{
	u64 value;
	long result;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*nanos = clock_realtime();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*nanos = (i64)clock_monotonic();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		result = proc_cpu_time(0, clock == CLOCK_THREAD_CPUTIME_ID, 0, &value);
		*nanos = (i64)value;
		return result;
	default:
		return clock < 0 ? cpu_clock_read(clock, nanos) : -EINVAL;
	}
}

long timespec_get(vaddr_t from, struct linux_timespec *time)
{
	long result = user_copy_in(time, from, sizeof(*time));

	if (result < 0)
		return result;
	return timespec_valid(time) ? 0 : -EINVAL;
}

long timespec_put(vaddr_t to, i64 nanos)
{
	struct linux_timespec time = timespec_of_nanos(nanos);

	return user_copy_out(to, &time, sizeof(time));
}

/* The wall clock shows `nanos` from now on; whoever waits by it looks again. */
static void wall_clock_set(i64 nanos)
{
	struct tk_clock_page *page = clock_page();

	lock_acquire(&set_lock);
	__atomic_store_n(&page->realtime_offset, nanos - (i64)clock_monotonic(), __ATOMIC_RELEASE); /* one aligned word */
	vdso_clock_update();
	lock_release(&set_lock);
	__atomic_fetch_add(&clock_steps, 1, __ATOMIC_RELEASE); /* after the offset */
	(void)tk_wake(&clock_steps, ~0u, 0, ~0u);
	timerfd_clock_changed();
	(void)proc_clock_changed();
}

static long wall_clock_permission(void)
{
	struct proc_credentials credentials;
	long result = proc_credentials_get(0, &credentials);

	if (result < 0)
		return result;
	return credentials.effective >> PROC_CAP_SYS_TIME & 1 ? 0 : -EPERM;
}

/* Sets the wall clock as settimeofday and clock_settime do. */
static long wall_clock_change(const struct linux_timespec *time)
{
	long result = wall_clock_permission();

	if (result < 0)
		return result;
	/* A wall clock before the machine's start, or past year 2232, is not a time: as in Linux. */
	if (time->tv_sec < 0 || time->tv_sec >= 8277292036ll || (i64)timespec_nanos(time) < (i64)clock_monotonic())
		return -EINVAL;
	wall_clock_set((i64)timespec_nanos(time));
	return 0;
}

long sys_clock_gettime(struct shim_thread *t, const u64 *a)
{
	i64 nanos = 0;
	long result = clock_read((i32)a[0], &nanos);

	(void)t;
	return result < 0 ? result : timespec_put(a[1], nanos);
}

long sys_clock_settime(struct shim_thread *t, const u64 *a)
{
	struct linux_timespec time;
	long result;
	i64 nanos;

	(void)t;
	if ((i32)a[0] != CLOCK_REALTIME)
		return clock_read((i32)a[0], &nanos) < 0 ? -EINVAL : (i32)a[0] < 0 ? -EPERM : -EINVAL;
	result = timespec_get(a[1], &time);
	return result < 0 ? result : wall_clock_change(&time);
}

long sys_clock_getres(struct shim_thread *t, const u64 *a)
{
	i32 clock = (i32)a[0];
	i64 nanos;
	long result = clock_read(clock, &nanos);

	(void)t;
	if (result < 0 || !a[1])
		return result;
	return timespec_put(a[1], 1); /* the coarse clocks here are the fine ones */
}

long sys_gettimeofday(struct shim_thread *t, const u64 *a)
{
	struct linux_timespec now = timespec_of_nanos(clock_realtime());
	struct linux_timeval value = { now.tv_sec, now.tv_nsec / NANOS_IN_MICRO };
	struct linux_timezone zone = { 0 };
	long result = 0;

	(void)t;
	if (a[0])
		result = user_copy_out(a[0], &value, sizeof(value));
	if (result == 0 && a[1])
		result = user_copy_out(a[1], &zone, sizeof(zone));
	return result;
}

long sys_settimeofday(struct shim_thread *t, const u64 *a)
{
	struct linux_timeval value;
	struct linux_timezone zone;
	struct linux_timespec time;
	long result;

	(void)t;
	if (a[0]) {
		result = user_copy_in(&value, a[0], sizeof(value));
		if (result < 0)
			return result;
		if ((u64)value.tv_usec >= 1000000)
			return -EINVAL;
	}
	if (a[1]) { /* the kernel's time zone: it is accepted, and stays UTC */
		result = user_copy_in(&zone, a[1], sizeof(zone));
		if (result < 0)
			return result;
		if (zone.tz_minuteswest > 15 * 60 || zone.tz_minuteswest < -15 * 60)
			return -EINVAL;
	}
	if (!a[0])
		return a[1] ? wall_clock_permission() : 0;
	time = (struct linux_timespec){ value.tv_sec, value.tv_usec * NANOS_IN_MICRO };
	return wall_clock_change(&time);
}

long sys_time(struct shim_thread *t, const u64 *a)
{
	i64 seconds = timespec_of_nanos(clock_realtime()).tv_sec;

	(void)t;
	if (a[0]) {
		long result = user_copy_out(a[0], &seconds, sizeof(seconds));
		if (result < 0)
			return result;
	}
	return seconds;
}

/* adjtimex with modes 0: the clock is not disciplined (status STA_UNSYNC), runs at its own rate. */
static long timex_read(vaddr_t buffer)
{
	struct linux_timespec now = timespec_of_nanos(clock_realtime());
	struct linux_timex timex;
	long result = user_copy_in(&timex, buffer, sizeof(timex));

	if (result < 0)
		return result;
	if (timex.modes) { /* no discipline: nobody may change it */
		result = wall_clock_permission();
		return result < 0 ? result : -EOPNOTSUPP;
	}
	timex = (struct linux_timex){
		.maxerror = 16000000, .esterror = 16000000, .status = 0x40, .constant = 2, .precision = 1, .tolerance = 32768000,
		.time = { now.tv_sec, now.tv_nsec / NANOS_IN_MICRO }, .tick = 10000,
	};
	result = user_copy_out(buffer, &timex, sizeof(timex));
	return result < 0 ? result : 5; /* TIME_ERROR: not synchronised */
}

long sys_adjtimex(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return timex_read(a[0]);
}

long sys_clock_adjtime(struct shim_thread *t, const u64 *a)
{
	struct linux_timex timex;
	i64 nanos;

	(void)t;
	if ((i32)a[0] == CLOCK_REALTIME)
		return timex_read(a[1]);
	if (user_copy_in(&timex, a[1], sizeof(timex)) < 0)
		return -EFAULT;
	return clock_read((i32)a[0], &nanos) < 0 ? -EINVAL : -EOPNOTSUPP;
}

void clock_boot(void)
{
	i64 seconds;

	if (rtc_read(&seconds) == 0)
		clock_page()->realtime_offset = seconds * NANOS_IN_SECOND - (i64)clock_monotonic();
}
