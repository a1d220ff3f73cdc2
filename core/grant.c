/* Grants and revocations of tokens, and frames that change owner or go into a unit's heap. */
#include "token.h"
#include "wait.h"
#include <arch/page.h>
#include <tessera/arch.h>

#define FRAMES_MAX 512u /* of one call */

static bool domain_valid(u32 domain) { return domain > 0 && domain < domain_count; }
static bool domain_down(u32 domain) { return domains[domain].state == TK_DOMAIN_FAILED || domains[domain].state == TK_DOMAIN_STOPPED; }

/* The caller's own frame behind a token, pinned: a user frame or the page of an object; FRAME_NONE if it is not the owner. */
static frame_t own_frame_pin(u32 caller, vaddr_t token)
{
	frame_t frame = token_held(&domains[caller], token);

	if (frame == FRAME_NONE)
		return FRAME_NONE;
	struct frame_record *record = frame_record(frame);
	spin_lock(frame_lock(frame));
	bool own = record->owner == caller && (record->type == FRAME_USER || record->type == FRAME_OBJECT) && !(record->flags & FRAME_CLAIMED);
	if (own)
		frame_pin(frame);
	spin_unlock(frame_lock(frame));
	return own ? frame : FRAME_NONE;
}

long token_grant(u32 caller, vaddr_t token, u32 domain, u32 mode)
{
	if (!domain_valid(domain) || domain == caller || mode > TK_MODE_WRITE)
		return -EINVAL;
	frame_t frame = own_frame_pin(caller, token);
	if (frame == FRAME_NONE)
		return -EPERM;
	long result = -EACCES;
	if (mode == TK_MODE_READ || window_writable(&domains[caller], frame))
		result = window_map(&domains[domain], frame, mode == TK_MODE_WRITE);
	frame_unpin(frame);
	return result;
}

long token_revoke(u32 caller, vaddr_t token, u32 domain)
{
	if (domain != TK_EVERYONE && (!domain_valid(domain) || domain == caller))
		return -EINVAL;
	frame_t frame = own_frame_pin(caller, token);
	if (frame == FRAME_NONE)
		return -EPERM;
	/* Commit. */
	if (domain == TK_EVERYONE)
		window_unmap_all(frame, caller);
	else
		window_unmap(&domains[domain], frame);
	wait_cancel_object(frame, domain);
	frame_unpin(frame);
	return 0;
}

void token_revoke_all(frame_t frame, u32 owner)
{
	window_unmap_all(frame, owner);
	wait_cancel_object(frame, TK_EVERYONE);
}

long frames_give(u32 caller, frame_t first, u32 count, u32 domain)
{
	frame_t frames[FRAMES_MAX];

	if (!domain_valid(domain) || domain == caller || !count || count > FRAMES_MAX || first >= frame_count || count > frame_count - first)
		return -EINVAL;
	for (u32 i = 0; i < count; i++)
		frames[i] = first + i;
	/* Of a unit that is down mem may have taken back all that it had. */
	long error = domain_down(domain) ? -EBUSY : window_claim(&domains[caller], frames, count);
	if (error)
		return error;
	if (window_prepare(&domains[domain], frames, count)) {
		frames_unclaim(frames, count);
		return -ENOMEM;
	}
	/* Commit: the tables exist. */
	window_remove(&domains[caller], frames, count);
	for (u32 i = 0; i < count; i++) {
		(void)window_map(&domains[domain], frames[i], true);
		frame_retype(frames[i], FRAME_USER, domain, 0);
	}
	return 0;
}

/* What runs of the unit only unwinds, and it starts again when mem's caller has seen to it: so its frames go as if it gave them. */
long frames_reclaim(u32 caller, u32 domain, frame_t frame)
{
	if (!(domains[caller].rights & TK_RIGHT_MEMORY))
		return -EPERM;
	if (!domain_valid(domain) || domain == caller || frame >= frame_count)
		return -EINVAL;
	if (!domain_down(domain))
		return -EBUSY;
	vaddr_t token = domains[domain].window + (u64)frame * PAGE_SIZE;
	long error = frame_record(frame)->type == FRAME_OBJECT ? object_destroy(domain, token) : token_revoke(domain, token, TK_EVERYONE);
	return error ? error : frames_give(domain, frame, 1, caller);
}

/* Makes the tables of a part of a heap; false when none can be had or a page is mapped already. */
static bool heap_prepare(struct domain *d, vaddr_t address, u32 count)
{
	bool good = true;

	spin_lock(&d->lock);
	for (u32 i = 0; i < count && good; i++) {
		const arch_entry_t *entry = arch_page_walk(d->root, address + i * PAGE_SIZE, true, NULL);
		good = entry && !*entry;
	}
	spin_unlock(&d->lock);
	return good;
}

static void heap_commit(struct domain *d, vaddr_t address, const frame_t *frames, u32 count)
{
	u64 flags = domain_page_flags(d, ARCH_PAGE_WRITE);

	spin_lock(&d->lock);
	for (u32 i = 0; i < count; i++) {
		long result = arch_page_map(d->root, address + i * PAGE_SIZE, frames[i], flags);
		frame_retype(frames[i], FRAME_USER, d->id, result == 0);
	}
	u64 end = (address - d->private - ARCH_UNIT_HEAP) / PAGE_SIZE + count;
	if (end > d->heap_pages)
		d->heap_pages = end;
	spin_unlock(&d->lock);
}

long heap_map(u32 caller, u32 domain, u64 page, vaddr_t from, u32 count)
{
	frame_t frames[FRAMES_MAX];
	u32 target = domain ? domain : caller;

	if (!(domains[caller].rights & TK_RIGHT_MEMORY))
		return -EPERM;
	if (!domain_valid(target) || !count || page >= ARCH_UNIT_HEAP_PAGES || count > ARCH_UNIT_HEAP_PAGES - page)
		return -EINVAL;
	if (count > FRAMES_MAX)
		return -E2BIG;
	if (domain_copy_in(&domains[caller], frames, from, count * sizeof(frame_t)))
		return -EFAULT;
	vaddr_t address = domains[target].private + ARCH_UNIT_HEAP + page * PAGE_SIZE;
	if (page > domains[target].heap_pages) /* a heap has no holes: a restart clears it up to its end */
		return -EINVAL;
	long error = window_claim(&domains[caller], frames, count);
	if (error)
		return error;
	if (!heap_prepare(&domains[target], address, count)) {
		frames_unclaim(frames, count);
		return -ENOMEM;
	}
	/* Commit: the tables exist and the pages are free; only the caller, who holds right MEMORY, could have raced for them. */
	window_remove(&domains[caller], frames, count);
	heap_commit(&domains[target], address, frames, count);
	return 0;
}
