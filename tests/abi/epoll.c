/* epoll: level and edge triggering, one-shot, nesting, the life of registrations, waiting and errors. */
#include "check.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int epoll_add(int epoll, int file, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = file };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event);
}

static int epoll_modify(int epoll, int file, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = file };

	return epoll_ctl(epoll, EPOLL_CTL_MOD, file, &event);
}

/* The events of the one descriptor that is ready, 0 if none is. */
static uint32_t epoll_one(int epoll)
{
	struct epoll_event events[4];
	int count = epoll_wait(epoll, events, 4, 0);

	CHECK(count == 0 || count == 1);
	return count == 1 ? events[0].events : 0;
}

static void add_one(int event)
{
	REQUIRE_OK(eventfd_write(event, 1));
}

static void take(int event)
{
	eventfd_t value;

	REQUIRE_OK(eventfd_read(event, &value));
}

static void level_triggered(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), event = eventfd(0, 0);

	CHECK_EQ(fcntl(epoll, F_GETFD), FD_CLOEXEC);
	CHECK_OK(epoll_add(epoll, event, EPOLLIN));
	CHECK_EQ(epoll_one(epoll), 0);
	add_one(event);
	CHECK_EQ(epoll_one(epoll), EPOLLIN);
	CHECK_EQ(epoll_one(epoll), EPOLLIN);
	CHECK_OK(epoll_modify(epoll, event, EPOLLIN | EPOLLOUT));
	CHECK_EQ(epoll_one(epoll), EPOLLIN | EPOLLOUT);
	take(event);
	CHECK_EQ(epoll_one(epoll), EPOLLOUT);
}

static void edge_triggered(void)
{
	int epoll = epoll_create1(0), event = eventfd(0, 0);

	add_one(event);
	CHECK_OK(epoll_add(epoll, event, EPOLLIN | EPOLLET));
	CHECK_EQ(epoll_one(epoll), EPOLLIN);
	CHECK_EQ(epoll_one(epoll), 0);
	add_one(event);
	CHECK_EQ(epoll_one(epoll), EPOLLIN);
	CHECK_EQ(epoll_one(epoll), 0);
	/* A change of the registration looks again. */
	CHECK_OK(epoll_modify(epoll, event, EPOLLIN | EPOLLET));
	CHECK_EQ(epoll_one(epoll), EPOLLIN);
	add_one(event);
	take(event);
	CHECK_EQ(epoll_one(epoll), 0);
}

static void one_shot(void)
{
	int epoll = epoll_create1(0), event = eventfd(1, 0);

	CHECK_OK(epoll_add(epoll, event, EPOLLIN | EPOLLONESHOT));
	CHECK_EQ(epoll_one(epoll), EPOLLIN);
	CHECK_EQ(epoll_one(epoll), 0);
	add_one(event);
	CHECK_EQ(epoll_one(epoll), 0);
	CHECK_OK(epoll_modify(epoll, event, EPOLLIN | EPOLLONESHOT));
	CHECK_EQ(epoll_one(epoll), EPOLLIN);
}

static void pipe_events(void)
{
	int epoll = epoll_create1(0), pipes[2];
	char byte;

	REQUIRE_OK(pipe(pipes));
	CHECK_OK(epoll_add(epoll, pipes[0], EPOLLIN));
	REQUIRE(write(pipes[1], "x", 1) == 1);
	CHECK_EQ(epoll_one(epoll), EPOLLIN);
	close(pipes[1]);
	CHECK_EQ(epoll_one(epoll), EPOLLIN | EPOLLHUP);
	REQUIRE(read(pipes[0], &byte, 1) == 1);
	CHECK_EQ(epoll_one(epoll), EPOLLHUP);
	REQUIRE_OK(pipe(pipes));
	epoll = epoll_create1(0);
	CHECK_OK(epoll_add(epoll, pipes[1], 0));
	close(pipes[0]);
	CHECK_EQ(epoll_one(epoll), EPOLLERR);
}

static void edge_on_each_pipe_write(void)
{
	int epoll = epoll_create1(0), pipes[2];

	REQUIRE_OK(pipe(pipes));
	CHECK_OK(epoll_add(epoll, pipes[0], EPOLLIN | EPOLLET));
	for (int i = 0; i < 3; i++) {
		REQUIRE(write(pipes[1], "x", 1) == 1);
		CHECK_EQ(epoll_one(epoll), EPOLLIN);
		CHECK_EQ(epoll_one(epoll), 0);
	}
}

static void control_errors(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0), other = eventfd(0, 0), file;

	scratch_enter();
	file = file_make("file", "x", 0);
	CHECK_ERR(epoll_create1(0x80), EINVAL);
	CHECK_ERR(epoll_create(0), EINVAL);
	CHECK_OK(epoll_create(1));
	CHECK_ERR(epoll_add(epoll, 999, EPOLLIN), EBADF);
	CHECK_ERR(epoll_add(999, other, EPOLLIN), EBADF);
	CHECK_ERR(epoll_add(other, epoll, EPOLLIN), EINVAL);
	CHECK_ERR(epoll_add(epoll, epoll, EPOLLIN), EINVAL);
	CHECK_ERR(epoll_add(epoll, file, EPOLLIN), EPERM);
	CHECK_ERR(epoll_ctl(epoll, EPOLL_CTL_DEL, other, &event), ENOENT);
	CHECK_ERR(epoll_modify(epoll, other, EPOLLIN), ENOENT);
	CHECK_OK(epoll_add(epoll, other, EPOLLIN));
	CHECK_ERR(epoll_add(epoll, other, EPOLLIN), EEXIST);
	CHECK_ERR(epoll_ctl(epoll, 99, other, &event), EINVAL);
	CHECK_ERR(epoll_ctl(epoll, EPOLL_CTL_MOD, other, bad_pointers[2]), EFAULT);
	CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_DEL, other, NULL));
	CHECK_ERR(epoll_modify(epoll, other, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	CHECK_ERR(epoll_add(epoll, other, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
}

static void wait_errors(void)
{
	struct epoll_event events[2];
	int epoll = epoll_create1(0), other = eventfd(1, 0);
	sigset_t none;

	sigemptyset(&none);
	CHECK_ERR(epoll_wait(epoll, events, 0, 0), EINVAL);
	CHECK_ERR(epoll_wait(epoll, events, -1, 0), EINVAL);
	CHECK_ERR(epoll_wait(999, events, 1, 0), EBADF);
	CHECK_ERR(epoll_wait(other, events, 1, 0), EINVAL);
	CHECK_ERR(epoll_wait(epoll, bad_pointers[4], 1, 0), EFAULT);
	CHECK_ERR(syscall(SYS_epoll_pwait, epoll, events, 1, 0, &none, 4), EINVAL);
	REQUIRE_OK(epoll_add(epoll, other, EPOLLIN));
	CHECK_ERR(epoll_wait(epoll, page_readonly(), 1, 0), EFAULT);
	CHECK_EQ(epoll_wait(epoll, events, 1, -1), 1);
}

static void many_are_shared_out_fairly(void)
{
	struct epoll_event events[3];
	int epoll = epoll_create1(0), files[10], seen[10] = { 0 };

	for (int i = 0; i < 10; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

		files[i] = eventfd(1, 0);
		REQUIRE_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, files[i], &event));
	}
	/* Level-triggered entries go to the end of the list, so that each has its turn. */
	for (int round = 0; round < 10; round++) {
		CHECK_EQ(epoll_wait(epoll, events, 3, 0), 3);
		for (int i = 0; i < 3; i++)
			seen[events[i].data.u32]++;
	}
	for (int i = 0; i < 10; i++)
		CHECK_EQ(seen[i], 3);
}

static void nested(void)
{
	int inner = epoll_create1(0), outer = epoll_create1(0), event = eventfd(0, 0);

	CHECK_OK(epoll_add(inner, event, EPOLLIN));
	CHECK_OK(epoll_add(outer, inner, EPOLLIN));
	CHECK_EQ(epoll_one(outer), 0);
	add_one(event);
	CHECK_EQ(epoll_one(outer), EPOLLIN);
	take(event);
	CHECK_EQ(epoll_one(outer), 0);
	CHECK_ERR(epoll_add(inner, outer, EPOLLIN), ELOOP);
	/* Five levels at most. */
	for (int i = 0; i < 3; i++) {
		int next = epoll_create1(0);

		CHECK_OK(epoll_add(next, outer, EPOLLIN));
		outer = next;
	}
	CHECK_ERR(epoll_add(epoll_create1(0), outer, EPOLLIN), ELOOP);
}

static void close_removes(void)
{
	int epoll = epoll_create1(0), event = eventfd(1, 0), copy = dup(event);

	CHECK_OK(epoll_add(epoll, event, EPOLLIN));
	close(event);
	/* The open file lives on in the copy, and so does its registration. */
	CHECK_EQ(epoll_one(epoll), EPOLLIN);
	CHECK_ERR(epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL), EBADF);
	close(copy);
	CHECK_EQ(epoll_one(epoll), 0);
	event = eventfd(1, 0);
	CHECK_OK(epoll_add(epoll, event, EPOLLIN));
}

static void copies_are_registered_apart(void)
{
	struct epoll_event events[4];
	int epoll = epoll_create1(0), event = eventfd(1, 0), copy = dup(event);

	CHECK_OK(epoll_add(epoll, event, EPOLLIN));
	CHECK_OK(epoll_add(epoll, copy, EPOLLIN));
	CHECK_EQ(epoll_wait(epoll, events, 4, 0), 2);
}

static void write_later(void *argument)
{
	task_wait_asleep(getppid());
	add_one(*(int *)argument);
}

static void wait_wakes_and_times_out(void)
{
	struct epoll_event event;
	int epoll = epoll_create1(0), file = eventfd(0, 0);
	int64_t start = time_now();
	pid_t pid;

	CHECK_OK(epoll_add(epoll, file, EPOLLIN));
	CHECK_EQ(epoll_wait(epoll, &event, 1, 30), 0);
	CHECK(time_now() - start >= 30 * MILLISECOND);
	pid = child_start(write_later, &file);
	CHECK_EQ(epoll_wait(epoll, &event, 1, -1), 1);
	CHECK(event.events == EPOLLIN && event.data.fd == file);
	CHECK_EXITED(child_wait(pid), 0);
}

static void pwait_swaps_the_mask(void)
{
	struct epoll_event event;
	struct timespec timeout = time_spec(5 * MILLISECOND);
	int epoll = epoll_create1(0);
	sigset_t none;

	sigemptyset(&none);
	signal_set(SIGUSR1, signal_count, 0);
	signal_block(SIGUSR1);
	raise(SIGUSR1);
	CHECK_ERR(epoll_pwait(epoll, &event, 1, -1, &none), EINTR);
	CHECK_EQ(signals_counted, 1);
	CHECK_EQ(epoll_pwait2(epoll, &event, 1, &timeout, NULL), 0);
	timeout.tv_nsec = -1;
	CHECK_ERR(epoll_pwait2(epoll, &event, 1, &timeout, NULL), EINVAL);
}

static volatile int woken;

static void *thread_wait(void *argument)
{
	struct epoll_event event;

	if (epoll_wait(*(int *)argument, &event, 1, 5000) == 1) {
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
		take(event.data.fd);
	}
	return NULL;
}

static void registered_while_another_thread_waits(void)
{
	int epoll = epoll_create1(0), event = eventfd(0, EFD_SEMAPHORE);
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_wait, &epoll) == 0);
	CHECK_OK(epoll_add(epoll, event, EPOLLIN | EPOLLET));
	for (int i = 0; i < 3; i++) {
		add_one(event);
		CHECK(WAIT_UNTIL(woken == i + 1));
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

TESTS(TEST(level_triggered), TEST(edge_triggered), TEST(one_shot), TEST(pipe_events), TEST(edge_on_each_pipe_write),
      TEST(control_errors), TEST(wait_errors), TEST(many_are_shared_out_fairly), TEST(nested), TEST(close_removes),
      TEST(copies_are_registered_apart), TEST(wait_wakes_and_times_out), TEST(pwait_swaps_the_mask),
      TEST(registered_while_another_thread_waits))
