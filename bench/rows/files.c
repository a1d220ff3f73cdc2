/* Files by name: create, delete (LMBench: lat_fs), list, look up; cached data (bw_file_rd, bw_mmap_rd). */
#include "row.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAMES 1000ul
#define DATA (8 * MIB)
#define TRANSFER (64 * KIB)

static char buffer[TRANSFER];
static int file;
static char path[256];
static volatile long sink;

static void files_create(unsigned long count, size_t size)
{
	char name[16];

	for (unsigned long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "f%lu", i);
		int made = creat(name, 0644);

		row_check(made >= 0 && (!size || write(made, buffer, size) == (ssize_t)size) && close(made) == 0, "create");
	}
}

static void files_delete(unsigned long count)
{
	char name[16];

	for (unsigned long i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "f%lu", i);
		row_check(unlink(name) == 0, "unlink");
	}
}

static unsigned long create_run(const struct row *row, unsigned long count)
{
	for (unsigned long done = 0; done < count; done += NAMES) {
		unsigned long part = count - done < NAMES ? count - done : NAMES;

		row_begin();
		files_create(part, (size_t)row->arguments[0]);
		row_end();
		files_delete(part);
	}
	return count;
}

static unsigned long delete_run(const struct row *row, unsigned long count)
{
	for (unsigned long done = 0; done < count; done += NAMES) {
		unsigned long part = count - done < NAMES ? count - done : NAMES;

		files_create(part, (size_t)row->arguments[0]);
		row_begin();
		files_delete(part);
		row_end();
	}
	return count;
}

static void names_make(const struct row *row)
{
	(void)row;
	row_check(mkdir("names", 0755) == 0 && chdir("names") == 0, "mkdir");
	files_create(NAMES, 0);
	file = open(".", O_RDONLY | O_DIRECTORY);
	row_check(file >= 0, "open");
}

static unsigned long getdents_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++) {
		long length;

		row_check(lseek(file, 0, SEEK_SET) == 0, "lseek");
		while ((length = syscall(SYS_getdents64, file, buffer, 32 * KIB)) > 0)
			sink += length;
		row_check(length == 0, "getdents64");
	}
	return count;
}

static void path_make(const struct row *row)
{
	path[0] = 0;
	for (long i = 1; i < row->arguments[0]; i++) {
		strcat(path, i > 1 ? "/folder" : "folder");
		row_check(mkdir(path, 0755) == 0, path);
	}
	strcat(path, row->arguments[0] > 1 ? "/file" : "file");
	close(row_file(path, 1));
}

static unsigned long path_run(const struct row *row, unsigned long count)
{
	struct stat status;

	(void)row;
	for (unsigned long i = 0; i < count; i++)
		row_check(stat(path, &status) == 0, "stat");
	return count;
}

static void data_make(const struct row *row)
{
	(void)row;
	file = row_file("data", DATA);
}

/* One operation is a MiB. */
static unsigned long read_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long done = 0; done < count * MIB; done += TRANSFER) {
		if (done % DATA == 0)
			row_check(lseek(file, 0, SEEK_SET) == 0, "lseek");
		row_check(read(file, buffer, TRANSFER) == (ssize_t)TRANSFER, "read");
	}
	return count;
}

/* Opens, maps, sums and unmaps the file: mmap_open2close. */
static unsigned long mapped_run(const struct row *row, unsigned long count)
{
	unsigned long done = 0;

	(void)row;
	for (; done < count; done += DATA / MIB) {
		int opened = open("data", O_RDONLY);
		long *words = mmap(NULL, DATA, PROT_READ, MAP_SHARED, opened, 0), sum = 0;

		row_check(words != MAP_FAILED, "mmap");
		for (size_t i = 0; i < DATA / sizeof(long); i++)
			sum += words[i];
		sink += sum;
		row_check(munmap(words, DATA) == 0 && close(opened) == 0, "munmap");
	}
	return done;
}

#define CREATE(name, size) { "file_create_" name, "calls", "file", ROW_MARKS | ROW_SCALES, NULL, create_run, { size }, 0 }
#define DELETE(name, size) { "file_delete_" name, "calls", "file", ROW_MARKS | ROW_SCALES, NULL, delete_run, { size }, 0 }

const struct row rows_files[] = {
	CREATE("0k", 0), CREATE("1k", KIB), CREATE("4k", 4 * KIB), CREATE("10k", 10 * KIB),
	DELETE("0k", 0), DELETE("1k", KIB), DELETE("4k", 4 * KIB), DELETE("10k", 10 * KIB),
	{ "getdents_1000", "calls", "listing", ROW_SCALES, names_make, getdents_run, { 0 }, 0 },
	{ "path_1", "calls", "stat", ROW_SCALES, path_make, path_run, { 1 }, 0 },
	{ "path_4", "calls", "stat", ROW_SCALES, path_make, path_run, { 4 }, 0 },
	{ "path_8", "calls", "stat", ROW_SCALES, path_make, path_run, { 8 }, 0 },
	{ "cached_read", "calls", "MiB", ROW_SCALES, data_make, read_run, { 0 }, 0 },
	{ "cached_mmap_read", "paging", "MiB", ROW_SCALES, data_make, mapped_run, { 0 }, 0 },
	{ 0 },
};
