/* Repeats one row: warm-up, then batches of as many operations as the limits ask for, each printed as a line of its own. */
#include "runner.h"
#include "../marker.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUSYBOX "/bin/busybox"

static uint64_t batch_time(const struct row *row)
{
	if (row->flags & ROW_SELF_TIMED)
		return batch->own_time;
	return batch->time > 0 ? (uint64_t)batch->time : 0;
}

/* One batch; returns the operations that it did. */
static unsigned long batch_run(const struct row *row, unsigned long count, bool pair)
{
	unsigned long done;

	batch->time = 0;
	batch->own_time = 0;
	if (pair)
		return pair_run(row, count);
	if (!(row->flags & ROW_MARKS))
		row_begin();
	done = row->run(row, count);
	if (!(row->flags & ROW_MARKS))
		row_end();
	return done;
}

/* Warms up with more and more operations; the time of one in nanoseconds, at least 1. */
static uint64_t row_warm(const struct row *row, const struct limits *limits, bool pair)
{
	uint64_t enough = limits->time / 20, wanted = limits->operations / 20 + 1;
	unsigned long count = 1;

	for (;;) {
		uint64_t begun = row_clock();
		unsigned long done = batch_run(row, count, pair);
		uint64_t spent = row_clock() - begun;

		if (spent >= enough || done >= wanted) {
			if (spent >= enough || spent >= limits->batch_time || !limits->batch_time)
				return spent / done + 1;
			wanted = done * 4;
		}
		count = done * 4;
	}
}

static void batches_run(const struct row *row, const struct limits *limits, bool pair)
{
	uint64_t each = row->flags & ROW_ONCE ? limits->time : row_warm(row, limits, pair);
	uint64_t batches = limits->time / each;
	unsigned long count;

	batches = batches < 1 ? 1 : batches > limits->batches ? limits->batches : batches;
	count = (limits->operations + batches - 1) / batches;
	if (count * each < limits->batch_time)
		count = limits->batch_time / each;
	if (count * each > limits->time / batches)
		count = limits->time / batches / each;
	if (count < 1)
		count = 1;
	if (row->flags & ROW_ONCE)
		count = row->operations;
	for (uint64_t i = 0; i < batches; i++) {
		MARK(ROW_COMPARE, MARK_ROW);
		unsigned long done = batch_run(row, count, pair);

		MARK(ROW_COMPARE, MARK_BATCH);
		printf("@batch %lu %lu\n", done, (unsigned long)batch_time(row));
		fflush(stdout);
	}
}

static void folder_clear(void)
{
	int process = fork();

	if (process == 0) {
		execl(BUSYBOX, "busybox", "rm", "-rf", row_folder, NULL);
		_exit(1);
	}
	while (waitpid(process, NULL, 0) < 0)
		;
}

static void row_child(const struct row *row, const struct limits *limits, bool pair)
{
	setsid();
	prctl(PR_SET_TIMERSLACK, 1);
	mkdir(row_folder, 0755);
	row_check(chdir(row_folder) == 0, row_folder);
	if (pair)
		pair_start(row);
	else if (row->setup)
		row->setup(row);
	batches_run(row, limits, pair);
	_exit(0);
}

static volatile sig_atomic_t hung;

static void alarmed(int number)
{
	(void)number;
	hung = 1;
}

/* Waits for the row's process, but not for ever; then ends all that it started. */
static int row_finish(int process, unsigned long seconds)
{
	struct sigaction action = { .sa_handler = alarmed };
	int status = 0;

	hung = 0;
	sigaction(SIGALRM, &action, NULL);
	alarm((unsigned)seconds);
	while (waitpid(process, &status, 0) != process && !hung)
		;
	alarm(0);
	kill(-process, SIGKILL);
	if (hung)
		waitpid(process, &status, 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return status;
}

void row_measure(const struct row *row, const struct limits *limits)
{
	bool pair = limits->processors == 2 && !(row->flags & ROW_TWO);
	int process, status;

	printf("@row %s%s\n", row->name, pair ? ".2" : "");
	fflush(stdout);
	memset(verdict, 0, sizeof(*verdict));
	process = fork();
	if (process == 0)
		row_child(row, limits, pair);
	status = row_finish(process, limits->guard_seconds);
	folder_clear();
	if (hung)
		printf("@failed hung\n");
	else if (verdict->code)
		printf("@%s %s\n", verdict->code == EXIT_SKIPPED ? "skipped" : "failed", verdict->reason);
	else if (WIFSIGNALED(status))
		printf("@failed signal %d\n", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		printf("@failed exit status\n");
	else
		printf("@done\n");
	fflush(stdout);
}
