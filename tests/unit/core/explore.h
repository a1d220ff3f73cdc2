/*
 * The states that an exploration has been in: a machine is a struct whose bytes are all of its state, and a state that was seen is not gone
 * into again. Begin, ask explore_visit() before each descent, end.
 */
#ifndef TEST_EXPLORE_H
#define TEST_EXPLORE_H

#include <tessera/types.h>
#include "../harness.h"

#define EXPLORE_SEEN_BITS 22
#define EXPLORE_SEEN_MAX (1ul << EXPLORE_SEEN_BITS)

static u64 *explore_seen;               /* hashes of states, 0: no entry */
static unsigned long explore_states;

static inline void explore_begin(void)
{
	explore_seen = calloc(EXPLORE_SEEN_MAX, sizeof(*explore_seen));
	explore_states = 0;
}

static inline void explore_end(void)
{
	free(explore_seen);
}

/* True the first time that a machine is in this state. */
static inline bool explore_visit(const void *machine, size_t size)
{
	const u8 *bytes = machine;
	u64 hash = 0xcbf29ce484222325ul;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ul;
	hash |= 1;
	u64 at = hash * 0x9e3779b97f4a7c15ul >> (64 - EXPLORE_SEEN_BITS);
	while (explore_seen[at] && explore_seen[at] != hash)
		at = (at + 1) % EXPLORE_SEEN_MAX;
	if (explore_seen[at])
		return false;
	if (++explore_states == EXPLORE_SEEN_MAX) {
		printf("Bail out! more states than the table holds\n");
		abort();
	}
	explore_seen[at] = hash;
	return true;
}

#endif
