/* Attributes of files: stat and statx, modes, owners, times, access checks for users, umask and statfs. */
#include "check.h"

#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define TMPFS_MAGIC 0x01021994
#define PROC_MAGIC 0x9fa0
#define PIPE_MAGIC 0x50495045

static long statx_raw(int directory, const char *path, int flags, unsigned mask, struct statx *result)
{
	return syscall(SYS_statx, directory, path, flags, mask, result);
}

static mode_t mode_of(const char *path)
{
	struct stat status;

	REQUIRE_OK(stat(path, &status));
	return status.st_mode & 07777;
}

static void stat_fields(void)
{
	struct stat status, other;
	int file, pipes[2];

	scratch_enter();
	file = file_make("file", "abc", 0);
	REQUIRE_OK(fstat(file, &status));
	CHECK_EQ(status.st_mode, S_IFREG | 0644);
	CHECK(status.st_size == 3 && status.st_uid == 0 && status.st_gid == 0 && status.st_nlink == 1);
	CHECK_EQ(status.st_blksize, PAGE);
	CHECK_EQ(status.st_blocks, 8);
	CHECK(status.st_ino != 0 && status.st_dev != 0);
	CHECK_OK(stat("file", &other));
	CHECK(memcmp(&status, &other, sizeof(other)) == 0);
	REQUIRE_OK(pipe(pipes));
	CHECK_OK(fstat(pipes[0], &status));
	CHECK_EQ(status.st_mode, S_IFIFO | 0600);
	CHECK_OK(stat("/dev/null", &status));
	CHECK(S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3));
	CHECK_ERR(fstat(999, &status), EBADF);
	CHECK_ERR(stat("missing", &status), ENOENT);
	CHECK_ERR(stat("", &status), ENOENT);
	CHECK_ERR(syscall(SYS_newfstatat, file, "", &status, 0), ENOENT);
	CHECK_OK(syscall(SYS_newfstatat, file, "", &status, AT_EMPTY_PATH));
	CHECK_EQ(status.st_size, 3);
	CHECK_ERR(syscall(SYS_newfstatat, file, "", &status, 0x80), EINVAL);
	CHECK_ERR(syscall(SYS_fstat, file, bad_pointers[2]), EFAULT);
}

static void statx_fields(void)
{
	struct stat status;
	struct statx extended;
	int file;

	scratch_enter();
	file = file_make("file", "abc", 0);
	symlink("file", "link");
	REQUIRE_OK(fstat(file, &status));
	memset(&extended, 0xff, sizeof(extended));
	CHECK_OK(statx_raw(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &extended));
	CHECK_EQ(extended.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	CHECK(extended.stx_mode == status.st_mode && extended.stx_size == 3 && extended.stx_ino == status.st_ino);
	CHECK_EQ(makedev(extended.stx_dev_major, extended.stx_dev_minor), status.st_dev);
	CHECK(extended.stx_mtime.tv_sec == status.st_mtim.tv_sec && extended.stx_mtime.tv_nsec == status.st_mtim.tv_nsec);
	CHECK_OK(statx_raw(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &extended));
	CHECK(S_ISLNK(extended.stx_mode));
	CHECK_OK(statx_raw(file, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_SIZE, &extended));
	CHECK_ERR(statx_raw(file, "", 0, STATX_SIZE, &extended), ENOENT);
	CHECK_ERR(statx_raw(AT_FDCWD, "file", 0x80, STATX_SIZE, &extended), EINVAL);
	CHECK_ERR(statx_raw(AT_FDCWD, "file", AT_STATX_SYNC_TYPE, STATX_SIZE, &extended), EINVAL);
	CHECK_ERR(statx_raw(AT_FDCWD, "file", 0, 0x80000000, &extended), EINVAL);
	CHECK_ERR(statx_raw(AT_FDCWD, "missing", 0, STATX_SIZE, &extended), ENOENT);
	CHECK_ERR(statx_raw(AT_FDCWD, "file", 0, STATX_SIZE, bad_pointers[4]), EFAULT);
	CHECK_ERR(statx_raw(AT_FDCWD, bad_pointers[2], 0, STATX_SIZE, &extended), EFAULT);
}

static void changing_modes(void)
{
	int file;

	scratch_enter();
	file = file_make("file", "abc", 0);
	symlink("file", "link");
	CHECK_OK(chmod("file", 04751));
	CHECK_EQ(mode_of("file"), 04751);
	CHECK_OK(fchmod(file, 0170000 | 0600));
	CHECK_EQ(mode_of("file"), 0600);
	CHECK_OK(chmod("link", 0640));
	CHECK_EQ(mode_of("file"), 0640);
	CHECK_OK(syscall(SYS_fchmodat, AT_FDCWD, "file", 0611));
	CHECK_EQ(mode_of("file"), 0611);
	CHECK_ERR(chmod("missing", 0600), ENOENT);
	CHECK_ERR(fchmod(999, 0600), EBADF);
}

static void changing_owners(void)
{
	struct stat status;
	int file;

	scratch_enter();
	file = file_make("file", "abc", 0);
	symlink("file", "link");
	REQUIRE_OK(chmod("file", 06755));
	CHECK_OK(chown("file", 10, -1));
	REQUIRE_OK(fstat(file, &status));
	CHECK(status.st_uid == 10 && status.st_gid == 0);
	/* A change of owner takes the set-id bits away. */
	CHECK_EQ(status.st_mode & 07777, 0755);
	CHECK_OK(fchown(file, -1, 20));
	CHECK_OK(lchown("link", 30, 30));
	REQUIRE_OK(fstat(file, &status));
	CHECK(status.st_uid == 10 && status.st_gid == 20);
	REQUIRE_OK(lstat("link", &status));
	CHECK(status.st_uid == 30 && status.st_gid == 30);
	CHECK_OK(fchownat(file, "", 5, 5, AT_EMPTY_PATH));
	CHECK_ERR(fchownat(AT_FDCWD, "file", 5, 5, 0x80), EINVAL);
	CHECK_ERR(chown("missing", 1, 1), ENOENT);
	CHECK_ERR(fchown(999, 1, 1), EBADF);
}

static void setting_times(void)
{
	struct timespec times[2] = { { 1000, 5 }, { 2000, 999999999 } };
	struct stat before, status;
	int file;

	scratch_enter();
	file = file_make("file", "abc", 0);
	CHECK_OK(utimensat(AT_FDCWD, "file", times, 0));
	REQUIRE_OK(fstat(file, &before));
	CHECK(before.st_atim.tv_sec == 1000 && before.st_atim.tv_nsec == 5);
	CHECK(before.st_mtim.tv_sec == 2000 && before.st_mtim.tv_nsec == 999999999);
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_nsec = UTIME_NOW;
	CHECK_OK(futimens(file, times));
	REQUIRE_OK(fstat(file, &status));
	CHECK_EQ(status.st_atim.tv_sec, 1000);
	CHECK(status.st_mtim.tv_sec > 2000 || status.st_mtim.tv_sec == time(NULL));
	times[0].tv_nsec = 1000000000;
	CHECK_ERR(futimens(file, times), EINVAL);
	CHECK_OK(futimens(file, NULL));
	CHECK_ERR(utimensat(AT_FDCWD, "missing", NULL, 0), ENOENT);
	CHECK_ERR(utimensat(AT_FDCWD, "file", NULL, 0x80), EINVAL);
	CHECK_ERR(utimensat(AT_FDCWD, "file", bad_pointers[2], 0), EFAULT);
}

static void times_follow_use(void)
{
	struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
	struct stat status;
	int file;

	scratch_enter();
	file = file_make("file", "abc", 0);
	REQUIRE_OK(futimens(file, old));
	REQUIRE(write(file, "d", 1) == 1);
	REQUIRE_OK(fstat(file, &status));
	CHECK(status.st_mtim.tv_sec != 1000 && status.st_ctim.tv_sec != 1000);
	REQUIRE_OK(futimens(file, old));
	REQUIRE_OK(fchmod(file, 0600));
	REQUIRE_OK(fstat(file, &status));
	CHECK(status.st_mtim.tv_sec == 1000 && status.st_ctim.tv_sec != 1000);
	mkdir("dir", 0755);
	REQUIRE_OK(utimensat(AT_FDCWD, "dir", old, 0));
	close(file_make("dir/file", "x", 0));
	REQUIRE_OK(stat("dir", &status));
	CHECK(status.st_mtim.tv_sec != 1000);
}

static void umask_masks(void)
{
	scratch_enter();
	CHECK_EQ(umask(0777077), 022);
	CHECK_EQ(umask(0), 077);
	mkdir("open", 0777);
	CHECK_EQ(mode_of("open"), 0777);
	umask(0777);
	close(open("none", O_CREAT | O_RDWR, 0777));
	CHECK_EQ(mode_of("none"), 0);
}

static void root_may_access_all_but_execute(void)
{
	scratch_enter();
	close(file_make("file", "abc", 0));
	chmod("file", 0);
	CHECK_OK(access("file", R_OK | W_OK));
	CHECK_ERR(access("file", X_OK), EACCES);
	chmod("file", 010);
	CHECK_OK(access("file", X_OK));
	CHECK_ERR(access("file", 8), EINVAL);
	CHECK_ERR(access("missing", F_OK), ENOENT);
	CHECK_ERR(syscall(SYS_faccessat2, AT_FDCWD, "file", R_OK, 0x8000), EINVAL);
	symlink("missing", "link");
	CHECK_ERR(access("link", F_OK), ENOENT);
	CHECK_OK(syscall(SYS_faccessat2, AT_FDCWD, "link", F_OK, AT_SYMLINK_NOFOLLOW));
}

static void access_uses_the_real_identity(void)
{
	scratch_enter();
	close(file_make("file", "abc", 0));
	chmod("file", 0600);
	REQUIRE_OK(syscall(SYS_setresuid, 1000, 0, 0));
	CHECK_ERR(syscall(SYS_access, "file", R_OK), EACCES);
	CHECK_OK(syscall(SYS_faccessat2, AT_FDCWD, "file", R_OK, AT_EACCESS));
}

static void check_as_user(void *argument)
{
	(void)argument;
	CHECK_ERR(open("secret", O_RDONLY), EACCES);
	CHECK_OK(open("public", O_RDONLY));
	CHECK_ERR(open("public", O_WRONLY), EACCES);
	CHECK_ERR(open("public", O_RDONLY | O_TRUNC), EACCES);
	CHECK_ERR(open("new", O_CREAT | O_RDWR, 0600), EACCES);
	CHECK_ERR(unlink("public"), EACCES);
	CHECK_ERR(rename("public", "other"), EACCES);
	CHECK_ERR(mkdir("dir", 0700), EACCES);
	CHECK_ERR(stat("closed/file", &(struct stat){ 0 }), EACCES);
	CHECK_ERR(open("closed", O_RDONLY), EACCES);
	CHECK_ERR(chdir("closed"), EACCES);
	CHECK_OK(access("through/file", R_OK));
	CHECK_ERR(open("through", O_RDONLY), EACCES);
	CHECK_ERR(chmod("public", 0777), EPERM);
	CHECK_ERR(chown("public", 1000, 1000), EPERM);
	CHECK_ERR(utimensat(AT_FDCWD, "public", NULL, 0), EACCES);
	CHECK_ERR(utimensat(AT_FDCWD, "public", (struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0), EPERM);
	CHECK_ERR(truncate("public", 0), EACCES);
	CHECK_ERR(open("group", O_RDONLY), EACCES);
	CHECK_OK(open("group", O_WRONLY));
	CHECK_ERR(open("mine", O_RDONLY), EACCES);
	CHECK_OK(chmod("mine", 0400));
	CHECK_OK(open("mine", O_RDONLY));
	CHECK_ERR(chown("mine", 0, -1), EPERM);
	CHECK_OK(chown("mine", -1, 1000));
	CHECK_ERR(mknod("device", S_IFCHR | 0600, makedev(1, 3)), EACCES);
}

static void users_are_checked(void)
{
	scratch_enter();
	close(file_make("secret", "x", 0));
	chmod("secret", 0600);
	close(file_make("public", "x", 0));
	/* The group's bits count for a member of the group, even if others may more. */
	close(file_make("group", "x", 0));
	REQUIRE(chown("group", 0, 1000) == 0 && chmod("group", 0626) == 0);
	close(file_make("mine", "x", 0));
	REQUIRE(chown("mine", 1000, 0) == 0 && chmod("mine", 0077) == 0);
	mkdir("closed", 0700);
	close(file_make("closed/file", "x", 0));
	mkdir("through", 0711);
	close(file_make("through/file", "x", 0));
	CHECK_EXITED(child_run_as_user(check_as_user, NULL), 0);
}

static void check_sticky(void *argument)
{
	(void)argument;
	CHECK_ERR(unlink("sticky/theirs"), EPERM);
	CHECK_ERR(rename("sticky/theirs", "sticky/x"), EPERM);
	close(file_make("sticky/mine", "x", 0));
	CHECK_OK(unlink("sticky/mine"));
	CHECK_ERR(mknod("sticky/device", S_IFCHR | 0600, makedev(1, 3)), EPERM);
	CHECK_OK(mknod("sticky/fifo", S_IFIFO | 0600, 0));
}

static void sticky_and_set_group_directories(void)
{
	struct stat status;

	scratch_enter();
	mkdir("sticky", 0);
	chmod("sticky", 01777);
	close(file_make("sticky/theirs", "x", 0));
	CHECK_EXITED(child_run_as_user(check_sticky, NULL), 0);
	mkdir("grouped", 0);
	REQUIRE(chown("grouped", 0, 55) == 0 && chmod("grouped", 02777) == 0);
	close(file_make("grouped/file", "x", 0));
	mkdir("grouped/dir", 0755);
	REQUIRE_OK(stat("grouped/file", &status));
	CHECK_EQ(status.st_gid, 55);
	REQUIRE_OK(stat("grouped/dir", &status));
	CHECK_EQ(status.st_gid, 55);
	CHECK_EQ(status.st_mode & 07777, 02755);
}

static void nodes(void)
{
	struct stat status;

	scratch_enter();
	CHECK_OK(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	CHECK_EQ(write(open("null", O_WRONLY), "x", 1), 1);
	CHECK_OK(mknod("plain", S_IFREG | 0600, 0));
	CHECK_OK(mknod("plain2", 0600, 0));
	REQUIRE_OK(stat("plain2", &status));
	CHECK(S_ISREG(status.st_mode));
	CHECK_ERR(mknod("dir", S_IFDIR | 0600, 0), EPERM);
	CHECK_ERR(mknod("wrong", 0150000 | 0600, 0), EINVAL);
	CHECK_ERR(mknod("plain", S_IFREG | 0600, 0), EEXIST);
	CHECK_OK(mknod("nodevice", S_IFCHR | 0600, makedev(230, 77)));
	CHECK_ERR(open("nodevice", O_RDONLY), ENXIO);
}

static void statfs_fields(void)
{
	struct statfs status;
	int pipes[2];

	scratch_enter();
	CHECK_OK(statfs(".", &status));
	CHECK_EQ(status.f_type, TMPFS_MAGIC);
	CHECK_EQ(status.f_bsize, PAGE);
	CHECK_EQ(status.f_namelen, 255);
	CHECK(status.f_blocks >= status.f_bfree && status.f_bfree > 0 && status.f_files > 0);
	CHECK_OK(statfs("/proc", &status));
	CHECK_EQ(status.f_type, PROC_MAGIC);
	REQUIRE_OK(pipe(pipes));
	CHECK_OK(fstatfs(pipes[0], &status));
	CHECK_EQ(status.f_type, PIPE_MAGIC);
	CHECK_ERR(statfs("missing", &status), ENOENT);
	CHECK_ERR(fstatfs(999, &status), EBADF);
	CHECK_ERR(statfs("/", bad_pointers[4]), EFAULT);
}

TESTS(TEST(stat_fields), TEST(statx_fields), TEST(changing_modes), TEST(changing_owners), TEST(setting_times),
      TEST(times_follow_use), TEST(umask_masks), TEST(root_may_access_all_but_execute),
      TEST(access_uses_the_real_identity), TEST(users_are_checked), TEST(sticky_and_set_group_directories), TEST(nodes),
      TEST(statfs_fields))
