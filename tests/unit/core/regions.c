/* Looking regions up: against a plain search in sorted tables, and in tables full of garbage, whose end is the end of memory. */
#include "world.h"

static struct vspace space;
static struct tk_region_table *table;
static struct tk_region *regions;

static void table_place(u32 pages)
{
	world_create(true);
	/* The table's last byte is the last of memory: reading on is a fault. */
	table = frame_address(WORLD_FRAMES - pages);
	regions = table->regions;
	munmap(frame_address(WORLD_FRAMES), PAGE_SIZE);
	space = (struct vspace){ .table = table };
	space.table_capacity = (u32)((pages * PAGE_SIZE - offsetof(struct tk_region_table, regions)) / sizeof(struct tk_region));
}

static bool plain_search(vaddr_t address, struct tk_region *out)
{
	for (u32 i = 0; i < table->count; i++)
		if (regions[i].start <= address && address < regions[i].end) {
			*out = regions[i];
			return true;
		}
	return false;
}

static void sorted_tables(void)
{
	for (u32 round = 0; round < 300; round++) {
		table_place(1 + round % 3);
		u64 at = 0;
		u32 count = (u32)(unit_random() % (space.table_capacity + 1)), generation;
		for (u32 i = 0; i < count; i++) {
			at += (unit_random() % 3) * PAGE_SIZE;
			u64 end = at + (1 + unit_random() % 4) * PAGE_SIZE;
			regions[i] = (struct tk_region){ .start = at, .end = end, .prot = 3, .kind = 1 + unit_random() % 3, .object = i };
			at = end;
		}
		table->count = count;
		table->generation = (u32)unit_random();
		for (vaddr_t address = 0; address < at + 3 * PAGE_SIZE; address += PAGE_SIZE / 2) {
			struct tk_region found, expected = { 0 };
			bool there = !(table->generation & 1) && plain_search(address, &expected);
			CHECK(vspace_region(&space, address, &found, &generation) == there);
			CHECK(generation == table->generation);
			if (there)
				CHECK(memcmp(&found, &expected, sizeof(found)) == 0);
		}
	}
}

static void garbage_tables(void)
{
	for (u32 round = 0; round < 20000; round++) {
		struct tk_region found;
		u32 generation;

		if (round % 1000 == 0)
			table_place(1 + round / 1000 % 4);
		for (u32 i = 0; i < 40; i++) {
			u64 *words = (u64 *)table;
			words[unit_random() % (space.table_capacity * sizeof(struct tk_region) / 8)] = unit_random() >> (unit_random() % 64);
		}
		table->generation &= ~1u;
		if (unit_random() & 1)
			table->count = unit_random() & 1 ? space.table_capacity : (u32)unit_random();
		space.hint = (u32)(unit_random() % (2 * space.table_capacity));
		for (u32 i = 0; i < 20; i++) {
			vaddr_t address = unit_random() >> (unit_random() % 64);
			if (!vspace_region(&space, address, &found, &generation))
				continue;
			CHECK(found.start <= address && address < found.end && found.end <= ARCH_USER_LIMIT);
			CHECK(!((found.start | found.end) & PAGE_MASK) && found.order == 0 && found.kind && found.kind <= TK_REGION_GUARD);
		}
	}
}

TEST_MAIN(TEST(sorted_tables), TEST(garbage_tables))
