/*
 * The vDSO: an image mapped into every program, which reads clocks without a system call. Its data, a copy of the core's clock page,
 * lies in the page before it.
 */
#include <tessera/object.h>
#include <arch_counter.h>
#include "../include/abi_time.h"
#include "../arch/x86_64/vdso_call.h"

extern struct tk_clock_page vdso_data __attribute__((visibility("hidden")));

int __vdso_clock_gettime(i32 clock, struct linux_timespec *time);
int __vdso_clock_getres(i32 clock, struct linux_timespec *resolution);
int __vdso_gettimeofday(struct linux_timeval *time, struct linux_timezone *zone);
i64 __vdso_time(i64 *time);
int __vdso_getcpu(u32 *processor, u32 *node, void *unused);

/* Monotonic or wall-clock nanoseconds, consistent though the shim may be setting the clock. */
static u64 nanos_read(bool wall)
{
	u32 sequence;
	u64 nanos;

	do {
		sequence = __atomic_load_n(&vdso_data.sequence, __ATOMIC_ACQUIRE);
		nanos = vdso_data.nanos_base +
			(u64)((unsigned __int128)(arch_counter_read() - vdso_data.counter_base) * vdso_data.multiplier >> vdso_data.shift);
		if (wall)
			nanos += (u64)vdso_data.realtime_offset;
		__atomic_thread_fence(__ATOMIC_ACQUIRE); /* the fields before the second look at the sequence */
	} while (sequence & 1 || sequence != vdso_data.sequence);
	return nanos;
}

static bool clock_known(i32 clock, bool *wall)
{
	*wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
	return *wall || clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME;
}

int __vdso_clock_gettime(i32 clock, struct linux_timespec *time)
{
	bool wall;
	u64 nanos;

	if (!clock_known(clock, &wall))
		return (int)vdso_call(VDSO_CLOCK_GETTIME, (u64)(i64)clock, (u64)time);
	nanos = nanos_read(wall);
	time->tv_sec = (i64)(nanos / NANOS_IN_SECOND);
	time->tv_nsec = (i64)(nanos % NANOS_IN_SECOND);
	return 0;
}

int __vdso_clock_getres(i32 clock, struct linux_timespec *resolution)
{
	bool wall;

	if (!clock_known(clock, &wall))
		return (int)vdso_call(VDSO_CLOCK_GETRES, (u64)(i64)clock, (u64)resolution);
	if (resolution)
		*resolution = (struct linux_timespec){ 0, 1 };
	return 0;
}

int __vdso_gettimeofday(struct linux_timeval *time, struct linux_timezone *zone)
{
	if (time) {
		u64 nanos = nanos_read(true);

		time->tv_sec = (i64)(nanos / NANOS_IN_SECOND);
		time->tv_usec = (i64)(nanos % NANOS_IN_SECOND / NANOS_IN_MICRO);
	}
	if (zone)
		*zone = (struct linux_timezone){ 0, 0 };
	return 0;
}

i64 __vdso_time(i64 *time)
{
	i64 seconds = (i64)(nanos_read(true) / NANOS_IN_SECOND);

	if (time)
		*time = seconds;
	return seconds;
}

int __vdso_getcpu(u32 *processor, u32 *node, void *unused)
{
	(void)unused;
	return (int)vdso_call(VDSO_GETCPU, (u64)processor, (u64)node);
}
