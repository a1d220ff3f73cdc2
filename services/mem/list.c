/* What /proc shows: the regions of an address space, its counts, and the machine's memory. */
#include "mem.h"
#include <mem_server.h>

#define RESIDENT_LOOKED 65536ul

static u8 region_name(const struct mem_space *space, u32 at)
{
	const struct tk_region *region = &space->regions[at];
	const struct mem_mapping *mapping = space->side[at].mapping;
	u32 notes = space->side[at].notes;

	if (notes & MEM_NOTE_VDSO)
		return MEM_NAME_VDSO;
	if (notes & MEM_NOTE_VVAR)
		return MEM_NAME_VVAR;
	if (mapping)
		return mapping->object->maker ? MEM_NAME_FILE : MEM_NAME_SHARED;
	if (notes & MEM_NOTE_STACK)
		return MEM_NAME_STACK;
	if (space->break_end > space->break_start && region->start <= space->break_end && region->end >= space->break_start)
		return MEM_NAME_HEAP;
	return MEM_NAME_NONE;
}

/* Pages mapped in the first RESIDENT_LOOKED of a region: a region can be larger than anyone can wait for. */
static u32 region_resident(const struct mem_space *space, const struct tk_region *region)
{
	u32 pages = 0;

	for (u64 page = region->start; page < region->end && page < region->start + RESIDENT_LOOKED * PAGE_SIZE && pages < space->table->resident;
	     page += PAGE_SIZE)
		pages += !mem_is_error(tk_query(space->token, page));
	return pages;
}

static void region_describe(const struct mem_space *space, u32 at, u32 flags, struct mem_region_info *info)
{
	const struct tk_region *region = &space->regions[at];
	const struct mem_mapping *mapping = space->side[at].mapping;

	*info = (struct mem_region_info){ .start = region->start, .end = region->end, .prot = region->prot };
	info->name = region_name(space, at);
	info->shared = space->side[at].notes & MEM_NOTE_SHARED && info->name != MEM_NAME_VDSO && info->name != MEM_NAME_VVAR;
	if (mapping && info->name != MEM_NAME_VDSO && info->name != MEM_NAME_VVAR) {
		info->offset = region->offset;
		info->object = mapping->object->handled.handle;
		info->cookie = mapping->object->cookie;
	}
	if (flags & MEM_LIST_RESIDENT)
		info->resident = region_resident(space, region);
}

long mem_op_regions_list(const struct rt_request *rq, u64 space, u64 start, u32 flags, void *regions, size_t regions_capacity)
{
	struct mem_region_info *list = regions;
	u32 count = 0;
	struct mem_space *found = mem_space_get(space);

	(void)rq;
	if (!found)
		return -EBADF;
	for (u32 at = mem_region_find(found, start); at < found->table->count && (count + 1) * sizeof(*list) <= regions_capacity; at++)
		region_describe(found, at, flags, &list[count++]);
	mem_space_put(found);
	return (long)(count * sizeof(*list));
}

/* Tables that hold the regions' pages: one of each level for each part of the address space that a region touches. */
static u64 page_tables(const struct mem_space *space)
{
	u64 tables = 1, last[3] = { ~0ull, ~0ull, ~0ull };

	for (u32 at = 0; at < space->table->count; at++) {
		const struct tk_region *region = &space->regions[at];

		for (u32 level = 0; level < 3; level++) {
			u32 shift = PAGE_SHIFT + 9 * (level + 1);
			u64 first = region->start >> shift, end = (region->end - 1) >> shift;

			if (first == last[level])
				first++;
			tables += end + 1 - first;
			last[level] = end;
		}
	}
	return tables;
}

long mem_op_space_info(const struct rt_request *rq, u64 space, struct mem_space_info *info)
{
	struct mem_space *found = mem_space_get(space);
	u64 most;

	(void)rq;
	if (!found)
		return -EBADF;
	*info = (struct mem_space_info){ .total = found->total, .data = found->data, .stack = found->stack,
	                                 .executable = found->executable, .shared = found->shared, .locked = found->locked,
	                                 .resident = found->table->resident, .total_peak = found->total_peak,
	                                 .break_start = found->break_start, .break_end = found->break_end,
	                                 .faults_minor = found->faults_minor, .faults_major = found->faults_major,
	                                 .regions = found->table->count };
	most = found->resident_peak;
	info->resident_peak = most > info->resident ? most : info->resident;
	info->page_tables = page_tables(found);
	for (u32 at = 0; at < found->table->count && !info->stack_start; at++)
		if (found->side[at].notes & MEM_NOTE_STACK)
			info->stack_start = found->regions[at].start;
	mem_space_put(found);
	return 0;
}

long mem_op_information(const struct rt_request *rq, struct mem_information *info)
{
	u64 free = mem_frames_available() + mem_pool_held();

	(void)rq;
	*info = (struct mem_information){ .total = rt_boot->memory_frames + mem_frames_adopted(), .shared = mem_object_frames_shared(),
	                                  .page_tables = mem_reserve_given(), .units = mem_frames_used(MEM_FRAME_UNIT),
	                                  .committed = mem_committed(), .faults = mem_fault_count + mem_pool_faults(),
	                                  .faults_major = mem_fault_major_count };
	info->free = free < info->total ? free : info->total;
	info->available = info->free;
	info->objects = mem_frames_used(MEM_FRAME_OBJECT) + mem_frames_used(MEM_FRAME_LENT);
	info->anonymous = mem_frames_used(MEM_FRAME_ANONYMOUS) - mem_pool_held();
	info->units += mem_frames_used(MEM_FRAME_OWN);
	return 0;
}
