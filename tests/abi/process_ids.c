/* User and group identities, process groups, sessions and the plain prctl operations. */
#include "check.h"

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

/* glibc's wrappers change all threads; the calls themselves change one. */
#define raw_setresuid(real, effective, saved) syscall(SYS_setresuid, real, effective, saved)
#define raw_setresgid(real, effective, saved) syscall(SYS_setresgid, real, effective, saved)

static void check_uids(uid_t real, uid_t effective, uid_t saved)
{
	uid_t ids[3];

	CHECK_OK(getresuid(&ids[0], &ids[1], &ids[2]));
	CHECK_EQ(ids[0], real);
	CHECK_EQ(ids[1], effective);
	CHECK_EQ(ids[2], saved);
	CHECK_EQ(getuid(), real);
	CHECK_EQ(geteuid(), effective);
}

static void setresuid_and_setreuid(void)
{
	check_uids(0, 0, 0);
	CHECK_OK(raw_setresuid(10, 20, 30));
	check_uids(10, 20, 30);
	CHECK_OK(raw_setresuid(-1, 30, -1));
	check_uids(10, 30, 30);
	CHECK_ERR(raw_setresuid(0, -1, -1), EPERM);
	CHECK_OK(syscall(SYS_setreuid, -1, 10));
	/* The effective id is now the real one, so the saved one stays. */
	check_uids(10, 10, 30);
	CHECK_OK(syscall(SYS_setreuid, 10, 30));
	check_uids(10, 30, 30);
}

static void setuid_drops_all_for_root(void)
{
	CHECK_OK(syscall(SYS_setuid, 1000));
	check_uids(1000, 1000, 1000);
	CHECK_ERR(syscall(SYS_setuid, 0), EPERM);
	CHECK_ERR(syscall(SYS_setgid, 5), EPERM);
	CHECK_ERR(syscall(SYS_setgroups, 0, NULL), EPERM);
	CHECK_OK(syscall(SYS_setuid, 1000));
	CHECK_ERR(syscall(SYS_setuid, -1), EINVAL);
}

static void effective_root_comes_back(void)
{
	CHECK_OK(raw_setresuid(-1, 1000, -1));
	check_uids(0, 1000, 0);
	CHECK_ERR(syscall(SYS_sethostname, "x", 1), EPERM);
	CHECK_OK(raw_setresuid(-1, 0, -1));
	check_uids(0, 0, 0);
}

static void gids(void)
{
	gid_t ids[3];

	CHECK_OK(raw_setresgid(1, 2, 3));
	CHECK_OK(getresgid(&ids[0], &ids[1], &ids[2]));
	CHECK(ids[0] == 1 && ids[1] == 2 && ids[2] == 3);
	CHECK_EQ(getgid(), 1);
	CHECK_EQ(getegid(), 2);
	CHECK_OK(syscall(SYS_setregid, 4, 5));
	CHECK_OK(getresgid(&ids[0], &ids[1], &ids[2]));
	CHECK(ids[0] == 4 && ids[1] == 5 && ids[2] == 5);
	CHECK_OK(syscall(SYS_setgid, 7));
	CHECK_OK(getresgid(&ids[0], &ids[1], &ids[2]));
	CHECK(ids[0] == 7 && ids[1] == 7 && ids[2] == 7);
}

static void supplementary_groups(void)
{
	gid_t groups[3] = { 30, 10, 20 }, got[3] = { 0 };

	CHECK_OK(syscall(SYS_setgroups, 3, groups));
	CHECK_EQ(getgroups(0, NULL), 3);
	CHECK_EQ(getgroups(3, got), 3);
	CHECK(got[0] + got[1] + got[2] == 60);
	CHECK_ERR(getgroups(2, got), EINVAL);
	CHECK_ERR(getgroups(-1, got), EINVAL);
	CHECK_ERR(syscall(SYS_setgroups, 65537, groups), EINVAL);
	CHECK_ERR(syscall(SYS_setgroups, 1, bad_pointers[2]), EFAULT);
	CHECK_OK(syscall(SYS_setgroups, 0, NULL));
	CHECK_EQ(getgroups(3, got), 0);
}

static void fsuid_answers_the_old_one(void)
{
	CHECK_EQ(syscall(SYS_setfsuid, 1000), 0);
	CHECK_EQ(syscall(SYS_setfsuid, -1), 1000);
	CHECK_EQ(syscall(SYS_setfsgid, 50), 0);
	CHECK_EQ(syscall(SYS_setfsgid, -1), 50);
	/* A change of the effective id changes this one too. */
	CHECK_OK(raw_setresuid(0, 0, 0));
	CHECK_EQ(syscall(SYS_setfsuid, -1), 0);
}

static void session_of_its_own(void)
{
	CHECK_EQ(getsid(0), getpid());
	CHECK_EQ(getpgrp(), getpid());
	CHECK_ERR(setsid(), EPERM);
	CHECK_ERR(setpgid(0, 0), EPERM);
	CHECK_ERR(getsid(0x3fffffff), ESRCH);
	CHECK_ERR(getpgid(0x3fffffff), ESRCH);
	CHECK_ERR(getpgid(-1), ESRCH);
}

static void child_of_session(void *argument)
{
	pid_t leader = *(pid_t *)argument;

	CHECK_EQ(getsid(0), leader);
	CHECK_EQ(getpgid(0), leader);
	CHECK_OK(setpgid(0, 0));
	CHECK_EQ(getpgrp(), getpid());
	CHECK_OK(setpgid(0, leader));
	CHECK_EQ(getpgrp(), leader);
	CHECK_EQ(setsid(), getpid());
	CHECK_EQ(getsid(leader), leader);
}

static void groups_of_processes(void)
{
	pid_t self = getpid();

	CHECK_EXITED(child_run(child_of_session, &self), 0);
	CHECK_ERR(setpgid(0x3fffffff, 0), ESRCH);
	CHECK_ERR(setpgid(0, -1), EINVAL);
	CHECK_ERR(setpgid(1, 1), ESRCH);
	CHECK_ERR(setpgid(-5, 0), EINVAL);
}

static void pause_child(void *argument)
{
	(void)argument;
	pause();
}

static void session_child(void *argument)
{
	(void)argument;
	setsid();
	pause();
}

static void setpgid_of_a_child(void)
{
	pid_t first = child_start(pause_child, NULL), second = child_start(pause_child, NULL);
	pid_t other = child_start(session_child, NULL);

	CHECK_OK(setpgid(first, first));
	CHECK_OK(setpgid(second, first));
	CHECK_EQ(getpgid(second), first);
	CHECK_ERR(setpgid(second, 0x3fffffff), EPERM);
	CHECK(WAIT_UNTIL(getsid(other) == other));
	CHECK_ERR(setpgid(other, first), EPERM);
	CHECK_OK(kill(-first, SIGTERM));
	CHECK_KILLED(child_wait(first), SIGTERM);
	CHECK_KILLED(child_wait(second), SIGTERM);
	CHECK_ERR(kill(-first, 0), ESRCH);
	kill(other, SIGKILL);
	child_wait(other);
}

static void exec_self(void *argument)
{
	execl(program_path, program_path, "nothing", NULL);
	_exit(*(int *)argument);
}

static void setpgid_after_exec_is_refused(void)
{
	int pipes[2];
	char byte;
	pid_t pid;

	REQUIRE_OK(pipe2(pipes, O_CLOEXEC));
	pid = fork();
	if (pid == 0)
		exec_self(&pipes[0]);
	close(pipes[1]);
	/* The write end closes at the exec. */
	CHECK_EQ(read(pipes[0], &byte, 1), 0);
	CHECK_ERR(setpgid(pid, pid), EACCES);
	child_wait(pid);
}

static void thread_name(void)
{
	char name[17] = { 0 }, text[64];

	CHECK_OK(prctl(PR_SET_NAME, "a-name-that-is-too-long"));
	CHECK_OK(prctl(PR_GET_NAME, name));
	CHECK(strcmp(name, "a-name-that-is-") == 0);
	REQUIRE(file_read("/proc/self/comm", text, sizeof(text)));
	CHECK(strcmp(text, "a-name-that-is-\n") == 0);
	CHECK_ERR(prctl(PR_SET_NAME, bad_pointers[4]), EFAULT);
	CHECK_ERR(prctl(PR_GET_NAME, bad_pointers[2]), EFAULT);
}

static void prctl_flags(void)
{
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK_OK(prctl(PR_SET_DUMPABLE, 0));
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	CHECK_ERR(prctl(PR_SET_DUMPABLE, 2), EINVAL);
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
	CHECK_ERR(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_ERR(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0), EINVAL);
	CHECK_ERR(prctl(9999), EINVAL);
}

static void check_user_ids(void *argument)
{
	(void)argument;
	check_uids(1000, 1000, 1000);
	CHECK_ERR(raw_setresuid(-1, 0, -1), EPERM);
	CHECK_ERR(raw_setresgid(0, -1, -1), EPERM);
	CHECK_ERR(kill(1, 0), EPERM);
	CHECK_ERR(kill(getppid(), SIGTERM), EPERM);
	CHECK_EQ(getgroups(0, NULL), 0);
	CHECK_ERR(nice(-1), EPERM);
}

static void user_may_not(void)
{
	CHECK_EXITED(child_run_as_user(check_user_ids, NULL), 0);
}

static void check_setuid_program(void *argument)
{
	execl(argument, argument, "ids", NULL);
	_exit(99);
}

static int copy_program(const char *path)
{
	char *data = malloc(4 << 20);
	int from = open(program_path, O_RDONLY), to = open(path, O_CREAT | O_WRONLY, 0755);
	ssize_t size = read(from, data, 4 << 20);

	REQUIRE(size > 0 && write(to, data, size) == size);
	close(from);
	return to;
}

static void set_user_id_program(void)
{
	int file;

	scratch_enter();
	file = copy_program("program");
	fchown(file, 0, 77);
	fchmod(file, 06755);
	close(file);
	/* The mode exits with 1 for an effective root and 2 for the effective group. */
	CHECK_EXITED(child_run_as_user(check_setuid_program, "./program"), 7);
}

static const struct test tests[] = {
	TEST(setresuid_and_setreuid), TEST(setuid_drops_all_for_root), TEST(effective_root_comes_back), TEST(gids),
	TEST(supplementary_groups), TEST(fsuid_answers_the_old_one), TEST(session_of_its_own), TEST(groups_of_processes),
	TEST(setpgid_of_a_child), TEST(setpgid_after_exec_is_refused), TEST(thread_name), TEST(prctl_flags),
	TEST(user_may_not), TEST(set_user_id_program),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "ids") == 0)
		return (geteuid() == 0 && getuid() == 1000) + 2 * (getegid() == 77) + 4 * (getenv("LD_PRELOAD") == NULL);
	if (argc > 1 && strcmp(argv[1], "nothing") == 0)
		return 0;
	return tests_run(argc, argv, tests, COUNT(tests));
}
