/* Frame records at run time: claims of operations, changes of type, counts of mappings. */
#include "frame.h"
#include <arch/cpu.h>
#include <arch/page.h>

u64 frame_count;
frame_t frame_dead;

struct spinlock frame_locks[FRAME_LOCKS];

bool frame_claim(frame_t frame, u32 owner)
{
	if (frame == FRAME_NONE || frame >= frame_count)
		return false;
	struct frame_record *record = frame_record(frame);
	spin_lock(frame_lock(frame));
	bool good = frame_is_idle(record, owner);
	if (good) {
		record->pins = 1;
		record->flags |= FRAME_CLAIMED;
	}
	spin_unlock(frame_lock(frame));
	return good;
}

bool frames_claim(const frame_t *frames, u32 count, u32 owner)
{
	for (u32 i = 0; i < count; i++) {
		if (frame_claim(frames[i], owner))
			continue;
		frames_unclaim(frames, i);
		return false;
	}
	return true;
}

void frame_unclaim(frame_t frame)
{
	spin_lock(frame_lock(frame));
	frame_record(frame)->flags &= (u8)~FRAME_CLAIMED;
	frame_record(frame)->pins = 0;
	spin_unlock(frame_lock(frame));
}

void frames_unclaim(const frame_t *frames, u32 count)
{
	for (u32 i = 0; i < count; i++)
		frame_unclaim(frames[i]);
}

void frame_retype(frame_t frame, u32 type, u32 owner, u32 mappings)
{
	struct frame_record *record = frame_record(frame);

	spin_lock(frame_lock(frame));
	record->type = (u8)type;
	record->owner = (u8)owner;
	record->object_type = TK_OBJECT_NONE;
	record->flags = 0;
	record->generation++;
	record->map_count = mappings;
	record->pins = 0;
	spin_unlock(frame_lock(frame));
}

bool frame_map_count(frame_t frame, u32 owner)
{
	if (frame == FRAME_NONE || frame >= frame_count)
		return false;
	struct frame_record *record = frame_record(frame);
	spin_lock(frame_lock(frame));
	bool good = record->type == FRAME_USER && record->owner == owner && !(record->flags & FRAME_CLAIMED) && record->map_count != ~0u;
	if (good)
		/* Relaxed: the lock orders it against claims; other mappers only count. */
		__atomic_add_fetch(&record->map_count, 1, __ATOMIC_RELAXED);
	spin_unlock(frame_lock(frame));
	return good;
}

void frame_wait_pins(frame_t frame)
{
	/* Acquire: after the copy's accesses. */
	while (__atomic_load_n(&frame_record(frame)->pins, __ATOMIC_ACQUIRE)) {
		arch_tlb_serve();
		arch_relax();
	}
}

void frame_pin(frame_t frame)
{
	/* Relaxed: the caller's lock keeps the frame what it is until the pin counts. */
	__atomic_add_fetch(&frame_record(frame)->pins, 1, __ATOMIC_RELAXED);
}

void frame_unpin(frame_t frame)
{
	/* Release: accesses under the pin are over. */
	__atomic_sub_fetch(&frame_record(frame)->pins, 1, __ATOMIC_RELEASE);
}
