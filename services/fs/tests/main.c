/* Runs the tests of fs and prints TAP. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>

void fs_init(void);

u64 client;
static int number, failures;
static bool failed;

void check_that(bool holds, const char *file, int line, const char *what)
{
	if (holds)
		return;
	printf("# %s:%d: %s\n", file, line, what);
	failed = true;
}

void check_equal(long value, long expected, const char *file, int line, const char *what)
{
	if (value == expected)
		return;
	printf("# %s:%d: %s is %ld, not %ld\n", file, line, what, value, expected);
	failed = true;
}

void test_run(const char *name, void (*test)(void))
{
	failed = false;
	test();
	number++;
	failures += failed;
	printf("%s %d - fs: %s\n", failed ? "not ok" : "ok", number, name);
	fflush(stdout);
}

/* ---- Short forms ---- */
static struct fs_at at_of(u32 flags, u32 mode, u64 value)
{
	return (struct fs_at){ .client = client, .flags = flags, .mode = mode, .value = value };
}

u64 file_open(const char *path, u32 flags, u32 mode)
{
	struct fs_open request = { .client = client, .flags = flags, .mode = mode };
	u64 file = 0, info, word;

	CHECK_EQUAL(fs_op_open(&fake_rq, &request, path, strlen(path) + 1, &file, &info, &word), 0);
	return file;
}

long try_open(const char *path, u32 flags, u32 mode)
{
	struct fs_open request = { .client = client, .flags = flags, .mode = mode };
	u64 file, info, word;
	long result = fs_op_open(&fake_rq, &request, path, strlen(path) + 1, &file, &info, &word);

	if (!result)
		file_close(file);
	return result;
}

void file_close(u64 file)
{
	CHECK_EQUAL(fs_op_close(&fake_rq, file), 0);
}

long make_directory(const char *path)
{
	struct fs_at at = at_of(0, 0755, 0);

	return fs_op_mkdir(&fake_rq, &at, path, strlen(path) + 1);
}

long make_link(const char *target, const char *path)
{
	struct fs_at at = at_of(0, 0, 0);

	return fs_op_symlink(&fake_rq, &at, path, strlen(path) + 1, target, strlen(target) + 1);
}

long hard_link(const char *from, const char *to)
{
	struct fs_pair pair = { .client = client };

	return fs_op_link(&fake_rq, &pair, from, strlen(from) + 1, to, strlen(to) + 1);
}

long remove_name(const char *path)
{
	struct fs_at at = at_of(0, 0, 0);

	return fs_op_unlink(&fake_rq, &at, path, strlen(path) + 1);
}

long remove_directory(const char *path)
{
	struct fs_at at = at_of(FS_AT_REMOVEDIR, 0, 0);

	return fs_op_unlink(&fake_rq, &at, path, strlen(path) + 1);
}

long rename_name(const char *from, const char *to, u32 flags)
{
	struct fs_pair pair = { .client = client, .flags = flags };

	return fs_op_rename(&fake_rq, &pair, from, strlen(from) + 1, to, strlen(to) + 1);
}

long status_get(const char *path, struct fs_stat *status)
{
	struct fs_at at = at_of(FS_AT_SYMLINK_NOFOLLOW, 0, 0);

	return fs_op_stat_at(&fake_rq, &at, path, strlen(path) + 1, status);
}

bool exists(const char *path)
{
	struct fs_stat status;

	return status_get(path, &status) == 0;
}

long file_write(u64 file, const void *data, size_t size, u64 offset)
{
	u64 end;

	return fs_op_write_bytes(&fake_rq, file, data, size, offset, 0, &end);
}

long file_read(u64 file, void *data, size_t size, u64 offset)
{
	return fs_op_read_bytes(&fake_rq, file, data, size, offset);
}

void text_put(const char *path, const char *text)
{
	u64 file = file_open(path, FS_O_WRONLY | FS_O_CREAT | FS_O_TRUNC, 0644);

	CHECK_EQUAL(file_write(file, text, strlen(text), 0), strlen(text));
	file_close(file);
}

bool text_is(const char *path, const char *text)
{
	char buffer[256];
	u64 file = file_open(path, FS_O_RDONLY, 0);
	long size = file_read(file, buffer, sizeof(buffer), 0);

	file_close(file);
	return size == (long)strlen(text) && memcmp(buffer, text, (size_t)size) == 0;
}

void become(u32 uid, u32 gid, u64 capabilities)
{
	struct fs_credentials ids = { uid, gid, uid, gid, capabilities, capabilities };

	CHECK_EQUAL(fs_op_client_credentials(&fake_rq, client, &ids, NULL, 0), 0);
}

int main(void)
{
	long heap;

	fake_start();
	fs_init();
	CHECK_EQUAL(fs_op_client_create(&fake_rq, &client), 0);
	CHECK_EQUAL(fs_op_umask_set(&fake_rq, client, 022), 022);
	heap = fake_heap_used;
	test_names();
	test_renaming();
	test_content();
	test_pipes();
	test_locks();
	test_mounts();
	test_archives();
	test_proc();
	test_memory();
	test_threads();
	test_directories();
	test_recovery();
	/* What the tests made they removed: what is left are tables that grew. */
	printf("# heap %ld to %ld, objects %ld, frames %ld\n", heap, fake_heap_used, fake_objects, fake_frames_used);
	printf("1..%d\n", number);
	return failures != 0;
}
