/*
 * The first process of a machine in which a service is ended again and again: runs all workloads side by side, and looks afterwards at
 * what was made before. TAP on the console. On the command line: for how many seconds, and which service is ended.
 */
#include "work.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct tally { unsigned long operations, lost; char trouble[160]; };

static struct tally *tallies, *mine;
static double end;
static unsigned long seed;
static const struct work *running = works;
static unsigned work_count;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool time_left(void)
{
	return now() < end;
}

void done_count(void)
{
	__atomic_fetch_add(&mine->operations, 1, __ATOMIC_RELAXED); /* a statistic, of several processes */
}

long lost(long result)
{
	if (result == -1 && errno == EIO)
		__atomic_fetch_add(&mine->lost, 1, __ATOMIC_RELAXED);
	return result;
}

void fail(const char *file, int line, const char *what)
{
	snprintf(mine->trouble, sizeof(mine->trouble), "%s:%d: %s (errno %d)", file, line, what, errno);
	_exit(1);
}

unsigned long random_number(unsigned long limit)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (seed >> 33) % limit;
}

static pid_t work_start(unsigned index)
{
	pid_t pid = fork();

	if (pid == 0) {
		mine = &tallies[index];
		seed = index + 1;
		running[index].run();
		_exit(0);
	}
	return pid;
}

static int result_print(unsigned index, int status)
{
	const struct tally *t = &tallies[index];
	bool good = status == 0 && t->operations > 0;

	printf("%sok %u - %s # %lu operations, %lu calls lost%s%s\n", good ? "" : "not ", index + 1, running[index].name, t->operations, t->lost,
	       *t->trouble ? ": " : "", t->trouble);
	if (!good && !*t->trouble)
		printf("# status %x\n", (unsigned)status);
	fflush(stdout);
	return !good;
}

int main(int argc, char **argv)
{
	pid_t pids[16];
	int failed = 0, status;

	if (argc > 1 && strcmp(argv[1], "child") == 0)
		return argc > 2 ? atoi(argv[2]) : 1;
	tallies = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	end = now() + (argc > 1 ? atof(argv[1]) : 5);
	if (argc > 2 && strcmp(argv[2], "proc") == 0)
		running = jobs;
	while (running[work_count].name)
		work_count++;
	printf("=== RUN faults\n1..%u\n", work_count);
	fflush(stdout);
	for (unsigned i = 0; i < work_count; i++)
		pids[i] = work_start(i);
	for (unsigned i = 0; i < work_count; i++)
		failed += result_print(i, waitpid(pids[i], &status, 0) == pids[i] ? status : -1);
	printf("=== EXIT faults %d\n", failed ? 1 : 0);
	fflush(stdout);
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return failed != 0;
}
