/* Sharing mappings between address spaces (fork) and moving them within one (mremap). Leaf tables that are missing are skipped at once. */
#include "vspace.h"
#include "token.h"
#include <arch/page.h>

/* How far a sharing came. */
struct sharing {
	vaddr_t at, end;
	u32 pages;      /* shared */
	bool stale;     /* `from` lost write permission somewhere */
	bool stopped;   /* no page table could be had */
};

/* One page: the other space gets a mapping of its own. The source's lock keeps the frame mapped, so its count only grows. */
static inline void page_share(struct sharing *s, arch_entry_t *from, arch_entry_t *to, bool cow)
{
	arch_entry_t entry = *from, shared = arch_entry_shared(entry, cow);

	/* Relaxed: against the processor's marks only. */
	while (shared != entry && !__atomic_compare_exchange_n(from, &entry, shared, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		shared = arch_entry_shared(entry, cow);
	s->stale |= arch_entry_present(entry) && arch_entry_writable(entry ^ shared);
	/* Relaxed: the frame has a mapping, which the lock keeps. */
	__atomic_add_fetch(&frame_record(arch_entry_frame(entry))->map_count, 1, __ATOMIC_RELAXED);
	*to = arch_entry_unmarked(shared);
	s->pages++;
}

/* The pages of one leaf table of `from`. */
static void table_share(struct sharing *s, struct vspace *from, struct vspace *to, bool cow)
{
	const vaddr_t start = s->at, stop = vspace_table_end(start, s->end);
	arch_entry_t *source = arch_page_walk(from->root, start, false, NULL), *target = NULL;
	u32 before = s->pages;
	vaddr_t at = start;

	for (; at < stop && s->pages < VSPACE_BATCH; at += PAGE_SIZE, source++) {
		if (!*source)
			continue;
		if (unlikely(!target)) {
			target = arch_page_walk(to->root, start, true, NULL);
			if (!target) {
				s->stopped = true;
				break;
			}
		}
		arch_entry_t *place = target + (at - start) / PAGE_SIZE;
		if (!*place)
			page_share(s, source, place, cow);
	}
	if (target)
		arch_table_count(target, (int)(s->pages - before));
	s->at = at;
}

long vspace_share(u32 caller, const struct tk_share *request)
{
	struct sharing s = { request->address, request->address + request->pages * PAGE_SIZE, 0, false, false };
	long result = -EINVAL;

	if (!vspace_range_valid(request->address, request->pages) || request->from == request->to)
		return -EINVAL;
	struct vspace *from = vspace_hold(caller, request->from);
	if (!from)
		return -EINVAL;
	struct vspace *to = vspace_hold(caller, request->to);
	if (!to)
		goto release;
	/* Commit. */
	spin_lock_two(&from->lock, &to->lock);
	for (u32 tables = 0; tables < VSPACE_TABLES && s.pages < VSPACE_BATCH && !s.stopped; tables++) {
		s.at = arch_page_next(from->root, s.at, s.end);
		if (s.at >= s.end)
			break;
		table_share(&s, from, to, request->cow);
	}
	vspace_count(to, s.pages);
	if (s.stale)
		vspace_flush(from, request->address, (s.at - request->address) / PAGE_SIZE);
	spin_unlock_two(&from->lock, &to->lock);
	result = s.stopped && s.at == request->address ? -ENOMEM : (long)((s.at - request->address) / PAGE_SIZE);
	vspace_release(caller, request->to);
release:
	vspace_release(caller, request->from);
	return result;
}

/* Moves one page; false when there is something at its new place or no table can be had. */
static bool page_move(struct vspace *space, arch_entry_t *source, vaddr_t to, long *error)
{
	arch_entry_t *target = arch_page_walk(space->root, to, true, NULL);

	*error = !target ? -ENOMEM : *target ? -EEXIST : 0;
	if (*error)
		return false;
	*target = arch_entry_exchange(source, 0);
	arch_table_count(source, -1);
	arch_table_count(target, 1);
	return true;
}

long vspace_move(u32 caller, const struct tk_move *request)
{
	u64 size = request->pages * PAGE_SIZE;
	u32 moved = 0;
	long error = 0;
	frame_t chain = FRAME_NONE;

	if (!vspace_range_valid(request->from, request->pages) || !vspace_range_valid(request->to, request->pages) ||
	    (request->from < request->to + size && request->to < request->from + size))
		return -EINVAL;
	struct vspace *space = vspace_hold(caller, request->vspace);
	if (!space)
		return -EINVAL;
	/* Commit, page by page. */
	vaddr_t at = request->from, end = at + size;
	spin_lock(&space->lock);
	for (u32 tables = 0; tables < VSPACE_TABLES && moved < VSPACE_BATCH && !error; tables++) {
		at = arch_page_next(space->root, at, end);
		if (at >= end)
			break;
		arch_entry_t *source = arch_page_walk(space->root, at, false, NULL);
		vaddr_t stop = vspace_table_end(at, end);
		for (; at < stop && moved < VSPACE_BATCH; at += PAGE_SIZE, source++) {
			if (!*source)
				continue;
			if (!page_move(space, source, at - request->from + request->to, &error))
				break;
			moved++;
		}
	}
	arch_root_trim(space->root, request->from, at, &chain);
	if (moved || chain != FRAME_NONE)
		vspace_flush(space, request->from, (at - request->from) / PAGE_SIZE);
	spin_unlock(&space->lock);
	reserve_return_chain(chain);
	vspace_release(caller, request->vspace);
	return error && at == request->from ? error : (long)((at - request->from) / PAGE_SIZE);
}
