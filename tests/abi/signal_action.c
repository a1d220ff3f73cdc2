/* Signal actions and masks: rt_sigaction, its flags, rt_sigprocmask, rt_sigsuspend, interrupted and restarted calls. */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>

#define KERNEL_SET_SIZE 8

static void sigaction_returns_the_old_action(void)
{
	struct sigaction new = { .sa_handler = signal_count, .sa_flags = SA_RESTART | SA_NODEFER }, old;

	sigemptyset(&new.sa_mask);
	sigaddset(&new.sa_mask, SIGHUP);
	CHECK_OK(sigaction(SIGUSR1, &new, &old));
	CHECK(old.sa_handler == SIG_DFL && old.sa_flags == 0);
	CHECK_OK(sigaction(SIGUSR1, NULL, &old));
	CHECK(old.sa_handler == signal_count);
	CHECK_EQ(old.sa_flags & (SA_RESTART | SA_NODEFER | SA_RESETHAND | SA_SIGINFO), SA_RESTART | SA_NODEFER);
	CHECK(sigismember(&old.sa_mask, SIGHUP) && !sigismember(&old.sa_mask, SIGINT));
}

static void sigaction_refuses(void)
{
	char kernel_action[32] = { 0 };

	CHECK_ERR(syscall(SYS_rt_sigaction, 0, kernel_action, NULL, KERNEL_SET_SIZE), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, 65, kernel_action, NULL, KERNEL_SET_SIZE), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, -1, kernel_action, NULL, KERNEL_SET_SIZE), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGKILL, kernel_action, NULL, KERNEL_SET_SIZE), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGSTOP, kernel_action, NULL, KERNEL_SET_SIZE), EINVAL);
	CHECK_OK(syscall(SYS_rt_sigaction, SIGKILL, NULL, kernel_action, KERNEL_SET_SIZE));
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 16), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, bad_pointers[2], NULL, KERNEL_SET_SIZE), EFAULT);
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, bad_pointers[4], KERNEL_SET_SIZE), EFAULT);
}

static void procmask_operations(void)
{
	sigset_t set = signal_set_of(SIGUSR1), other = signal_set_of(SIGUSR2), old;

	CHECK_OK(sigprocmask(SIG_SETMASK, &set, NULL));
	CHECK_OK(sigprocmask(SIG_BLOCK, &other, &old));
	CHECK(sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
	CHECK_OK(sigprocmask(SIG_UNBLOCK, &set, &old));
	CHECK(sigismember(&old, SIGUSR1) && sigismember(&old, SIGUSR2));
	CHECK_OK(sigprocmask(12345, NULL, &old));
	CHECK(!sigismember(&old, SIGUSR1) && sigismember(&old, SIGUSR2));
	CHECK_ERR(sigprocmask(12345, &set, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad_pointers[4], NULL, KERNEL_SET_SIZE), EFAULT);
	CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, bad_pointers[2], KERNEL_SET_SIZE), EFAULT);
}

static void kill_and_stop_cannot_be_blocked(void)
{
	sigset_t set, old;

	sigfillset(&set);
	CHECK_OK(sigprocmask(SIG_SETMASK, &set, NULL));
	CHECK_OK(sigprocmask(SIG_BLOCK, NULL, &old));
	CHECK(!sigismember(&old, SIGKILL) && !sigismember(&old, SIGSTOP) && sigismember(&old, SIGTERM));
}

static void blocked_signals_stay_pending(void)
{
	sigset_t set = signal_set_of(SIGUSR1), pending;

	signal_set(SIGUSR1, signal_count, 0);
	signal_block(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR1);
	CHECK_EQ(signals_counted, 0);
	CHECK_OK(sigpending(&pending));
	CHECK(sigismember(&pending, SIGUSR1) && !sigismember(&pending, SIGUSR2));
	CHECK_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
	/* A standard signal is pending only once. */
	CHECK_EQ(signals_counted, 1);
	CHECK_OK(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGUSR1));
	CHECK_ERR(syscall(SYS_rt_sigpending, &pending, 16), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigpending, bad_pointers[2], KERNEL_SET_SIZE), EFAULT);
}

static void ignoring_drops_pending(void)
{
	sigset_t pending;

	signal_block(SIGUSR1);
	raise(SIGUSR1);
	signal_set(SIGUSR1, SIG_IGN, 0);
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGUSR1));
}

static volatile sig_atomic_t depth, depth_most;

static void handler_raises_itself(int number)
{
	if (++depth > depth_most)
		depth_most = depth;
	if (++signals_counted < 3)
		raise(number);
	depth--;
}

static void handler_blocks_its_signal_unless_nodefer(void)
{
	signal_set(SIGUSR1, handler_raises_itself, 0);
	raise(SIGUSR1);
	CHECK_EQ(signals_counted, 3);
	CHECK_EQ(depth_most, 1);
	signals_counted = 0;
	signal_set(SIGUSR1, handler_raises_itself, SA_NODEFER);
	raise(SIGUSR1);
	CHECK_EQ(signals_counted, 3);
	CHECK_EQ(depth_most, 3);
}

static sigset_t mask_in_handler;

static void handler_reads_mask(int number)
{
	(void)number;
	sigprocmask(SIG_BLOCK, NULL, &mask_in_handler);
}

static void handler_mask_is_added_and_taken_back(void)
{
	struct sigaction action = { .sa_handler = handler_reads_mask };
	sigset_t after;

	signal_block(SIGHUP);
	sigaddset(&action.sa_mask, SIGINT);
	CHECK_OK(sigaction(SIGUSR1, &action, NULL));
	raise(SIGUSR1);
	CHECK(sigismember(&mask_in_handler, SIGHUP) && sigismember(&mask_in_handler, SIGINT) &&
	      sigismember(&mask_in_handler, SIGUSR1));
	sigprocmask(SIG_BLOCK, NULL, &after);
	CHECK(sigismember(&after, SIGHUP) && !sigismember(&after, SIGINT) && !sigismember(&after, SIGUSR1));
}

static void resethand_runs_once(void)
{
	struct sigaction action;

	signal_set(SIGUSR1, signal_count, SA_RESETHAND);
	raise(SIGUSR1);
	CHECK_EQ(signals_counted, 1);
	CHECK_OK(sigaction(SIGUSR1, NULL, &action));
	CHECK(action.sa_handler == SIG_DFL);
}

static char handler_order[8];
static volatile sig_atomic_t handler_ordered;

static void handler_records(int number)
{
	handler_order[handler_ordered++] = number;
}

static void low_numbers_and_synchronous_first(void)
{
	sigset_t set, none;

	sigfillset(&set);
	sigemptyset(&none);
	for (int number = SIGUSR1; number <= SIGTERM; number++) {
		struct sigaction action = { .sa_handler = handler_records, .sa_mask = set };

		sigaction(number, &action, NULL);
	}
	sigprocmask(SIG_SETMASK, &set, NULL);
	raise(SIGTERM);
	raise(SIGUSR2);
	raise(SIGUSR1);
	raise(SIGSEGV);
	sigprocmask(SIG_SETMASK, &none, NULL);
	CHECK_EQ(handler_ordered, 4);
	/* All are blocked in each handler, so they run one after the other: faults first, then by number. */
	CHECK(handler_order[0] == SIGSEGV && handler_order[1] == SIGUSR1 && handler_order[2] == SIGUSR2 &&
	      handler_order[3] == SIGTERM);
}

static void sigsuspend_waits_with_its_mask(void)
{
	sigset_t none, after;

	sigemptyset(&none);
	signal_set(SIGUSR1, handler_reads_mask, 0);
	signal_block(SIGUSR1);
	signal_block(SIGHUP);
	raise(SIGUSR1);
	CHECK_ERR(sigsuspend(&none), EINTR);
	/* In the handler the mask is sigsuspend's; after it the old one is back. */
	CHECK(sigismember(&mask_in_handler, SIGUSR1) && !sigismember(&mask_in_handler, SIGHUP));
	sigprocmask(SIG_BLOCK, NULL, &after);
	CHECK(sigismember(&after, SIGUSR1) && sigismember(&after, SIGHUP));
	CHECK_ERR(syscall(SYS_rt_sigsuspend, &none, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigsuspend, bad_pointers[4], KERNEL_SET_SIZE), EFAULT);
}

static void pause_returns_eintr(void)
{
	signal_set(SIGALRM, signal_count, SA_RESTART);
	ualarm(20000, 20000);
	CHECK_ERR(pause(), EINTR);
	ualarm(0, 0);
	CHECK(signals_counted > 0);
}

static int blocked_pipe[2];

static void signal_then_write(void *argument)
{
	pid_t parent = *(pid_t *)argument;

	task_wait_asleep(parent);
	kill(parent, SIGUSR1);
	/* The parent sleeps again: in the restarted call, or, with that interrupted, in waiting for this process. */
	task_wait_asleep(parent);
	CHECK_EQ(write(blocked_pipe[1], "x", 1), 1);
}

static long read_with_signal(int flags)
{
	pid_t self = getpid(), pid;
	char byte;
	long result;

	REQUIRE_OK(pipe(blocked_pipe));
	signal_set(SIGUSR1, signal_count, flags);
	pid = child_start(signal_then_write, &self);
	result = read(blocked_pipe[0], &byte, 1);
	if (result < 0)
		result = -errno;
	CHECK_EXITED(child_wait(pid), 0);
	return result;
}

static void read_is_interrupted_without_restart(void)
{
	CHECK_EQ(read_with_signal(0), -EINTR);
	CHECK_EQ(signals_counted, 1);
}

static void read_is_restarted_with_restart(void)
{
	CHECK_EQ(read_with_signal(SA_RESTART), 1);
	CHECK_EQ(signals_counted, 1);
}

static void waits_are_never_restarted(void)
{
	struct pollfd none = { .fd = -1 };
	struct epoll_event event;
	struct timeval timeout = { 5, 0 };
	int epoll = epoll_create1(0);
	fd_set set;

	signal_set(SIGALRM, signal_count, SA_RESTART);
	ualarm(20000, 20000);
	FD_ZERO(&set);
	CHECK_ERR(poll(&none, 1, 5000), EINTR);
	CHECK_ERR(epoll_wait(epoll, &event, 1, 5000), EINTR);
	CHECK_ERR(select(0, &set, NULL, NULL, &timeout), EINTR);
	CHECK_ERR(usleep(3000000), EINTR);
	ualarm(0, 0);
}

static void ignored_signal_interrupts_nothing(void)
{
	struct pollfd none = { .fd = -1 };
	int64_t start = time_now();

	signal_set(SIGALRM, SIG_IGN, 0);
	ualarm(10000, 10000);
	CHECK_EQ(poll(&none, 1, 100), 0);
	CHECK(time_now() - start >= 100 * MILLISECOND);
	ualarm(0, 0);
}

static void unsupported_flag_is_cleared(void)
{
	struct sigaction action = { .sa_handler = signal_count, .sa_flags = 0x400 | 0x800 | SA_RESTART };

	CHECK_OK(sigaction(SIGUSR1, &action, NULL));
	CHECK_OK(sigaction(SIGUSR1, NULL, &action));
	/* SA_UNSUPPORTED (0x400) tells a program that the kernel clears what it does not know. */
	CHECK_EQ(action.sa_flags & 0x400, 0);
	CHECK_EQ(action.sa_flags & 0x800, 0x800);
}

static void handler_hundred(int number)
{
	(void)number;
	signals_counted += 100;
}

static void raise_in_child(void *unused)
{
	(void)unused;
	raise(SIGUSR1);
	CHECK_EQ(signals_counted, 100);
}

/* Whoever sends it, and wherever it is caught: of two handlers that were set it is the second. */
static void the_last_handler_runs(void)
{
	struct sigaction action;

	signal_set(SIGUSR1, signal_count, 0);
	signal_set(SIGUSR1, handler_hundred, 0);
	CHECK_EXITED(child_run(raise_in_child, NULL), 0);
	raise(SIGUSR1);
	CHECK_EQ(signals_counted, 100);
	signal_set(SIGUSR1, signal_count, SA_RESTART);
	CHECK_OK(sigaction(SIGUSR1, NULL, &action));
	CHECK(action.sa_handler == signal_count && action.sa_flags & SA_RESTART);
	CHECK_OK(sigqueue(getpid(), SIGUSR1, (union sigval){ 0 }));
	CHECK_EQ(signals_counted, 101);
	signal_set(SIGUSR1, handler_hundred, SA_RESETHAND);
	raise(SIGUSR1);
	CHECK_EQ(signals_counted, 201);
	CHECK_OK(sigaction(SIGUSR1, NULL, &action));
	CHECK(action.sa_handler == SIG_DFL);
}

static void handler_exits_seven(int number)
{
	(void)number;
	_exit(7);
}

static void fault(void *unused)
{
	(void)unused;
	signal_set(SIGSEGV, signal_count, 0);
	signal_set(SIGSEGV, handler_exits_seven, 0);
	*(volatile char *)bad_pointers[1] = 0;
}

static void the_last_handler_runs_for_faults(void)
{
	CHECK_EXITED(child_run(fault, NULL), 7);
}

static void *handler_set_in_thread(void *unused)
{
	raise(SIGUSR1);
	CHECK_EQ(signals_counted, 100);
	signal_set(SIGUSR1, signal_count, 0);
	return unused;
}

static void threads_have_one_action(void)
{
	pthread_t thread;

	signal_set(SIGUSR1, signal_count, 0);
	signal_set(SIGUSR1, handler_hundred, 0);
	REQUIRE(pthread_create(&thread, NULL, handler_set_in_thread, NULL) == 0);
	pthread_join(thread, NULL);
	raise(SIGUSR1);
	CHECK_EQ(signals_counted, 101);
}

static int handler_set_in_sharer(void *unused)
{
	struct sigaction action;

	(void)unused;
	CHECK_OK(sigaction(SIGUSR1, NULL, &action));
	CHECK(action.sa_handler == handler_hundred);
	signal_set(SIGUSR1, signal_count, 0);
	return 0;
}

static void processes_may_share_actions(void)
{
	static char stack[16 * PAGE] __attribute__((aligned(16)));
	struct sigaction action;
	int status;
	pid_t pid;

	signal_set(SIGUSR1, signal_count, 0);
	signal_set(SIGUSR1, handler_hundred, 0);
	pid = clone(handler_set_in_sharer, stack + sizeof(stack), CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL);
	REQUIRE_OK(pid);
	REQUIRE_OK(waitpid(pid, &status, 0));
	CHECK_EXITED(status, 0);
	CHECK_OK(sigaction(SIGUSR1, NULL, &action));
	CHECK(action.sa_handler == signal_count);
	raise(SIGUSR1);
	CHECK_EQ(signals_counted, 1);
}

TESTS(TEST(the_last_handler_runs), TEST(the_last_handler_runs_for_faults), TEST(threads_have_one_action),
      TEST(processes_may_share_actions), TEST(sigaction_returns_the_old_action), TEST(sigaction_refuses), TEST(procmask_operations),
      TEST(kill_and_stop_cannot_be_blocked), TEST(blocked_signals_stay_pending), TEST(ignoring_drops_pending),
      TEST(handler_blocks_its_signal_unless_nodefer), TEST(handler_mask_is_added_and_taken_back),
      TEST(resethand_runs_once), TEST(low_numbers_and_synchronous_first), TEST(sigsuspend_waits_with_its_mask),
      TEST(pause_returns_eintr), TEST(read_is_interrupted_without_restart), TEST(read_is_restarted_with_restart),
      TEST(waits_are_never_restarted), TEST(ignored_signal_interrupts_nothing), TEST(unsupported_flag_is_cleared))
