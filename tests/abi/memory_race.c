/* Memory that goes away or changes while a system call waits for it or other threads use it. */
#include "check.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* A thread that makes one call and keeps its result, as the kernel gave it. */
struct waiting_call {
	pthread_t thread;
	long number, arguments[5], result;
	volatile pid_t tid;
};

static void *thread_call(void *argument)
{
	struct waiting_call *call = argument;
	const long *arguments = call->arguments;

	call->tid = gettid();
	call->result = syscall(call->number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], 0);
	if (call->result == -1)
		call->result = -errno;
	return NULL;
}

static void call_start(struct waiting_call *call)
{
	REQUIRE(pthread_create(&call->thread, NULL, thread_call, call) == 0);
	REQUIRE(WAIT_UNTIL(call->tid != 0));
	task_wait_asleep(call->tid);
}

static long call_end(struct waiting_call *call)
{
	pthread_join(call->thread, NULL);
	return call->result;
}

static void read_buffer_unmapped(void)
{
	char *page = pages_new(1);
	int pipes[2];
	struct waiting_call call = { .number = SYS_read };

	REQUIRE_OK(pipe(pipes));
	call.arguments[0] = pipes[0];
	call.arguments[1] = (long)page;
	call.arguments[2] = 10;
	call_start(&call);
	CHECK_OK(munmap(page, PAGE));
	REQUIRE(write(pipes[1], "abc", 3) == 3);
	CHECK_EQ(call_end(&call), -EFAULT);
	/* Nothing was taken from the pipe. */
	CHECK_EQ(read(pipes[0], &call, 10), 3);
}

static void write_buffer_unmapped(void)
{
	static char drain[65536];
	size_t size = 20 * PAGE;
	char *pages = pages_new(20);
	int pipes[2];
	struct waiting_call call = { .number = SYS_write };

	REQUIRE_OK(pipe(pipes));
	call.arguments[0] = pipes[1];
	call.arguments[1] = (long)pages;
	call.arguments[2] = size;
	call_start(&call);
	CHECK_OK(munmap(pages, size));
	CHECK_EQ(read(pipes[0], drain, sizeof(drain)), 65536);
	/* What went through before counts. */
	CHECK_EQ(call_end(&call), 65536);
}

static void epoll_buffer_unmapped(void)
{
	void *page = pages_new(1);
	int epoll = epoll_create1(0), event = eventfd(0, 0);
	struct epoll_event registration = { .events = EPOLLIN };
	struct waiting_call call = { .number = SYS_epoll_wait, .arguments = { epoll, (long)page, 1, -1 } };

	REQUIRE_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &registration));
	call_start(&call);
	CHECK_OK(munmap(page, PAGE));
	REQUIRE_OK(eventfd_write(event, 1));
	CHECK_EQ(call_end(&call), -EFAULT);
}

static void poll_buffer_unmapped(void)
{
	struct pollfd *page = pages_new(1);
	int event = eventfd(0, 0);
	struct waiting_call call = { .number = SYS_poll, .arguments = { (long)page, 1, -1 } };

	*page = (struct pollfd){ .fd = event, .events = POLLIN };
	call_start(&call);
	CHECK_OK(mprotect(page, PAGE, PROT_READ));
	REQUIRE_OK(eventfd_write(event, 1));
	CHECK_EQ(call_end(&call), -EFAULT);
}

static void sleep_remainder_unmapped(void)
{
	void *page = pages_new(1);
	static struct timespec request = { 5, 0 };
	struct waiting_call call = { .number = SYS_nanosleep, .arguments = { (long)&request, (long)page } };

	signal_set(SIGUSR1, signal_count, 0);
	call_start(&call);
	CHECK_OK(munmap(page, PAGE));
	CHECK_OK(tgkill(getpid(), call.tid, SIGUSR1));
	CHECK_EQ(call_end(&call), -EFAULT);
}

static void futex_word_unmapped(void)
{
	int *page = pages_new(1);
	struct waiting_call call = { .number = SYS_futex, .arguments = { (long)page, FUTEX_WAIT_PRIVATE, 0, 0 } };

	signal_set(SIGUSR1, signal_count, 0);
	call_start(&call);
	CHECK_OK(munmap(page, PAGE));
	/* A private waiter is found by its address, mapped or not. */
	CHECK_EQ(syscall(SYS_futex, page, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
	CHECK_EQ(call_end(&call), 0);
	page = pages_new(1);
	call = (struct waiting_call){ .number = SYS_futex, .arguments = { (long)page, FUTEX_WAIT, 0, 0 } };
	call_start(&call);
	CHECK_OK(munmap(page, PAGE));
	CHECK_ERR(syscall(SYS_futex, page, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_OK(tgkill(getpid(), call.tid, SIGUSR1));
	/* The wait is begun again or ended by the handler; either way it does not hang. */
	CHECK_EQ(call_end(&call), -EINTR);
}

static void shared_futex_survives_one_mapping(void)
{
	int *one = pages_shared(1), *two = mremap(one, 0, PAGE, MREMAP_MAYMOVE);
	struct waiting_call call = { .number = SYS_futex, .arguments = { (long)one, FUTEX_WAIT, 0, 0 } };

	REQUIRE(two != MAP_FAILED);
	call_start(&call);
	CHECK_OK(munmap(one, PAGE));
	CHECK_EQ(syscall(SYS_futex, two, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	CHECK_EQ(call_end(&call), 0);
}

static void check_child_after_fork(void *argument)
{
	struct waiting_call *call = argument;

	/* Nobody waits here: the child has one thread. */
	CHECK_EQ(syscall(SYS_futex, call->arguments[0], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
}

static void fork_while_a_thread_waits(void)
{
	int *page = pages_new(1);
	struct waiting_call call = { .number = SYS_futex, .arguments = { (long)page, FUTEX_WAIT_PRIVATE, 0, 0 } };

	call_start(&call);
	for (int i = 0; i < 10; i++)
		CHECK_EXITED(child_run(check_child_after_fork, &call), 0);
	/* The page has been copied meanwhile; the waiter is still found by address. */
	*page = 1;
	CHECK_EQ(syscall(SYS_futex, page, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
	CHECK_EQ(call_end(&call), 0);
}

static void shared_wait_survives_a_copied_page(void)
{
	int *page = pages_new(1);
	struct waiting_call call = { .number = SYS_futex, .arguments = { (long)page, FUTEX_WAIT, 0, 0 } };

	*page = 0;
	call_start(&call);
	CHECK_EXITED(child_run(check_child_after_fork, &call), 0);
	*page = 1;
	CHECK_EQ(syscall(SYS_futex, page, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	CHECK_EQ(call_end(&call), 0);
}

static void descriptor_closed_during_a_read(void)
{
	char text[8];
	int pipes[2];
	struct waiting_call call = { .number = SYS_read };

	REQUIRE_OK(pipe(pipes));
	call.arguments[0] = pipes[0];
	call.arguments[1] = (long)text;
	call.arguments[2] = 8;
	call_start(&call);
	/* The waiting call keeps the file, so its number may be given away and the data still arrives. */
	CHECK_OK(close(pipes[0]));
	CHECK_EQ(write(pipes[1], "xyz", 3), 3);
	CHECK_EQ(call_end(&call), 3);
	CHECK(memcmp(text, "xyz", 3) == 0);
}

static void exit_during_waits(void)
{
	struct waiting_call calls[4] = {
		{ .number = SYS_futex, .arguments = { (long)pages_new(1), FUTEX_WAIT, 0, 0 } },
		{ .number = SYS_poll, .arguments = { 0, 0, -1 } },
		{ .number = SYS_read, .arguments = { eventfd(0, 0), (long)pages_new(1), 8 } },
		{ .number = SYS_rt_sigsuspend, .arguments = { (long)pages_new(1), 8 } },
	};
	pid_t pid = fork();

	if (pid == 0) {
		for (size_t i = 0; i < COUNT(calls); i++)
			call_start(&calls[i]);
		_exit(12);
	}
	CHECK_EXITED(child_wait(pid), 12);
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < COUNT(calls); i++)
			call_start(&calls[i]);
		kill(getpid(), SIGKILL);
	}
	CHECK_KILLED(child_wait(pid), SIGKILL);
}

#define REMOVED_PAGES 16
static struct { char *map; volatile bool over; } removal;

static void *thread_remove(void *argument)
{
	while (!removal.over)
		REQUIRE_OK(madvise(removal.map, REMOVED_PAGES * PAGE, MADV_REMOVE));
	return argument;
}

/* New memory is zero, whatever it was before. */
static void *thread_take_memory(void *argument)
{
	while (!removal.over) {
		char *pages = pages_new(REMOVED_PAGES);

		for (int i = 0; i < REMOVED_PAGES; i++)
			pages[i * PAGE] = 1;
		for (size_t i = 1; i < REMOVED_PAGES * PAGE; i++)
			REQUIRE(pages[i] == 0 || i % PAGE == 0);
		REQUIRE_OK(munmap(pages, REMOVED_PAGES * PAGE));
	}
	return argument;
}

static void pages_removed_while_they_are_written(void)
{
	static char text[REMOVED_PAGES * PAGE];
	int file = memfd_create("file", 0), source = memfd_create("source", 0);
	pthread_t threads[2];

	memset(text, 'x', sizeof(text));
	REQUIRE(pwrite(source, text, sizeof(text), 0) == sizeof(text));
	REQUIRE_OK(ftruncate(file, sizeof(text)));
	removal.map = mmap(NULL, sizeof(text), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	REQUIRE(removal.map != MAP_FAILED);
	REQUIRE(pthread_create(&threads[0], NULL, thread_remove, NULL) == 0);
	REQUIRE(pthread_create(&threads[1], NULL, thread_take_memory, NULL) == 0);
	for (int i = 0; i < 500; i++) {
		/* Each page of the buffer comes in while it is copied. */
		char *buffer = mmap(NULL, sizeof(text), PROT_READ, MAP_PRIVATE, source, 0);

		REQUIRE(buffer != MAP_FAILED);
		CHECK_EQ(pwrite(file, buffer, sizeof(text), 0), sizeof(text));
		REQUIRE_OK(munmap(buffer, sizeof(text)));
	}
	removal.over = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	REQUIRE(pread(file, text, sizeof(text), 0) == sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++)
		REQUIRE(text[i] == 0 || text[i] == 'x');
}

TESTS(TEST(read_buffer_unmapped), TEST(write_buffer_unmapped), TEST(epoll_buffer_unmapped), TEST(poll_buffer_unmapped),
      TEST(sleep_remainder_unmapped), TEST(futex_word_unmapped), TEST(shared_futex_survives_one_mapping),
      TEST(fork_while_a_thread_waits), TEST(shared_wait_survives_a_copied_page), TEST(descriptor_closed_during_a_read),
      TEST(exit_during_waits), TEST(pages_removed_while_they_are_written))
