/*
 * Spare pages: frames that the objects of a unit no longer need stay in its window for its next objects. To take a page out of a window costs a
 * flush on each processor that runs the unit; to use it for another object of the same unit costs none. Spare pages are free memory: when
 * nothing else is free, they are taken back. No lock: a slot belongs to whoever changes it.
 */
#include "mem.h"

#define SPARES 64u

static u64 spares[SPARES]; /* maker << 32 | frame, or 0: empty */
static u32 spare_count;    /* slots that are in use or promised */

u32 mem_spares_held(void)
{
	return __atomic_load_n(&spare_count, __ATOMIC_RELAXED); /* a number by itself */
}

static void count_change(i32 step)
{
	__atomic_add_fetch(&spare_count, (u32)step, __ATOMIC_RELAXED); /* a number by itself */
}

/* Neighbours in time use slots near each other, different stacks others. */
static u64 *slot_at(u32 i)
{
	return &spares[(rt_stack_number() + i) % SPARES];
}

static bool slot_change(u64 *slot, u64 from, u64 to)
{
	/* Acquire and release: whoever takes a frame sees all that was done with it. */
	return __atomic_compare_exchange_n(slot, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

bool mem_spare_put(u32 maker, frame_t frame)
{
	if (mem_spares_held() >= SPARES || mem_frames_short())
		return false;
	if (__atomic_add_fetch(&spare_count, 1, __ATOMIC_RELAXED) > SPARES) { /* a promise of one slot; which one is decided below */
		count_change(-1);
		return false;
	}
	mem_frame_state_set(frame, MEM_FRAME_SPARE);
	for (u32 i = 0; !slot_change(slot_at(i), 0, (u64)maker << 32 | frame); i++)
		;
	return true;
}

frame_t mem_spare_take(u32 maker)
{
	u32 looked = mem_frames_short() ? 0 : SPARES;

	for (u32 i = 0; i < looked && mem_spares_held(); i++) {
		u64 *slot = slot_at(i), spare = __atomic_load_n(slot, __ATOMIC_RELAXED);

		if (!spare || spare >> 32 != maker || !slot_change(slot, spare, 0))
			continue;
		count_change(-1);
		mem_frame_state_set((frame_t)spare, MEM_FRAME_LENT);
		return (frame_t)spare;
	}
	return FRAME_NONE;
}

bool mem_spares_free(void)
{
	bool any = false;

	for (u32 i = 0; i < SPARES; i++) {
		u64 spare = __atomic_exchange_n(&spares[i], 0, __ATOMIC_ACQUIRE); /* see slot_change */

		if (!spare)
			continue;
		(void)tk_revoke(token_of_frame((frame_t)spare), TK_EVERYONE);
		count_change(-1);
		mem_frames_put((frame_t)spare, 0);
		any = true;
	}
	return any;
}
