/* mremap(2) and brk(2). */
#include "mem.h"
#include <mem_server.h>

#define REMAP_FLAGS (MEM_REMAP_MAYMOVE | MEM_REMAP_FIXED | MEM_REMAP_DONTUNMAP)

/* A mapping that changes: its region, and sizes rounded to pages. */
struct remap { const struct mem_remap_request *request; u64 old_size, new_size; u32 at; };

static long request_check(const struct mem_remap_request *request, struct remap *remap)
{
	u32 flags = request->flags;

	if (flags & ~(u32)REMAP_FLAGS || (flags & (MEM_REMAP_FIXED | MEM_REMAP_DONTUNMAP) && !(flags & MEM_REMAP_MAYMOVE)))
		return -EINVAL;
	if (flags & MEM_REMAP_DONTUNMAP && request->size != request->new_size)
		return -EINVAL;
	if (request->address & PAGE_MASK)
		return -EINVAL;
	remap->request = request;
	remap->old_size = round_up(request->size, PAGE_SIZE);
	remap->new_size = round_up(request->new_size, PAGE_SIZE);
	if (!remap->new_size)
		return -EINVAL;
	/* Without MREMAP_FIXED the new address is a hint of MREMAP_DONTUNMAP, and is checked like a place. */
	if (flags & (MEM_REMAP_FIXED | MEM_REMAP_DONTUNMAP)) {
		u64 to = request->new_address;

		if (to & PAGE_MASK || !mem_range_valid(to, remap->new_size))
			return -EINVAL;
		if (request->address + remap->old_size > to && to + remap->new_size > request->address)
			return -EINVAL;
	}
	return mem_range_valid(request->address, remap->old_size) ? 0 : -EFAULT;
}

/* Linux's vma_to_resize: the region may become that large. */
static long resize_check(struct mem_space *space, struct remap *remap)
{
	u64 address = remap->request->address, more = (remap->new_size - remap->old_size) >> PAGE_SHIFT;
	const struct tk_region *region;
	u32 notes;

	remap->at = mem_region_find(space, address);
	if (remap->at >= space->table->count || space->regions[remap->at].start > address)
		return -EFAULT;
	region = &space->regions[remap->at];
	notes = space->side[remap->at].notes;
	if (!remap->old_size && !(notes & MEM_NOTE_SHARED))
		return -EINVAL;
	if (remap->request->flags & MEM_REMAP_DONTUNMAP && notes & (MEM_NOTE_VDSO | MEM_NOTE_VVAR))
		return -EINVAL;
	if (remap->old_size > region->end - address)
		return -EFAULT;
	if (remap->new_size <= remap->old_size)
		return 0;
	if (region->offset + (address - region->start) + remap->new_size < region->offset)
		return -EINVAL;
	if (notes & MEM_NOTE_LOCKED && !space->limits.locked_ignored && space->limits.locked != MEM_UNLIMITED &&
	    space->locked + more > space->limits.locked >> PAGE_SHIFT)
		return -EAGAIN;
	return mem_limits_check(space, more, region->prot, notes);
}

static long range_unmap(struct mem_space *space, u64 start, u64 end)
{
	return start < end ? mem_range_unmap(space, start, end) : 0;
}

/* The region ends where the mapping does and nothing is behind it: it grows in place. */
static bool grow_in_place(struct mem_space *space, const struct remap *remap)
{
	struct tk_region *region = &space->regions[remap->at];
	u64 address = remap->request->address, end = address + remap->new_size;
	u32 next = remap->at + 1, notes = space->side[remap->at].notes;

	if (address + remap->old_size != region->end || !mem_range_valid(address, remap->new_size))
		return false;
	if (next < space->table->count && mem_place_guard(space, next) < end)
		return false;
	mem_edit_begin(space);
	mem_region_count(space, region, notes, false);
	region->end = end;
	mem_region_count(space, region, notes, true);
	if (space->side[remap->at].mapping)
		mem_mapping_move(space->side[remap->at].mapping, region, notes);
	mem_regions_merge(space, next, next);
	mem_edit_end(space);
	return true;
}

/* Makes the mapping at `to` and moves the pages there, in an edit. */
static long range_move(struct mem_space *space, const struct remap *remap, u64 to)
{
	const struct tk_region *region = &space->regions[remap->at];
	u64 address = remap->request->address, size = remap->old_size < remap->new_size ? remap->old_size : remap->new_size;
	struct mem_mapping *mapping = space->side[remap->at].mapping;
	struct mem_placement what = { .start = to, .end = to + remap->new_size, .prot = region->prot,
	                              .notes = space->side[remap->at].notes };
	long result;

	if (mapping) {
		what.object = mapping->object;
		what.offset = region->offset + (address - region->start);
	}
	result = mem_range_add(space, &what);
	if (result || !size)
		return result;
	/* From here on pages are moved: what can't be moved is lost to the range, so the object's pages come back by faults. */
	if (mapping && what.notes & MEM_NOTE_SHARED)
		return 0;
	return mem_pages_move(space, address, to, size);
}

static long move_elsewhere(struct mem_space *space, struct remap *remap, u64 to)
{
	u64 address = remap->request->address;
	u32 notes = space->side[remap->at].notes;
	long result = mem_regions_reserve(space, 6);

	if (result)
		return result;
	mem_edit_begin(space);
	result = range_move(space, remap, to);
	if (!result && remap->old_size && !(remap->request->flags & MEM_REMAP_DONTUNMAP))
		result = mem_range_remove(space, address, address + remap->old_size);
	mem_edit_end(space);
	if (!result && (notes & (MEM_NOTE_LOCKED | MEM_NOTE_LOCK_ON_FAULT)) == MEM_NOTE_LOCKED)
		(void)mem_fault_range(space, to, to + remap->new_size, TK_ACCESS_READ);
	return result;
}

static long remap_fixed(struct mem_space *space, struct remap *remap, u64 *address)
{
	const struct mem_remap_request *request = remap->request;
	u64 to = request->new_address;
	long result;

	if (request->flags & MEM_REMAP_FIXED) {
		result = range_unmap(space, to, to + remap->new_size);
		if (result)
			return result;
	}
	if (remap->old_size > remap->new_size) {
		result = range_unmap(space, request->address + remap->new_size, request->address + remap->old_size);
		if (result)
			return result;
		remap->old_size = remap->new_size;
	}
	result = resize_check(space, remap);
	if (result)
		return result;
	if (!(request->flags & MEM_REMAP_FIXED)) {
		result = mem_place_find(space, request->new_address, remap->new_size, 0, &to);
		if (result)
			return result;
	}
	*address = to;
	return move_elsewhere(space, remap, to);
}

static long space_remap(struct mem_space *space, struct remap *remap, u64 *address)
{
	const struct mem_remap_request *request = remap->request;
	u32 at = mem_region_find(space, request->address);
	u64 to;
	long result;

	if (at >= space->table->count || space->regions[at].start > request->address)
		return -EFAULT;
	if (request->flags & (MEM_REMAP_FIXED | MEM_REMAP_DONTUNMAP))
		return remap_fixed(space, remap, address);
	*address = request->address;
	if (remap->old_size >= remap->new_size)
		return range_unmap(space, request->address + remap->new_size, request->address + remap->old_size);
	result = resize_check(space, remap);
	if (result)
		return result;
	if (remap->old_size && grow_in_place(space, remap)) {
		if (space->side[remap->at].notes & MEM_NOTE_LOCKED)
			(void)mem_fault_range(space, request->address + remap->old_size, request->address + remap->new_size, TK_ACCESS_READ);
		return 0;
	}
	if (!(request->flags & MEM_REMAP_MAYMOVE))
		return -ENOMEM;
	result = mem_place_find(space, 0, remap->new_size, 0, &to);
	if (result)
		return result;
	*address = to;
	return move_elsewhere(space, remap, to);
}

long mem_op_remap(const struct rt_request *rq, const struct mem_remap_request *request, u64 *address)
{
	struct remap remap;
	struct mem_space *space;
	long result = request_check(request, &remap);

	(void)rq;
	if (result)
		return result;
	space = mem_space_get(request->space);
	if (!space)
		return -EBADF;
	result = space_remap(space, &remap, address);
	mem_space_put(space);
	return result;
}

/* ---- brk ------------------------------------------------------------------------------------------------------------------------- */

static bool break_grow(struct mem_space *space, u64 start, u64 end)
{
	struct mem_placement what = { .start = start, .end = end, .prot = TK_PROT_READ | TK_PROT_WRITE,
	                              .notes = (TK_PROT_READ | TK_PROT_WRITE | TK_PROT_EXECUTE) << MEM_NOTE_PROT_SHIFT };
	u32 next = mem_region_find(space, start);
	long result;

	if (next < space->table->count && mem_place_guard(space, next) < end + PAGE_SIZE)
		return false;
	if (mem_limits_check(space, (end - start) >> PAGE_SHIFT, what.prot, what.notes) || mem_regions_reserve(space, 1))
		return false;
	if (space->lock_future)
		what.notes |= MEM_NOTE_LOCKED | (space->lock_on_fault ? MEM_NOTE_LOCK_ON_FAULT : 0);
	mem_edit_begin(space);
	result = mem_range_add(space, &what);
	mem_edit_end(space);
	if (!result && (what.notes & (MEM_NOTE_LOCKED | MEM_NOTE_LOCK_ON_FAULT)) == MEM_NOTE_LOCKED)
		(void)mem_fault_range(space, start, end, TK_ACCESS_WRITE);
	return result == 0;
}

static void break_move(struct mem_space *space, u64 wanted)
{
	u64 old = round_up(space->break_end, PAGE_SIZE), end = round_up(wanted, PAGE_SIZE);

	if (wanted < space->break_start || wanted > rt_boot->user_limit || !space->break_start)
		return;
	if (space->limits.data != MEM_UNLIMITED && wanted - space->break_start > space->limits.data)
		return;
	if (end < old && range_unmap(space, end, old))
		return;
	if (end > old && !break_grow(space, old, end))
		return;
	space->break_end = wanted;
}

long mem_op_break_set(const struct rt_request *rq, u64 space, u64 wanted, u64 *now)
{
	struct mem_space *found = mem_space_get(space);

	(void)rq;
	if (!found)
		return -EBADF;
	break_move(found, wanted);
	*now = found->break_end;
	mem_space_put(found);
	return 0;
}
