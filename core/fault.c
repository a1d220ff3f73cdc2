/*
 * Faults which the core serves alone: missing pages of anonymous memory and writes to pages that are shared copy on write. The region
 * table says what is allowed; the commit stands only if the table is still what it was when the region was read.
 */
#include "vspace.h"
#include "token.h"
#include <arch/page.h>

/* As on Linux, what may be written or executed may be read too. */
static inline bool region_allows(const struct tk_region *r, u32 access)
{
	if (access & TK_ACCESS_WRITE)
		return r->prot & TK_PROT_WRITE;
	if (access & TK_ACCESS_EXECUTE)
		return r->prot & TK_PROT_EXECUTE;
	return r->prot & (TK_PROT_READ | TK_PROT_WRITE | TK_PROT_EXECUTE);
}

/* The frame is anonymous memory of this mapping alone: nobody else maps it, and no unit but its owner holds it as a file page. */
static bool frame_is_sole(arch_entry_t entry, u32 owner)
{
	const struct frame_record *record = frame_record(arch_entry_frame(entry));

	/* Acquire: what the last other mapping did is over. */
	return !arch_entry_copy(entry) && __atomic_load_n(&record->map_count, __ATOMIC_ACQUIRE) == 1 && record->owner == owner &&
	       frame_held_only_by(record, owner);
}

/* A write to a page shared copy on write: taken over if nobody else has it, else copied. */
static enum fault_outcome copy_serve(struct vspace *space, vaddr_t page, arch_entry_t *entry, const struct tk_region *r)
{
	arch_entry_t old = *entry;
	frame_t from = arch_entry_frame(old);

	if (frame_is_sole(old, space->owner)) {
		arch_entry_exchange(entry, arch_entry_protected(old, r->prot, false));
		arch_tlb_flush_local(page, 1);
		return FAULT_SERVED;
	}
	frame_t to = pool_take(space->pool);
	if (to == FRAME_NONE)
		return FAULT_CALL_MEM;
	/* Commit. */
	arch_page_copy(frame_address(to), frame_address(from));
	arch_entry_exchange(entry, arch_entry_anonymous(to, r->prot));
	vspace_flush(space, page, 1);
	pool_log(space->pool, space->id, page | 1, to);
	if (frame_unmap_count(from) && !arch_entry_copy(old) && frame_claim(from, space->pool->owner))
		pool_stash(space->pool, from); /* the others left while it was copied */
	return FAULT_SERVED;
}

static inline enum fault_outcome fault_commit(struct vspace *space, vaddr_t page, u32 access, const struct tk_region *r)
{
	arch_entry_t *entry = arch_page_walk(space->root, page, r->kind == TK_REGION_ANONYMOUS, NULL);

	if (unlikely(!entry || !space->pool))
		return FAULT_CALL_MEM;
	if (likely(!*entry)) {
		frame_t frame = r->kind == TK_REGION_ANONYMOUS ? pool_serve(space->pool, space->id, page) : FRAME_NONE;
		if (unlikely(frame == FRAME_NONE))
			return FAULT_CALL_MEM;
		/* Commit. */
		*entry = arch_entry_anonymous(frame, r->prot);
		arch_table_count(entry, 1);
		vspace_count(space, 1);
		return FAULT_SERVED;
	}
	if (arch_entry_allows(*entry, access)) {
		arch_tlb_flush_local(page, 1); /* another processor was quicker */
		return FAULT_SERVED;
	}
	if (access & TK_ACCESS_WRITE && arch_entry_present(*entry) && arch_entry_cow(*entry) &&
	    (r->kind == TK_REGION_ANONYMOUS || r->flags & TK_REGION_PRIVATE))
		return copy_serve(space, page, entry, r);
	return FAULT_CALL_MEM;
}

enum fault_outcome vspace_fault(struct vspace *space, vaddr_t address, u32 access)
{
	enum fault_outcome outcome = FAULT_CALL_MEM;
	struct tk_region region;
	u32 generation;

	if (unlikely(!vspace_region(space, address, &region, &generation) || region.kind == TK_REGION_GUARD))
		return FAULT_CALL_MEM;
	/* Acquire: the region was read before. */
	if (unlikely(!region_allows(&region, access)))
		return __atomic_load_n(&space->table->generation, __ATOMIC_ACQUIRE) == generation ? FAULT_REFUSED : FAULT_CALL_MEM;
	spin_lock(&space->lock);
	/* Acquire: a table that mem edits or replaces after this look is followed by its unmapping, which waits for the lock. */
	if (likely(__atomic_load_n(&space->table->generation, __ATOMIC_ACQUIRE) == generation))
		outcome = fault_commit(space, round_down(address, PAGE_SIZE), access, &region);
	struct pool *low = outcome == FAULT_SERVED && unlikely(space->pool->low) ? pool_low_hold(space->pool) : NULL;
	spin_unlock(&space->lock);
	if (unlikely(low))
		pool_low_tell(low);
	return outcome;
}
