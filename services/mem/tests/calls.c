/* The calls one by one: what Linux answers, and what is left behind. */
#include "callers.h"
#include <string.h>

#define READ_WRITE (TK_PROT_READ | TK_PROT_WRITE)
#define MIB (1ull << 20)

static struct mem_space_info info(void)
{
	struct mem_space_info result = { 0 };

	CHECK(mem_op_space_info(&shim, space, &result) == 0);
	return result;
}

static u64 map(u64 address, u64 size, u32 prot, u32 flags)
{
	struct mem_map_request request = { .space = space, .address = address, .size = size, .prot = prot, .flags = flags };
	u64 result = 0;
	long error = mem_op_map(&shim, &request, &result);

	return error ? (u64)error : result;
}

static long read_at(u64 address) { return core_touch(token, address, TK_ACCESS_READ, -1); }
static long write_at(u64 address, int value) { return core_touch(token, address, TK_ACCESS_WRITE, value); }

static u64 remap(u64 address, u64 size, u64 new_size, u32 flags, u64 to)
{
	struct mem_remap_request request = { .space = space, .address = address, .size = size, .new_size = new_size, .flags = flags,
	                                     .new_address = to };
	u64 result = 0;
	long error = mem_op_remap(&shim, &request, &result);

	return error ? (u64)error : result;
}

static void map_refuses(void)
{
	struct mem_map_request request = { 0 };
	u64 address;

	space_new();
	CHECK(map(0, 0, 1, 0) == (u64)-EINVAL && map(0, ~0ull, 1, 0) == (u64)-ENOMEM && map(0, 1ull << 57, 1, 0) == (u64)-ENOMEM);
	CHECK(map(0x10001, PAGE_SIZE, 1, MEM_MAP_FIXED) == (u64)-EINVAL && map(0, PAGE_SIZE, 8, 0) == (u64)-EINVAL);
	CHECK(map(rt_boot->user_limit, PAGE_SIZE, 1, MEM_MAP_FIXED) == (u64)-ENOMEM);
	CHECK(map(~PAGE_MASK, PAGE_SIZE, 1, MEM_MAP_FIXED) == (u64)-ENOMEM && map(0, PAGE_SIZE, 1, 1u << 31) == (u64)-EINVAL);
	request = (struct mem_map_request){ .space = space, .size = PAGE_SIZE, .object = 12345, .prot = 1 };
	CHECK(mem_op_map(&shim, &request, &address) == -EBADF);
	request = (struct mem_map_request){ .space = space, .size = PAGE_SIZE, .offset = 5 };
	CHECK(mem_op_map(&shim, &request, &address) == -EINVAL);
	request = (struct mem_map_request){ .space = space, .size = 2 * PAGE_SIZE, .offset = ~PAGE_MASK };
	CHECK(mem_op_map(&shim, &request, &address) == -EOVERFLOW);
	request = (struct mem_map_request){ .space = space ^ 1ull << 40, .size = PAGE_SIZE };
	CHECK(mem_op_map(&shim, &request, &address) == -EBADF);
	CHECK(info().regions == 0 && info().total == 0);
}

static void addresses_go_down_and_hints_hold(void)
{
	u64 first, second, top, image, hole;

	space_new();
	CHECK(mem_op_space_layout(&shim, space, 0, &top, &image) == 0 && top <= rt_boot->user_limit && image > 0x550000000000);
	first = map(0, 4 * PAGE_SIZE, READ_WRITE, 0);
	second = map(0, 4 * PAGE_SIZE, TK_PROT_READ, 0);
	CHECK(second == first - 4 * PAGE_SIZE && first < top);
	CHECK(mem_op_unmap(&shim, space, first + PAGE_SIZE, PAGE_SIZE) == 0);
	hole = first + PAGE_SIZE;
	CHECK(map(0, 2 * PAGE_SIZE, READ_WRITE, 0) == second - 2 * PAGE_SIZE);
	CHECK(map(hole + 5, PAGE_SIZE, READ_WRITE, 0) == hole && mem_op_unmap(&shim, space, hole, PAGE_SIZE) == 0);
	CHECK(map(hole, PAGE_SIZE, READ_WRITE, 0) == hole);
	CHECK(map(hole, PAGE_SIZE, READ_WRITE, MEM_MAP_FIXED_NOREPLACE) == (u64)-EEXIST);
	CHECK(map(0, PAGE_SIZE, 1, MEM_MAP_LOW) < 2048 * MIB);
	CHECK(map(4097, PAGE_SIZE, 1, 0) == MEM_LOWEST_HINT);
}

static void neighbours_merge_and_split(void)
{
	u64 at = 0x40000000;

	space_new();
	for (u32 i = 0; i < 8; i++)
		CHECK(map(at + i * PAGE_SIZE, PAGE_SIZE, READ_WRITE, MEM_MAP_FIXED) == at + i * PAGE_SIZE);
	CHECK(info().regions == 1 && info().total == 8 && info().data == 8);
	CHECK(mem_op_protect(&shim, space, at + 3 * PAGE_SIZE, PAGE_SIZE, TK_PROT_READ) == 0 && info().regions == 3 && info().data == 7);
	CHECK(mem_op_protect(&shim, space, at + 3 * PAGE_SIZE, PAGE_SIZE, READ_WRITE) == 0);
	CHECK(mem_op_unmap(&shim, space, at + 4 * PAGE_SIZE, 1) == 0 && info().total == 7);
	CHECK(mem_op_protect(&shim, space, at, 8 * PAGE_SIZE, TK_PROT_READ) == -ENOMEM);
	CHECK(write_at(at, 1) == -EACCES && write_at(at + 5 * PAGE_SIZE, 1) == 1);
	CHECK(mem_op_protect(&shim, space, at + 1, PAGE_SIZE, 1) == -EINVAL && mem_op_protect(&shim, space, at, PAGE_SIZE, 8) == -EINVAL);
	CHECK(mem_op_protect(&shim, space, at, PAGE_SIZE, 1 | MEM_PROT_GROWSDOWN) == -EINVAL);
	CHECK(mem_op_unmap(&shim, space, at + 1, PAGE_SIZE) == -EINVAL && mem_op_unmap(&shim, space, at, 0) == -EINVAL);
	CHECK(mem_op_unmap(&shim, space, at, ~0ull) == -EINVAL);
}

/* More regions than the exported page holds, each with a page of its own value, over a fork. */
static void many_regions(void)
{
	enum { COUNT = 3000 };
	u64 at = 0x40000000, child, frame;
	vaddr_t parent;

	space_new();
	for (u32 i = 0; i < COUNT; i++) {
		CHECK(map(at + 2 * i * PAGE_SIZE, PAGE_SIZE, READ_WRITE, MEM_MAP_FIXED) == at + 2 * i * PAGE_SIZE);
		CHECK(write_at(at + 2 * i * PAGE_SIZE, (u8)i) == (u8)i);
	}
	CHECK(info().regions == COUNT && info().resident == COUNT);
	CHECK(mem_op_space_fork(&shim, space, &child, &frame) == 0);
	parent = token;
	token = token_of_frame(frame);
	for (u32 i = 0; i < COUNT; i++)
		CHECK(write_at(at + 2 * i * PAGE_SIZE, 0xee) == 0xee && read_at(at + (2 * i + 1) * PAGE_SIZE) == -EFAULT);
	token = parent;
	for (u32 i = 0; i < COUNT; i++)
		CHECK(read_at(at + 2 * i * PAGE_SIZE) == (u8)i);
	CHECK(mem_op_space_destroy(&(struct rt_request){ .caller = shim.caller + 1 }, child) == -EPERM); /* told of it, not its maker */
	CHECK(mem_op_space_destroy(&shim, child) == 0);
	CHECK(mem_op_unmap(&shim, space, at, 2 * COUNT * PAGE_SIZE) == 0 && info().regions == 0 && info().resident == 0);
	CHECK(info().resident_peak == COUNT && info().total_peak == COUNT);
}

static void regions_have_a_limit(void)
{
	u64 at = 0x40000000, i;

	space_new();
	for (i = 0; i < MEM_REGIONS_MAX + 10; i++)
		if (map(at + 2 * i * PAGE_SIZE, PAGE_SIZE, TK_PROT_READ, MEM_MAP_FIXED) != at + 2 * i * PAGE_SIZE)
			break;
	CHECK(i > MEM_REGIONS_MAX - 10 && i <= MEM_REGIONS_MAX);
	CHECK(map(at - 64 * PAGE_SIZE, PAGE_SIZE, TK_PROT_WRITE, MEM_MAP_FIXED) == (u64)-ENOMEM);
	CHECK(mem_op_unmap(&shim, space, at, (2 * i) * PAGE_SIZE) == 0 && info().regions == 0);
}

static void stacks_grow(void)
{
	u64 top = 0x7f0000000000, size = 4 * PAGE_SIZE;
	struct mem_limits limits = { MEM_UNLIMITED, MEM_UNLIMITED, 8 * MIB, MEM_UNLIMITED, 0, 0 };

	space_new();
	CHECK(mem_op_space_limits(&shim, space, &limits) == 0);
	CHECK(map(top - size, size, READ_WRITE, MEM_MAP_FIXED | MEM_MAP_GROWSDOWN | MEM_MAP_STACK) == top - size);
	CHECK(write_at(top - size - 1, 5) == 5 && info().stack == 5 && info().stack_start == top - 5 * PAGE_SIZE);
	CHECK(write_at(top - MIB, 6) == 6 && info().stack == 256 && info().resident == 2);
	CHECK(write_at(top - 8 * MIB, 7) == 7 && write_at(top - 8 * MIB - 1, 7) == -EFAULT);
	CHECK(mem_op_protect(&shim, space, top - PAGE_SIZE, PAGE_SIZE, READ_WRITE | TK_PROT_EXECUTE | MEM_PROT_GROWSDOWN) == 0);
	CHECK(core_touch(token, top - 8 * MIB, TK_ACCESS_EXECUTE, -1) == 7);
	/* Another mapping keeps its distance, and the stack keeps its own. */
	limits.stack = 64 * MIB;
	CHECK(mem_op_space_limits(&shim, space, &limits) == 0);
	CHECK(map(top - 10 * MIB, PAGE_SIZE, READ_WRITE, MEM_MAP_FIXED) == top - 10 * MIB);
	CHECK(write_at(top - 10 * MIB + 2 * MEM_STACK_GUARD / 2 - 1, 1) == -EFAULT);
	CHECK(write_at(top - 9 * MIB + PAGE_SIZE, 1) == 1 && write_at(top - 9 * MIB - 1, 1) == -EFAULT);
	core_client(token);
	CHECK(mem_op_fault_in(&shim, top - 9 * MIB, 1, TK_ACCESS_WRITE) == -EFAULT || info().stack_start == top - 9 * MIB);
	core_client(0);
}

static void break_moves(void)
{
	u64 now, start, frame, like;
	struct mem_limits limits = { MEM_UNLIMITED, MIB, MEM_UNLIMITED, MEM_UNLIMITED, 0, 0 };

	space_new();
	CHECK(mem_op_break_set(&shim, space, 0x10000, &now) == 0 && now == 0);
	CHECK(mem_op_break_init(&shim, space, 0x500123, MEM_LAYOUT_FIXED) == 0);
	CHECK(mem_op_break_set(&shim, space, 0, &start) == 0 && start == 0x501000);
	CHECK(mem_op_break_set(&shim, space, start + 5, &now) == 0 && now == start + 5 && write_at(start, 1) == 1);
	CHECK(mem_op_break_set(&shim, space, start + 3 * PAGE_SIZE, &now) == 0 && write_at(now - 1, 9) == 9);
	CHECK(mem_op_break_set(&shim, space, start + PAGE_SIZE, &now) == 0 && read_at(start + 2 * PAGE_SIZE) == -EFAULT);
	CHECK(mem_op_break_set(&shim, space, start + 3 * PAGE_SIZE, &now) == 0 && read_at(now - 1) == 0 && info().regions == 1);
	CHECK(mem_op_break_set(&shim, space, start - 1, &now) == 0 && now == start + 3 * PAGE_SIZE);
	CHECK(mem_op_break_set(&shim, space, ~0ull, &now) == 0 && now == start + 3 * PAGE_SIZE);
	CHECK(map(start + 6 * PAGE_SIZE, PAGE_SIZE, 1, MEM_MAP_FIXED) == start + 6 * PAGE_SIZE);
	CHECK(mem_op_break_set(&shim, space, start + 6 * PAGE_SIZE, &now) == 0 && now == start + 3 * PAGE_SIZE);
	CHECK(mem_op_break_set(&shim, space, start + 5 * PAGE_SIZE, &now) == 0 && now == start + 5 * PAGE_SIZE);
	CHECK(mem_op_unmap(&shim, space, start + 6 * PAGE_SIZE, PAGE_SIZE) == 0 && mem_op_space_limits(&shim, space, &limits) == 0);
	CHECK(mem_op_break_set(&shim, space, start + MIB + 1, &now) == 0 && now == start + 5 * PAGE_SIZE);
	CHECK(mem_op_break_set(&shim, space, start + MIB, &now) == 0 && now == start + MIB);
	CHECK(map(0, PAGE_SIZE, READ_WRITE, 0) == (u64)-ENOMEM && map(0, PAGE_SIZE, 1, 0) < rt_boot->user_limit);
	/* A new program has the limits of the old. */
	CHECK(mem_op_space_create(&shim, space, &like, &frame) == 0 && mem_op_space_destroy(&shim, space) == 0);
	space = like;
	token = token_of_frame(frame);
	CHECK(map(0, 2 * MIB, READ_WRITE, 0) == (u64)-ENOMEM);
}

static void limits_hold(void)
{
	struct mem_limits limits = { 64 * PAGE_SIZE, MEM_UNLIMITED, MEM_UNLIMITED, 4 * PAGE_SIZE, 0, 0 };
	u64 at;

	space_new();
	CHECK(mem_op_space_limits(&shim, space, &limits) == 0);
	at = map(0x40000000, 64 * PAGE_SIZE, READ_WRITE, MEM_MAP_FIXED);
	CHECK(at == 0x40000000 && map(0, PAGE_SIZE, 1, 0) == (u64)-ENOMEM);
	CHECK(map(at, 32 * PAGE_SIZE, 1, MEM_MAP_FIXED) == at);
	CHECK(mem_op_lock(&shim, space, at, 5 * PAGE_SIZE, MEM_LOCK_ON) == -ENOMEM);
	CHECK(mem_op_lock(&shim, space, at, 4 * PAGE_SIZE, MEM_LOCK_ON) == 0 && info().locked == 4 && info().resident == 4);
	CHECK(mem_op_lock(&shim, space, at, 64 * PAGE_SIZE, 0) == 0 && info().locked == 0);
	limits = (struct mem_limits){ MEM_UNLIMITED, MEM_UNLIMITED, MEM_UNLIMITED, 0, 0, 0 };
	CHECK(mem_op_space_limits(&shim, space, &limits) == 0);
	CHECK(mem_op_lock(&shim, space, at, PAGE_SIZE, MEM_LOCK_ON) == -EPERM && map(0, PAGE_SIZE, 3, MEM_MAP_LOCKED) == (u64)-EPERM);
	limits.locked_ignored = 1;
	CHECK(mem_op_space_limits(&shim, space, &limits) == 0);
	CHECK(mem_op_lock_all(&shim, space, MEM_LOCK_ON | MEM_LOCK_CURRENT | MEM_LOCK_FUTURE) == 0 && info().locked == 64);
	at = map(0, 3 * PAGE_SIZE, READ_WRITE, 0);
	CHECK(info().locked == 67 && info().resident == 67);
	CHECK(mem_op_advise(&shim, space, at, PAGE_SIZE, MEM_ADVICE_DONTNEED) == -EINVAL);
	CHECK(mem_op_sync(&shim, space, at, PAGE_SIZE, 2) == -EBUSY && mem_op_sync(&shim, space, at, PAGE_SIZE, 5) == -EINVAL);
	CHECK(mem_op_lock_all(&shim, space, 0) == 0 && info().locked == 0 && mem_op_lock_all(&shim, space, 1) == -EINVAL);
	CHECK(map(0, (u64)(FRAMES + 1) * PAGE_SIZE, READ_WRITE, 0) == (u64)-ENOMEM);
	CHECK(map(0, (u64)(FRAMES + 1) * PAGE_SIZE, READ_WRITE, MEM_MAP_NORESERVE) < rt_boot->user_limit);
}

static void remap_as_linux(void)
{
	u64 at = 0x40000000, to;

	space_new();
	CHECK(map(at, 4 * PAGE_SIZE, READ_WRITE, MEM_MAP_FIXED) == at && map(at + 6 * PAGE_SIZE, PAGE_SIZE, 1, MEM_MAP_FIXED));
	for (u32 i = 0; i < 4; i++)
		CHECK(write_at(at + i * PAGE_SIZE, (int)i + 10) == (long)i + 10);
	CHECK(remap(at, 4 * PAGE_SIZE, 6 * PAGE_SIZE, 0, 0) == at && read_at(at + 5 * PAGE_SIZE) == 0 && info().total == 7);
	CHECK(remap(at, 6 * PAGE_SIZE, 8 * PAGE_SIZE, 0, 0) == (u64)-ENOMEM);
	to = remap(at, 6 * PAGE_SIZE, 8 * PAGE_SIZE, MEM_REMAP_MAYMOVE, 0);
	CHECK(to < rt_boot->user_limit && read_at(at) == -EFAULT && read_at(to + 3 * PAGE_SIZE) == 13 && info().total == 9);
	CHECK(remap(to, 8 * PAGE_SIZE, 2 * PAGE_SIZE, 0, 0) == to && info().total == 3 && read_at(to + 2 * PAGE_SIZE) == -EFAULT);
	CHECK(remap(to, 2 * PAGE_SIZE, 2 * PAGE_SIZE, MEM_REMAP_MAYMOVE | MEM_REMAP_FIXED, at + 6 * PAGE_SIZE) == at + 6 * PAGE_SIZE);
	CHECK(read_at(at + 7 * PAGE_SIZE) == 11 && info().total == 2);
	at += 6 * PAGE_SIZE;
	to = remap(at, 2 * PAGE_SIZE, 2 * PAGE_SIZE, MEM_REMAP_MAYMOVE | MEM_REMAP_DONTUNMAP, 0);
	CHECK(to < rt_boot->user_limit && read_at(to) == 10 && read_at(at) == 0 && info().total == 4);
	CHECK(remap(at + 1, 1, 1, 0, 0) == (u64)-EINVAL && remap(at, 1, 0, 0, 0) == (u64)-EINVAL && remap(at, 1, 1, 8, 0) == (u64)-EINVAL);
	CHECK(remap(at, PAGE_SIZE, PAGE_SIZE, MEM_REMAP_FIXED, to) == (u64)-EINVAL);
	CHECK(remap(at, 2 * PAGE_SIZE, 2 * PAGE_SIZE, MEM_REMAP_MAYMOVE | MEM_REMAP_FIXED, at + PAGE_SIZE) == (u64)-EINVAL);
	CHECK(remap(at, 0, PAGE_SIZE, MEM_REMAP_MAYMOVE, 0) == (u64)-EINVAL && remap(0x1000, 1, 1, 0, 0) == (u64)-EFAULT);
	CHECK(remap(at, 4 * PAGE_SIZE, 8 * PAGE_SIZE, MEM_REMAP_MAYMOVE, 0) == (u64)-EFAULT);
	CHECK(remap(at, PAGE_SIZE, 1ull << 57, MEM_REMAP_MAYMOVE, 0) == (u64)-ENOMEM);
	to = map(0, 2 * PAGE_SIZE, READ_WRITE, MEM_MAP_SHARED);
	CHECK(write_at(to + PAGE_SIZE, 77) == 77);
	at = remap(to, 0, 2 * PAGE_SIZE, MEM_REMAP_MAYMOVE, 0);
	CHECK(at != to && read_at(at + PAGE_SIZE) == 77 && write_at(at, 3) == 3 && read_at(to) == 3);
}

static void files(void)
{
	struct mem_map_request request = { .size = 3 * PAGE_SIZE, .prot = TK_PROT_READ, .prot_max = TK_PROT_READ | TK_PROT_EXECUTE,
	                                   .flags = MEM_MAP_SHARED };
	struct mem_object_info object_info;
	struct mem_region_info list[3];
	u64 object, at, own, found;
	u8 vector[4];

	space_new();
	CHECK(mem_op_object_create(&fs, 2, 0xabcd, &object) == 0);
	request.space = space;
	request.object = object;
	CHECK(mem_op_map(&shim, &request, &at) == 0);
	CHECK(mem_op_protect(&shim, space, at, PAGE_SIZE, READ_WRITE) == -EACCES && mem_op_protect(&shim, space, at, PAGE_SIZE, 0) == 0);
	CHECK(mem_op_protect(&shim, space, at, PAGE_SIZE, TK_PROT_READ | TK_PROT_EXECUTE) == 0 && info().shared == 3);
	CHECK(read_at(at) == 0 && read_at(at + 2 * PAGE_SIZE) == -EIO && write_at(at, 1) == -EACCES);
	CHECK(mem_op_object_info(&fs, object, &object_info) == 0 && object_info.mappings == 2 && object_info.writable_mappings == 0);
	request.flags = 0;
	request.prot = READ_WRITE;
	request.prot_max = 0;
	CHECK(mem_op_map(&shim, &request, &own) == 0 && write_at(own, 5) == 5 && read_at(at) == 0 && read_at(own) == 5);
	CHECK(mem_op_residency(&shim, space, own, 2, vector, sizeof(vector)) == 2 && vector[0] == 1 && vector[1] == 0);
	CHECK(mem_op_residency(&shim, space, own + 1, 2, vector, sizeof(vector)) == -EINVAL);
	CHECK(mem_op_residency(&shim, space, 0x1000, 2, vector, sizeof(vector)) == -ENOMEM);
	CHECK(mem_op_object_seek(&fs, object, 0, MEM_SEEK_HOLE, &found) == 0 && found == 1);
	CHECK(mem_op_object_seek(&fs, object, 1, MEM_SEEK_DATA, &found) == -ENXIO);
	CHECK(mem_op_regions_list(&shim, space, 0, MEM_LIST_RESIDENT, list, sizeof(list)) == (long)sizeof(list));
	CHECK(list[0].cookie == 0xabcd && list[0].object == object && list[0].name == MEM_NAME_FILE && list[0].resident == 1);
	CHECK(mem_op_advise(&shim, space, at, PAGE_SIZE, MEM_ADVICE_REMOVE) == -EACCES);
	CHECK(mem_op_advise(&shim, space, own, PAGE_SIZE, MEM_ADVICE_WIPEONFORK) == -EINVAL);
	CHECK(mem_op_advise(&shim, space, own, PAGE_SIZE, 9999) == -EINVAL && mem_op_advise(&shim, space, own, PAGE_SIZE, 5) == -EINVAL);
	CHECK(mem_op_object_destroy(&fs, object) == 0);
	CHECK(read_at(own + PAGE_SIZE) == 0 && write_at(own + PAGE_SIZE, 4) == 4);
}

static void what_fork_leaves_out(void)
{
	u64 at = 0x40000000, child, frame;
	vaddr_t parent;

	space_new();
	CHECK(map(at, 4 * PAGE_SIZE, READ_WRITE, MEM_MAP_FIXED) == at);
	for (u32 i = 0; i < 4; i++)
		CHECK(write_at(at + i * PAGE_SIZE, 9) == 9);
	CHECK(mem_op_advise(&shim, space, at, PAGE_SIZE, MEM_ADVICE_DONTFORK) == 0);
	CHECK(mem_op_advise(&shim, space, at + PAGE_SIZE, PAGE_SIZE, MEM_ADVICE_WIPEONFORK) == 0);
	CHECK(mem_op_lock(&shim, space, at + 2 * PAGE_SIZE, PAGE_SIZE, MEM_LOCK_ON) == 0);
	CHECK(mem_op_space_fork(&shim, space, &child, &frame) == 0);
	parent = token;
	token = token_of_frame(frame);
	CHECK(core_is_granted((frame_t)frame, ABI_DOMAIN));
	CHECK(read_at(at) == -EFAULT && read_at(at + PAGE_SIZE) == 0 && read_at(at + 2 * PAGE_SIZE) == 9);
	token = parent;
	CHECK(mem_op_space_destroy(&shim, child) == 0 && mem_op_space_fork(&shim, child, &child, &frame) == -EBADF);
}

/* The heap runs dry at each place in turn: the call fails or succeeds, and nothing is lost or left. */
static void heap_runs_dry(void)
{
	u64 anonymous, object;

	space_new();
	CHECK(mem_op_object_create(&fs, 64, 0, &object) == 0);
	anonymous = mem_frames_used(MEM_FRAME_ANONYMOUS) - mem_pool_held();
	for (u32 refusals = 0; refusals < 40; refusals++) {
		struct mem_map_request request = { .space = space, .address = 0x40000000, .size = 16 * PAGE_SIZE, .prot = READ_WRITE,
		                                   .flags = MEM_MAP_FIXED, .object = object };
		u64 at, child, frame;

		CHECK(mem_op_map(&shim, &request, &at) == 0);
		CHECK(write_at(0x40000000 + 5 * PAGE_SIZE, 8) == 8);
		core_heap_refusals = refusals;
		(void)!mem_op_protect(&shim, space, 0x40000000 + 4 * PAGE_SIZE, PAGE_SIZE, TK_PROT_READ);
		request.address = 0x40000000 + 7 * PAGE_SIZE;
		request.size = PAGE_SIZE;
		request.flags |= MEM_MAP_SHARED;
		(void)!mem_op_map(&shim, &request, &at);
		if (mem_op_space_fork(&shim, space, &child, &frame) == 0)
			(void)!mem_op_space_destroy(&shim, child);
		(void)!mem_op_unmap(&shim, space, 0x40000000 + 2 * PAGE_SIZE, PAGE_SIZE);
		core_heap_refusals = ~0ull;
		core_check(token);
		CHECK(mem_op_unmap(&shim, space, 0x40000000, 16 * PAGE_SIZE) == 0 && info().regions == 0 && info().total == 0);
		CHECK(mem_frames_used(MEM_FRAME_ANONYMOUS) - mem_pool_held() == anonymous);
	}
	CHECK(mem_op_object_destroy(&fs, object) == 0);
	CHECK(core_objects() == 2 + mem_spaces_spare());
}

/* A thread is still leaving its address space when it ends: the object goes later. */
static void an_end_that_waits(void)
{
	u64 frame, other;

	space_new();
	u64 alive = core_objects();
	core_client(token);
	CHECK(mem_op_space_destroy(&shim, space) == 0 && core_objects() == alive);
	core_client(0);
	CHECK(mem_op_space_create(&shim, 0, &other, &frame) == 0 && core_objects() == alive);
	space = other;
	token = token_of_frame(frame);
}

static void words(void)
{
	u64 at, old = 1;

	space_new();
	at = map(0x40000000, PAGE_SIZE, READ_WRITE, MEM_MAP_FIXED);
	CHECK(mem_op_word_update(&shim, at, MEM_WORD_SET, 5, 0, &old) == -EFAULT);
	core_client(token);
	CHECK(mem_op_word_update(&shim, at + 2, MEM_WORD_SET, 5, 0, &old) == -EINVAL);
	CHECK(mem_op_word_update(&shim, at, 99, 5, 0, &old) == -EINVAL);
	CHECK(mem_op_word_update(&shim, at, MEM_WORD_ADD, 5, 0, &old) == 0 && old == 0);
	CHECK(mem_op_word_update(&shim, at, MEM_WORD_COMPARE, 9, 4, &old) == 0 && old == 5);
	CHECK(mem_op_word_update(&shim, at, MEM_WORD_COMPARE, 9, 5, &old) == 0 && old == 5);
	CHECK(mem_op_word_update(&shim, at, MEM_WORD_AND_NOT, 1, 0, &old) == 0 && old == 9);
	CHECK(mem_op_word_update(&shim, at, MEM_WORD_LOAD, 1, 0, &old) == 0 && old == 8);
	CHECK(mem_op_barrier(&shim, space, 0) == -EPERM && mem_op_barrier(&shim, space, 1) == 0 && mem_op_barrier(&shim, space, 0) == 0);
	CHECK(info().resident == 1 && info().regions == 1);
	CHECK(mem_op_word_update(&shim, ~3ull, MEM_WORD_LOAD, 1, 0, &old) == -EFAULT);
	CHECK(mem_op_word_update(&shim, 0x1000, MEM_WORD_LOAD, 1, 0, &old) == -EFAULT);
	CHECK(mem_op_fault_in(&shim, at, 100 * MIB, TK_ACCESS_READ) == 0 && mem_op_fault_in(&shim, at - 1, 2, TK_ACCESS_READ) == -EFAULT);
	CHECK(mem_op_fault_in(&shim, at, ~0ull, TK_ACCESS_READ) == -EFAULT && mem_op_fault_in(&shim, at, 0, 0) == 0);
	core_client(0);
}

/* A fork leaves the core page tables for those who make the child's thread. */
static void forks_leave_page_tables(void)
{
	u64 child, frame;

	space_new();
	core_tables_set(16);
	CHECK(mem_op_space_fork(&shim, space, &child, &frame) == 0 && tk_reserve_fill(NULL, 0) >= 40);
	CHECK(mem_op_space_destroy(&shim, child) == 0);
}

TEST_MAIN(TEST(map_refuses), TEST(addresses_go_down_and_hints_hold), TEST(neighbours_merge_and_split), TEST(many_regions),
          TEST(regions_have_a_limit), TEST(stacks_grow), TEST(break_moves), TEST(limits_hold), TEST(remap_as_linux), TEST(files),
          TEST(what_fork_leaves_out), TEST(heap_runs_dry), TEST(an_end_that_waits), TEST(words), TEST(forks_leave_page_tables))
