/* Frames from the boot ranges, handed out once: enough for heaps and poll words of the test units. */
#include "mem_server.h"
#include "frames.h"

#define BATCH 64u

static struct rt_lock lock = RT_LOCK_INIT; /* guards range and used */
static u32 range;
static u64 used;

void mem_init(void)
{
}

frame_t frame_take(void)
{
	frame_t frame = FRAME_NONE;

	lock_acquire(&lock);
	while (range < rt_boot->range_count && used == rt_boot->ranges[range].count)
		range++, used = 0;
	if (range < rt_boot->range_count)
		frame = (frame_t)(rt_boot->ranges[range].first_frame + used++);
	lock_release(&lock);
	if (frame != FRAME_NONE)
		memset((void *)token_of_frame(frame), 0, PAGE_SIZE);
	return frame;
}

long mem_op_heap_grow(const struct rt_request *rq, u64 mapped, u32 pages)
{
	frame_t frames[BATCH];
	u32 count = 0;

	while (count < pages && count < BATCH) {
		frames[count] = frame_take();
		if (frames[count] == FRAME_NONE)
			return -ENOMEM;
		count++;
	}
	long result = tk_heap_map(rq->caller == rt_boot->domain ? 0 : rq->caller, mapped, frames, count);

	return result < 0 ? result : (long)count;
}

long mem_op_fault_in(const struct rt_request *rq, u64 address, u64 size, u32 access)
{
	(void)rq, (void)address, (void)size, (void)access;
	return -EFAULT; /* there are no applications */
}

long mem_op_frames_alloc(const struct rt_request *rq, u32 order, u64 *frame)
{
	if (order)
		return -EINVAL;
	*frame = frame_take();
	if (*frame == FRAME_NONE)
		return -ENOMEM;
	return rq->caller == rt_boot->domain ? 0 : tk_frames_give((frame_t)*frame, 1, rq->caller);
}

long mem_upcall_fault(const struct rt_request *rq, vaddr_t vspace, vaddr_t address, u32 access)
{
	(void)rq, (void)vspace, (void)address, (void)access;
	return -EFAULT;
}
