/* A row as two processes, each on a processor of its own: they wait for a turn's number, run it, and tell when they began and ended. */
#include "runner.h"
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct pair {
	uint32_t turn, ready, ended;
	unsigned long count, done[2];
	uint64_t begun[2], finished[2];
	struct batch batches[2]; /* any process of a worker marks in its worker's */
} *pair;

static void word_wait(volatile uint32_t *word, uint32_t old)
{
	while (*word == old)
		syscall(SYS_futex, word, FUTEX_WAIT, old, NULL, NULL, 0);
}

static void word_add(uint32_t *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void worker(const struct row *row, unsigned number)
{
	struct batch *own = &pair->batches[number];
	char folder[64];

	batch = own;
	snprintf(folder, sizeof(folder), "%s/%u", row_folder, number);
	mkdir(folder, 0755);
	row_check(chdir(folder) == 0, folder);
	row_pin(number);
	if (row->setup)
		row->setup(row);
	word_add(&pair->ready);
	for (uint32_t turn = 0;; turn++) {
		word_wait(&pair->turn, turn);
		own->time = 0;
		pair->begun[number] = row_clock();
		pair->done[number] = row->run(row, pair->count);
		pair->finished[number] = row_clock();
		if (row->flags & ROW_MARKS) /* it has measured a part of it */
			pair->begun[number] = pair->finished[number] - (uint64_t)own->time;
		word_add(&pair->ended);
	}
}

static void worker_zero(const struct row *row)
{
	worker(row, 0);
}

static void worker_one(const struct row *row)
{
	worker(row, 1);
}

static void both_wait(volatile uint32_t *word, uint32_t wanted)
{
	for (uint32_t seen = *word; seen != wanted; seen = *word)
		word_wait(word, seen);
}

void pair_start(const struct row *row)
{
	pair = row_shared(sizeof(*pair));
	row_partner(worker_zero, row);
	row_partner(worker_one, row);
	both_wait(&pair->ready, 2);
}

unsigned long pair_run(const struct row *row, unsigned long count)
{
	uint64_t longest = 0;

	(void)row;
	pair->count = count;
	pair->ended = 0;
	word_add(&pair->turn);
	both_wait(&pair->ended, 2);
	for (unsigned i = 0; i < 2; i++)
		if (pair->finished[i] - pair->begun[i] > longest)
			longest = pair->finished[i] - pair->begun[i];
	batch->time = (int64_t)longest;
	return pair->done[0] + pair->done[1];
}
