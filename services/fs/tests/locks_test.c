/* Record locks against a model byte by byte, flock, deadlocks. */
#include "fake.h"

#define BYTES 40
#define OWNERS 4

static u32 seed = 77;
static u8 model[OWNERS][BYTES];   /* 0 none, 1 read, 2 write */

static u32 random_below(u32 limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

static long lock(u64 file, u64 owner, u32 command, u32 type, u64 start, u64 end)
{
	struct fs_lock request = { .kind = FS_LOCK_POSIX, .command = command, .type = type, .pid = (i32)owner, .owner = owner, .start = start, .end = end };
	struct fs_lock result;
	long error = file_lock(file, &request, &result);

	return command == FS_LOCK_TEST && !error ? (long)result.type : error;
}

static long lock_cancel(u64 file, u64 owner, u32 type, u64 start, u64 end)
{
	struct fs_lock request = { .kind = FS_LOCK_POSIX, .command = FS_LOCK_SET_WAIT, .type = type, .owner = owner, .start = start, .end = end };

	return file_lock_cancel(file, &request);
}

static bool model_conflict(u32 owner, u32 type, u32 start, u32 end)
{
	for (u32 other = 0; other < OWNERS; other++)
		for (u32 i = start; other != owner && i <= end; i++)
			if (model[other][i] == 2 || (model[other][i] == 1 && type == FS_LOCK_WRITE))
				return true;
	return false;
}

static void random_locks(void)
{
	u64 file = file_open("/locked", FS_O_RDWR | FS_O_CREAT, 0600);

	for (u32 step = 0; step < 20000; step++) {
		u32 owner = random_below(OWNERS), type = random_below(3), start = random_below(BYTES), end = start + random_below(BYTES - start);
		bool conflict = type != FS_LOCK_NONE && model_conflict(owner, type, start, end);

		if (random_below(100) == 0) {
			CHECK_EQUAL(fs_op_lock_drop(&fake_rq, file, owner + 1), 0);
			memset(model[owner], 0, BYTES);
			continue;
		}
		if (type != FS_LOCK_NONE)
			CHECK_EQUAL(lock(file, owner + 1, FS_LOCK_TEST, type, start, end) != FS_LOCK_NONE, conflict);
		CHECK_EQUAL(lock(file, owner + 1, FS_LOCK_SET, type, start, end), conflict ? -EAGAIN : 0);
		if (!conflict)
			memset(&model[owner][start], type == FS_LOCK_NONE ? 0 : (int)type + 1, end - start + 1);
	}
	for (u32 owner = 1; owner <= OWNERS; owner++)
		CHECK_EQUAL(fs_op_lock_drop(&fake_rq, file, owner), 0);
	CHECK_EQUAL(lock(file, 9, FS_LOCK_TEST, FS_LOCK_WRITE, 0, FS_OFFSET_MAX), FS_LOCK_NONE);
	CHECK_EQUAL(lock(file, 9, FS_LOCK_SET, FS_LOCK_WRITE, 5, FS_OFFSET_MAX), 0);
	CHECK_EQUAL(lock(file, 9, FS_LOCK_SET, FS_LOCK_NONE, 7, 7), 0);
	CHECK_EQUAL(lock(file, 8, FS_LOCK_SET, FS_LOCK_WRITE, 7, 7), 0);
	CHECK_EQUAL(lock(file, 8, FS_LOCK_SET, FS_LOCK_WRITE, 7, 8), -EAGAIN);
	CHECK_EQUAL(lock(file, 8, FS_LOCK_SET, 3, 7, 8), -EINVAL);
	CHECK_EQUAL(lock(file, 8, FS_LOCK_SET, FS_LOCK_READ, 8, 7), -EINVAL);
	file_close(file);
	CHECK_EQUAL(remove_name("/locked"), 0);
}

static void deadlocks(void)
{
	u64 file = file_open("/locked", FS_O_RDWR | FS_O_CREAT, 0600);

	CHECK_EQUAL(lock(file, 1, FS_LOCK_SET, FS_LOCK_WRITE, 1, 1), 0);
	CHECK_EQUAL(lock(file, 2, FS_LOCK_SET, FS_LOCK_WRITE, 2, 2), 0);
	CHECK_EQUAL(lock(file, 3, FS_LOCK_SET, FS_LOCK_WRITE, 3, 3), 0);
	CHECK_EQUAL(lock(file, 1, FS_LOCK_SET_WAIT, FS_LOCK_WRITE, 2, 2), FS_LOCK_WAITS);
	CHECK_EQUAL(lock(file, 2, FS_LOCK_SET_WAIT, FS_LOCK_WRITE, 3, 3), FS_LOCK_WAITS);
	CHECK_EQUAL(lock(file, 3, FS_LOCK_SET_WAIT, FS_LOCK_WRITE, 1, 1), -EDEADLK);
	CHECK_EQUAL(lock_cancel(file, 2, FS_LOCK_WRITE, 3, 3), 0);
	CHECK_EQUAL(lock(file, 3, FS_LOCK_SET_WAIT, FS_LOCK_WRITE, 1, 1), FS_LOCK_WAITS);
	CHECK_EQUAL(lock(file, 2, FS_LOCK_SET, FS_LOCK_NONE, 2, 2), 0);
	CHECK_EQUAL(lock(file, 1, FS_LOCK_SET_WAIT, FS_LOCK_WRITE, 2, 2), 0);
	file_close(file);
	CHECK_EQUAL(remove_name("/locked"), 0);
}

/* A waiter waits for whoever has the lock now, not for who had it when it began to wait, and each of an owner's requests waits by itself. */
static void waiters_follow_locks(void)
{
	u64 file = file_open("/locked", FS_O_RDWR | FS_O_CREAT, 0600);

	CHECK_EQUAL(lock(file, 1, FS_LOCK_SET, FS_LOCK_WRITE, 0, 0), 0);
	CHECK_EQUAL(lock(file, 2, FS_LOCK_SET, FS_LOCK_WRITE, 1, 1), 0);
	CHECK_EQUAL(lock(file, 1, FS_LOCK_SET_WAIT, FS_LOCK_WRITE, 1, 1), FS_LOCK_WAITS);
	/* 2 lets go, and 1 has not run again: 2 may wait for 1. */
	CHECK_EQUAL(lock(file, 2, FS_LOCK_SET, FS_LOCK_NONE, 1, 1), 0);
	CHECK_EQUAL(lock(file, 2, FS_LOCK_SET_WAIT, FS_LOCK_WRITE, 0, 0), FS_LOCK_WAITS);
	/* 3 takes what 2 left: now 1 waits for 3, so 3 may not wait for 1, nor for 2, who waits for 1. */
	CHECK_EQUAL(lock(file, 3, FS_LOCK_SET, FS_LOCK_WRITE, 1, 1), 0);
	CHECK_EQUAL(lock(file, 2, FS_LOCK_SET, FS_LOCK_WRITE, 2, 2), 0);
	CHECK_EQUAL(lock(file, 3, FS_LOCK_SET_WAIT, FS_LOCK_READ, 0, 0), -EDEADLK);
	CHECK_EQUAL(lock(file, 3, FS_LOCK_SET_WAIT, FS_LOCK_READ, 2, 2), -EDEADLK);
	/* A weaker lock lets readers in: 1 waits for a write lock still. */
	CHECK_EQUAL(lock(file, 3, FS_LOCK_SET, FS_LOCK_READ, 1, 1), 0);
	CHECK_EQUAL(lock(file, 3, FS_LOCK_SET_WAIT, FS_LOCK_READ, 0, 0), -EDEADLK);
	/* Another thread of 1 asks for another range: the first one waits on. */
	CHECK_EQUAL(lock(file, 1, FS_LOCK_SET, FS_LOCK_READ, 30, 30), 0);
	CHECK_EQUAL(lock_cancel(file, 1, FS_LOCK_WRITE, 30, 30), 0);
	CHECK_EQUAL(lock(file, 3, FS_LOCK_SET_WAIT, FS_LOCK_READ, 0, 0), -EDEADLK);
	CHECK_EQUAL(lock_cancel(file, 1, FS_LOCK_WRITE, 1, 1), 0);
	CHECK_EQUAL(lock(file, 3, FS_LOCK_SET_WAIT, FS_LOCK_READ, 0, 0), FS_LOCK_WAITS);
	CHECK_EQUAL(lock_cancel(file, 3, FS_LOCK_READ, 0, 0), 0);
	CHECK_EQUAL(lock_cancel(file, 2, FS_LOCK_WRITE, 0, 0), 0);
	for (u64 owner = 1; owner <= 3; owner++)
		CHECK_EQUAL(fs_op_lock_drop(&fake_rq, file, owner), 0);
	file_close(file);
	CHECK_EQUAL(remove_name("/locked"), 0);
}

static long whole(u64 file, u32 type)
{
	struct fs_lock request = { .kind = FS_LOCK_FLOCK, .command = FS_LOCK_SET, .type = type }, result;

	return file_lock(file, &request, &result);
}

static void whole_files(void)
{
	u64 a = file_open("/locked", FS_O_RDONLY | FS_O_CREAT, 0600), b = file_open("/locked", FS_O_RDONLY, 0), word, sequence, none;
	struct fs_lock waiting = { .kind = FS_LOCK_FLOCK, .command = FS_LOCK_SET_WAIT, .type = FS_LOCK_WRITE };

	CHECK_EQUAL(whole(a, FS_LOCK_READ), 0);
	CHECK_EQUAL(whole(b, FS_LOCK_READ), 0);
	CHECK_EQUAL(whole(a, FS_LOCK_WRITE), -EAGAIN);
	CHECK_EQUAL(fs_op_lock(&fake_rq, a, fs_lock_pack(&waiting), 0, 0, 0, &word, &sequence, &none), FS_LOCK_WAITS);
	CHECK_EQUAL(((struct tk_pollword *)(uintptr_t)word)->sequence, sequence);
	file_close(b);
	CHECK(((struct tk_pollword *)(uintptr_t)word)->sequence > sequence);
	CHECK_EQUAL(whole(a, FS_LOCK_WRITE), 0);
	/* Record locks do not see it. */
	CHECK_EQUAL(lock(a, 1, FS_LOCK_SET, FS_LOCK_READ, 0, 10), 0);
	CHECK_EQUAL(lock(a, 1, FS_LOCK_SET, FS_LOCK_WRITE, 0, 10), -EBADF);
	file_close(a);
	CHECK_EQUAL(remove_name("/locked"), 0);
}

void test_locks(void)
{
	test_run("random record locks", random_locks);
	test_run("deadlocks", deadlocks);
	test_run("waiters follow locks", waiters_follow_locks);
	test_run("locks of whole files", whole_files);
}
