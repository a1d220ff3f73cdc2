/*
 * The first process of a machine in which services are ended again and again: runs workloads side by side, and looks afterwards at
 * what was made before. TAP on the console. On the command line: until when, in seconds since the machine's start, and the sets of
 * workloads; one behind a minus may lose calls.
 */
#include "work.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKS_MAX 32u

static const struct { const char *name; const struct work *works; } sets[] = {
	{ "files", file_works }, { "processes", process_works }, { "terminals", terminal_works },
};

struct tally { unsigned long operations, lost; char trouble[160], told[120]; };
struct running { struct work work; bool may_lose; pid_t pid; };

static struct tally *tallies, *mine;
static struct running running[WORKS_MAX];
static unsigned work_count;
static double end;
static unsigned long seed;

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

void tell(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(mine->told, sizeof(mine->told), format, list);
	va_end(list);
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

static void set_choose(const char *name)
{
	bool may_lose = *name == '-';

	for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		for (const struct work *w = sets[i].works; strcmp(sets[i].name, name + may_lose) == 0 && w->name && work_count < WORKS_MAX; w++)
			running[work_count++] = (struct running){ *w, may_lose, 0 };
}

static pid_t work_start(unsigned index)
{
	pid_t pid = fork();

	if (pid == 0) {
		mine = &tallies[index];
		seed = index + 1;
		running[index].work.run();
		_exit(0);
	}
	return pid;
}

static int result_print(unsigned index, int status)
{
	const struct tally *t = &tallies[index];
	bool good = status == 0 && t->operations > 0 && (t->lost == 0 || running[index].may_lose);

	printf("%sok %u - %s # %lu operations, %lu calls lost%s%s%s%s\n", good ? "" : "not ", index + 1, running[index].work.name, t->operations, t->lost,
	       *t->told ? ", " : "", t->told, *t->trouble ? ": " : "", t->trouble);
	if (!good && !*t->trouble)
		printf("# status %x\n", (unsigned)status);
	fflush(stdout);
	return !good;
}

int main(int argc, char **argv)
{
	int failed = 0, status;

	if (argc > 1 && strcmp(argv[1], "child") == 0)
		return argc > 2 ? atoi(argv[2]) : 1;
	tallies = mmap(NULL, WORKS_MAX * sizeof(*tallies), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	end = argc > 1 ? atof(argv[1]) : now() + 5;
	for (int i = 2; i < argc; i++)
		set_choose(argv[i]);
	printf("=== RUN faults\n1..%u\n", work_count);
	fflush(stdout);
	for (unsigned i = 0; i < work_count; i++)
		running[i].pid = work_start(i);
	for (unsigned i = 0; i < work_count; i++) {
		status = -1;
		(void)!waitpid(running[i].pid, &status, 0);
		failed += result_print(i, status);
	}
	printf("=== EXIT faults %d\n", failed ? 1 : 0);
	fflush(stdout);
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return failed != 0;
}
