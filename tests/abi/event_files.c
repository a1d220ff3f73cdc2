/* Files that are events: eventfd, timerfd, signalfd and pidfd. */
#include "check.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static short ready(int file)
{
	struct pollfd entry = { .fd = file, .events = POLLIN | POLLOUT };

	return poll(&entry, 1, 0) < 0 ? -1 : entry.revents;
}

static void eventfd_counts(void)
{
	uint64_t value = 0;
	int event = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);

	CHECK_EQ(fcntl(event, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(ready(event), POLLIN | POLLOUT);
	CHECK_OK(eventfd_write(event, 4));
	CHECK_EQ(read(event, &value, 8), 8);
	CHECK_EQ(value, 7);
	CHECK_ERR(read(event, &value, 8), EAGAIN);
	CHECK_EQ(ready(event), POLLOUT);
	CHECK_OK(eventfd_write(event, UINT64_MAX - 1));
	CHECK_EQ(ready(event), POLLIN);
	CHECK_ERR(eventfd_write(event, 1), EAGAIN);
	CHECK_OK(eventfd_write(event, 0));
	value = UINT64_MAX;
	CHECK_ERR(write(event, &value, 8), EINVAL);
	CHECK_ERR(write(event, &value, 4), EINVAL);
	CHECK_ERR(read(event, &value, 7), EINVAL);
	CHECK_ERR(eventfd(0, 0x10), EINVAL);
	CHECK_ERR(read(event, bad_pointers[4], 8), EFAULT);
}

static void eventfd_semaphore(void)
{
	uint64_t value = 0;
	int event = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(read(event, &value, 8), 8);
		CHECK_EQ(value, 1);
	}
	CHECK_ERR(read(event, &value, 8), EAGAIN);
}

static void take_later(void *argument)
{
	eventfd_t value;

	task_wait_asleep(getppid());
	CHECK_OK(eventfd_read(*(int *)argument, &value));
}

static void add_later(void *argument)
{
	task_wait_asleep(getppid());
	CHECK_OK(eventfd_write(*(int *)argument, 9));
}

static void eventfd_blocks(void)
{
	eventfd_t value;
	int event = eventfd(0, 0);
	pid_t pid = child_start(add_later, &event);

	CHECK_OK(eventfd_read(event, &value));
	CHECK_EQ(value, 9);
	CHECK_EXITED(child_wait(pid), 0);
	CHECK_OK(eventfd_write(event, UINT64_MAX - 1));
	pid = child_start(take_later, &event);
	CHECK_OK(eventfd_write(event, 5));
	CHECK_EXITED(child_wait(pid), 0);
	CHECK_OK(eventfd_read(event, &value));
	CHECK_EQ(value, 5);
}

static void timerfd_expires(void)
{
	struct itimerspec setting = { .it_value = { 0, 20 * MILLISECOND } }, now;
	uint64_t count = 0;
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	int64_t start = time_now();

	CHECK_EQ(ready(timer), 0);
	CHECK_OK(timerfd_settime(timer, 0, &setting, NULL));
	CHECK_OK(timerfd_gettime(timer, &now));
	CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec > 0 && now.it_value.tv_nsec <= 20 * MILLISECOND);
	CHECK_EQ(read(timer, &count, 8), 8);
	CHECK_EQ(count, 1);
	CHECK(time_now() - start >= 20 * MILLISECOND);
	CHECK_OK(timerfd_gettime(timer, &now));
	CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0);
}

static void timerfd_repeats_and_counts(void)
{
	struct itimerspec setting = { { 0, 2 * MILLISECOND }, { 0, 1 } }, old;
	uint64_t count = 0;
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct timespec pause = time_spec(20 * MILLISECOND);

	CHECK_ERR(read(timer, &count, 8), EAGAIN);
	CHECK_OK(timerfd_settime(timer, 0, &setting, NULL));
	nanosleep(&pause, NULL);
	CHECK_EQ(ready(timer), POLLIN);
	CHECK_EQ(read(timer, &count, 8), 8);
	CHECK(count >= 9);
	setting = (struct itimerspec){ 0 };
	CHECK_OK(timerfd_settime(timer, 0, &setting, &old));
	CHECK_EQ(old.it_interval.tv_nsec, 2 * MILLISECOND);
	nanosleep(&pause, NULL);
	CHECK_ERR(read(timer, &count, 8), EAGAIN);
}

static void timerfd_absolute(void)
{
	struct itimerspec setting = { 0 };
	uint64_t count;
	int timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);

	clock_gettime(CLOCK_REALTIME, &setting.it_value);
	setting.it_value.tv_sec -= 5;
	CHECK_OK(timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, NULL));
	CHECK(WAIT_UNTIL(ready(timer) == POLLIN));
	CHECK_EQ(read(timer, &count, 8), 8);
	CHECK_EQ(count, 1);
}

static void timerfd_errors(void)
{
	struct itimerspec setting = { .it_value = { 0, 1000000000 } };
	uint64_t count;
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);

	CHECK_ERR(timerfd_create(99, 0), EINVAL);
	CHECK_ERR(timerfd_create(CLOCK_MONOTONIC, 0x10), EINVAL);
	CHECK_ERR(timerfd_settime(timer, 0, &setting, NULL), EINVAL);
	setting.it_value.tv_nsec = 0;
	CHECK_ERR(timerfd_settime(timer, 0x80, &setting, NULL), EINVAL);
	CHECK_ERR(timerfd_settime(timer, 0, bad_pointers[2], NULL), EFAULT);
	CHECK_ERR(timerfd_settime(999, 0, &setting, NULL), EBADF);
	CHECK_ERR(timerfd_settime(eventfd(0, 0), 0, &setting, NULL), EINVAL);
	CHECK_ERR(timerfd_gettime(timer, bad_pointers[4]), EFAULT);
	CHECK_ERR(read(timer, &count, 4), EINVAL);
	CHECK_ERR(write(timer, &count, 8), EINVAL);
}

static void signalfd_reads_signals(void)
{
	struct signalfd_siginfo info[3];
	sigset_t set = signal_set_of(SIGUSR1);
	int file;

	signal_block(SIGUSR1);
	signal_block(SIGUSR2);
	CHECK_OK(file = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	CHECK_ERR(read(file, info, sizeof(info)), EAGAIN);
	raise(SIGUSR2);
	CHECK_EQ(ready(file), 0);
	CHECK_OK(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 55 }));
	CHECK_EQ(ready(file), POLLIN);
	CHECK_EQ(read(file, info, sizeof(info)), sizeof(info[0]));
	CHECK(info[0].ssi_signo == SIGUSR1 && info[0].ssi_int == 55 && info[0].ssi_pid == (uint32_t)getpid());
	CHECK_EQ(info[0].ssi_code, SI_QUEUE);
	/* A new set takes effect for what is pending already. */
	sigaddset(&set, SIGUSR2);
	CHECK_EQ(signalfd(file, &set, 0), file);
	CHECK_EQ(ready(file), POLLIN);
	CHECK_EQ(read(file, info, sizeof(info)), sizeof(info[0]));
	CHECK_EQ(info[0].ssi_signo, SIGUSR2);
}

static void signalfd_errors(void)
{
	sigset_t set = signal_set_of(SIGUSR1);
	struct signalfd_siginfo info;
	int file = signalfd(-1, &set, 0);

	CHECK_ERR(signalfd(-1, &set, 0x10), EINVAL);
	CHECK_ERR(signalfd(999, &set, 0), EBADF);
	CHECK_ERR(signalfd(eventfd(0, 0), &set, 0), EINVAL);
	CHECK_ERR(syscall(SYS_signalfd4, -1, &set, 4, 0), EINVAL);
	CHECK_ERR(syscall(SYS_signalfd4, -1, bad_pointers[2], 8, 0), EFAULT);
	CHECK_ERR(read(file, &info, sizeof(info) - 1), EINVAL);
}

static void kill_later(void *argument)
{
	task_wait_asleep(getppid());
	kill(getppid(), (int)(intptr_t)argument);
}

static void signalfd_blocks(void)
{
	sigset_t set = signal_set_of(SIGUSR1);
	struct signalfd_siginfo info;
	int file = signalfd(-1, &set, 0);
	pid_t pid;

	signal_block(SIGUSR1);
	pid = child_start(kill_later, (void *)SIGUSR1);
	CHECK_EQ(read(file, &info, sizeof(info)), sizeof(info));
	CHECK_EQ(info.ssi_pid, pid);
	CHECK_EXITED(child_wait(pid), 0);
}

static void idle(void *argument)
{
	(void)argument;
	for (;;)
		pause();
}

static void pidfd_operations(void)
{
	pid_t pid = child_start(idle, NULL);
	int file = pidfd_open(pid, 0);

	REQUIRE_OK(file);
	CHECK_EQ(fcntl(file, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(ready(file), 0);
	CHECK_OK(pidfd_send_signal(file, 0, NULL, 0));
	CHECK_OK(pidfd_send_signal(file, SIGTERM, NULL, 0));
	CHECK(WAIT_UNTIL(ready(file) & POLLIN));
	CHECK_KILLED(child_wait(pid), SIGTERM);
	CHECK_ERR(pidfd_send_signal(file, 0, NULL, 0), ESRCH);
	CHECK_ERR(pidfd_open(pid, 0), ESRCH);
	CHECK_ERR(pidfd_open(-1, 0), EINVAL);
	CHECK_ERR(pidfd_open(getpid(), 0x80), EINVAL);
	CHECK_ERR(pidfd_send_signal(0, 0, NULL, 0), EBADF);
}

TESTS(TEST(eventfd_counts), TEST(eventfd_semaphore), TEST(eventfd_blocks), TEST(timerfd_expires),
      TEST(timerfd_repeats_and_counts), TEST(timerfd_absolute), TEST(timerfd_errors), TEST(signalfd_reads_signals),
      TEST(signalfd_errors), TEST(signalfd_blocks), TEST(pidfd_operations))
