/* Memory bandwidth (LMBench: bw_mem), which no system call is part of. One operation is a MiB. */
#include "row.h"
#include <stdlib.h>
#include <string.h>

#define SIZE (8 * MIB)

static long *from, *to;
static volatile long sink;

static void memory_make(const struct row *row)
{
	(void)row;
	from = malloc(SIZE);
	to = malloc(SIZE);
	row_check(from && to, "malloc");
	memset(from, 1, SIZE);
	memset(to, 1, SIZE);
}

static void read_all(void)
{
	long sum = 0;

	for (size_t i = 0; i < SIZE / sizeof(long); i++)
		sum += from[i];
	sink += sum;
}

static void write_all(void)
{
	for (size_t i = 0; i < SIZE / sizeof(long); i++)
		((volatile long *)to)[i] = 1;
}

static void copy_all(void)
{
	memcpy(to, from, SIZE);
	__asm__ volatile("" : : "r"(to) : "memory");
}

static void zero_all(void)
{
	memset(to, 0, SIZE);
	__asm__ volatile("" : : "r"(to) : "memory");
}

static void (*const works[])(void) = { read_all, write_all, copy_all, zero_all };

static unsigned long memory_run(const struct row *row, unsigned long count)
{
	unsigned long done = 0;

	for (; done < count; done += SIZE / MIB)
		works[row->arguments[0]]();
	return done;
}

#define MEMORY(name, work) { "memory_" name, "user", "MiB", ROW_SCALES, memory_make, memory_run, { work }, 0 }

const struct row rows_memory[] = {
	MEMORY("read", 0), MEMORY("write", 1), MEMORY("copy", 2), MEMORY("zero", 3),
	{ 0 },
};
