/* Memory for the services themselves: heaps of units, and frames for the objects that they make. Start of the service. */
#include "mem.h"
#include <mem_server.h>

#define HEAP_FRAMES_AT_ONCE 64u
#define UNIT_SHARE 4u /* a unit gets at most this part of all memory, heap and frames together */

static volatile u64 unit_frames[TK_DOMAINS_MAX]; /* that each unit has; of mem's own unit they are not counted */
/* Guards that a frame is another unit's by mem's states exactly if it is by the core's record, or was given back: any unit may name any. */
static struct rt_lock given_lock = RT_LOCK_RANKED(RANK_MEM_GIVEN);

/* Counts frames for a unit; false: it would have more than its share. */
static bool unit_frames_add(u32 domain, u32 count)
{
	if (domain == rt_boot->domain)
		return true;
	if (domain >= TK_DOMAINS_MAX)
		return false;
	/* Relaxed: a number by itself. */
	if (__atomic_add_fetch(&unit_frames[domain], count, __ATOMIC_RELAXED) <= rt_boot->memory_frames / UNIT_SHARE)
		return true;
	__atomic_sub_fetch(&unit_frames[domain], count, __ATOMIC_RELAXED);
	return false;
}

/* A unit may give back what another had and gave to it: then the other's count stays, and this one's does not wrap. */
static void unit_frames_remove(u32 domain, u32 count)
{
	u64 now = domain < TK_DOMAINS_MAX ? unit_frames[domain] : 0;

	/* Relaxed: as above. */
	while (now && !__atomic_compare_exchange_n(&unit_frames[domain], &now, now > count ? now - count : 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* Maps up to HEAP_FRAMES_AT_ONCE pages; how many, or an error. The frames are mem's own until they are the heap's. */
static long heap_extend(u32 domain, u64 page, u32 pages)
{
	frame_t frames[HEAP_FRAMES_AT_ONCE];
	u32 wanted = pages < HEAP_FRAMES_AT_ONCE ? pages : HEAP_FRAMES_AT_ONCE, count = 0;
	long result = -ENOMEM;

	if (!unit_frames_add(domain, wanted))
		return -ENOMEM;
	while (count < wanted) {
		frames[count] = mem_frame_take_zeroed(MEM_FRAME_OWN);
		if (!frames[count])
			break;
		count++;
	}
	unit_frames_remove(domain, wanted - count);
	if (count)
		result = tk_heap_map(domain, page, frames, count);
	if (count && result == -ENOMEM && mem_reserve_refill() == 0)
		result = tk_heap_map(domain, page, frames, count);
	if (!mem_is_error(result)) {
		for (u32 i = 0; i < count && domain != rt_boot->domain; i++)
			mem_frame_state_set(frames[i], MEM_FRAME_UNIT);
		return count;
	}
	unit_frames_remove(domain, count);
	for (u32 i = 0; i < count; i++)
		mem_frames_put(frames[i], 0);
	return result == -ENOMEM ? -ENOMEM : -EINVAL;
}

/* Called with the runtime's heap lock held when the caller is mem itself: nothing below may need the heap. */
long mem_op_heap_grow(const struct rt_request *rq, u64 mapped, u32 pages)
{
	u32 done = 0;

	if (!pages || mapped > rt_boot->heap_limit || pages > rt_boot->heap_limit - mapped)
		return -EINVAL;
	while (done < pages) {
		long result = heap_extend(rq->caller, mapped + done, pages - done);

		if (result < 0)
			return done ? (long)done : result;
		done += (u32)result;
	}
	return (long)done;
}

/* How a frame given to this caller is marked: only from such a caller it comes back. */
static u8 given_state(const struct rt_request *rq)
{
	return rq->caller == rt_boot->domain ? (u8)MEM_FRAME_NEIGHBOUR : (u8)MEM_FRAME_UNIT;
}

static u8 block_state(u8 given, u32 order, u32 index)
{
	return (u8)(given | (index ? MEM_ORDER_INNER : order));
}

/* Hands a block that mem has taken to a unit, or to a service beside mem. */
static long block_give(const struct rt_request *rq, frame_t first, u32 order)
{
	u32 count = 1u << order;

	lock_acquire(&given_lock);
	long result = rq->caller == rt_boot->domain ? 0 : tk_frames_give(first, count, rq->caller);

	for (u32 i = 0; i < count && !mem_is_error(result); i++)
		mem_frame_state_set(first + i, block_state(given_state(rq), order, i));
	lock_release(&given_lock);
	return result;
}

long mem_op_frames_alloc(const struct rt_request *rq, u32 order, u64 *frame)
{
	u32 count = 1u << (order & 31);
	frame_t first;

	if (order > MEM_ORDER_MAX)
		return -EINVAL;
	if (!unit_frames_add(rq->caller, count))
		return -ENOMEM;
	first = mem_frames_take(order, MEM_FRAME_OWN);
	if (!first) {
		unit_frames_remove(rq->caller, count);
		return -ENOMEM;
	}
	for (u32 i = 0; i < count; i++)
		mem_frame_zero(first + i);
	long result = block_give(rq, first, order);

	if (result == -ENOMEM && mem_reserve_refill() == 0)
		result = block_give(rq, first, order);
	if (mem_is_error(result)) {
		unit_frames_remove(rq->caller, count);
		mem_frames_put(first, order);
		return -ENOMEM;
	}
	*frame = first;
	return 0;
}

/* The block was given whole, no part of it was taken back since, and all of it is mem's again. That mem owns a frame is for the core to
 * say: revoking what is not one's own is refused. */
static bool block_is_back(frame_t first, u32 order, u8 given)
{
	for (u32 i = 0; i < 1u << order; i++)
		if (mem_frame_state(first + i) != block_state(given, order, i))
			return false;
	for (u32 i = 0; i < 1u << order; i++)
		if (mem_is_error(tk_revoke(token_of_frame(first + i), TK_EVERYONE)))
			return false;
	return true;
}

long mem_op_frames_free(const struct rt_request *rq, u64 frame, u32 order)
{
	frame_t first = (frame_t)frame;

	if (order > MEM_ORDER_MAX || frame != first)
		return -EINVAL;
	lock_acquire(&given_lock);
	bool back = block_is_back(first, order, given_state(rq));

	for (u32 i = 0; back && i < 1u << order; i++)
		mem_frame_state_set(first + i, MEM_FRAME_OWN);
	lock_release(&given_lock);
	if (!back)
		return -EINVAL;
	unit_frames_remove(rq->caller, 1u << order);
	mem_frames_put(first, order);
	return 0;
}

/* A frame of a unit, in whatever block it was given; the core says whose it is, and keeps those of heaps. */
static bool frame_reclaim(u32 domain, frame_t frame)
{
	u8 state = mem_frame_state(frame);

	if (state < MEM_FRAME_UNIT || state >= MEM_FRAME_FREE)
		return false;
	lock_acquire(&given_lock);
	bool had = !mem_is_error(tk_frames_reclaim(domain, frame));

	if (had)
		mem_frame_state_set(frame, MEM_FRAME_OWN);
	lock_release(&given_lock);
	if (had)
		mem_frames_put(frame, 0);
	return had;
}

/* Twice: an object ends at its first frame, and only then can the others be had. */
long mem_op_unit_ended(const struct rt_request *rq, u32 domain)
{
	u64 taken = 0;

	if (rq->caller != rt_boot->super_domain || domain == rt_boot->domain)
		return -EPERM;
	lock_acquire(&given_lock); /* what was on its way to the unit is there; from now on the core lets nothing come to it */
	lock_release(&given_lock);
	for (u32 round = 0; round < 2; round++)
		for (frame_t frame = 1; frame < mem_frames_end(); frame++)
			taken += frame_reclaim(domain, frame);
	unit_frames_remove(domain, (u32)taken);
	return (long)taken;
}

static volatile u64 frames_adopted; /* a statistic */

u64 mem_frames_adopted(void)
{
	return frames_adopted;
}

long mem_op_frames_adopt(const struct rt_request *rq, u64 first, u64 count)
{
	long taken = 0;

	/* Only fs was given frames that mem never had. Others could name what the core lent to the services of mem's own unit. */
	if (rq->caller != rt_boot->fs_domain || count > rt_boot->memory_frames || first + count < first)
		return 0;
	for (u64 frame = first; frame < first + count && frame == (frame_t)frame; frame++) {
		/* Only a frame of memory under the allocator that nobody uses, and that is this unit's now. */
		if (!mem_frame_state_change((frame_t)frame, MEM_FRAME_ABSENT, MEM_FRAME_OWN))
			continue;
		if (mem_is_error(tk_revoke(token_of_frame(frame), TK_EVERYONE))) {
			mem_frame_state_set((frame_t)frame, MEM_FRAME_ABSENT);
			continue;
		}
		mem_frames_put((frame_t)frame, 0);
		taken++;
	}
	__atomic_add_fetch(&frames_adopted, (u64)taken, __ATOMIC_RELAXED); /* a number by itself */
	return taken;
}

void mem_init(void)
{
	mem_frames_init();
	mem_pool_init();
}

void mem_main(u32 index)
{
	(void)index;
	mem_pool_serve();
}
