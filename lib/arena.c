/* The allocator of <arena.h>. Each block has a header that tells its size and its lower neighbour; free ones stand in a list too. */
#include <arena.h>

#define IN_USE 1ul
#define QUICK 2ul                /* beside IN_USE, so that neighbours let it be: it is free, and waits in arena->quick */
#define MARKS (IN_USE | QUICK)
#define SMALL_MAX 256ul          /* below: one list for each multiple of 16 */
#define SIZE_MAX_OF_BLOCK (1ul << 37)

struct arena_block {
	uint64_t size_and_use;      /* bytes behind the header, | MARKS */
	struct arena_block *lower;  /* the block below, NULL for the first */
	struct arena_block *next, *previous; /* free list; belongs to the user while in use */
};
#define HEADER offsetof(struct arena_block, next)
#define PAYLOAD_MIN (sizeof(struct arena_block) - HEADER)
_Static_assert(offsetof(struct arena_block, next) == ARENA_ALIGN, "payloads stay aligned");

static size_t block_size(const struct arena_block *block)
{
	return block->size_and_use & ~MARKS;
}

static bool block_used(const struct arena_block *block)
{
	return block->size_and_use & IN_USE;
}

/* It holds somebody's bytes. */
static bool block_taken(const struct arena_block *block)
{
	return (block->size_and_use & MARKS) == IN_USE;
}

static struct arena_block *block_above(const struct arena_block *block)
{
	return (struct arena_block *)((uintptr_t)block + HEADER + block_size(block));
}

static struct arena_block *block_of(const void *p)
{
	return (struct arena_block *)((uintptr_t)p - HEADER);
}

/* The list in which a free block of this size stands. */
static void list_of_size(size_t size, unsigned *first, unsigned *second)
{
	if (size < SMALL_MAX) {
		*first = 0;
		*second = (unsigned)(size / ARENA_ALIGN);
		return;
	}
	unsigned log = 63 - (unsigned)__builtin_clzl(size);

	*first = log - 7;
	*second = (unsigned)(size >> (log - 4)) & (ARENA_SECOND_LEVELS - 1);
}

static void list_insert(struct arena *arena, struct arena_block *block)
{
	unsigned first, second;

	list_of_size(block_size(block), &first, &second);
	block->previous = NULL;
	block->next = arena->free[first][second];
	if (block->next)
		block->next->previous = block;
	arena->free[first][second] = block;
	arena->first_map |= 1u << first;
	arena->second_map[first] |= 1u << second;
}

static void list_remove(struct arena *arena, struct arena_block *block)
{
	unsigned first, second;

	list_of_size(block_size(block), &first, &second);
	if (block->next)
		block->next->previous = block->previous;
	if (block->previous) {
		block->previous->next = block->next;
		return;
	}
	arena->free[first][second] = block->next;
	if (block->next)
		return;
	arena->second_map[first] &= ~(1u << second);
	if (!arena->second_map[first])
		arena->first_map &= ~(1u << first);
}

/* A free block of at least this size: each block of the list found is large enough. */
static struct arena_block *list_find(const struct arena *arena, size_t size)
{
	unsigned first, second;

	if (size >= SMALL_MAX)
		size += (1ul << (63 - __builtin_clzl(size) - 4)) - 1;
	list_of_size(size, &first, &second);
	if (first >= ARENA_FIRST_LEVELS)
		return NULL;
	uint32_t map = arena->second_map[first] & (~0u << second);

	if (!map) {
		uint32_t above = first + 1 < ARENA_FIRST_LEVELS ? arena->first_map & (~0u << (first + 1)) : 0;

		if (!above)
			return NULL;
		first = (unsigned)__builtin_ctz(above);
		map = arena->second_map[first];
	}
	return arena->free[first][__builtin_ctz(map)];
}

/* Merges a block that is in no list with its free neighbours and puts the result into its list. */
static void block_release(struct arena *arena, struct arena_block *block)
{
	struct arena_block *above = block_above(block), *lower = block->lower;
	size_t size = block_size(block);

	if (!block_used(above)) {
		list_remove(arena, above);
		size += HEADER + block_size(above);
	}
	if (lower && !block_used(lower)) {
		list_remove(arena, lower);
		size += HEADER + block_size(lower);
		block->size_and_use = 0; /* so that freeing it again is noticed */
		block = lower;
	}
	block->size_and_use = size;
	block_above(block)->lower = block;
	list_insert(arena, block);
}

/* Cuts a used block to a size and frees what is left, if that is enough for a block. */
static void block_trim(struct arena *arena, struct arena_block *block, size_t size)
{
	size_t rest = block_size(block) - size;

	if (rest < HEADER + PAYLOAD_MIN)
		return;
	block->size_and_use = size | IN_USE;
	struct arena_block *cut = block_above(block);

	cut->size_and_use = (rest - HEADER) | IN_USE;
	cut->lower = block;
	block_above(cut)->lower = cut;
	arena->used -= rest;
	block_release(arena, cut);
}

static size_t size_adjust(size_t size)
{
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	return size < PAYLOAD_MIN ? PAYLOAD_MIN : size;
}

void arena_grow(struct arena *arena, void *start, size_t size)
{
	struct arena_block *block = arena->last, *end;

	if (!block) {
		block = start;
		block->lower = NULL;
		size -= HEADER;
	}
	/* The old end mark becomes the header of what is new; a new mark stands at the new end. */
	block->size_and_use = (size - HEADER) | IN_USE;
	end = block_above(block);
	end->size_and_use = IN_USE;
	end->lower = block;
	arena->last = end;
	block_release(arena, block);
}

bool arena_gather(struct arena *arena)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ARENA_QUICK_SIZES; i++) {
		for (; arena->quick[i] && count < ARENA_GATHER_MAX; count++) {
			struct arena_block *block = arena->quick[i];

			arena->quick[i] = block->next;
			arena->quick_count[i]--;
			block_release(arena, block);
		}
	}
	return count;
}

/* A block from the lists of free ones, cut to its size. */
static struct arena_block *block_find(struct arena *arena, size_t size)
{
	struct arena_block *block = list_find(arena, size);

	if (!block)
		return NULL;
	list_remove(arena, block);
	block->size_and_use |= IN_USE;
	arena->used += HEADER + block_size(block);
	block_trim(arena, block, size);
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX_OF_BLOCK)
		return NULL;
	size = size_adjust(size);
	struct arena_block *block = size / ARENA_ALIGN < ARENA_QUICK_SIZES ? arena->quick[size / ARENA_ALIGN] : NULL;

	if (block) {
		arena->quick[size / ARENA_ALIGN] = block->next;
		arena->quick_count[size / ARENA_ALIGN]--;
		block->size_and_use = size | IN_USE;
		arena->used += HEADER + size;
	} else {
		block = block_find(arena, size);
	}
	return block ? (char *)block + HEADER : NULL;
}

bool arena_free(struct arena *arena, void *p)
{
	struct arena_block *block = block_of(p);
	size_t size = block_size(block);

	if (!block_taken(block) || block == arena->last || block_above(block)->lower != block)
		return false;
	arena->used -= HEADER + size;
	if (size / ARENA_ALIGN >= ARENA_QUICK_SIZES || arena->quick_count[size / ARENA_ALIGN] == ARENA_QUICK_MAX) {
		block_release(arena, block);
		return true;
	}
	block->size_and_use |= QUICK;
	block->next = arena->quick[size / ARENA_ALIGN];
	arena->quick[size / ARENA_ALIGN] = block;
	arena->quick_count[size / ARENA_ALIGN]++;
	return true;
}

size_t arena_size(const void *p)
{
	return block_size(block_of(p));
}

bool arena_resize(struct arena *arena, void *p, size_t size)
{
	struct arena_block *block = block_of(p), *above = block_above(block);

	if (size > SIZE_MAX_OF_BLOCK)
		return false;
	size = size_adjust(size);
	if (size > block_size(block)) {
		if (block_used(above) || block_size(block) + HEADER + block_size(above) < size)
			return false;
		size_t added = HEADER + block_size(above);

		list_remove(arena, above);
		block->size_and_use += added;
		block_above(block)->lower = block;
		arena->used += added;
	}
	block_trim(arena, block, size);
	return true;
}

/* The end mark of a chain of blocks that lies within [start, start + size), or NULL. */
static struct arena_block *chain_end(void *start, size_t size)
{
	struct arena_block *block = start;
	uintptr_t end = (uintptr_t)start + size;

	for (;;) {
		size_t room = end - (uintptr_t)block;

		if (room < HEADER || block_size(block) % ARENA_ALIGN || block_size(block) > room - HEADER)
			return NULL;
		if (block_size(block) == 0)
			return block_used(block) && block != start ? block : NULL;
		block = block_above(block);
	}
}

bool arena_restore(struct arena *arena, void *start, size_t size)
{
	struct arena_block *last = chain_end(start, size), *lower = NULL, *above;

	if (!last)
		return false;
	__builtin_memset(arena, 0, sizeof(*arena));
	arena->last = last;
	for (struct arena_block *block = start; block != last; lower = block, block = above) {
		above = block_above(block);
		block->lower = lower;
		if (block_taken(block)) {
			arena->used += HEADER + block_size(block);
			continue;
		}
		while (above != last && !block_taken(above))
			above = block_above(above);
		block->size_and_use = (uintptr_t)above - (uintptr_t)block - HEADER;
		list_insert(arena, block);
	}
	last->lower = lower;
	size_t rest = (uintptr_t)start + size - ((uintptr_t)last + HEADER);

	if (rest)
		arena_grow(arena, (char *)last + HEADER, rest);
	return true;
}

void *arena_next(const struct arena *arena, void *start, void *p)
{
	struct arena_block *block = p ? block_above(block_of(p)) : start;

	while (block != arena->last && !block_taken(block))
		block = block_above(block);
	return block == arena->last ? NULL : (char *)block + HEADER;
}

bool arena_check(const struct arena *arena, const void *start)
{
	const struct arena_block *block = start, *lower = NULL;
	size_t free_blocks = 0, listed = 0, waiting = 0, quick = 0;

	for (; block != arena->last; lower = block, block = block_above(block)) {
		if (block->lower != lower || (!block_used(block) && lower && !block_used(lower)))
			return false;
		free_blocks += !block_used(block);
		waiting += block_used(block) && !block_taken(block);
	}
	if (block->lower != lower)
		return false;
	for (unsigned first = 0; first < ARENA_FIRST_LEVELS; first++) {
		for (unsigned second = 0; second < ARENA_SECOND_LEVELS; second++) {
			const struct arena_block *head = arena->free[first][second];

			if (!head != !(arena->second_map[first] >> second & 1))
				return false;
			for (; head; head = head->next)
				listed++;
		}
		if (!arena->second_map[first] != !(arena->first_map >> first & 1))
			return false;
	}
	for (unsigned i = 0; i < ARENA_QUICK_SIZES; i++) {
		unsigned count = 0;

		for (block = arena->quick[i]; block; block = block->next, count++) {
			if (block_size(block) != i * ARENA_ALIGN || block_taken(block))
				return false;
		}
		if (count != arena->quick_count[i])
			return false;
		quick += count;
	}
	return listed == free_blocks && quick == waiting;
}
