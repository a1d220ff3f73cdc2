/*
 * One row of the benchmark against Linux. A row runs in a process of its own, in an empty folder: `setup` once, then `run` for the warm-up
 * and for each batch; it does at least `count` operations and returns how many. What it leaves behind (processes, files) the runner clears.
 * A row with ROW_MARKS calls row_begin and row_end itself, as often as it likes; any process of the row may do so.
 */
#ifndef BENCH_ROW_H
#define BENCH_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ul
#define KIB 1024ul
#define MIB (1024 * KIB)

enum row_flags {
	ROW_MARKS = 1,        /* marks what counts itself */
	ROW_TWO = 2,          /* needs two processors: wall-clock only */
	ROW_SCALES = 4,       /* runs also as two processes on two processors */
	ROW_SELF_TIMED = 8,   /* says itself how much time counts */
	ROW_ONCE = 16,        /* one batch of exactly `operations` */
};

/* Kinds of marks of ROW_COMPARE (bench/marker.h). */
enum row_mark {
	MARK_BEGIN = 0, MARK_END = 1, MARK_ROW = 2, MARK_BATCH = 3, MARK_OVERHEAD_BEGIN = 4, MARK_OVERHEAD_END = 5, MARK_FIRST = 6, MARK_PROMPT = 7,
};

struct row {
	const char *name, *group, *operation; /* what one operation is */
	unsigned flags;
	void (*setup)(const struct row *row);
	unsigned long (*run)(const struct row *row, unsigned long count);
	long arguments[2];
	unsigned long operations;             /* of ROW_ONCE */
};

/* Each group ends with a row without a name. */
extern const struct row rows_calls[], rows_files[], rows_events[], rows_signals[], rows_pipes[], rows_context[], rows_waits[];
extern const struct row rows_processes[], rows_paging[], rows_memory[], rows_programs[];

extern const char *const row_program;     /* a program that does nothing */
extern const char *const row_folder;      /* the row's folder, which is also the working directory */

void row_begin(void);
void row_end(void);
/* What lies between these two is taken off: the cost of the means of measuring, as LMBench does. It ran for as many operations. */
void row_overhead_begin(void);
void row_overhead_end(void);
void row_time_add(uint64_t nanoseconds);

/* Ends the row unless `good`: as failed, or, when errno is ENOSYS, as one that can't run here yet. */
void row_check(bool good, const char *what);

uint64_t row_clock(void);
void row_pin(unsigned processor);
/* Memory that the row's processes share, zeroed. */
void *row_shared(size_t size);
/* A process of the row: runs `work` for ever, or until the row ends. */
void row_partner(void (*work)(const struct row *row), const struct row *row);
int row_file(const char *name, size_t size);
void row_wait(int process);

#endif
