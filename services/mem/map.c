/* Mapping and unmapping, as mmap(2) and munmap(2). Pages go before the regions do, and a mapping is dropped after its pages. */
#include "mem.h"
#include <mem_server.h>

#define PROT_ALL (TK_PROT_READ | TK_PROT_WRITE | TK_PROT_EXECUTE)
#define MAP_FLAGS ((MEM_MAP_NORESERVE << 1) - 1)

bool mem_range_valid(u64 start, u64 size)
{
	return start <= rt_boot->user_limit && size <= rt_boot->user_limit - start;
}

long mem_range_add(struct mem_space *space, const struct mem_placement *what)
{
	u32 at = mem_region_find(space, what->start);
	struct mem_side side = { .notes = what->notes };
	struct tk_region region = { .start = what->start, .end = what->end, .prot = what->prot, .kind = TK_REGION_ANONYMOUS };

	if (!(what->notes & MEM_NOTE_SHARED))
		region.flags = TK_REGION_PRIVATE;
	if (what->prot & TK_PROT_WRITE)
		side.notes |= MEM_NOTE_WRITTEN;
	if (what->object) {
		region.kind = TK_REGION_OBJECT;
		region.offset = what->offset;
		region.object = mem_handle_slot(&what->object->handled) + 1;
		side.mapping = mem_mapping_create(what->object, space, &region, side.notes);
		if (!side.mapping)
			return -ENOMEM;
	}
	mem_region_insert(space, at, &region, side);
	mem_region_count(space, &region, side.notes, true);
	mem_regions_merge(space, at, at + 1);
	return 0;
}

long mem_range_remove(struct mem_space *space, u64 start, u64 end)
{
	u32 first, last;

	if (mem_range_isolate(space, start, end, &first, &last))
		return -ENOMEM;
	if (first == last)
		return 0;
	mem_pages_unmap(space, space->regions[first].start, space->regions[last - 1].end);
	mem_mappings_destroy(mem_regions_detach(space, first, last));
	return 0;
}

static long request_check(const struct mem_map_request *request)
{
	if (!request->size || request->prot & ~(u32)PROT_ALL || request->prot_max & ~(u32)PROT_ALL || request->flags & ~(u32)MAP_FLAGS ||
	    request->reserved || request->offset & PAGE_MASK)
		return -EINVAL;
	if (request->flags & MEM_MAP_GROWSDOWN && (request->object || request->flags & MEM_MAP_SHARED))
		return -EINVAL;
	if (request->size > rt_boot->user_limit)
		return -ENOMEM;
	if (request->offset + request->size < request->offset)
		return -EOVERFLOW;
	return 0;
}

static u32 notes_of(const struct mem_map_request *request)
{
	static const struct { u32 flag, note; } table[] = {
		{ MEM_MAP_SHARED, MEM_NOTE_SHARED }, { MEM_MAP_GROWSDOWN, MEM_NOTE_GROWSDOWN }, { MEM_MAP_LOCKED, MEM_NOTE_LOCKED },
		{ MEM_MAP_VDSO, MEM_NOTE_VDSO },     { MEM_MAP_VVAR, MEM_NOTE_VVAR },           { MEM_MAP_STACK, MEM_NOTE_STACK },
	};
	u32 notes = (request->prot_max ? request->prot_max : PROT_ALL) << MEM_NOTE_PROT_SHIFT;

	for (u32 i = 0; i < countof(table); i++)
		if (request->flags & table[i].flag)
			notes |= table[i].note;
	return notes;
}

/* Pages of [start, end) that are mapped now, and go when it is replaced. */
static u64 pages_replaced(const struct mem_space *space, u64 start, u64 end)
{
	u64 pages = 0;

	for (u32 at = mem_region_find(space, start); at < space->table->count && space->regions[at].start < end; at++) {
		u64 from = space->regions[at].start, to = space->regions[at].end;

		pages += ((to < end ? to : end) - (from > start ? from : start)) >> PAGE_SHIFT;
	}
	return pages;
}

/* Finds where the mapping goes: what->start and end. */
static long placement_choose(struct mem_space *space, const struct mem_map_request *request, struct mem_placement *what)
{
	u64 size = round_up(request->size, PAGE_SIZE);
	long result;

	what->start = request->address;
	if (!(request->flags & (MEM_MAP_FIXED | MEM_MAP_FIXED_NOREPLACE))) {
		result = mem_place_find(space, request->address, size, request->flags, &what->start);
		if (result)
			return result;
	} else if (!mem_range_valid(request->address, size)) {
		return -ENOMEM;
	} else if (request->address & PAGE_MASK) {
		return -EINVAL;
	}
	what->end = what->start + size;
	if ((request->flags & MEM_MAP_FIXED_NOREPLACE) && pages_replaced(space, what->start, what->end))
		return -EEXIST;
	return 0;
}

static long placement_check(const struct mem_space *space, const struct mem_map_request *request, const struct mem_placement *what)
{
	u64 pages = (what->end - what->start) >> PAGE_SHIFT;
	u64 replaced = pages_replaced(space, what->start, what->end);
	long result = 0;

	if (what->notes & MEM_NOTE_LOCKED && !space->limits.locked_ignored && space->limits.locked != MEM_UNLIMITED &&
	    space->locked + pages > space->limits.locked >> PAGE_SHIFT)
		return space->limits.locked ? -EAGAIN : -EPERM;
	if (!(request->flags & MEM_MAP_IGNORE_LIMITS))
		result = mem_limits_check(space, pages - (replaced < pages ? replaced : pages), what->prot, what->notes);
	if (result && request->flags & MEM_MAP_NORESERVE && pages > rt_boot->memory_frames)
		result = mem_limits_check(space, 0, what->prot, what->notes); /* NORESERVE is not measured against the machine */
	return result;
}

static long range_map(struct mem_space *space, const struct mem_map_request *request, struct mem_placement *what)
{
	long result = mem_regions_reserve(space, 3);

	if (result)
		return result;
	mem_edit_begin(space);
	if (request->flags & MEM_MAP_FIXED)
		result = mem_range_remove(space, what->start, what->end);
	if (!result)
		result = mem_range_add(space, what);
	mem_edit_end(space);
	if (!result && (request->flags & MEM_MAP_POPULATE || (what->notes & (MEM_NOTE_LOCKED | MEM_NOTE_LOCK_ON_FAULT)) == MEM_NOTE_LOCKED))
		(void)mem_fault_range(space, what->start, what->end,
		                      what->prot & TK_PROT_WRITE && !(what->notes & MEM_NOTE_SHARED) ? TK_ACCESS_WRITE : TK_ACCESS_READ);
	return result;
}

static long request_map(struct mem_space *space, const struct mem_map_request *request, struct mem_placement *what, u64 *address)
{
	long result;

	if (space->lock_future)
		what->notes |= MEM_NOTE_LOCKED | (space->lock_on_fault ? MEM_NOTE_LOCK_ON_FAULT : 0);
	result = placement_choose(space, request, what);
	if (!result)
		result = placement_check(space, request, what);
	if (!result && (request->flags & MEM_MAP_SHARED) && !what->object) {
		what->object = mem_object_make((what->end - what->start) >> PAGE_SHIFT, 0, 0);
		result = what->object ? 0 : -ENOMEM;
	}
	if (!result)
		result = range_map(space, request, what);
	*address = what->start;
	return result;
}

long mem_op_map(const struct rt_request *rq, const struct mem_map_request *request, u64 *address)
{
	struct mem_placement what = { .offset = request->offset, .prot = (u8)request->prot };
	struct mem_space *space;
	long result = request_check(request);

	(void)rq;
	if (result)
		return result;
	what.notes = notes_of(request);
	if (request->object) {
		what.object = mem_object_get(request->object);
		if (!what.object)
			return -EBADF;
	}
	space = mem_space_get(request->space);
	result = -EBADF;
	if (space) {
		result = request_map(space, request, &what, address);
		mem_space_put(space);
	}
	if (what.object)
		mem_object_drop(what.object);
	return result;
}

/* The regions go first: no fault can bring a page back into them, and other threads' faults wait no longer than that. */
long mem_range_unmap(struct mem_space *space, u64 start, u64 end)
{
	struct mem_mapping *detached = NULL;
	u32 first, last;
	u64 low = 0, high = 0;
	long result = mem_regions_reserve(space, 2);

	if (result)
		return result;
	mem_edit_begin(space);
	result = mem_range_isolate(space, start, end, &first, &last);
	if (!result && first < last) {
		low = space->regions[first].start;
		high = space->regions[last - 1].end;
		detached = mem_regions_detach(space, first, last);
	}
	mem_edit_end(space);
	if (low < high)
		mem_pages_unmap(space, low, high);
	mem_mappings_destroy(detached);
	return result;
}

long mem_op_unmap(const struct rt_request *rq, u64 space, u64 address, u64 size)
{
	struct mem_space *found;
	long result;

	(void)rq;
	if (address & PAGE_MASK || !size || !mem_range_valid(address, size))
		return -EINVAL;
	size = round_up(size, PAGE_SIZE);
	found = mem_space_get(space);
	if (!found)
		return -EBADF;
	result = mem_range_unmap(found, address, address + size);
	mem_space_put(found);
	return result;
}
