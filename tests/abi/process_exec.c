/* execve and execveat: what is passed on, what is reset, and every way to fail. */
#include "check.h"

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

/* The program runs itself with a mode word; each mode checks one thing and exits 0 if it holds. */
static const char *mode_argument;

static void exec_mode(void *mode)
{
	execl(program_path, "abi", mode, mode_argument, NULL);
	_exit(99);
}

static void arguments_and_environment_arrive(void)
{
	char *arguments[] = { "zero", "args", "", "two words", NULL };
	char *environment[] = { "A=1", "EMPTY=", NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execve(program_path, arguments, environment);
		_exit(99);
	}
	CHECK_EXITED(child_wait(pid), 0);
}

static int mode_args(int argc, char **argv)
{
	return !(argc == 4 && strcmp(argv[0], "zero") == 0 && argv[2][0] == '\0' && strcmp(argv[3], "two words") == 0 &&
		 argv[4] == NULL && strcmp(getenv("A"), "1") == 0 && getenv("EMPTY")[0] == '\0' && environ[2] == NULL);
}

static void empty_argument_list_gets_one_empty_string(void)
{
	char *none[] = { NULL };
	pid_t pid = fork();

	if (pid == 0) {
		/* With no mode word the program would run its tests: the variable tells it not to. */
		char *environment[] = { "ABI_COUNT=1", NULL };

		execve(program_path, none, environment);
		_exit(99);
	}
	CHECK_EXITED(child_wait(pid), 1);
}

static void handlers_reset_ignored_stay(void)
{
	signal_set(SIGUSR1, signal_count, SA_RESTART);
	signal_set(SIGUSR2, SIG_IGN, 0);
	signal_block(SIGTERM);
	raise(SIGTERM);
	CHECK_EXITED(child_run(exec_mode, "signals"), 0);
}

static int mode_signals(void)
{
	struct sigaction one, two;
	sigset_t set;

	sigaction(SIGUSR1, NULL, &one);
	sigaction(SIGUSR2, NULL, &two);
	sigprocmask(SIG_BLOCK, NULL, &set);
	return !(one.sa_handler == SIG_DFL && two.sa_handler == SIG_IGN && sigismember(&set, SIGTERM) == 1);
}

static void exec_raise_pending(void *argument)
{
	(void)argument;
	raise(SIGTERM);
	exec_mode("pending");
}

static void pending_signals_stay(void)
{
	signal_block(SIGTERM);
	CHECK_EXITED(child_run(exec_raise_pending, NULL), 0);
}

static int mode_pending(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGTERM) != 1;
}

static void close_on_exec(void)
{
	char text[32];
	int kept = dup(2), closed = fcntl(2, F_DUPFD_CLOEXEC, 0);

	snprintf(text, sizeof(text), "%d,%d", kept, closed);
	mode_argument = text;
	CHECK_EXITED(child_run(exec_mode, "cloexec"), 0);
	CHECK_EQ(fcntl(closed, F_GETFD), FD_CLOEXEC);
}

static int mode_cloexec(const char *text)
{
	int kept, closed;

	sscanf(text, "%d,%d", &kept, &closed);
	return !(fcntl(kept, F_GETFD) == 0 && fcntl(closed, F_GETFD) == -1 && errno == EBADF);
}

static void identity_survives(void)
{
	char text[32];
	pid_t pid = fork();

	if (pid == 0) {
		snprintf(text, sizeof(text), "%d", getpid());
		mode_argument = text;
		umask(0137);
		REQUIRE_OK(chdir("/proc"));
		prctl(PR_SET_NAME, "another");
		exec_mode("identity");
	}
	CHECK_EXITED(child_wait(pid), 0);
}

static int mode_identity(const char *text)
{
	char path[64], name[16];

	prctl(PR_GET_NAME, name);
	return !(atoi(text) == getpid() && umask(0) == 0137 && getcwd(path, sizeof(path)) && strcmp(path, "/proc") == 0 &&
		 strcmp(name, "process_exec") == 0);
}

static void exec_with_odd_vector_state(void *argument)
{
	unsigned control = 0x7fc0;
	unsigned short x87 = 0x27f;

	__asm__ volatile("ldmxcsr %0; fldpi; fldcw %1" : : "m"(control), "m"(x87));
	exec_mode(argument);
}

static void vector_state_is_reset(void)
{
	CHECK_EXITED(child_run(exec_with_odd_vector_state, "vectors"), 0);
}

static int mode_vectors(void)
{
	unsigned control;
	unsigned short x87, status;

	__asm__ volatile("stmxcsr %0; fnstcw %1; fnstsw %2" : "=m"(control), "=m"(x87), "=m"(status));
	return !(control == 0x1f80 && x87 == 0x37f && status == 0);
}

static void *thread_exec(void *argument)
{
	exec_mode(argument);
	return NULL;
}

static void exec_in_thread_takes_over_the_process(void)
{
	char text[32];
	pid_t pid = fork();
	pthread_t thread;

	if (pid == 0) {
		snprintf(text, sizeof(text), "%d", getpid());
		mode_argument = text;
		pthread_create(&thread, NULL, thread_exec, "thread");
		for (;;)
			pause();
	}
	CHECK_EXITED(child_wait(pid), 0);
}

static int mode_thread(const char *text)
{
	return !(atoi(text) == getpid() && getpid() == gettid() && getauxval(AT_SECURE) == 0);
}

static void errors(void)
{
	char *none[] = { "x", NULL };
	char path[64];

	scratch_enter();
	close(file_make("plain", "\177ELF and then nothing useful at all in here", 0));
	close(file_make("text", "just text\n", 0));
	CHECK_ERR(execve("missing", none, none), ENOENT);
	CHECK_ERR(execve("", none, none), ENOENT);
	CHECK_ERR(execve("plain", none, none), EACCES);
	CHECK_ERR(execve("plain/x", none, none), ENOTDIR);
	CHECK_ERR(execve("/", none, none), EACCES);
	chmod("plain", 0755);
	chmod("text", 0755);
	CHECK_ERR(execve("plain", none, none), ENOEXEC);
	CHECK_ERR(execve("text", none, none), ENOEXEC);
	close(file_make("empty", "x", 1));
	REQUIRE_OK(truncate("empty", 0));
	chmod("empty", 0755);
	CHECK_ERR(execve("empty", none, none), ENOEXEC);
	symlink("loop", "loop");
	CHECK_ERR(execve("loop", none, none), ELOOP);
	CHECK_ERR(execve(bad_pointers[0], none, none), EFAULT);
	snprintf(path, sizeof(path), "/proc/self/exe");
	CHECK_ERR(execve(path, (char **)bad_pointers[4], none), EFAULT);
	CHECK_ERR(execve(path, none, (char **)bad_pointers[2]), EFAULT);
	none[0] = bad_pointers[1];
	CHECK_ERR(execve(path, none, NULL), EFAULT);
}

static void too_long_argument(void)
{
	size_t size = 32 * PAGE;
	char *text = pages_new(33);
	char *arguments[] = { "x", text, NULL };

	memset(text, 'a', size);
	CHECK_ERR(execve(program_path, arguments, NULL), E2BIG);
}

static void open_for_writing_is_busy(void)
{
	char *none[] = { "x", NULL };
	int file;

	scratch_enter();
	file = file_make("script", "#!/bin/sh\n", 0);
	fchmod(file, 0755);
	CHECK_ERR(execve("script", none, none), ETXTBSY);
	close(file);
	CHECK_ERR(open("/proc/self/exe", O_WRONLY), ETXTBSY);
	CHECK_ERR(truncate(program_path, 0), ETXTBSY);
}

static void exec_script(void *argument)
{
	execl(argument, "ignored", "arg", NULL);
	_exit(99);
}

static void script_runs_its_interpreter(void)
{
	char text[300];
	int file;

	scratch_enter();
	snprintf(text, sizeof(text), "#! %s   script one \nrest\n", program_path);
	file = file_make("script", text, 0);
	fchmod(file, 0755);
	close(file);
	/* The interpreter gets: its path, "script one" as one argument, the script, and the caller's arguments. */
	CHECK_EXITED(child_run(exec_script, "./script"), 0);
	close(file_make("bad", "#!/no/such/interpreter\n", 0));
	chmod("bad", 0755);
	CHECK_ERR(execl("bad", "x", NULL), ENOENT);
}

static int mode_script(int argc, char **argv)
{
	return !(argc == 4 && strcmp(argv[2], "./script") == 0 && strcmp(argv[3], "arg") == 0 && argv[0][0] == '/');
}

static void execveat_variants(void)
{
	char *arguments[] = { "x", "thread", "0", NULL };
	int file = open(program_path, O_RDONLY | O_CLOEXEC), directory = open("/", O_RDONLY | O_DIRECTORY);
	pid_t pid = fork();

	if (pid == 0) {
		/* The pid does not match, so the mode exits 1: it ran. */
		syscall(SYS_execveat, file, "", arguments, NULL, AT_EMPTY_PATH);
		_exit(99);
	}
	CHECK_EXITED(child_wait(pid), 1);
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, directory, program_path + 1, arguments, NULL, 0);
		_exit(99);
	}
	CHECK_EXITED(child_wait(pid), 1);
	CHECK_ERR(syscall(SYS_execveat, file, "", arguments, NULL, 0), ENOENT);
	CHECK_ERR(syscall(SYS_execveat, 999, "x", arguments, NULL, 0), EBADF);
	CHECK_ERR(syscall(SYS_execveat, file, "x", arguments, NULL, 0), ENOTDIR);
	CHECK_ERR(syscall(SYS_execveat, AT_FDCWD, "x", arguments, NULL, 0x40000000), EINVAL);
	scratch_enter();
	symlink(program_path, "link");
	CHECK_ERR(syscall(SYS_execveat, AT_FDCWD, "link", arguments, NULL, AT_SYMLINK_NOFOLLOW), ELOOP);
}

static void check_user_exec(void *argument)
{
	char *none[] = { "x", NULL };

	(void)argument;
	CHECK_ERR(execve("only-root", none, none), EACCES);
	CHECK_ERR(execve("closed/program", none, none), EACCES);
}

static void permission_is_checked(void)
{
	scratch_enter();
	close(file_make("only-root", "#!/bin/true\n", 0));
	chmod("only-root", 0700);
	mkdir("closed", 0700);
	CHECK_EXITED(child_run_as_user(check_user_exec, NULL), 0);
}

static int mode_run(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	const char *value = argc > 2 ? argv[2] : "";

	if (strcmp(mode, "args") == 0)
		return mode_args(argc, argv);
	if (strcmp(mode, "script one") == 0)
		return mode_script(argc, argv);
	if (strcmp(mode, "signals") == 0)
		return mode_signals();
	if (strcmp(mode, "pending") == 0)
		return mode_pending();
	if (strcmp(mode, "cloexec") == 0)
		return mode_cloexec(value);
	if (strcmp(mode, "vectors") == 0)
		return mode_vectors();
	if (strcmp(mode, "identity") == 0)
		return mode_identity(value);
	if (strcmp(mode, "thread") == 0)
		return mode_thread(value);
	return -1;
}

static const struct test tests[] = {
	TEST(arguments_and_environment_arrive), TEST(empty_argument_list_gets_one_empty_string),
	TEST(handlers_reset_ignored_stay), TEST(pending_signals_stay), TEST(close_on_exec), TEST(identity_survives),
	TEST(vector_state_is_reset), TEST(exec_in_thread_takes_over_the_process), TEST(errors), TEST(too_long_argument),
	TEST(open_for_writing_is_busy), TEST(script_runs_its_interpreter), TEST(execveat_variants),
	TEST(permission_is_checked),
};

int main(int argc, char **argv)
{
	int result;

	if (getenv("ABI_COUNT"))
		return argc;
	result = mode_run(argc, argv);
	return result >= 0 ? result : tests_run(argc, argv, tests, COUNT(tests));
}
