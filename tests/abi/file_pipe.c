/* Pipes and FIFOs: blocking, capacity, atomic writes, ends of file and readiness. */
#include "check.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define ATOMIC 4096

static void bytes_and_ends(void)
{
	char text[16] = { 0 };
	int pipes[2], count;

	CHECK_OK(pipe(pipes));
	CHECK_EQ(pipes[1], pipes[0] + 1);
	CHECK_EQ(write(pipes[1], "abc", 3), 3);
	CHECK_EQ(write(pipes[1], "def", 3), 3);
	CHECK_OK(ioctl(pipes[0], FIONREAD, &count));
	CHECK_EQ(count, 6);
	CHECK_EQ(read(pipes[0], text, 4), 4);
	CHECK_EQ(read(pipes[0], text + 4, 12), 2);
	CHECK(strcmp(text, "abcdef") == 0);
	CHECK_EQ(read(pipes[0], text, 0), 0);
	close(pipes[1]);
	CHECK_EQ(read(pipes[0], text, 4), 0);
	CHECK_ERR(write(pipes[0], "x", 1), EBADF);
}

static void errors(void)
{
	int pipes[2] = { -7, -7 };

	CHECK_ERR(pipe2(pipes, O_APPEND), EINVAL);
	CHECK_ERR(syscall(SYS_pipe2, bad_pointers[0], 0), EFAULT);
	CHECK_ERR(syscall(SYS_pipe2, page_readonly(), 0), EFAULT);
	/* A failed call leaves no descriptors behind. */
	CHECK_OK(pipe(pipes));
	CHECK_ERR(read(pipes[1], pipes, 1), EBADF);
}

static void nonblocking(void)
{
	static char block[1 << 17];
	char byte;
	int pipes[2];

	REQUIRE_OK(pipe2(pipes, O_NONBLOCK));
	CHECK_ERR(read(pipes[0], &byte, 1), EAGAIN);
	CHECK_EQ(write(pipes[1], block, sizeof(block)), 65536);
	CHECK_ERR(write(pipes[1], block, 1), EAGAIN);
	CHECK_EQ(read(pipes[0], block, 100), 100);
	/* Space comes back page by page, and a write of up to a page is all or nothing. */
	CHECK_ERR(write(pipes[1], block, ATOMIC), EAGAIN);
	CHECK_EQ(read(pipes[0], block, ATOMIC - 100), ATOMIC - 100);
	CHECK_EQ(write(pipes[1], block, ATOMIC + 1), ATOMIC);
	CHECK_ERR(write(pipes[1], block, ATOMIC), EAGAIN);
}

static void capacity(void)
{
	int pipes[2];
	static char block[PAGE];

	REQUIRE_OK(pipe2(pipes, O_NONBLOCK));
	CHECK_EQ(fcntl(pipes[0], F_GETPIPE_SZ), 65536);
	CHECK_EQ(fcntl(pipes[1], F_SETPIPE_SZ, 5000), 8192);
	CHECK_EQ(fcntl(pipes[1], F_SETPIPE_SZ, 1), 4096);
	CHECK_EQ(write(pipes[1], block, PAGE), PAGE);
	CHECK_ERR(write(pipes[1], block, 1), EAGAIN);
	CHECK_EQ(fcntl(pipes[1], F_SETPIPE_SZ, 8192), 8192);
	CHECK_EQ(write(pipes[1], block, PAGE), PAGE);
	CHECK_ERR(fcntl(pipes[1], F_SETPIPE_SZ, 4096), EBUSY);
	CHECK_ERR(fcntl(open("/", O_RDONLY), F_GETPIPE_SZ), EBADF);
}

static void no_readers(void)
{
	int pipes[2];

	REQUIRE_OK(pipe(pipes));
	close(pipes[0]);
	signal_set(SIGPIPE, SIG_IGN, 0);
	CHECK_ERR(write(pipes[1], "x", 1), EPIPE);
	CHECK_EQ(write(pipes[1], "x", 0), 0);
	signal_set(SIGPIPE, signal_count, 0);
	CHECK_ERR(write(pipes[1], "x", 1), EPIPE);
	CHECK_EQ(signals_counted, 1);
}

static void write_much(void *argument)
{
	static char block[200000];
	int *pipes = argument;

	close(pipes[0]);
	memset(block, 'w', sizeof(block));
	CHECK_EQ(write(pipes[1], block, sizeof(block)), sizeof(block));
}

static void large_write_waits_for_the_reader(void)
{
	char block[1000];
	int pipes[2];
	ssize_t got, all = 0;
	pid_t pid;

	REQUIRE_OK(pipe(pipes));
	pid = child_start(write_much, pipes);
	close(pipes[1]);
	task_wait_asleep(pid);
	while ((got = read(pipes[0], block, sizeof(block))) > 0)
		all += got;
	CHECK_EQ(all, 200000);
	CHECK_EXITED(child_wait(pid), 0);
}

static void write_until_broken(void *argument)
{
	static char block[200000];
	int *pipes = argument;

	close(pipes[0]);
	signal_set(SIGPIPE, SIG_IGN, 0);
	/* What was taken before the reader went away counts. */
	CHECK_EQ(write(pipes[1], block, sizeof(block)), 65536);
	CHECK_ERR(write(pipes[1], block, 1), EPIPE);
}

static void reader_goes_away_during_a_write(void)
{
	int pipes[2];
	pid_t pid;

	REQUIRE_OK(pipe(pipes));
	pid = child_start(write_until_broken, pipes);
	close(pipes[1]);
	task_wait_asleep(pid);
	close(pipes[0]);
	CHECK_EXITED(child_wait(pid), 0);
}

static void read_until_end(void *argument)
{
	int *pipes = argument;
	char byte;

	close(pipes[1]);
	CHECK_EQ(read(pipes[0], &byte, 1), 0);
}

static void writer_goes_away_during_a_read(void)
{
	int pipes[2];
	pid_t pid;

	REQUIRE_OK(pipe(pipes));
	pid = child_start(read_until_end, pipes);
	close(pipes[0]);
	task_wait_asleep(pid);
	close(pipes[1]);
	CHECK_EXITED(child_wait(pid), 0);
}

#define WRITERS 4
#define RECORDS 100
#define RECORD 1000

static void write_records(void *argument)
{
	int *pipes = argument;
	char record[RECORD];

	memset(record, 'a' + pipes[2], RECORD);
	for (int i = 0; i < RECORDS; i++)
		REQUIRE(write(pipes[1], record, RECORD) == RECORD);
}

static bool read_record(int pipe, int counts[WRITERS])
{
	char record[RECORD];
	ssize_t have = 0, got;

	while (have < RECORD && (got = read(pipe, record + have, RECORD - have)) > 0)
		have += got;
	if (have == 0)
		return false;
	REQUIRE(have == RECORD);
	for (int i = 1; i < RECORD; i++)
		REQUIRE(record[i] == record[0]);
	counts[record[0] - 'a']++;
	return true;
}

static void writes_up_to_a_page_are_atomic(void)
{
	int pipes[3], counts[WRITERS] = { 0 };
	pid_t pids[WRITERS];

	REQUIRE_OK(pipe(pipes));
	for (pipes[2] = 0; pipes[2] < WRITERS; pipes[2]++)
		pids[pipes[2]] = child_start(write_records, pipes);
	close(pipes[1]);
	while (read_record(pipes[0], counts))
		;
	for (int i = 0; i < WRITERS; i++) {
		CHECK_EXITED(child_wait(pids[i]), 0);
		CHECK_EQ(counts[i], RECORDS);
	}
}

static void check_poll(int file, short expected)
{
	struct pollfd poll_entry = { .fd = file, .events = POLLIN | POLLOUT };

	CHECK_OK(poll(&poll_entry, 1, 0));
	CHECK_EQ(poll_entry.revents, expected);
}

static void readiness(void)
{
	static char block[65536];
	int pipes[2];

	REQUIRE_OK(pipe2(pipes, O_NONBLOCK));
	check_poll(pipes[0], 0);
	check_poll(pipes[1], POLLOUT);
	REQUIRE(write(pipes[1], block, 65536) == 65536);
	check_poll(pipes[0], POLLIN);
	check_poll(pipes[1], 0);
	REQUIRE(read(pipes[0], block, 65536) == 65536);
	check_poll(pipes[1], POLLOUT);
	REQUIRE(write(pipes[1], "x", 1) == 1);
	int copy = dup(pipes[0]);

	close(pipes[0]);
	check_poll(pipes[1], POLLOUT);
	close(pipes[1]);
	check_poll(copy, POLLIN | POLLHUP);
	REQUIRE(read(copy, block, 2) == 1);
	check_poll(copy, POLLHUP);
	REQUIRE_OK(pipe(pipes));
	close(pipes[0]);
	check_poll(pipes[1], POLLOUT | POLLERR);
}

static void open_fifo_reader(void *argument)
{
	char text[8] = { 0 };
	int file = open(argument, O_RDONLY);

	CHECK_EQ(read(file, text, 8), 5);
	CHECK(strcmp(text, "hello") == 0);
	CHECK_EQ(read(file, text, 8), 0);
}

static void fifos(void)
{
	int file;
	pid_t pid;

	scratch_enter();
	CHECK_OK(mkfifo("fifo", 0600));
	CHECK_ERR(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	CHECK_OK(file = open("fifo", O_RDONLY | O_NONBLOCK));
	CHECK_EQ(read(file, &pid, 1), 0);
	close(file);
	pid = child_start(open_fifo_reader, "fifo");
	CHECK_OK(file = open("fifo", O_WRONLY));
	CHECK_EQ(write(file, "hello", 5), 5);
	close(file);
	CHECK_EXITED(child_wait(pid), 0);
	CHECK_OK(file = open("fifo", O_RDWR));
	CHECK_EQ(write(file, "x", 1), 1);
	CHECK_EQ(read(file, &pid, 1), 1);
}

static void splice_and_tee(void)
{
	char text[16] = { 0 };
	int one[2], two[2], file;

	scratch_enter();
	file = file_make("file", "abcdef", 0);
	lseek(file, 0, SEEK_SET);
	REQUIRE(pipe(one) == 0 && pipe(two) == 0);
	CHECK_EQ(splice(file, NULL, one[1], NULL, 4, 0), 4);
	CHECK_EQ(tee(one[0], two[1], 16, 0), 4);
	CHECK_EQ(read(two[0], text, 16), 4);
	CHECK_EQ(read(one[0], text + 4, 12), 4);
	CHECK(strcmp(text, "abcdabcd") == 0);
	CHECK_ERR(splice(file, NULL, file, NULL, 4, 0), EINVAL);
	CHECK_ERR(tee(one[0], one[1], 4, 0), EINVAL);
	CHECK_ERR(tee(one[0], two[1], 4, SPLICE_F_NONBLOCK), EAGAIN);
}

TESTS(TEST(bytes_and_ends), TEST(errors), TEST(nonblocking), TEST(capacity), TEST(no_readers),
      TEST(large_write_waits_for_the_reader), TEST(reader_goes_away_during_a_write),
      TEST(writer_goes_away_during_a_read), TEST(writes_up_to_a_page_are_atomic), TEST(readiness), TEST(fifos),
      TEST(splice_and_tee))
