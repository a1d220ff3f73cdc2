/* fork, vfork, clone and clone3: what a child shares with its parent and what it does not. */
#include "check.h"

#include <linux/sched.h>
#include <pthread.h>
#include <sys/prctl.h>

static void fork_returns_pid_and_zero(void)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0)
		_exit(getpid() == (pid_t)syscall(SYS_gettid) ? 7 : 8);
	CHECK(pid != getpid());
	CHECK_EXITED(child_wait(pid), 7);
	CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);
}

static void store_seven(void *argument)
{
	*(volatile int *)argument = 7;
}

static void fork_copies_memory(void)
{
	int *private = pages_new(1), *shared = pages_shared(1);

	CHECK_EXITED(child_run(store_seven, private), 0);
	CHECK_EXITED(child_run(store_seven, shared), 0);
	CHECK_EQ(*private, 0);
	CHECK_EQ(*shared, 7);
}

static void seek_to_three(void *argument)
{
	CHECK_EQ(lseek(*(int *)argument, 3, SEEK_SET), 3);
	close(*(int *)argument);
}

static void fork_shares_file_offsets(void)
{
	int file;

	scratch_enter();
	file = file_make("file", "abcdef", 0);
	CHECK_EXITED(child_run(seek_to_three, &file), 0);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 3);
}

static void check_fork_state(void *argument)
{
	sigset_t set, pending;

	(void)argument;
	CHECK_OK(sigprocmask(SIG_BLOCK, NULL, &set));
	CHECK(sigismember(&set, SIGUSR1));
	CHECK_OK(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGUSR1));
	CHECK_EQ(alarm(0), 0);
}

static void fork_keeps_mask_and_drops_pending_and_alarm(void)
{
	signal_block(SIGUSR1);
	raise(SIGUSR1);
	alarm(100);
	CHECK_EXITED(child_run(check_fork_state, NULL), 0);
	CHECK(alarm(0) > 0);
}

static void fork_copies_vector_state(void)
{
	uint64_t value = 0x1122334455667788, vector = 0;
	unsigned control = 0x1f80 | 0x2000, after = 0;
	long pid;

	/* The fork and what follows it stand in one piece, without libc. */
	__asm__ volatile("ldmxcsr %4; movq %3, %%xmm12; syscall; movq %%xmm12, %0; stmxcsr %1"
			 : "=m"(vector), "=m"(after), "=a"(pid)
			 : "m"(value), "m"(control), "a"(SYS_fork) : "rcx", "r11", "xmm12", "memory");
	if (pid == 0)
		_exit(vector == value && after == control ? 0 : 1);
	CHECK(vector == value && after == control);
	CHECK_EXITED(child_wait(pid), 0);
}

static void *thread_idle(void *argument)
{
	pause();
	return argument;
}

static void check_one_thread(void *argument)
{
	char text[4096];
	const char *field;

	(void)argument;
	CHECK_EQ(getpid(), gettid());
	REQUIRE(file_read("/proc/self/status", text, sizeof(text)));
	field = strstr(text, "\nThreads:");
	CHECK(field && atoi(field + 9) == 1);
}

static void fork_copies_only_the_calling_thread(void)
{
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, thread_idle, NULL) == 0);
	CHECK_EXITED(child_run(check_one_thread, NULL), 0);
}

static void vfork_runs_child_first(void)
{
	volatile int *shared = pages_shared(1);
	pid_t pid = vfork();

	if (pid == 0) {
		time_pause();
		*shared = 5;
		_exit(3);
	}
	CHECK_EQ(*shared, 5);
	CHECK_EXITED(child_wait(pid), 3);
}

static void vfork_shares_memory(void)
{
	volatile int *private = pages_new(1);
	pid_t pid = vfork();

	if (pid == 0) {
		*private = 9;
		_exit(0);
	}
	CHECK_EQ(*private, 9);
	CHECK_EXITED(child_wait(pid), 0);
}

static void vfork_ends_at_failed_exec(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/no/such/program", "x", NULL);
		_exit(errno == ENOENT ? 4 : 5);
	}
	CHECK_EXITED(child_wait(pid), 4);
}

static int clone_child(void *argument)
{
	*(volatile int *)argument = 11;
	return 6;
}

static pid_t clone_with(int flags, void *argument)
{
	char *stack = pages_new(16);

	return clone(clone_child, stack + 16 * PAGE, flags, argument);
}

static void clone_vm_shares_memory(void)
{
	volatile int *private = pages_new(1);
	pid_t pid = clone_with(CLONE_VM | SIGCHLD, (void *)private);

	REQUIRE(pid > 0);
	CHECK_EXITED(child_wait(pid), 6);
	CHECK_EQ(*private, 11);
}

static void clone_without_exit_signal_needs_wclone(void)
{
	int value, status;
	pid_t pid = clone_with(0, &value);

	REQUIRE(pid > 0);
	CHECK_ERR(waitpid(pid, &status, 0), ECHILD);
	CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
	CHECK_EXITED(status, 6);
}

static int clone_close(void *argument)
{
	return close(*(int *)argument) ? 1 : 0;
}

static void clone_files_shares_the_descriptor_table(void)
{
	char *stack = pages_new(16);
	int file = dup(2);
	pid_t pid = clone(clone_close, stack + 16 * PAGE, CLONE_FILES | SIGCHLD, &file);

	REQUIRE(pid > 0);
	CHECK_EXITED(child_wait(pid), 0);
	CHECK_ERR(fcntl(file, F_GETFD), EBADF);
}

static int clone_chdir(void *argument)
{
	umask(0123);
	return chdir(argument) ? 1 : 0;
}

static void clone_fs_shares_directory_and_umask(void)
{
	char *stack = pages_new(16);
	char path[64];
	pid_t pid = clone(clone_chdir, stack + 16 * PAGE, CLONE_FS | SIGCHLD, "/proc");

	REQUIRE(pid > 0);
	CHECK_EXITED(child_wait(pid), 0);
	CHECK(getcwd(path, sizeof(path)) && strcmp(path, "/proc") == 0);
	CHECK_EQ(umask(0), 0123);
}

static void clone_parent_makes_a_sibling(void)
{
	pid_t *pids = pages_shared(1);
	pid_t child = fork();
	int value;

	if (child == 0) {
		pids[0] = clone_with(CLONE_PARENT | SIGCHLD, &value);
		_exit(0);
	}
	CHECK_EXITED(child_wait(child), 0);
	REQUIRE(pids[0] > 0);
	CHECK_EXITED(child_wait(pids[0]), 6);
}

static void clone_sets_and_clears_tids(void)
{
	pid_t *shared = pages_shared(1);
	char *stack = pages_new(16);
	pid_t pid = clone(clone_child, stack + 16 * PAGE,
			  CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, &shared[2],
			  &shared[0], NULL, &shared[1]);

	REQUIRE(pid > 0);
	CHECK_EQ(shared[0], pid);
	CHECK_EXITED(child_wait(pid), 6);
	CHECK_EQ(shared[1], 0);
}

static void clone_refuses_wrong_flags(void)
{
	CHECK_ERR(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
}

static void clone3_sets_tid_and_pidfd(void)
{
	int pidfd = -1;
	pid_t *shared = pages_shared(1);
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID,
		.pidfd = (uintptr_t)&pidfd,
		.parent_tid = (uintptr_t)&shared[0],
		.child_tid = (uintptr_t)&shared[1],
		.exit_signal = SIGCHLD,
	};
	siginfo_t info = { 0 };
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));

	REQUIRE(pid >= 0);
	if (pid == 0)
		_exit(shared[1] == getpid() ? 12 : 13);
	CHECK_EQ(shared[0], pid);
	CHECK(fcntl(pidfd, F_GETFD) == FD_CLOEXEC);
	CHECK_OK(waitid(P_PIDFD, pidfd, &info, WEXITED));
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_status, 12);
}

static void clone3_refuses_wrong_arguments(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	char big[PAGE + 8] = { 0 };

	CHECK_ERR(syscall(SYS_clone3, &args, 63), EINVAL);
	CHECK_ERR(syscall(SYS_clone3, NULL, sizeof(args)), EFAULT);
	CHECK_ERR(syscall(SYS_clone3, big, sizeof(big)), E2BIG);
	big[sizeof(args)] = 1;
	CHECK_ERR(syscall(SYS_clone3, big, sizeof(args) + 8), E2BIG);
	args.exit_signal = 65;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.exit_signal = SIGCHLD;
	args.stack = 0x10000;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.stack = 0;
	args.flags = CLONE_DETACHED;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.flags = 0;
	args.set_tid_size = 33;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
}

static void clone3_clear_sighand(void)
{
	struct clone_args args = { .flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD };
	struct sigaction action;
	pid_t pid;

	signal_set(SIGUSR1, signal_count, 0);
	signal_set(SIGUSR2, SIG_IGN, 0);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		sigaction(SIGUSR1, NULL, &action);
		CHECK(action.sa_handler == SIG_DFL);
		sigaction(SIGUSR2, NULL, &action);
		CHECK(action.sa_handler == SIG_IGN);
		_exit(0);
	}
	CHECK_EXITED(child_wait(pid), 0);
}

TESTS(TEST(fork_returns_pid_and_zero), TEST(fork_copies_memory), TEST(fork_copies_vector_state),
      TEST(fork_shares_file_offsets),
      TEST(fork_keeps_mask_and_drops_pending_and_alarm), TEST(fork_copies_only_the_calling_thread),
      TEST(vfork_runs_child_first), TEST(vfork_shares_memory), TEST(vfork_ends_at_failed_exec),
      TEST(clone_vm_shares_memory), TEST(clone_without_exit_signal_needs_wclone),
      TEST(clone_files_shares_the_descriptor_table), TEST(clone_fs_shares_directory_and_umask),
      TEST(clone_parent_makes_a_sibling), TEST(clone_sets_and_clears_tids), TEST(clone_refuses_wrong_flags),
      TEST(clone3_sets_tid_and_pidfd), TEST(clone3_refuses_wrong_arguments), TEST(clone3_clear_sighand))
