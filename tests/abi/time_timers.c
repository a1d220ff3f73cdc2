/* Timers that signal: alarm, the three interval timers and timer_create with its kinds of notification. */
#include "check.h"

#include <sys/time.h>

static siginfo_t info_seen;
static volatile sig_atomic_t ticks;

static void record(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	info_seen = *info;
	ticks++;
}

static int timer_new(clockid_t clock, int notify, int number, timer_t *timer)
{
	struct sigevent event = { .sigev_notify = notify, .sigev_signo = number, .sigev_value.sival_int = 77 };
	int kernel_timer = -1;

	if (notify == SIGEV_THREAD_ID)
		event._sigev_un._tid = gettid();
	/* The raw call: libc would make a thread and keep an identity of its own. */
	if (syscall(SYS_timer_create, clock, &event, &kernel_timer))
		return -1;
	*timer = (timer_t)(intptr_t)kernel_timer;
	return 0;
}

#define timer_set(timer, flags, setting, old) syscall(SYS_timer_settime, timer, flags, setting, old)
#define timer_get(timer, setting) syscall(SYS_timer_gettime, timer, setting)

static void alarm_answers_what_was_left(void)
{
	signal_set(SIGALRM, signal_count, 0);
	CHECK_EQ(alarm(100), 0);
	CHECK_EQ(alarm(1), 100);
	CHECK(WAIT_UNTIL(signals_counted == 1));
	CHECK_EQ(alarm(0), 0);
}

static void real_interval_timer(void)
{
	struct itimerval setting = { { 0, 5000 }, { 0, 5000 } }, old;

	signal_set_info(SIGALRM, record, SA_RESTART);
	CHECK_OK(setitimer(ITIMER_REAL, &setting, NULL));
	CHECK(WAIT_UNTIL(ticks >= 3));
	CHECK_EQ(info_seen.si_code, SI_KERNEL);
	CHECK_OK(getitimer(ITIMER_REAL, &old));
	CHECK(old.it_interval.tv_usec == 5000 && old.it_value.tv_usec <= 5000);
	memset(&setting, 0, sizeof(setting));
	CHECK_OK(setitimer(ITIMER_REAL, &setting, &old));
	CHECK_EQ(old.it_interval.tv_usec, 5000);
	CHECK_OK(getitimer(ITIMER_REAL, &old));
	CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
}

static void processor_interval_timers(void)
{
	struct itimerval setting = { { 0, 0 }, { 0, 20000 } };

	signal_set(SIGVTALRM, signal_count, 0);
	signal_set(SIGPROF, signal_count, 0);
	CHECK_OK(setitimer(ITIMER_VIRTUAL, &setting, NULL));
	/* It runs only while the process computes. */
	usleep(60000);
	CHECK_EQ(signals_counted, 0);
	while (!signals_counted)
		;
	CHECK_OK(setitimer(ITIMER_PROF, &setting, NULL));
	while (signals_counted == 1)
		getppid();
	CHECK_EQ(signals_counted, 2);
}

static void interval_timer_errors(void)
{
	struct itimerval setting = { { 0, 0 }, { 0, 1000000 } };

	CHECK_ERR(setitimer(ITIMER_REAL, &setting, NULL), EINVAL);
	setting.it_value.tv_usec = 0;
	CHECK_ERR(setitimer(99, &setting, NULL), EINVAL);
	CHECK_ERR(getitimer(99, &setting), EINVAL);
	CHECK_ERR(syscall(SYS_setitimer, ITIMER_REAL, bad_pointers[2], NULL), EFAULT);
	CHECK_ERR(syscall(SYS_getitimer, ITIMER_REAL, bad_pointers[4]), EFAULT);
	setting.it_value.tv_sec = 50;
	CHECK_ERR(syscall(SYS_setitimer, ITIMER_REAL, &setting, bad_pointers[4]), EFAULT);
	alarm(0);
}

static void posix_timer_signals(void)
{
	struct itimerspec setting = { .it_value = { 0, 5 * MILLISECOND } }, now;
	timer_t timer;

	signal_set_info(SIGUSR1, record, 0);
	REQUIRE_OK(timer_new(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, &timer));
	CHECK_OK(timer_get(timer, &now));
	CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0);
	CHECK_OK(timer_set(timer, 0, &setting, NULL));
	CHECK(WAIT_UNTIL(ticks == 1));
	CHECK_EQ(info_seen.si_code, SI_TIMER);
	CHECK_EQ(info_seen.si_value.sival_int, 77);
	CHECK_EQ(info_seen.si_timerid, (intptr_t)timer);
	CHECK_EQ(info_seen.si_overrun, 0);
	CHECK_OK(syscall(SYS_timer_delete, timer));
	CHECK_ERR(syscall(SYS_timer_delete, timer), EINVAL);
	CHECK_ERR(timer_get(timer, &now), EINVAL);
}

static void posix_timer_overrun(void)
{
	struct itimerspec setting = { { 0, MILLISECOND }, { 0, MILLISECOND } }, old;
	struct timespec pause = time_spec(20 * MILLISECOND);
	sigset_t set = signal_set_of(SIGUSR1);
	siginfo_t info;
	timer_t timer;

	signal_block(SIGUSR1);
	REQUIRE_OK(timer_new(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, &timer));
	CHECK_OK(timer_set(timer, 0, &setting, NULL));
	nanosleep(&pause, NULL);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
	/* Only one signal is pending, and it tells how many more expirations there were. */
	CHECK(info.si_overrun >= 15);
	CHECK_EQ(syscall(SYS_timer_getoverrun, timer), info.si_overrun);
	setting = (struct itimerspec){ 0 };
	CHECK_OK(timer_set(timer, 0, &setting, &old));
	CHECK_EQ(old.it_interval.tv_nsec, MILLISECOND);
}

static void posix_timer_absolute_and_silent(void)
{
	struct itimerspec setting = { 0 }, now;
	timer_t timer;

	REQUIRE_OK(timer_new(CLOCK_REALTIME, SIGEV_NONE, 0, &timer));
	clock_gettime(CLOCK_REALTIME, &setting.it_value);
	setting.it_value.tv_sec += 100;
	CHECK_OK(timer_set(timer, TIMER_ABSTIME, &setting, NULL));
	CHECK_OK(timer_get(timer, &now));
	CHECK(now.it_value.tv_sec == 99 || (now.it_value.tv_sec == 100 && now.it_value.tv_nsec == 0));
	/* A time that is over expires at once. */
	signal_set_info(SIGUSR1, record, 0);
	REQUIRE_OK(timer_new(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, &timer));
	setting.it_value.tv_sec -= 200;
	CHECK_OK(timer_set(timer, TIMER_ABSTIME, &setting, NULL));
	CHECK(WAIT_UNTIL(ticks == 1));
}

static void posix_timer_to_a_thread(void)
{
	struct itimerspec setting = { .it_value = { 0, 1 } };
	timer_t timer;

	signal_set_info(SIGUSR1, record, 0);
	REQUIRE_OK(timer_new(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, &timer));
	CHECK_OK(timer_set(timer, 0, &setting, NULL));
	CHECK(WAIT_UNTIL(ticks == 1));
}

static void posix_timer_on_processor_time(void)
{
	struct itimerspec setting = { .it_value = { 0, 20 * MILLISECOND } };
	timer_t timer;

	signal_set_info(SIGUSR1, record, 0);
	REQUIRE_OK(timer_new(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1, &timer));
	CHECK_OK(timer_set(timer, 0, &setting, NULL));
	for (int64_t deadline = time_now() + 5 * SECOND; !ticks && time_now() < deadline;)
		;
	CHECK_EQ(ticks, 1);
}

static void posix_timer_errors(void)
{
	struct itimerspec setting = { .it_value = { 0, SECOND } };
	struct sigevent event = { .sigev_notify = 55, .sigev_signo = SIGUSR1 };
	timer_t timer;
	int number;

	CHECK_ERR(timer_new(99, SIGEV_SIGNAL, SIGUSR1, &timer), EINVAL);
	CHECK_ERR(timer_new(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, &timer), EINVAL);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &number), EINVAL);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, bad_pointers[2], &number), EFAULT);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, bad_pointers[4]), EFAULT);
	REQUIRE_OK(timer_new(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, &timer));
	CHECK_ERR(timer_set(timer, 0, &setting, NULL), EINVAL);
	CHECK_ERR(timer_set(timer, 0, NULL, NULL), EINVAL);
	CHECK_ERR(timer_set(timer, 0, bad_pointers[2], NULL), EFAULT);
	CHECK_ERR(timer_get(timer, bad_pointers[4]), EFAULT);
	CHECK_ERR(timer_get((timer_t)12345, &setting), EINVAL);
	CHECK_ERR(syscall(SYS_timer_getoverrun, 12345), EINVAL);
}

static void check_no_timers(void *argument)
{
	struct itimerspec setting;

	CHECK_ERR(timer_get(*(timer_t *)argument, &setting), EINVAL);
}

static void timers_stay_with_their_process(void)
{
	timer_t timer;

	REQUIRE_OK(timer_new(CLOCK_MONOTONIC, SIGEV_NONE, 0, &timer));
	CHECK_EXITED(child_run(check_no_timers, &timer), 0);
}

TESTS(TEST(alarm_answers_what_was_left), TEST(real_interval_timer), TEST(processor_interval_timers),
      TEST(interval_timer_errors), TEST(posix_timer_signals), TEST(posix_timer_overrun),
      TEST(posix_timer_absolute_and_silent), TEST(posix_timer_to_a_thread), TEST(posix_timer_on_processor_time),
      TEST(posix_timer_errors), TEST(timers_stay_with_their_process))
