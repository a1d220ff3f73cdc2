/*
 * Loops around the core's calls on page tables: each goes through a bounded number of pages a call, and stops when the core has no
 * page tables left, which are then given and the call goes on.
 */
#include "mem.h"

#define FREED_AT_ONCE 96u
#define MAP_AT_ONCE 512u

/* What a call that goes through pages answered: true if it got further, or may when it is tried again. */
static bool pages_go_on(long done)
{
	if (done > 0 && !mem_is_error(done))
		return true;
	return (done == 0 || done == -ENOMEM) && mem_reserve_refill() == 0;
}

long mem_pages_map(struct mem_space *space, u64 address, const frame_t *frames, u32 count, u32 prot)
{
	u32 done = 0;

	while (done < count) {
		struct tk_map map = { .vspace = space->token, .address = address + done * PAGE_SIZE, .count = count - done, .prot = prot,
		                      .frames = frames + done };
		long result;

		if (map.count > MAP_AT_ONCE)
			map.count = MAP_AT_ONCE;
		result = tk_map(&map);
		if (!pages_go_on(result))
			return mem_is_error(result) ? result : -ENOMEM;
		if (!mem_is_error(result))
			done += (u32)result;
	}
	return 0;
}

void mem_pages_unmap_token(vaddr_t token, u64 start, u64 end)
{
	frame_t freed[FREED_AT_ONCE];

	while (start < end) {
		struct tk_unmap unmap = { .vspace = token, .address = start, .pages = (end - start) >> PAGE_SHIFT, .freed = freed,
		                          .capacity = FREED_AT_ONCE };
		long result = tk_unmap(&unmap);

		for (u32 i = 0; i < unmap.freed_count; i++)
			if (mem_frame_state(freed[i]) == MEM_FRAME_ANONYMOUS)
				mem_frames_put(freed[i], 0);
		if (mem_is_error(result) || unmap.done == 0) {
			rt_assert(result == -ENOMEM && mem_reserve_refill() == 0);
			continue;
		}
		start += unmap.done << PAGE_SHIFT;
	}
}

void mem_pages_unmap(struct mem_space *space, u64 start, u64 end)
{
	if (space->table->resident > space->resident_peak)
		space->resident_peak = space->table->resident;
	mem_pages_unmap_token(space->token, start, end);
}

long mem_pages_protect(struct mem_space *space, u64 start, u64 end, u32 prot)
{
	while (start < end) {
		long result = tk_protect(space->token, start, (end - start) >> PAGE_SHIFT, prot);

		if (!pages_go_on(result))
			return mem_is_error(result) ? result : -ENOMEM;
		if (!mem_is_error(result))
			start += (u64)result << PAGE_SHIFT;
	}
	return 0;
}

long mem_pages_share(struct mem_space *from, struct mem_space *to, u64 start, u64 end)
{
	while (start < end) {
		struct tk_share share = { .from = from->token, .to = to->token, .address = start, .pages = (end - start) >> PAGE_SHIFT,
		                          .cow = 1 };
		long result = tk_share(&share);

		if (!pages_go_on(result))
			return mem_is_error(result) ? result : -ENOMEM;
		if (!mem_is_error(result))
			start += (u64)result << PAGE_SHIFT;
	}
	return 0;
}

long mem_pages_move(struct mem_space *space, u64 from, u64 to, u64 size)
{
	while (size) {
		struct tk_move move = { .vspace = space->token, .from = from, .to = to, .pages = size >> PAGE_SHIFT };
		long result = tk_move(&move);
		u64 moved;

		if (!pages_go_on(result))
			return mem_is_error(result) ? result : -ENOMEM;
		moved = mem_is_error(result) ? 0 : (u64)result << PAGE_SHIFT;
		from += moved;
		to += moved;
		size -= moved;
	}
	return 0;
}
