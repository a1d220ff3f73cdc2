/* What rows are made of: marks and time, partners, files. */
#include "row.h"
#include "runner.h"
#include "../marker.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *const row_program = "/bin/nothing";
const char *const row_folder = "/tmp/row";
struct batch *batch;
struct verdict *verdict;

uint64_t row_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void row_begin(void)
{
	batch->begun = row_clock();
	MARK(ROW_COMPARE, MARK_BEGIN);
}

void row_end(void)
{
	MARK(ROW_COMPARE, MARK_END);
	batch->time += (int64_t)(row_clock() - batch->begun);
}

void row_overhead_begin(void)
{
	batch->begun = row_clock();
	MARK(ROW_COMPARE, MARK_OVERHEAD_BEGIN);
}

void row_overhead_end(void)
{
	MARK(ROW_COMPARE, MARK_OVERHEAD_END);
	batch->time -= (int64_t)(row_clock() - batch->begun);
}

void row_time_add(uint64_t nanoseconds)
{
	batch->own_time += nanoseconds;
}

/* Whichever process of the row fails, the row ends: the others would wait for it for ever. */
void row_check(bool good, const char *what)
{
	uint32_t none = 0;
	int error = errno;

	if (good)
		return;
	if (__atomic_compare_exchange_n(&verdict->code, &none, error == ENOSYS ? EXIT_SKIPPED : EXIT_FAILED, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		snprintf(verdict->reason, sizeof(verdict->reason), "%s%s%s", what, error ? ": " : "", error ? strerror(error) : "");
	kill(0, SIGKILL); /* the row's session is its process group */
	_exit(EXIT_FAILED);
}

void row_pin(unsigned processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	row_check(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity");
}

void *row_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	row_check(memory != MAP_FAILED, "mmap");
	memset(memory, 0, size);
	return memory;
}

void row_partner(void (*work)(const struct row *row), const struct row *row)
{
	int process = fork();

	row_check(process >= 0, "fork");
	if (process > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	work(row);
	_exit(0);
}

int row_file(const char *name, size_t size)
{
	static char block[64 * 1024];
	int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	row_check(file >= 0, name);
	memset(block, 'x', sizeof(block));
	for (size_t done = 0; done < size;) {
		size_t part = size - done < sizeof(block) ? size - done : sizeof(block);

		row_check(write(file, block, part) == (ssize_t)part, "write");
		done += part;
	}
	return file;
}

void row_wait(int process)
{
	int status = 0;

	row_check(process >= 0, "fork");
	row_check(waitpid(process, &status, 0) == process, "waitpid");
	errno = 0;
	row_check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child failed");
}
