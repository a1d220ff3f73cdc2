/*
 * Context switches (LMBench: lat_ctx): a token goes round a ring of processes joined by pipes, each of which sums an array on its way. What the
 * token and the sums cost without a switch (all pipes passed by one process) is taken off.
 */
#include "row.h"
#include <stdlib.h>
#include <unistd.h>

#define MOST 96

static int ring[MOST][2];
static long *array;
static size_t words;
static volatile long sink;

static void array_sum(void)
{
	long sum = 0;

	for (size_t i = 0; i < words; i++)
		sum += array[i];
	sink += sum;
}

static void token_pass(int from, int to)
{
	char token;

	row_check(read(from, &token, 1) == 1, "read");
	array_sum();
	row_check(write(to, &token, 1) == 1, "write");
}

static int member;

static void member_run(const struct row *row)
{
	(void)row;
	for (;;)
		token_pass(ring[member - 1][0], ring[member][1]);
}

static void ring_make(const struct row *row)
{
	words = (size_t)row->arguments[1] / sizeof(long);
	array = calloc(words + 1, sizeof(long));
	for (long i = 0; i < row->arguments[0]; i++)
		row_check(pipe(ring[i]) == 0, "pipe");
	array_sum();
	for (member = 1; member < row->arguments[0]; member++)
		row_partner(member_run, row);
}

static unsigned long ring_run(const struct row *row, unsigned long count)
{
	long members = row->arguments[0];
	unsigned long rounds = (count + (unsigned long)members - 1) / (unsigned long)members;
	char token = 0;

	row_begin();
	for (unsigned long i = 0; i < rounds; i++) {
		row_check(write(ring[0][1], &token, 1) == 1, "write");
		row_check(read(ring[members - 1][0], &token, 1) == 1, "read");
		array_sum();
	}
	row_end();
	return rounds * (unsigned long)members;
}

/* The same work without switches: a pipe of its own. */
static unsigned long alone_run(unsigned long count)
{
	static int own[2];
	char token = 0;

	if (!own[1])
		row_check(pipe(own) == 0, "pipe");
	row_check(write(own[1], &token, 1) == 1, "write");
	row_overhead_begin();
	for (unsigned long i = 0; i < count; i++)
		token_pass(own[0], own[1]);
	row_overhead_end();
	row_check(read(own[0], &token, 1) == 1, "read");
	return count;
}

static unsigned long context_run(const struct row *row, unsigned long count)
{
	return alone_run(ring_run(row, count));
}

#define CONTEXT(processes, kib) \
	{ "context_" #processes "p_" #kib "k", "switch", "switch", ROW_MARKS, ring_make, context_run, { processes, (kib) * KIB }, 0 }

const struct row rows_context[] = {
	CONTEXT(2, 0), CONTEXT(2, 16), CONTEXT(2, 64), CONTEXT(8, 0), CONTEXT(8, 16), CONTEXT(8, 64),
	CONTEXT(16, 0), CONTEXT(16, 16), CONTEXT(16, 64), CONTEXT(96, 0), CONTEXT(96, 16), CONTEXT(96, 64),
	{ 0 },
};
