/* poll, ppoll, select and pselect6: readiness, timeouts, masks and errors. */
#include "check.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>

#define KERNEL_SET_SIZE 8

struct sigset_argument {
	const sigset_t *set;
	size_t size;
};

static void poll_reports_each(void)
{
	struct pollfd entries[5];
	int pipes[2], file;

	scratch_enter();
	file = file_make("file", "x", 0);
	REQUIRE_OK(pipe(pipes));
	entries[0] = (struct pollfd){ .fd = pipes[0], .events = POLLIN, .revents = -1 };
	entries[1] = (struct pollfd){ .fd = pipes[1], .events = POLLOUT, .revents = -1 };
	entries[2] = (struct pollfd){ .fd = 999, .events = POLLIN, .revents = -1 };
	entries[3] = (struct pollfd){ .fd = -5, .events = POLLIN, .revents = -1 };
	entries[4] = (struct pollfd){ .fd = file, .events = POLLIN | POLLOUT | POLLPRI, .revents = -1 };
	CHECK_EQ(poll(entries, 5, 1000), 3);
	CHECK_EQ(entries[0].revents, 0);
	CHECK_EQ(entries[1].revents, POLLOUT);
	CHECK_EQ(entries[2].revents, POLLNVAL);
	CHECK_EQ(entries[3].revents, 0);
	CHECK_EQ(entries[4].revents, POLLIN | POLLOUT);
}

static void poll_times_out(void)
{
	struct pollfd entry = { .fd = eventfd(0, 0), .events = POLLIN };
	int64_t start = time_now();

	CHECK_EQ(poll(&entry, 1, 30), 0);
	CHECK(time_now() - start >= 30 * MILLISECOND);
	CHECK_EQ(poll(&entry, 1, 0), 0);
	CHECK_EQ(poll(NULL, 0, 10), 0);
}

static void write_later(void *argument)
{
	task_wait_asleep(getppid());
	CHECK_EQ(write(*(int *)argument, "x", 1), 1);
}

static void poll_wakes(void)
{
	struct pollfd entry;
	int pipes[2];
	pid_t pid;

	REQUIRE_OK(pipe(pipes));
	entry = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
	pid = child_start(write_later, &pipes[1]);
	CHECK_EQ(poll(&entry, 1, -1), 1);
	CHECK_EQ(entry.revents, POLLIN);
	CHECK_EXITED(child_wait(pid), 0);
}

static void close_later(void *argument)
{
	int *pipes = argument;

	close(pipes[0]);
	task_wait_asleep(getppid());
	close(pipes[1]);
}

static void poll_wakes_for_a_hang_up(void)
{
	struct pollfd entry;
	int pipes[2];
	pid_t pid;

	REQUIRE_OK(pipe(pipes));
	pid = child_start(close_later, pipes);
	close(pipes[1]);
	/* Hang-ups and errors are reported unasked. */
	entry = (struct pollfd){ .fd = pipes[0], .events = 0 };
	CHECK_EQ(poll(&entry, 1, -1), 1);
	CHECK_EQ(entry.revents, POLLHUP);
	CHECK_EXITED(child_wait(pid), 0);
}

static void poll_errors(void)
{
	struct rlimit limit;
	struct pollfd entry = { .fd = -1 };

	REQUIRE_OK(getrlimit(RLIMIT_NOFILE, &limit));
	CHECK_ERR(poll(&entry, limit.rlim_cur + 1, 0), EINVAL);
	CHECK_ERR(poll(bad_pointers[0], 1, 0), EFAULT);
	CHECK_ERR(poll(bad_pointers[4], 1, 0), EFAULT);
	CHECK_ERR(syscall(SYS_poll, page_readonly(), 1, 0), EFAULT);
	CHECK_ERR(syscall(SYS_ppoll, &entry, 1, bad_pointers[2], NULL, 0), EFAULT);
	CHECK_ERR(syscall(SYS_ppoll, &entry, 1, NULL, &limit, 4), EINVAL);
	CHECK_ERR(syscall(SYS_ppoll, &entry, 1, &(struct timespec){ 0, -1 }, NULL, 0), EINVAL);
	CHECK_ERR(syscall(SYS_ppoll, &entry, 1, &(struct timespec){ -1, 0 }, NULL, 0), EINVAL);
}

static void ppoll_returns_what_remains(void)
{
	struct timespec timeout = { 5, 0 };
	struct pollfd entry = { .fd = eventfd(1, 0), .events = POLLIN };

	CHECK_EQ(syscall(SYS_ppoll, &entry, 1, &timeout, NULL, 0), 1);
	CHECK(timeout.tv_sec <= 5 && timeout.tv_sec >= 3);
	timeout = time_spec(5 * MILLISECOND);
	entry.fd = -1;
	CHECK_EQ(syscall(SYS_ppoll, &entry, 1, &timeout, NULL, 0), 0);
	CHECK(timeout.tv_sec == 0 && timeout.tv_nsec == 0);
}

static void ppoll_swaps_the_mask(void)
{
	struct timespec timeout = { 5, 0 };
	sigset_t none, after;

	sigemptyset(&none);
	signal_set(SIGUSR1, signal_count, 0);
	signal_block(SIGUSR1);
	raise(SIGUSR1);
	CHECK_ERR(ppoll(NULL, 0, &timeout, &none), EINTR);
	CHECK_EQ(signals_counted, 1);
	sigprocmask(SIG_BLOCK, NULL, &after);
	CHECK(sigismember(&after, SIGUSR1));
	/* Something ready comes before the signal, which then stays pending. */
	struct pollfd entry = { .fd = eventfd(1, 0), .events = POLLIN };

	raise(SIGUSR1);
	CHECK_EQ(ppoll(&entry, 1, &timeout, &none), 1);
	CHECK_EQ(signals_counted, 1);
}

static void select_sets(void)
{
	struct timeval timeout = { 1, 0 };
	fd_set in, out, except;
	int pipes[2];

	REQUIRE_OK(pipe(pipes));
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(pipes[0], &in);
	FD_SET(pipes[1], &out);
	FD_SET(pipes[0], &except);
	CHECK_EQ(select(pipes[1] + 1, &in, &out, &except, &timeout), 1);
	CHECK(!FD_ISSET(pipes[0], &in) && FD_ISSET(pipes[1], &out) && !FD_ISSET(pipes[0], &except));
	REQUIRE(write(pipes[1], "x", 1) == 1);
	FD_SET(pipes[0], &in);
	CHECK_EQ(select(pipes[1] + 1, &in, &out, NULL, NULL), 2);
	close(pipes[1]);
	FD_ZERO(&in);
	FD_SET(pipes[0], &in);
	CHECK_EQ(select(pipes[0] + 1, &in, NULL, NULL, NULL), 1);
}

#define MANY 150

/* More than is looked at in one go, with holes and one that is not open; the last of them becomes ready. */
static void poll_reports_many(void)
{
	static struct pollfd entries[MANY];
	int pipes[2];

	REQUIRE_OK(pipe(pipes));
	for (int i = 0; i < MANY; i++)
		entries[i] = (struct pollfd){ .fd = i % 3 ? dup(pipes[0]) : -1, .events = POLLIN, .revents = -1 };
	CHECK_EQ(poll(entries, MANY, 0), 0);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(entries[i].revents, 0);
	entries[100].fd = 999;
	CHECK_EQ(poll(entries, MANY, -1), 1);
	CHECK_EQ(entries[100].revents, POLLNVAL);
	entries[100].fd = -1;
	entries[MANY - 1] = (struct pollfd){ .fd = pipes[1], .events = POLLOUT };
	CHECK_EQ(poll(entries, MANY, -1), 1);
	CHECK_EQ(entries[MANY - 1].revents, POLLOUT);
	REQUIRE(write(pipes[1], "x", 1) == 1);
	CHECK_EQ(poll(entries, MANY, 0), 99);
}

/* An epoll set has to be asked: its readiness is no word of its own. */
static void sets_are_asked(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct timeval none = { 0, 0 };
	int set = epoll_create1(0), pipes[2];
	struct pollfd entries[2];
	fd_set in;

	REQUIRE_OK(pipe(pipes));
	REQUIRE_OK(epoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &event));
	entries[0] = (struct pollfd){ .fd = set, .events = POLLIN };
	entries[1] = (struct pollfd){ .fd = pipes[1], .events = POLLOUT };
	CHECK_EQ(poll(entries, 2, 0), 1);
	CHECK(entries[0].revents == 0 && entries[1].revents == POLLOUT);
	FD_ZERO(&in);
	FD_SET(set, &in);
	CHECK_EQ(select(set + 1, &in, NULL, NULL, &none), 0);
	CHECK(!FD_ISSET(set, &in));
	REQUIRE(write(pipes[1], "x", 1) == 1);
	FD_SET(set, &in);
	FD_SET(pipes[0], &in);
	CHECK_EQ(select((set > pipes[0] ? set : pipes[0]) + 1, &in, NULL, NULL, &none), 2);
	CHECK(FD_ISSET(set, &in) && FD_ISSET(pipes[0], &in));
	CHECK_EQ(poll(entries, 2, 0), 2);
	CHECK_EQ(entries[0].revents, POLLIN);
}

/* Descriptors of many words, one bit in more than one set, bits behind the limit; a failed call leaves the sets alone. */
static void select_of_many(void)
{
	struct timeval none = { 0, 0 };
	fd_set in, out;
	int event = eventfd(1, 0), high = fcntl(event, F_DUPFD, 300), higher = fcntl(event, F_DUPFD, 301);

	REQUIRE(high == 300 && higher == 301);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(event, &in);
	FD_SET(high, &in);
	FD_SET(high, &out);
	FD_SET(higher, &in);
	CHECK_EQ(select(high + 1, &in, &out, NULL, &none), 3);
	CHECK(FD_ISSET(event, &in) && FD_ISSET(high, &in) && FD_ISSET(high, &out) && !FD_ISSET(higher, &in));
	FD_SET(299, &in);
	CHECK_ERR(select(high + 1, &in, &out, NULL, &none), EBADF);
	CHECK(FD_ISSET(299, &in) && FD_ISSET(high, &in) && FD_ISSET(high, &out));
}

static void select_times_out(void)
{
	struct timeval timeout = { 0, 30000 };
	int64_t start = time_now();
	int event = eventfd(0, 0);
	fd_set in;

	FD_ZERO(&in);
	FD_SET(event, &in);
	CHECK_EQ(select(event + 1, &in, NULL, NULL, &timeout), 0);
	CHECK(time_now() - start >= 30 * MILLISECOND);
	CHECK(!FD_ISSET(event, &in) && timeout.tv_sec == 0 && timeout.tv_usec == 0);
	timeout.tv_usec = 20000;
	CHECK_EQ(select(0, NULL, NULL, NULL, &timeout), 0);
}

static void select_errors(void)
{
	struct timeval timeout = { 0, 0 };
	fd_set in;

	FD_ZERO(&in);
	CHECK_ERR(select(-1, &in, NULL, NULL, &timeout), EINVAL);
	FD_SET(900, &in);
	CHECK_ERR(select(901, &in, NULL, NULL, &timeout), EBADF);
	CHECK_ERR(select(5, bad_pointers[4], NULL, NULL, &timeout), EFAULT);
	CHECK_ERR(syscall(SYS_select, 0, NULL, NULL, NULL, bad_pointers[2]), EFAULT);
	timeout.tv_sec = -1;
	CHECK_ERR(syscall(SYS_select, 0, NULL, NULL, NULL, &timeout), EINVAL);
	CHECK_ERR(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &(struct timespec){ 0, 1000000000 }, NULL), EINVAL);
}

static void pselect_swaps_the_mask(void)
{
	struct timespec timeout = { 5, 0 };
	sigset_t none;
	struct sigset_argument argument = { &none, KERNEL_SET_SIZE };

	sigemptyset(&none);
	signal_set(SIGUSR1, signal_count, 0);
	signal_block(SIGUSR1);
	raise(SIGUSR1);
	CHECK_ERR(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &timeout, &argument), EINTR);
	CHECK_EQ(signals_counted, 1);
	CHECK(timeout.tv_sec <= 5);
	argument.size = 4;
	CHECK_ERR(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &timeout, &argument), EINVAL);
	CHECK_ERR(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &timeout, bad_pointers[4]), EFAULT);
}

TESTS(TEST(poll_reports_each), TEST(poll_times_out), TEST(poll_wakes), TEST(poll_wakes_for_a_hang_up),
      TEST(poll_errors), TEST(ppoll_returns_what_remains), TEST(ppoll_swaps_the_mask), TEST(select_sets),
      TEST(poll_reports_many), TEST(sets_are_asked), TEST(select_of_many),
      TEST(select_times_out), TEST(select_errors), TEST(pselect_swaps_the_mask))
