/* Whole programs: Debian's busybox, on data that is made here. One operation is a run. */
#include "row.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT (10 * MIB)
#define FILES 2000

static const char *const commands[] = {
	"i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done",
	"tar cf archive.tar tree && rm archive.tar",
	"sort text > sorted",
	"gzip -c text > packed",
	"find tree -type f | xargs grep -l needle > found; true",
};

/* The same numbers at each run. */
static unsigned number_next(void)
{
	static unsigned state = 12345;

	state = state * 1103515245 + 12345;
	return state >> 16;
}

static size_t words_fill(char *text, size_t size)
{
	size_t used = 0;

	while (used + 64 < size)
		used += (size_t)sprintf(text + used, "%08x w%u word%u %u\n", number_next() * 65537u, number_next() % 100, number_next() % 1000,
					number_next());
	return used;
}

static void text_make(const struct row *row)
{
	char *text = malloc(TEXT);
	FILE *output = fopen("text", "w");

	(void)row;
	row_check(text && output, "text");
	size_t size = words_fill(text, TEXT);

	row_check(fwrite(text, 1, size, output) == size && fclose(output) == 0, "write");
	free(text);
}

static void tree_make(const struct row *row)
{
	char name[64], text[2048];

	(void)row;
	row_check(mkdir("tree", 0755) == 0, "mkdir");
	for (unsigned i = 0; i < FILES; i++) {
		if (i % 100 == 0) {
			snprintf(name, sizeof(name), "tree/%u", i / 100);
			row_check(mkdir(name, 0755) == 0, "mkdir");
		}
		snprintf(name, sizeof(name), "tree/%u/file%u", i / 100, i);
		int file = creat(name, 0644);
		size_t size = words_fill(text, 128 + number_next() % (sizeof(text) - 128));

		row_check(file >= 0 && write(file, text, size) == (ssize_t)size && close(file) == 0, name);
	}
}

static unsigned long command_run(const struct row *row, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		int process = fork();

		if (process == 0) {
			execl("/bin/sh", "sh", "-c", commands[row->arguments[0]], NULL);
			_exit(127);
		}
		row_wait(process);
	}
	return count;
}

const struct row rows_programs[] = {
	{ "busybox_true_500", "programs", "run", 0, NULL, command_run, { 0 }, 0 },
	{ "busybox_tar_2000", "programs", "run", 0, tree_make, command_run, { 1 }, 0 },
	{ "busybox_sort_10m", "programs", "run", 0, text_make, command_run, { 2 }, 0 },
	{ "busybox_gzip_10m", "programs", "run", 0, text_make, command_run, { 3 }, 0 },
	{ "busybox_find_grep", "programs", "run", 0, tree_make, command_run, { 4 }, 0 },
	{ 0 },
};
