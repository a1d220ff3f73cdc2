/*
 * Faults that the core can't serve alone: pages of objects, growing stacks, an empty pool, violations. While mem maps a page it keeps
 * the generation odd, so that the core does not map another one there.
 */
#include "mem.h"
#include <mem_server.h>

#define AROUND_PAGES 16u    /* pages of an object that one fault maps */
#define RANGE_PAGES 64u     /* pages of one fault_in at most */

volatile u64 mem_fault_count, mem_fault_major_count;

/* Linux's expand_stack: up to the limit, and never close to another mapping. */
static long stack_grow(struct mem_space *space, u32 at, u64 page)
{
	struct tk_region *region;
	u64 pages;

	if (at >= space->table->count || !(space->side[at].notes & MEM_NOTE_GROWSDOWN))
		return -EFAULT;
	region = &space->regions[at];
	pages = (region->start - page) >> PAGE_SHIFT;
	if (space->limits.stack != MEM_UNLIMITED && region->end - page > space->limits.stack)
		return -EFAULT;
	if (at > 0) {
		const struct tk_region *below = region - 1;

		if (below->prot && !(space->side[at - 1].notes & MEM_NOTE_GROWSDOWN) && page - below->end < MEM_STACK_GUARD)
			return -EFAULT;
	}
	if (mem_limits_check(space, pages, region->prot, space->side[at].notes))
		return -EFAULT;
	mem_edit_begin(space);
	mem_region_count(space, region, space->side[at].notes, false);
	region->start = page;
	mem_region_count(space, region, space->side[at].notes, true);
	mem_edit_end(space);
	return 0;
}

/* While one page changes, its object's end must not. */
void mem_page_edit_begin(struct mem_space *space, u32 at)
{
	if (space->side[at].mapping)
		lock_acquire(&space->side[at].mapping->object->lock);
	mem_edit_begin(space);
}

void mem_page_edit_end(struct mem_space *space, u32 at)
{
	mem_edit_end(space);
	if (space->side[at].mapping)
		lock_release(&space->side[at].mapping->object->lock);
}

static bool access_allowed(u8 prot, u32 access)
{
	if (access & TK_ACCESS_WRITE && !(prot & TK_PROT_WRITE))
		return false;
	if (access & TK_ACCESS_EXECUTE && !(prot & TK_PROT_EXECUTE))
		return false;
	return prot != 0;
}

/* Protection with which pages of a region are mapped: private ones are copied at the first write. */
static u32 prot_of(const struct tk_region *region)
{
	return region->prot | (region->flags & TK_REGION_PRIVATE ? TK_PROT_COW : 0);
}

long mem_page_give(struct mem_space *space, u64 page, frame_t frame, u32 prot)
{
	long result = mem_pages_map(space, page, &frame, 1, prot);

	if (result)
		mem_frames_put(frame, 0);
	return result;
}

/* Maps the pages of an object around `page` which it has. */
static long object_map_around(struct mem_space *space, const struct tk_region *region, struct mem_object *object, u64 page)
{
	frame_t frames[AROUND_PAGES];
	u64 start = round_down(page, AROUND_PAGES * PAGE_SIZE), end = start + AROUND_PAGES * PAGE_SIZE;
	u32 count;

	if (start < region->start)
		start = region->start;
	if (end > region->end)
		end = region->end;
	count = (u32)((end - start) >> PAGE_SHIFT);
	for (u32 i = 0; i < count; i++) {
		u64 index = (region->offset + (start - region->start) + i * PAGE_SIZE) >> PAGE_SHIFT;

		frames[i] = index < object->pages ? mem_object_frame_locked(object, index, false) : FRAME_NONE;
	}
	return mem_pages_map(space, start, frames, count, prot_of(region));
}

static long object_fault_locked(struct mem_space *space, const struct tk_region *region, struct mem_object *object, u64 page, u32 access)
{
	u64 index = (region->offset + (page - region->start)) >> PAGE_SHIFT;
	frame_t frame, copy;

	if (index >= object->pages)
		return -EIO;
	frame = mem_object_frame_locked(object, index, true);
	if (!frame)
		return -ENOMEM;
	if (!(region->flags & TK_REGION_PRIVATE) || !(access & TK_ACCESS_WRITE))
		return object_map_around(space, region, object, page);
	copy = mem_frames_take(0, MEM_FRAME_ANONYMOUS);
	if (!copy)
		return -ENOMEM;
	mem_frame_copy(copy, frame);
	return mem_page_give(space, page, copy, region->prot);
}

static long missing_page_serve(struct mem_space *space, u32 at, u64 page, u32 access)
{
	const struct tk_region *region = &space->regions[at];
	struct mem_mapping *mapping = space->side[at].mapping;
	frame_t frame;

	space->faults_minor++;
	if (mapping)
		return object_fault_locked(space, region, mapping->object, page, access);
	frame = mem_frame_take_zeroed(MEM_FRAME_ANONYMOUS);
	return frame ? mem_page_give(space, page, frame, region->prot) : -ENOMEM;
}

long mem_page_copy(struct mem_space *space, u64 page, frame_t from, u32 prot)
{
	frame_t copy = mem_frames_take(0, MEM_FRAME_ANONYMOUS);

	if (!copy)
		return -ENOMEM;
	mem_frame_copy(copy, from);
	mem_pages_unmap(space, page, page + PAGE_SIZE);
	return mem_page_give(space, page, copy, prot);
}

/* Makes what is mapped at `page` allow what the region allows. mapped: tk_query's answer. */
static long mapped_page_serve(struct mem_space *space, u32 at, u64 page, u32 access, long mapped)
{
	const struct tk_region *region = &space->regions[at];
	u32 prot = (u32)(mapped >> 32) & 0xf;

	if (!(access & TK_ACCESS_WRITE)) {
		if (prot & TK_PROT_READ && (!(access & TK_ACCESS_EXECUTE) || prot & TK_PROT_EXECUTE))
			return 0;
		return mem_pages_protect(space, page, page + PAGE_SIZE, prot_of(region));
	}
	if (prot & TK_PROT_WRITE && !(prot & TK_PROT_COW))
		return 0;
	if (!(region->flags & TK_REGION_PRIVATE))
		return mem_pages_protect(space, page, page + PAGE_SIZE, region->prot);
	space->faults_minor++;
	return mem_page_copy(space, page, (frame_t)mapped, region->prot);
}

/* Only mem maps missing pages of objects, so other threads' faults need not be stopped meanwhile. False: something is mapped there. */
static bool missing_object_page_serve(struct mem_space *space, u32 at, u64 page, u32 access, long *result)
{
	struct mem_object *object = space->side[at].mapping->object;
	bool missing;

	lock_acquire(&object->lock);
	missing = mem_is_error(tk_query(space->token, page));
	if (missing)
		*result = missing_page_serve(space, at, page, access);
	lock_release(&object->lock);
	return missing;
}

long mem_fault_serve(struct mem_space *space, u64 address, u32 access)
{
	u64 page = round_down(address, PAGE_SIZE);
	u32 at;
	long result, mapped;

	if (page >= rt_boot->user_limit)
		return -EFAULT;
	at = mem_region_find(space, page);
	if (at >= space->table->count || space->regions[at].start > page) {
		result = stack_grow(space, at, page);
		if (result)
			return result;
	}
	if (!access_allowed(space->regions[at].prot, access))
		return -EACCES;
	if (space->side[at].mapping && missing_object_page_serve(space, at, page, access, &result))
		return result;
	mem_page_edit_begin(space, at);
	mapped = tk_query(space->token, page);
	if (mem_is_error(mapped))
		result = missing_page_serve(space, at, page, access);
	else
		result = mapped_page_serve(space, at, page, access, mapped);
	mem_page_edit_end(space, at);
	return result;
}

long mem_fault_range(struct mem_space *space, u64 start, u64 end, u32 access)
{
	for (u64 page = round_down(start, PAGE_SIZE); page < end; page += PAGE_SIZE) {
		long result = mem_fault_serve(space, page, access);

		if (result)
			return result;
	}
	return 0;
}

long mem_upcall_fault(const struct rt_request *rq, vaddr_t vspace, vaddr_t address, u32 access)
{
	struct mem_space *space;
	long result;

	if (rq->caller != 0)
		return -EPERM;
	__atomic_add_fetch(&mem_fault_count, 1, __ATOMIC_RELAXED); /* relaxed: a statistic */
	mem_pool_tend(false);
	space = mem_space_of_frame(frame_of_token(vspace));
	if (!space)
		return -EFAULT;
	result = mem_fault_serve(space, address, access);
	mem_space_put(space);
	return result;
}

long mem_op_fault_in(const struct rt_request *rq, u64 address, u64 size, u32 access)
{
	struct mem_space *space;
	u64 end;
	long result;

	(void)rq;
	if (!size)
		return 0;
	if (!mem_range_valid(address, size) || !access || access & ~7u)
		return -EFAULT;
	mem_pool_tend(false);
	space = mem_space_of_client();
	if (!space)
		return -EFAULT;
	end = address + size;
	if (end > round_down(address, PAGE_SIZE) + RANGE_PAGES * PAGE_SIZE)
		end = round_down(address, PAGE_SIZE) + RANGE_PAGES * PAGE_SIZE;
	result = mem_fault_serve(space, address, access);
	if (!result && round_down(address, PAGE_SIZE) + PAGE_SIZE < end)
		(void)mem_fault_range(space, round_down(address, PAGE_SIZE) + PAGE_SIZE, end, access);
	mem_space_put(space);
	return result == 0 || result == -ENOMEM ? result : -EFAULT;
}
