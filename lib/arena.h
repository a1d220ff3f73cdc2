/*
 * Allocator of variable-sized blocks in memory that grows at its end: two-level segregated fit (Masmano and others, 2004), so
 * that allocating and freeing take a bounded time; neighbours that are free become one. A few small blocks of each size wait as they are
 * for the next of their size, until a block is wanted that is not there (arena_gather). The caller guards it and gives memory.
 */
#ifndef LIB_ARENA_H
#define LIB_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_ALIGN 16
#define ARENA_OVERHEAD 48     /* bytes that a first piece of memory needs beside its blocks */
#define ARENA_FIRST_LEVELS 32 /* blocks up to 2^38 bytes */
#define ARENA_SECOND_LEVELS 16
#define ARENA_QUICK_SIZES 32  /* small blocks: multiples of 16 below 512 bytes */
#define ARENA_QUICK_MAX 16    /* of each size */
#define ARENA_GATHER_MAX 8    /* that come together at once */

struct arena_block;
struct arena {
	uint32_t first_map;                       /* first levels that have a free block */
	uint32_t second_map[ARENA_FIRST_LEVELS];
	struct arena_block *free[ARENA_FIRST_LEVELS][ARENA_SECOND_LEVELS];
	struct arena_block *quick[ARENA_QUICK_SIZES];
	uint8_t quick_count[ARENA_QUICK_SIZES];
	struct arena_block *last;                 /* the end mark, a block of size 0 in use */
	size_t used;                              /* bytes in allocated blocks with their headers */
};

/* Gives memory: the first piece, or one that begins where the last ended. Start and size are multiples of ARENA_ALIGN. */
void arena_grow(struct arena *arena, void *start, size_t size);
/* At least size bytes, content undefined; NULL when no block is large enough: perhaps one is when those that wait have come together. */
void *arena_alloc(struct arena *arena, size_t size);
/* Lets some of the small blocks that wait come together with their neighbours; false: none waits. */
bool arena_gather(struct arena *arena);
/* False: no block of this arena, or freed already. */
bool arena_free(struct arena *arena, void *p);
/* Bytes that an allocated block can hold. */
size_t arena_size(const void *p);
/* Makes an allocated block larger or smaller where it stands; false when there is no room. */
bool arena_resize(struct arena *arena, void *p, size_t size);
/* For memory of earlier life that may hold anything: checks the chain of blocks in it, and makes lists and counts anew. false: no chain. */
bool arena_restore(struct arena *arena, void *start, size_t size);
/* The block in use behind `p` (NULL: the first); NULL behind the last. start: of the arena's memory. */
void *arena_next(const struct arena *arena, void *start, void *p);
/* Walks all blocks and lists; false when something does not fit together (for tests). */
bool arena_check(const struct arena *arena, const void *start);

#endif
