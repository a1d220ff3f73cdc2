/*
 * Sleeping locks, shared or exclusive. They may be held over copies from and to the application, which service locks may not. Whoever leaves
 * one wakes all that wait to share it, or one that wants it alone. Who has waited takes it with the bit that says that others may wait still.
 */
#include "recover.h"

#define EXCLUSIVE 0x80000000u
#define WAITERS 0x40000000u
#define HOLDERS 0x3fffffffu

enum { TO_SHARE = 1, TO_HAVE_ALONE = 2 };   /* what a waiter waits for: bits of its wait */

struct fs_gate fs_tree;

/* Waits until the state may have changed; the bit makes the holder wake us, and keeps newcomers from overtaking. True: it has waited. */
static bool gate_wait(struct fs_gate *gate, u32 state, u32 *looks, u32 wish)
{
	if (lock_moment(looks))
		return false;
	/* Relaxed: only the later acquiring exchange orders anything. */
	if (!(state & WAITERS) && !__atomic_compare_exchange_n(&gate->state, &state, state | WAITERS, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	/* Every answer means: look again. */
	(void)!tk_wait(&gate->state, state | WAITERS, NANOS_NEVER, TK_WAIT_NEVER_INTERRUPTED, wish);
	return true;
}

/* noinline, and so below: whoever finds the gate open does not pay for it. */
static __attribute__((noinline, cold)) void gate_shared_slow(struct fs_gate *gate)
{
	u32 looks = 0, kept = 0;

	for (;;) {
		u32 state = __atomic_load_n(&gate->state, __ATOMIC_RELAXED);

		/* Who has waited was woken to go in. */
		if (state & (kept ? EXCLUSIVE : EXCLUSIVE | WAITERS))
			kept |= gate_wait(gate, state, &looks, TO_SHARE) ? WAITERS : 0;
		/* Acquire: what the last exclusive holder wrote is seen. */
		else if (__atomic_compare_exchange_n(&gate->state, &state, (state + 1) | kept, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
	}
}

void fs_gate_shared(struct fs_gate *gate)
{
	u32 state = __atomic_load_n(&gate->state, __ATOMIC_RELAXED);

	/* Acquire: as above. */
	if (unlikely(state & (EXCLUSIVE | WAITERS)) ||
	    unlikely(!__atomic_compare_exchange_n(&gate->state, &state, state + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		gate_shared_slow(gate);
}

static __attribute__((noinline, cold)) void gate_exclusive_slow(struct fs_gate *gate)
{
	u32 looks = 0, kept = 0;

	for (;;) {
		u32 state = __atomic_load_n(&gate->state, __ATOMIC_RELAXED);

		if (state & (EXCLUSIVE | HOLDERS))
			kept |= gate_wait(gate, state, &looks, TO_HAVE_ALONE) ? WAITERS : 0;
		/* Acquire: what the last holder wrote is seen. */
		else if (__atomic_compare_exchange_n(&gate->state, &state, state | EXCLUSIVE | kept, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
	}
}

void fs_gate_exclusive(struct fs_gate *gate)
{
	u32 state = 0;

	/* Acquire: as above. */
	if (unlikely(!__atomic_compare_exchange_n(&gate->state, &state, EXCLUSIVE, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		gate_exclusive_slow(gate);
	stable_section_begin();
}

bool fs_gate_upgrade(struct fs_gate *gate)
{
	u32 state = 1;

	/* Acquire: what other holders looked at before they left is not changed earlier. */
	if (!__atomic_compare_exchange_n(&gate->state, &state, EXCLUSIVE, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	stable_section_begin();
	return true;
}

/* Those that share and those that exclude go in by turns, if there are both. */
static __attribute__((noinline, cold)) void gate_wake(struct fs_gate *gate, bool was_exclusive)
{
	if (was_exclusive && tk_wake(&gate->state, ~0u, 0, TO_SHARE) > 0)
		return;
	if (tk_wake(&gate->state, 1, 0, TO_HAVE_ALONE) <= 0 && !was_exclusive)
		(void)!tk_wake(&gate->state, ~0u, 0, TO_SHARE);
}

void fs_gate_release(struct fs_gate *gate)
{
	u32 state = __atomic_load_n(&gate->state, __ATOMIC_RELAXED), next;

	if (state & EXCLUSIVE)
		stable_section_end();
	do {
		next = state & EXCLUSIVE ? state & ~EXCLUSIVE : state - 1;
		if ((next & HOLDERS) == 0)
			next = 0;   /* who is woken sets the bit again */
		/* Release: the next holder sees what this one wrote. */
	} while (!__atomic_compare_exchange_n(&gate->state, &state, next, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (unlikely(state & WAITERS) && next == 0)
		gate_wake(gate, state & EXCLUSIVE);
}

bool fs_gate_recover(struct fs_gate *gate)
{
	bool held = gate->state & EXCLUSIVE;

	gate->state = 0;
	return held;
}
