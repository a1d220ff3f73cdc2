/* Pipes and FIFOs. */
#include "fake.h"

#define READABLE 0x041u
#define WRITABLE 0x104u
#define ERROR 0x008u
#define HANGUP 0x010u

static u8 buffer[1 << 17];
static u32 seed = 5;

static u32 random_below(u32 limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

static u32 level(u64 word)
{
	return ((struct tk_pollword *)(uintptr_t)word)->level;
}

static void ends(void)
{
	struct fs_pipe pipe;

	CHECK_EQUAL(fs_op_pipe_create(&fake_rq, client, &pipe), 0);
	CHECK_EQUAL(level(pipe.read_word), 0);
	CHECK_EQUAL(level(pipe.write_word), WRITABLE);
	CHECK_EQUAL(file_read(pipe.read_file, buffer, 10, 0), -EAGAIN);
	CHECK_EQUAL(file_write(pipe.read_file, "x", 1, 0), -EBADF);
	CHECK_EQUAL(file_write(pipe.write_file, "hello", 5, 0), 5);
	CHECK_EQUAL(level(pipe.read_word), READABLE);
	CHECK_EQUAL(file_read(pipe.read_file, buffer, 3, 0), 3);
	CHECK_EQUAL(file_read(pipe.read_file, buffer, 100, 0), 2);
	CHECK_EQUAL(level(pipe.read_word), 0);
	CHECK_EQUAL(file_write(pipe.write_file, "rest", 4, 0), 4);
	file_close(pipe.write_file);
	CHECK_EQUAL(level(pipe.read_word), READABLE | HANGUP | FS_LEVEL_ENDED);
	CHECK_EQUAL(file_read(pipe.read_file, buffer, 100, 0), 4);
	CHECK_EQUAL(file_read(pipe.read_file, buffer, 100, 0), 0);
	file_close(pipe.read_file);
	CHECK_EQUAL(fs_op_pipe_create(&fake_rq, client, &pipe), 0);
	file_close(pipe.read_file);
	CHECK_EQUAL(level(pipe.write_word), WRITABLE | ERROR);
	CHECK_EQUAL(file_write(pipe.write_file, "x", 1, 0), -EPIPE);
	file_close(pipe.write_file);
}

static void capacity(void)
{
	struct fs_pipe pipe;
	u64 bytes;

	CHECK_EQUAL(fs_op_pipe_create(&fake_rq, client, &pipe), 0);
	CHECK_EQUAL(file_write(pipe.write_file, buffer, 100000, 0), 65536);
	CHECK_EQUAL(level(pipe.write_word), 0);
	CHECK_EQUAL(file_write(pipe.write_file, buffer, 1, 0), -EAGAIN);
	CHECK_EQUAL(fs_op_available(&fake_rq, pipe.read_file, 0, &bytes), 0);
	CHECK_EQUAL(bytes, 65536);
	CHECK_EQUAL(fs_op_pipe_size(&fake_rq, pipe.read_file, 4096), -EBUSY);
	CHECK_EQUAL(fs_op_pipe_size(&fake_rq, pipe.read_file, 100000), 131072);
	CHECK_EQUAL(file_write(pipe.write_file, buffer, 100000, 0), 65536);
	CHECK_EQUAL(file_read(pipe.read_file, buffer, sizeof(buffer), 0), 131072);
	CHECK_EQUAL(fs_op_pipe_size(&fake_rq, pipe.read_file, 4096), 4096);
	CHECK_EQUAL(file_write(pipe.write_file, buffer, 4000, 0), 4000);
	CHECK_EQUAL(file_write(pipe.write_file, buffer, 97, 0), -EAGAIN);
	CHECK_EQUAL(file_read(pipe.read_file, buffer, 1000, 0), 1000);
	CHECK_EQUAL(file_write(pipe.write_file, buffer, 97, 0), -EAGAIN);
	CHECK_EQUAL(file_read(pipe.read_file, buffer, 3000, 0), 3000);
	CHECK_EQUAL(level(pipe.write_word), WRITABLE);
	CHECK_EQUAL(file_write(pipe.write_file, buffer, 4096, 0), 4096);
	CHECK_EQUAL(fs_op_pipe_size(&fake_rq, pipe.read_file, 2 << 20), -EPERM);
	file_close(pipe.read_file);
	file_close(pipe.write_file);
}

/* What goes in comes out, in order; small writes whole or not at all. */
static void random_stream(void)
{
	struct fs_pipe pipe;
	u64 written = 0, seen = 0, end;
	u32 step, i;

	CHECK_EQUAL(fs_op_pipe_create(&fake_rq, client, &pipe), 0);
	for (step = 0; step < 20000; step++) {
		u32 size = random_below(random_below(3) ? 300 : 20000) + 1;
		long result;

		if (random_below(2)) {
			for (i = 0; i < size; i++)
				fake_user[i] = (u8)((written + i) * 7 >> 3);
			result = fs_op_write(&fake_rq, pipe.write_file, USER_BASE, size, 0, 0, &end);
			CHECK(result == -EAGAIN || result == (long)size || (size > 4096 && result > 0));
			if (result > 0)
				written += (u64)result;
		} else {
			result = fs_op_read(&fake_rq, pipe.read_file, USER_BASE, size, 0);
			CHECK(written == seen ? result == -EAGAIN : result > 0);
			for (i = 0; result > 0 && i < result; i++)
				if (fake_user[i] != (u8)((seen + i) * 7 >> 3))
					break;
			CHECK(result < 0 || i == result);
			if (result > 0)
				seen += (u64)result;
		}
		if (random_below(500) == 0)
			CHECK(fs_op_pipe_size(&fake_rq, pipe.read_file, 4096u << random_below(6)) != 0);
		CHECK_EQUAL(level(pipe.read_word), written != seen ? READABLE : 0);
	}
	file_close(pipe.read_file);
	file_close(pipe.write_file);
}

static void faults(void)
{
	struct fs_pipe pipe;
	u64 end;

	CHECK_EQUAL(fs_op_pipe_create(&fake_rq, client, &pipe), 0);
	CHECK_EQUAL(fs_op_write(&fake_rq, pipe.write_file, 5, 100, 0, 0, &end), -EFAULT);
	CHECK_EQUAL(fs_op_write(&fake_rq, pipe.write_file, USER_BASE + USER_SIZE - 50, 100, 0, 0, &end), -EFAULT);
	CHECK_EQUAL(level(pipe.read_word), 0);
	CHECK_EQUAL(file_write(pipe.write_file, "abc", 3, 0), 3);
	CHECK_EQUAL(fs_op_read(&fake_rq, pipe.read_file, 5, 3, 0), -EFAULT);
	CHECK_EQUAL(file_read(pipe.read_file, buffer, 10, 0), 3);
	CHECK(memcmp(buffer, "abc", 3) == 0);
	/* A large write or read ends where the memory does, by whole pages of it. */
	CHECK_EQUAL(fs_op_write(&fake_rq, pipe.write_file, USER_BASE + USER_SIZE - 9000, 20000, 0, 0, &end), 9000);
	CHECK_EQUAL(level(pipe.read_word), READABLE);
	CHECK_EQUAL(fs_op_read(&fake_rq, pipe.read_file, USER_BASE + USER_SIZE - 5000, 20000, 0), 5000);
	CHECK_EQUAL(fs_op_read(&fake_rq, pipe.read_file, 5, 3, 0), -EFAULT);
	CHECK_EQUAL(file_read(pipe.read_file, buffer, 10000, 0), 4000);
	CHECK_EQUAL(level(pipe.read_word), 0);
	file_close(pipe.read_file);
	file_close(pipe.write_file);
}

/* A pipe holds what it had while its ring grows and shrinks around it, also where the ring has come round. */
static void ring_moves(void)
{
	struct fs_pipe pipe;
	u32 i;

	for (i = 0; i < sizeof(buffer); i++)
		buffer[i] = (u8)(i * 7 >> 2);
	CHECK_EQUAL(fs_op_pipe_create(&fake_rq, client, &pipe), 0);
	CHECK_EQUAL(file_write(pipe.write_file, buffer, 4096, 0), 4096);
	CHECK_EQUAL(file_write(pipe.write_file, buffer + 4096, 12288, 0), 12288);
	CHECK_EQUAL(file_read(pipe.read_file, fake_user, 9000, 0), 9000);
	CHECK_EQUAL(file_write(pipe.write_file, buffer + 16384, 7000, 0), 7000);   /* round the end of 16 KiB */
	CHECK_EQUAL(file_write(pipe.write_file, buffer + 23384, 30000, 0), 30000); /* and into a larger ring */
	CHECK_EQUAL(file_read(pipe.read_file, fake_user + 9000, 40000, 0), 40000);
	CHECK_EQUAL(fs_op_pipe_size(&fake_rq, pipe.read_file, 16384), 16384);      /* 4,384 bytes move to a smaller one */
	CHECK_EQUAL(file_read(pipe.read_file, fake_user + 49000, 40000, 0), 4384);
	CHECK(memcmp(fake_user, buffer, 53384) == 0);
	file_close(pipe.read_file);
	file_close(pipe.write_file);
}

static void fifos(void)
{
	struct fs_at at = { .client = client, .mode = FS_IFIFO | 0600 };
	u64 reader, writer;

	CHECK_EQUAL(fs_op_mknod(&fake_rq, &at, "/fifo", 6), 0);
	CHECK_EQUAL(try_open("/fifo", FS_O_WRONLY | FS_O_NONBLOCK, 0), -ENXIO);
	reader = file_open("/fifo", FS_O_RDONLY, 0);
	CHECK_EQUAL(fs_op_open_ready(&fake_rq, reader), -EAGAIN);
	CHECK_EQUAL(file_read(reader, buffer, 10, 0), 0);
	writer = file_open("/fifo", FS_O_WRONLY, 0);
	CHECK_EQUAL(fs_op_open_ready(&fake_rq, reader), 0);
	CHECK_EQUAL(fs_op_open_ready(&fake_rq, writer), 0);
	CHECK_EQUAL(file_write(writer, "lost", 4, 0), 4);
	file_close(writer);
	/* The writer came and went: the reader's open is done. */
	CHECK_EQUAL(fs_op_open_ready(&fake_rq, reader), 0);
	file_close(reader);
	/* A writer that was there at a reader's opening has let it through, though it is gone when the reader asks. */
	writer = file_open("/fifo", FS_O_WRONLY, 0);
	CHECK_EQUAL(fs_op_open_ready(&fake_rq, writer), -EAGAIN);
	reader = file_open("/fifo", FS_O_RDONLY, 0);
	CHECK_EQUAL(fs_op_open_ready(&fake_rq, writer), 0);
	file_close(writer);
	CHECK_EQUAL(fs_op_open_ready(&fake_rq, reader), 0);
	file_close(reader);
	reader = file_open("/fifo", FS_O_RDWR, 0);
	CHECK_EQUAL(file_read(reader, buffer, 10, 0), -EAGAIN);
	CHECK_EQUAL(file_write(reader, "new", 3, 0), 3);
	CHECK_EQUAL(file_read(reader, buffer, 10, 0), 3);
	CHECK_EQUAL(remove_name("/fifo"), 0);
	file_close(reader);
}

void test_pipes(void)
{
	test_run("ends of a pipe", ends);
	test_run("capacity of a pipe", capacity);
	test_run("random pieces through a pipe", random_stream);
	test_run("bad memory at a pipe", faults);
	test_run("the ring of a pipe moves", ring_moves);
	test_run("FIFOs", fifos);
}
