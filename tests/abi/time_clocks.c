/* Clocks and sleeping: clock_*, gettimeofday, nanosleep and its remainder, and the vDSO's agreement with the kernel. */
#include "check.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <sys/times.h>

static int64_t clock_read(clockid_t clock)
{
	struct timespec now;

	REQUIRE_OK(syscall(SYS_clock_gettime, clock, &now));
	CHECK(now.tv_nsec >= 0 && now.tv_nsec < SECOND);
	return now.tv_sec * SECOND + now.tv_nsec;
}

static void clocks_exist(void)
{
	static const clockid_t clocks[] = {
		CLOCK_REALTIME,	       CLOCK_MONOTONIC,	      CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
		CLOCK_MONOTONIC_RAW,   CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,	CLOCK_BOOTTIME,
		CLOCK_REALTIME_ALARM,  CLOCK_BOOTTIME_ALARM,  CLOCK_TAI,
	};
	struct timespec resolution;

	for (size_t i = 0; i < COUNT(clocks) - 3; i++) {
		clock_read(clocks[i]);
		CHECK_OK(clock_getres(clocks[i], &resolution));
		CHECK(resolution.tv_sec == 0 && resolution.tv_nsec > 0);
	}
	clock_read(CLOCK_TAI);
	CHECK_OK(clock_getres(CLOCK_MONOTONIC, &resolution));
	CHECK_EQ(resolution.tv_nsec, 1);
	CHECK_OK(clock_getres(CLOCK_MONOTONIC, NULL));
}

static void clock_errors(void)
{
	struct timespec now = { 0, 0 };

	CHECK_ERR(syscall(SYS_clock_gettime, 99, &now), EINVAL);
	CHECK_ERR(syscall(SYS_clock_gettime, -1, &now), EINVAL);
	CHECK_ERR(syscall(SYS_clock_getres, 99, &now), EINVAL);
	CHECK_ERR(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &now), EINVAL);
	CHECK_ERR(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, bad_pointers[4]), EFAULT);
	CHECK_ERR(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, NULL), EFAULT);
	now.tv_nsec = SECOND;
	CHECK_ERR(syscall(SYS_clock_settime, CLOCK_REALTIME, &now), EINVAL);
}

static void clocks_advance(void)
{
	int64_t monotonic = clock_read(CLOCK_MONOTONIC), boot = clock_read(CLOCK_BOOTTIME);
	int64_t real = clock_read(CLOCK_REALTIME);

	for (int i = 0; i < 20; i++)
		time_pause();
	CHECK(clock_read(CLOCK_MONOTONIC) - monotonic >= 20 * MILLISECOND);
	CHECK(clock_read(CLOCK_BOOTTIME) - boot >= 20 * MILLISECOND);
	CHECK(clock_read(CLOCK_REALTIME) - real >= 19 * MILLISECOND);
	monotonic = clock_read(CLOCK_MONOTONIC);
	CHECK(clock_read(CLOCK_BOOTTIME) >= monotonic);
}

static void monotonic_never_goes_back(void)
{
	int64_t last = time_now(), now;

	for (int i = 0; i < 20000; i++, last = now) {
		now = i % 8 ? time_now() : clock_read(CLOCK_MONOTONIC);
		if (i % 500 == 0)
			sched_yield();
		REQUIRE(now >= last);
	}
}

static void cpu_clocks_count_work_only(void)
{
	int64_t start = clock_read(CLOCK_PROCESS_CPUTIME_ID), slept;
	struct timespec pause = time_spec(50 * MILLISECOND);
	clock_t ticks;
	struct tms used;

	nanosleep(&pause, NULL);
	slept = clock_read(CLOCK_PROCESS_CPUTIME_ID) - start;
	CHECK(slept < 40 * MILLISECOND);
	CHECK(WAIT_UNTIL(clock_read(CLOCK_THREAD_CPUTIME_ID) > 0));
	start = clock_read(CLOCK_PROCESS_CPUTIME_ID);
	while (clock_read(CLOCK_PROCESS_CPUTIME_ID) - start < 40 * MILLISECOND)
		;
	ticks = times(&used);
	CHECK(ticks > 0);
	CHECK(used.tms_utime + used.tms_stime >= 3);
	CHECK(syscall(SYS_times, NULL) >= ticks);
	CHECK_ERR(syscall(SYS_times, bad_pointers[4]), EFAULT);
}

static void time_calls_agree(void)
{
	struct timeval now;
	struct timezone zone = { -1, -1 };
	time_t seconds;

	CHECK_OK(gettimeofday(&now, NULL));
	CHECK_OK(syscall(SYS_gettimeofday, &now, &zone));
	CHECK(zone.tz_minuteswest == 0);
	CHECK_OK(syscall(SYS_gettimeofday, NULL, NULL));
	CHECK(now.tv_usec >= 0 && now.tv_usec < 1000000);
	CHECK_EQ(syscall(SYS_time, &seconds), seconds);
	/* It reads the coarse clock, which is up to a tick behind. */
	CHECK(seconds >= now.tv_sec - 1 && seconds <= now.tv_sec + 5);
	CHECK_ERR(syscall(SYS_gettimeofday, bad_pointers[4], NULL), EFAULT);
	CHECK_ERR(syscall(SYS_time, bad_pointers[2]), EFAULT);
}

static void nanosleep_sleeps(void)
{
	struct timespec request = time_spec(20 * MILLISECOND), left = { 7, 7 };
	int64_t start = time_now();

	CHECK_OK(nanosleep(&request, &left));
	CHECK(time_now() - start >= 20 * MILLISECOND);
	/* The remainder is written only when the sleep was cut short. */
	CHECK(left.tv_sec == 7 && left.tv_nsec == 7);
	request = (struct timespec){ 0, 0 };
	CHECK_OK(nanosleep(&request, NULL));
	request.tv_nsec = SECOND;
	CHECK_ERR(nanosleep(&request, NULL), EINVAL);
	request = (struct timespec){ -1, 0 };
	CHECK_ERR(nanosleep(&request, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_nanosleep, bad_pointers[2], NULL), EFAULT);
}

static void nanosleep_remainder(void)
{
	struct timespec request = { 5, 0 }, left = { 0, 0 };

	signal_set(SIGALRM, signal_count, SA_RESTART);
	ualarm(20000, 20000);
	CHECK_ERR(nanosleep(&request, &left), EINTR);
	CHECK(left.tv_sec > 0 && left.tv_sec < 5 && left.tv_nsec >= 0 && left.tv_nsec < SECOND);
	CHECK_ERR(syscall(SYS_nanosleep, &request, bad_pointers[4]), EFAULT);
	ualarm(0, 0);
}

static void sleep_long(void *argument)
{
	struct timespec request = time_spec((int64_t)argument);
	int64_t start = time_now();

	CHECK_OK(nanosleep(&request, NULL));
	CHECK(time_now() - start >= (int64_t)argument);
}

static void stop_does_not_shorten_a_sleep(void)
{
	pid_t pid = child_start(sleep_long, (void *)(60 * MILLISECOND));
	int status;

	task_wait_asleep(pid);
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	kill(pid, SIGCONT);
	CHECK_EXITED(child_wait(pid), 0);
}

static void clock_nanosleep_variants(void)
{
	struct timespec request = time_spec(10 * MILLISECOND), wrong = { 0, -1 };
	int64_t start = time_now();

	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &request, NULL), 0);
	CHECK_EQ(clock_nanosleep(CLOCK_BOOTTIME, 0, &request, NULL), 0);
	CHECK(time_now() - start >= 20 * MILLISECOND);
	request = time_spec(time_now() + 20 * MILLISECOND);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &request, NULL), 0);
	CHECK(time_now() >= request.tv_sec * SECOND + request.tv_nsec);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &request, NULL), 0);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, NULL), EINVAL);
	CHECK_EQ(clock_nanosleep(99, 0, &request, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &request, NULL), EOPNOTSUPP);
	CHECK_ERR(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &request, NULL), EOPNOTSUPP);
}

static void check_user_clock(void *argument)
{
	struct timespec now = { 1000, 0 };
	struct timeval day = { 1000, 0 };

	(void)argument;
	CHECK_ERR(clock_settime(CLOCK_REALTIME, &now), EPERM);
	CHECK_ERR(syscall(SYS_settimeofday, &day, NULL), EPERM);
}

static void setting_the_clock(void)
{
	struct timespec before, after;
	int64_t monotonic = clock_read(CLOCK_MONOTONIC);

	CHECK_EXITED(child_run_as_user(check_user_clock, NULL), 0);
	clock_gettime(CLOCK_REALTIME, &before);
	before.tv_sec += 100;
	CHECK_OK(clock_settime(CLOCK_REALTIME, &before));
	clock_gettime(CLOCK_REALTIME, &after);
	CHECK(after.tv_sec >= before.tv_sec && after.tv_sec < before.tv_sec + 10);
	/* The monotonic clock does not see it. */
	CHECK(clock_read(CLOCK_MONOTONIC) - monotonic < 50 * SECOND);
	after.tv_sec -= 100;
	CHECK_OK(clock_settime(CLOCK_REALTIME, &after));
}

static void vdso_is_an_elf_object(void)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Phdr *segments;
	bool dynamic = false, loaded = false;

	REQUIRE(header);
	CHECK(memcmp(header->e_ident, ELFMAG, SELFMAG) == 0);
	CHECK(header->e_type == ET_DYN && header->e_machine == EM_X86_64);
	segments = (const void *)((const char *)header + header->e_phoff);
	for (int i = 0; i < header->e_phnum; i++) {
		dynamic |= segments[i].p_type == PT_DYNAMIC;
		loaded |= segments[i].p_type == PT_LOAD && (segments[i].p_flags & PF_X);
	}
	CHECK(dynamic && loaded);
}

static void vdso_agrees_with_the_kernel(void)
{
	/* libc's calls go through the vDSO where there is one. */
	for (int i = 0; i < 200; i++) {
		int64_t before = clock_read(CLOCK_MONOTONIC), between = time_now(), after = clock_read(CLOCK_MONOTONIC);

		REQUIRE(before <= between && between <= after);
	}
	for (int i = 0; i < 50; i++) {
		struct timespec real;
		int64_t before = clock_read(CLOCK_REALTIME);

		clock_gettime(CLOCK_REALTIME, &real);
		REQUIRE(real.tv_sec * SECOND + real.tv_nsec >= before);
	}
}

static void getcpu_answers(void)
{
	unsigned processor = -1, node = -1;

	CHECK_OK(syscall(SYS_getcpu, &processor, &node, NULL));
	CHECK(processor < (unsigned)sysconf(_SC_NPROCESSORS_CONF));
	CHECK_OK(syscall(SYS_getcpu, NULL, NULL, NULL));
	CHECK_ERR(syscall(SYS_getcpu, bad_pointers[4], NULL, NULL), EFAULT);
	CHECK(sched_getcpu() >= 0);
}

TESTS(TEST(clocks_exist), TEST(clock_errors), TEST(clocks_advance), TEST(monotonic_never_goes_back),
      TEST(cpu_clocks_count_work_only), TEST(time_calls_agree), TEST(nanosleep_sleeps), TEST(nanosleep_remainder),
      TEST(stop_does_not_shorten_a_sleep), TEST(clock_nanosleep_variants), TEST(setting_the_clock),
      TEST(vdso_is_an_elf_object), TEST(vdso_agrees_with_the_kernel), TEST(getcpu_answers))
