/*
 * The program that `./tessera bench` runs on Tessera and on Linux: the first process of a machine, which measures the rows that /bench.rows
 * names and switches the machine off. On the host, --list prints all rows. Called by the name `nothing` it does nothing: the program that rows start.
 * Lines of /bench.rows: limits OPERATIONS NS BATCH_NS BATCHES PROCESSORS GUARD; row NAME; boot.
 */
#include "runner.h"
#include "../marker.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

void boot_measure(void);

/* The program begins here, so that the first instruction of the first process is a point in the count. */
__asm__(".globl bench_start\nbench_start:\n\t.byte 0x0f, 0x1f, 0x80\n\t.long 0x7e5500e6\n\tjmp _start\n");
_Static_assert(ROW_COMPARE == 14 && MARK_FIRST == 6, "the mark of bench_start");

static const struct row *const groups[] = {
	rows_calls, rows_files, rows_events, rows_signals, rows_pipes, rows_context, rows_waits, rows_processes, rows_paging, rows_memory,
	rows_programs,
};
#define GROUPS (sizeof(groups) / sizeof(*groups))

static void rows_list(void)
{
	for (size_t i = 0; i < GROUPS; i++)
		for (const struct row *row = groups[i]; row->name; row++)
			printf("%s\t%s\t%s\t%u\n", row->name, row->group, row->operation, row->flags);
}

static const struct row *row_find(const char *name)
{
	for (size_t i = 0; i < GROUPS; i++)
		for (const struct row *row = groups[i]; row->name; row++)
			if (strcmp(row->name, name) == 0)
				return row;
	return NULL;
}

static void folders_mount(void)
{
	static const char *const wanted[][2] = {
		{ "proc", "/proc" }, { "sysfs", "/sys" }, { "devtmpfs", "/dev" }, { "devpts", "/dev/pts" }, { "tmpfs", "/tmp" },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		mkdir(wanted[i][1], 0755);
		mount(wanted[i][0], wanted[i][1], wanted[i][0], 0, NULL); /* it may be there already */
	}
}

static void console_open(void)
{
	int console = open("/dev/console", O_RDWR);

	for (int i = 0; console >= 0 && i < 3; i++)
		dup2(console, i);
	if (console > 2)
		close(console);
}

static void line_obey(const char *line, struct limits *limits)
{
	char name[64];

	if (sscanf(line, "limits %lu %lu %lu %u %u %lu", &limits->operations, &limits->time, &limits->batch_time, &limits->batches,
		   &limits->processors, &limits->guard_seconds) == 6)
		return;
	if (strncmp(line, "boot", 4) == 0)
		boot_measure();
	else if (sscanf(line, "row %63s", name) == 1 && row_find(name))
		row_measure(row_find(name), limits);
	else
		printf("@unknown %s", line);
}

static void machine_measure(void)
{
	struct limits limits = { 0 };
	char line[256];
	FILE *list;

	folders_mount();
	console_open();
	printf("@first\n");
	fflush(stdout);
	batch = row_shared(sizeof(*batch));
	verdict = row_shared(sizeof(*verdict));
	list = fopen("/bench.rows", "r");
	while (list && fgets(line, sizeof(line), list))
		line_obey(line, &limits);
	printf("@end\n");
	fflush(stdout);
	sleep(1); /* the console's transmitter */
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

int main(int count, char **words)
{
	const char *name = strrchr(words[0], '/') ? strrchr(words[0], '/') + 1 : words[0];

	if (strcmp(name, "nothing") == 0)
		return 0;
	if (count == 2 && strcmp(words[1], "--list") == 0) {
		rows_list();
		return 0;
	}
	if (getpid() != 1) {
		fprintf(stderr, "bench: --list, or as the first process of a machine\n");
		return 2;
	}
	machine_measure();
	return 0;
}
