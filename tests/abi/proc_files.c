/* The files of /proc that ps, top, free, uptime and libc read. */
#include "check.h"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static char text[65536];

static void read_text(const char *path)
{
	REQUIRE(file_read(path, text, sizeof(text)));
}

/* The number behind a line's label, -1 if there is no such line. */
static long labelled(const char *label)
{
	size_t length = strlen(label);

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, label, length) == 0 && line[length] == ':')
			return strtol(line + length + 1, NULL, 0);
	return -1;
}

static void stat_of_self(void)
{
	int pid, parent, group, session, fields = 0;
	char state;

	prctl(PR_SET_NAME, "a b) c");
	read_text("/proc/self/stat");
	REQUIRE(strncmp(strchr(text, ' '), " (a b) c) ", 10) == 0);
	pid = atoi(text);
	CHECK_EQ(sscanf(strrchr(text, ')') + 2, "%c %d %d %d", &state, &parent, &group, &session), 4);
	CHECK(pid == getpid() && state == 'R' && parent == getppid() && group == getpgrp() && session == getsid(0));
	for (const char *at = strrchr(text, ')') + 1; *at; at++)
		fields += *at == ' ';
	CHECK_EQ(fields, 50);
	CHECK_EQ(text[strlen(text) - 1], '\n');
}

static void stat_fields_have_meaning(void)
{
	unsigned long user, system, start, size, start_code, start_stack;
	long resident, threads;

	read_text("/proc/self/stat");
	CHECK_EQ(sscanf(strrchr(text, ')') + 2,
			"%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %ld %*d %lu %lu %ld %*u %lu %*u %lu",
			&user, &system, &threads, &start, &size, &resident, &start_code, &start_stack), 8);
	CHECK_EQ(threads, 1);
	CHECK(start > 0 && size > PAGE && resident > 0);
	CHECK(start_stack > (uintptr_t)&user);
	CHECK(start_code != 0 && start_code < (uintptr_t)stat_fields_have_meaning);
}

static void status_of_self(void)
{
	struct rlimit limit;

	signal_set(SIGUSR1, SIG_IGN, 0);
	signal_block(SIGUSR2);
	REQUIRE_OK(getrlimit(RLIMIT_NOFILE, &limit));
	prctl(PR_SET_NAME, "status");
	read_text("/proc/self/status");
	CHECK(strncmp(text, "Name:\tstatus\n", 13) == 0);
	CHECK(strstr(text, "\nState:\tR (running)\n"));
	CHECK_EQ(labelled("Pid"), getpid());
	CHECK_EQ(labelled("PPid"), getppid());
	CHECK_EQ(labelled("Tgid"), getpid());
	CHECK_EQ(labelled("Threads"), 1);
	CHECK(strstr(text, "\nUid:\t0\t0\t0\t0\n"));
	CHECK(labelled("VmSize") > 0 && labelled("VmRSS") > 0);
	CHECK(strstr(text, "\nSigBlk:\t0000000000000800\n"));
	CHECK(strstr(text, "\nSigIgn:\t0000000000000200\n"));
	CHECK(strstr(text, "\nSigCgt:\t") && strstr(text, "\nCpus_allowed:\t") && strstr(text, "\nCapEff:\t"));
}

static bool maps_has(const void *address, const char *permissions, const char *name)
{
	unsigned long start, end;
	char flags[8];

	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		REQUIRE(sscanf(line, "%lx-%lx %7s", &start, &end, flags) == 3);
		if ((unsigned long)address >= start && (unsigned long)address < end) {
			*strchr(line, '\n') = '\0';
			bool found = strcmp(flags, permissions) == 0 && strstr(line, name);

			line[strlen(line)] = '\n';
			return found;
		}
	}
	return false;
}

static void maps_of_self(void)
{
	char *pages = pages_new(3), *shared = pages_shared(1), path[64];
	int local, file;

	scratch_enter();
	REQUIRE(getcwd(path, sizeof(path)));
	file = file_make("mapped", "x", 0);
	char *map = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);

	REQUIRE_OK(mprotect(pages + PAGE, PAGE, PROT_READ | PROT_EXEC));
	read_text("/proc/self/maps");
	CHECK(maps_has(pages, "rw-p", ""));
	CHECK(maps_has(pages + PAGE, "r-xp", ""));
	CHECK(maps_has(shared, "rw-s", ""));
	CHECK(maps_has(map, "r--p", "/mapped"));
	CHECK(maps_has(&local, "rw-p", "[stack]"));
	CHECK(maps_has(sbrk(0) - 1, "rw-p", "[heap]"));
	CHECK(maps_has((void *)maps_of_self, "r-xp", program_path));
}

static void cmdline_comm_and_environment(void)
{
	read_text("/proc/self/cmdline");
	CHECK(strcmp(text + strlen(text) - 10, "proc_files") == 0);
	prctl(PR_SET_NAME, "named");
	read_text("/proc/self/comm");
	CHECK(strcmp(text, "named\n") == 0);
	CHECK_OK(access("/proc/self/environ", R_OK));
	CHECK_OK(access("/proc/self/auxv", R_OK));
}

static void links_of_self(void)
{
	char link[256] = { 0 }, path[64];
	int file;

	CHECK(readlink("/proc/self", link, sizeof(link)) > 0);
	CHECK_EQ(atoi(link), getpid());
	memset(link, 0, sizeof(link));
	CHECK(readlink("/proc/self/exe", link, sizeof(link)) > 0);
	CHECK(strcmp(link, program_path) == 0);
	scratch_enter();
	REQUIRE(getcwd(path, sizeof(path)));
	memset(link, 0, sizeof(link));
	CHECK(readlink("/proc/self/cwd", link, sizeof(link)) > 0);
	CHECK(strcmp(link, path) == 0);
	memset(link, 0, sizeof(link));
	CHECK_EQ(readlink("/proc/self/root", link, sizeof(link)), 1);
	file = file_make("file", "abc", 0);
	unlink("file");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	memset(link, 0, sizeof(link));
	CHECK(readlink(path, link, sizeof(link)) > 0);
	CHECK(strstr(link, "/file (deleted)"));
	CHECK_OK(file = open(path, O_RDONLY));
	CHECK_EQ(read(file, link, 3), 3);
}

static void fd_directory(void)
{
	DIR *directory;
	struct dirent *entry;
	int count = 0, file = fcntl(0, F_DUPFD, 77);
	bool found = false;

	directory = opendir("/proc/self/fd");
	REQUIRE(directory);
	while ((entry = readdir(directory))) {
		found |= atoi(entry->d_name) == file;
		count++;
	}
	CHECK(found && count >= 5);
	closedir(directory);
	read_text("/proc/self/fdinfo/0");
	CHECK(labelled("pos") >= 0 && labelled("flags") >= 0);
}

static void idle(void *argument)
{
	(void)argument;
	for (;;)
		pause();
}

static void other_processes(void)
{
	pid_t pid = child_start(idle, NULL);
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	char path[64];
	bool found = false;

	REQUIRE(directory);
	while ((entry = readdir(directory)))
		found |= atoi(entry->d_name) == pid;
	CHECK(found);
	task_wait_asleep(pid);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	read_text(path);
	CHECK_EQ(labelled("PPid"), getpid());
	CHECK(strstr(text, "\nState:\tS (sleeping)\n"));
	kill(pid, SIGSTOP);
	CHECK(WAIT_UNTIL(file_read(path, text, sizeof(text)) && strstr(text, "\nState:\tT (stopped)\n")));
	kill(pid, SIGKILL);
	CHECK(WAIT_UNTIL(file_read(path, text, sizeof(text)) && strstr(text, "\nState:\tZ (zombie)\n")));
	child_wait(pid);
	CHECK_ERR(open(path, O_RDONLY), ENOENT);
	CHECK_ERR(open("/proc/0/stat", O_RDONLY), ENOENT);
}

static void meminfo(void)
{
	read_text("/proc/meminfo");
	CHECK(labelled("MemTotal") > 16384);
	CHECK(labelled("MemFree") > 0 && labelled("MemFree") < labelled("MemTotal"));
	CHECK(labelled("MemAvailable") > 0 && labelled("Buffers") >= 0 && labelled("Cached") >= 0);
	CHECK(labelled("SwapTotal") >= 0 && labelled("SwapFree") >= 0 && labelled("Shmem") >= 0);
	CHECK(labelled("SReclaimable") >= 0);
	CHECK(strstr(text, " kB\n"));
}

static void uptime_and_loadavg(void)
{
	double up, idle_time, loads[3], later;
	int running, all, last;

	read_text("/proc/uptime");
	CHECK_EQ(sscanf(text, "%lf %lf", &up, &idle_time), 2);
	CHECK(up > 0 && idle_time >= 0);
	usleep(20000);
	read_text("/proc/uptime");
	CHECK(sscanf(text, "%lf", &later) == 1 && later > up);
	read_text("/proc/loadavg");
	CHECK_EQ(sscanf(text, "%lf %lf %lf %d/%d %d", &loads[0], &loads[1], &loads[2], &running, &all, &last), 6);
	CHECK(loads[0] >= 0 && running > 0 && all >= running && last >= getpid());
}

static void system_stat(void)
{
	unsigned long user, nice_time, system, idle_time;

	read_text("/proc/stat");
	CHECK_EQ(sscanf(text, "cpu  %lu %lu %lu %lu", &user, &nice_time, &system, &idle_time), 4);
	CHECK(user + system + idle_time > 0);
	CHECK(strstr(text, "\ncpu0 ") && strstr(text, "\nctxt ") && strstr(text, "\nbtime ") &&
	      strstr(text, "\nprocesses ") && strstr(text, "\nprocs_running "));
}

static void cpuinfo(void)
{
	int processors = 0;

	read_text("/proc/cpuinfo");
	for (const char *at = text; (at = strstr(at, "processor\t: ")); at++)
		processors++;
	CHECK_EQ(processors, sysconf(_SC_NPROCESSORS_ONLN));
	CHECK(strstr(text, "\nvendor_id\t: ") && strstr(text, "\nmodel name\t: ") && strstr(text, "\nflags\t\t: "));
	CHECK(strstr(text, "\ncpu MHz\t\t: "));
}

static void mounts_and_file_systems(void)
{
	read_text("/proc/mounts");
	CHECK(strstr(text, " /proc proc rw"));
	CHECK(strstr(text, " /tmp tmpfs rw"));
	CHECK(strstr(text, " / "));
	read_text("/proc/self/mountinfo");
	CHECK(strstr(text, " /proc "));
	read_text("/proc/filesystems");
	CHECK(strstr(text, "nodev\ttmpfs\n") && strstr(text, "nodev\tproc\n"));
	read_text("/proc/version");
	CHECK(strncmp(text, "Linux version ", 14) == 0);
	read_text("/proc/sys/kernel/ostype");
	CHECK(strcmp(text, "Linux\n") == 0);
	/* The first process, which no other made, has its places, too. */
	read_text("/proc/1/mounts");
	CHECK(strstr(text, "proc") != NULL);
	CHECK(readlink("/proc/1/root", text, sizeof(text)) == 1);
}

static void threads_are_listed(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", gettid());
	read_text(path);
	CHECK_EQ(atoi(text), gettid());
	read_text("/proc/thread-self/stat");
	CHECK_EQ(atoi(text), gettid());
}

static void check_foreign_files(void *argument)
{
	char path[64];

	(void)argument;
	CHECK_ERR(open("/proc/1/environ", O_RDONLY), EACCES);
	CHECK_ERR(readlink("/proc/1/exe", path, sizeof(path)), EACCES);
	CHECK_ERR(open("/proc/1/fd", O_RDONLY), EACCES);
	CHECK_OK(open("/proc/1/stat", O_RDONLY));
}

static void others_secrets_are_closed(void)
{
	CHECK_EXITED(child_run_as_user(check_foreign_files, NULL), 0);
	CHECK_ERR(open("/proc/newfile", O_CREAT | O_RDWR, 0600), ENOENT);
	CHECK_ERR(mkdir("/proc/newdir", 0700), ENOENT);
	CHECK_ERR(unlink("/proc/meminfo"), EPERM);
}

TESTS(TEST(stat_of_self), TEST(stat_fields_have_meaning), TEST(status_of_self), TEST(maps_of_self),
      TEST(cmdline_comm_and_environment), TEST(links_of_self), TEST(fd_directory), TEST(other_processes),
      TEST(meminfo), TEST(uptime_and_loadavg), TEST(system_stat), TEST(cpuinfo), TEST(mounts_and_file_systems),
      TEST(threads_are_listed), TEST(others_secrets_are_closed))
