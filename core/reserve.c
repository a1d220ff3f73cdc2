/*
 * The frames for page tables, given ahead by the memory service and cleared when they come: a stack linked through their records.
 * A few are kept for the splitting of large pages in windows, without which no more could be given.
 */
#include "frame.h"
#include "token.h"
#include "domain.h"
#include <arch/page.h>

#define FILL_MAX 256u

static struct spinlock lock; /* guards both below */
static frame_t top;
u32 reserve_frames;

frame_t reserve_take(bool last)
{
	frame_t frame;

	spin_lock(&lock);
	frame = reserve_frames > (last ? 0 : RESERVE_FLOOR) ? top : FRAME_NONE;
	if (frame != FRAME_NONE) {
		top = frame_record(frame)->link;
		reserve_frames--;
	}
	spin_unlock(&lock);
	return frame != FRAME_NONE ? frame : frame_boot_table();
}

void reserve_return(frame_t frame)
{
	spin_lock(&lock);
	frame_record(frame)->link = top;
	top = frame;
	reserve_frames++;
	spin_unlock(&lock);
}

void reserve_return_chain(frame_t first)
{
	while (first != FRAME_NONE) {
		frame_t next = frame_record(first)->link;
		reserve_return(first);
		first = next;
	}
}

/* Commit of claimed frames whose window tables exist. */
static void frames_take(struct domain *d, const frame_t *frames, u32 fill)
{
	window_remove(d, frames, fill);
	for (u32 i = 0; i < fill; i++) {
		arch_page_zero(frame_address(frames[i]));
		frame_retype(frames[i], FRAME_TABLE, 0, 0);
		reserve_return(frames[i]);
	}
}

long reserve_fill(u32 caller, vaddr_t from, u32 fill)
{
	frame_t frames[FILL_MAX];
	struct domain *d = &domains[caller];

	if (!(d->rights & TK_RIGHT_MEMORY))
		return -EPERM;
	if (!fill)
		return (long)reserve_count();
	if (fill > FILL_MAX)
		return -E2BIG;
	if (domain_copy_in(d, frames, from, fill * sizeof(frame_t)))
		return -EFAULT;
	if (!frames_claim(frames, fill, caller))
		return -EPERM;
	/* All at once, else one by one: each takes at most one table, to split its large page, and gives one. */
	for (u32 done = 0, step = window_prepare(d, frames, fill) == 0 ? fill : 1; done < fill; done += step) {
		if (step == 1 && window_prepare(d, frames + done, 1)) {
			frames_unclaim(frames + done, fill - done);
			return -ENOMEM;
		}
		frames_take(d, frames + done, step);
	}
	return (long)reserve_count();
}
