/* Threads that wait for jobs. */
#include "helpers.h"

static volatile u32 round_number;
static volatile u32 done;
static void (*volatile job)(void);

void helper_run(void)
{
	for (u32 seen = 0;; seen++) {
		while (round_number == seen)
			tk_wait(&round_number, seen, NANOS_NEVER, 0, ~0u);
		job();
		/* Sequentially consistent: the waiter reads what the job wrote. */
		__atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
		tk_wake(&done, 1, 0, ~0u);
	}
}

void helpers_start(void (*new_job)(void))
{
	job = new_job;
	done = 0;
	__atomic_add_fetch(&round_number, 1, __ATOMIC_SEQ_CST); /* the job stands before the number that tells of it */
	tk_wake(&round_number, ~0u, 0, ~0u);
}

bool helpers_wait(void)
{
	nanos_t deadline = clock_monotonic() + 10000000000ull;

	for (u32 seen = done; seen < HELPERS; seen = done) {
		if (tk_wait(&done, seen, deadline, 0, ~0u) == -ETIMEDOUT)
			return false;
	}
	return true;
}
