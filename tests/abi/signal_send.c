/*
 * Sending and receiving signals: kill, tkill, tgkill, sigqueue, sigtimedwait, siginfo, default actions, SIGPIPE and
 * SIGCHLD.
 */
#include "check.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define KERNEL_SET_SIZE 8

static siginfo_t info_seen;

static void record_info(int number, siginfo_t *info, void *context)
{
	(void)context;
	info_seen = *info;
	signals_counted += number == info->si_signo;
}

static void idle(void *argument)
{
	(void)argument;
	for (;;)
		pause();
}

static void kill_errors(void)
{
	CHECK_ERR(kill(getpid(), 65), EINVAL);
	CHECK_ERR(kill(getpid(), -1), EINVAL);
	CHECK_OK(kill(getpid(), 0));
	CHECK_ERR(kill(0x3fffffff, 0), ESRCH);
	CHECK_ERR(kill(-0x3fffffff, 0), ESRCH);
	CHECK_ERR(kill(INT32_MIN, 0), ESRCH);
	CHECK_ERR(syscall(SYS_tkill, 0, SIGUSR1), EINVAL);
	CHECK_ERR(syscall(SYS_tkill, -1, SIGUSR1), EINVAL);
	CHECK_ERR(syscall(SYS_tkill, 0x3fffffff, SIGUSR1), ESRCH);
	CHECK_ERR(syscall(SYS_tkill, gettid(), 65), EINVAL);
	CHECK_ERR(syscall(SYS_tgkill, 0, gettid(), 0), EINVAL);
	CHECK_ERR(syscall(SYS_tgkill, getppid(), gettid(), 0), ESRCH);
	CHECK_OK(syscall(SYS_tgkill, getpid(), gettid(), 0));
}

static void kill_fills_siginfo(void)
{
	signal_set_info(SIGUSR1, record_info, 0);
	CHECK_OK(kill(getpid(), SIGUSR1));
	CHECK_EQ(signals_counted, 1);
	CHECK_EQ(info_seen.si_code, SI_USER);
	CHECK_EQ(info_seen.si_pid, getpid());
	CHECK_EQ(info_seen.si_uid, getuid());
	CHECK_OK(tgkill(getpid(), gettid(), SIGUSR1));
	CHECK_EQ(info_seen.si_code, SI_TKILL);
	CHECK_EQ(info_seen.si_pid, getpid());
	CHECK_EQ(signals_counted, 2);
}

static volatile int thread_seen;
static pthread_barrier_t barrier;

static void record_thread(int number)
{
	(void)number;
	thread_seen = gettid();
}

static void *thread_wait_for_signal(void *argument)
{
	*(pid_t *)argument = gettid();
	pthread_barrier_wait(&barrier);
	while (!thread_seen)
		time_pause();
	return NULL;
}

static void tgkill_reaches_one_thread(void)
{
	pthread_t thread;
	pid_t tid;

	pthread_barrier_init(&barrier, NULL, 2);
	signal_set(SIGUSR1, record_thread, 0);
	REQUIRE(pthread_create(&thread, NULL, thread_wait_for_signal, &tid) == 0);
	pthread_barrier_wait(&barrier);
	CHECK_OK(tgkill(getpid(), tid, SIGUSR1));
	pthread_join(thread, NULL);
	CHECK_EQ(thread_seen, tid);
}

static void process_signal_takes_a_thread_that_allows_it(void)
{
	pthread_t thread;
	pid_t tid;

	pthread_barrier_init(&barrier, NULL, 2);
	signal_set(SIGUSR1, record_thread, 0);
	REQUIRE(pthread_create(&thread, NULL, thread_wait_for_signal, &tid) == 0);
	pthread_barrier_wait(&barrier);
	signal_block(SIGUSR1);
	CHECK_OK(kill(getpid(), SIGUSR1));
	pthread_join(thread, NULL);
	CHECK_EQ(thread_seen, tid);
}

static void sigqueue_carries_a_value(void)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };

	signal_set_info(SIGUSR1, record_info, 0);
	CHECK_OK(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_ptr = (void *)0x123456789abc }));
	CHECK_EQ(info_seen.si_code, SI_QUEUE);
	CHECK_EQ(info_seen.si_value.sival_ptr, 0x123456789abc);
	CHECK_EQ(info_seen.si_pid, getpid());
	info.si_value.sival_int = 77;
	CHECK_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &info));
	CHECK_EQ(info_seen.si_value.sival_int, 77);
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &info), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, 0x3fffffff, SIGUSR1, &info), ESRCH);
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, bad_pointers[4]), EFAULT);
	/* Nobody may pretend towards others that the kernel or kill sent it. */
	info.si_code = SI_USER;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info), EPERM);
	info.si_code = SI_TKILL;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info), EPERM);
}

static void realtime_signals_queue_in_order(void)
{
	sigset_t set = signal_set_of(SIGRTMIN + 2);
	struct timespec none = { 0, 0 };
	siginfo_t info;

	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 5; i++) {
		CHECK_OK(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = i }));
		CHECK_OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 10 + i }));
	}
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(sigtimedwait(&set, &info, &none), i < 5 ? SIGRTMIN + 1 : SIGRTMIN + 2);
		CHECK_EQ(info.si_value.sival_int, i < 5 ? 10 + i : i - 5);
	}
	CHECK_ERR(sigtimedwait(&set, &info, &none), EAGAIN);
}

static void queue_limit_is_eagain(void)
{
	struct rlimit limit = { 3, 3 };
	sigset_t set = signal_set_of(SIGRTMIN);
	int sent = 0;

	sigprocmask(SIG_BLOCK, &set, NULL);
	REQUIRE_OK(setrlimit(RLIMIT_SIGPENDING, &limit));
	while (sent < 10 && sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 0 }) == 0)
		sent++;
	CHECK_EQ(errno, EAGAIN);
	CHECK(sent <= 3);
	/* kill is delivered all the same, without its details. */
	CHECK_OK(kill(getpid(), 0));
	signal_set_info(SIGUSR1, record_info, 0);
	CHECK_OK(kill(getpid(), SIGUSR1));
	CHECK_EQ(signals_counted, 1);
}

static void sigtimedwait_times_out(void)
{
	sigset_t set = signal_set_of(SIGUSR1);
	struct timespec wait = time_spec(20 * MILLISECOND), wrong = { 0, 1000000000 };
	int64_t start = time_now();

	signal_block(SIGUSR1);
	CHECK_ERR(sigtimedwait(&set, NULL, &wait), EAGAIN);
	CHECK(time_now() - start >= 20 * MILLISECOND);
	CHECK_ERR(sigtimedwait(&set, NULL, &wrong), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigtimedwait, &set, NULL, &wait, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigtimedwait, bad_pointers[2], NULL, &wait, KERNEL_SET_SIZE), EFAULT);
	raise(SIGUSR1);
	CHECK_ERR(syscall(SYS_rt_sigtimedwait, &set, bad_pointers[4], NULL, KERNEL_SET_SIZE), EFAULT);
}

static void kill_sleeping_parent(void *argument)
{
	pid_t parent = getppid();

	task_wait_asleep(parent);
	kill(parent, (int)(intptr_t)argument);
}

static void sigtimedwait_wakes(void)
{
	sigset_t set = signal_set_of(SIGUSR1);
	siginfo_t info;
	pid_t pid;

	signal_block(SIGUSR1);
	pid = child_start(kill_sleeping_parent, (void *)SIGUSR1);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EXITED(child_wait(pid), 0);
	signal_set(SIGUSR2, signal_count, SA_RESTART);
	pid = child_start(kill_sleeping_parent, (void *)SIGUSR2);
	CHECK_ERR(sigwaitinfo(&set, &info), EINTR);
	CHECK_EXITED(child_wait(pid), 0);
}

static void default_actions(void)
{
	static const struct {
		int number;
		char action;
	} defaults[] = {
		{ SIGHUP, 'T' },  { SIGINT, 'T' },  { SIGQUIT, 'T' }, { SIGILL, 'T' },	  { SIGTRAP, 'T' }, { SIGABRT, 'T' },
		{ SIGBUS, 'T' },  { SIGFPE, 'T' },  { SIGKILL, 'T' }, { SIGUSR1, 'T' },	  { SIGSEGV, 'T' }, { SIGUSR2, 'T' },
		{ SIGPIPE, 'T' }, { SIGALRM, 'T' }, { SIGTERM, 'T' }, { SIGSTKFLT, 'T' }, { SIGCHLD, 'I' }, { SIGCONT, 'I' },
		{ SIGSTOP, 'S' }, { SIGURG, 'I' },  { SIGXCPU, 'T' }, { SIGXFSZ, 'T' },	  { SIGVTALRM, 'T' }, { SIGPROF, 'T' },
		{ SIGWINCH, 'I' }, { SIGIO, 'T' },  { SIGPWR, 'T' },  { SIGSYS, 'T' },	  { 64, 'T' },
	};
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	for (size_t i = 0; i < COUNT(defaults); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			kill(getpid(), defaults[i].number);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		if (defaults[i].action == 'T')
			CHECK_KILLED(status, defaults[i].number);
		else if (defaults[i].action == 'I')
			CHECK_EXITED(status, 0);
		else
			CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == defaults[i].number);
		if (WIFSTOPPED(status)) {
			kill(pid, SIGCONT);
			CHECK_EXITED(child_wait(pid), 0);
		}
	}
}

static void stop_the_child(void *argument)
{
	(void)argument;
	setpgid(0, 0);
	raise(SIGTSTP);
	_exit(1);
}

static void orphaned_group_ignores_terminal_stops(void)
{
	/* This session's group has no parent in the session, so terminal stops do nothing there. */
	raise(SIGTSTP);
	raise(SIGTTIN);
	pid_t pid = child_start(stop_the_child, NULL);
	int status;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
	kill(pid, SIGKILL);
	child_wait(pid);
}

static void continue_and_stop_cancel_each_other(void)
{
	sigset_t pending;

	signal_block(SIGCONT);
	signal_block(SIGTSTP);
	raise(SIGTSTP);
	raise(SIGCONT);
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGTSTP) && sigismember(&pending, SIGCONT));
	raise(SIGTSTP);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGTSTP) && !sigismember(&pending, SIGCONT));
}

static void sigpipe(void)
{
	int pipes[2], sockets[2];

	signal_set_info(SIGPIPE, record_info, 0);
	REQUIRE_OK(pipe(pipes));
	close(pipes[0]);
	CHECK_ERR(write(pipes[1], "x", 1), EPIPE);
	CHECK_EQ(signals_counted, 1);
	CHECK_EQ(info_seen.si_pid, getpid());
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0) {
		close(sockets[0]);
		CHECK_ERR(send(sockets[1], "x", 1, MSG_NOSIGNAL), EPIPE);
		CHECK_EQ(signals_counted, 1);
		CHECK_ERR(write(sockets[1], "x", 1), EPIPE);
		CHECK_EQ(signals_counted, 2);
	}
}

static void check_sigchld(pid_t pid, int code, int status)
{
	CHECK(WAIT_UNTIL(info_seen.si_code == code));
	CHECK_EQ(info_seen.si_signo, SIGCHLD);
	CHECK_EQ(info_seen.si_pid, pid);
	CHECK_EQ(info_seen.si_status, status);
	CHECK_EQ(info_seen.si_uid, getuid());
	info_seen.si_code = 0;
}

static void sigchld_details(void)
{
	pid_t pid;

	signal_set_info(SIGCHLD, record_info, SA_RESTART);
	pid = child_start(idle, NULL);
	kill(pid, SIGSTOP);
	check_sigchld(pid, CLD_STOPPED, SIGSTOP);
	kill(pid, SIGCONT);
	check_sigchld(pid, CLD_CONTINUED, SIGCONT);
	kill(pid, SIGTERM);
	check_sigchld(pid, CLD_KILLED, SIGTERM);
	CHECK_KILLED(child_wait(pid), SIGTERM);
	CHECK_EQ(signals_counted, 3);
	signal_set_info(SIGCHLD, record_info, SA_RESTART | SA_NOCLDSTOP);
	pid = child_start(idle, NULL);
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
	CHECK_EQ(signals_counted, 3);
	kill(pid, SIGKILL);
	check_sigchld(pid, CLD_KILLED, SIGKILL);
}

static void kill_all_of_a_group(void)
{
	pid_t first = child_start(idle, NULL), second;

	REQUIRE_OK(setpgid(first, first));
	second = child_start(idle, NULL);
	REQUIRE_OK(setpgid(second, first));
	signal_set(SIGUSR1, signal_count, 0);
	CHECK_OK(kill(0, SIGUSR1));
	CHECK_EQ(signals_counted, 1);
	CHECK_OK(kill(-first, SIGUSR1));
	CHECK_KILLED(child_wait(first), SIGUSR1);
	CHECK_KILLED(child_wait(second), SIGUSR1);
}

static void stopped_process_does_nothing_but_die(void)
{
	volatile int *shared = pages_shared(1);
	pid_t pid = fork();
	int status, before;

	if (pid == 0)
		for (;;)
			++*shared;
	CHECK(WAIT_UNTIL(*shared > 0));
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	before = *shared;
	kill(pid, SIGTERM);
	for (int i = 0; i < 5; i++)
		time_pause();
	CHECK_EQ(*shared, before);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGCONT);
	CHECK_KILLED(child_wait(pid), SIGTERM);
}

TESTS(TEST(kill_errors), TEST(kill_fills_siginfo), TEST(tgkill_reaches_one_thread),
      TEST(process_signal_takes_a_thread_that_allows_it), TEST(sigqueue_carries_a_value),
      TEST(realtime_signals_queue_in_order), TEST(queue_limit_is_eagain), TEST(sigtimedwait_times_out),
      TEST(sigtimedwait_wakes), TEST(default_actions), TEST(orphaned_group_ignores_terminal_stops),
      TEST(continue_and_stop_cancel_each_other), TEST(sigpipe), TEST(sigchld_details), TEST(kill_all_of_a_group),
      TEST(stopped_process_does_nothing_but_die))
