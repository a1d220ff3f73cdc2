/* See core.h: faults, and what must hold of every mapped page. */
#include "core_model.h"
#include <string.h>

static const struct tk_region *region_find(const struct space *space, u64 address)
{
	const struct tk_region *regions = space->table->regions;

	MUST(!(space->table->generation & 1));
	for (u32 i = 0; i < space->table->count; i++)
		if (regions[i].start <= address && address < regions[i].end)
			return &regions[i];
	return NULL;
}

static bool allows(u8 prot, u32 access)
{
	if (access & TK_ACCESS_WRITE)
		return prot & TK_PROT_WRITE;
	return access & TK_ACCESS_EXECUTE ? prot & TK_PROT_EXECUTE : prot != 0;
}

static frame_t pool_take(void)
{
	struct tk_pool_page *pool = (struct tk_pool_page *)pool_token;
	frame_t frame;

	if (pool->head == pool->tail || pool->log_tail - pool->log_head >= TK_POOL_LOG_ENTRIES)
		return FRAME_NONE;
	frame = pool->entries[pool->head++ % TK_POOL_ENTRIES];
	MUST(frame_free_of_use(frame));
	for (u32 i = 0; i < PAGE_SIZE / 8; i++)
		MUST(((u64 *)token_of_frame(frame))[i] == 0);
	pool->log_tail++;
	return frame;
}

/* What the core does alone: true when it has. */
static bool fault_alone(struct space *space, u64 page, u32 access)
{
	const struct tk_region *region = region_find(space, page * PAGE_SIZE);
	struct entry *e = entry_mapped((u32)(space - spaces), page);
	frame_t frame;

	if (!region || !allows(region->prot, access) || stops_early())
		return false;
	if (!e) {
		frame = region->kind == TK_REGION_ANONYMOUS ? pool_take() : FRAME_NONE;
		if (frame)
			entry_set(space, page, frame, effective(region->prot, false), false, false);
		return frame;
	}
	if (!(access & TK_ACCESS_WRITE) || !e->cow || !(region->flags & TK_REGION_PRIVATE))
		return false;
	if (!e->copy && records[e->frame].maps == 1 && !records[e->frame].granted) {
		e->cow = false;
		e->prot = effective(region->prot, false);
		return true;
	}
	frame = pool_take();
	if (!frame)
		return false;
	memcpy((void *)token_of_frame(frame), (void *)token_of_frame(e->frame), PAGE_SIZE);
	MUST(e->copy || !entry_clear(space, e));
	if (e->frame)
		(void)entry_clear(space, e);
	entry_set(space, page, frame, effective(region->prot, false), false, false);
	return true;
}

long core_touch(vaddr_t token, u64 address, u32 access, int value)
{
	struct space *space = space_find(token);
	struct rt_request rq = { .caller = 0, .thread = THREAD };

	for (u32 tries = 0; tries < 8; tries++) {
		struct entry *e = entry_mapped((u32)(space - spaces), address / PAGE_SIZE);
		long result;

		if (e && allows(e->prot, access)) {
			u8 *byte = (u8 *)token_of_frame(e->frame) + (address & PAGE_MASK);

			if (value >= 0)
				*byte = (u8)value;
			return *byte;
		}
		if (fault_alone(space, address / PAGE_SIZE, access))
			continue;
		result = mem_upcall_fault(&rq, token, address, access);
		MUST(!locks_held);
		if (result)
			return result;
	}
	broken("a fault is served again and again");
	return 0;
}

void core_check(vaddr_t token)
{
	struct space *space = space_find(token);
	const struct tk_region *regions = space->table->regions;

	MUST(!locks_held);
	for (u32 i = 0; i < space->table->count; i++) {
		MUST(regions[i].start < regions[i].end && !((regions[i].start | regions[i].end) & PAGE_MASK));
		MUST(!i || regions[i - 1].end <= regions[i].start);
	}
	for (u32 i = 0; i < PAGES; i++) {
		const struct entry *e = &entries[i];
		const struct tk_region *region;

		if (!e->frame || e->space != space - spaces)
			continue;
		region = region_find(space, e->page * PAGE_SIZE);
		MUST(region && !(e->prot & ~effective(region->prot, false)));
		MUST(mem_frame_state(e->frame) == MEM_FRAME_ANONYMOUS || region->kind == TK_REGION_OBJECT);
		if (mem_frame_state(e->frame) != MEM_FRAME_ANONYMOUS && region->flags & TK_REGION_PRIVATE)
			MUST(e->cow && !(e->prot & TK_PROT_WRITE));
	}
}
