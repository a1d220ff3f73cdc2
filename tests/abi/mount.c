/* mount and umount2 of tmpfs, bind mounts and their flags, as root and as a user. */
#include "check.h"

#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/vfs.h>

static void enter(void)
{
	scratch_enter();
	mkdir("at", 0755);
}

static void tmpfs_hides_what_is_below(void)
{
	struct stat outside, inside;

	enter();
	close(file_make("at/below", "x", 0));
	REQUIRE_OK(stat(".", &outside));
	CHECK_OK(mount("none", "at", "tmpfs", 0, "size=64k,mode=711"));
	CHECK_ERR(access("at/below", F_OK), ENOENT);
	REQUIRE_OK(stat("at", &inside));
	CHECK(outside.st_dev != inside.st_dev);
	CHECK_EQ(inside.st_mode, S_IFDIR | 0711);
	close(file_make("at/new", "y", 0));
	CHECK_ERR(rename("at/new", "new"), EXDEV);
	CHECK_ERR(rmdir("at"), EBUSY);
	CHECK_OK(umount2("at", 0));
	CHECK_OK(access("at/below", F_OK));
	CHECK_ERR(access("at/new", F_OK), ENOENT);
}

static void size_is_a_limit(void)
{
	static char block[128 << 10];
	struct statfs status;
	int file;

	enter();
	REQUIRE_OK(mount("none", "at", "tmpfs", 0, "size=64k"));
	REQUIRE_OK(statfs("at", &status));
	CHECK_EQ(status.f_blocks, 16);
	file = open("at/file", O_CREAT | O_RDWR, 0600);
	CHECK_EQ(write(file, block, sizeof(block)), 64 << 10);
	CHECK_ERR(write(file, block, 1), ENOSPC);
	REQUIRE_OK(ftruncate(file, 0));
	CHECK_EQ(pwrite(file, block, PAGE, 0), PAGE);
	close(file);
	CHECK_OK(umount2("at", 0));
}

static void read_only(void)
{
	enter();
	REQUIRE_OK(mount("none", "at", "tmpfs", 0, NULL));
	close(file_make("at/file", "x", 0));
	CHECK_OK(mount(NULL, "at", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	CHECK_ERR(open("at/new", O_CREAT | O_RDWR, 0600), EROFS);
	CHECK_ERR(open("at/file", O_WRONLY), EROFS);
	CHECK_ERR(unlink("at/file"), EROFS);
	CHECK_ERR(mkdir("at/dir", 0700), EROFS);
	CHECK_ERR(chmod("at/file", 0600), EROFS);
	CHECK_ERR(access("at/file", W_OK), EROFS);
	CHECK_OK(open("at/file", O_RDONLY));
	CHECK_OK(umount2("at", MNT_DETACH));
}

static void busy_and_detach(void)
{
	int file;

	enter();
	REQUIRE_OK(mount("none", "at", "tmpfs", 0, NULL));
	file = file_make("at/file", "x", 0);
	CHECK_ERR(umount2("at", 0), EBUSY);
	CHECK_OK(umount2("at", MNT_DETACH));
	CHECK_ERR(access("at/file", F_OK), ENOENT);
	CHECK_EQ(write(file, "y", 1), 1);
}

static void bind(void)
{
	enter();
	mkdir("from", 0755);
	close(file_make("from/file", "x", 0));
	CHECK_OK(mount("from", "at", NULL, MS_BIND, NULL));
	CHECK_OK(access("at/file", F_OK));
	close(file_make("at/other", "y", 0));
	CHECK_OK(access("from/other", F_OK));
	CHECK_ERR(rename("at/file", "from/file2"), EXDEV);
	CHECK_OK(umount2("at", 0));
	close(file_make("target", "t", 0));
	CHECK_OK(mount("from/file", "target", NULL, MS_BIND, NULL));
	CHECK_ERR(unlink("target"), EBUSY);
	CHECK_OK(umount2("target", 0));
}

static void stacked_mounts(void)
{
	enter();
	REQUIRE_OK(mount("one", "at", "tmpfs", 0, NULL));
	close(file_make("at/one", "x", 0));
	REQUIRE_OK(mount("two", "at", "tmpfs", 0, NULL));
	CHECK_ERR(access("at/one", F_OK), ENOENT);
	CHECK_OK(umount2("at", 0));
	CHECK_OK(access("at/one", F_OK));
	CHECK_OK(umount2("at", 0));
	CHECK_ERR(umount2("at", 0), EINVAL);
}

static void errors(void)
{
	enter();
	close(file_make("file", "x", 0));
	CHECK_ERR(mount("none", "missing", "tmpfs", 0, NULL), ENOENT);
	CHECK_ERR(mount("none", "file", "tmpfs", 0, NULL), ENOTDIR);
	CHECK_ERR(mount("none", "at", "nosuchfs", 0, NULL), ENODEV);
	CHECK_ERR(mount("none", "at", NULL, 0, NULL), EINVAL);
	CHECK_ERR(mount("none", "at", "tmpfs", 0, "nonsense=1"), EINVAL);
	CHECK_ERR(mount("missing", "at", NULL, MS_BIND, NULL), ENOENT);
	CHECK_ERR(mount(NULL, "at", NULL, MS_REMOUNT, NULL), EINVAL);
	CHECK_ERR(mount("none", bad_pointers[4], "tmpfs", 0, NULL), EFAULT);
	CHECK_ERR(mount("none", "at", bad_pointers[2], 0, NULL), EFAULT);
	CHECK_ERR(umount2("at", 0x80), EINVAL);
	CHECK_ERR(umount2("missing", 0), ENOENT);
	CHECK_ERR(umount2(bad_pointers[2], 0), EFAULT);
}

static void listed_in_proc_mounts(void)
{
	char text[8192], expected[128], path[64];

	enter();
	REQUIRE(getcwd(path, sizeof(path)));
	REQUIRE_OK(mount("thing", "at", "tmpfs", MS_NOSUID | MS_NODEV, NULL));
	REQUIRE(file_read("/proc/mounts", text, sizeof(text)));
	snprintf(expected, sizeof(expected), "thing %s/at tmpfs rw,nosuid,nodev,", path);
	CHECK(strstr(text, expected));
	CHECK_OK(umount2("at", 0));
	REQUIRE(file_read("/proc/mounts", text, sizeof(text)));
	CHECK(!strstr(text, expected));
}

static void flags_take_effect(void)
{
	enter();
	REQUIRE_OK(mount("none", "at", "tmpfs", MS_NOEXEC | MS_NODEV, NULL));
	close(file_make("at/script", "#!/bin/true\n", 0));
	chmod("at/script", 0755);
	CHECK_ERR(execl("at/script", "x", NULL), EACCES);
	CHECK_ERR(access("at/script", X_OK), EACCES);
	REQUIRE_OK(mknod("at/null", S_IFCHR | 0666, 0x103));
	CHECK_ERR(open("at/null", O_RDONLY), EACCES);
	CHECK_OK(umount2("at", MNT_DETACH));
}

static void check_user_mounts(void *argument)
{
	(void)argument;
	CHECK_ERR(mount("none", "at", "tmpfs", 0, NULL), EPERM);
	CHECK_ERR(umount2("at", 0), EPERM);
	CHECK_ERR(chroot("at"), EPERM);
}

static void users_may_not(void)
{
	enter();
	CHECK_EXITED(child_run_as_user(check_user_mounts, NULL), 0);
}

TESTS(TEST(tmpfs_hides_what_is_below), TEST(size_is_a_limit), TEST(read_only), TEST(busy_and_detach), TEST(bind),
      TEST(stacked_mounts), TEST(errors), TEST(listed_in_proc_mounts), TEST(flags_take_effect), TEST(users_may_not))
