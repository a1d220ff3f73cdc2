/* Every system call that takes a pointer answers EFAULT for each kind of address it may not use. */
#include "check.h"

#include <grp.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define BAD 0x0badbadbadbadbadL
#define MAPPED 0x10000000

/* A call whose argument BAD stands for is replaced by each bad address; `writes` adds a page that may only be read. */
struct call {
	const char *name;
	long number;
	long arguments[6];
	bool writes;
};

/* Descriptors and structures that make everything but the pointer right. */
enum { PIPE_READ = 100, PIPE_WRITE, FILE_FD, EPOLL_FD, EVENT_FD, DIRECTORY_FD, SOCKET_FD };

#define AT AT_FDCWD
#define READS(call, ...) { #call, SYS_##call, { __VA_ARGS__ }, false }
#define WRITES(call, ...) { #call, SYS_##call, { __VA_ARGS__ }, true }

static const char good_path[] = "file";
#define PATH (long)good_path
static char spare_bytes[512];
#define SPARE (long)spare_bytes

static const struct call path_calls[] = {
	READS(open, BAD, 0), READS(openat, AT, BAD, 0), READS(creat, BAD, 0), READS(stat, BAD, 0),
	READS(lstat, BAD, 0), READS(access, BAD, 0), READS(faccessat, AT, BAD, 0), READS(faccessat2, AT, BAD, 0, 0),
	READS(mkdir, BAD, 0), READS(mkdirat, AT, BAD, 0), READS(rmdir, BAD), READS(unlink, BAD),
	READS(unlinkat, AT, BAD, 0), READS(rename, BAD, PATH), READS(rename, PATH, BAD),
	READS(renameat, AT, BAD, AT, PATH), READS(renameat2, AT, PATH, AT, BAD, 0), READS(link, BAD, PATH),
	READS(link, PATH, BAD), READS(linkat, AT, BAD, AT, PATH, 0), READS(symlink, BAD, PATH), READS(symlink, PATH, BAD),
	READS(symlinkat, BAD, AT, PATH), READS(readlink, BAD, SPARE, 10), READS(readlinkat, AT, BAD, SPARE, 10),
	READS(chmod, BAD, 0), READS(fchmodat, AT, BAD, 0), READS(chown, BAD, 0, 0), READS(lchown, BAD, 0, 0),
	READS(fchownat, AT, BAD, 0, 0, 0), READS(truncate, BAD, 0), READS(chdir, BAD), READS(chroot, BAD),
	READS(mknod, BAD, 0, 0), READS(mknodat, AT, BAD, 0, 0), READS(utimensat, AT, BAD, 0, 0), READS(utime, BAD, 0),
	READS(utimes, BAD, 0), READS(futimesat, AT, BAD, 0), READS(statfs, BAD, SPARE), READS(execve, BAD, 0, 0),
	READS(execveat, AT, BAD, 0, 0, 0), READS(umount2, BAD, 0), READS(swapon, BAD, 0), READS(statx, AT, BAD, 0, 0, SPARE),
	READS(getxattr, BAD, PATH, SPARE, 0), READS(listxattr, BAD, SPARE, 0), READS(removexattr, BAD, PATH),
	READS(mount, 0, BAD, PATH, 0, 0), READS(memfd_create, BAD, 0),
};

static const struct call buffer_calls[] = {
	WRITES(read, PIPE_READ, BAD, 8), READS(write, PIPE_WRITE, BAD, 8), WRITES(pread64, FILE_FD, BAD, 8, 0),
	READS(pwrite64, FILE_FD, BAD, 8, 0), READS(readv, PIPE_READ, BAD, 1), READS(writev, PIPE_WRITE, BAD, 1),
	READS(preadv, FILE_FD, BAD, 1, 0), READS(pwritev, FILE_FD, BAD, 1, 0),
	READS(write, EVENT_FD, BAD, 8), WRITES(getdents64, DIRECTORY_FD, BAD, 512), WRITES(getcwd, BAD, 512),
	WRITES(readlink, (long)"link", BAD, 10), WRITES(getrandom, BAD, 8, 0), WRITES(stat, PATH, BAD),
	WRITES(lstat, PATH, BAD), WRITES(fstat, FILE_FD, BAD), WRITES(newfstatat, AT, PATH, BAD, 0),
	WRITES(statx, AT, PATH, 0, STATX_SIZE, BAD), WRITES(statfs, PATH, BAD), WRITES(fstatfs, FILE_FD, BAD),
	WRITES(pipe, BAD), WRITES(pipe2, BAD, 0), READS(sendfile, FILE_FD, FILE_FD, BAD, 1),
	READS(fcntl, FILE_FD, F_SETLK, BAD), READS(fcntl, FILE_FD, F_GETLK, BAD), READS(fcntl, FILE_FD, F_OFD_SETLK, BAD),
	WRITES(ioctl, PIPE_READ, 0x541b, BAD), READS(ioctl, FILE_FD, 0x5421, BAD), READS(openat2, AT, PATH, BAD, 24),
	READS(utimensat, AT, PATH, BAD, 0), READS(utime, PATH, BAD), READS(utimes, PATH, BAD),
	WRITES(sched_getaffinity, 0, 128, BAD), WRITES(sched_getparam, 0, BAD), WRITES(sched_rr_get_interval, 0, BAD),
	WRITES(uname, BAD), WRITES(sysinfo, BAD), WRITES(getrlimit, 7, BAD), READS(setrlimit, 7, BAD),
	WRITES(prlimit64, 0, 7, 0, BAD), WRITES(getrusage, 0, BAD), WRITES(times, BAD), WRITES(time, BAD),
	WRITES(getresuid, BAD, SPARE, SPARE), WRITES(getresuid, SPARE, SPARE, BAD), WRITES(getgroups, 16, BAD),
	WRITES(prctl, 16, BAD), WRITES(arch_prctl, 0x1003, BAD),
	WRITES(mincore, MAPPED, PAGE, BAD), WRITES(capget, (long)&(int[2]){ 0x20080522, 0 }, BAD),
};

static const struct timespec no_time;
#define ZERO_TIME (long)&no_time

static const struct call wait_calls[] = {
	READS(nanosleep, BAD, 0), READS(clock_nanosleep, 1, 0, BAD, 0), WRITES(clock_gettime, 1, BAD),
	WRITES(clock_getres, 1, BAD), READS(clock_settime, 0, BAD), WRITES(gettimeofday, BAD, 0),
	READS(settimeofday, BAD, 0), WRITES(getitimer, 0, BAD), READS(setitimer, 0, BAD, 0),
	WRITES(timer_create, 1, 0, BAD), READS(poll, BAD, 1, 0), READS(ppoll, BAD, 1, ZERO_TIME, 0, 8),
	READS(ppoll, 0, 0, BAD, 0, 8), READS(ppoll, 0, 0, ZERO_TIME, BAD, 8), READS(select, 8, BAD, 0, 0, 0),
	READS(select, 0, 0, 0, 0, BAD), READS(pselect6, 0, 0, 0, 0, BAD, 0), READS(pselect6, 0, 0, 0, 0, ZERO_TIME, BAD),
	READS(epoll_ctl, EPOLL_FD, EPOLL_CTL_MOD, EVENT_FD, BAD), WRITES(epoll_wait, EPOLL_FD, BAD, 1, 0),
	READS(epoll_pwait, EPOLL_FD, SPARE, 1, 0, BAD, 8), READS(signalfd4, -1, BAD, 8, 0),
	READS(futex, BAD, FUTEX_WAIT, 0, 0, 0, 0), READS(futex, BAD, FUTEX_WAKE, 1, 0, 0, 0),
	READS(rt_sigaction, 10, BAD, 0, 8), WRITES(rt_sigaction, 10, 0, BAD, 8), READS(rt_sigprocmask, 0, BAD, 0, 8),
	WRITES(rt_sigprocmask, 0, 0, BAD, 8), WRITES(rt_sigpending, BAD, 8), READS(rt_sigsuspend, BAD, 8),
	READS(rt_sigtimedwait, BAD, 0, ZERO_TIME, 8), READS(rt_sigtimedwait, (long)good_path, 0, BAD, 8),
	READS(rt_sigqueueinfo, 1, 0, BAD), READS(sigaltstack, BAD, 0), WRITES(sigaltstack, 0, BAD),
	WRITES(get_robust_list, 0, BAD, SPARE), READS(clone3, BAD, 88), WRITES(getcpu, BAD, 0, 0),
	READS(sched_setaffinity, 0, 8, BAD), READS(sched_setscheduler, 0, 0, BAD), READS(setgroups, 1, BAD),
	READS(sethostname, BAD, 4),
};

static const struct call socket_calls[] = {
	READS(sendto, SOCKET_FD, BAD, 8, 0, 0, 0), READS(sendmsg, SOCKET_FD, BAD, 0),
	READS(recvmsg, SOCKET_FD, BAD, MSG_DONTWAIT), WRITES(socketpair, AF_UNIX, SOCK_STREAM, 0, BAD),
	WRITES(getsockname, SOCKET_FD, SPARE, BAD), READS(connect, SOCKET_FD, BAD, 16), READS(bind, SOCKET_FD, BAD, 16),
	READS(process_vm_readv, 1, BAD, 1, PATH, 1, 0),
};

static void place(int file, int at)
{
	REQUIRE(file >= 0);
	REQUIRE(dup2(file, at) == at);
}

static void prepare(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int pipes[2], sockets[2];

	scratch_enter();
	REQUIRE_OK(pipe(pipes));
	place(pipes[0], PIPE_READ);
	place(pipes[1], PIPE_WRITE);
	REQUIRE(write(PIPE_WRITE, "0123456789", 10) == 10);
	place(file_make("file", "0123456789", 0), FILE_FD);
	REQUIRE_OK(symlink("file", "link"));
	place(epoll_create1(0), EPOLL_FD);
	place(eventfd(1, 0), EVENT_FD);
	REQUIRE_OK(epoll_ctl(EPOLL_FD, EPOLL_CTL_ADD, EVENT_FD, &event));
	place(open(".", O_RDONLY), DIRECTORY_FD);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0)
		place(sockets[0], SOCKET_FD);
	REQUIRE(mmap((void *)MAPPED, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
		(void *)MAPPED);
	REQUIRE_OK(setgroups(1, (gid_t[1]){ 5 }));
}

static void check_call(const struct call *call, const void *bad)
{
	long arguments[6], result;

	for (int i = 0; i < 6; i++)
		arguments[i] = call->arguments[i] == BAD ? (long)bad : call->arguments[i];
	errno = 0;
	result = syscall(call->number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
	if (result != -1 || errno != EFAULT)
		check_failed(__FILE__, __LINE__, "%s with %p: expected EFAULT, got %ld, errno %d", call->name, bad, result,
			     errno);
}

static void check_calls(const struct call *calls, size_t count)
{
	char *unmapped = pages_new(1), *readonly = page_readonly(), *none = pages_new(1);

	prepare();
	REQUIRE_OK(munmap(unmapped, PAGE));
	REQUIRE_OK(mprotect(none, PAGE, PROT_NONE));
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < BAD_POINTERS; j++)
			check_call(&calls[i], bad_pointers[j]);
		check_call(&calls[i], unmapped);
		check_call(&calls[i], none);
		if (calls[i].writes)
			check_call(&calls[i], readonly);
	}
}

static void paths(void)
{
	check_calls(path_calls, COUNT(path_calls));
}

static void buffers(void)
{
	check_calls(buffer_calls, COUNT(buffer_calls));
}

static void waits_signals_and_the_rest(void)
{
	check_calls(wait_calls, COUNT(wait_calls));
}

static void sockets_and_other_processes(void)
{
	int sockets[2];

	SKIP_UNLESS(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 || errno != ENOSYS, "no sockets");
	check_calls(socket_calls, COUNT(socket_calls));
}

static void failed_read_keeps_the_data(void)
{
	char text[16];

	prepare();
	CHECK_ERR(read(PIPE_READ, bad_pointers[0], 4), EFAULT);
	CHECK_EQ(read(PIPE_READ, text, sizeof(text)), 10);
	CHECK_ERR(read(EVENT_FD, page_readonly(), 8), EFAULT);
}

static void crossing_the_kernels_border(void)
{
	prepare();
	/* A length that wraps or reaches into the kernel's half is refused before anything is done. */
	CHECK_ERR(write(PIPE_WRITE, (void *)0x7fffffffe000, SIZE_MAX - 0x1000), EFAULT);
	CHECK_ERR(read(FILE_FD, (void *)0xfffffffffffff000, 0x7fffffff), EFAULT);
	CHECK_ERR(syscall(SYS_getrandom, (void *)0xffffffffffffffff, 2, 0), EFAULT);
}

static void wait_status_address(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(3);
	CHECK_ERR(syscall(SYS_wait4, pid, bad_pointers[4], 0, NULL), EFAULT);
	/* The child has been reaped all the same. */
	CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);
}

TESTS(TEST(paths), TEST(buffers), TEST(waits_signals_and_the_rest), TEST(sockets_and_other_processes), TEST(failed_read_keeps_the_data),
      TEST(crossing_the_kernels_border), TEST(wait_status_address))
