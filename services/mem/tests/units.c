/* What units have from mem, frames and objects: their share, what comes back when they end, and what is another's. */
#include "callers.h"

static u64 free_frames(void)
{
	struct mem_information now = { 0 };

	CHECK(mem_op_information(&shim, &now) == 0);
	return now.free;
}

/* A unit takes what it can get, in blocks of all sizes. */
static u64 frames_take_all(const struct rt_request *unit)
{
	u64 count = 0, frame;

	for (u32 order = 7; order-- > 0;)
		while (mem_op_frames_alloc(unit, order, &frame) == 0)
			count += 1u << order;
	CHECK(mem_op_frames_alloc(unit, 0, &frame) == -ENOMEM);
	return count;
}

static void units_have_a_share(void)
{
	struct rt_request greedy = request_of(9), super = request_of(rt_boot->super_domain);
	u64 frame;

	space_new();
	(void)frames_take_all(&greedy); /* mem's own tables come with the first time */
	CHECK(mem_op_unit_ended(&super, 9) > 0);
	u64 before = free_frames(), share = rt_boot->memory_frames / 4;

	for (u32 life = 0; life < 5; life++) {
		CHECK(frames_take_all(&greedy) == share && free_frames() == before - share);
		CHECK(mem_op_heap_grow(&greedy, 0, 1) == -ENOMEM);
		CHECK(mem_op_frames_alloc(&shim, 0, &frame) == 0);
		CHECK(mem_op_unit_ended(&greedy, 9) == -EPERM && mem_op_unit_ended(&super, OWN_DOMAIN) == -EPERM);
		CHECK(mem_op_unit_ended(&super, 9) == (long)share && mem_op_unit_ended(&super, 9) == 0);
		CHECK(mem_op_unit_ended(&super, ABI_DOMAIN) == 1 && free_frames() == before);
	}
	/* Its heap stays its own, and counts. */
	CHECK(mem_op_heap_grow(&greedy, 0, 100) == 100 && mem_op_unit_ended(&super, 9) == 0);
	CHECK(frames_take_all(&greedy) == share - 100 && mem_op_unit_ended(&super, 9) == (long)share - 100);
	CHECK(mem_op_frames_alloc(&greedy, 3, &frame) == 0);
	CHECK(tk_frames_reclaim(9, (frame_t)frame) == 0 && tk_frames_reclaim(9, (frame_t)frame + 1) == 0); /* as if given back, one by one */
	CHECK(mem_op_frames_free(&greedy, frame, 3) == -EINVAL);
}

/* Whose a frame is the core says: one that was not handed over, or that came back already, is refused. */
static void frames_come_back_once(void)
{
	struct rt_request unit = request_of(9);
	u64 frame, before;

	space_new();
	before = free_frames();
	CHECK(mem_op_frames_alloc(&unit, 0, &frame) == 0 && mem_op_frames_free(&unit, frame, 0) == -EINVAL);
	CHECK(mem_frame_state((frame_t)frame) == MEM_FRAME_UNIT && free_frames() == before - 1);
	CHECK(tk_frames_reclaim(9, (frame_t)frame) == 0); /* stands for tk_frames_give of that unit */
	CHECK(mem_op_frames_free(&unit, frame, 1) == -EINVAL && mem_op_frames_free(&unit, frame + (1ull << 32), 0) == -EINVAL);
	CHECK(mem_op_frames_free(&unit, frame, 0) == 0 && mem_op_frames_free(&unit, frame, 0) == -EINVAL && free_frames() == before);
}

static u32 stolen;

static void frame_steal(frame_t frame)
{
	struct rt_request thief = request_of(10);

	stolen += mem_op_frames_free(&thief, frame, 0) == 0;
}

/* Nobody frees a frame that is on its way to a unit, into a heap or back. */
static void frames_on_their_way(void)
{
	struct rt_request unit = request_of(11), super = request_of(rt_boot->super_domain);
	u64 frame, before;

	space_new();
	before = free_frames();
	core_meanwhile = frame_steal;
	CHECK(mem_op_frames_alloc(&unit, 0, &frame) == 0 && free_frames() == before - 1);
	CHECK(mem_op_heap_grow(&unit, 0, 3) == 3 && free_frames() == before - 4);
	CHECK(mem_op_unit_ended(&super, 11) == 1 && free_frames() == before - 3);
	core_meanwhile = NULL;
	CHECK(stolen == 0);
}

/* The first frame of a block was passed on, and stays when the others are taken from a unit that has failed: it is no block any more. */
static void block_in_parts(void)
{
	struct rt_request unit = request_of(11), friend = request_of(12), super = request_of(rt_boot->super_domain);
	u64 frame, before;

	space_new();
	before = free_frames();
	CHECK(mem_op_frames_alloc(&unit, 1, &frame) == 0);
	CHECK(tk_frames_reclaim(11, (frame_t)frame) == 0 && tk_frames_give((frame_t)frame, 1, 12) == 0); /* the unit gives it to its friend, */
	CHECK(mem_op_unit_ended(&super, 11) == 1 && free_frames() == before - 1);
	CHECK(tk_frames_reclaim(12, (frame_t)frame) == 0); /* who gives it to mem */
	CHECK(mem_op_frames_free(&friend, frame, 1) == -EINVAL && free_frames() == before - 1);
	CHECK(tk_frames_give((frame_t)frame, 1, 12) == 0 && mem_op_unit_ended(&super, 12) == 1 && free_frames() == before);
}

static void old_handles(void)
{
	u64 first, second, frame;

	space_new();
	CHECK(mem_op_object_create(&fs, 4, 1, &first) == 0 && mem_op_object_destroy(&fs, first) == 0);
	CHECK(mem_op_object_create(&fs, 4, 2, &second) == 0 && (first & 0xfffff) == (second & 0xfffff) && first != second);
	CHECK(mem_op_object_resize(&fs, first, 1) == -EBADF && mem_op_object_page(&fs, first, 0, 0, &frame) == -EBADF);
	CHECK(mem_op_object_destroy(&fs, first) == -EBADF && mem_op_object_release(&fs, first) == -EBADF);
	CHECK(mem_op_object_destroy(&fs, second) == 0);
}

/* Who was told a handle may hold the object; its pages are its maker's. */
static void objects_of_others(void)
{
	struct rt_request other = request_of(9);
	u64 object, frame;

	space_new();
	CHECK(mem_op_object_create(&fs, 4, 1, &object) == 0 && mem_op_object_page(&fs, object, 0, MEM_PAGE_CREATE, &frame) == 0);
	CHECK(mem_op_object_resize(&other, object, 1) == -EBADF && mem_op_object_punch(&other, object, 0, 4) == -EBADF);
	CHECK(mem_op_object_page(&other, object, 0, 0, &frame) == -EBADF && mem_op_object_destroy(&other, object) == -EBADF);
	CHECK(mem_op_object_hold(&other, object) == -EBADF);
	CHECK(mem_op_object_page(&fs, object, 0, 0, &frame) == 0 && frame != FRAME_NONE && mem_op_object_destroy(&fs, object) == 0);
}

/* The list of a unit's objects, whose cookies are their numbers: each once, whatever room an answer has. */
static void objects_list_check(const struct rt_request *maker, const u64 *objects, u32 count, size_t room)
{
	struct mem_object_entry entries[8];
	u64 next = 0;
	u32 seen = 0;

	do {
		u64 from = next;
		long size = mem_op_objects_list(maker, (u32)from, entries, room, &next);

		CHECK(size >= 0 && (size_t)size <= room && size % (long)sizeof(entries[0]) == 0 && (next == 0 || next > from));
		for (u32 i = 0; i < (u64)size / sizeof(entries[0]); i++) {
			u64 cookie = entries[i].cookie;

			CHECK(cookie < count && !(seen & 1u << cookie) && entries[i].object == objects[cookie]);
			CHECK(entries[i].pages == 10 + cookie && entries[i].present == cookie % 2);
			seen |= 1u << cookie;
		}
	} while (next);
	CHECK(seen == (1u << count) - 1);
}

static void objects_are_listed(void)
{
	struct rt_request other = request_of(9), nobody = request_of(10);
	u64 objects[5], foreign, mapped, at, next, frame;
	struct mem_map_request request = { .size = PAGE_SIZE, .prot = TK_PROT_READ, .prot_max = TK_PROT_READ, .flags = MEM_MAP_SHARED };

	space_new();
	CHECK(mem_op_object_create(&other, 1, 6, &foreign) == 0 && mem_op_object_create(&fs, 1, 7, &mapped) == 0);
	for (u32 i = 0; i < countof(objects); i++) {
		CHECK(mem_op_object_create(&fs, 10 + i, i, &objects[i]) == 0);
		CHECK(i % 2 == 0 || mem_op_object_page(&fs, objects[i], 0, MEM_PAGE_CREATE, &frame) == 0);
	}
	request.space = space;
	request.object = mapped;
	CHECK(mem_op_map(&shim, &request, &at) == 0 && mem_op_object_destroy(&fs, mapped) == 0); /* lives, but for its maker it is gone */
	for (size_t room = sizeof(struct mem_object_entry); room <= 8 * sizeof(struct mem_object_entry); room += sizeof(frame))
		objects_list_check(&fs, objects, countof(objects), room);
	CHECK(mem_op_objects_list(&fs, ~0u, objects, sizeof(objects), &next) == 0 && next == 0);
	CHECK(mem_op_objects_list(&nobody, 0, objects, sizeof(objects), &next) == 0 && next == 0);
	CHECK(mem_op_object_destroy(&other, foreign) == 0);
	for (u32 i = countof(objects); i-- > 0;) {
		objects_list_check(&fs, objects, i + 1, 4 * sizeof(struct mem_object_entry));
		CHECK(mem_op_object_destroy(&fs, objects[i]) == 0);
	}
	objects_list_check(&fs, objects, 0, 4 * sizeof(struct mem_object_entry));
}

TEST_MAIN(TEST(units_have_a_share), TEST(frames_come_back_once), TEST(frames_on_their_way), TEST(block_in_parts), TEST(old_handles),
          TEST(objects_of_others), TEST(objects_are_listed))
