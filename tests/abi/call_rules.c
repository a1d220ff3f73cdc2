/* Rules of other calls that few programs meet: children that have nothing to tell, masks of looks without a wait, mappings, timers. */
#include "check.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/select.h>

static void children_that_are_dead(void)
{
	pid_t child = fork();
	siginfo_t info;

	if (child == 0)
		_exit(3);
	REQUIRE_OK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
	CHECK_ERR(waitid(P_PID, (id_t)child, &info, WSTOPPED), ECHILD); /* it will never stop: nothing to wait for */
	CHECK_ERR(waitid(P_ALL, 0, &info, WCONTINUED | WNOHANG), ECHILD);
	CHECK_OK(waitid(P_PID, (id_t)child, &info, WEXITED | WSTOPPED));
	CHECK_EQ(info.si_status, 3);
}

/* A child of clone without an exit signal is found by waitpid once it has executed a program. */
static void execution_makes_a_usual_child(void)
{
	pid_t child = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
	int status;

	if (child == 0) {
		execl("/bin/busybox", "true", NULL);
		_exit(77);
	}
	REQUIRE_OK(child);
	REQUIRE(WAIT_UNTIL(kill(child, 0) == 0 && waitpid(child, &status, WNOHANG) == child));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 77);
}

static void looks_let_signals_in(void)
{
	struct timespec none = { 0, 0 };
	sigset_t empty, pending;

	sigemptyset(&empty);
	signal_set(SIGUSR1, signal_count, 0);
	signal_block(SIGUSR1);
	raise(SIGUSR1);
	CHECK_ERR(ppoll(NULL, 0, &none, &empty), EINTR);
	CHECK_EQ(signals_counted, 1);
	raise(SIGUSR1);
	CHECK_ERR(pselect(0, NULL, NULL, NULL, &none, &empty), EINTR);
	CHECK_EQ(signals_counted, 2);
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGUSR1));
	CHECK_EQ(ppoll(NULL, 0, &none, &empty), 0);
}

#define REMAP(...) ((void *)syscall(SYS_mremap, __VA_ARGS__))

static void mappings(void)
{
	unsigned char *pages = pages_new(2), *moved;
	int file;

	pages[0] = 1;
	CHECK_ERR(syscall(SYS_mremap, pages, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 1), EINVAL);
	CHECK_ERR(syscall(SYS_mremap, 0xffff800000000000, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
	moved = REMAP(pages, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	REQUIRE(moved != MAP_FAILED);
	CHECK(moved != pages && moved[0] == 1 && pages[0] == 0);
	REQUIRE_OK(mlock(moved, PAGE));
	CHECK_ERR(madvise(moved, PAGE, MADV_DONTNEED), EINVAL);
	CHECK_OK(madvise(moved, PAGE, 24)); /* MADV_DONTNEED_LOCKED */
	CHECK_EQ(moved[0], 0);
	CHECK_OK(msync(moved, SIZE_MAX, MS_SYNC));
	scratch_enter();
	file = file_make("file", "x", 1);
	CHECK(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, file, 0x7ffffffffffff000) == MAP_FAILED && errno == EOVERFLOW);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_HUGETLB, file, 0) == MAP_FAILED && errno == EINVAL);
}

static void timers_and_schedules(void)
{
	struct itimerspec far = { .it_value = { .tv_sec = 1l << 61 } }, left;
	unsigned size = 20, attributes[14] = { size };
	timer_t timer;

	CHECK_ERR(timer_create(CLOCK_MONOTONIC_RAW, NULL, &timer), EOPNOTSUPP);
	CHECK_ERR(timer_create(CLOCK_REALTIME_COARSE, NULL, &timer), EOPNOTSUPP);
	REQUIRE_OK(timer_create(CLOCK_MONOTONIC, NULL, &timer));
	CHECK_OK(timer_settime(timer, 0, &far, NULL));
	CHECK_OK(timer_gettime(timer, &left));
	CHECK(left.it_value.tv_sec > 1l << 32);
	CHECK_ERR(syscall(SYS_sched_setattr, 0, attributes, 0), E2BIG);
	CHECK_EQ(attributes[0], 56);
}

static void clock_as_user(void *argument)
{
	struct timespec past = { 0, 0 };

	(void)argument;
	CHECK_ERR(clock_settime(CLOCK_REALTIME, &past), EPERM);
}

static void who_may_set_the_clock(void)
{
	struct timespec past = { 0, 0 };

	CHECK_ERR(clock_settime(CLOCK_REALTIME, &past), EINVAL);
	CHECK_EXITED(child_run_as_user(clock_as_user, NULL), 0);
}

static int64_t time_of(struct timeval time)
{
	return time.tv_sec * SECOND + time.tv_usec * 1000;
}

/* What a program computed stays its own time when it waits then; neither part of the time ever shrinks. */
static void parts_of_processor_time(void)
{
	struct rusage usage;
	int64_t start = time_now(), user = 0, system = 0;

	while (time_now() < start + 300 * MILLISECOND) /* a look at the clock may be a system call */
		for (volatile int steps = 0; steps < 100000; steps++)
			;
	for (int look = 0; look < 2000; look++) {
		if (look % 40 == 0)
			time_pause();
		REQUIRE_OK(getrusage(RUSAGE_SELF, &usage));
		CHECK(time_of(usage.ru_utime) >= user && time_of(usage.ru_stime) >= system);
		user = time_of(usage.ru_utime);
		system = time_of(usage.ru_stime);
	}
	CHECK(user > 100 * MILLISECOND);
}

TESTS(TEST(parts_of_processor_time), TEST(children_that_are_dead), TEST(execution_makes_a_usual_child), TEST(looks_let_signals_in), TEST(mappings),
      TEST(timers_and_schedules), TEST(who_may_set_the_clock))
