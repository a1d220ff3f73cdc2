/* Callers who send anything: every operation with odd, huge and mistaken values. Nothing may break, and all comes back at the end. */
#include "core.h"
#include <string.h>

#define SPACES 4u
#define OBJECTS 6u

static u64 spaces[SPACES], objects[OBJECTS], taken[8];
static vaddr_t tokens[SPACES];
static struct rt_request rq = { .caller = ABI_DOMAIN, .thread = THREAD };

static u32 below(u32 limit) { return (u32)(unit_random() % limit); }

static u64 odd(void)
{
	static const u64 values[] = { 0, 1, 2, 3, 7, 8, 63, 64, 4095, 4096, 4097, 8192, 65536, 1 << 20, 0x40000000, 0x40001000, 0x40004000, 1ull << 32,
	                              (1ull << 32) + 4096, 1ull << 47, 0x7ffffffff000, 0x7fffffffe000, 1ull << 51, 1ull << 52, 1ull << 62, 1ull << 63,
	                              ~0ull, ~PAGE_MASK, ~0ull - 8191 };
	u64 value = values[below(countof(values))];

	return below(4) ? value : value + (u64)below(16) * PAGE_SIZE;
}

static u64 place(void) { return below(4) ? 0x40000000 + (u64)below(64) * PAGE_SIZE : odd(); }
static u64 size(void) { return below(4) ? (u64)(1 + below(24)) * PAGE_SIZE : odd(); }
static u64 space(void) { return below(12) ? spaces[below(SPACES)] : odd(); }
static u64 object(void) { return below(6) ? objects[below(OBJECTS)] : below(2) ? spaces[0] : odd(); }
static u32 bits(void) { return below(4) ? below(16) : (u32)odd(); }

static void space_make(u32 at)
{
	u64 frame;

	if (spaces[at])
		return;
	if (mem_op_space_create(&rq, below(2) ? space() : 0, &spaces[at], &frame) == 0)
		tokens[at] = token_of_frame(frame);
	else
		spaces[at] = 0;
}

static void space_drop(u32 at)
{
	if (spaces[at])
		CHECK(mem_op_space_destroy(&rq, spaces[at]) == 0);
	spaces[at] = 0;
}

static long call_space(u32 which)
{
	struct mem_map_request map = { .space = space(), .address = place(), .size = size(), .object = below(2) ? object() : 0,
	                               .offset = below(2) ? 0 : odd(), .prot = below(8) ? below(8) : bits(), .prot_max = below(4) ? 0 : bits(),
	                               .flags = below(2) ? MEM_MAP_FIXED : bits() | below(2) << below(12), .reserved = below(20) ? 0 : 1 };
	struct mem_remap_request remap = { .space = space(), .address = place(), .size = size(), .new_size = size(), .new_address = place(),
	                                   .flags = below(8) ? below(8) : bits() };
	struct mem_limits limits = { odd(), odd(), odd(), odd(), below(2), 0 };
	struct mem_space_info info;
	static u8 buffer[4096];
	u64 a, b;
	u32 at = below(SPACES);

	map.flags &= ~(u32)(below(3) ? MEM_MAP_POPULATE | MEM_MAP_LOCKED : 0); /* or the machine is full all the time */
	switch (which) {
	case 0: case 1: case 2: return mem_op_map(&rq, &map, &a);
	case 3: return mem_op_unmap(&rq, space(), place(), size());
	case 4: return mem_op_protect(&rq, space(), place(), size(), below(4) ? below(8) : bits());
	case 5: return mem_op_remap(&rq, &remap, &a);
	case 6: return below(4) ? 0 : mem_op_space_limits(&rq, space(), below(3) ? &(struct mem_limits){ ~0ull, ~0ull, ~0ull, ~0ull, 0, 0 } : &limits);
	case 7: return mem_op_break_init(&rq, space(), place(), bits()) | mem_op_break_set(&rq, space(), place(), &a);
	case 8: return mem_op_advise(&rq, space(), place(), size(), below(2) ? below(24) : bits());
	case 9: return mem_op_sync(&rq, space(), place(), size(), bits());
	case 10: return mem_op_residency(&rq, space(), place(), below(2) ? below(4096) : (u32)odd(), buffer, sizeof(buffer));
	case 11: return mem_op_lock(&rq, space(), place(), below(4) ? size() % (64 * PAGE_SIZE) : odd() | 1ull << 60, bits());
	case 12: return mem_op_space_layout(&rq, space(), bits(), &a, &b);
	case 13: return mem_op_space_info(&rq, space(), &info);
	case 14: return mem_op_regions_list(&rq, space(), place(), bits(), buffer, below(sizeof(buffer)));
	case 15: return mem_op_space_read(&rq, space(), place() + below(5000), buffer, below(sizeof(buffer)));
	case 16: return mem_op_space_write(&rq, space(), place() + below(5000), buffer, below(sizeof(buffer)));
	case 17: return mem_op_barrier(&rq, space(), below(2));
	case 18: space_make(at); return 0;
	case 19: space_drop(at); return 0;
	case 20:
		if (spaces[at])
			return 0;
		if (mem_op_space_fork(&rq, space(), &spaces[at], &a) == 0)
			return tokens[at] = token_of_frame(a), 0;
		spaces[at] = 0;
		return 0;
	default:
		if (!spaces[at])
			return 0;
		core_client(tokens[at]);
		(void)!mem_op_fault_in(&rq, place(), size(), bits());
		(void)!mem_op_word_update(&rq, place(), below(9), bits(), bits(), &a);
		core_client(0);
		return core_touch(tokens[at], place() & 0x7fffffffffff, 1 + below(2), -1);
	}
}

static long call_object(u32 which)
{
	struct mem_object_info info;
	static frame_t frames[1024];
	u64 a;
	u32 at = below(OBJECTS);

	switch (which) {
	case 0:
		if (!objects[at] && mem_op_object_create(&rq, below(2) ? below(64) : odd(), odd(), &objects[at]))
			objects[at] = 0;
		return 0;
	case 1:
		if (objects[at])
			(void)!mem_op_object_destroy(&rq, objects[at]);
		objects[at] = 0;
		return 0;
	case 2: return mem_op_object_resize(&rq, object(), below(2) ? below(64) : odd());
	case 3: return mem_op_object_punch(&rq, object(), odd(), odd());
	case 4: return mem_op_object_page(&rq, object(), below(2) ? below(64) : odd(), bits() & 3, &a);
	case 5: return mem_op_object_pages(&rq, object(), below(2) ? below(64) : odd(), below(2) ? below(32) : (u32)odd(), bits() & 3, frames, below(sizeof(frames)));
	case 6: return mem_op_object_seek(&rq, object(), odd(), below(6), &a);
	case 7: return mem_op_object_info(&rq, object(), &info);
	case 8: return mem_op_object_hold(&rq, spaces[below(SPACES)]);
	default: return mem_op_object_release(&rq, object());
	}
}

static long call_unit(u32 which)
{
	struct mem_information information;
	u32 at = below(countof(taken));

	switch (which) {
	case 0: return taken[at] || mem_op_frames_alloc(&rq, below(2) ? below(3) : bits() | 32, &taken[at]) == 0 ? 0 : (long)(taken[at] = 0);
	case 1: return mem_op_frames_free(&rq, below(2) ? taken[at] : odd(), bits());
	case 2: return mem_op_frames_adopt(&rq, odd(), odd());
	case 3: return mem_op_heap_grow(&rq, odd(), 0) | mem_op_heap_grow(&rq, ~0ull - below(9), (u32)odd());
	case 4: return mem_upcall_fault(&rq, odd(), odd(), bits());
	default: return mem_op_information(&rq, &information);
	}
}

static void anything(void)
{
	u64 frames;

	core_start();
	frames = mem_frames_used(MEM_FRAME_ANONYMOUS) - mem_pool_held();
	for (u32 step = 0; step < 150000; step++) {
		u32 kind = below(8);

		rq.caller = kind == 7 ? FS_DOMAIN : ABI_DOMAIN;
		if (kind < 5)
			(void)!call_space(below(22));
		else if (kind < 7)
			(void)!call_object(below(10));
		else
			(void)!call_unit(below(6));
		for (u32 i = 0; i < SPACES && step % 1024 == 0; i++)
			if (spaces[i])
				core_check(tokens[i]);
	}
	rq.caller = ABI_DOMAIN;
	for (u32 i = 0; i < SPACES; i++)
		space_drop(i);
	for (u32 i = 0; i < OBJECTS; i++)
		if (objects[i])
			(void)!mem_op_object_destroy(&rq, objects[i]);
	CHECK(mem_frames_used(MEM_FRAME_ANONYMOUS) - mem_pool_held() == frames);
	CHECK(mem_frames_used(MEM_FRAME_OBJECT) == 0 && mem_frames_used(MEM_FRAME_LENT) == 0);
	CHECK(core_objects() == 1 + mem_spaces_spare() && mem_committed() == 0);
}

TEST_MAIN(TEST(anything))
