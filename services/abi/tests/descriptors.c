/* Descriptor tables against a model, and system calls on descriptors. */
#include <string.h>
#include "fake.h"
#include "tests.h"
#include "../include/abi_fcntl.h"

static u32 closed;

static void count_close(struct shim_file *file)
{
	(void)file;
	closed++;
}
static const struct shim_file_ops plain_ops = { .name = "plain", .close = count_close };

static long open_plain(u32 flags)
{
	return fd_install(fake_thread, file_create(&plain_ops, O_RDWR, 0), flags, 0);
}

static long call(long (*handler)(struct shim_thread *, const u64 *), u64 a, u64 b, u64 c)
{
	return handler(fake_thread, (u64[6]){ a, b, c });
}

void descriptors_lowest_first(void)
{
	fake_start();
	CHECK(open_plain(0) == 0 && open_plain(0) == 1 && open_plain(0) == 2);
	CHECK(call(sys_close, 1, 0, 0) == 0);
	CHECK(call(sys_close, 1, 0, 0) == -EBADF);
	CHECK(open_plain(0) == 1);
	CHECK(call(sys_dup2, 0, 100, 0) == 100);
	CHECK(call(sys_dup2, 0, 0, 0) == 0);
	CHECK(call(sys_dup2, 50, 50, 0) == -EBADF);
	CHECK(call(sys_dup3, 0, 0, 0) == -EINVAL);
	CHECK(call(sys_dup2, 0, 1024, 0) == -EBADF);
	CHECK(fd_duplicate(fake_thread, 0, 101, true) == 101);
	CHECK(fd_duplicate(fake_thread, 0, 1024, true) == -EINVAL);
	CHECK(fd_flags_get(fake_thread, 101) == FD_CLOEXEC && fd_flags_get(fake_thread, 100) == 0);
	closed = 0;
	fd_table_close_on_exec(fake_thread);
	CHECK(closed == 0 && fd_flags_get(fake_thread, 101) == -EBADF);
	CHECK(call(sys_close_range, 3, ~0u, 0) == 0 && fd_next(fake_thread->process->files, 3) == -1);
	CHECK(closed == 0);
	fake_end();
	CHECK(closed == 3);
}

void descriptors_have_a_limit(void)
{
	fake_start();
	for (i32 i = 0; i < 1024; i++)
		CHECK(open_plain(0) == i);
	CHECK(open_plain(0) == -EMFILE);
	CHECK(call(sys_close, 700, 0, 0) == 0 && open_plain(0) == 700);
	fake_thread->process->files_limit = 2000;
	CHECK(open_plain(0) == 1024);
	fake_end();
}

void descriptors_random_against_a_model(void)
{
	enum { RANGE = 300 };
	bool open[RANGE + 1] = { false }, on_exec[RANGE + 1] = { false };
	struct shim_fd_table *copy;

	fake_start();
	fake_thread->process->files_limit = RANGE;
	for (u32 step = 0; step < 20000; step++) {
		i32 a = (i32)(unit_random() % RANGE), lowest = 0;
		bool exec = unit_random() % 2;
		long result;

		while (open[lowest])
			lowest++;
		switch (unit_random() % 4) {
		case 0:
			result = open_plain(exec ? O_CLOEXEC : 0);
			CHECK(result == (lowest < RANGE ? lowest : -EMFILE));
			if (result >= 0)
				open[result] = true, on_exec[result] = exec;
			break;
		case 1:
			CHECK(call(sys_close, (u64)a, 0, 0) == (open[a] ? 0 : -EBADF));
			open[a] = false;
			break;
		case 2: {
			i32 to = (i32)(unit_random() % RANGE);

			result = call(sys_dup3, (u64)a, (u64)to, exec ? O_CLOEXEC : 0);
			CHECK(result == (a == to ? -EINVAL : open[a] ? to : -EBADF));
			if (result >= 0)
				open[to] = true, on_exec[to] = exec;
			break;
		}
		default:
			CHECK(fd_flags_get(fake_thread, a) == (open[a] ? on_exec[a] : -EBADF));
			break;
		}
		if (step % 1000)
			continue;
		copy = fd_table_copy(fake_thread->process->files);
		for (i32 i = 0, next = fd_next(copy, 0); i < RANGE; i++) {
			CHECK((next == i) == open[i]);
			next = next == i ? fd_next(copy, i + 1) : next;
		}
		fd_table_put(copy);
	}
	fake_end();
}
