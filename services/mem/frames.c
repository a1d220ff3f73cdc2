/*
 * Frame allocator: a buddy system of blocks up to 4 MiB. Free blocks are linked through their own first bytes, in mem's window, and one
 * byte for each frame says what it is used for, so nothing here needs the heap. Sections of memory come on line when they are needed.
 */
#include "mem.h"
#include <arch_zero.h>

#define SECTION_FRAMES_DEFAULT 32768u
#define CACHE_FRAMES 64u
#define CACHE_ORDER 4u
#define ONLINE_BELOW 512u /* free frames at which the next section comes on line */
#define KEPT_FRAMES 384u  /* for services and page tables: applications and files get none of the last ones */

struct free_block { frame_t next, previous; };

static struct rt_lock frames_lock = RT_LOCK_RANKED(RANK_MEM_FRAMES); /* guards all below */
static u8 **section_states;                       /* one array of state bytes for each section, NULL while it is off line */
static u64 section_count, section_frames, section_next;
static frame_t free_blocks[MEM_ORDER_MAX + 1];
static u64 free_frames, offline_frames;
static frame_t cache[CACHE_FRAMES];
static u32 cache_count;
static u64 used_frames[MEM_FRAME_UNIT + 1];       /* frames of each use; changed atomically */

static void used_change(u8 state, i64 change)
{
	/* Relaxed: a statistic. */
	__atomic_add_fetch(&used_frames[state < MEM_FRAME_UNIT ? state : (u8)MEM_FRAME_UNIT], (u64)change, __ATOMIC_RELAXED);
}

u64 mem_frames_used(enum mem_frame_state state)
{
	return used_frames[state];
}

static u8 *state_of(frame_t frame)
{
	u64 section = frame / section_frames;

	if (section >= section_count || !section_states[section])
		return NULL;
	return &section_states[section][frame % section_frames];
}

u8 mem_frame_state(frame_t frame)
{
	const u8 *state = state_of(frame);

	return state ? *state : (u8)MEM_FRAME_ABSENT;
}

void mem_frame_state_set(frame_t frame, u8 state)
{
	u8 *to = state_of(frame);

	rt_assert(to);
	used_change(*to, -1);
	used_change(state, 1);
	*to = state;
}

bool mem_frame_state_change(frame_t frame, u8 from, u8 to)
{
	u8 *state = state_of(frame), expected = from;

	/* Acquire and release: whoever makes the change owns the frame from there on. */
	if (!state || !__atomic_compare_exchange_n(state, &expected, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	used_change(from, -1);
	used_change(to, 1);
	return true;
}

void mem_frame_zero(frame_t frame)
{
	arch_page_zero(mem_frame_address(frame));
}

void mem_frame_copy(frame_t to, frame_t from)
{
	memcpy(mem_frame_address(to), mem_frame_address(from), PAGE_SIZE);
}

static void block_link(frame_t first, u32 order)
{
	struct free_block *block = mem_frame_address(first);

	block->next = free_blocks[order];
	block->previous = FRAME_NONE;
	if (block->next)
		((struct free_block *)mem_frame_address(block->next))->previous = first;
	free_blocks[order] = first;
	*state_of(first) = (u8)(MEM_FRAME_FREE | order);
}

static void block_unlink(frame_t first, u32 order)
{
	struct free_block *block = mem_frame_address(first);

	if (block->previous)
		((struct free_block *)mem_frame_address(block->previous))->next = block->next;
	else
		free_blocks[order] = block->next;
	if (block->next)
		((struct free_block *)mem_frame_address(block->next))->previous = block->previous;
	*state_of(first) = MEM_FRAME_IDLE;
}

/* Frees a block and joins it with its buddies. */
static void block_free(frame_t first, u32 order)
{
	free_frames += 1ull << order;
	while (order < MEM_ORDER_MAX) {
		frame_t buddy = first ^ (1u << order);
		const u8 *state = state_of(buddy);

		if (!state || *state != (MEM_FRAME_FREE | order))
			break;
		block_unlink(buddy, order);
		first &= ~(1u << order);
		order++;
	}
	block_link(first, order);
}

static frame_t block_take(u32 order)
{
	u32 from = order;
	frame_t first;

	while (from <= MEM_ORDER_MAX && !free_blocks[from])
		from++;
	if (from > MEM_ORDER_MAX)
		return FRAME_NONE;
	first = free_blocks[from];
	block_unlink(first, from);
	while (from > order) {
		from--;
		block_link(first + (1u << from), from);
	}
	free_frames -= 1ull << order;
	return first;
}

/* Makes a range of one section, whose states exist, available. */
static void range_free(u64 first, u64 count)
{
	while (count) {
		u32 order = MEM_ORDER_MAX;

		while (order && ((first & ((1u << order) - 1)) || (1ull << order) > count))
			order--;
		if (first != FRAME_NONE)
			block_free((frame_t)first, order);
		first += 1ull << order;
		count -= 1ull << order;
	}
}

/* Adds a range of frames that mem owns; the states of sections not seen before are put at its start. */
static void range_add(u64 first, u64 count)
{
	u64 state_pages = round_up(section_frames, PAGE_SIZE) / PAGE_SIZE;

	while (count) {
		u64 section = first / section_frames;
		u64 here = (section + 1) * section_frames - first;

		if (here > count)
			here = count;
		if (section >= section_count)
			return;
		count -= here;
		if (!section_states[section] && here > state_pages) {
			u8 *states = mem_frame_address((frame_t)first);

			memset(states, 0, state_pages * PAGE_SIZE);
			section_states[section] = states;
			memset(&states[first % section_frames], MEM_FRAME_OWN, state_pages);
			memset(&states[first % section_frames + state_pages], MEM_FRAME_IDLE, here - state_pages);
			range_free(first + state_pages, here - state_pages);
		} else if (section_states[section]) {
			memset(&section_states[section][first % section_frames], MEM_FRAME_IDLE, here);
			range_free(first, here);
		}
		first += here;
	}
}

/* Brings the next section that is off line under the allocator; false when there is none. */
static bool section_online(void)
{
	while (section_next < section_count) {
		u64 section = section_next++;
		long first;

		if (section_states[section])
			continue;
		first = tk_memory_online((u32)section);
		if (mem_is_error(first) || (u64)first / section_frames != section)
			continue;
		offline_frames -= offline_frames < section_frames ? offline_frames : section_frames;
		range_add((u64)first, (section + 1) * section_frames - (u64)first);
		return true;
	}
	offline_frames = 0;
	return false;
}

static void cache_flush(u32 keep)
{
	while (cache_count > keep) {
		free_frames--;
		block_free(cache[--cache_count], 0);
	}
}

/* Single frames come out of larger blocks, so that most of them cost no search. */
static void cache_fill(void)
{
	frame_t first = block_take(CACHE_ORDER);

	for (u32 i = 1u << CACHE_ORDER; first && i-- > 0; free_frames++)
		cache[cache_count++] = first + i;
}

static frame_t frames_find(u32 order, u8 state)
{
	frame_t first = FRAME_NONE;

	lock_acquire(&frames_lock);
	if (order == 0 && !cache_count)
		cache_fill();
	if (order == 0 && cache_count) {
		first = cache[--cache_count];
		free_frames--;
	} else {
		if (free_frames < ONLINE_BELOW)
			section_online();
		first = block_take(order);
		if (!first) {
			cache_flush(0);
			first = block_take(order);
		}
		while (!first && section_online())
			first = block_take(order);
	}
	for (u32 i = 0; first && i < 1u << order; i++)
		*state_of(first + i) = state;
	lock_release(&frames_lock);
	if (first)
		used_change(state, 1 << order);
	return first;
}

frame_t mem_frames_take(u32 order, u8 state)
{
	frame_t first;

	if (order > MEM_ORDER_MAX)
		return FRAME_NONE;
	if ((state == MEM_FRAME_ANONYMOUS || state == MEM_FRAME_OBJECT) && mem_frames_short())
		return FRAME_NONE;
	first = frames_find(order, state);
	while (!first && mem_spares_free())
		first = frames_find(order, state);
	return first;
}

frame_t mem_frame_take_zeroed(u8 state)
{
	frame_t frame = mem_frames_take(0, state);

	if (frame)
		mem_frame_zero(frame);
	return frame;
}

void mem_frames_put(frame_t first, u32 order)
{
	lock_acquire(&frames_lock);
	for (u32 i = 0; i < 1u << order; i++) {
		u8 *state = state_of(first + i);

		rt_assert(state && *state > MEM_FRAME_IDLE && *state < MEM_FRAME_FREE);
		used_change(*state, -1);
		*state = MEM_FRAME_IDLE;
	}
	if (order == 0) {
		if (cache_count == CACHE_FRAMES)
			cache_flush(CACHE_FRAMES / 2);
		cache[cache_count++] = first;
		free_frames++;
	} else {
		block_free(first, order);
	}
	lock_release(&frames_lock);
}

frame_t mem_frames_end(void)
{
	return (frame_t)(section_count * section_frames);
}

u64 mem_frames_available(void)
{
	return free_frames + offline_frames + mem_spares_held();
}

bool mem_frames_short(void)
{
	return mem_frames_available() < KEPT_FRAMES;
}

void mem_frames_init(void)
{
	const struct tk_boot_info *boot = rt_boot;
	u64 directory_frames, online = 0;
	u32 carved = 0;

	section_frames = boot->section_frames ? boot->section_frames : SECTION_FRAMES_DEFAULT;
	rt_assert(section_frames % (1u << MEM_ORDER_MAX) == 0);
	section_count = boot->section_count;
	for (u32 i = 0; i < boot->range_count; i++) {
		u64 last = (boot->ranges[i].first_frame + boot->ranges[i].count - 1) / section_frames;

		if (last >= section_count)
			section_count = last + 1;
	}
	directory_frames = round_up(section_count * sizeof(*section_states), PAGE_SIZE) / PAGE_SIZE;
	while (carved < boot->range_count && boot->ranges[carved].count <= directory_frames)
		carved++;
	rt_assert(carved < boot->range_count);
	section_states = mem_frame_address((frame_t)boot->ranges[carved].first_frame);
	memset(section_states, 0, directory_frames * PAGE_SIZE);
	for (u32 i = 0; i < boot->range_count; i++) {
		u64 skip = i == carved ? directory_frames : 0;

		range_add(boot->ranges[i].first_frame + skip, boot->ranges[i].count - skip);
		online += boot->ranges[i].count;
	}
	for (u64 i = 0; i < directory_frames; i++)
		mem_frame_state_set((frame_t)(boot->ranges[carved].first_frame + i), MEM_FRAME_OWN);
	/* What is off line is whole sections of RAM; others of the numbers are holes. The core's own frames are fewer than a section. */
	offline_frames = boot->memory_frames > online ? (boot->memory_frames - online) / section_frames * section_frames : 0;
}
