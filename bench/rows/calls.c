/* System calls that do little (LMBench: lat_syscall), the clock, the processor given away. */
#include "row.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int file;

static void open_zero(const struct row *row)
{
	(void)row;
	file = open("/dev/zero", O_RDONLY);
	row_check(file >= 0, "/dev/zero");
}

static void open_null(const struct row *row)
{
	(void)row;
	file = open("/dev/null", O_WRONLY);
	row_check(file >= 0, "/dev/null");
}

static void make_file(const struct row *row)
{
	(void)row;
	file = row_file("file", 1);
}

#define EACH(name, what) \
	static unsigned long name(const struct row *row, unsigned long count) \
	{ \
		(void)row; \
		for (unsigned long i = 0; i < count; i++) { \
			__asm__ volatile("" : "+r"(i)); \
			what; \
		} \
		return count; \
	}

static char byte;
static struct stat status;
static struct timespec now;

EACH(loop_run, )
EACH(null_run, syscall(SYS_getppid))
EACH(read_run, row_check(read(file, &byte, 1) == 1, "read"))
EACH(write_run, row_check(write(file, &byte, 1) == 1, "write"))
EACH(stat_run, row_check(stat("/tmp/row/file", &status) == 0, "stat"))
EACH(fstat_run, row_check(fstat(file, &status) == 0, "fstat"))
EACH(open_run, row_check(close(open("/tmp/row/file", O_RDONLY)) == 0, "open"))
EACH(clock_run, clock_gettime(CLOCK_MONOTONIC, &now))
EACH(yield_run, sched_yield())

static void make_shared_file(const struct row *row)
{
	(void)row;
	file = row_file("/tmp/row/file", 1);
}

const struct row rows_calls[] = {
	{ "loop", "none", "turn", 0, NULL, loop_run, { 0 }, 0 },
	{ "null", "calls", "call", ROW_SCALES, NULL, null_run, { 0 }, 0 },
	{ "read", "calls", "call", ROW_SCALES, open_zero, read_run, { 0 }, 0 },
	{ "write", "calls", "call", ROW_SCALES, open_null, write_run, { 0 }, 0 },
	{ "stat", "calls", "call", ROW_SCALES, make_shared_file, stat_run, { 0 }, 0 },
	{ "fstat", "calls", "call", ROW_SCALES, make_file, fstat_run, { 0 }, 0 },
	{ "open_close", "calls", "pair", ROW_SCALES, make_shared_file, open_run, { 0 }, 0 },
	{ "clock_gettime", "user", "call", 0, NULL, clock_run, { 0 }, 0 },
	{ "yield", "calls", "call", 0, NULL, yield_run, { 0 }, 0 },
	{ 0 },
};
