/* Content of files against a model, holes, sizes, limits, faults of the application's memory. */
#include "fake.h"

#define MODEL_SIZE (20 * PAGE_SIZE)

static u8 model[MODEL_SIZE], buffer[MODEL_SIZE];
static u32 seed = 99;

static u32 random_below(u32 limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

static void random_write(u64 file, u64 *size)
{
	u32 at = random_below(MODEL_SIZE - 1), length = random_below(random_below(4) ? 100 : 3 * PAGE_SIZE), i;
	u64 end;

	if (length > MODEL_SIZE - at)
		length = MODEL_SIZE - at;
	for (i = 0; i < length; i++)
		fake_user[i] = model[at + i] = (u8)random_below(256);
	CHECK_EQUAL(fs_op_write(&fake_rq, file, USER_BASE, length, at, 0, &end), length);
	if (length && at + length > *size)
		*size = at + length;
}

static void random_truncate(u64 file, u64 *size)
{
	u32 to = random_below(MODEL_SIZE);

	CHECK_EQUAL(fs_op_truncate(&fake_rq, file, to), 0);
	if (to < *size)
		memset(model + to, 0, *size - to);
	*size = to;
}

static void random_punch(u64 file, u64 size)
{
	u32 at = random_below(MODEL_SIZE), length = 1 + random_below(4 * PAGE_SIZE);
	u64 end = at + length < size ? at + length : size;

	CHECK_EQUAL(fs_op_allocate(&fake_rq, file, FS_ALLOCATE_PUNCH_HOLE | FS_ALLOCATE_KEEP_SIZE, at, length), 0);
	if (at < end)
		memset(model + at, 0, end - at);
}

static void random_content(void)
{
	u64 file = file_open("/data", FS_O_RDWR | FS_O_CREAT, 0600), size = 0;
	struct fs_stat status;
	long frames = fake_frames_used;
	u32 step;

	for (step = 0; step < 3000; step++) {
		switch (random_below(8)) {
		case 0:
			random_truncate(file, &size);
			break;
		case 1:
			random_punch(file, size);
			break;
		case 2:
			CHECK_EQUAL(fs_op_allocate(&fake_rq, file, FS_ALLOCATE_KEEP_SIZE, random_below(MODEL_SIZE), 5000), 0);
			break;
		default:
			random_write(file, &size);
		}
		CHECK_EQUAL(fs_op_stat(&fake_rq, file, &status), 0);
		CHECK_EQUAL(status.size, size);
		if (step % 10 == 0) {
			CHECK_EQUAL(fs_op_read(&fake_rq, file, USER_BASE, MODEL_SIZE, 0), size);
			CHECK(memcmp(fake_user, model, size) == 0);
		}
	}
	memset(model, 0, sizeof(model));
	file_close(file);
	CHECK_EQUAL(remove_name("/data"), 0);
	CHECK_EQUAL(fake_frames_used, frames);
}

static void holes(void)
{
	u64 file = file_open("/sparse", FS_O_RDWR | FS_O_CREAT, 0600), position = 0;
	struct fs_stat status;

	CHECK_EQUAL(fs_op_truncate(&fake_rq, file, 1ull << 40), 0);
	CHECK_EQUAL(file_write(file, "x", 1, 5 * PAGE_SIZE), 1);
	CHECK_EQUAL(fs_op_stat(&fake_rq, file, &status), 0);
	CHECK_EQUAL(status.blocks, 8);
	CHECK_EQUAL(fs_op_seek(&fake_rq, file, 0, 3, &position), 0);
	CHECK_EQUAL(position, 5 * PAGE_SIZE);
	CHECK_EQUAL(fs_op_seek(&fake_rq, file, 5 * PAGE_SIZE + 7, 3, &position), 0);
	CHECK_EQUAL(position, 5 * PAGE_SIZE + 7);
	CHECK_EQUAL(fs_op_seek(&fake_rq, file, 5 * PAGE_SIZE, 4, &position), 0);
	CHECK_EQUAL(position, 6 * PAGE_SIZE);
	CHECK_EQUAL(fs_op_seek(&fake_rq, file, 6 * PAGE_SIZE, 3, &position), -ENXIO);
	CHECK_EQUAL(fs_op_seek(&fake_rq, file, -1, 2, &position), 0);
	CHECK_EQUAL(position, (1ull << 40) - 1);
	CHECK_EQUAL(fs_op_seek(&fake_rq, file, INT64_MAX, 2, &position), -EINVAL);
	CHECK_EQUAL(fs_op_truncate(&fake_rq, file, 1ull << 63), -EINVAL);
	CHECK_EQUAL(file_write(file, "x", 1, INT64_MAX), -EFBIG);
	CHECK_EQUAL(fs_op_truncate(&fake_rq, file, 3), 0);
	CHECK_EQUAL(file_read(file, buffer, 10, 0), 3);
	CHECK_EQUAL(file_read(file, buffer, 10, 3), 0);
	file_close(file);
	CHECK_EQUAL(remove_name("/sparse"), 0);
}

static void faults(void)
{
	u64 file = file_open("/file", FS_O_RDWR | FS_O_CREAT, 0600), end;
	struct fs_stat status;

	memset(fake_user, 'u', USER_SIZE);
	CHECK_EQUAL(fs_op_write(&fake_rq, file, 16, 100, 0, 0, &end), -EFAULT);
	CHECK_EQUAL(fs_op_stat(&fake_rq, file, &status), 0);
	CHECK_EQUAL(status.size, 0);
	/* The last page of the application's memory, and what lies behind it. */
	CHECK_EQUAL(fs_op_write(&fake_rq, file, USER_BASE + USER_SIZE - 1000, 3000, 0, 0, &end), 1000);
	CHECK_EQUAL(fs_op_stat(&fake_rq, file, &status), 0);
	CHECK_EQUAL(status.size, 1000);
	CHECK_EQUAL(fs_op_truncate(&fake_rq, file, 3000), 0);
	CHECK_EQUAL(file_read(file, buffer, 3000, 0), 3000);
	CHECK(buffer[999] == 'u' && buffer[1000] == 0 && buffer[2999] == 0);
	CHECK_EQUAL(fs_op_read(&fake_rq, file, 16, 100, 0), -EFAULT);
	CHECK_EQUAL(fs_op_read(&fake_rq, file, USER_BASE + USER_SIZE - 10, 100, 0), 10);
	file_close(file);
	CHECK_EQUAL(remove_name("/file"), 0);
}

static void modes(void)
{
	u64 file = file_open("/file", FS_O_WRONLY | FS_O_CREAT, 0600), program, end;

	CHECK_EQUAL(file_read(file, buffer, 1, 0), -EBADF);
	CHECK_EQUAL(fs_op_write_bytes(&fake_rq, file, "abc", 3, 0, 0, &end), 3);
	CHECK_EQUAL(fs_op_write_bytes(&fake_rq, file, "def", 3, 0, FS_O_APPEND, &end), 3);
	CHECK_EQUAL(end, 6);
	CHECK_EQUAL(try_open("/file", FS_O_EXECUTE, 0), -EACCES);
	file_close(file);
	{
		struct fs_at at = { .client = client, .mode = 0755 };

		CHECK_EQUAL(fs_op_chmod(&fake_rq, &at, "/file", 6), 0);
	}
	file = file_open("/file", FS_O_WRONLY, 0);
	CHECK_EQUAL(try_open("/file", FS_O_EXECUTE, 0), -ETXTBSY);
	file_close(file);
	program = file_open("/file", FS_O_EXECUTE, 0);
	CHECK_EQUAL(try_open("/file", FS_O_WRONLY, 0), -ETXTBSY);
	CHECK_EQUAL(try_open("/file", FS_O_RDONLY | FS_O_TRUNC, 0), -ETXTBSY);
	CHECK_EQUAL(file_read(program, buffer, 10, 0), 6);
	CHECK(memcmp(buffer, "abcdef", 6) == 0);
	CHECK_EQUAL(file_write(program, "x", 1, 0), -EBADF);
	file_close(program);
	CHECK_EQUAL(try_open("/file", FS_O_RDWR | FS_O_TRUNC, 0), 0);
	CHECK(text_is("/file", ""));
	CHECK_EQUAL(remove_name("/file"), 0);
}

static void devices(void)
{
	u64 file = file_open("/dev/zero", FS_O_RDWR, 0);

	memset(buffer, 1, 100);
	CHECK_EQUAL(file_read(file, buffer, 100, 0), 100);
	CHECK(buffer[0] == 0 && buffer[99] == 0);
	file_close(file);
	file = file_open("/dev/null", FS_O_RDWR, 0);
	CHECK_EQUAL(file_read(file, buffer, 100, 0), 0);
	CHECK_EQUAL(file_write(file, buffer, 100, 0), 100);
	file_close(file);
	file = file_open("/dev/full", FS_O_RDWR, 0);
	CHECK_EQUAL(file_write(file, buffer, 100, 0), -ENOSPC);
	file_close(file);
	file = file_open("/dev/urandom", FS_O_RDONLY, 0);
	CHECK_EQUAL(file_read(file, buffer, 1000, 0), 1000);
	file_close(file);
	{
		struct fs_open request = { .client = client, .flags = FS_O_RDWR };
		u64 info, word;

		CHECK_EQUAL(fs_op_open(&fake_rq, &request, "/dev/console", 13, &file, &info, &word), 0);
		CHECK_EQUAL(FS_INFO_KIND(info), FS_KIND_TERMINAL);
		file_close(file);
	}
}

static void memory_files(void)
{
	u64 file, info;
	char path[64];

	CHECK_EQUAL(fs_op_memory_file(&fake_rq, client, "name", 5, FS_MFD_ALLOW_SEALING, &file, &info), 0);
	CHECK_EQUAL(file_write(file, "123", 3, 0), 3);
	CHECK_EQUAL(fs_op_path_of(&fake_rq, client, file, path, sizeof(path)), 22);
	CHECK(memcmp(path, "/memfd:name (deleted)", 22) == 0);
	CHECK_EQUAL(fs_op_seals(&fake_rq, file, FS_SEAL_GROW), FS_SEAL_GROW);
	CHECK_EQUAL(file_write(file, "4", 1, 3), -EPERM);
	CHECK_EQUAL(file_write(file, "4", 1, 2), 1);
	CHECK_EQUAL(fs_op_truncate(&fake_rq, file, 4), -EPERM);
	CHECK_EQUAL(fs_op_truncate(&fake_rq, file, 2), 0);
	CHECK_EQUAL(fs_op_seals(&fake_rq, file, FS_SEAL_SHRINK | FS_SEAL_WRITE | FS_SEAL_SEAL), 15);
	CHECK_EQUAL(fs_op_truncate(&fake_rq, file, 1), -EPERM);
	CHECK_EQUAL(file_write(file, "4", 1, 0), -EPERM);
	CHECK_EQUAL(fs_op_seals(&fake_rq, file, FS_SEAL_WRITE), -EPERM);
	file_close(file);
}

static void unnamed(void)
{
	struct fs_pair pair = { .client = client, .flags = FS_AT_EMPTY_PATH };
	u64 file = file_open("/", FS_O_TMPFILE | FS_O_RDWR, 0600);

	CHECK_EQUAL(file_write(file, "hello", 5, 0), 5);
	pair.from_directory = file;
	CHECK_EQUAL(fs_op_link(&fake_rq, &pair, "", 1, "/named", 7), 0);
	CHECK(text_is("/named", "hello"));
	file_close(file);
	CHECK_EQUAL(remove_name("/named"), 0);
	CHECK_EQUAL(try_open("/", FS_O_TMPFILE | FS_O_RDONLY, 0600), -EINVAL);
	CHECK_EQUAL(try_open("/proc", FS_O_TMPFILE | FS_O_RDWR, 0600), -EOPNOTSUPP);
}

void test_content(void)
{
	test_run("random reads, writes, truncations, holes", random_content);
	test_run("holes and sizes", holes);
	test_run("bad memory of the application", faults);
	test_run("modes of opening", modes);
	test_run("devices", devices);
	test_run("memory files and seals", memory_files);
	test_run("unnamed files", unnamed);
}
