/* Helpers for tests: failures, children, waiting, scratch files and addresses. */
#include "check.h"
#include "runner.h"

#include <grp.h>
#include <stdarg.h>
#include <sys/prctl.h>

volatile sig_atomic_t signals_counted;

/*
 * Page zero, the lower half's end, two that are non-canonical with four and with five levels of page tables, the
 * kernel's half, and the last page.
 */
void *const bad_pointers[BAD_POINTERS] = {
	(void *)0x10,
	(void *)0x7ffffffff000,
	(void *)0x0100000000000000,
	(void *)0xdead000000000000,
	(void *)0xffff888000000000,
	(void *)0xfffffffffffff000,
};

void check_failed(const char *file, int line, const char *format, ...)
{
	char text[400];
	va_list arguments;
	int length = snprintf(text, sizeof(text), "F%s:%d ", file, line);

	va_start(arguments, format);
	length += vsnprintf(text + length, sizeof(text) - length - 2, format, arguments);
	va_end(arguments);
	if (length > (int)sizeof(text) - 2)
		length = sizeof(text) - 2;
	for (int i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = '|';
	text[length] = '\n';
	if (write(REPORT_FD, text, length + 1) < 0)
		_exit(1);
}

bool check_error(const char *file, int line, const char *text, long result, int expected)
{
	int error = errno;

	if (result == -1 && error == expected)
		return true;
	if (result == -1)
		check_failed(file, line, "%s: expected %s, got %s", text, strerrorname_np(expected),
			     strerrorname_np(error) ?: "an unknown error");
	else
		check_failed(file, line, "%s: expected %s, got result %ld", text, strerrorname_np(expected), result);
	return false;
}

bool check_ok(const char *file, int line, const char *text, long result)
{
	int error = errno;

	if (result != -1)
		return true;
	check_failed(file, line, "%s: expected success, got %s", text, strerrorname_np(error) ?: "an unknown error");
	return false;
}

bool check_equal(const char *file, int line, const char *text, long value, long expected)
{
	if (value == expected)
		return true;
	check_failed(file, line, "%s: expected %ld (0x%lx), got %ld (0x%lx), errno %d", text, expected, expected, value,
		     value, errno);
	return false;
}

bool check_status(const char *file, int line, int status, bool signaled, int expected)
{
	if (signaled ? WIFSIGNALED(status) && WTERMSIG(status) == expected
		     : WIFEXITED(status) && WEXITSTATUS(status) == expected)
		return true;
	check_failed(file, line, "expected %s %d, got wait status 0x%x", signaled ? "death by signal" : "exit status",
		     expected, status);
	return false;
}

int64_t time_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

struct timespec time_spec(int64_t nanoseconds)
{
	return (struct timespec){ .tv_sec = nanoseconds / SECOND, .tv_nsec = nanoseconds % SECOND };
}

void time_pause(void)
{
	struct timespec pause = time_spec(MILLISECOND);

	nanosleep(&pause, NULL);
}

bool task_sleeps(pid_t tid)
{
	char path[64], text[512];
	const char *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (!file_read(path, text, sizeof(text)))
		return false;
	end = strrchr(text, ')');
	return end && end[2] == 'S';
}

void task_wait_asleep(pid_t tid)
{
	REQUIRE(WAIT_UNTIL(task_sleeps(tid)));
}

pid_t child_start(void (*run)(void *), void *argument)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		run(argument);
		_exit(0);
	}
	return pid;
}

int child_wait(pid_t pid)
{
	int status = -1;
	pid_t waited;

	do
		waited = waitpid(pid, &status, 0);
	while (waited < 0 && errno == EINTR);
	REQUIRE(waited == pid);
	return status;
}

int child_run(void (*run)(void *), void *argument)
{
	return child_wait(child_start(run, argument));
}

struct user_call {
	void (*run)(void *);
	void *argument;
};

static void user_enter(void *argument)
{
	struct user_call *call = argument;

	REQUIRE_OK(setgroups(0, NULL));
	REQUIRE_OK(setresgid(1000, 1000, 1000));
	REQUIRE_OK(setresuid(1000, 1000, 1000));
	/* A change of identity clears this flag, and /proc/self then belongs to root. */
	REQUIRE_OK(prctl(PR_SET_DUMPABLE, 1));
	call->run(call->argument);
}

int child_run_as_user(void (*run)(void *), void *argument)
{
	struct user_call call = { .run = run, .argument = argument };

	return child_run(user_enter, &call);
}

void scratch_enter(void)
{
	umask(022);
	REQUIRE(mkdir(scratch_path, 0755) == 0 || errno == EEXIST);
	REQUIRE_OK(chdir(scratch_path));
}

int file_make(const char *path, const void *data, size_t size)
{
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	REQUIRE(file >= 0);
	if (size == 0)
		size = strlen(data);
	REQUIRE(write(file, data, size) == (ssize_t)size);
	return file;
}

bool file_read(const char *path, char *text, size_t size)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got = 0;

	if (file < 0)
		return false;
	while (length < size - 1 && (got = read(file, text + length, size - 1 - length)) > 0)
		length += got;
	close(file);
	text[length] = '\0';
	return got >= 0;
}

void *pages_new(size_t count)
{
	void *pages = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(pages != MAP_FAILED);
	return pages;
}

void *pages_shared(size_t count)
{
	void *pages = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(pages != MAP_FAILED);
	return pages;
}

void *page_readonly(void)
{
	void *page = pages_new(1);

	REQUIRE_OK(mprotect(page, PAGE, PROT_READ));
	return page;
}

void *page_end(size_t size)
{
	char *pages = pages_new(2);

	REQUIRE_OK(munmap(pages + PAGE, PAGE));
	return pages + PAGE - size;
}

void signal_set(int number, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	REQUIRE_OK(sigaction(number, &action, NULL));
}

void signal_set_info(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };

	REQUIRE_OK(sigaction(number, &action, NULL));
}

sigset_t signal_set_of(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	return set;
}

void signal_block(int number)
{
	sigset_t set = signal_set_of(number);

	REQUIRE_OK(sigprocmask(SIG_BLOCK, &set, NULL));
}

void signal_count(int number)
{
	(void)number;
	signals_counted++;
}
