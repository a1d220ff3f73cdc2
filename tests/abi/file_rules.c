/* Rules of files that few programs meet: whiteouts, links that are not trusted, devices, places of other file systems, writers of mounts. */
#include "check.h"

#include <linux/random.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#ifndef RENAME_WHITEOUT
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#endif

static void whiteouts(void)
{
	struct stat status;

	scratch_enter();
	file_make("a", "a", 1);
	file_make("b", "b", 1);
	CHECK_ERR(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
	CHECK_ERR(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_WHITEOUT | RENAME_NOREPLACE), EEXIST);
	CHECK_OK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_WHITEOUT));
	REQUIRE_OK(lstat("a", &status));
	CHECK(S_ISCHR(status.st_mode));
	CHECK_EQ(status.st_rdev, makedev(0, 0));
	CHECK_ERR(open("a", O_RDONLY), ENXIO);
	CHECK_OK(unlink("a"));
}

static void slashes_and_other_systems(void)
{
	scratch_enter();
	file_make("f", "f", 1);
	CHECK_ERR(open("f/", O_RDWR | O_CREAT, 0600), EISDIR);
	CHECK_ERR(open("f/", O_RDWR), ENOTDIR);
	CHECK_ERR(open("new/", O_RDWR | O_CREAT, 0600), EISDIR);
	CHECK_ERR(rename("f", "/proc/new"), EXDEV);
	CHECK_ERR(rename("/proc/self", "/proc/new"), ENOENT);
	CHECK_ERR(mkdir("/proc/new", 0700), ENOENT);
	CHECK_ERR(chmod("/proc/self/stat", 0600), EPERM);
	if (access("/dev/pts/ptmx", F_OK) == 0) {
		CHECK_ERR(mkdir("/dev/pts/new", 0700), EPERM);
		CHECK_ERR(mknod("/dev/pts/new", S_IFCHR | 0600, makedev(1, 3)), EPERM);
		CHECK_ERR(open("/dev/pts/new", O_RDWR | O_CREAT, 0600), EACCES);
		CHECK_ERR(unlink("/dev/pts/ptmx"), EPERM);
		CHECK_ERR(rename("/dev/pts/ptmx", "/dev/pts/new"), EPERM);
	}
}

static void directories_have_a_size(void)
{
	struct stat status;

	scratch_enter();
	REQUIRE_OK(mkdir("d", 0700));
	REQUIRE_OK(stat("d", &status));
	CHECK_EQ(status.st_size, 40);
	file_make("d/f", "f", 1);
	REQUIRE_OK(stat("d", &status));
	CHECK_EQ(status.st_size, 60);
	CHECK_ERR(lseek(open("d", O_RDONLY), 0, SEEK_END), EINVAL);
}

/* With fs.protected_hardlinks and fs.protected_symlinks, which Debian has on from the start. */
static void links_as_user(void *argument)
{
	struct stat status;

	(void)argument;
	CHECK_ERR(link("secret", "stolen"), EPERM);
	CHECK_ERR(link("readable", "stolen"), EPERM);
	CHECK_ERR(link("set", "stolen"), EPERM);
	CHECK_OK(link("common", "shared"));
	CHECK_ERR(open("sticky/roots", O_RDONLY), ENOENT);
	CHECK_OK(symlink("../common", "sticky/own"));
	CHECK_OK(open("sticky/own", O_RDONLY));
	CHECK_OK(lstat("sticky/own", &status));
}

static void links_that_are_not_trusted(void)
{
	int file;

	scratch_enter();
	REQUIRE_OK(chmod(".", 0777));
	file_make("secret", "s", 1);
	REQUIRE_OK(chmod("secret", 0600));
	file_make("readable", "s", 1);
	REQUIRE_OK(chmod("readable", 0644));
	file_make("set", "s", 1);
	REQUIRE_OK(chmod("set", 04777));
	file_make("common", "s", 1);
	REQUIRE_OK(chmod("common", 0666));
	REQUIRE_OK(mkdir("sticky", 0777));
	REQUIRE_OK(chown("sticky", 2000, 2000));
	REQUIRE_OK(chmod("sticky", 01777));
	REQUIRE_OK(symlink("../nothing", "sticky/roots"));
	REQUIRE_OK(lchown("sticky/roots", 2000, 2000)); /* the directory's owner is followed */
	CHECK_EXITED(child_run_as_user(links_as_user, NULL), 0);
	/* Nobody but he himself follows a user's link in such a directory, not even root; on the way it is followed. */
	CHECK_ERR(open("sticky/own", O_RDONLY), EACCES);
	CHECK_ERR(truncate("sticky/own", 0), EACCES);
	REQUIRE_OK(unlink("sticky/own"));
	REQUIRE_OK(symlink("..", "sticky/up"));
	REQUIRE_OK(lchown("sticky/up", 1000, 1000));
	CHECK_OK(file = open("sticky/up/common", O_RDONLY));
	CHECK_ERR(open("sticky/up", O_RDONLY), EACCES);
}

static void maps_of_others(void *argument)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/maps", *(pid_t *)argument);
	CHECK_ERR(open(path, O_RDONLY), EACCES);
	CHECK_OK(open("/proc/self/maps", O_RDONLY));
}

static void maps_are_private(void)
{
	pid_t self = getpid();

	CHECK_EXITED(child_run_as_user(maps_of_others, &self), 0);
}

static void memory_devices(void)
{
	int zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR), random = open("/dev/urandom", O_RDONLY), bits = 0;
	char *private, *shared, byte;
	pid_t child;

	REQUIRE(zero >= 0 && full >= 0 && random >= 0);
	private = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, PAGE);
	REQUIRE(private != MAP_FAILED);
	CHECK_EQ(private[PAGE], 0);
	private[PAGE] = 1;
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
	REQUIRE(shared != MAP_FAILED);
	child = fork();
	if (child == 0) {
		shared[5] = 7;
		_exit(private[PAGE] != 1);
	}
	CHECK_EXITED(child_wait(child), 0);
	CHECK_EQ(shared[5], 7);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, full, 0) == MAP_FAILED && errno == ENODEV);
	CHECK_ERR(write(full, "", 0), ENOSPC);
	CHECK_EQ(lseek(random, 5, SEEK_SET), 0);
	CHECK_OK(ioctl(random, RNDGETENTCNT, &bits));
	CHECK(bits > 0);
	CHECK_ERR(ioctl(random, TCGETS, &bits), EINVAL);
	CHECK_EQ(read(random, &byte, 1), 1);
	CHECK_EQ(read(random, &byte, 0), 0);
}

static void places_are_not_waited_for(void)
{
	int place = open("/", O_PATH), set = epoll_create1(0);
	struct pollfd poll_one = { .fd = place, .events = POLLIN };
	struct epoll_event event = { .events = EPOLLIN };

	REQUIRE(place >= 0 && set >= 0);
	CHECK_EQ(poll(&poll_one, 1, -1), 1);
	CHECK_EQ(poll_one.revents, POLLNVAL);
	CHECK_ERR(epoll_ctl(set, EPOLL_CTL_ADD, place, &event), EBADF);
	CHECK_EQ(flock(set, LOCK_MAND), 0);
}

static void a_fifo_that_had_a_writer(void)
{
	struct pollfd reader = { .events = POLLIN };
	int writer;

	scratch_enter();
	REQUIRE_OK(mkfifo("fifo", 0600));
	for (int round = 0; round < 2; round++) {
		REQUIRE_OK(reader.fd = open("fifo", O_RDONLY | O_NONBLOCK));
		CHECK_EQ(poll(&reader, 1, 0), 0); /* no writer yet is no hang-up, also when there was one before */
		REQUIRE_OK(writer = open("fifo", O_WRONLY));
		CHECK_EQ(poll(&reader, 1, 0), 0);
		close(writer);
		CHECK_EQ(poll(&reader, 1, 0), 1);
		CHECK_EQ(reader.revents, POLLHUP);
		close(reader.fd);
	}
}

static void writers_keep_a_mount_writable(void)
{
	int file;

	scratch_enter();
	REQUIRE_OK(mkdir("m", 0700));
	REQUIRE_OK(mount("t", "m", "tmpfs", 0, NULL));
	REQUIRE_OK(file = open("m/f", O_CREAT | O_RDWR, 0600));
	CHECK_ERR(mount("t", "m", "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
	close(file);
	CHECK_OK(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	CHECK_ERR(open("m/f", O_RDWR), EROFS);
	CHECK_OK(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND, NULL));
	CHECK_OK(file = open("m/f", O_RDWR));
	close(file);
	CHECK_OK(mount("t", "m", "tmpfs", MS_REMOUNT | MS_RDONLY, NULL));
	CHECK_ERR(open("m/f", O_RDWR), EROFS);
	CHECK_OK(umount("m"));
}

TESTS(TEST(whiteouts), TEST(slashes_and_other_systems), TEST(directories_have_a_size), TEST(links_that_are_not_trusted),
      TEST(maps_are_private), TEST(memory_devices), TEST(places_are_not_waited_for), TEST(a_fifo_that_had_a_writer),
      TEST(writers_keep_a_mount_writable))
