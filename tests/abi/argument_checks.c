/* Which of several wrong arguments a call reports, and other small print, as random calls on Linux and here have shown it. */
#include "check.h"

#include <grp.h>
#include <poll.h>
#include <sys/timex.h>

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

TESTS(TEST(queued_signals), TEST(groups_that_are_none), TEST(clocks_that_are_not_adjusted), TEST(nothing_to_restart))
