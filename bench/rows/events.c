/* Waiting for many descriptors without waiting (LMBench: lat_select): select, poll, epoll. */
#include "row.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

#define MOST 1000

static struct pollfd polled[MOST];
static fd_set watched;
static int highest, epoll;

static void descriptors_allow(void)
{
	struct rlimit limit = { 4096, 4096 };

	row_check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

static void descriptor_add(long i, int descriptor)
{
	polled[i] = (struct pollfd){ .fd = descriptor, .events = POLLIN };
	if (descriptor < FD_SETSIZE)
		FD_SET(descriptor, &watched);
	if (descriptor > highest)
		highest = descriptor;
}

static void files_make(const struct row *row)
{
	int file = row_file("file", 1);

	descriptors_allow();
	for (long i = 0; i < row->arguments[0]; i++)
		descriptor_add(i, dup(file));
	row_check(highest > 0, "dup");
}

static void pipes_make(const struct row *row)
{
	int ends[2];

	descriptors_allow();
	for (long i = 0; i < row->arguments[0]; i++) {
		row_check(pipe(ends) == 0, "pipe");
		descriptor_add(i, ends[0]);
	}
}

/* The last of the pipes has data: one of them is ready, each time. */
static void epoll_make(const struct row *row)
{
	int ends[2] = { -1, -1 };

	descriptors_allow();
	epoll = epoll_create1(0);
	row_check(epoll >= 0, "epoll_create1");
	for (long i = 0; i < row->arguments[0]; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		row_check(pipe(ends) == 0, "pipe");
		row_check(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event) == 0, "epoll_ctl");
	}
	row_check(write(ends[1], "x", 1) == 1, "write");
}

static unsigned long select_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++) {
		fd_set set = watched;
		struct timeval none = { 0, 0 };

		row_check(select(highest + 1, &set, NULL, NULL, &none) >= 0, "select");
	}
	return count;
}

static unsigned long poll_run(const struct row *row, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		row_check(poll(polled, (nfds_t)row->arguments[0], 0) >= 0, "poll");
	return count;
}

static unsigned long epoll_run(const struct row *row, unsigned long count)
{
	struct epoll_event events[16];

	(void)row;
	for (unsigned long i = 0; i < count; i++)
		row_check(epoll_wait(epoll, events, 16, 0) == 1, "epoll_wait");
	return count;
}

#define EVENT(name, make, run, number) { name, "calls", "call", ROW_SCALES, make, run, { number }, 0 }

const struct row rows_events[] = {
	EVENT("select_files_10", files_make, select_run, 10), EVENT("select_files_100", files_make, select_run, 100),
	EVENT("select_files_250", files_make, select_run, 250), EVENT("select_pipes_10", pipes_make, select_run, 10),
	EVENT("select_pipes_100", pipes_make, select_run, 100), EVENT("select_pipes_250", pipes_make, select_run, 250),
	EVENT("poll_pipes_10", pipes_make, poll_run, 10), EVENT("poll_pipes_100", pipes_make, poll_run, 100),
	EVENT("poll_pipes_250", pipes_make, poll_run, 250), EVENT("epoll_1", epoll_make, epoll_run, 1),
	EVENT("epoll_1000", epoll_make, epoll_run, 1000),
	{ 0 },
};
