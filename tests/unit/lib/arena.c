/* The allocator against a model: blocks never overlap, keep their content, and all come together again. */
#include "../harness.h"
#include <arena.h>
#include <stdbool.h>
#include <string.h>

enum { MEMORY = 1 << 20, BLOCKS = 400 };

static _Alignas(4096) char memory[MEMORY];

struct model {
	unsigned char *p;
	size_t size;
	unsigned char mark;
};

static bool content_intact(const struct model *block)
{
	for (size_t i = 0; i < block->size; i++) {
		if (block->p[i] != block->mark)
			return false;
	}
	return true;
}

/* As the heap does it. */
static void *block_get(struct arena *arena, size_t size)
{
	void *p;

	do
		p = arena_alloc(arena, size);
	while (!p && arena_gather(arena));
	return p;
}

static size_t size_choose(void)
{
	return unit_random() % (unit_random() % 8 ? 300 : 40000);
}

static void block_change(struct arena *arena, struct model *block)
{
	if (!block->p) {
		block->size = size_choose();
		block->p = block_get(arena, block->size);
		CHECK(((uintptr_t)block->p & (ARENA_ALIGN - 1)) == 0);
	} else if (unit_random() % 3 == 0) {
		size_t size = size_choose();

		CHECK(content_intact(block));
		if (arena_resize(arena, block->p, size))
			block->size = size;
	} else {
		CHECK(content_intact(block) && arena_free(arena, block->p));
		block->p = NULL;
	}
	if (block->p) {
		CHECK(arena_size(block->p) >= block->size);
		block->mark = (unsigned char)unit_random();
		memset(block->p, block->mark, block->size);
	}
}

static void blocks_keep_apart(void)
{
	static struct model blocks[BLOCKS];
	struct arena arena = { 0 };
	size_t given = 4096;

	arena_grow(&arena, memory, given);
	for (int round = 0; round < 30000; round++) {
		block_change(&arena, &blocks[unit_random() % BLOCKS]);
		if (round % 64 == 0 && given < MEMORY) {
			arena_grow(&arena, memory + given, 4096);
			given += 4096;
		}
		if (round % 100 == 0)
			CHECK(arena_check(&arena, memory));
	}
	for (int i = 0; i < BLOCKS; i++)
		CHECK(!blocks[i].p || arena_free(&arena, blocks[i].p));
	CHECK(arena_check(&arena, memory) && arena.used == 0);
	CHECK(block_get(&arena, given - given / 8) != NULL); /* one block again */
}

static void growing_joins_pieces(void)
{
	struct arena arena = { 0 };

	arena_grow(&arena, memory, 4096);
	CHECK(arena_alloc(&arena, 5000) == NULL);
	arena_grow(&arena, memory + 4096, 8192);
	void *p = arena_alloc(&arena, 10000);

	CHECK(p == memory + 16 && arena_check(&arena, memory));
}

static void wrong_frees_are_refused(void)
{
	struct arena arena = { 0 };

	arena_grow(&arena, memory, 8192);
	void *p = arena_alloc(&arena, 100), *q = arena_alloc(&arena, 100);

	CHECK(arena_free(&arena, p) && !arena_free(&arena, p));
	memset(q, 0, 100);
	CHECK(!arena_free(&arena, (char *)q + 32));
	CHECK(arena_alloc(&arena, ~0ul) == NULL && arena_alloc(&arena, 1ul << 40) == NULL && arena_alloc(&arena, 1ul << 37) == NULL);
	CHECK(!arena_resize(&arena, q, ~0ul) && arena_check(&arena, memory));
}

/* Small blocks wait for the next of their size, some of each; when a larger one is wanted they come together. */
static void small_blocks_wait(void)
{
	struct arena arena = { 0 };
	void *p[2 * ARENA_QUICK_MAX];

	arena_grow(&arena, memory, 8192);
	for (unsigned i = 0; i < 2 * ARENA_QUICK_MAX; i++)
		p[i] = arena_alloc(&arena, 100);
	for (unsigned i = 0; i < 2 * ARENA_QUICK_MAX; i++)
		CHECK(arena_free(&arena, p[i]) && (i >= ARENA_QUICK_MAX || !arena_free(&arena, p[i])));
	CHECK(arena_check(&arena, memory) && arena.used == 0 && arena_next(&arena, memory, NULL) == NULL);
	CHECK(arena_alloc(&arena, 112) == p[ARENA_QUICK_MAX - 1] && arena_free(&arena, p[ARENA_QUICK_MAX - 1]));
	for (unsigned left = ARENA_QUICK_MAX; left; left -= ARENA_GATHER_MAX)
		CHECK(!arena_alloc(&arena, 7000) && arena_gather(&arena) && arena_check(&arena, memory));
	CHECK(!arena_gather(&arena) && arena_alloc(&arena, 7000) == memory + 16);
}

/* A block that has become one with its neighbours is not freed again, however they came together. */
static void second_frees_are_refused(void)
{
	enum { COUNT = 3, SIZE = 1000 };

	for (unsigned order = 0; order < 27; order++) {
		unsigned frees[COUNT] = { order % 3, order / 3 % 3, order / 9 };
		struct arena arena = { 0 };
		bool freed[COUNT] = { false };
		void *p[COUNT];

		arena_grow(&arena, memory, 8192);
		for (unsigned i = 0; i < COUNT; i++)
			p[i] = arena_alloc(&arena, SIZE);
		for (unsigned i = 0; i < COUNT; i++) {
			CHECK(arena_free(&arena, p[frees[i]]) == !freed[frees[i]]);
			freed[frees[i]] = true;
			for (unsigned other = 0; other < COUNT; other++)
				CHECK(!freed[other] || !arena_free(&arena, p[other]));
		}
		CHECK(arena_check(&arena, memory));
	}
}

/* Whatever has become of the arena's own words, the blocks tell all; memory that came meanwhile is found, too. */
static void blocks_outlive_the_arena(void)
{
	static struct model blocks[BLOCKS];
	struct arena arena = { 0 };
	size_t used;

	arena_grow(&arena, memory, MEMORY / 2);
	for (int round = 0; round < 3000; round++)
		block_change(&arena, &blocks[unit_random() % BLOCKS]);
	used = arena.used;
	memset(&arena, 0x5a, sizeof(arena));
	CHECK(arena_restore(&arena, memory, MEMORY / 2 + 8192));
	CHECK(arena_check(&arena, memory) && arena.used == used);
	size_t count = 0, expected = 0;
	for (void *p = arena_next(&arena, memory, NULL); p; p = arena_next(&arena, memory, p))
		count++;
	for (int i = 0; i < BLOCKS; i++) {
		expected += blocks[i].p != NULL;
		CHECK(!blocks[i].p || (content_intact(&blocks[i]) && arena_free(&arena, blocks[i].p)));
	}
	CHECK(count == expected && arena.used == 0 && arena_check(&arena, memory));
}

static void anything_is_a_chain_or_refused(void)
{
	int restored = 0;

	for (int round = 0; round < 2000; round++) {
		struct arena arena = { 0 };

		arena_grow(&arena, memory, 4096);
		for (int i = 0; i < 20; i++)
			(void)!arena_alloc(&arena, unit_random() % 200);
		for (int i = 0; i < 3; i++) {
			unsigned long value = unit_random() % 2 ? unit_random() >> unit_random() % 64 : unit_random() % 300;

			memcpy(memory + unit_random() % 512 * 8, &value, sizeof(value));
		}
		if (!arena_restore(&arena, memory, 4096))
			continue;
		restored++;
		CHECK(arena_check(&arena, memory));
		for (void *p = arena_next(&arena, memory, NULL); p; p = arena_next(&arena, memory, p))
			CHECK((unsigned char *)p > (unsigned char *)memory && (unsigned char *)p + arena_size(p) < (unsigned char *)memory + 4096);
	}
	CHECK(restored > 100 && restored < 2000);
}

TEST_MAIN(TEST(blocks_keep_apart), TEST(growing_joins_pieces), TEST(wrong_frees_are_refused), TEST(small_blocks_wait), TEST(second_frees_are_refused),
	  TEST(blocks_outlive_the_arena), TEST(anything_is_a_chain_or_refused))
