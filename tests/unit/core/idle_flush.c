/*
 * Flushes and a processor that halts, in every interleaving: two initiators each change a page table some times and either mark the
 * halted processor or ask it and wait. When an initiator is done, the processor never uses the translation from before the change.
 */
#include <string.h>
#include "tlb_request.h"
#include "../harness.h"

#define INITIATORS 2u
#define SEEN_MAX (1u << 20)

enum step { STEP_CHANGE, STEP_TELL, STEP_WAIT };

struct machine {
	u64 pending;
	u32 idle;
	u8 halted, marked;         /* marked: between the two steps of leaving, what the exchange said */
	u8 leaving, halts;
	u8 table[INITIATORS], done[INITIATORS], buffer[INITIATORS];
	u8 step[INITIATORS], rounds[INITIATORS];
};

static u64 *visited;
static unsigned long states;
static u32 found;
static bool late_look; /* a broken variant: the mark is looked at before the processor says that it runs */

static bool visit(const struct machine *m)
{
	const u8 *bytes = (const u8 *)m;
	u64 hash = 0xcbf29ce484222325ul;

	for (size_t i = 0; i < sizeof(*m); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ul;
	hash |= 1;
	u64 at = hash * 0x9e3779b97f4a7c15ul >> 44;
	while (visited[at] && visited[at] != hash)
		at = (at + 1) % SEEN_MAX;
	if (visited[at])
		return false;
	visited[at] = hash;
	states++;
	return true;
}

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
		if (!found && visit(&m))
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
	visited = calloc(SEEN_MAX, sizeof(*visited));
	states = found = 0;
	explore(&start);
	free(visited);
}

static void halting_processor_flushes_in_time(void)
{
	run();
	CHECK(states > 1000 && !found);
}

static void late_look_is_found(void)
{
	late_look = true;
	run();
	CHECK(found > 0);
	late_look = false;
}

TEST_MAIN(TEST(halting_processor_flushes_in_time), TEST(late_look_is_found))
