/* loops KIND PROCESSES OPERATIONS: as many processes as asked for, each on a processor of its own, do the same independent thing. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 64

static int ends[2], number;

static int getppid_once(void) { return syscall(SYS_getppid) <= 0; }

static int pipe_once(void)
{
	char byte = 1;
	return write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1;
}

static int fault_once(void)
{
	char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	for (int i = 0; i < PAGES; i++)
		memory[i * PAGE] = 1;
	return munmap(memory, PAGES * PAGE);
}

static int file_once(void)
{
	char name[64], data[256] = { 0 };
	snprintf(name, sizeof(name), "/tmp/%d/file", number);
	int fd = open(name, O_CREAT | O_RDWR, 0600);
	return fd < 0 || write(fd, data, sizeof(data)) != sizeof(data) || close(fd) || unlink(name);
}

static int fork_once(void)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	return child < 0 || waitpid(child, &status, 0) != child || status;
}

static const struct { const char *name; int (*once)(void); } kinds[] = {
	{ "getppid", getppid_once }, { "pipe", pipe_once }, { "fault", fault_once }, { "file", file_once }, { "fork", fork_once },
};

static int loop(int (*once)(void), long operations)
{
	char name[64];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number, &set);
	snprintf(name, sizeof(name), "/tmp/%d", number);
	if (sched_setaffinity(0, sizeof(set), &set) || pipe(ends) || mkdir(name, 0700))
		return 1;
	for (long i = 0; i < operations; i++)
		if (once())
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	int (*once)(void) = NULL, failed = 0, status;

	for (size_t i = 0; argc == 4 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, argv[1]) == 0)
			once = kinds[i].once;
	if (!once)
		return fprintf(stderr, "loops: KIND PROCESSES OPERATIONS\n"), 2;
	for (int processes = atoi(argv[2]); number < processes; number++)
		if (fork() == 0)
			_exit(loop(once, atol(argv[3])));
	while (wait(&status) > 0)
		failed |= status != 0;
	return failed;
}
