/*
 * Pipes, files and events under load: rings of processes, many writers, epoll across threads.
 * Argument: rounds (default 20).
 */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define RING 6
#define THREADS 4

static unsigned rounds = 20;

static void ring_member(void *argument)
{
	int *ends = argument;
	unsigned token;

	while (read(ends[0], &token, sizeof(token)) == sizeof(token)) {
		token++;
		REQUIRE(write(ends[1], &token, sizeof(token)) == sizeof(token));
		if (token == UINT32_MAX)
			break;
	}
}

static void ring_of_processes(void)
{
	int pipes[RING + 1][2];
	pid_t pids[RING];
	unsigned token = 0;

	for (int i = 0; i <= RING; i++)
		REQUIRE_OK(pipe2(pipes[i], O_CLOEXEC));
	for (int i = 0; i < RING; i++)
		pids[i] = child_start(ring_member, (int[2]){ pipes[i][0], pipes[i + 1][1] });
	for (unsigned i = 0; i < rounds * 10; i++) {
		REQUIRE(write(pipes[0][1], &token, sizeof(token)) == sizeof(token));
		REQUIRE(read(pipes[RING][0], &token, sizeof(token)) == sizeof(token));
		REQUIRE(token == (i + 1) * RING);
	}
	for (int i = 0; i < RING; i++) {
		kill(pids[i], SIGTERM);
		CHECK_KILLED(child_wait(pids[i]), SIGTERM);
	}
}

static unsigned char pattern(size_t at)
{
	return at * 31 + (at >> 8);
}

static void write_pattern(void *argument)
{
	int *pipes = argument;
	static unsigned char block[5000];
	size_t at = 0, all = rounds * 50000ul;
	unsigned seed = 5;

	close(pipes[0]);
	while (at < all) {
		size_t size = 1 + rand_r(&seed) % sizeof(block);
		ssize_t wrote;

		size = size < all - at ? size : all - at;
		for (size_t i = 0; i < size; i++)
			block[i] = pattern(at + i);
		wrote = write(pipes[1], block, size);
		REQUIRE(wrote > 0);
		at += wrote;
	}
}

static void stream_keeps_every_byte(void)
{
	static unsigned char block[7000];
	int pipes[2];
	size_t at = 0;
	unsigned seed = 9;
	ssize_t got;
	pid_t pid;

	REQUIRE_OK(pipe(pipes));
	pid = child_start(write_pattern, pipes);
	close(pipes[1]);
	while ((got = read(pipes[0], block, 1 + rand_r(&seed) % sizeof(block))) > 0)
		for (ssize_t i = 0; i < got; i++, at++)
			REQUIRE(block[i] == pattern(at));
	CHECK_EQ(at, rounds * 50000ul);
	CHECK_EXITED(child_wait(pid), 0);
}

static int shared_pipe[2];
static volatile unsigned long read_sum;

static void *thread_reader(void *argument)
{
	unsigned value;

	while (read(shared_pipe[0], &value, sizeof(value)) == sizeof(value))
		__atomic_add_fetch(&read_sum, value, __ATOMIC_RELAXED);
	return argument;
}

static void *thread_writer(void *argument)
{
	for (unsigned i = 1; i <= rounds * 20; i++)
		REQUIRE(write(shared_pipe[1], &i, sizeof(i)) == sizeof(i));
	return argument;
}

static void many_writers_and_readers(void)
{
	pthread_t readers[THREADS], writers[THREADS];
	unsigned long count = rounds * 20;

	REQUIRE_OK(pipe(shared_pipe));
	REQUIRE_OK(fcntl(shared_pipe[0], F_SETPIPE_SZ, 4096));
	for (int i = 0; i < THREADS; i++) {
		REQUIRE(pthread_create(&readers[i], NULL, thread_reader, NULL) == 0);
		REQUIRE(pthread_create(&writers[i], NULL, thread_writer, NULL) == 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(writers[i], NULL);
	close(shared_pipe[1]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(readers[i], NULL);
	CHECK_EQ(read_sum, THREADS * count * (count + 1) / 2);
}

static int events[THREADS], epoll_file;
static volatile unsigned long taken;
static volatile bool stop;

static void *thread_epoll(void *argument)
{
	struct epoll_event event;
	eventfd_t value;

	while (!stop) {
		if (epoll_wait(epoll_file, &event, 1, 20) != 1)
			continue;
		if (eventfd_read(event.data.fd, &value) == 0)
			__atomic_add_fetch(&taken, value, __ATOMIC_SEQ_CST);
		event.events = EPOLLIN | EPOLLONESHOT;
		REQUIRE_OK(epoll_ctl(epoll_file, EPOLL_CTL_MOD, event.data.fd, &event));
	}
	return argument;
}

static void *thread_adder(void *argument)
{
	for (unsigned i = 0; i < rounds * 20; i++)
		REQUIRE_OK(eventfd_write(*(int *)argument, 1));
	return NULL;
}

static void one_shot_events_over_threads(void)
{
	pthread_t takers[THREADS], adders[THREADS];
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };

	epoll_file = epoll_create1(0);
	for (int i = 0; i < THREADS; i++) {
		event.data.fd = events[i] = eventfd(0, EFD_NONBLOCK);
		REQUIRE_OK(epoll_ctl(epoll_file, EPOLL_CTL_ADD, events[i], &event));
		REQUIRE(pthread_create(&takers[i], NULL, thread_epoll, NULL) == 0);
		REQUIRE(pthread_create(&adders[i], NULL, thread_adder, &events[i]) == 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(adders[i], NULL);
	CHECK(WAIT_UNTIL(taken == THREADS * rounds * 20ul));
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(takers[i], NULL);
}

static void *thread_descriptors(void *argument)
{
	for (unsigned i = 0; i < rounds * 20; i++) {
		int pipes[2], copy;

		REQUIRE_OK(pipe2(pipes, O_CLOEXEC));
		REQUIRE_OK(copy = dup(pipes[1]));
		REQUIRE(write(copy, &i, sizeof(i)) == sizeof(i));
		close(copy);
		close(pipes[1]);
		REQUIRE(read(pipes[0], &copy, sizeof(copy)) == sizeof(copy) && (unsigned)copy == i);
		close(pipes[0]);
	}
	return argument;
}

static void descriptors_in_parallel(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, thread_descriptors, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void file_worker(void *argument)
{
	char name[16], other[16];

	snprintf(name, sizeof(name), "w%ld", (long)argument);
	snprintf(other, sizeof(other), "w%ld", ((long)argument + 1) % THREADS);
	for (unsigned i = 0; i < rounds * 5; i++) {
		int file = open(name, O_CREAT | O_RDWR, 0600);

		REQUIRE_OK(file);
		write(file, name, 2);
		close(file);
		/* These race with the neighbours on purpose: only their outcomes are limited. */
		REQUIRE(rename(name, other) == 0 || errno == ENOENT);
		REQUIRE(unlink(other) == 0 || errno == ENOENT);
		REQUIRE(mkdir("dir", 0700) == 0 || errno == EEXIST);
		REQUIRE(rmdir("dir") == 0 || errno == ENOENT || errno == ENOTEMPTY);
	}
}

static void names_in_parallel(void)
{
	pid_t pids[THREADS];

	scratch_enter();
	for (long i = 0; i < THREADS; i++)
		pids[i] = child_start(file_worker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		CHECK_EXITED(child_wait(pids[i]), 0);
}

static const struct test tests[] = {
	TEST(ring_of_processes), TEST(stream_keeps_every_byte), TEST(many_writers_and_readers),
	TEST(one_shot_events_over_threads), TEST(descriptors_in_parallel), TEST(names_in_parallel),
};

int main(int argc, char **argv)
{
	rounds = rounds_take(&argc, &argv, rounds);
	return tests_run(argc, argv, tests, COUNT(tests));
}
