/* timerfd and the machine's clock. */
#include "fake.h"
#include "tests.h"
#include "../timerfd.h"
#include "../include/abi_poll.h"

static long call(long (*handler)(struct shim_thread *, const u64 *), u64 a, u64 b, u64 c, u64 d)
{
	return handler(fake_thread, (u64[6]){ a, b, c, d });
}

static long ticks_read(i32 fd, u64 *ticks)
{
	struct shim_file *file = file_get(fake_thread, fd);
	long result = file->ops->read(fake_thread, file, (vaddr_t)ticks, 8, -1);

	file_put(file);
	return result;
}

static long timer_set(i32 fd, u32 flags, i64 value, i64 interval)
{
	struct linux_itimerspec spec = { timespec_of_nanos(interval), timespec_of_nanos(value) };

	return call(sys_timerfd_settime, (u64)fd, flags, (u64)&spec, 0);
}

void timerfd_counts(void)
{
	struct linux_itimerspec left;
	u64 ticks = 0;
	i32 fd;

	fake_start();
	fd = (i32)call(sys_timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK, 0, 0);
	CHECK(ticks_read(fd, &ticks) == -EAGAIN);
	CHECK(timer_set(fd, 0, 1000, 0) == 0);
	fake_now += 999;
	timerfd_expire();
	CHECK(ticks_read(fd, &ticks) == -EAGAIN);
	fake_now += 1;
	CHECK(timerfd_expire() == NANOS_NEVER);
	CHECK(ticks_read(fd, &ticks) == 8 && ticks == 1);
	CHECK(timer_set(fd, 0, 100, 10) == 0);
	fake_now += 100;
	CHECK(timerfd_expire() == NANOS_NEVER); /* it stands until it is read */
	fake_now += 55;
	CHECK(ticks_read(fd, &ticks) == 8 && ticks == 6);
	CHECK(timerfd_expire() == fake_now + 5);
	CHECK(call(sys_timerfd_gettime, (u64)fd, (u64)&left, 0, 0) == 0 && left.it_value.tv_nsec == 5 && left.it_interval.tv_nsec == 10);
	CHECK(timer_set(fd, 0, 0, 0) == 0 && timerfd_expire() == NANOS_NEVER);
	CHECK(timer_set(fd, TFD_TIMER_ABSTIME, 1, INT64_MAX) == 0);
	(void)timerfd_expire();
	CHECK(ticks_read(fd, &ticks) == 8 && ticks == 1);
	CHECK(timer_set(fd, 8, 1, 1) == -EINVAL && timer_set(0, 0, -1, 0) == -EINVAL);
	CHECK(call(sys_timerfd_create, 2, 0, 0, 0) == -EINVAL);
	fake_end();
}

void timerfd_follows_the_wall_clock(void)
{
	struct linux_timespec now = { 1000000, 0 };
	u64 ticks = 0;
	i32 plain, cancelled;

	fake_start();
	plain = (i32)call(sys_timerfd_create, CLOCK_REALTIME, TFD_NONBLOCK, 0, 0);
	cancelled = (i32)call(sys_timerfd_create, CLOCK_REALTIME, TFD_NONBLOCK, 0, 0);
	CHECK(timer_set(plain, TFD_TIMER_ABSTIME, 1000001 * NANOS_IN_SECOND, 0) == 0);
	CHECK(timer_set(cancelled, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 1000002 * NANOS_IN_SECOND, 0) == 0);
	CHECK(call(sys_clock_settime, CLOCK_REALTIME, (u64)&now, 0, 0) == 0);
	CHECK(ticks_read(cancelled, &ticks) == -ECANCELED);
	CHECK(ticks_read(cancelled, &ticks) == -EAGAIN);
	fake_now += NANOS_IN_SECOND;
	(void)timerfd_expire();
	CHECK(ticks_read(plain, &ticks) == 8 && ticks == 1);
	fake_end();
}

static i64 rtc_seconds(const u8 *time, u8 status)
{
	static const u8 places[] = { 0, 2, 4, 7, 8, 9 };
	i64 seconds = -1;

	for (u32 i = 0; i < countof(places); i++)
		fake_rtc[places[i]] = time[i];
	fake_rtc[11] = status;
	CHECK(rtc_read(&seconds) == 0);
	return seconds;
}

void rtc_is_read(void)
{
	i64 seconds;

	fake_start();
	CHECK(rtc_seconds((u8[]){ 0x59, 0x59, 0x23, 0x29, 0x02, 0x24 }, 2) == 1709251199);   /* decimal digits, 24 hours */
	CHECK(rtc_seconds((u8[]){ 0, 0, 0, 1, 3, 24 }, 6) == 1709251200);                    /* binary */
	CHECK(rtc_seconds((u8[]){ 0, 0, 0x92, 1, 1, 0 }, 0) == 946728000);                   /* noon of 2000-01-01, 12 hours */
	CHECK(rtc_seconds((u8[]){ 0, 0, 0x12, 1, 1, 0 }, 0) == 946684800);                   /* midnight */
	fake_rtc[8] = 13;
	fake_rtc[11] = 6;
	CHECK(rtc_read(&seconds) == -EIO);
	fake_rtc[8] = 1;
	fake_rtc[10] = 0x80;
	CHECK(rtc_read(&seconds) == -EIO); /* an update that never ends */
	fake_rtc[10] = 0;
	fake_end();
}
