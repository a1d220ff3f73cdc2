/* What several workloads do. */
#include "work.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void *shared_make(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

pid_t child_make(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	return pid;
}

void child_end(pid_t pid, int expected)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == expected);
}

void program_run(bool by_vfork)
{
	int code = 1 + (int)random_number(100);
	char text[8];
	pid_t pid;

	snprintf(text, sizeof(text), "%d", code);
	pid = by_vfork ? vfork() : fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		execl(by_vfork ? "/faults" : "/proc/self/exe", "faults", "child", text, NULL);
		_exit(125);
	}
	child_end(pid, code << 8);
	done_count();
}

bool reaches(volatile uint32_t *word, uint32_t value)
{
	time_t limit = time(NULL) + PATIENCE;

	while (*word < value)
		if (time(NULL) > limit)
			return false;
		else
			usleep(100);
	return *word == value;
}
