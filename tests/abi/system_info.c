/* What the system tells about itself and its limits: uname, sysinfo, getrandom, rlimits, rusage and scheduling. */
#include "check.h"

#include <sched.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void uname_fields(void)
{
	struct utsname name;
	int major = 0;

	CHECK_OK(uname(&name));
	CHECK(strcmp(name.sysname, "Linux") == 0);
	CHECK(strcmp(name.machine, "x86_64") == 0);
	/* libc refuses to start on releases that are too old. */
	CHECK(sscanf(name.release, "%d.", &major) == 1 && major >= 4);
	CHECK(name.version[0] != '\0' && name.nodename[0] != '\0');
	CHECK_ERR(uname(bad_pointers[4]), EFAULT);
}

static void host_name(void)
{
	char name[65];

	CHECK_OK(sethostname("tests", 5));
	CHECK_OK(gethostname(name, sizeof(name)));
	CHECK(strcmp(name, "tests") == 0);
	CHECK_ERR(syscall(SYS_sethostname, "x", -1), EINVAL);
	CHECK_ERR(syscall(SYS_sethostname, "x", 65), EINVAL);
	CHECK_ERR(syscall(SYS_sethostname, bad_pointers[2], 5), EFAULT);
	/* The length is an int: the register's upper half does not count. */
	CHECK_OK(syscall(SYS_sethostname, "tests", 0x100000005));
	CHECK_OK(syscall(SYS_setdomainname, "tests", 0x7fffffff00000005));
}

static void sysinfo_fields(void)
{
	struct sysinfo info;

	CHECK_OK(sysinfo(&info));
	CHECK(info.uptime > 0 && info.mem_unit == 1);
	CHECK(info.totalram > 16 << 20 && info.freeram > 0 && info.freeram < info.totalram);
	CHECK(info.procs > 0);
	CHECK_ERR(sysinfo(bad_pointers[4]), EFAULT);
}

static void getrandom_fills(void)
{
	unsigned char one[64] = { 0 }, two[64] = { 0 };
	static unsigned char large[100000];
	unsigned zeroes = 0;

	CHECK_EQ(getrandom(one, sizeof(one), 0), 64);
	CHECK_EQ(getrandom(two, sizeof(two), GRND_RANDOM), 64);
	CHECK(memcmp(one, two, 64) != 0);
	CHECK_EQ(getrandom(large, sizeof(large), GRND_NONBLOCK), sizeof(large));
	for (size_t i = 0; i < sizeof(large); i++)
		zeroes += large[i] == 0;
	CHECK(zeroes > 200 && zeroes < 700);
	CHECK_EQ(getrandom(NULL, 0, 0), 0);
	CHECK_ERR(getrandom(one, 1, 0x80), EINVAL);
	CHECK_ERR(getrandom(one, 1, GRND_RANDOM | 4), EINVAL);
	CHECK_ERR(getrandom(bad_pointers[4], 8, 0), EFAULT);
}

static void limits_are_set_and_inherited(void)
{
	struct rlimit limit = { 77, 99 }, got;

	CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &got));
	CHECK(got.rlim_cur == 77 && got.rlim_max == 99);
	CHECK_EQ(sysconf(_SC_OPEN_MAX), 77);
	pid_t pid = fork();

	if (pid == 0) {
		getrlimit(RLIMIT_NOFILE, &got);
		_exit(got.rlim_cur == 77);
	}
	CHECK_EXITED(child_wait(pid), 1);
	limit.rlim_cur = 100;
	CHECK_ERR(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
	CHECK_ERR(setrlimit(99, &limit), EINVAL);
	CHECK_ERR(getrlimit(99, &got), EINVAL);
	CHECK_ERR(syscall(SYS_getrlimit, RLIMIT_NOFILE, bad_pointers[4]), EFAULT);
	CHECK_ERR(syscall(SYS_setrlimit, RLIMIT_NOFILE, bad_pointers[2]), EFAULT);
	for (int i = 0; i < RLIM_NLIMITS; i++)
		CHECK_OK(getrlimit(i, &got));
}

static void check_user_limits(void *argument)
{
	struct rlimit limit;

	(void)argument;
	REQUIRE_OK(getrlimit(RLIMIT_FSIZE, &limit));
	limit.rlim_cur = limit.rlim_max = 1000;
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
	limit.rlim_max = 1001;
	CHECK_ERR(setrlimit(RLIMIT_FSIZE, &limit), EPERM);
	CHECK_ERR(prlimit(1, RLIMIT_FSIZE, NULL, &limit), EPERM);
}

static void prlimit_of_others(void)
{
	struct rlimit new = { 50, 60 }, old;

	CHECK_OK(prlimit(0, RLIMIT_NOFILE, &new, &old));
	CHECK(old.rlim_cur > 60);
	CHECK_OK(prlimit(getpid(), RLIMIT_NOFILE, NULL, &old));
	CHECK_EQ(old.rlim_max, 60);
	CHECK_OK(prlimit(getppid(), RLIMIT_NOFILE, NULL, &old));
	CHECK_ERR(prlimit(0x3fffffff, RLIMIT_NOFILE, NULL, &old), ESRCH);
	CHECK_ERR(prlimit(0, RLIMIT_NOFILE, bad_pointers[2], NULL), EFAULT);
	CHECK_ERR(prlimit(0, RLIMIT_NOFILE, NULL, bad_pointers[4]), EFAULT);
	CHECK_EXITED(child_run_as_user(check_user_limits, NULL), 0);
}

static void fill_stack(size_t left)
{
	char block[4096];

	/* The compiler must believe that all of it is used. */
	__asm__ volatile("movb $1, (%0)" : : "r"(block) : "memory");
	if (left > sizeof(block))
		fill_stack(left - sizeof(block));
	__asm__ volatile("" : : "r"(block) : "memory");
}

static void recurse_in_child(void *argument)
{
	fill_stack((size_t)argument);
}

static void stack_limit_bounds_growth(void)
{
	struct rlimit limit = { 1 << 20, RLIM_INFINITY };

	REQUIRE_OK(setrlimit(RLIMIT_STACK, &limit));
	CHECK_EXITED(child_run(recurse_in_child, (void *)(512 << 10)), 0);
	CHECK_EQ(child_run(recurse_in_child, (void *)(2 << 20)) & 0x7f, SIGSEGV);
	limit.rlim_cur = 4 << 20;
	REQUIRE_OK(setrlimit(RLIMIT_STACK, &limit));
	CHECK_EXITED(child_run(recurse_in_child, (void *)(2 << 20)), 0);
}

static void spin(void *argument)
{
	(void)argument;
	for (;;)
		;
}

static void processor_time_limit(void)
{
	struct rlimit limit = { 1, 2 };

	REQUIRE_OK(setrlimit(RLIMIT_CPU, &limit));
	CHECK_EQ(child_run(spin, NULL) & 0x7f, SIGXCPU);
}

static void check_process_limit(void *argument)
{
	struct rlimit limit = { 0, 0 };

	(void)argument;
	REQUIRE_OK(setrlimit(RLIMIT_NPROC, &limit));
	CHECK_ERR(fork(), EAGAIN);
}

static void process_limit_binds_users(void)
{
	CHECK_EXITED(child_run_as_user(check_process_limit, NULL), 0);
}

static void usage(void)
{
	struct rusage self, children;

	CHECK_OK(getrusage(RUSAGE_SELF, &self));
	CHECK(self.ru_maxrss > 0 && self.ru_minflt > 0);
	CHECK_OK(getrusage(RUSAGE_THREAD, &self));
	CHECK_OK(getrusage(RUSAGE_CHILDREN, &children));
	CHECK(children.ru_minflt == 0 && children.ru_utime.tv_sec == 0);
	child_run(recurse_in_child, (void *)(100 << 10));
	CHECK_OK(getrusage(RUSAGE_CHILDREN, &children));
	CHECK(children.ru_minflt > 0);
	for (int i = 0; i < 3; i++)
		time_pause();
	getrusage(RUSAGE_SELF, &self);
	CHECK(self.ru_nvcsw >= 3);
	CHECK_ERR(syscall(SYS_getrusage, 5, &self), EINVAL);
	CHECK_ERR(syscall(SYS_getrusage, RUSAGE_SELF, bad_pointers[4]), EFAULT);
}

static void affinity(void)
{
	unsigned long mask[16] = { 0 }, one[16] = { 1 };
	long size = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);

	CHECK(size > 0 && size % 8 == 0);
	CHECK(mask[0] & 1);
	CHECK_OK(syscall(SYS_sched_setaffinity, 0, sizeof(one), one));
	CHECK_OK(syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask));
	CHECK_EQ(mask[0], 1);
	CHECK_EQ(sched_getcpu(), 0);
	one[0] = 0;
	CHECK_ERR(syscall(SYS_sched_setaffinity, 0, sizeof(one), one), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getaffinity, 0, 7, mask), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getaffinity, 0x3fffffff, sizeof(mask), mask), ESRCH);
	CHECK_ERR(syscall(SYS_sched_setaffinity, 0, 8, bad_pointers[2]), EFAULT);
	CHECK_ERR(syscall(SYS_sched_getaffinity, 0, sizeof(mask), bad_pointers[4]), EFAULT);
}

static void policies(void)
{
	struct sched_param parameter = { 0 };
	struct timespec interval;

	CHECK_OK(sched_yield());
	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
	CHECK_EQ(sched_get_priority_min(SCHED_RR), 1);
	CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
	CHECK_ERR(sched_get_priority_max(99), EINVAL);
	CHECK_OK(sched_setscheduler(0, SCHED_BATCH, &parameter));
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	parameter.sched_priority = 5;
	CHECK_ERR(sched_setscheduler(0, SCHED_OTHER, &parameter), EINVAL);
	CHECK_ERR(sched_setparam(0, &parameter), EINVAL);
	CHECK_ERR(sched_getscheduler(-1), EINVAL);
	CHECK_ERR(sched_getscheduler(0x3fffffff), ESRCH);
	CHECK_OK(sched_getparam(0, &parameter));
	CHECK_EQ(parameter.sched_priority, 0);
	CHECK_OK(sched_rr_get_interval(0, &interval));
	CHECK_ERR(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, bad_pointers[2]), EFAULT);
}

static void nice_values(void)
{
	CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 20);
	CHECK_OK(setpriority(PRIO_PROCESS, 0, 5));
	/* The call itself answers 20 minus the value. */
	CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 15);
	CHECK_OK(setpriority(PRIO_PROCESS, 0, -100));
	CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 40);
	CHECK_ERR(setpriority(99, 0, 0), EINVAL);
	CHECK_ERR(setpriority(PRIO_PROCESS, 0x3fffffff, 0), ESRCH);
}

TESTS(TEST(uname_fields), TEST(host_name), TEST(sysinfo_fields), TEST(getrandom_fills),
      TEST(limits_are_set_and_inherited), TEST(prlimit_of_others), TEST(stack_limit_bounds_growth),
      TEST(processor_time_limit), TEST(process_limit_binds_users), TEST(usage), TEST(affinity), TEST(policies),
      TEST(nice_values))
