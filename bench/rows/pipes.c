/* Pipes between two processes (LMBench: lat_pipe, bw_pipe). */
#include "row.h"
#include <unistd.h>

#define TRANSFER (64 * KIB)

static int there[2], back[2];
static char buffer[TRANSFER];

static void echo(const struct row *row)
{
	char byte;

	if (row->flags & ROW_TWO)
		row_pin(1);
	close(there[1]);
	close(back[0]);
	while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
		;
}

static void latency_make(const struct row *row)
{
	row_check(pipe(there) == 0 && pipe(back) == 0, "pipe");
	if (row->flags & ROW_TWO)
		row_pin(0);
	row_partner(echo, row);
	close(there[0]);
	close(back[1]);
}

static unsigned long latency_run(const struct row *row, unsigned long count)
{
	char byte = 0;

	(void)row;
	for (unsigned long i = 0; i < count; i++)
		row_check(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "pipe");
	return count;
}

static void flood(const struct row *row)
{
	if (row->flags & ROW_TWO)
		row_pin(1);
	close(there[0]);
	while (write(there[1], buffer, TRANSFER) > 0)
		;
}

static void bandwidth_make(const struct row *row)
{
	row_check(pipe(there) == 0, "pipe");
	if (row->flags & ROW_TWO)
		row_pin(0);
	row_partner(flood, row);
	close(there[1]);
}

/* One operation is a MiB. */
static unsigned long bandwidth_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long done = 0; done < count * MIB;) {
		ssize_t part = read(there[0], buffer, TRANSFER);

		row_check(part > 0, "read");
		done += (unsigned long)part;
	}
	return count;
}

const struct row rows_pipes[] = {
	{ "pipe_latency", "switch", "round trip", ROW_SCALES, latency_make, latency_run, { 0 }, 0 },
	{ "pipe_latency_cross", "switch", "round trip", ROW_TWO, latency_make, latency_run, { 0 }, 0 },
	{ "pipe_bandwidth", "switch", "MiB", ROW_SCALES, bandwidth_make, bandwidth_run, { 0 }, 0 },
	{ "pipe_bandwidth_cross", "switch", "MiB", ROW_TWO, bandwidth_make, bandwidth_run, { 0 }, 0 },
	{ 0 },
};
