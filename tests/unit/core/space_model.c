/* Address spaces against a model: random maps, unmaps, protections, shares, moves and faults in three spaces; every frame's count, every
 * page's frame and right to write, and what writes must copy, are compared after each phase. */
#include "world.h"

#define SPACES 3u
#define PAGES 1536u
#define BASE (0x555555600000ul - 700 * PAGE_SIZE) /* crosses tables */
#define OBJECT_PAGES 256u     /* the last pages are a private mapping of an object, those before them anonymous */
#define OBJECT_FRAMES 64u

struct page { frame_t frame; u8 prot; bool cow, copy; };

static struct page model[SPACES][PAGES];
static u32 counts[WORLD_FRAMES];
static vaddr_t tokens[SPACES], pool_token;
static struct tk_pool_page *pool_page;
static struct vspace *spaces[SPACES];
static frame_t free_frames[WORLD_FRAMES];
static u32 free_count;
static frame_t object_frames[OBJECT_FRAMES];

static frame_t frame_get(void) { return free_count ? free_frames[--free_count] : FRAME_NONE; }
static vaddr_t address_of(u32 page) { return BASE + page * PAGE_SIZE; }
static vaddr_t window_of(frame_t frame) { return domains[WORLD_MEM].window + frame * PAGE_SIZE; }
static bool is_object(frame_t frame) { return frame >= object_frames[OBJECT_FRAMES - 1] && frame <= object_frames[0]; }

static vaddr_t object_make(u32 type, u32 frames)
{
	struct tk_object_create create = { .type = type, .frame_count = frames };

	for (u32 i = 0; i < frames; i++)
		create.frames[i] = frame_get();
	long token = object_create(WORLD_MEM, &create);
	CHECK(token > 0 || token < -4095);
	return (vaddr_t)token;
}

static void regions_write(struct tk_region_table *table)
{
	u64 middle = address_of(PAGES - OBJECT_PAGES);

	table->generation += 2;
	table->regions[0] = (struct tk_region){ .start = BASE, .end = middle, .prot = 7, .kind = TK_REGION_ANONYMOUS, .flags = TK_REGION_PRIVATE };
	table->regions[1] = (struct tk_region){ .start = middle, .end = address_of(PAGES), .prot = 3, .kind = TK_REGION_OBJECT, .flags = TK_REGION_PRIVATE };
	table->count = 2;
}

static void setup(void)
{
	world_create(unit_random() & 1);
	memset(model, 0, sizeof(model));
	memset(counts, 0, sizeof(counts));
	free_count = 0;
	for (frame_t f = WORLD_USER_FIRST; f < WORLD_FRAMES; f++)
		free_frames[free_count++] = f;
	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		object_frames[i] = frame_get();
	pool_token = object_make(TK_OBJECT_POOL, 2);
	pool_page = frame_address((frame_t)((pool_token - domains[WORLD_MEM].window) / PAGE_SIZE));
	for (u32 s = 0; s < SPACES; s++) {
		tokens[s] = object_make(TK_OBJECT_VSPACE, 3);
		struct tk_field_write write = { TK_FIELD_VSPACE_POOL, 0, pool_token };
		CHECK(object_write(WORLD_MEM, tokens[s], &write, 1) == 0);
		spaces[s] = token_resolve(&domains[WORLD_MEM], tokens[s], TK_OBJECT_VSPACE);
		regions_write(spaces[s]->table);
	}
}

static void pool_fill(void)
{
	while (pool_page->tail - pool_page->head < TK_POOL_ENTRIES / 2 && free_count) {
		pool_page->entries[pool_page->tail % TK_POOL_ENTRIES] = frame_get();
		pool_page->tail++;
	}
	pool_page->log_head = pool_page->log_tail;
}

static void page_set(struct page *p, struct page value)
{
	if (p->frame)
		counts[p->frame]--;
	*p = value;
	if (p->frame)
		counts[p->frame]++;
}

static void do_map(u32 s)
{
	frame_t frames[24];
	u32 first = PAGES - OBJECT_PAGES + unit_random() % OBJECT_PAGES, count = 1 + unit_random() % 24;

	if (first + count > PAGES)
		count = PAGES - first;
	for (u32 i = 0; i < count; i++)
		frames[i] = unit_random() & 3 ? object_frames[unit_random() % OBJECT_FRAMES] : FRAME_NONE;
	u32 prot = TK_PROT_READ | TK_PROT_WRITE | TK_PROT_COW;
	struct tk_map request = { tokens[s], address_of(first), count, prot, frames };
	CHECK(vspace_map(WORLD_MEM, &request) == count);
	for (u32 i = 0; i < count; i++)
		if (frames[i] && !model[s][first + i].frame)
			page_set(&model[s][first + i], (struct page){ frames[i], TK_PROT_READ | TK_PROT_WRITE, true, true });
}

static void range_pick(u32 *first, u32 *count)
{
	*first = (u32)(unit_random() % PAGES);
	*count = 1 + (u32)(unit_random() % (unit_random() & 7 ? 40 : PAGES));
	if (*first + *count > PAGES)
		*count = PAGES - *first;
}

static void do_unmap(u32 s)
{
	frame_t freed[600];
	u32 first, count;

	range_pick(&first, &count);
	for (u32 done = 0; done < count;) {
		struct tk_unmap request = { .vspace = tokens[s], .address = address_of(first + done), .pages = count - done, .freed = freed,
		                            .capacity = 1 + (u32)(unit_random() % 600) };
		CHECK(vspace_unmap(WORLD_MEM, &request) == 0);
		CHECK(request.done > 0 && request.done <= count - done);
		u32 last_ones = 0;
		for (u32 i = 0; i < request.done; i++) {
			struct page *p = &model[s][first + done + i];
			last_ones += p->frame && counts[p->frame] == 1;
			page_set(p, (struct page){ 0 });
		}
		CHECK(request.freed_count == last_ones);
		for (u32 i = 0; i < request.freed_count; i++) {
			CHECK(counts[freed[i]] == 0);
			if (!is_object(freed[i])) {
				memset(frame_address(freed[i]), 0, PAGE_SIZE);
				free_frames[free_count++] = freed[i];
			}
		}
		done += (u32)request.done;
	}
}

static void do_protect(u32 s)
{
	static const u32 prots[] = { 0, 1, 3, 5, 7 };
	u32 first, count, prot = prots[unit_random() % 5];

	range_pick(&first, &count);
	for (u32 done = 0; done < count;) {
		long result = vspace_protect(WORLD_MEM, tokens[s], address_of(first + done), count - done, prot | TK_PROT_COW);
		CHECK(result > 0);
		done += (u32)result;
	}
	for (u32 i = first; i < first + count; i++) {
		model[s][i].prot = (u8)prot;
		model[s][i].cow = model[s][i].cow || model[s][i].copy || counts[model[s][i].frame] > 1;
	}
}

static void do_share(u32 s)
{
	u32 first, count, to = (s + 1) % SPACES;

	range_pick(&first, &count);
	for (u32 done = 0; done < count;) {
		struct tk_share request = { tokens[s], tokens[to], address_of(first + done), count - done, true, 0 };
		long result = vspace_share(WORLD_MEM, &request);
		CHECK(result > 0);
		done += (u32)result;
	}
	for (u32 i = first; i < first + count; i++)
		if (model[s][i].frame && !model[to][i].frame) {
			model[s][i].cow = true;
			page_set(&model[to][i], model[s][i]);
		}
}

static void do_move(u32 s)
{
	u32 count = 1 + (u32)(unit_random() % 200), from = (u32)(unit_random() % (PAGES - OBJECT_PAGES - count));
	u32 to = (u32)(unit_random() % (PAGES - OBJECT_PAGES - count)), done = 0, expected = 0;
	struct tk_move request = { tokens[s], address_of(from), address_of(to), count };

	if (from < to + count && to < from + count) {
		CHECK(vspace_move(WORLD_MEM, &request) == -EINVAL);
		return;
	}
	while (expected < count && !(model[s][from + expected].frame && model[s][to + expected].frame))
		expected++;
	while (done < count) {
		request = (struct tk_move){ tokens[s], address_of(from + done), address_of(to + done), count - done };
		long result = vspace_move(WORLD_MEM, &request);
		if (result == -EEXIST || result == 0)
			break;
		CHECK(result > 0);
		done += (u32)result;
	}
	CHECK(done == expected);
	for (u32 i = 0; i < done; i++)
		if (model[s][from + i].frame) {
			model[s][to + i] = model[s][from + i];
			model[s][from + i] = (struct page){ 0 };
		}
}

static u64 *content(frame_t frame) { return frame_address(frame); }

static void do_fault(u32 s)
{
	u32 page = (u32)(unit_random() % PAGES), access = 1u << unit_random() % 3;
	struct page *p = &model[s][page];
	bool anonymous = page < PAGES - OBJECT_PAGES, allowed = access != TK_ACCESS_EXECUTE || anonymous;
	u32 available = pool_page->tail - pool_page->head;
	frame_t next = pool_page->entries[pool_page->head % TK_POOL_ENTRIES];
	enum fault_outcome outcome = vspace_fault(spaces[s], address_of(page) + unit_random() % PAGE_SIZE, access);

	if (!allowed) {
		CHECK(outcome == FAULT_REFUSED);
		return;
	}
	if (!p->frame) {
		CHECK(outcome == (anonymous && available ? FAULT_SERVED : FAULT_CALL_MEM));
		if (outcome == FAULT_SERVED) {
			page_set(p, (struct page){ next, 7, false, false });
			CHECK(*content(next) == 0);
		}
		return;
	}
	u32 needed = access == TK_ACCESS_READ ? 7 : access;
	bool permitted = p->prot & needed && !(access == TK_ACCESS_WRITE && p->cow);
	if (permitted || access != TK_ACCESS_WRITE || !p->cow || p->prot == 0) {
		CHECK(outcome == (permitted ? FAULT_SERVED : FAULT_CALL_MEM));
		return;
	}
	bool sole = counts[p->frame] == 1 && !p->copy;
	CHECK(outcome == (sole || available ? FAULT_SERVED : FAULT_CALL_MEM));
	if (outcome != FAULT_SERVED)
		return;
	if (!sole) {
		CHECK(*content(next) == *content(p->frame));
		page_set(p, (struct page){ next, 0, false, false });
	}
	p->prot = anonymous ? 7 : 3;
	p->cow = false;
}

static void compare(void)
{
	for (u32 s = 0; s < SPACES; s++) {
		u32 resident = 0;
		for (u32 i = 0; i < PAGES; i++) {
			const struct page *p = &model[s][i];
			long q = vspace_query(WORLD_MEM, tokens[s], address_of(i));
			resident += p->frame != 0;
			if (!p->frame) {
				CHECK(q == -ENOENT);
				continue;
			}
			u32 prot = q >> 32 & 15;
			CHECK((frame_t)q == p->frame);
			CHECK(!!(prot & TK_PROT_WRITE) == (p->prot & TK_PROT_WRITE && !p->cow));
			CHECK(!!(prot & TK_PROT_COW) == p->cow);
			CHECK(!(prot & 7) == !p->prot);
		}
		CHECK(spaces[s]->resident == resident && spaces[s]->table->resident == resident);
	}
	for (frame_t f = WORLD_USER_FIRST; f < WORLD_FRAMES; f++)
		if (frame_record(f)->type == FRAME_USER)
			CHECK(frame_record(f)->map_count == counts[f]);
}

static void teardown(void)
{
	frame_t freed[600];

	for (u32 s = 0; s < SPACES; s++) {
		struct tk_unmap request = { .vspace = tokens[s], .address = 0, .pages = ARCH_USER_LIMIT / PAGE_SIZE, .freed = freed, .capacity = 600 };
		u32 mapped = 0;
		for (u32 i = 0; i < PAGES; i++)
			mapped += model[s][i].frame != 0;
		CHECK(object_destroy(WORLD_MEM, tokens[s]) == (mapped ? -EBUSY : 0));
		if (!mapped)
			continue;
		while (request.pages) {
			CHECK(vspace_unmap(WORLD_MEM, &request) == 0);
			request.address += request.done * PAGE_SIZE;
			request.pages -= request.done;
		}
		for (u32 i = 0; i < PAGES; i++)
			page_set(&model[s][i], (struct page){ 0 });
		CHECK(object_destroy(WORLD_MEM, tokens[s]) == 0);
	}
	CHECK(object_destroy(WORLD_MEM, pool_token) == 0);
}

static void random_operations(void)
{
	for (u32 round = 0; round < 12; round++) {
		setup();
		for (u32 step = 0; step < 6000; step++) {
			u32 s = (u32)(unit_random() % SPACES), choice = (u32)(unit_random() % 200);
			if (choice < 8)
				do_map(s);
			else if (choice < 12)
				do_unmap(s);
			else if (choice < 16)
				do_protect(s);
			else if (choice < 18)
				do_share(s);
			else if (choice < 20)
				do_move(s);
			else
				do_fault(s);
			if (choice & 1)
				pool_fill();
			if (step % 1500 == 0)
				compare();
			if (unit_failures)
				return;
		}
		compare();
		u32 tables = world_tables();
		teardown();
		world_check();
		CHECK(world_tables() == tables);
	}
}

static void bad_requests(void)
{
	frame_t frames[2] = { FRAME_NONE, FRAME_NONE };
	struct tk_unmap unmap;

	setup();
	frames[0] = frame_get();
	struct tk_map map = { tokens[0], BASE, 1, 3, frames };
	CHECK(vspace_map(WORLD_FS, &map) == -EINVAL);              /* not its token */
	map.count = 513;
	CHECK(vspace_map(WORLD_MEM, &map) == -EINVAL);
	map.count = 0;
	CHECK(vspace_map(WORLD_MEM, &map) == -EINVAL);
	map.count = 1;
	map.address = ARCH_USER_LIMIT;
	CHECK(vspace_map(WORLD_MEM, &map) == -EINVAL);
	map.address = BASE + 1;
	CHECK(vspace_map(WORLD_MEM, &map) == -EINVAL);
	map.address = BASE;
	map.frames = (const frame_t *)16;
	CHECK(vspace_map(WORLD_MEM, &map) == -EFAULT);
	static const frame_t bad[] = { 1, 2, 10, 500, WORLD_FRAMES, ~0u };
	for (u32 i = 0; i < countof(bad); i++) {
		map.frames = &bad[i];
		CHECK(vspace_map(WORLD_MEM, &map) == -EPERM);
	}
	frame_t private = (frame_t)(spaces[0]->root / PAGE_SIZE), exported = spaces[0]->id;
	map.frames = &private;
	CHECK(vspace_map(WORLD_MEM, &map) == -EPERM);
	map.frames = &exported;
	CHECK(vspace_map(WORLD_MEM, &map) == -EPERM);
	unmap = (struct tk_unmap){ .vspace = tokens[0], .address = BASE, .pages = ~0ull, .freed = frames, .capacity = 2 };
	CHECK(vspace_unmap(WORLD_MEM, &unmap) == -EINVAL);
	unmap.pages = 1;
	unmap.capacity = 0;
	CHECK(vspace_unmap(WORLD_MEM, &unmap) == -EINVAL);
	CHECK(vspace_protect(WORLD_MEM, tokens[0], BASE, 1, 64) == -EINVAL);
	CHECK(vspace_protect(WORLD_MEM, tokens[0] + 1, BASE, 1, 1) == -EINVAL);
	CHECK(vspace_query(WORLD_MEM, pool_token, BASE) == -EINVAL);
	struct tk_share share = { tokens[0], tokens[0], BASE, 1, 1, 0 };
	CHECK(vspace_share(WORLD_MEM, &share) == -EINVAL);
	world_check();
}

static void object_pages_are_copied(void)
{
	setup();
	pool_fill();
	frame_t file = object_frames[0], plain = frame_get(), shown;
	u32 page = PAGES - 1;
	struct tk_map map = { tokens[0], address_of(page), 1, TK_PROT_READ | TK_PROT_WRITE | TK_PROT_COW, &file };
	*content(file) = 42;
	CHECK(vspace_map(WORLD_MEM, &map) == 1);
	CHECK(vspace_fault(spaces[0], address_of(page), TK_ACCESS_WRITE) == FAULT_SERVED);
	shown = (frame_t)vspace_query(WORLD_MEM, tokens[0], address_of(page));
	CHECK(shown != file && *content(shown) == 42 && frame_record(file)->map_count == 0);
	/* A frame that another unit holds is never written in place, even without the mark. */
	map = (struct tk_map){ tokens[0], address_of(0), 1, TK_PROT_READ | TK_PROT_WRITE, &plain };
	CHECK(vspace_map(WORLD_MEM, &map) == 1);
	CHECK(token_grant(WORLD_MEM, window_of(plain), WORLD_FS, TK_MODE_WRITE) == 0);
	struct tk_share share = { tokens[0], tokens[1], address_of(0), 1, 1, 0 };
	CHECK(vspace_share(WORLD_MEM, &share) == 1);
	struct tk_unmap unmap = { .vspace = tokens[1], .address = address_of(0), .pages = 1, .freed = &shown, .capacity = 1 };
	CHECK(vspace_unmap(WORLD_MEM, &unmap) == 0 && unmap.freed_count == 0);
	CHECK(vspace_fault(spaces[0], address_of(0), TK_ACCESS_WRITE) == FAULT_SERVED);
	CHECK((frame_t)vspace_query(WORLD_MEM, tokens[0], address_of(0)) != plain);
	world_check();
}

static void without_tables(void)
{
	setup();
	pool_fill();
	while (reserve_take(false) != FRAME_NONE)
		;
	frame_t frame = frame_get();
	struct tk_map map = { tokens[0], BASE, 1, 3, &frame };
	CHECK(vspace_map(WORLD_MEM, &map) == 0 && frame_record(frame)->map_count == 0);
	u32 head = pool_page->head;
	CHECK(vspace_fault(spaces[0], BASE, TK_ACCESS_READ) == FAULT_CALL_MEM && pool_page->head == head);
	frame_t more[32];
	for (u32 i = 0; i < 32; i++)
		more[i] = frame_get();
	CHECK(reserve_fill(WORLD_MEM, (vaddr_t)more, 32) >= 32);
	CHECK(vspace_fault(spaces[0], BASE, TK_ACCESS_READ) == FAULT_SERVED);
	world_check();
}

TEST_MAIN(TEST(random_operations), TEST(bad_requests), TEST(object_pages_are_copied), TEST(without_tables))
