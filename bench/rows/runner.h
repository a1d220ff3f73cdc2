/* How a row is repeated (bench/rows/runner.c); its state is shared with the row's processes. */
#ifndef BENCH_RUNNER_H
#define BENCH_RUNNER_H

#include "row.h"

enum row_exit { EXIT_FAILED = 10, EXIT_SKIPPED = 11 };

struct batch {
	uint64_t begun, own_time;
	int64_t time;         /* nanoseconds that count, what was taken off is taken off */
};
extern struct batch *batch;

/* Why a row ended early; the first of its processes that says so. */
struct verdict {
	uint32_t code;        /* enum row_exit, 0 as long as all is well */
	char reason[160];
};
extern struct verdict *verdict;

struct limits {
	unsigned long operations;      /* a row ends after so many ... */
	uint64_t time;                 /* ... or after so many nanoseconds */
	uint64_t batch_time;           /* a batch takes at least so long */
	unsigned batches;
	unsigned processors;
	unsigned long guard_seconds;   /* a row that takes longer has hung */
};

/* Runs one row, in a process of its own, and prints what it measured. */
void row_measure(const struct row *row, const struct limits *limits);
/* Two processes of a row on two processors, which begin together. */
void pair_start(const struct row *row);
unsigned long pair_run(const struct row *row, unsigned long count);

#endif
