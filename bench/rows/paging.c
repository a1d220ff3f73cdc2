/* Mappings and page faults (LMBench: lat_mmap, lat_pagefault). */
#include "row.h"
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define REGION 256ul             /* pages of one mapping whose faults are counted */
#define FILE_SIZE (4 * MIB)

static int file;
static volatile char *region;

static volatile char *fresh(size_t size)
{
	volatile char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	row_check(memory != MAP_FAILED, "mmap");
	return memory;
}

static void touch(volatile char *memory, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE)
		memory[i] = 1;
}

static unsigned long touch_run(const struct row *row, unsigned long count)
{
	size_t size = (size_t)row->arguments[0];

	for (unsigned long i = 0; i < count; i++) {
		volatile char *memory = fresh(size);

		touch(memory, size);
		row_check(munmap((void *)memory, size) == 0, "munmap");
	}
	return count;
}

/* Each page's share of map, touch and unmap: the pages come back, so what was put off is paid for. */
static unsigned long anonymous_run(const struct row *row, unsigned long count)
{
	unsigned long turns = (count + REGION - 1) / REGION;

	(void)row;
	for (unsigned long i = 0; i < turns; i++) {
		volatile char *memory = fresh(REGION * PAGE);

		touch(memory, REGION * PAGE);
		row_check(munmap((void *)memory, REGION * PAGE) == 0, "munmap");
	}
	return turns * REGION;
}

static void region_make(const struct row *row)
{
	(void)row;
	region = fresh(REGION * PAGE);
	touch(region, REGION * PAGE);
}

static unsigned long copy_run(const struct row *row, unsigned long count)
{
	unsigned long turns = (count + REGION - 1) / REGION;

	(void)row;
	for (unsigned long i = 0; i < turns; i++) {
		int process = fork();

		if (process == 0) {
			row_begin();
			touch(region, REGION * PAGE);
			row_end();
			_exit(0);
		}
		row_wait(process);
	}
	return turns * REGION;
}

static void file_make(const struct row *row)
{
	(void)row;
	file = row_file("mapped", FILE_SIZE);
}

/* Touches the pages of a file in a scattered order, so that not each is its neighbour's. */
static unsigned long file_run(const struct row *row, unsigned long count)
{
	unsigned long pages = FILE_SIZE / PAGE, done = 0;
	char sum = 0;

	(void)row;
	for (; done < count; done += pages) {
		volatile char *memory = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, file, 0);

		row_check(memory != MAP_FAILED, "mmap");
		row_begin();
		for (unsigned long i = 0; i < pages; i++)
			sum += memory[i * 397 % pages * PAGE];
		row_end();
		row_check(munmap((void *)memory, FILE_SIZE) == 0, "munmap");
	}
	return done + (sum == 1);
}

/* Maps a file, writes to the first tenth of it every 16 KiB, unmaps it. */
static unsigned long map_file_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++) {
		volatile char *memory = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

		row_check(memory != MAP_FAILED, "mmap");
		for (size_t at = 0; at < FILE_SIZE / 10; at += 16 * KIB)
			memory[at] = 1;
		row_check(munmap((void *)memory, FILE_SIZE) == 0, "munmap");
	}
	return count;
}

static unsigned long protect_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++)
		row_check(mprotect((void *)region, PAGE, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ) == 0, "mprotect");
	return count;
}

const struct row rows_paging[] = {
	{ "mmap_file_4m", "paging", "mapping", ROW_SCALES, file_make, map_file_run, { 0 }, 0 },
	{ "map_touch_unmap_4k", "paging", "mapping", ROW_SCALES, NULL, touch_run, { PAGE }, 0 },
	{ "map_touch_unmap_64m", "paging", "mapping", ROW_SCALES, NULL, touch_run, { 64 * MIB }, 0 },
	{ "fault_anonymous", "paging", "page", ROW_SCALES, NULL, anonymous_run, { 0 }, 0 },
	{ "fault_copy_on_write", "paging", "page", ROW_MARKS | ROW_SCALES, region_make, copy_run, { 0 }, 0 },
	{ "fault_file", "paging", "page", ROW_MARKS | ROW_SCALES, file_make, file_run, { 0 }, 0 },
	{ "mprotect", "paging", "call", ROW_SCALES, region_make, protect_run, { 0 }, 0 },
	{ 0 },
};
