/* madvise(2), msync(2) and mincore(2). */
#include "mem.h"
#include <mem_server.h>

struct note_change { u32 set, clear; bool anonymous_only; };

static long notes_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context)
{
	const struct note_change *change = context;

	(void)start;
	(void)end;
	if (change->anonymous_only && (space->side[at].mapping || space->side[at].notes & MEM_NOTE_SHARED))
		return -EINVAL;
	space->side[at].notes = (space->side[at].notes & ~change->clear) | change->set;
	return 0;
}

static long drop_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context)
{
	u32 advice = *(const u32 *)context;

	if (advice != MEM_ADVICE_DONTNEED_LOCKED && space->side[at].notes & MEM_NOTE_LOCKED)
		return -EINVAL;
	if (advice == MEM_ADVICE_FREE && space->side[at].mapping)
		return -EINVAL;
	mem_pages_unmap(space, start, end);
	return 0;
}

static long remove_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context)
{
	const struct tk_region *region = &space->regions[at];
	u64 first = (region->offset + (start - region->start)) >> PAGE_SHIFT;

	(void)context;
	if (space->side[at].notes & MEM_NOTE_LOCKED || !space->side[at].mapping)
		return -EINVAL;
	if (!(space->side[at].notes & MEM_NOTE_SHARED) || !(region->prot & TK_PROT_WRITE))
		return -EACCES;
	mem_object_remove(space->side[at].mapping->object, first, first + ((end - start) >> PAGE_SHIFT), 0);
	return 0;
}

static long check_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context)
{
	bool not_locked = *(const bool *)context;

	(void)start;
	(void)end;
	return not_locked && space->side[at].notes & MEM_NOTE_LOCKED ? -EINVAL : 0;
}

static long populate_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context)
{
	u32 access = *(const u32 *)context;
	long result = mem_fault_range(space, start, end, access);

	(void)at;
	return result == -EACCES ? -EINVAL : result == -EIO ? -EFAULT : result;
}

/* Pages of objects are brought near: all that an object has is in memory already, so only the range is checked. */
static long advice_follow(struct mem_space *space, u64 start, u64 end, u32 advice)
{
	static const struct note_change changes[] = {
		[MEM_ADVICE_DONTFORK] = { .set = MEM_NOTE_DONTFORK },
		[MEM_ADVICE_DOFORK] = { .clear = MEM_NOTE_DONTFORK },
		[MEM_ADVICE_DONTDUMP] = { .set = MEM_NOTE_DONTDUMP },
		[MEM_ADVICE_DODUMP] = { .clear = MEM_NOTE_DONTDUMP },
		[MEM_ADVICE_WIPEONFORK] = { .set = MEM_NOTE_WIPEONFORK, .anonymous_only = true },
		[MEM_ADVICE_KEEPONFORK] = { .clear = MEM_NOTE_WIPEONFORK },
	};
	bool not_locked = advice == MEM_ADVICE_COLD || advice == MEM_ADVICE_PAGEOUT;
	u32 access = advice == MEM_ADVICE_POPULATE_WRITE ? TK_ACCESS_WRITE : TK_ACCESS_READ;

	switch (advice) {
	case MEM_ADVICE_DONTNEED:
	case MEM_ADVICE_DONTNEED_LOCKED:
	case MEM_ADVICE_FREE:
		return mem_range_walk(space, start, end, drop_visit, &advice);
	case MEM_ADVICE_REMOVE:
		return mem_range_walk(space, start, end, remove_visit, NULL);
	case MEM_ADVICE_POPULATE_READ:
	case MEM_ADVICE_POPULATE_WRITE:
		return mem_range_walk(space, start, end, populate_visit, &access);
	default:
		if (advice < countof(changes) && (changes[advice].set || changes[advice].clear)) {
			struct note_change change = changes[advice];

			return mem_range_change(space, &(struct mem_change){ start, end, notes_visit, &change, true });
		}
		return mem_range_walk(space, start, end, check_visit, &not_locked);
	}
}

static bool advice_known(u32 advice)
{
	return advice <= MEM_ADVICE_DONTNEED || (advice >= MEM_ADVICE_FREE && advice <= MEM_ADVICE_DONTNEED_LOCKED);
}

long mem_op_advise(const struct rt_request *rq, u64 space, u64 address, u64 size, u32 advice)
{
	u64 length = round_up(size, PAGE_SIZE);
	struct mem_space *found;
	long result;

	(void)rq;
	if (!advice_known(advice) || address & PAGE_MASK || (size && !length) || address + length < address)
		return -EINVAL;
	if (!length)
		return 0;
	found = mem_space_get(space);
	if (!found)
		return -EBADF;
	if (mem_range_valid(address, length))
		result = advice_follow(found, address, address + length, advice);
	else
		result = -ENOMEM;
	mem_space_put(found);
	return result;
}

/* ---- msync ----------------------------------------------------------------------------------------------------------------------- */

enum sync_flags { SYNC_ASYNC = 1, SYNC_INVALIDATE = 2, SYNC_SYNC = 4 };

static long sync_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context)
{
	bool invalidate = *(const bool *)context;

	(void)start;
	(void)end;
	return invalidate && space->side[at].notes & MEM_NOTE_LOCKED ? -EBUSY : 0;
}

/* An object's page is the file's own page, so there is nothing to write back here. */
long mem_op_sync(const struct rt_request *rq, u64 space, u64 address, u64 size, u32 flags)
{
	bool invalidate = flags & SYNC_INVALIDATE;
	u64 length = round_up(size, PAGE_SIZE);
	struct mem_space *found;
	long result;

	(void)rq;
	if (flags & ~(u32)(SYNC_ASYNC | SYNC_INVALIDATE | SYNC_SYNC) || address & PAGE_MASK ||
	    (flags & (SYNC_ASYNC | SYNC_SYNC)) == (SYNC_ASYNC | SYNC_SYNC))
		return -EINVAL;
	if (address + length < address)
		return -ENOMEM;
	if (!length) /* also a size that the rounding made none: as in Linux */
		return 0;
	found = mem_space_get(space);
	if (!found)
		return -EBADF;
	result = mem_range_valid(address, length) ? mem_range_walk(found, address, address + length, sync_visit, &invalidate) : -ENOMEM;
	mem_space_put(found);
	return result;
}

/* ---- mincore --------------------------------------------------------------------------------------------------------------------- */

struct residency { u64 start; u8 *vector; };

static long residency_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context)
{
	const struct residency *residency = context;
	const struct tk_region *region = &space->regions[at];
	struct mem_mapping *mapping = space->side[at].mapping;

	for (u64 page = start; page < end; page += PAGE_SIZE) {
		bool resident = !mem_is_error(tk_query(space->token, page));

		if (!resident && mapping) {
			lock_acquire(&mapping->object->lock);
			resident = mem_object_frame_locked(mapping->object, (region->offset + (page - region->start)) >> PAGE_SHIFT, false);
			lock_release(&mapping->object->lock);
		}
		residency->vector[(page - residency->start) >> PAGE_SHIFT] = resident;
	}
	return 0;
}

long mem_op_residency(const struct rt_request *rq, u64 space, u64 address, u32 pages, void *vector, size_t vector_capacity)
{
	struct residency residency = { .start = address, .vector = vector };
	struct mem_space *found;
	long result;

	(void)rq;
	if (address & PAGE_MASK || pages > vector_capacity)
		return -EINVAL;
	if (!mem_range_valid(address, (u64)pages << PAGE_SHIFT))
		return -ENOMEM;
	found = mem_space_get(space);
	if (!found)
		return -EBADF;
	result = mem_range_walk(found, address, address + ((u64)pages << PAGE_SHIFT), residency_visit, &residency);
	mem_space_put(found);
	return result ? result : (long)pages;
}
