/*
 * What every program of this folder is written with. A program is a table of tests: TESTS(TEST(f), TEST(g)).
 * Each test runs in a process and a session of its own with a time limit, so one that dies or hangs is one failure.
 * CHECK... note a failure and go on; REQUIRE... end the process. Both may be used in children and threads of a test.
 * Programs use libc, or syscall(2) where libc would stand in the way.
 */
#ifndef ABI_CHECK_H
#define ABI_CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE 4096UL
#define MILLISECOND 1000000L
#define SECOND 1000000000L

struct test {
	const char *name;
	void (*run)(void);
};

#define TEST(function) { #function, function }
#define TESTS(...)                                                  \
	static const struct test tests[] = { __VA_ARGS__ };         \
	int main(int argc, char **argv)                             \
	{                                                           \
		return tests_run(argc, argv, tests, COUNT(tests));  \
	}

/* The running program's absolute path, for tests that execute it again. */
extern const char *program_path;
/* Seconds each test may take. */
extern unsigned test_limit;

int tests_run(int argc, char **argv, const struct test *tests, size_t count);
/* Takes a leading number off the arguments of a stress program, and gives its tests time for that many rounds. */
unsigned rounds_take(int *argc, char ***argv, unsigned otherwise);
_Noreturn void test_skip(const char *reason);

void check_failed(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool check_error(const char *file, int line, const char *text, long result, int expected);
bool check_ok(const char *file, int line, const char *text, long result);
bool check_equal(const char *file, int line, const char *text, long value, long expected);
bool check_status(const char *file, int line, int status, bool signaled, int expected);

#define CHECK(condition) \
	((condition) ? true : (check_failed(__FILE__, __LINE__, "expected %s", #condition), false))
/* The call fails with exactly this error. */
#define CHECK_ERR(call, error) (errno = 0, check_error(__FILE__, __LINE__, #call, (long)(call), (error)))
/* The call does not return -1. */
#define CHECK_OK(call) (errno = 0, check_ok(__FILE__, __LINE__, #call, (long)(call)))
#define CHECK_EQ(value, expected) check_equal(__FILE__, __LINE__, #value, (long)(value), (long)(expected))
/* A wait status: ended with this exit code, or by this signal. */
#define CHECK_EXITED(status, code) check_status(__FILE__, __LINE__, (status), false, (code))
#define CHECK_KILLED(status, number) check_status(__FILE__, __LINE__, (status), true, (number))
#define REQUIRE(condition) do { if (!CHECK(condition)) _exit(1); } while (0)
#define REQUIRE_OK(call) do { if (!CHECK_OK(call)) _exit(1); } while (0)
#define SKIP_UNLESS(condition, reason) do { if (!(condition)) test_skip(reason); } while (0)

/* Evaluates the condition until it holds, for at most five seconds; its value is whether it did. */
#define WAIT_UNTIL(condition)                                                                   \
	({                                                                                      \
		int64_t wait_deadline_ = time_now() + 5 * SECOND;                               \
		bool wait_held_;                                                                \
		while (!(wait_held_ = (condition)) && time_now() < wait_deadline_)              \
			time_pause();                                                           \
		wait_held_;                                                                     \
	})

/* Monotonic time in nanoseconds. */
int64_t time_now(void);
/* Gives the processor to others for about a millisecond. */
void time_pause(void);
/* Whether this process or thread sleeps in the kernel now, by /proc. */
bool task_sleeps(pid_t tid);
/* Waits until it does. */
void task_wait_asleep(pid_t tid);
struct timespec time_spec(int64_t nanoseconds);

/* Forks a child that runs the function and exits 0. */
pid_t child_start(void (*run)(void *), void *argument);
/* The wait status of a child. */
int child_wait(pid_t pid);
/* Both: the wait status of a child that ran the function. */
int child_run(void (*run)(void *), void *argument);
/* Runs the function in a child as user and group 1000, without supplementary groups. */
int child_run_as_user(void (*run)(void *), void *argument);

/* Enters a fresh empty directory below /tmp that is removed after the test. */
void scratch_enter(void);
/* Makes a file of `size` bytes of data, of the whole string if size is 0; returns it open for reading and writing. */
int file_make(const char *path, const void *data, size_t size);
/* Reads a whole small file as a string; false if that fails. */
bool file_read(const char *path, char *text, size_t size);

/* Anonymous private pages, readable and writable; shared ones that a fork keeps common. */
void *pages_new(size_t count);
void *pages_shared(size_t count);

/* Addresses no system call may use for reading or writing. */
#define BAD_POINTERS 6
extern void *const bad_pointers[BAD_POINTERS];
/* A page that may only be read. */
void *page_readonly(void);
/* `size` bytes at the very end of a page whose successor is not mapped. */
void *page_end(size_t size);

/* Installs a handler, with flags. */
void signal_set(int number, void (*handler)(int), int flags);
void signal_set_info(int number, void (*handler)(int, siginfo_t *, void *), int flags);
void signal_block(int number);
sigset_t signal_set_of(int number);
/* A handler that counts its calls, and the count. */
void signal_count(int number);
extern volatile sig_atomic_t signals_counted;

#endif
