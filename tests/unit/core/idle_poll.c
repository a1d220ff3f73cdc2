/*
 * A processor that looks for work before it halts, in every interleaving, as a model of sched_wake and cpu_idle (core/sched.c), step by step
 * as they touch memory: two wakers each queue a thread some times. All threads are taken, and the processor never halts while one waits.
 */
#include <string.h>
#include "explore.h"

#define WAKERS 2u
#define ROUNDS 2u

enum { WAKE_QUEUE, WAKE_SET, WAKE_LOOK, WAKE_SEND };                  /* sched_wake */
enum { IDLE_BEGIN, IDLE_LOOK, IDLE_STOP, IDLE_CHECK, IDLE_HALTED, IDLE_INTERRUPTED, IDLE_SWITCH }; /* cpu_idle, trap_from_core, sched_switch */

struct machine {
	u8 queued, reschedule, polling, interrupt;
	u8 idle, looks;
	u8 waker[WAKERS], rounds[WAKERS], sends[WAKERS];
};

static u32 found;
static unsigned long ends, spared;
static bool early_check, always_spared; /* broken variants, which the test must find: the last look was before the end of the poll */

static bool waker_step(struct machine *m, u32 i)
{
	switch (m->waker[i]) {
	case WAKE_QUEUE:
		if (m->rounds[i] == 0)
			return false;
		m->rounds[i]--;
		m->queued++;
		m->waker[i] = WAKE_SET;
		return true;
	case WAKE_SET:
		m->reschedule = true;
		m->waker[i] = WAKE_LOOK;
		return true;
	case WAKE_LOOK:
		m->sends[i] = !m->polling && !always_spared;
		spared += m->polling;
		m->waker[i] = WAKE_SEND;
		return true;
	default:
		m->interrupt |= m->sends[i];
		m->waker[i] = WAKE_QUEUE;
		return true;
	}
}

/* It polls as long as it likes, and then may halt. An interrupt comes while it polls or is halted. */
static bool processor_step(struct machine *m, bool interrupt)
{
	bool open = m->idle == IDLE_LOOK || m->idle == IDLE_HALTED;

	if (interrupt) {
		if (!open || !m->interrupt)
			return false;
		m->interrupt = false;
		m->polling = false;
		m->idle = IDLE_INTERRUPTED;
		return true;
	}
	switch (m->idle) {
	case IDLE_BEGIN:
		m->polling = true;
		m->looks = 0;
		m->idle = IDLE_LOOK;
		return true;
	case IDLE_LOOK:
		if (!m->reschedule && m->looks++ == 0)
			return true;
		m->idle = IDLE_STOP;
		return true;
	case IDLE_STOP:
		m->polling = false;
		m->idle = early_check && m->looks ? IDLE_HALTED : IDLE_CHECK;
		return true;
	case IDLE_CHECK:
		m->idle = m->reschedule ? IDLE_SWITCH : IDLE_HALTED;
		return true;
	case IDLE_HALTED:
		return false;
	case IDLE_INTERRUPTED:
		m->idle = m->reschedule ? IDLE_SWITCH : IDLE_BEGIN;
		return true;
	default:
		m->reschedule = false;
		m->queued = 0; /* under the queue's lock: all that stand there; each runs, and the processor is idle again */
		m->idle = IDLE_BEGIN;
		return true;
	}
}

static void explore(const struct machine *from)
{
	bool moved = false;

	for (u32 choice = 0; choice < WAKERS + 2; choice++) {
		struct machine m = *from;
		if (!(choice < WAKERS ? waker_step(&m, choice) : processor_step(&m, choice > WAKERS)))
			continue;
		moved = true;
		if (!found && explore_visit(&m, sizeof(m)))
			explore(&m);
	}
	if (moved)
		return;
	ends++;
	found += from->queued; /* halted for good */
}

static void run(void)
{
	struct machine start;

	memset(&start, 0, sizeof(start));
	memset(start.rounds, ROUNDS, sizeof(start.rounds));
	explore_begin();
	ends = spared = found = 0;
	explore(&start);
	explore_end();
}

static void no_thread_waits_for_a_halted_processor(void)
{
	run();
	CHECK(explore_states > 500 && ends && spared && !found);
}

static void broken_polls_are_found(void)
{
	bool *const variants[] = { &early_check, &always_spared };

	for (u32 i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		*variants[i] = true;
		run();
		CHECK(found > 0);
		*variants[i] = false;
	}
}

TEST_MAIN(TEST(no_thread_waits_for_a_halted_processor), TEST(broken_polls_are_found))
