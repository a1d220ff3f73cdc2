/* What a processor may still have in its translation buffer is flushed before an operation returns. Order on processors: shootdown.c. */
#include "world.h"

#define BASE 0x40000000ul
#define FRAME 2000u

static vaddr_t window_of(u32 domain, frame_t frame) { return domains[domain].window + frame * PAGE_SIZE; }

/* A processor used the page: it may have kept the translation. */
static void use(paddr_t root, vaddr_t address)
{
	arch_entry_t *entry = arch_page_walk(root, address, false, NULL);

	CHECK(entry && *entry);
	if (entry)
		arch_entry_mark(entry, true);
}

#define CHECK_FLUSHED(operation) \
	do { \
		u64 before_ = world_flushes; \
		CHECK(operation); \
		CHECK(world_flushes > before_); \
	} while (0)

static void windows(void)
{
	struct tk_object_create create = { .type = TK_OBJECT_WATCHES, .frame_count = 2, .frames = { FRAME + 4, FRAME + 5 } };
	frame_t frame = FRAME + 2;

	world_create(false);
	for (u32 everyone = 0; everyone < 2; everyone++) {
		CHECK(token_grant(WORLD_MEM, window_of(WORLD_MEM, FRAME), WORLD_FS, TK_MODE_READ) == 0);
		use(domains[WORLD_FS].root, window_of(WORLD_FS, FRAME));
		CHECK_FLUSHED(token_revoke(WORLD_MEM, window_of(WORLD_MEM, FRAME), everyone ? TK_EVERYONE : WORLD_FS) == 0);
	}
	CHECK(token_grant(WORLD_MEM, window_of(WORLD_MEM, FRAME), WORLD_ABI, TK_MODE_WRITE) == 0);
	use(domains[WORLD_ABI].root, window_of(WORLD_ABI, FRAME));
	CHECK_FLUSHED(token_grant(WORLD_MEM, window_of(WORLD_MEM, FRAME), WORLD_ABI, TK_MODE_READ) == 0);
	use(domains[WORLD_MEM].root, window_of(WORLD_MEM, FRAME + 1));
	CHECK_FLUSHED(frames_give(WORLD_MEM, FRAME + 1, 1, WORLD_FS) == 0);
	use(domains[WORLD_MEM].root, window_of(WORLD_MEM, frame));
	CHECK_FLUSHED(heap_map(WORLD_MEM, WORLD_FS, domains[WORLD_FS].heap_pages, (vaddr_t)&frame, 1) == 0);
	frame++;
	use(domains[WORLD_MEM].root, window_of(WORLD_MEM, frame));
	CHECK_FLUSHED(reserve_fill(WORLD_MEM, (vaddr_t)&frame, 1) > 0);
	use(domains[WORLD_MEM].root, window_of(WORLD_MEM, FRAME + 5));
	CHECK_FLUSHED(object_create(WORLD_MEM, &create) != -EPERM);
	world_check();
}

/* ---- Address spaces --------------------------------------------------------------------------------------------------------------- */

static vaddr_t space_make(frame_t first)
{
	struct tk_object_create create = { .type = TK_OBJECT_VSPACE, .frame_count = 3, .frames = { first, first + 1, first + 2 } };

	return (vaddr_t)object_create(WORLD_MEM, &create);
}

static void spaces(void)
{
	world_create(false);
	vaddr_t one = space_make(FRAME), two = space_make(FRAME + 4);
	const struct vspace *space = token_resolve(&domains[WORLD_MEM], one, TK_OBJECT_VSPACE);
	frame_t frames[2] = { FRAME + 10, FRAME + 11 }, freed[2];
	const struct tk_map map = { one, BASE, 2, TK_PROT_READ | TK_PROT_WRITE, frames };
	struct tk_unmap unmap = { .vspace = one, .address = BASE, .pages = 1, .freed = freed, .capacity = 2 };
	const struct tk_share share = { one, two, BASE, 2, true, 0 };
	const struct tk_move move = { one, BASE + PAGE_SIZE, BASE + 8 * PAGE_SIZE, 1 };

	CHECK(vspace_map(WORLD_MEM, &map) == 2);
	use(space->root, BASE);
	use(space->root, BASE + PAGE_SIZE);
	CHECK_FLUSHED(vspace_protect(WORLD_MEM, one, BASE, 2, TK_PROT_READ) > 0);
	CHECK(vspace_protect(WORLD_MEM, one, BASE, 2, TK_PROT_READ | TK_PROT_WRITE) > 0);
	use(space->root, BASE);
	CHECK_FLUSHED(vspace_share(WORLD_MEM, &share) > 0);
	CHECK(!arch_entry_writable(*arch_page_walk(space->root, BASE, false, NULL)));
	use(space->root, BASE + PAGE_SIZE);
	CHECK_FLUSHED(vspace_move(WORLD_MEM, &move) > 0);
	use(space->root, BASE);
	CHECK_FLUSHED(vspace_unmap(WORLD_MEM, &unmap) == 0);
	world_check();
}

TEST_MAIN(TEST(windows), TEST(spaces))
