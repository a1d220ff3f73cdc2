/* Where mappings go: from below the stack downwards, at random distances as Linux has them; and what limits refuse. */
#include "mem.h"
#include <mem_server.h>

#define GIB (1ull << 30)
#define MIB (1ull << 20)
#define STACK_RANDOM_PAGES (1ull << 22)  /* 16 GiB */
#define MMAP_RANDOM_PAGES (1ull << 28)   /* 1 TiB */
#define BREAK_RANDOM_PAGES (1ull << 13)  /* 32 MiB */
#define GAP_LEAST (128 * MIB)

static u64 random_pages(u64 range, bool fixed)
{
	u64 value = 0;

	if (fixed)
		return 0;
	random_bytes(&value, sizeof(value));
	return (value & (range - 1)) << PAGE_SHIFT;
}

u64 mem_place_guard(const struct mem_space *space, u32 index)
{
	u64 start = space->regions[index].start;

	if (!(space->side[index].notes & MEM_NOTE_GROWSDOWN))
		return start;
	return start > MEM_STACK_GUARD ? start - MEM_STACK_GUARD : 0;
}

/* A hint is taken when the range is free. */
static bool hint_fits(const struct mem_space *space, u64 hint, u64 size)
{
	u32 next = mem_region_find(space, hint);

	if (hint + size > rt_boot->user_limit)
		return false;
	return next >= space->table->count || mem_place_guard(space, next) >= hint + size;
}

/* The highest free range of a size in [low, high). */
static bool find_down(const struct mem_space *space, u64 low, u64 high, u64 size, u64 *address)
{
	const struct tk_region_table *table = space->table;
	u32 at = mem_region_find(space, high);
	u64 end = high;

	if (at < table->count && mem_place_guard(space, at) < end)
		end = mem_place_guard(space, at);
	for (;;) {
		u64 start = at > 0 ? space->regions[at - 1].end : low;

		if (start < low)
			start = low;
		if (end > start && end - start >= size) {
			*address = end - size;
			return true;
		}
		if (at == 0 || start == low)
			return false;
		at--;
		end = mem_place_guard(space, at);
	}
}

/* The lowest free range of a size in [low, high). */
static bool find_up(const struct mem_space *space, u64 low, u64 high, u64 size, u64 *address)
{
	const struct tk_region_table *table = space->table;
	u64 start = low;

	for (u32 at = mem_region_find(space, low);; at++) {
		u64 end = at < table->count ? mem_place_guard(space, at) : high;

		if (end > high)
			end = high;
		if (end > start && end - start >= size) {
			*address = start;
			return true;
		}
		if (at >= table->count || space->regions[at].start >= high)
			return false;
		if (space->regions[at].end > start)
			start = space->regions[at].end;
	}
}

long mem_place_find(struct mem_space *space, u64 hint, u64 size, u32 flags, u64 *address)
{
	hint = round_down(hint, PAGE_SIZE);
	if (hint && hint < MEM_LOWEST_HINT)
		hint = MEM_LOWEST_HINT;
	if (hint && hint < rt_boot->user_limit && hint_fits(space, hint, size) && (!(flags & MEM_MAP_LOW) || hint + size <= 2 * GIB)) {
		*address = hint;
		return 0;
	}
	if (flags & MEM_MAP_LOW)
		return find_up(space, GIB, 2 * GIB, size, address) ? 0 : -ENOMEM;
	if (find_down(space, MEM_LOWEST_HINT, space->top, size, address) ||
	    find_up(space, space->top, rt_boot->user_limit, size, address))
		return 0;
	return -ENOMEM;
}

/* pages + used stays within limit bytes. */
static bool limit_allows(u64 used, u64 pages, u64 limit)
{
	return limit == MEM_UNLIMITED || used + pages <= limit >> PAGE_SHIFT;
}

long mem_limits_check(const struct mem_space *space, u64 pages, u8 prot, u32 notes)
{
	if (!limit_allows(space->total, pages, space->limits.address_space))
		return -ENOMEM;
	if (mem_region_is_data(prot, notes)) {
		if (!limit_allows(space->data, pages, space->limits.data))
			return -ENOMEM;
		if (pages > rt_boot->memory_frames) /* Linux's heuristic: what can never be had is refused */
			return -ENOMEM;
	}
	return 0;
}

long mem_op_space_layout(const struct rt_request *rq, u64 space, u32 flags, u64 *stack_top, u64 *image_base)
{
	bool fixed = flags & MEM_LAYOUT_FIXED;
	u64 limit = rt_boot->user_limit, gap, most = limit / 6 * 5;
	struct mem_space *found = mem_space_get(space);

	(void)rq;
	if (!found)
		return -EBADF;
	gap = found->limits.stack < most ? found->limits.stack : most;
	gap += MEM_STACK_GUARD + (fixed ? 0 : STACK_RANDOM_PAGES << PAGE_SHIFT);
	if (gap < GAP_LEAST)
		gap = GAP_LEAST;
	if (gap > most)
		gap = most;
	found->top = round_down(limit - gap - random_pages(MMAP_RANDOM_PAGES, fixed), PAGE_SIZE);
	*stack_top = limit - random_pages(STACK_RANDOM_PAGES, fixed);
	*image_base = round_down(limit / 3 * 2, PAGE_SIZE) + random_pages(MMAP_RANDOM_PAGES, fixed);
	mem_space_put(found);
	return 0;
}

long mem_op_break_init(const struct rt_request *rq, u64 space, u64 end, u32 flags)
{
	struct mem_space *found;

	(void)rq;
	if (end > rt_boot->user_limit)
		return -EINVAL;
	found = mem_space_get(space);
	if (!found)
		return -EBADF;
	found->break_start = round_up(end, PAGE_SIZE) + random_pages(BREAK_RANDOM_PAGES, flags & MEM_LAYOUT_FIXED);
	found->break_end = found->break_start;
	mem_space_put(found);
	return 0;
}
