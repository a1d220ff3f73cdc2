/* Signals (LMBench: lat_sig): install a handler, catch one, catch a protection fault. */
#include "row.h"
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile unsigned long caught, wanted;
static volatile char *page;

static void count_signal(int number)
{
	(void)number;
	caught++;
}

/* Lets the access fault again and again, and through at last. */
static void count_fault(int number)
{
	(void)number;
	if (++caught == wanted)
		mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE);
}

static void handler_set(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	row_check(sigaction(number, &action, NULL) == 0, "sigaction");
}

static unsigned long install_run(const struct row *row, unsigned long count)
{
	(void)row;
	for (unsigned long i = 0; i < count; i++)
		handler_set(SIGUSR1, count_signal);
	return count;
}

static void catch_make(const struct row *row)
{
	(void)row;
	handler_set(SIGUSR1, count_signal);
}

static unsigned long catch_run(const struct row *row, unsigned long count)
{
	int self = getpid();

	(void)row;
	caught = 0;
	for (unsigned long i = 0; i < count; i++)
		kill(self, SIGUSR1);
	row_check(caught == count, "a signal was not caught");
	return count;
}

static void fault_make(const struct row *row)
{
	(void)row;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	row_check(page != MAP_FAILED, "mmap");
	*page = 1;
	handler_set(SIGSEGV, count_fault);
}

static unsigned long fault_run(const struct row *row, unsigned long count)
{
	(void)row;
	caught = 0;
	wanted = count;
	row_check(mprotect((void *)page, PAGE, PROT_READ) == 0, "mprotect");
	row_begin();
	*page = 2;
	row_end();
	row_check(caught == count, "a fault was not caught");
	return count;
}

const struct row rows_signals[] = {
	{ "signal_install", "calls", "call", ROW_SCALES, NULL, install_run, { 0 }, 0 },
	{ "signal_catch", "calls", "signal", ROW_SCALES, catch_make, catch_run, { 0 }, 0 },
	{ "signal_protection", "calls", "fault", ROW_MARKS | ROW_SCALES, fault_make, fault_run, { 0 }, 0 },
	{ 0 },
};
