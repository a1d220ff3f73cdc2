/*
 * Hash functions, and an intrusive hash table of singly linked chains in buckets that the caller gives (a power of two).
 * The caller guards the table, compares keys itself and chooses the hash.
 */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};
struct hash_table {
	struct hash_node **buckets;
	uint64_t mask; /* buckets - 1 */
	size_t count;
};

/* Mixes all bits of a number (the finalizer of splitmix64). */
static inline uint64_t hash_u64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* Hash of bytes; give a random seed where a stranger chooses the keys. */
static inline uint64_t hash_bytes(const void *data, size_t length, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t hash = seed ^ (length * 0x9e3779b97f4a7c15ull);

	for (; length >= 8; length -= 8, p += 8) {
		uint64_t word;

		__builtin_memcpy(&word, p, 8);
		hash = hash_u64(hash ^ word);
	}
	if (length) {
		uint64_t word = 0;

		while (length)
			word = word << 8 | p[--length];
		hash = hash_u64(hash ^ word);
	}
	return hash_u64(hash);
}

static inline void hash_init(struct hash_table *table, struct hash_node **buckets, size_t bucket_count)
{
	table->buckets = buckets;
	table->mask = bucket_count - 1;
	table->count = 0;
	for (size_t i = 0; i < bucket_count; i++)
		buckets[i] = NULL;
}

static inline void hash_insert(struct hash_table *table, struct hash_node *node, uint64_t hash)
{
	struct hash_node **bucket = &table->buckets[hash & table->mask];

	node->hash = hash;
	node->next = *bucket;
	*bucket = node;
	table->count++;
}

/* The first candidate of a hash at or behind a node: start with hash_first, go on with hash_next. */
static inline struct hash_node *hash_match(struct hash_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

static inline struct hash_node *hash_first(const struct hash_table *table, uint64_t hash)
{
	return hash_match(table->buckets[hash & table->mask], hash);
}

static inline struct hash_node *hash_next(const struct hash_node *node)
{
	return hash_match(node->next, node->hash);
}

/* Takes out a node that is in the table. */
static inline void hash_remove(struct hash_table *table, struct hash_node *node)
{
	struct hash_node **link = &table->buckets[node->hash & table->mask];

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	table->count--;
}

/* Moves everything into new buckets, more or fewer; the old ones are the caller's again. */
static inline void hash_move(struct hash_table *table, struct hash_node **buckets, size_t bucket_count)
{
	struct hash_table old = *table;

	hash_init(table, buckets, bucket_count);
	for (size_t i = 0; i <= old.mask; i++) {
		for (struct hash_node *node = old.buckets[i], *next; node; node = next) {
			next = node->next;
			hash_insert(table, node, node->hash);
		}
	}
}

#endif
