/* Mapping, unmapping and protecting pages of an address space. Every call changes a bounded number of pages and says how far it came. */
#include "vspace.h"
#include "token.h"
#include <arch/page.h>
#include <tessera/arch.h>

#define PROT_ALL (TK_PROT_READ | TK_PROT_WRITE | TK_PROT_EXECUTE | TK_PROT_COW)

/* The entry of pages mapped by tk_map, without a frame: with COW the frame is a memory object's, and a write always copies. */
static arch_entry_t entry_of(u32 prot)
{
	arch_entry_t e = arch_page_entry(FRAME_NONE, ARCH_PAGE_USER | (prot & TK_PROT_COW ? ARCH_PAGE_COPY : 0));

	return arch_entry_protected(e, prot, prot & TK_PROT_COW);
}

/* How far a mapping came. */
struct mapping {
	arch_entry_t base;  /* of every page, without its frame */
	u32 done;           /* entries gone through */
	long result;        /* the error that ended it, or 0 */
	frame_t frames[VSPACE_BATCH];
};

/* Maps the next frames, in one leaf table: the pages from address up to stop. */
static void table_map(struct vspace *space, struct mapping *m, vaddr_t address, vaddr_t stop)
{
	arch_entry_t *entry = arch_page_walk(space->root, address, true, NULL);
	u32 mapped = 0;

	m->result = entry ? 0 : -ENOMEM;
	for (; entry && address < stop; address += PAGE_SIZE, entry++, m->done++) {
		frame_t frame = m->frames[m->done];
		if (frame == FRAME_NONE || *entry)
			continue;
		if (!frame_map_count(frame, space->owner)) {
			m->result = -EPERM;
			break;
		}
		*entry = arch_entry_with_frame(m->base, frame);
		mapped++;
	}
	if (mapped) {
		arch_table_count(entry - 1, (int)mapped);
		vspace_count(space, mapped);
	}
}

long vspace_map(u32 caller, const struct tk_map *request)
{
	struct mapping m;

	if (!vspace_range_valid(request->address, request->count) || request->count > VSPACE_BATCH || request->prot & ~(u32)PROT_ALL)
		return -EINVAL;
	if (domain_copy_in(&domains[caller], m.frames, (vaddr_t)request->frames, request->count * sizeof(frame_t)))
		return -EFAULT;
	struct vspace *space = vspace_hold(caller, request->vspace);
	if (!space)
		return -EINVAL;
	/* Commit, page by page. */
	m.base = entry_of(request->prot);
	m.done = 0;
	m.result = 0;
	spin_lock(&space->lock);
	while (m.done < request->count && !m.result) {
		vaddr_t at = request->address + m.done * PAGE_SIZE;
		table_map(space, &m, at, vspace_table_end(at, request->address + request->count * PAGE_SIZE));
	}
	spin_unlock(&space->lock);
	vspace_release(caller, request->vspace);
	return m.done || m.result != -EPERM ? (long)m.done : m.result;
}

/* What an unmapping has taken out: frames, in order, and the range they were in. Large: not cleared when it is made. */
struct removed {
	frame_t frames[VSPACE_BATCH];
	u32 count;
	vaddr_t first, last;
};

/* Clears up to `limit` pages of one leaf table from address on: where it came to. */
static vaddr_t table_clear(arch_entry_t *entry, vaddr_t address, vaddr_t stop, u32 limit, struct removed *out)
{
	const arch_entry_t *first = entry;
	u32 count = out->count, before = count;
	vaddr_t last = out->last;

	for (; address < stop && count < limit; address += PAGE_SIZE, entry++) {
		if (!*entry)
			continue;
		if (!count)
			out->first = address;
		last = address;
		out->frames[count++] = arch_entry_frame(arch_entry_exchange(entry, 0));
	}
	arch_table_count(first, -(int)(count - before));
	out->count = count;
	out->last = last;
	return address;
}

/* Clears up to `limit` pages from *at on; *at is then where it came to. */
static void pages_remove(struct vspace *space, vaddr_t *at, vaddr_t end, u32 limit, struct removed *out)
{
	vaddr_t address = *at;

	for (u32 tables = 0; tables < VSPACE_TABLES && out->count < limit; tables++) {
		address = arch_page_next(space->root, address, end);
		if (address >= end)
			break;
		arch_entry_t *entry = arch_page_walk(space->root, address, false, NULL);
		address = table_clear(entry, address, vspace_table_end(address, end), limit, out);
	}
	*at = address;
}

long vspace_unmap(u32 caller, struct tk_unmap *request)
{
	struct domain *d = &domains[caller];
	struct removed out;
	u32 limit = request->capacity < VSPACE_BATCH ? request->capacity : VSPACE_BATCH, freed = 0;
	frame_t chain = FRAME_NONE;

	if (!vspace_range_valid(request->address, request->pages) || !limit)
		return -EINVAL;
	if (!domain_owns_range(d, (vaddr_t)request->freed, limit * sizeof(frame_t)))
		return -EFAULT;
	struct vspace *space = vspace_hold(caller, request->vspace);
	if (!space)
		return -EINVAL;
	/* Commit. */
	vaddr_t at = request->address, end = at + request->pages * PAGE_SIZE;
	out.count = 0;
	out.first = out.last = at;
	spin_lock(&space->lock);
	pages_remove(space, &at, end, limit, &out);
	arch_root_trim(space->root, request->address, at, &chain);
	vspace_count(space, -(i64)out.count);
	spin_unlock(&space->lock);
	if (out.count || chain != FRAME_NONE)
		vspace_flush(space, out.first, out.count ? (out.last - out.first) / PAGE_SIZE + 1 : 1);
	reserve_return_chain(chain);
	/* Counted down after the flush: a frame without mappings is in no processor's buffer. */
	for (u32 i = 0; i < out.count; i++)
		if (frame_unmap_count(out.frames[i]))
			out.frames[freed++] = out.frames[i];
	vspace_release(caller, request->vspace);
	request->freed_count = freed;
	request->done = (at - request->address) / PAGE_SIZE;
	return domain_copy_out(d, (vaddr_t)request->freed, out.frames, freed * sizeof(frame_t));
}

static bool protect_entry(arch_entry_t *entry, u32 prot)
{
	bool shared = prot & TK_PROT_COW && __atomic_load_n(&frame_record(arch_entry_frame(*entry))->map_count, __ATOMIC_RELAXED) > 1;

	for (;;) {
		arch_entry_t old = *entry;
		/* What was copy on write stays so, whatever the protection: its frame is shared or an object's. */
		arch_entry_t new = arch_entry_protected(old, prot, arch_entry_cow(old) || arch_entry_copy(old) || shared);
		/* Relaxed: against the processor's marks only. */
		if (new == old || __atomic_compare_exchange_n(entry, &old, new, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return new != old && arch_entry_present(old);
	}
}

long vspace_protect(u32 caller, vaddr_t token, vaddr_t address, u64 pages, u32 prot)
{
	vaddr_t at = address, end = address + pages * PAGE_SIZE, first = 0, last = 0;
	u32 changed = 0;

	if (!vspace_range_valid(address, pages) || prot & ~(u32)PROT_ALL)
		return -EINVAL;
	struct vspace *space = vspace_hold(caller, token);
	if (!space)
		return -EINVAL;
	/* Commit. */
	spin_lock(&space->lock);
	for (u32 tables = 0; tables < VSPACE_TABLES && changed < VSPACE_BATCH; tables++) {
		at = arch_page_next(space->root, at, end);
		if (at >= end)
			break;
		arch_entry_t *entry = arch_page_walk(space->root, at, false, NULL);
		vaddr_t stop = vspace_table_end(at, end);
		for (; at < stop && changed < VSPACE_BATCH; at += PAGE_SIZE, entry++) {
			if (!*entry || !protect_entry(entry, prot))
				continue;
			first = changed++ ? first : at;
			last = at;
		}
	}
	if (changed)
		vspace_flush(space, first, (last - first) / PAGE_SIZE + 1);
	spin_unlock(&space->lock);
	vspace_release(caller, token);
	return (long)((at - address) / PAGE_SIZE);
}

static u32 prot_of(u64 flags)
{
	u32 prot = flags & ARCH_PAGE_NONE ? 0 : TK_PROT_READ;

	prot |= flags & ARCH_PAGE_WRITE ? TK_PROT_WRITE : 0;
	prot |= flags & ARCH_PAGE_EXECUTE && prot ? TK_PROT_EXECUTE : 0;
	return prot | (flags & ARCH_PAGE_COW ? TK_PROT_COW : 0);
}

long vspace_query(u32 caller, vaddr_t token, vaddr_t address)
{
	long result = -ENOENT;

	if (!vspace_range_valid(address, 1))
		return -EINVAL;
	struct vspace *space = vspace_hold(caller, token);
	if (!space)
		return -EINVAL;
	spin_lock(&space->lock);
	const arch_entry_t *entry = arch_page_walk(space->root, address, false, NULL);
	if (entry && *entry) {
		u64 flags = arch_entry_flags(*entry);
		result = (long)(arch_entry_frame(*entry) | (u64)prot_of(flags) << 32 | (u64)!!(flags & ARCH_PAGE_DIRTY) << 40 |
		                (u64)!!(flags & ARCH_PAGE_ACCESSED) << 41);
	}
	spin_unlock(&space->lock);
	vspace_release(caller, token);
	return result;
}

void *vspace_pin(struct vspace *space, vaddr_t address, u32 access, frame_t *frame)
{
	void *found = NULL;

	if (address >= ARCH_USER_LIMIT)
		return NULL;
	spin_lock(&space->lock);
	arch_entry_t *entry = arch_page_walk(space->root, address, false, NULL);
	if (entry && arch_entry_allows(*entry, access)) {
		*frame = arch_entry_frame(*entry);
		arch_entry_mark(entry, access & TK_ACCESS_WRITE);
		frame_pin(*frame);
		found = (char *)frame_address(*frame) + (address & PAGE_MASK);
	}
	spin_unlock(&space->lock);
	return found;
}
