/* Each allocation of a series of operations fails once: nothing breaks, and nothing is left behind. */
#include "fake.h"

static void scenario(void)
{
	struct fs_open request = { .client = client, .flags = FS_O_RDWR | FS_O_CREAT, .mode = 0600 };
	struct fs_lock lock = { .kind = FS_LOCK_POSIX, .command = FS_LOCK_SET, .type = FS_LOCK_WRITE, .owner = 1, .end = 10 }, found;
	struct fs_mount mount = { .client = client, .type = "tmpfs" };
	struct fs_at at = { .client = client, .flags = FS_MNT_DETACH };
	struct fs_pipe pipe;
	u64 file, info, word, end, child, next;
	char path[64];

	(void)!make_directory("/short");
	(void)!make_link("of", "/short/link");
	if (fs_op_open(&fake_rq, &request, "/short/link", 12, &file, &info, &word) == 0) {
		(void)!fs_op_write_bytes(&fake_rq, file, "text", 4, 5000, 0, &end);
		(void)!file_lock(file, &lock, &found);
		(void)!fs_op_path_of(&fake_rq, client, file, path, sizeof(path));
		file_close(file);
	}
	(void)!rename_name("/short/of", "/short/a-name-that-needs-more-room", 0);
	(void)!rename_name("/short/a-name-that-needs-more-room", "/short/link", FS_RENAME_EXCHANGE);
	(void)!hard_link("/short/link", "/short/second");
	if (fs_op_pipe_create(&fake_rq, client, &pipe) == 0) {
		(void)!fs_op_write_bytes(&fake_rq, pipe.write_file, "text", 4, 0, 0, &end);
		(void)!fs_op_pipe_size(&fake_rq, pipe.read_file, 8192);
		file_close(pipe.read_file);
		file_close(pipe.write_file);
	}
	if (fs_op_client_fork(&fake_rq, client, 0, &child) == 0) {
		(void)!fs_op_client_unshare(&fake_rq, child);
		CHECK_EQUAL(fs_op_client_release(&fake_rq, child), 0);
	}
	(void)!fs_op_mount(&fake_rq, &mount, "x", 2, "/short", 7);
	(void)!make_directory("/short/inside");
	request.flags = FS_O_RDONLY;
	if (fs_op_open(&fake_rq, &request, "/proc/self/status", 18, &file, &info, &word) == 0) {
		(void)!file_read(file, path, sizeof(path), 0);
		file_close(file);
	}
	if (fs_op_open(&fake_rq, &request, "/proc", 6, &file, &info, &word) == 0) {
		(void)!fs_op_readdir(&fake_rq, file, USER_BASE, 4096, 0, FS_DIRENT_64, &next);
		file_close(file);
	}
	if (fs_op_memory_file(&fake_rq, client, "m", 2, 0, &file, &info) == 0)
		file_close(file);
	(void)!fs_op_umount(&fake_rq, &at, "/short", 7);
}

static void scenario_remove(void)
{
	struct fs_at at = { .client = client, .flags = FS_MNT_DETACH };

	(void)!fs_op_umount(&fake_rq, &at, "/short", 7);
	(void)!remove_name("/short/link");
	(void)!remove_name("/short/of");
	(void)!remove_name("/short/second");
	(void)!remove_name("/short/a-name-that-needs-more-room");
	(void)!remove_directory("/short/inside");
	(void)!remove_directory("/short");
	CHECK(!exists("/short"));
}

static void each_allocation(void)
{
	long objects = fake_objects, heap, count;

	scenario();
	scenario_remove();
	heap = fake_heap_used;
	for (count = 0; count < 1000; count++) {
		bool over;

		fake_heap_fail_after = count;
		scenario();
		over = fake_heap_fail_after >= 0;
		fake_heap_fail_after = -1;
		scenario_remove();
		CHECK_EQUAL(fake_objects, objects);
		CHECK_EQUAL(fake_heap_used, heap);
		if (over)
			break;
	}
	CHECK(count > 40 && count < 1000);
}

void test_memory(void)
{
	test_run("each allocation fails once", each_allocation);
}
