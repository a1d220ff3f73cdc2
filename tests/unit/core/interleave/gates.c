/*
 * The gates of fs in every interleaving: services/fs/gate.c itself, over a model of the core's waits. Whoever shares excludes whoever is alone,
 * no wake is lost, and in the end the gate is free.
 */
#include <fs/fs.h>
#include "interleave.h"
#include "../../harness.h"

static struct fs_gate gate;
static struct { u64 sharers, alone, waits[PROCESSORS_MAX]; } kept; /* waits: the bits that a processor waits with, 0: none */

/* ---- Stand-ins ------------------------------------------------------------------------------------------------------------------ */

void arch_tlb_serve(void);   /* explore.c wants it */
void arch_tlb_serve(void) { }
void stable_section_begin(void) { }
void stable_section_end(void) { }

/* Each wait is looked at once more before. */
bool lock_moment(u32 *looks)
{
	interleave_relax();
	return !(*looks)++;
}

/* To look at the word and to stand among the waiters is one step, as it is under the lock of the core's bucket. */
long tk_wait(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset)
{
	u64 *wait = &kept.waits[interleave_self()];

	EXPECT(deadline == NANOS_NEVER && flags == TK_WAIT_NEVER_INTERRUPTED && bitset);
	interleave_relax();
	if (*word != expected)
		return -EAGAIN;
	*wait = bitset;
	while (*wait)
		interleave_relax();
	return 0;
}

long tk_wake(const volatile u32 *word, u32 count, u32 flags, u32 bitset)
{
	long woken = 0;

	(void)word;
	EXPECT(flags == 0);
	interleave_relax();
	for (u32 i = 0; i < PROCESSORS_MAX && (u32)woken < count; i++)
		if (kept.waits[i] & bitset) {
			kept.waits[i] = 0;
			woken++;
		}
	return woken;
}

/* ---- Scripts ------------------------------------------------------------------------------------------------------------------------ */

static void world(void)
{
	gate.state = 0;
	__builtin_memset(&kept, 0, sizeof(kept));
	interleave_keep(&kept, sizeof(kept));
}

static void is_alone(void)
{
	EXPECT(!kept.alone && !kept.sharers);
	kept.alone++;
	interleave_relax();
	EXPECT(kept.alone == 1 && !kept.sharers);
	kept.alone--;
	fs_gate_release(&gate);
}

static void alone(void)
{
	fs_gate_exclusive(&gate);
	is_alone();
}

static void share(void)
{
	fs_gate_shared(&gate);
	EXPECT(!kept.alone);
	kept.sharers++;
	interleave_relax();
	EXPECT(!kept.alone);
	kept.sharers--;
	fs_gate_release(&gate);
}

static void share_then_alone(void)
{
	fs_gate_shared(&gate);
	if (fs_gate_upgrade(&gate))
		is_alone();
	else
		fs_gate_release(&gate);
}

static void alone_twice(void)
{
	alone();
	alone();
}

static void share_twice(void)
{
	share();
	share();
}

static void share_alone(void)
{
	share();
	alone();
}

static void is_free(void) { EXPECT(gate.state == 0 && !kept.alone && !kept.sharers); }

static const struct interleave tests[] = {
	{ "alone, alone", 2, false, world, { alone_twice, alone_twice }, NULL, is_free },
	{ "alone, shared", 2, false, world, { alone_twice, share_twice }, NULL, is_free },
	{ "three alone", 3, false, world, { alone, alone, alone }, NULL, is_free },
	{ "two share, one alone", 3, false, world, { share, share, alone }, NULL, is_free },
	{ "one shares, two alone", 3, false, world, { share, alone, alone }, NULL, is_free },
	{ "one changes its mind", 3, false, world, { share_then_alone, share, alone }, NULL, is_free },
	{ "one after the other", 3, true, world, { share_alone, share_alone, share_alone }, NULL, is_free },
};

static void gates_in_every_order(void) { CHECK(interleave_explore_all(tests, countof(tests), false)); }
static void gates_with_delayed_stores(void) { CHECK(interleave_explore_all(tests, countof(tests), true)); }

TEST_MAIN(TEST(gates_in_every_order), TEST(gates_with_delayed_stores))
