/* Sleeping locks, shared or exclusive. They may be held over copies from and to the application, which service locks may not. */
#include "recover.h"

#define EXCLUSIVE 0x80000000u
#define WAITERS 0x40000000u
#define HOLDERS 0x3fffffffu

struct fs_gate fs_tree;

/* Waits until the state may have changed; the bit makes the holder wake us, and keeps newcomers from overtaking. */
static void gate_wait(struct fs_gate *gate, u32 state)
{
	/* Relaxed: only the later acquiring exchange orders anything. */
	if (!(state & WAITERS) && !__atomic_compare_exchange_n(&gate->state, &state, state | WAITERS, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	/* Every answer means: look again. */
	(void)!tk_wait(&gate->state, state | WAITERS, NANOS_NEVER, TK_WAIT_NEVER_INTERRUPTED, ~0u);
}

void fs_gate_shared(struct fs_gate *gate)
{
	for (;;) {
		u32 state = __atomic_load_n(&gate->state, __ATOMIC_RELAXED);

		if (state & (EXCLUSIVE | WAITERS))
			gate_wait(gate, state);
		/* Acquire: what the last exclusive holder wrote is seen. */
		else if (__atomic_compare_exchange_n(&gate->state, &state, state + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
	}
}

void fs_gate_exclusive(struct fs_gate *gate)
{
	for (;;) {
		u32 state = __atomic_load_n(&gate->state, __ATOMIC_RELAXED);

		if (state & (EXCLUSIVE | HOLDERS))
			gate_wait(gate, state);
		/* Acquire: what the last holder wrote is seen. */
		else if (__atomic_compare_exchange_n(&gate->state, &state, state | EXCLUSIVE, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			break;
	}
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

void fs_gate_release(struct fs_gate *gate)
{
	u32 state = __atomic_load_n(&gate->state, __ATOMIC_RELAXED), next;

	if (state & EXCLUSIVE)
		stable_section_end();
	do {
		next = state & EXCLUSIVE ? state & ~EXCLUSIVE : state - 1;
		if ((next & HOLDERS) == 0)
			next = 0;   /* the waiters are woken: each sets the bit again if it has to */
		/* Release: the next holder sees what this one wrote. */
	} while (!__atomic_compare_exchange_n(&gate->state, &state, next, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if ((state & WAITERS) && next == 0)
		tk_wake(&gate->state, ~0u, 0, ~0u);
}

bool fs_gate_recover(struct fs_gate *gate)
{
	bool held = gate->state & EXCLUSIVE;

	gate->state = 0;
	return held;
}
