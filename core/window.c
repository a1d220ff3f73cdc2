/*
 * Token windows: where a domain sees the frames and objects that it holds. Entries of a window are changed under the domain's lock;
 * the holder bit of a frame's record says the same as the entry, but for the dead page that a revocation leaves.
 */
#include "token.h"
#include "assert.h"
#include <arch/page.h>

#define LARGE ARCH_LARGE_PAGES

static vaddr_t window_address(const struct domain *d, frame_t frame) { return d->window + (u64)frame * PAGE_SIZE; }

u64 domain_page_flags(const struct domain *d, u64 access)
{
	return access | (d->class == 2 ? ARCH_PAGE_USER : ARCH_PAGE_KEY(d->arch.key) | ARCH_PAGE_GLOBAL);
}

static void holder_set(frame_t frame, u32 domain)
{
	/* Relaxed: the domain's lock orders it with the entry. */
	__atomic_or_fetch(&frame_record(frame)->holders[domain / 64], 1ull << (domain % 64), __ATOMIC_RELAXED);
}

static void holder_clear(frame_t frame, u32 domain)
{
	/* Relaxed: as above. */
	__atomic_and_fetch(&frame_record(frame)->holders[domain / 64], ~(1ull << (domain % 64)), __ATOMIC_RELAXED);
}

/* Replaces an entry; true when a processor may hold the old one: it was present and accessed (processors note that before they keep it). */
static bool entry_replace(arch_entry_t *entry, arch_entry_t value)
{
	arch_entry_t old = arch_entry_exchange(entry, value);

	if (!old != !value)
		arch_table_count(entry, value ? 1 : -1);
	return arch_entry_present(old) && arch_entry_accessed(old);
}

long window_map(struct domain *d, frame_t frame, bool writable)
{
	spin_lock(&d->lock);
	arch_entry_t *entry = arch_page_walk(d->root, window_address(d, frame), true, NULL);
	bool stale = entry && entry_replace(entry, arch_page_entry(frame, domain_page_flags(d, writable ? ARCH_PAGE_WRITE : 0)));
	if (entry)
		holder_set(frame, d->id);
	spin_unlock(&d->lock);
	if (stale)
		arch_tlb_flush(arch_root_cpus(d->root), window_address(d, frame), 1);
	return entry ? 0 : -ENOMEM;
}

/* Addresses that processors may still translate as they were. */
struct stale { u32 count; u64 cpus; vaddr_t list[ARCH_TLB_LIST_MAX]; };

/* The entry of d's window was replaced. */
static void stale_add(struct stale *stale, const struct domain *d, frame_t frame)
{
	if (stale->count < ARCH_TLB_LIST_MAX)
		stale->list[stale->count] = window_address(d, frame);
	stale->count++;
	stale->cpus |= arch_root_cpus(d->root);
}

static void stale_flush(const struct stale *stale)
{
	arch_tlb_flush_list(stale->cpus, stale->list, stale->count);
}

bool window_replace_dead(struct domain *d, frame_t frame)
{
	bool stale = false;

	spin_lock(&d->lock);
	arch_entry_t *entry = arch_page_walk(d->root, window_address(d, frame), false, NULL);
	if (entry && *entry && frame_held_by(frame_record(frame), d->id)) {
		stale = entry_replace(entry, arch_page_entry(frame_dead, domain_page_flags(d, 0)));
		holder_clear(frame, d->id);
	}
	spin_unlock(&d->lock);
	return stale;
}

void window_unmap(struct domain *d, frame_t frame)
{
	if (window_replace_dead(d, frame))
		arch_tlb_flush(arch_root_cpus(d->root), window_address(d, frame), 1);
}

void window_unmap_all(frame_t frame, u32 owner)
{
	struct stale stale;

	stale.count = 0, stale.cpus = 0;
	for (u32 id = 1; id < domain_count; id++)
		if (id != owner && frame_held_by(frame_record(frame), id) && window_replace_dead(&domains[id], frame))
			stale_add(&stale, &domains[id], frame);
	if (stale.count)
		stale_flush(&stale);
}

bool window_writable(struct domain *d, frame_t frame)
{
	bool large = false;

	spin_lock(&d->lock);
	const arch_entry_t *entry = arch_page_walk(d->root, window_address(d, frame), false, &large);
	bool writable = entry && arch_entry_present(*entry) && arch_entry_writable(*entry);
	spin_unlock(&d->lock);
	return writable;
}

long window_prepare(struct domain *d, const frame_t *frames, u32 count)
{
	bool good = true;

	spin_lock(&d->lock);
	for (u32 i = 0; i < count && good; i++)
		good = arch_page_walk(d->root, window_address(d, frames[i]), true, NULL) != NULL;
	spin_unlock(&d->lock);
	return good ? 0 : -ENOMEM;
}

long window_claim(struct domain *d, const frame_t *frames, u32 count)
{
	if (!frames_claim(frames, count, d->id))
		return -EPERM;
	long error = window_prepare(d, frames, count);
	if (error)
		frames_unclaim(frames, count);
	return error;
}

void window_remove(struct domain *d, const frame_t *frames, u32 count)
{
	struct stale stale;

	stale.count = 0, stale.cpus = 0;
	spin_lock(&d->lock);
	for (u32 i = 0; i < count; i++) {
		arch_entry_t *entry = arch_page_walk(d->root, window_address(d, frames[i]), true, NULL);
		core_assert(entry != NULL);
		if (entry_replace(entry, 0))
			stale_add(&stale, d, frames[i]);
		holder_clear(frames[i], d->id);
	}
	spin_unlock(&d->lock);
	/* The claims keep the frames what they are until everybody has flushed. */
	if (stale.count)
		stale_flush(&stale);
}

void window_map_range(struct domain *d, frame_t first, u64 count)
{
	u64 flags = domain_page_flags(d, ARCH_PAGE_WRITE);

	spin_lock(&d->lock);
	for (u64 done = 0; done < count;) {
		frame_t frame = first + (frame_t)done;
		u32 pages = frame % LARGE == 0 && count - done >= LARGE ? LARGE : 1;
		long result = pages > 1 ? arch_page_map_large(d->root, window_address(d, frame), frame, flags)
		                        : arch_page_map(d->root, window_address(d, frame), frame, flags);
		core_assert(result == 0);
		for (u32 i = 0; i < pages; i++)
			holder_set(frame + i, d->id);
		done += pages;
	}
	spin_unlock(&d->lock);
}
