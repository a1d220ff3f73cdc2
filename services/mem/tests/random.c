/* Random operations on a few address spaces and objects against a model that keeps one byte for each page. */
#include "core.h"
#include <string.h>

#define BASE 0x10000000ull
#define SPAN 96u     /* pages of the arena in each space */
#define SPACES 5u
#define OBJECTS 40u
#define OBJECT_PAGES 48u

struct page_model { bool mapped, shared, locked, own; u8 prot, value; i32 object; u64 index; };
struct object_model { bool alive, made; u64 handle, size; u8 values[OBJECT_PAGES]; };
static struct { bool alive; u64 handle; vaddr_t token; struct page_model pages[SPAN]; } spaces[SPACES];
static struct object_model objects[OBJECTS];
static const struct rt_request shim = { .caller = ABI_DOMAIN, .thread = THREAD }, fs = { .caller = FS_DOMAIN, .thread = THREAD };

static u32 below(u32 limit) { return (u32)(unit_random() % limit); }
static u64 address_of(u32 page) { return BASE + page * PAGE_SIZE; }

static bool object_is_mapped(i32 object)
{
	for (u32 s = 0; s < SPACES; s++)
		for (u32 p = 0; p < SPAN && spaces[s].alive; p++)
			if (spaces[s].pages[p].mapped && spaces[s].pages[p].object == object)
				return true;
	return false;
}

static u8 *value_of(struct page_model *page)
{
	return page->object >= 0 && !page->own ? &objects[page->object].values[page->index] : &page->value;
}

static long expected_access(const struct page_model *page, u32 access)
{
	bool good = access == TK_ACCESS_WRITE ? page->prot & TK_PROT_WRITE : page->prot != 0;

	if (!page->mapped)
		return -EFAULT;
	if (!good)
		return -EACCES;
	return page->object >= 0 && page->index >= objects[page->object].size ? -EIO : 0;
}

/* The model's side of a store. */
static void model_store(struct page_model *page, u8 value)
{
	if (page->object >= 0 && !page->shared && !page->own) {
		page->value = *value_of(page);
		page->own = true;
	}
	*value_of(page) = value;
}

static void touch(u32 s, u32 p, bool write)
{
	struct page_model *page = &spaces[s].pages[p];
	u32 access = write ? TK_ACCESS_WRITE : TK_ACCESS_READ;
	u8 value = (u8)unit_random();
	long expected = expected_access(page, access);
	long result = core_touch(spaces[s].token, address_of(p), access, write ? value : -1);

	if (!expected && write)
		model_store(page, value);
	if (result != (expected ? expected : *value_of(page)))
		printf("# space %u page %u %s: %ld, expected %ld or %u; prot %u object %d index %lu shared %d own %d\n", s, p,
		       write ? "write" : "read", result, expected, *value_of(page), page->prot, page->object, page->index, page->shared, page->own);
	CHECK(result == (expected ? expected : *value_of(page)));
}

static i32 object_pick(bool anonymous, u32 pages)
{
	for (u32 tries = 0; tries < OBJECTS; tries++) {
		u32 i = below(OBJECTS);

		if (objects[i].alive && objects[i].made && !anonymous)
			return (i32)i;
		if (objects[i].alive)
			continue;
		objects[i] = (struct object_model){ .alive = true, .made = !anonymous, .size = pages };
		if (!anonymous)
			CHECK(mem_op_object_create(&fs, pages, i, &objects[i].handle) == 0);
		return (i32)i;
	}
	return -1;
}

/* What is mapped nowhere and was made by mem is gone. */
static void objects_sweep(void)
{
	for (u32 i = 0; i < OBJECTS; i++)
		if (objects[i].alive && !objects[i].made && !object_is_mapped((i32)i))
			objects[i].alive = false;
}

static void pages_set(u32 s, u32 first, u32 count, struct page_model model)
{
	for (u32 p = first; p < first + count; p++, model.index++)
		spaces[s].pages[p] = model;
	objects_sweep();
}

static void step_map(u32 s)
{
	u32 first = below(SPAN), count = 1 + below(SPAN - first), kind = below(4);
	struct page_model model = { .mapped = true, .prot = (u8)below(8), .object = -1, .shared = kind >= 2 };
	struct mem_map_request request = { .space = spaces[s].handle, .address = address_of(first), .flags = MEM_MAP_FIXED };
	u64 address;

	if (count > OBJECT_PAGES / 2)
		count = OBJECT_PAGES / 2;
	if (kind)
		model.object = object_pick(kind == 3, kind == 3 ? count : below(OBJECT_PAGES));
	if (kind && model.object < 0)
		return;
	if (kind == 1 || kind == 2) {
		model.index = below(OBJECT_PAGES - count + 1);
		request.object = objects[model.object].handle;
	}
	request.offset = model.index * PAGE_SIZE;
	request.size = count * PAGE_SIZE - below(PAGE_SIZE);
	request.prot = model.prot;
	request.flags |= kind >= 2 ? MEM_MAP_SHARED : 0;
	request.flags |= below(8) ? 0 : MEM_MAP_POPULATE;
	CHECK(mem_op_map(&shim, &request, &address) == 0 && address == address_of(first));
	pages_set(s, first, count, model);
}

static void step_unmap(u32 s)
{
	u32 first = below(SPAN), count = 1 + below(SPAN - first);

	CHECK(mem_op_unmap(&shim, spaces[s].handle, address_of(first), count * PAGE_SIZE) == 0);
	pages_set(s, first, count, (struct page_model){ .object = -1 });
}

static void step_protect(u32 s)
{
	u32 first = below(SPAN), count = 1 + below(SPAN - first), p = first;
	u8 prot = (u8)below(8);
	long result = mem_op_protect(&shim, spaces[s].handle, address_of(first), count * PAGE_SIZE, prot);

	for (; p < first + count && spaces[s].pages[p].mapped; p++)
		spaces[s].pages[p].prot = prot;
	CHECK(result == (p == first + count ? 0 : -ENOMEM));
}

static void step_drop(u32 s)
{
	u32 first = below(SPAN), count = 1 + below(SPAN - first);
	long result = mem_op_advise(&shim, spaces[s].handle, address_of(first), count * PAGE_SIZE, MEM_ADVICE_DONTNEED), expected = 0;

	for (u32 p = first; p < first + count; p++) {
		struct page_model *page = &spaces[s].pages[p];

		if (!page->mapped) {
			expected = -ENOMEM;
			continue;
		}
		if (page->locked) {
			expected = -EINVAL;
			break;
		}
		page->own = false;
		if (page->object < 0)
			page->value = 0;
	}
	CHECK(result == expected);
}

static void step_lock(u32 s)
{
	u32 first = below(SPAN), count = 1 + below(SPAN - first), p = first;
	bool on = below(2);
	long result = mem_op_lock(&shim, spaces[s].handle, address_of(first), count * PAGE_SIZE, on ? MEM_LOCK_ON | MEM_LOCK_ON_FAULT : 0);

	for (; p < first + count && spaces[s].pages[p].mapped; p++)
		spaces[s].pages[p].locked = on;
	CHECK(result == (p == first + count ? 0 : -ENOMEM));
}

static void step_fork(u32 s)
{
	u32 child = below(SPACES);
	u64 frame;

	if (spaces[child].alive)
		return;
	CHECK(mem_op_space_fork(&shim, spaces[s].handle, &spaces[child].handle, &frame) == 0);
	spaces[child].token = token_of_frame(frame);
	spaces[child].alive = true;
	memcpy(spaces[child].pages, spaces[s].pages, sizeof(spaces[s].pages));
	for (u32 p = 0; p < SPAN; p++)
		spaces[child].pages[p].locked = false;
}

static void step_end(u32 s)
{
	u32 alive = 0;

	for (u32 i = 0; i < SPACES; i++)
		alive += spaces[i].alive;
	if (alive < 2)
		return;
	CHECK(mem_op_space_destroy(&shim, spaces[s].handle) == 0);
	spaces[s].alive = false;
	CHECK(mem_op_space_destroy(&shim, spaces[s].handle) == -EBADF);
	objects_sweep();
}

static struct object_model *object_any(u32 *number)
{
	*number = below(OBJECTS);
	return objects[*number].alive && objects[*number].made ? &objects[*number] : NULL;
}

static void step_resize(void)
{
	u32 number;
	u64 size = below(OBJECT_PAGES + 1);
	struct object_model *object = object_any(&number);

	if (!object)
		return;
	CHECK(mem_op_object_resize(&fs, object->handle, size) == 0);
	for (u32 s = 0; s < SPACES; s++)
		for (u32 p = 0; p < SPAN && spaces[s].alive; p++)
			if (spaces[s].pages[p].mapped && spaces[s].pages[p].object == (i32)number && spaces[s].pages[p].index >= size)
				spaces[s].pages[p].own = false;
	for (u64 i = size; i < OBJECT_PAGES; i++)
		object->values[i] = 0;
	object->size = size;
}

static void step_punch(void)
{
	u32 number, first = below(OBJECT_PAGES), count = 1 + below(OBJECT_PAGES - first);
	struct object_model *object = object_any(&number);

	if (!object)
		return;
	CHECK(mem_op_object_punch(&fs, object->handle, first, count) == 0);
	memset(object->values + first, 0, count);
}

static void step_file(void)
{
	u32 number, index = below(OBJECT_PAGES);
	struct object_model *object = object_any(&number);
	u64 frame;
	long result;

	if (!object)
		return;
	result = mem_op_object_page(&fs, object->handle, index, MEM_PAGE_CREATE, &frame);
	CHECK(result == (index < object->size ? 0 : -EINVAL));
	if (result)
		return;
	CHECK(core_is_granted((frame_t)frame, FS_DOMAIN));
	CHECK(*(u8 *)token_of_frame(frame) == object->values[index]);
	*(u8 *)token_of_frame(frame) = object->values[index] = (u8)unit_random();
}

/* Moves a run of one mapping to where nothing is, or onto something. */
static void step_remap(u32 s)
{
	u32 from = below(SPAN), count = 1, to, room = 0;
	struct page_model moved[SPAN];
	struct mem_remap_request request = { .space = spaces[s].handle, .flags = MEM_REMAP_MAYMOVE | MEM_REMAP_FIXED };
	u64 address;

	if (!spaces[s].pages[from].mapped)
		return;
	for (u32 wanted = 1 + below(8); count < wanted && from + count < SPAN; count++) {
		struct page_model *a = &spaces[s].pages[from + count - 1], *b = a + 1;

		if (!b->mapped || b->prot != a->prot || b->object != a->object || b->shared != a->shared || b->locked != a->locked ||
		    (a->object >= 0 && b->index != a->index + 1))
			break;
	}
	to = below(SPAN - count + 1);
	room = to + count <= from || to >= from + count;
	request.address = address_of(from);
	request.new_address = address_of(to);
	request.size = request.new_size = count * PAGE_SIZE;
	long result = mem_op_remap(&shim, &request, &address);

	if (!room) {
		CHECK(result == -EINVAL);
		return;
	}
	if (result == -EFAULT) { /* the same attributes, but two regions: mem keeps them apart when notes differ */
		for (u32 p = to; p < to + count; p++)
			spaces[s].pages[p] = (struct page_model){ .object = -1 };
		objects_sweep();
		return;
	}
	CHECK(result == 0 && address == address_of(to));
	memcpy(moved, &spaces[s].pages[from], count * sizeof(*moved));
	for (u32 p = 0; p < count; p++)
		spaces[s].pages[from + p] = (struct page_model){ .object = -1 };
	memcpy(&spaces[s].pages[to], moved, count * sizeof(*moved));
	objects_sweep();
}

/* ptrace's way in, which does not ask for the protection of private memory. */
static void step_peek(u32 s, bool write)
{
	u32 p = below(SPAN);
	struct page_model *page = &spaces[s].pages[p];
	long beyond = page->object >= 0 && page->index >= objects[page->object].size;
	u8 byte = (u8)unit_random();
	long result;

	if (page->shared || !page->mapped || beyond || !page->prot)
		return;
	if (write) {
		result = mem_op_space_write(&shim, spaces[s].handle, address_of(p), &byte, 1);
		model_store(page, byte);
	} else {
		result = mem_op_space_read(&shim, spaces[s].handle, address_of(p), &byte, 1);
	}
	CHECK(result == 1 && byte == *value_of(page));
}

static void step_word(u32 s)
{
	u32 p = below(SPAN);
	struct page_model *page = &spaces[s].pages[p];
	long expected = expected_access(page, TK_ACCESS_WRITE), result;
	u64 old = 0;

	core_client(spaces[s].token);
	result = mem_op_word_update(&shim, address_of(p), MEM_WORD_XOR, 0x40, 0, &old);
	core_client(0);
	CHECK(result == (expected ? -EFAULT : 0));
	if (expected)
		return;
	CHECK((u8)old == *value_of(page));
	model_store(page, (u8)(*value_of(page) ^ 0x40));
}

static void step(void)
{
	u32 s = below(SPACES), what = below(40);

	if (!spaces[s].alive)
		return;
	switch (what) {
	case 0: case 1: case 2: return step_map(s);
	case 3: return step_unmap(s);
	case 4: case 5: return step_protect(s);
	case 6: return step_drop(s);
	case 7: return step_lock(s);
	case 8: return step_fork(s);
	case 9: return step_end(s);
	case 10: return below(3) ? step_punch() : step_resize();
	case 11: return step_file();
	case 12: case 13: return step_remap(s);
	case 14: case 15: return step_peek(s, what & 1);
	case 16: return step_word(s);
	default: return touch(s, below(SPAN), what & 1);
	}
}

static void check_all(void)
{
	for (u32 s = 0; s < SPACES; s++) {
		if (!spaces[s].alive)
			continue;
		core_check(spaces[s].token);
		for (u32 p = 0; p < SPAN; p++)
			touch(s, p, false);
	}
}

static void run(u32 shortness, u32 steps)
{
	u64 frame;

	core_start();
	core_short(shortness);
	spaces[0].alive = true;
	for (u32 p = 0; p < SPAN; p++)
		spaces[0].pages[p].object = -1;
	CHECK(mem_op_space_create(&shim, 0, &spaces[0].handle, &frame) == 0);
	spaces[0].token = token_of_frame(frame);
	for (u32 i = 0; i < steps; i++) {
		step();
		if (i % 512 == 0)
			check_all();
		if (unit_failures) {
			printf("# at step %u\n", i);
			break;
		}
	}
	core_short(0);
	check_all();
	for (u32 s = 0; s < SPACES; s++)
		if (spaces[s].alive)
			CHECK(mem_op_space_destroy(&shim, spaces[s].handle) == 0);
	for (u32 i = 0; i < OBJECTS; i++)
		if (objects[i].alive && objects[i].made)
			CHECK(mem_op_object_destroy(&fs, objects[i].handle) == 0);
	memset(spaces, 0, sizeof(spaces));
	memset(objects, 0, sizeof(objects));
	CHECK(mem_frames_used(MEM_FRAME_ANONYMOUS) == mem_pool_held());
	CHECK(mem_frames_used(MEM_FRAME_OBJECT) == 0 && mem_frames_used(MEM_FRAME_LENT) == 0);
	CHECK(core_objects() == 1 + mem_spaces_spare() && mem_committed() == 0);
}

static void random_operations(void) { run(0, 60000); }
static void random_operations_that_stop_early(void) { run(20, 30000); }

TEST_MAIN(TEST(random_operations), TEST(random_operations_that_stop_early))
