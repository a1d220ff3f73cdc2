/* Linux x86_64: time structures and clocks. */
#ifndef ABI_TIME_H
#define ABI_TIME_H

#include <tessera/types.h>

#define NANOS_IN_SECOND 1000000000ll
#define NANOS_IN_MICRO 1000ll
#define NANOS_IN_MILLI 1000000ll

struct linux_timespec {
	i64 tv_sec;
	i64 tv_nsec;
};
struct linux_timeval {
	i64 tv_sec;
	i64 tv_usec;
};
struct linux_itimerspec {
	struct linux_timespec it_interval, it_value;
};
struct linux_itimerval {
	struct linux_timeval it_interval, it_value;
};
struct linux_timezone {
	i32 tz_minuteswest, tz_dsttime;
};
struct linux_timex {
	u32 modes, pad0;
	i64 offset, freq, maxerror, esterror;
	i32 status, pad1;
	i64 constant, precision, tolerance;
	struct linux_timeval time;
	i64 tick, ppsfreq, jitter;
	i32 shift, pad2;
	i64 stabil, jitcnt, calcnt, errcnt, stbcnt;
	i32 tai, pad3[11];
};
_Static_assert(sizeof(struct linux_timex) == 208, "ABI");

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID 3
#define CLOCK_MONOTONIC_RAW 4
#define CLOCK_REALTIME_COARSE 5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME 7
#define CLOCK_REALTIME_ALARM 8
#define CLOCK_BOOTTIME_ALARM 9
#define CLOCK_TAI 11
#define TIMER_ABSTIME 1

static inline bool timespec_valid(const struct linux_timespec *t)
{
	return t->tv_sec >= 0 && (u64)t->tv_nsec < (u64)NANOS_IN_SECOND;
}

/* Nanoseconds of a valid time; what does not fit is as good as never. */
static inline nanos_t timespec_nanos(const struct linux_timespec *t)
{
	if (t->tv_sec >= INT64_MAX / NANOS_IN_SECOND)
		return NANOS_NEVER;
	return (nanos_t)t->tv_sec * NANOS_IN_SECOND + (nanos_t)t->tv_nsec;
}

static inline struct linux_timespec timespec_of_nanos(i64 nanos)
{
	struct linux_timespec t = { nanos / NANOS_IN_SECOND, nanos % NANOS_IN_SECOND };

	if (t.tv_nsec < 0) {
		t.tv_nsec += NANOS_IN_SECOND;
		t.tv_sec--;
	}
	return t;
}

/* Of a span that may be for ever, which shows as the longest there is. */
static inline struct linux_timespec timespec_of_span(nanos_t nanos)
{
	return timespec_of_nanos(nanos > INT64_MAX ? INT64_MAX : (i64)nanos);
}

#endif
