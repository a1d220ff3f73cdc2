/*
 * The shoot-down protocol in every interleaving of two and three processors: each changes a page table, posts requests, serves those of
 * others while it waits, halts at
 * times, and serves what is left at the end. After a shoot-down no processor uses a translation that was there before it.
 */
#include <string.h>
#include "tlb_request.h"
#include "explore.h"

#define CPUS 3u
#define HALTS 2u              /* of each processor */

enum step { STEP_CHANGE, STEP_POST, STEP_WAIT, STEP_DONE };

/* The whole machine. Each processor owns one page; tables hold its version, buffers the version that a processor last saw. */
struct machine {
	u64 pending[CPUS];
	u8 slots[CPUS];            /* version which the initiator's request is about: stands for struct tlb_slot */
	u8 table[CPUS];
	u8 buffer[CPUS][CPUS];     /* [processor][page] */
	u8 step[CPUS], next[CPUS], rounds[CPUS], halts[CPUS];
	u32 idle[CPUS];            /* enum tlb_idle */
	u8 asked[CPUS];            /* by initiator: who has its request */
	u8 serving[CPUS];          /* initiator + 1 whose slot it has read */
	u8 seen[CPUS];             /* what it read there */
};

static u32 cpus, rounds_wanted;
static bool early_acknowledge; /* a broken variant, which the test must find */
static u32 found;              /* violations seen */

static void expect(bool good) { found += !good; }

/* Serving takes two steps: read the slot, then flush and acknowledge. True if there was something to do. */
static bool serve(struct machine *m, u32 self)
{
	if (m->serving[self]) {
		u32 initiator = m->serving[self] - 1u;
		expect(m->slots[initiator] == m->seen[self]); /* a slot in use never changes */
		m->buffer[self][initiator] = m->table[initiator];
		if (!early_acknowledge)
			tlb_request_acknowledge(&m->pending[self], initiator);
		m->serving[self] = 0;
		return true;
	}
	int initiator = tlb_request_next(&m->pending[self]);
	if (initiator < 0)
		return false;
	m->serving[self] = (u8)(initiator + 1);
	m->seen[self] = m->slots[initiator];
	if (early_acknowledge)
		tlb_request_acknowledge(&m->pending[self], (u32)initiator);
	return true;
}

/* The main line of a processor; false when it can't go on. */
static bool advance(struct machine *m, u32 self)
{
	switch (m->step[self]) {
	case STEP_CHANGE:
		if (m->rounds[self] == rounds_wanted)
			return false;
		m->rounds[self]++;
		m->slots[self] = ++m->table[self];
		m->buffer[self][self] = m->table[self];
		m->next[self] = m->asked[self] = 0;
		m->step[self] = STEP_POST;
		return true;
	case STEP_POST:
		if (m->next[self] != self && !tlb_idle_mark(&m->idle[m->next[self]])) {
			tlb_request_post(&m->pending[m->next[self]], self);
			m->asked[self] |= (u8)(1u << m->next[self]);
		}
		if (++m->next[self] == cpus)
			m->step[self] = STEP_WAIT;
		return true;
	case STEP_WAIT:
		for (u32 id = 0; id < cpus; id++)
			if (m->asked[self] >> id & 1 && !tlb_request_done(&m->pending[id], self))
				return false;
		for (u32 id = 0; id < cpus; id++)
			/* Nobody uses the old translation, or will before it flushes. */
			expect(m->buffer[id][self] == m->table[self] || m->idle[id] == TLB_IDLE_MARKED);
		m->step[self] = STEP_CHANGE;
		return true;
	default:
		return false;
	}
}

/* A processor with nothing to do halts, and wakes at any time: an interrupt may come for other reasons. */
static bool halt_or_wake(struct machine *m, u32 self)
{
	if (m->idle[self] == TLB_RUNNING) {
		if (m->step[self] != STEP_CHANGE || m->halts[self] == HALTS || m->serving[self])
			return false;
		m->halts[self]++;
		tlb_idle_enter(&m->idle[self]);
		return true;
	}
	if (tlb_idle_leave(&m->idle[self]))
		memcpy(m->buffer[self], m->table, sizeof(m->table));
	return true;
}

/* One step of a kind: of the main line, of serving, of idling. */
static bool step(struct machine *m, u32 self, u32 kind)
{
	if (kind == 2)
		return halt_or_wake(m, self);
	if (m->idle[self] != TLB_RUNNING)
		return false;
	/* The main line waits while its processor is in the middle of serving. */
	return kind ? serve(m, self) : !m->serving[self] && advance(m, self);
}

static void explore(const struct machine *from)
{
	bool moved = false;

	for (u32 self = 0; self < cpus; self++)
		for (u32 kind = 0; kind < 3; kind++) {
			struct machine m = *from;

			if (!step(&m, self, kind))
				continue;
			moved = true;
			if (!found && explore_visit(&m, sizeof(m)))
				explore(&m);
		}
	if (moved)
		return;
	for (u32 self = 0; self < cpus; self++)
		expect(from->rounds[self] == rounds_wanted && from->step[self] == STEP_CHANGE); /* no deadlock */
}

static void run(u32 count, u32 rounds)
{
	struct machine start;

	memset(&start, 0, sizeof(start));
	explore_begin();
	found = 0;
	cpus = count;
	rounds_wanted = rounds;
	explore(&start);
	explore_end();
}

static void two_processors(void)
{
	run(2, 4);
	CHECK(explore_states > 500 && !found);
}
static void three_processors(void)
{
	run(3, 1);
	CHECK(explore_states > 5000 && !found);
}
static void broken_variant_is_found(void)
{
	early_acknowledge = true;
	run(2, 1);
	CHECK(found > 0);
	early_acknowledge = false;
}

TEST_MAIN(TEST(two_processors), TEST(three_processors), TEST(broken_variant_is_found))
