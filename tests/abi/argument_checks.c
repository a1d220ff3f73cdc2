/* Which of several wrong arguments a call reports, and other small print, as random calls on Linux and here have shown it. */
#include "check.h"

#include <grp.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <termios.h>
#include <sys/vfs.h>

static void queued_signals(void)
{
	siginfo_t info = { .si_code = SI_USER };

	/* The code of another's signal comes before whether there is such a process. */
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, 0, SIGUSR1, &info), EPERM);
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, 0x3fffffff, SIGUSR1, &info), EPERM);
	info.si_code = SI_QUEUE;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, 0, SIGUSR1, &info), ESRCH);
	CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, 0, gettid(), SIGUSR1, bad_pointers[4]), EFAULT);
	CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, 0, gettid(), SIGUSR1, &info), EINVAL);
}

static void groups_that_are_none(void)
{
	gid_t groups[2] = { 5, (gid_t)-1 };

	CHECK_ERR(syscall(SYS_setgroups, 2, groups), EINVAL);
	CHECK_OK(syscall(SYS_setgroups, 1, groups));
}

static void clocks_that_are_not_adjusted(void)
{
	struct timex time = { 0 };

	CHECK_ERR(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, bad_pointers[4]), EFAULT);
	CHECK_ERR(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &time), EOPNOTSUPP);
}

static void nothing_to_restart(void)
{
	struct pollfd none = { .fd = -1 };

	CHECK_ERR(syscall(SYS_restart_syscall), EINTR);
	CHECK_EQ(poll(&none, 1, 1), 0);
	CHECK_ERR(syscall(SYS_restart_syscall), EINTR);
	CHECK_OK(nanosleep(&(struct timespec){ .tv_nsec = 1000 }, NULL));
	CHECK_ERR(syscall(SYS_restart_syscall), EINTR);
}

static long openat2_in_root(int directory, const char *path)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT };

	return syscall(SYS_openat2, directory, path, &how, sizeof(how));
}

static void a_pipe_is_no_root(void)
{
	int pipes[2], memory = memfd_create("root", 0);

	REQUIRE_OK(pipe(pipes));
	CHECK_ERR(openat2_in_root(pipes[0], "/a"), ENOTDIR);
	CHECK_ERR(openat2_in_root(pipes[0], "a"), ENOTDIR);
	CHECK_ERR(openat2_in_root(memory, "/a"), ENOTDIR);
	CHECK_ERR(openat2_in_root(memory, "/"), ENOTDIR);
}

static void vectors(void)
{
	struct iovec none = { NULL, 0 }, some = { "abc", 3 };
	int event = eventfd(0, EFD_NONBLOCK), set = epoll_create1(0), pipes[2], file;

	scratch_enter();
	file = file_make("a", "text", 0);
	REQUIRE_OK(pipe(pipes));
	CHECK_ERR(readv(set, &none, 1), EINVAL);
	CHECK_ERR(readv(pipes[1], bad_pointers[4], 1), EFAULT);
	CHECK_ERR(readv(pipes[1], &none, 1), EBADF);
	CHECK_ERR(syscall(SYS_preadv2, event, &none, 1, 0, 0, 0x100), ESPIPE);
	CHECK_EQ(syscall(SYS_pwritev2, file, &none, 1, 0, 0, 0x100), 0);
	CHECK_ERR(syscall(SYS_pwritev2, file, &some, 1, 0, 0, 0x100), EOPNOTSUPP);
	CHECK_ERR(pwrite(file, "x", 1, INT64_MAX), EINVAL);
	CHECK_ERR(pread(file, &file, 1, INT64_MAX), EINVAL);
}

static void files_without_a_place(void)
{
	int event = eventfd(0, 0), set = epoll_create1(0), process = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct statfs status;

	CHECK_EQ(lseek(event, 5, SEEK_SET), 0);
	CHECK_EQ(lseek(set, 5, SEEK_END), 0);
	CHECK_ERR(lseek(event, 0, 5), EINVAL);
	CHECK_ERR(lseek(process, 0, SEEK_SET), ESPIPE);
	CHECK_OK(fstatfs(event, &status));
	CHECK_EQ(status.f_type, 0x09041934);
	CHECK_ERR(fstatfs(event, bad_pointers[4]), EFAULT);
}

static void copies_between_files(void)
{
	int file, other, memory = memfd_create("copy", 0), set = epoll_create1(0);
	loff_t in = 2, out = INT64_MAX - 1;

	scratch_enter();
	file = file_make("a", "0123456789", 0);
	other = file_make("b", "", 0);
	CHECK_ERR(copy_file_range(file, &in, memory, NULL, 4, 0), EXDEV);
	CHECK_ERR(copy_file_range(file, bad_pointers[4], other, NULL, 4, 9), EFAULT);
	CHECK_ERR(copy_file_range(file, &in, other, &out, SIZE_MAX - 1, 0), EOVERFLOW);
	/* The ranges meet only behind the end of the file. */
	in = 8;
	out = 10;
	CHECK_EQ(copy_file_range(file, &in, file, &out, 100, 0), 2);
	CHECK_ERR(sendfile(other, set, &in, 4), ESPIPE);
	CHECK_ERR(sendfile(set, file, bad_pointers[4], 4), EFAULT);
}

static void splices(void)
{
	int pipes[2], file, event = eventfd(0, 0);
	char byte;
	struct iovec some = { &byte, 1 };
	loff_t at = 0;

	scratch_enter();
	file = file_make("a", "text", 0);
	REQUIRE_OK(pipe(pipes));
	CHECK_ERR(splice(pipes[0], &at, event, NULL, 5, 0), ESPIPE);
	CHECK_ERR(splice(pipes[1], &at, file, NULL, 5, 0), ESPIPE);
	CHECK_ERR(splice(file, bad_pointers[4], pipes[0], NULL, 5, 0), EFAULT);
	CHECK_ERR(splice(file, &at, pipes[0], NULL, 5, 0), EBADF);
	CHECK_ERR(vmsplice(pipes[0], &some, 1, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(write(pipes[1], "x", 1), 1);
	CHECK_EQ(vmsplice(pipes[0], &some, 1, SPLICE_F_NONBLOCK), 1);
	fcntl(pipes[1], F_SETFL, O_NONBLOCK);
	while (write(pipes[1], pages_new(1), PAGE) > 0)
		;
	fcntl(pipes[1], F_SETFL, 0);
	CHECK_ERR(vmsplice(pipes[1], &some, 1, SPLICE_F_NONBLOCK), EAGAIN);
}

/* What was written to a pseudo-terminal counts as sent, though nobody has read it. */
static void pseudo_terminals_have_drained(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	struct termios settings;

	REQUIRE_OK(master);
	REQUIRE(unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	REQUIRE_OK(slave);
	CHECK_EQ(write(slave, "unread", 6), 6);
	CHECK_OK(tcdrain(slave));
	CHECK_OK(tcgetattr(slave, &settings));
	CHECK_OK(tcsetattr(slave, TCSADRAIN, &settings));
	CHECK_OK(tcsetattr(master, TCSADRAIN, &settings));
}

static void chown_of_others(void *argument)
{
	(void)argument;
	CHECK_OK(chown("plain", (uid_t)-1, (gid_t)-1));
	CHECK_ERR(chown("plain", (uid_t)-1, 1000), EPERM);
	CHECK_ERR(chown("set", (uid_t)-1, (gid_t)-1), EPERM);
}

static void owners_that_stay(void)
{
	scratch_enter();
	REQUIRE(chmod(".", 0777) == 0);
	file_make("plain", "x", 1);
	file_make("set", "x", 1);
	REQUIRE(chmod("set", 04755) == 0);
	CHECK_EXITED(child_run_as_user(chown_of_others, NULL), 0);
}

static void files_that_take_nothing(void)
{
	int maps = open("/proc/self/maps", O_RDWR), memory = open("/proc/meminfo", O_WRONLY);

	REQUIRE_OK(maps);
	REQUIRE_OK(memory);
	CHECK_ERR(write(maps, "x", 1), EINVAL);
	CHECK_ERR(write(memory, "x", 1), EIO);
}

TESTS(TEST(owners_that_stay), TEST(files_that_take_nothing), TEST(splices), TEST(pseudo_terminals_have_drained), TEST(a_pipe_is_no_root), TEST(vectors), TEST(files_without_a_place), TEST(copies_between_files),
      TEST(queued_signals), TEST(groups_that_are_none), TEST(clocks_that_are_not_adjusted), TEST(nothing_to_restart))
