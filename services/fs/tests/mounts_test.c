/* Mounts: crossing them, binding, unmounting, limits of tmpfs. */
#include "fake.h"

static long mount_at(const char *type, const char *source, const char *path, u32 flags, const char *options)
{
	struct fs_mount request = { .client = client, .flags = flags };

	memcpy(request.type, type, strlen(type));
	memcpy(request.options, options, strlen(options));
	return fs_op_mount(&fake_rq, &request, source, strlen(source) + 1, path, strlen(path) + 1);
}

static long unmount(const char *path, u32 flags)
{
	struct fs_at at = { .client = client, .flags = flags };

	return fs_op_umount(&fake_rq, &at, path, strlen(path) + 1);
}

static void crossing(void)
{
	struct fs_stat above, below;
	long objects = fake_objects;
	u64 file;

	CHECK_EQUAL(make_directory("/mnt"), 0);
	text_put("/mnt/covered", "c");
	CHECK_EQUAL(mount_at("nothing", "x", "/mnt", 0, ""), -ENODEV);
	CHECK_EQUAL(mount_at("tmpfs", "x", "/mnt", 0, "size=bad"), -EINVAL);
	CHECK_EQUAL(mount_at("tmpfs", "x", "/mnt/covered", 0, ""), -ENOTDIR);
	CHECK_EQUAL(mount_at("tmpfs", "x", "/mnt", 0, "size=64k,mode=700"), 0);
	CHECK(!exists("/mnt/covered"));
	CHECK_EQUAL(status_get("/mnt", &below), 0);
	CHECK_EQUAL(status_get("/mnt/..", &above), 0);
	CHECK(above.filesystem != below.filesystem);
	CHECK_EQUAL(below.mode & 07777, 0700);
	CHECK_EQUAL(remove_directory("/mnt"), -EBUSY);
	CHECK_EQUAL(rename_name("/mnt", "/other", 0), -EBUSY);
	text_put("/mnt/file", "f");
	CHECK_EQUAL(rename_name("/mnt/file", "/file", 0), -EXDEV);
	CHECK_EQUAL(hard_link("/mnt/file", "/file"), -EXDEV);
	file = file_open("/mnt/file", FS_O_RDWR, 0);
	CHECK_EQUAL(fs_op_truncate(&fake_rq, file, 1 << 20), 0);
	CHECK_EQUAL(fs_op_allocate(&fake_rq, file, 0, 0, 1 << 20), -ENOSPC);
	CHECK_EQUAL(unmount("/mnt", 0), -EBUSY);
	CHECK_EQUAL(unmount("/mnt", FS_MNT_DETACH), 0);
	CHECK(text_is("/mnt/covered", "c"));
	CHECK_EQUAL(file_read(file, fake_user, 1, 0), 1);
	file_close(file);
	CHECK_EQUAL(unmount("/mnt", 0), -EINVAL);
	CHECK_EQUAL(remove_name("/mnt/covered"), 0);
	CHECK_EQUAL(remove_directory("/mnt"), 0);
	CHECK_EQUAL(fake_objects, objects);
}

static void read_only(void)
{
	CHECK_EQUAL(make_directory("/ro"), 0);
	CHECK_EQUAL(mount_at("tmpfs", "x", "/ro", 0, ""), 0);
	text_put("/ro/file", "f");
	CHECK_EQUAL(mount_at("", "", "/ro", FS_MS_REMOUNT | FS_MS_RDONLY, ""), 0);
	CHECK_EQUAL(try_open("/ro/file", FS_O_WRONLY, 0), -EROFS);
	CHECK_EQUAL(try_open("/ro/new", FS_O_WRONLY | FS_O_CREAT, 0600), -EROFS);
	CHECK_EQUAL(make_directory("/ro/dir"), -EROFS);
	CHECK_EQUAL(remove_name("/ro/file"), -EROFS);
	CHECK_EQUAL(rename_name("/ro/file", "/ro/x", 0), -EROFS);
	CHECK(text_is("/ro/file", "f"));
	become(1000, 1000, 0);
	CHECK_EQUAL(unmount("/ro", 0), -EPERM);
	become(0, 0, ~0ull);
	CHECK_EQUAL(unmount("/ro", 0), 0);
	CHECK_EQUAL(remove_directory("/ro"), 0);
}

static void binding(void)
{
	char path[64];
	u64 file;

	CHECK_EQUAL(make_directory("/from"), 0);
	CHECK_EQUAL(make_directory("/to"), 0);
	CHECK_EQUAL(make_directory("/from/sub"), 0);
	CHECK_EQUAL(mount_at("tmpfs", "x", "/from/sub", 0, ""), 0);
	text_put("/from/sub/deep", "d");
	text_put("/from/file", "f");
	CHECK_EQUAL(mount_at("", "/from", "/to", FS_MS_BIND, ""), 0);
	CHECK(text_is("/to/file", "f"));
	CHECK(!exists("/to/sub/deep"));
	file = file_open("/to/file", FS_O_RDONLY, 0);
	CHECK_EQUAL(fs_op_path_of(&fake_rq, client, file, path, sizeof(path)), 9);
	CHECK(memcmp(path, "/to/file", 9) == 0);
	file_close(file);
	CHECK_EQUAL(unmount("/to", 0), 0);
	CHECK_EQUAL(mount_at("", "/from", "/to", FS_MS_BIND | FS_MS_REC, ""), 0);
	CHECK(text_is("/to/sub/deep", "d"));
	CHECK_EQUAL(unmount("/to", 0), -EBUSY);
	CHECK_EQUAL(unmount("/to", FS_MNT_DETACH), 0);
	CHECK_EQUAL(make_directory("/to/x"), 0);
	CHECK_EQUAL(mount_at("", "/from/sub", "/to/x", FS_MS_MOVE, ""), 0);
	CHECK(text_is("/to/x/deep", "d") && !exists("/from/sub/deep"));
	CHECK_EQUAL(unmount("/to/x", 0), 0);
	CHECK_EQUAL(remove_directory("/to/x"), 0);
	CHECK_EQUAL(remove_directory("/to"), 0);
	CHECK_EQUAL(remove_name("/from/file"), 0);
	CHECK_EQUAL(remove_directory("/from/sub"), 0);
	CHECK_EQUAL(remove_directory("/from"), 0);
}

static void roots(void)
{
	struct fs_at at = { .client = 0 };
	char path[64];
	u64 first = client;

	CHECK_EQUAL(make_directory("/jail"), 0);
	text_put("/jail/in", "i");
	CHECK_EQUAL(fs_op_client_fork(&fake_rq, first, 0, &client), 0);
	at.client = client;
	CHECK_EQUAL(fs_op_chroot(&fake_rq, &at, "/jail", 6), 0);
	CHECK(text_is("/in", "i") && text_is("/../in", "i"));
	CHECK_EQUAL(fs_op_getcwd(&fake_rq, client, path, sizeof(path)), 15);
	CHECK(memcmp(path, "(unreachable)/", 15) == 0);
	CHECK_EQUAL(fs_op_chdir(&fake_rq, &at, "/", 2), 0);
	CHECK_EQUAL(try_open("../..", 0, 0), 0);
	CHECK(text_is("../../in", "i"));
	CHECK_EQUAL(fs_op_client_release(&fake_rq, client), 0);
	CHECK_EQUAL(try_open("/", 0, 0), -EBADF);
	client = first;
	CHECK_EQUAL(remove_name("/jail/in"), 0);
	CHECK_EQUAL(remove_directory("/jail"), 0);
}

void test_mounts(void)
{
	test_run("mounts are crossed", crossing);
	test_run("read-only mounts", read_only);
	test_run("bind and move", binding);
	test_run("other roots", roots);
}
