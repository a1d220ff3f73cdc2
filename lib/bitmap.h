/* Bits in an array of 64-bit words. The caller guards it and keeps indexes below the number of bits. */
#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_WORDS(bits) (((bits) + 63) / 64)
#define BITMAP_NONE ((size_t)-1)

static inline bool bitmap_test(const uint64_t *map, size_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

static inline void bitmap_set(uint64_t *map, size_t bit)
{
	map[bit / 64] |= 1ull << (bit % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t bit)
{
	map[bit / 64] &= ~(1ull << (bit % 64));
}

/* The first clear bit at `from` or above, BITMAP_NONE if there is none below `bits`. */
static inline size_t bitmap_find_clear(const uint64_t *map, size_t bits, size_t from)
{
	while (from < bits) {
		uint64_t clear = ~map[from / 64] >> (from % 64);

		if (clear) {
			from += (size_t)__builtin_ctzll(clear);
			return from < bits ? from : BITMAP_NONE;
		}
		from = (from / 64 + 1) * 64;
	}
	return BITMAP_NONE;
}

/* The first set bit at `from` or above, BITMAP_NONE if there is none below `bits`. */
static inline size_t bitmap_find_set(const uint64_t *map, size_t bits, size_t from)
{
	while (from < bits) {
		uint64_t set = map[from / 64] >> (from % 64);

		if (set) {
			from += (size_t)__builtin_ctzll(set);
			return from < bits ? from : BITMAP_NONE;
		}
		from = (from / 64 + 1) * 64;
	}
	return BITMAP_NONE;
}

static inline size_t bitmap_count(const uint64_t *map, size_t bits)
{
	size_t count = 0;

	for (size_t word = 0; word < bits / 64; word++)
		count += (size_t)__builtin_popcountll(map[word]);
	if (bits % 64)
		count += (size_t)__builtin_popcountll(map[bits / 64] & ((1ull << (bits % 64)) - 1));
	return count;
}

#endif
