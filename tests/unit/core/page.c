/* Page tables against a model: random single and large pages, splitting, skipping and trimming. */
#include "world.h"

#define PAGES 4096u
#define BASE 0x7f0000000000ul
#define SPARSE 0x40000000ul   /* distance of groups of 16 pages */

static arch_entry_t model[PAGES];

static vaddr_t address_of(u32 page) { return BASE + (page / 16) * SPARSE + (page % 16) * PAGE_SIZE; }

static void single_pages(void)
{
	paddr_t root = 5 * PAGE_SIZE;

	world_create(false);
	memset(model, 0, sizeof(model));
	frame_retype(5, FRAME_PRIVATE, WORLD_MEM, 0);
	u32 reserve = reserve_count();
	for (u32 round = 0; round < 20000; round++) {
		u32 page = unit_random() % PAGES;
		if (unit_random() & 1) {
			u64 flags = ARCH_PAGE_USER | (unit_random() & (ARCH_PAGE_WRITE | ARCH_PAGE_EXECUTE | ARCH_PAGE_COW | ARCH_PAGE_COPY | ARCH_PAGE_NONE));
			frame_t frame = 1 + unit_random() % (WORLD_FRAMES - 1);
			long result = arch_page_map(root, address_of(page), frame, flags);
			CHECK(result == (model[page] ? -EEXIST : result == -ENOMEM && reserve_count() <= RESERVE_FLOOR ? -ENOMEM : 0));
			if (result == 0) {
				model[page] = arch_page_entry(frame, flags);
				CHECK(arch_entry_flags(model[page]) == flags && arch_entry_frame(model[page]) == frame);
			}
		} else {
			CHECK(arch_page_unmap(root, address_of(page)) == model[page]);
			model[page] = 0;
		}
		if (round % 512 == 0) {
			frame_t chain = FRAME_NONE;
			arch_root_trim(root, 0, ARCH_USER_LIMIT, &chain);
			reserve_return_chain(chain);
		}
	}
	u32 seen = 0, held = 0;
	for (vaddr_t at = 0; (at = arch_page_next(root, at, ARCH_USER_LIMIT)) < ARCH_USER_LIMIT; at += PAGE_SIZE)
		seen += *arch_page_walk(root, at, false, NULL) != 0;
	for (u32 page = 0; page < PAGES; page++) {
		held += model[page] != 0;
		CHECK(arch_page_unmap(root, address_of(page)) == model[page]);
	}
	CHECK(seen == held && held > 0);
	frame_t chain = FRAME_NONE;
	arch_root_trim(root, 0, ARCH_USER_LIMIT, &chain);
	reserve_return_chain(chain);
	CHECK(reserve_count() == reserve && frame_record(5)->map_count == 0);
	for (u32 i = 0; i < 512; i++)
		CHECK(((u64 *)frame_address(5))[i] == 0);
}

static void large_pages(void)
{
	paddr_t root = 5 * PAGE_SIZE;
	vaddr_t at = ARCH_KERNEL_UNIT_WINDOW(3);
	bool large = false;

	world_create(false);
	frame_retype(5, FRAME_CORE, 0, 0);
	CHECK(arch_page_map_large(root, at, 1024, ARCH_PAGE_WRITE | ARCH_PAGE_KEY(5) | ARCH_PAGE_GLOBAL) == 0);
	CHECK(arch_page_map_large(root, at, 1024, 0) == -EEXIST);
	CHECK(arch_page_walk(root, at + 7 * PAGE_SIZE, false, NULL) == NULL);
	const arch_entry_t *e = arch_page_walk(root, at + 7 * PAGE_SIZE, false, &large);
	CHECK(e && large && arch_entry_frame(*e) == 1024 && arch_entry_flags(*e) & ARCH_PAGE_LARGE);
	CHECK(arch_page_unmap(root, at + 7 * PAGE_SIZE) == 0);
	arch_entry_t *page = arch_page_walk(root, at + 7 * PAGE_SIZE, true, NULL);
	CHECK(page && arch_entry_frame(*page) == 1024 + 7);
	CHECK(arch_entry_flags(*page) == (ARCH_PAGE_WRITE | ARCH_PAGE_KEY(5) | ARCH_PAGE_GLOBAL));
	for (u32 i = 0; i < ARCH_LARGE_PAGES; i++)
		CHECK(arch_entry_frame(arch_page_unmap(root, at + i * PAGE_SIZE)) == 1024 + i);
	CHECK(arch_table_record(page)->map_count == 0);
}

static void without_reserve(void)
{
	world_create(false);
	frame_retype(5, FRAME_PRIVATE, WORLD_MEM, 0);
	CHECK(arch_page_map_large(5 * PAGE_SIZE, 0, 1024, ARCH_PAGE_USER) == 0);
	while (reserve_take(false) != FRAME_NONE)
		;
	CHECK(reserve_count() == RESERVE_FLOOR);
	CHECK(arch_page_map(5 * PAGE_SIZE, 0x400000, 1024, ARCH_PAGE_USER) == -ENOMEM);
	CHECK(arch_page_walk(5 * PAGE_SIZE, 0x5000, true, NULL) != NULL); /* splitting may use the floor */
	CHECK(reserve_count() == RESERVE_FLOOR - 1);
}

static void protection(void)
{
	arch_entry_t e = arch_page_entry(77, ARCH_PAGE_USER | ARCH_PAGE_WRITE | ARCH_PAGE_COPY);

	CHECK(arch_entry_allows(e, TK_ACCESS_READ) && arch_entry_allows(e, TK_ACCESS_WRITE) && !arch_entry_allows(e, TK_ACCESS_EXECUTE));
	arch_entry_mark(&e, true);
	e = arch_entry_protected(e, 0, false);
	CHECK(e && !arch_entry_present(e) && !arch_entry_allows(e, TK_ACCESS_READ) && arch_entry_frame(e) == 77);
	e = arch_entry_protected(e, TK_PROT_READ | TK_PROT_WRITE | TK_PROT_EXECUTE, true);
	CHECK(arch_entry_cow(e) && arch_entry_copy(e) && !arch_entry_writable(e) && arch_entry_allows(e, TK_ACCESS_EXECUTE));
	CHECK(arch_entry_flags(e) & ARCH_PAGE_DIRTY && arch_entry_flags(e) & ARCH_PAGE_ACCESSED);
	e = arch_entry_protected(e, TK_PROT_READ | TK_PROT_WRITE, false);
	CHECK(!arch_entry_cow(e) && arch_entry_allows(e, TK_ACCESS_WRITE) && arch_entry_frame(e) == 77);
	e = arch_page_entry(5, ARCH_PAGE_WRITE | ARCH_PAGE_KEY(15));
	CHECK(!arch_entry_allows(e, TK_ACCESS_READ) && arch_entry_flags(e) == (ARCH_PAGE_WRITE | ARCH_PAGE_KEY(15)));
}

TEST_MAIN(TEST(single_pages), TEST(large_pages), TEST(without_reserve), TEST(protection))
