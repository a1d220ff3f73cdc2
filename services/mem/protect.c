/* What goes along the regions of a range and changes them: mprotect(2), mlock(2), mlockall(2), and the walks that others use too. */
#include "mem.h"
#include <mem_server.h>

#define PROT_ALL (TK_PROT_READ | TK_PROT_WRITE | TK_PROT_EXECUTE)

/* Visits the regions [first, last): 0, what a visit answered, or -ENOMEM for a hole. */
static long regions_visit(struct mem_space *space, u32 first, u32 last, const struct mem_change *change)
{
	u64 expected = change->start;
	bool hole = false;

	for (u32 at = first; at < last; at++) {
		const struct tk_region *region = &space->regions[at];
		long result;

		hole |= region->start != expected;
		expected = region->end;
		if (hole && !change->past_holes)
			return -ENOMEM;
		result = change->visit(space, at, region->start, region->end, change->context);
		if (result)
			return result;
	}
	return hole || expected != change->end ? -ENOMEM : 0;
}

long mem_range_change(struct mem_space *space, const struct mem_change *change)
{
	u32 first, last;
	long result = mem_regions_reserve(space, 2);

	if (result)
		return result;
	mem_edit_begin(space);
	result = mem_range_isolate(space, change->start, change->end, &first, &last);
	if (!result) {
		result = regions_visit(space, first, last, change);
		mem_regions_merge(space, first, last);
	}
	mem_edit_end(space);
	return result;
}

long mem_range_walk(struct mem_space *space, u64 start, u64 end, mem_region_visit *visit, void *context)
{
	const struct tk_region_table *table = space->table;
	bool hole = false;

	for (u32 at = mem_region_find(space, start); start < end; at++) {
		u64 to;
		long result;

		if (at >= table->count || space->regions[at].start >= end)
			return -ENOMEM;
		if (space->regions[at].start > start) {
			hole = true;
			start = space->regions[at].start;
		}
		to = space->regions[at].end < end ? space->regions[at].end : end;
		result = visit(space, at, start, to, context);
		if (result)
			return result;
		start = to;
	}
	return hole ? -ENOMEM : 0;
}

/* ---- Protection ---------------------------------------------------------------------------------------------------------------- */

static long protect_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context)
{
	struct tk_region *region = &space->regions[at];
	u32 *notes = &space->side[at].notes;
	u8 prot = *(const u8 *)context;
	u32 pages_prot = prot;

	if (prot & ~(*notes >> MEM_NOTE_PROT_SHIFT))
		return -EACCES;
	if (prot == region->prot)
		return 0;
	if (mem_region_is_data(prot, *notes) && !mem_region_is_data(region->prot, *notes) &&
	    space->limits.data != MEM_UNLIMITED && space->data + mem_region_pages(region) > space->limits.data >> PAGE_SHIFT)
		return -ENOMEM;
	mem_region_count(space, region, *notes, false);
	region->prot = prot;
	if (prot & TK_PROT_WRITE)
		*notes |= MEM_NOTE_WRITTEN;
	mem_region_count(space, region, *notes, true);
	if (region->flags & TK_REGION_PRIVATE)
		pages_prot |= TK_PROT_COW;
	return mem_pages_protect(space, start, end, pages_prot);
}

long mem_op_protect(const struct rt_request *rq, u64 space, u64 address, u64 size, u32 prot)
{
	u8 wanted = (u8)(prot & PROT_ALL);
	struct mem_space *found;
	u64 end;
	long result = 0;

	(void)rq;
	if (address & PAGE_MASK || prot & ~(u32)(PROT_ALL | MEM_PROT_GROWSDOWN))
		return -EINVAL;
	if (!size)
		return 0;
	if (size > ~PAGE_MASK || !mem_range_valid(address, round_up(size, PAGE_SIZE)))
		return -ENOMEM;
	end = address + round_up(size, PAGE_SIZE);
	found = mem_space_get(space);
	if (!found)
		return -EBADF;
	if (prot & MEM_PROT_GROWSDOWN) {
		u32 at = mem_region_find(found, address);

		if (at >= found->table->count || found->regions[at].start >= end)
			result = -ENOMEM;
		else if (!(found->side[at].notes & MEM_NOTE_GROWSDOWN))
			result = -EINVAL;
		else
			address = found->regions[at].start;
	}
	if (!result)
		result = mem_range_change(found, &(struct mem_change){ address, end, protect_visit, &wanted, false });
	mem_space_put(found);
	return result;
}

/* ---- Locking: nothing is ever paged out, so what is locked is brought in and counted --------------------------------------------- */

static long lock_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context)
{
	const struct tk_region *region = &space->regions[at];
	u32 wanted = *(const u32 *)context;

	(void)start;
	(void)end;
	mem_region_count(space, region, space->side[at].notes, false);
	space->side[at].notes = (space->side[at].notes & ~(u32)(MEM_NOTE_LOCKED | MEM_NOTE_LOCK_ON_FAULT)) | wanted;
	mem_region_count(space, region, space->side[at].notes, true);
	return 0;
}

static long populate_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context)
{
	const struct tk_region *region = &space->regions[at];
	bool write = region->prot & TK_PROT_WRITE && !(space->side[at].notes & MEM_NOTE_SHARED);

	(void)context;
	return mem_fault_range(space, start, end, write ? TK_ACCESS_WRITE : TK_ACCESS_READ);
}

static u32 lock_notes(u32 flags)
{
	if (!(flags & MEM_LOCK_ON))
		return 0;
	return MEM_NOTE_LOCKED | (flags & MEM_LOCK_ON_FAULT ? MEM_NOTE_LOCK_ON_FAULT : 0);
}

static long lock_limit_check(const struct mem_space *space, u64 pages)
{
	if (space->limits.locked_ignored || space->limits.locked == MEM_UNLIMITED)
		return 0;
	if (!space->limits.locked)
		return -EPERM;
	return pages > space->limits.locked >> PAGE_SHIFT ? -ENOMEM : 0;
}

long mem_op_lock(const struct rt_request *rq, u64 space, u64 address, u64 size, u32 flags)
{
	u64 start = round_down(address, PAGE_SIZE), end = round_up(address + size, PAGE_SIZE);
	u32 notes = lock_notes(flags);
	struct mem_space *found;
	long result;

	(void)rq;
	if (flags & ~(u32)(MEM_LOCK_ON | MEM_LOCK_ON_FAULT))
		return -EINVAL;
	if (end < start || address + size < address)
		return -EINVAL;
	if (start == end)
		return 0;
	if (!mem_range_valid(start, end - start))
		return -ENOMEM;
	found = mem_space_get(space);
	if (!found)
		return -EBADF;
	result = notes ? lock_limit_check(found, found->locked + ((end - start) >> PAGE_SHIFT)) : 0;
	if (!result)
		result = mem_range_change(found, &(struct mem_change){ start, end, lock_visit, &notes, false });
	if (!result && notes && !(flags & MEM_LOCK_ON_FAULT)) {
		result = mem_range_walk(found, start, end, populate_visit, NULL);
		if (result)
			result = result == -ENOMEM ? -EAGAIN : -ENOMEM;
	}
	mem_space_put(found);
	return result;
}

long mem_op_lock_all(const struct rt_request *rq, u64 space, u32 flags)
{
	u32 notes = lock_notes(flags);
	struct mem_space *found;
	long result;

	(void)rq;
	if (flags & ~15u || (flags & MEM_LOCK_ON && !(flags & (MEM_LOCK_CURRENT | MEM_LOCK_FUTURE))))
		return -EINVAL;
	found = mem_space_get(space);
	if (!found)
		return -EBADF;
	result = notes && flags & MEM_LOCK_CURRENT ? lock_limit_check(found, found->total) : 0;
	if (!result) {
		found->lock_future = flags & MEM_LOCK_FUTURE;
		found->lock_on_fault = found->lock_future && flags & MEM_LOCK_ON_FAULT;
	}
	if (!result && (!notes || flags & MEM_LOCK_CURRENT)) {
		result = mem_range_change(found, &(struct mem_change){ 0, rt_boot->user_limit, lock_visit, &notes, true });
		if (result == -ENOMEM)
			result = 0; /* the holes */
		if (!result && notes && !(flags & MEM_LOCK_ON_FAULT))
			(void)mem_range_walk(found, 0, rt_boot->user_limit, populate_visit, NULL);
	}
	mem_space_put(found);
	return result;
}
