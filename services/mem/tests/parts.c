/* The parts below the address spaces: frames, the index of an object, handles. */
#include "core.h"
#include <string.h>

static const struct rt_request fs = { .caller = FS_DOMAIN, .thread = THREAD }, own = { .caller = OWN_DOMAIN, .thread = THREAD };

static void index_against_an_array(void)
{
	enum { PLACES = 64, RANGE = 6000 };
	static frame_t model[RANGE];
	struct mem_index index = { 0 };

	for (u32 i = 0; i < 40000; i++) {
		u64 at = unit_random() % RANGE, next = at, expected = at;
		frame_t frame = FRAME_NONE;

		if (i % 3 == 0) {
			CHECK(mem_index_remove(&index, at) == model[at]);
			model[at] = FRAME_NONE;
		} else if (i % 5 == 0) {
			model[at] = 1 + (frame_t)(unit_random() % 1000);
			CHECK(mem_index_set(&index, at, model[at]) == 0);
		}
		CHECK(mem_index_get(&index, at) == model[at]);
		while (expected < RANGE && !model[expected])
			expected++;
		CHECK(mem_index_next(&index, &next, &frame) == (expected < RANGE));
		CHECK(expected == RANGE || (next == expected && frame == model[expected]));
	}
	for (u64 at = 0; at < RANGE; at++)
		CHECK(mem_index_remove(&index, at) == model[at]);
	CHECK(index.count == 0 && index.root == NULL);
}

/* The page of a small file takes no memory; others come beside it or do not, and it stays. */
static void index_of_one_page(void)
{
	struct mem_index index = { 0 };
	frame_t frame = FRAME_NONE;
	u64 at = 0;

	core_heap_refusals = 0;
	CHECK(!mem_index_next(&index, &at, &frame) && mem_index_remove(&index, 0) == FRAME_NONE);
	CHECK(mem_index_set(&index, 0, 7) == 0 && mem_index_set(&index, 0, 8) == 0 && index.count == 1);
	CHECK(mem_index_set(&index, 1, 9) == -ENOMEM && mem_index_get(&index, 0) == 8 && mem_index_get(&index, 1) == FRAME_NONE);
	CHECK(mem_index_next(&index, &at, &frame) && at == 0 && frame == 8 && mem_index_remove(&index, 1) == FRAME_NONE);
	core_heap_refusals = 1;
	CHECK(mem_index_set(&index, 1ull << 40, 9) == -ENOMEM && mem_index_get(&index, 0) == 8 && index.count == 1);
	core_heap_refusals = ~0ull;
	CHECK(mem_index_set(&index, 1, 9) == 0 && index.count == 2 && mem_index_get(&index, 0) == 8);
	at = 1;
	CHECK(mem_index_next(&index, &at, &frame) && at == 1 && frame == 9);
	CHECK(mem_index_remove(&index, 1) == 9 && mem_index_remove(&index, 0) == 8 && index.root == NULL && index.count == 0);
	CHECK(mem_index_set(&index, 0, 7) == 0 && mem_index_remove(&index, 0) == 7 && index.root == NULL && index.count == 0);
}

static void index_of_far_pages(void)
{
	static const u64 places[] = { 0, 63, 64, 4095, 4096, 1ull << 35, (1ull << 51) - 1, ~0ull };
	struct mem_index index = { 0 };
	u64 at = 0;
	frame_t frame;

	for (u32 i = 0; i < countof(places); i++)
		CHECK(mem_index_set(&index, places[i], i + 1) == 0);
	for (u32 i = 0; i < countof(places); i++, at++) {
		CHECK(mem_index_next(&index, &at, &frame) && at == places[i] && frame == i + 1);
		CHECK(mem_index_get(&index, places[i] ^ 2) == FRAME_NONE || places[i] < 4);
	}
	for (u32 i = 0; i < countof(places); i++)
		CHECK(mem_index_remove(&index, places[i]) == i + 1);
	CHECK(index.root == NULL);
}

static void index_without_memory(void)
{
	struct mem_index index = { 0 };

	for (u64 refusals = 0; refusals < 5; refusals++) {
		core_heap_refusals = refusals;
		CHECK(mem_index_set(&index, 1ull << 20, 5) == -ENOMEM || refusals == 4);
		core_heap_refusals = ~0ull;
		if (refusals < 4)
			CHECK(index.count == 0 && mem_index_get(&index, 1ull << 20) == FRAME_NONE);
	}
	CHECK(mem_index_remove(&index, 1ull << 20) == 5 && index.root == NULL);
}

/* Blocks are taken and put back at random; none overlaps another, and in the end all is as free as before. */
static void frames_at_random(void)
{
	enum { HELD = 600 };
	static struct { frame_t first; u32 order; } held[HELD];
	static u8 taken[FRAMES];
	u64 free_before;

	core_start();
	free_before = mem_frames_available();
	for (u32 i = 0; i < 60000; i++) {
		u32 at = (u32)(unit_random() % HELD), order = unit_random() % 8 ? 0 : (u32)(unit_random() % 9);

		if (held[at].first) {
			for (u32 f = 0; f < 1u << held[at].order; f++)
				taken[held[at].first + f] = 0;
			mem_frames_put(held[at].first, held[at].order);
			held[at].first = FRAME_NONE;
			continue;
		}
		held[at].first = mem_frames_take(order, MEM_FRAME_OWN);
		held[at].order = order;
		for (u32 f = 0; held[at].first && f < 1u << order; f++) {
			CHECK(!taken[held[at].first + f] && mem_frame_state(held[at].first + f) == MEM_FRAME_OWN);
			taken[held[at].first + f] = 1;
		}
		CHECK(held[at].first % (1u << order) == 0);
		if (held[at].first)
			memset(mem_frame_address(held[at].first), 0xaa, PAGE_SIZE << order);
	}
	for (u32 at = 0; at < HELD; at++)
		if (held[at].first)
			mem_frames_put(held[at].first, held[at].order);
	CHECK(mem_frames_available() <= free_before && mem_frames_available() + 4 * 16 >= free_before);
	CHECK(mem_frame_state(50) == MEM_FRAME_ABSENT && mem_frame_state(FRAMES + 9) == MEM_FRAME_ABSENT);
}

/* Everything that there is can be had, whichever section it lies in, and then there is nothing. */
static void frames_until_none_is_left(void)
{
	frame_t list = FRAME_NONE;
	u32 count = 0;

	for (frame_t frame; (frame = mem_frames_take(0, MEM_FRAME_OWN)) != FRAME_NONE; count++) {
		*(frame_t *)mem_frame_address(frame) = list;
		list = frame;
	}
	CHECK(count > 3 * SECTION && count < FRAMES && mem_frames_available() == 0);
	CHECK(mem_frames_take(3, MEM_FRAME_OWN) == FRAME_NONE && mem_reserve_refill() == -ENOMEM);
	while (list) {
		frame_t frame = list;

		list = *(frame_t *)mem_frame_address(frame);
		mem_frames_put(frame, 0);
	}
	CHECK(mem_frames_available() == count);
	list = mem_frames_take(MEM_ORDER_MAX, MEM_FRAME_OWN);
	CHECK(list != FRAME_NONE);
	mem_frames_put(list, MEM_ORDER_MAX);
}

static void frames_of_units(void)
{
	u64 frame, second;

	CHECK(mem_op_frames_alloc(&fs, 2, &frame) == 0 && mem_op_frames_alloc(&fs, MEM_ORDER_MAX + 1, &second) == -EINVAL);
	/* Not given back yet, so not mem's to free. */
	CHECK(mem_op_frames_free(&fs, frame, 2) == -EINVAL);
	CHECK(mem_op_frames_free(&fs, frame, 1) == -EINVAL && mem_op_frames_free(&fs, frame + 1, 0) == -EINVAL);
	CHECK(mem_op_frames_free(&fs, 1ull << 40, 0) == -EINVAL && mem_op_frames_free(&fs, 0, 0) == -EINVAL);
	CHECK(mem_op_frames_alloc(&own, 0, &second) == 0 && mem_op_frames_free(&own, second, 0) == 0);
	CHECK(mem_op_frames_free(&own, second, 0) == -EINVAL);
	/* A frame of a service of mem's own unit is mem's for the core, and still not anybody's to free. */
	CHECK(mem_op_frames_alloc(&own, 0, &second) == 0 && mem_op_frames_free(&fs, second, 0) == -EINVAL);
	CHECK(mem_op_frames_free(&own, second, 0) == 0);
	CHECK(mem_op_frames_alloc(&own, 2, &second) == 0 && mem_op_frames_free(&own, second, 2) == 0);
	CHECK(mem_op_frames_adopt(&fs, 0, 50) == 0 && mem_op_frames_adopt(&fs, second, 8) == 0 && mem_op_frames_adopt(&fs, 1, ~0ull) == 0);
	CHECK(mem_op_heap_grow(&fs, 10, 100) == 100 && mem_op_heap_grow(&own, 0, 3) == 3);
	CHECK(mem_op_heap_grow(&fs, 0, 0) == -EINVAL && mem_op_heap_grow(&fs, ~0ull, 1) == -EINVAL);
}

static void handles_are_not_mistaken(void)
{
	struct mem_object *object = mem_object_make(1, FS_DOMAIN, 0);
	u64 handle = object->handled.handle;

	CHECK(handle < 1ull << 63 && mem_object_get(handle) == object);
	CHECK(!mem_object_get(handle ^ 1ull << 30) && !mem_object_get(handle + 1) && !mem_object_get(0) && !mem_object_get(~0ull));
	CHECK(!mem_handle_get(handle, MEM_HANDLE_SPACE));
	mem_object_drop(object);
	mem_object_drop(object);
	CHECK(!mem_object_get(handle));
}

static void holds_and_makers(void)
{
	struct rt_request shim = request_of(ABI_DOMAIN);
	u64 object, frame, before = mem_frames_used(MEM_FRAME_OBJECT) + mem_frames_used(MEM_FRAME_LENT);

	CHECK(mem_op_object_create(&fs, 4, 0, &object) == 0);
	CHECK(mem_op_object_page(&fs, object, 3, MEM_PAGE_CREATE, &frame) == 0 && frame);
	CHECK(mem_op_object_page(&fs, object, 4, MEM_PAGE_CREATE, &frame) == -EINVAL);
	CHECK(mem_op_object_page(&shim, object, 3, 0, &frame) == -EBADF && mem_op_object_resize(&shim, object, 1) == -EBADF);
	CHECK(mem_op_object_release(&shim, object) == -EBADF && mem_op_object_hold(&shim, object) == -EBADF);
	CHECK(mem_op_object_hold(&fs, object) == 0 && mem_op_object_destroy(&fs, object) == 0);
	CHECK(mem_op_object_destroy(&fs, object) == -EBADF && mem_op_object_page(&fs, object, 3, 0, &frame) == -EBADF);
	CHECK(mem_frames_used(MEM_FRAME_OBJECT) + mem_frames_used(MEM_FRAME_LENT) == before + 1);
	CHECK(mem_op_object_release(&shim, object) == 0 && mem_op_object_release(&shim, object) == -EBADF);
	CHECK(mem_frames_used(MEM_FRAME_OBJECT) + mem_frames_used(MEM_FRAME_LENT) == before);
}

/* One page of a new object of the caller's. */
static frame_t page_new(const struct rt_request *maker, u64 *object)
{
	u64 frame = FRAME_NONE;

	CHECK(mem_op_object_create(maker, 4, 0, object) == 0);
	CHECK(mem_op_object_page(maker, *object, 0, MEM_PAGE_CREATE, &frame) == 0 && core_is_granted((frame_t)frame, maker->caller));
	memset(mem_frame_address((frame_t)frame), 0xaa, PAGE_SIZE);
	return (frame_t)frame;
}

static bool page_is_spare(frame_t frame)
{
	CHECK(core_is_granted(frame, FS_DOMAIN) == (mem_frame_state(frame) == MEM_FRAME_SPARE));
	return core_is_granted(frame, FS_DOMAIN);
}

static void pages_stay_with_their_maker(void)
{
	struct rt_request shim = request_of(ABI_DOMAIN);
	u64 object, other, frame = FRAME_NONE, free = mem_frames_available();
	frame_t first;

	(void)!mem_spares_free();
	first = page_new(&fs, &object);
	CHECK(mem_op_object_destroy(&fs, object) == 0 && page_is_spare(first) && mem_frames_available() == free);
	/* Another unit does not get it; its maker does, without what was in it. */
	CHECK(page_new(&shim, &object) != first && mem_op_object_destroy(&shim, object) == 0);
	CHECK(mem_op_object_create(&fs, 4, 0, &object) == 0 && mem_op_object_page(&fs, object, 2, MEM_PAGE_CREATE, &frame) == 0);
	CHECK(frame == first && mem_frame_state(first) == MEM_FRAME_LENT && *(u64 *)mem_frame_address(first) == 0);
	/* So do pages that it cuts off or punches. One that somebody else removes, while it may be at work on it, is only cleared. */
	CHECK(mem_op_object_resize(&fs, object, 1) == 0 && page_is_spare(first));
	CHECK(mem_op_object_page(&fs, object, 0, MEM_PAGE_CREATE, &frame) == 0 && frame == first);
	CHECK(mem_op_object_punch(&fs, object, 0, 1) == 0 && page_is_spare(first));
	CHECK(mem_op_object_page(&fs, object, 0, MEM_PAGE_CREATE, &frame) == 0 && frame == first);
	struct mem_object *found = mem_object_get(object);
	memset(mem_frame_address(first), 0xaa, PAGE_SIZE);
	mem_object_remove(found, 0, 1, 0);
	CHECK(mem_object_frame_locked(found, 0, false) == first && mem_frame_state(first) == MEM_FRAME_LENT && *(u64 *)mem_frame_address(first) == 0);
	mem_object_drop(found);
	CHECK(mem_op_object_destroy(&fs, object) == 0 && page_is_spare(first));
	/* None of an object that others still hold. */
	first = page_new(&fs, &object);
	CHECK(mem_op_object_hold(&fs, object) == 0 && mem_op_object_destroy(&fs, object) == 0 && !core_is_granted(first, FS_DOMAIN));
	CHECK(mem_op_object_release(&shim, object) == 0 && !page_is_spare(first));
	/* The fault of a program may take one, unless the file is its maker's no more. */
	first = page_new(&fs, &object);
	CHECK(mem_op_object_create(&fs, 1, 0, &other) == 0 && mem_op_object_destroy(&fs, object) == 0 && page_is_spare(first));
	found = mem_object_get(other);
	CHECK(mem_object_frame_locked(found, 0, true) == first && mem_frame_state(first) == MEM_FRAME_LENT);
	mem_object_drop(found);
	CHECK(mem_op_object_destroy(&fs, other) == 0 && page_is_spare(first) && mem_op_object_create(&fs, 1, 0, &other) == 0);
	CHECK(mem_op_object_hold(&fs, other) == 0 && mem_op_object_destroy(&fs, other) == 0);
	found = mem_object_get(other);
	CHECK(!core_is_granted(mem_object_frame_locked(found, 0, true), FS_DOMAIN) && page_is_spare(first));
	mem_object_drop(found);
	CHECK(mem_op_object_release(&shim, other) == 0 && mem_frames_available() == free);
}

/* There are not many, and they are taken back when nothing else is left. */
static void spare_pages_are_free_memory(void)
{
	enum { PAGES = 200 };
	frame_t list = FRAME_NONE, pages[PAGES];
	u64 object, free = mem_frames_available();
	u32 count = 0, kept = 0;

	(void)!mem_spares_free(); /* of other tests */
	CHECK(mem_op_object_create(&fs, PAGES, 0, &object) == 0);
	CHECK(mem_op_object_pages(&fs, object, 0, PAGES, MEM_PAGE_CREATE, pages, sizeof(pages)) == (long)sizeof(pages));
	CHECK(mem_op_object_destroy(&fs, object) == 0 && mem_frames_available() == free);
	for (u32 i = 0; i < PAGES; i++)
		kept += page_is_spare(pages[i]);
	CHECK(kept > 0 && kept < PAGES / 2 && mem_spares_held() == kept && mem_frames_used(MEM_FRAME_SPARE) == kept);
	for (frame_t frame; (frame = mem_frames_take(0, MEM_FRAME_OWN)) != FRAME_NONE; count++) {
		CHECK(!core_is_granted(frame, FS_DOMAIN));
		*(frame_t *)mem_frame_address(frame) = list;
		list = frame;
	}
	CHECK(count == free && mem_frames_available() == 0 && mem_spares_held() == 0);
	/* Nor is one kept while memory is short. */
	for (; list; count--) {
		frame_t frame = list;

		list = *(frame_t *)mem_frame_address(frame);
		mem_frame_state_set(frame, MEM_FRAME_LENT);
		if (!mem_spare_put(FS_DOMAIN, frame))
			mem_frames_put(frame, 0);
		CHECK(mem_frames_available() > PAGES || mem_spares_held() == 0);
	}
	CHECK(mem_frames_available() == free && mem_spares_held() == kept && mem_spares_free() && !mem_spares_free());
}

TEST_MAIN(TEST(index_against_an_array), TEST(index_of_one_page), TEST(index_of_far_pages), TEST(index_without_memory), TEST(frames_at_random),
          TEST(frames_until_none_is_left), TEST(frames_of_units), TEST(handles_are_not_mistaken), TEST(holds_and_makers), TEST(pages_stay_with_their_maker),
          TEST(spare_pages_are_free_memory))
