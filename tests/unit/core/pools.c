/* Frame pools with a hostile owner: whatever the ring says, only the owner's unused frames are mapped, each once, and never forever. */
#include "world.h"

#define BASE 0x10000000ul

static vaddr_t pool_token, space_token;
static struct tk_pool_page *page;
static struct vspace *space;

static void setup(void)
{
	struct tk_object_create create = { .type = TK_OBJECT_POOL, .frame_count = 2, .frames = { 2000, 2001 } };
	struct tk_field_write write = { .field = TK_FIELD_VSPACE_POOL };

	world_create(true);
	pool_token = (vaddr_t)object_create(WORLD_MEM, &create);
	page = frame_address(2000);
	create = (struct tk_object_create){ .type = TK_OBJECT_VSPACE, .frame_count = 3, .frames = { 2010, 2011, 2012 } };
	space_token = (vaddr_t)object_create(WORLD_MEM, &create);
	space = token_resolve(&domains[WORLD_MEM], space_token, TK_OBJECT_VSPACE);
	write.value = pool_token;
	CHECK(object_write(WORLD_MEM, space_token, &write, 1) == 0);
	space->table->regions[0] = (struct tk_region){ .start = BASE, .end = BASE + (1ul << 30), .prot = 3, .kind = TK_REGION_ANONYMOUS };
	space->table->count = 1;
}

static void hostile_ring(void)
{
	static bool mapped[WORLD_FRAMES];
	u32 served = 0;

	setup();
	for (u32 step = 0; step < 100000; step++) {
		u32 choice = (u32)(unit_random() % 16);
		if (choice == 0)
			page->tail = (u32)unit_random();
		else if (choice < 4)
			page->tail = space->pool->head + (u32)(unit_random() % (TK_POOL_ENTRIES + 2));
		else if (choice == 4)
			page->log_head = (u32)unit_random();
		else if (choice < 8)
			page->log_head = page->log_tail;
		else if (choice == 8)
			page->head = (u32)unit_random();
		page->entries[unit_random() % TK_POOL_ENTRIES] = (frame_t)(unit_random() & 3 ? unit_random() % (WORLD_FRAMES + 10) : unit_random());
		vaddr_t address = BASE + (unit_random() % 4096) * PAGE_SIZE;
		if (vspace_query(WORLD_MEM, space_token, address) != -ENOENT)
			continue;
		if (vspace_fault(space, address, TK_ACCESS_WRITE) != FAULT_SERVED)
			continue;
		frame_t frame = (frame_t)vspace_query(WORLD_MEM, space_token, address);
		const struct frame_record *r = frame_record(frame);
		served++;
		CHECK(!mapped[frame]);
		mapped[frame] = true;
		CHECK(r->type == FRAME_USER && r->owner == WORLD_MEM && r->map_count == 1 && frame_held_only_by(r, WORLD_MEM));
		CHECK(frame != 2000 && frame != 2001 && frame > 1000);
		CHECK(page->log[(page->log_tail - 1) % TK_POOL_LOG_ENTRIES].frame == frame);
	}
	CHECK(served > 500);
	if (unit_failures)
		printf("# served %u\n", served);
	world_check();
}

static void full_log(void)
{
	setup();
	for (u32 i = 0; i < TK_POOL_ENTRIES; i++)
		page->entries[i] = 3000 + i;
	page->tail = TK_POOL_ENTRIES;
	for (u32 i = 0; i < TK_POOL_ENTRIES; i++) {
		CHECK(vspace_fault(space, BASE + i * PAGE_SIZE, TK_ACCESS_WRITE) == (i < TK_POOL_LOG_ENTRIES ? FAULT_SERVED : FAULT_CALL_MEM));
		if (i < TK_POOL_LOG_ENTRIES)
			CHECK(page->log[i].address == BASE + i * PAGE_SIZE && page->log[i].space == 2010 && page->log[i].frame == 3000 + i);
	}
	page->log_head = page->log_tail;
	CHECK(vspace_fault(space, BASE + TK_POOL_LOG_ENTRIES * PAGE_SIZE, TK_ACCESS_WRITE) == FAULT_SERVED);
}

static void low_is_told(void)
{
	setup();
	for (u32 i = 0; i < 100; i++)
		page->entries[i] = 3000 + i;
	page->tail = 100;
	page->low = 50;
	u64 wakes = world_wakes;
	for (u32 i = 0; i < 45; i++)
		CHECK(vspace_fault(space, BASE + i * PAGE_SIZE, TK_ACCESS_READ) == FAULT_SERVED);
	CHECK(world_wakes == wakes && page->low_word == 0);
	for (u32 i = 45; i < 70; i++)
		CHECK(vspace_fault(space, BASE + i * PAGE_SIZE, TK_ACCESS_READ) == FAULT_SERVED);
	CHECK(world_wakes > wakes && page->low_word == world_wakes - wakes);
	CHECK(object_destroy(WORLD_MEM, pool_token) == -EBUSY);
}

/* The others leave while the core copies: the frame that nobody maps any more is served again, cleared. */
static void abandoned_frame(void)
{
	setup();
	page->entries[0] = 3000;
	page->entries[1] = 3001;
	page->tail = 2;
	CHECK(vspace_fault(space, BASE, TK_ACCESS_WRITE) == FAULT_SERVED);
	*(u64 *)frame_address(3000) = 7;
	struct pool *pool = space->pool;
	frame_record(3000)->map_count = 0;
	CHECK(frame_claim(3000, WORLD_MEM));
	pool_stash(pool, 3000);
	CHECK(!frame_claim(3000, WORLD_MEM) && object_destroy(WORLD_MEM, pool_token) == -EBUSY);
	*arch_page_walk(space->root, BASE, false, NULL) = 0;
	CHECK(vspace_fault(space, BASE, TK_ACCESS_WRITE) == FAULT_SERVED);
	CHECK((frame_t)vspace_query(WORLD_MEM, space_token, BASE) == 3000 && *(u64 *)frame_address(3000) == 0);
	CHECK(frame_record(3000)->map_count == 1 && page->head == 1);
}

static void edited_table(void)
{
	setup();
	page->entries[0] = 3000;
	page->tail = 1;
	space->table->generation = 1;
	CHECK(vspace_fault(space, BASE, TK_ACCESS_READ) == FAULT_CALL_MEM);
	space->table->generation = 2;
	CHECK(vspace_fault(space, BASE - 1, TK_ACCESS_READ) == FAULT_CALL_MEM);
	CHECK(vspace_fault(space, BASE, TK_ACCESS_EXECUTE) == FAULT_REFUSED);
	space->table->regions[0].kind = TK_REGION_GUARD;
	CHECK(vspace_fault(space, BASE, TK_ACCESS_EXECUTE) == FAULT_CALL_MEM);
	space->table->regions[0].kind = TK_REGION_ANONYMOUS;
	CHECK(vspace_fault(space, ~0ul, TK_ACCESS_READ) == FAULT_CALL_MEM);
	CHECK(vspace_fault(space, BASE, TK_ACCESS_READ) == FAULT_SERVED);
}

TEST_MAIN(TEST(hostile_ring), TEST(full_log), TEST(low_is_told), TEST(abandoned_frame), TEST(edited_table))
