/*
 * Sparse map from numbers to pointers, as a tree of 64-way nodes that is as deep as its largest key needs.
 * The caller guards it and gives the functions for nodes' memory (zeroed). NULL values are not stored: setting NULL erases.
 */
#ifndef LIB_RADIX_H
#define LIB_RADIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RADIX_BITS 6
#define RADIX_SLOTS (1u << RADIX_BITS)

struct radix_node {
	void *slots[RADIX_SLOTS]; /* values in the lowest level, else nodes */
	uint32_t used;
};
struct radix {
	struct radix_node *root;
	uint32_t height;          /* levels; 0: empty */
	void *(*alloc)(size_t size);
	void (*free)(void *node);
};

void *radix_get(const struct radix *radix, uint64_t key);
/* Sets or (value NULL) erases; false when a node can't be allocated, and nothing changed. */
bool radix_set(struct radix *radix, uint64_t key, void *value);
/* The value with the smallest key at *key or above, whose key comes back; NULL when there is none. */
void *radix_next(const struct radix *radix, uint64_t *key);

#endif
