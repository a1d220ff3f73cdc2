/* wait4, waitid and what the end of a process does to its parent and children. */
#include "check.h"

#include <linux/wait.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void exit_with(void *argument)
{
	_exit((int)(intptr_t)argument);
}

static void wait_for_ever(void *argument)
{
	(void)argument;
	for (;;)
		pause();
}

static void die_by(void *argument)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	if (argument != (void *)SIGKILL)
		signal_set((int)(intptr_t)argument, SIG_DFL, 0);
	raise((int)(intptr_t)argument);
}

static void exit_status_is_low_byte(void)
{
	CHECK_EQ(child_run(exit_with, (void *)0), 0);
	CHECK_EQ(child_run(exit_with, (void *)255), 255 << 8);
	CHECK_EQ(child_run(exit_with, (void *)0x1234), 0x34 << 8);
	CHECK_EQ(child_run(exit_with, (void *)-1), 255 << 8);
}

static void signal_status(void)
{
	CHECK_EQ(child_run(die_by, (void *)SIGTERM), SIGTERM);
	CHECK_EQ(child_run(die_by, (void *)SIGKILL), SIGKILL);
	/* No core is written: the limit is zero. */
	CHECK_EQ(child_run(die_by, (void *)SIGABRT) & 0x7f, SIGABRT);
}

static void wait_refuses_wrong_arguments(void)
{
	int status;
	siginfo_t info;

	CHECK_ERR(syscall(SYS_wait4, -1, &status, 0, NULL), ECHILD);
	CHECK_ERR(syscall(SYS_wait4, -1, &status, 0x80, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_wait4, INT32_MIN, &status, 0, NULL), ESRCH);
	CHECK_ERR(syscall(SYS_wait4, 1, &status, WNOHANG, NULL), ECHILD);
	CHECK_ERR(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
	CHECK_ERR(waitid(P_ALL, 0, &info, 0), EINVAL);
	CHECK_ERR(waitid(P_ALL, 0, &info, WNOHANG), EINVAL);
	CHECK_ERR(waitid(99, 0, &info, WEXITED), EINVAL);
	CHECK_ERR(waitid(P_PID, 0, &info, WEXITED), EINVAL);
	CHECK_ERR(waitid(P_PID, -5, &info, WEXITED), EINVAL);
	CHECK_ERR(waitid(P_PIDFD, 999, &info, WEXITED), EBADF);
}

static void wnohang_returns_zero_while_running(void)
{
	siginfo_t info;
	int status = 77;
	pid_t pid = child_start(wait_for_ever, NULL);

	memset(&info, 0xff, sizeof(info));
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK_EQ(status, 77);
	CHECK_EQ(waitid(P_PID, pid, &info, WEXITED | WNOHANG), 0);
	CHECK_EQ(info.si_pid, 0);
	CHECK_EQ(info.si_signo, 0);
	kill(pid, SIGKILL);
	CHECK_KILLED(child_wait(pid), SIGKILL);
}

static void waitid_wnowait_leaves_the_child(void)
{
	siginfo_t info = { 0 };
	pid_t pid = child_start(exit_with, (void *)42);

	for (int i = 0; i < 2; i++) {
		CHECK_OK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
		CHECK_EQ(info.si_signo, SIGCHLD);
		CHECK_EQ(info.si_code, CLD_EXITED);
		CHECK_EQ(info.si_pid, pid);
		CHECK_EQ(info.si_uid, getuid());
		CHECK_EQ(info.si_status, 42);
	}
	CHECK_EXITED(child_wait(pid), 42);
}

static void waitid_codes(void)
{
	siginfo_t info;
	pid_t pid = child_start(die_by, (void *)SIGTERM);

	CHECK_OK(waitid(P_PID, pid, &info, WEXITED));
	CHECK_EQ(info.si_code, CLD_KILLED);
	CHECK_EQ(info.si_status, SIGTERM);
	pid = child_start(exit_with, (void *)0x1ff);
	CHECK_OK(waitid(P_PID, pid, &info, WEXITED));
	CHECK_EQ(info.si_status, 0xff);
}

static void waitid_sees_stop_and_continue(void)
{
	siginfo_t info;
	pid_t pid = child_start(wait_for_ever, NULL);

	kill(pid, SIGSTOP);
	CHECK_OK(waitid(P_PID, pid, &info, WSTOPPED));
	CHECK_EQ(info.si_code, CLD_STOPPED);
	CHECK_EQ(info.si_status, SIGSTOP);
	info.si_pid = 1;
	CHECK_OK(waitid(P_PID, pid, &info, WSTOPPED | WNOHANG));
	CHECK_EQ(info.si_pid, 0);
	kill(pid, SIGCONT);
	CHECK_OK(waitid(P_PID, pid, &info, WCONTINUED));
	CHECK_EQ(info.si_code, CLD_CONTINUED);
	CHECK_EQ(info.si_status, SIGCONT);
	kill(pid, SIGKILL);
	CHECK_OK(waitid(P_PID, pid, &info, WEXITED));
	CHECK_EQ(info.si_code, CLD_KILLED);
}

static void wait4_sees_stop_and_continue(void)
{
	int status;
	pid_t pid = child_start(wait_for_ever, NULL);

	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK_EQ(status, (SIGSTOP << 8) | 0x7f);
	kill(pid, SIGCONT);
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK_EQ(status, 0xffff);
	kill(pid, SIGSTOP);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_KILLED(status, SIGKILL);
}

static void wait_chooses_by_group(void)
{
	pid_t other = child_start(wait_for_ever, NULL), same;

	REQUIRE_OK(setpgid(other, other));
	same = child_start(exit_with, (void *)1);
	CHECK_EQ(waitpid(0, NULL, 0), same);
	CHECK_ERR(waitpid(0, NULL, 0), ECHILD);
	CHECK_EQ(waitpid(-other, NULL, WNOHANG), 0);
	CHECK_ERR(waitid(P_PGID, 0x3fffffff, &(siginfo_t){ 0 }, WEXITED), ECHILD);
	CHECK_OK(waitid(P_PGID, other, &(siginfo_t){ 0 }, WEXITED | WNOHANG));
	kill(other, SIGKILL);
	CHECK_EQ(waitpid(-other, NULL, 0), other);
}

static void ignored_sigchld_reaps(void)
{
	pid_t pid;

	signal_set(SIGCHLD, SIG_IGN, 0);
	pid = child_start(exit_with, NULL);
	CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);
	signal_set(SIGCHLD, signal_count, SA_NOCLDWAIT);
	pid = child_start(exit_with, NULL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	CHECK_EQ(errno, ECHILD);
	CHECK(WAIT_UNTIL(signals_counted == 1));
}

static void wait_is_interrupted(void)
{
	pid_t pid = child_start(wait_for_ever, NULL);

	signal_set(SIGALRM, signal_count, 0);
	ualarm(20000, 20000);
	CHECK_ERR(waitpid(pid, NULL, 0), EINTR);
	ualarm(0, 0);
	kill(pid, SIGKILL);
	child_wait(pid);
}

static void orphan_goes_to_the_subreaper(void)
{
	pid_t *pids = pages_shared(1), child;

	REQUIRE_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	child = fork();
	if (child == 0) {
		pid_t parent = getpid();

		CHECK_EQ(prctl(PR_GET_CHILD_SUBREAPER, &pids[2]), 0);
		CHECK_EQ(pids[2], 0);
		child = fork();
		if (child == 0) {
			CHECK(WAIT_UNTIL(getppid() != parent));
			pids[1] = getppid();
			_exit(21);
		}
		pids[0] = child;
		_exit(0);
	}
	CHECK_EXITED(child_wait(child), 0);
	CHECK_EXITED(child_wait(pids[0]), 21);
	CHECK_EQ(pids[1], getpid());
}

static void parent_death_signal(void)
{
	pid_t *pids = pages_shared(1), child;
	int number = -1;

	REQUIRE_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	child = fork();
	if (child == 0) {
		child = fork();
		if (child == 0) {
			CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGUSR2));
			pids[1] = 1;
			wait_for_ever(NULL);
		}
		pids[0] = child;
		CHECK(WAIT_UNTIL(((volatile pid_t *)pids)[1] == 1));
		_exit(0);
	}
	child_wait(child);
	CHECK_KILLED(child_wait(pids[0]), SIGUSR2);
	CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	CHECK_OK(prctl(PR_GET_PDEATHSIG, &number));
	CHECK_EQ(number, SIGUSR1);
	CHECK_ERR(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
}

static void *exit_thread(void *argument)
{
	_exit((int)(intptr_t)argument);
}

static void exit_group_ends_all_threads(void)
{
	pid_t pid = fork();
	pthread_t thread;

	if (pid == 0) {
		pthread_create(&thread, NULL, exit_thread, (void *)33);
		wait_for_ever(NULL);
	}
	CHECK_EXITED(child_wait(pid), 33);
}

static void *late_thread(void *argument)
{
	pid_t leader = getpid();

	(void)argument;
	WAIT_UNTIL(!task_sleeps(leader));
	for (int i = 0; i < 5; i++)
		time_pause();
	syscall(SYS_exit, 5);
	return NULL;
}

static void leader_exit_waits_for_threads(void)
{
	pid_t pid = fork();
	pthread_t thread;

	if (pid == 0) {
		pthread_create(&thread, NULL, late_thread, NULL);
		syscall(SYS_exit, 9);
	}
	/* The status is that of the thread that ended last. */
	CHECK_EXITED(child_wait(pid), 5);
}

static void *wait_thread(void *argument)
{
	return (void *)(intptr_t)waitpid(*(pid_t *)argument, NULL, 0);
}

static void any_thread_may_wait(void)
{
	pid_t pid = child_start(exit_with, NULL);
	pthread_t thread;
	void *result;

	REQUIRE(pthread_create(&thread, NULL, wait_thread, &pid) == 0);
	REQUIRE(pthread_join(thread, &result) == 0);
	CHECK_EQ((intptr_t)result, pid);
}

static void wait4_reports_usage(void)
{
	struct rusage usage;
	pid_t pid = fork();

	if (pid == 0) {
		for (volatile int i = 0; i < 30000000; i++)
			;
		_exit(0);
	}
	memset(&usage, 0xff, sizeof(usage));
	CHECK_EQ(wait4(pid, NULL, 0, &usage), pid);
	CHECK(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec > 0);
	CHECK(usage.ru_minflt > 0);
}

TESTS(TEST(exit_status_is_low_byte), TEST(signal_status), TEST(wait_refuses_wrong_arguments),
      TEST(wnohang_returns_zero_while_running), TEST(waitid_wnowait_leaves_the_child), TEST(waitid_codes),
      TEST(waitid_sees_stop_and_continue), TEST(wait4_sees_stop_and_continue), TEST(wait_chooses_by_group),
      TEST(ignored_sigchld_reaps), TEST(wait_is_interrupted), TEST(orphan_goes_to_the_subreaper),
      TEST(parent_death_signal), TEST(exit_group_ends_all_threads), TEST(leader_exit_waits_for_threads),
      TEST(any_thread_may_wait), TEST(wait4_reports_usage))
