/*
 * Flushes and a processor that halts, in every interleaving: two initiators each change a page table some times and either mark the
 * halted processor or ask it and wait. When an initiator is done, the processor never uses the translation from before the change.
 */
#include <string.h>
#include "tlb_request.h"
#include "explore.h"

#define INITIATORS 2u

enum step { STEP_CHANGE, STEP_TELL, STEP_WAIT };

struct machine {
	u64 pending;
	u32 idle;
	u8 halted, marked;         /* marked: between the two steps of leaving, what the exchange said */
	u8 leaving, halts;
	u8 table[INITIATORS], done[INITIATORS], buffer[INITIATORS];
	u8 step[INITIATORS], rounds[INITIATORS];
};

static u32 found;
static bool late_look; /* a broken variant: the mark is looked at before the processor says that it runs */

static bool initiator_step(struct machine *m, u32 i)
{
	switch (m->step[i]) {
	case STEP_CHANGE:
		if (m->rounds[i] == 0)
			return false;
		m->table[i]++;
		m->step[i] = STEP_TELL;
		return true;
	case STEP_TELL:
		if (tlb_idle_mark(&m->idle)) {
			m->done[i] = m->table[i];
			m->rounds[i]--;
			m->step[i] = STEP_CHANGE;
		} else {
			tlb_request_post(&m->pending, i);
			m->step[i] = STEP_WAIT;
		}
		return true;
	default:
		if (!tlb_request_done(&m->pending, i))
			return false;
		m->done[i] = m->table[i];
		m->rounds[i]--;
		m->step[i] = STEP_CHANGE;
		return true;
	}
}

static void buffer_flush(struct machine *m)
{
	for (u32 i = 0; i < INITIATORS; i++)
		m->buffer[i] = m->table[i];
}

/* What the processor may do next; kind: 0 use, 1 serve, 2 halt or leave. */
static bool processor_step(struct machine *m, u32 kind)
{
	if (m->halted || m->leaving) {
		if (kind != 2)
			return false;
		if (m->halted) {
			m->halted = false;
			m->leaving = true;
			m->marked = late_look ? m->idle == TLB_IDLE_MARKED : tlb_idle_leave(&m->idle);
			return true;
		}
		if (late_look)
			(void)tlb_idle_leave(&m->idle);
		if (m->marked)
			buffer_flush(m);
		m->leaving = m->marked = false;
		return true;
	}
	if (kind == 0) {
		for (u32 i = 0; i < INITIATORS; i++)
			found += m->buffer[i] < m->done[i];
		return false;
	}
	if (kind == 1) {
		int i = tlb_request_next(&m->pending);
		if (i < 0)
			return false;
		m->buffer[i] = m->table[i];
		tlb_request_acknowledge(&m->pending, (u32)i);
		return true;
	}
	if (m->halts == 0)
		return false;
	m->halts--;
	m->halted = true;
	tlb_idle_enter(&m->idle);
	return true;
}

static void explore(const struct machine *from)
{
	bool moved = false;

	for (u32 choice = 0; choice < INITIATORS + 3; choice++) {
		struct machine m = *from;
		if (!(choice < INITIATORS ? initiator_step(&m, choice) : processor_step(&m, choice - INITIATORS)))
			continue;
		moved = true;
		if (!found && explore_visit(&m, sizeof(m)))
			explore(&m);
	}
	for (u32 i = 0; i < INITIATORS && !moved; i++)
		found += from->rounds[i] != 0; /* no deadlock */
}

static void run(void)
{
	struct machine start;

	memset(&start, 0, sizeof(start));
	start.halts = 3;
	for (u32 i = 0; i < INITIATORS; i++)
		start.rounds[i] = 3;
	explore_begin();
	found = 0;
	explore(&start);
	explore_end();
}

static void halting_processor_flushes_in_time(void)
{
	run();
	CHECK(explore_states > 1000 && !found);
}

static void late_look_is_found(void)
{
	late_look = true;
	run();
	CHECK(found > 0);
	late_look = false;
}

TEST_MAIN(TEST(halting_processor_flushes_in_time), TEST(late_look_is_found))
