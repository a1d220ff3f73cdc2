/* Lists, hash tables, bitmaps, trees and sparse maps against simple models. */
#include "../harness.h"
#include <bitmap.h>
#include <hash.h>
#include <list.h>
#include <radix.h>
#include <rbtree.h>
#include <string.h>

#define of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

struct item {
	struct list list;
	struct hash_node hash;
	struct rb_node node;
	unsigned long key;
	bool inside;
};

static void list_keeps_order(void)
{
	struct list list = LIST_INIT(list), other = LIST_INIT(other);
	struct item items[4];
	int seen = 0;

	for (int i = 0; i < 4; i++) {
		items[i].key = (unsigned long)i;
		list_push_back(&list, &items[i].list);
	}
	list_each_safe(node, &list) {
		CHECK(of(node, struct item, list)->key == (unsigned long)seen++);
		if (seen == 2)
			list_remove(node);
	}
	CHECK(seen == 4 && list.next == &items[0].list && items[0].list.next == &items[2].list);
	list_push_front(&other, &items[1].list);
	list_splice_back(&other, &list);
	CHECK(list_empty(&list) && list_pop_front(&other) == &items[1].list && other.previous == &items[3].list);
	CHECK(list_pop_front(&list) == NULL);
}

static void hash_finds_what_is_inside(void)
{
	enum { COUNT = 500 };
	static struct item items[COUNT];
	struct hash_node *small[16], *large[256];
	struct hash_table table;

	hash_init(&table, small, 16);
	for (int round = 0; round < 5000; round++) {
		struct item *item = &items[unit_random() % COUNT];
		unsigned long hash = hash_u64((unsigned long)(item - items)) >> 50; /* few bits, so that hashes collide */

		if (item->inside)
			hash_remove(&table, &item->hash);
		else
			hash_insert(&table, &item->hash, hash);
		item->inside = !item->inside;
		if (round == 2500)
			hash_move(&table, large, 256);
	}
	size_t count = 0;

	for (int i = 0; i < COUNT; i++) {
		struct hash_node *node = hash_first(&table, hash_u64((unsigned long)i) >> 50);

		while (node && node != &items[i].hash)
			node = hash_next(node);
		CHECK(!!node == items[i].inside);
		count += items[i].inside;
	}
	CHECK(count == table.count);
	CHECK(hash_bytes("abcdefgh", 8, 1) != hash_bytes("abcdefgh", 8, 2));
	CHECK(hash_bytes("abc", 3, 1) != hash_bytes("abc\0", 4, 1));
}

static void bitmap_finds_bits(void)
{
	uint64_t map[BITMAP_WORDS(130)] = { 0 };

	CHECK(bitmap_find_set(map, 130, 0) == BITMAP_NONE && bitmap_find_clear(map, 130, 0) == 0);
	bitmap_set(map, 0), bitmap_set(map, 64), bitmap_set(map, 129);
	CHECK(bitmap_find_set(map, 130, 1) == 64 && bitmap_find_set(map, 130, 65) == 129 && bitmap_find_set(map, 129, 65) == BITMAP_NONE);
	CHECK(bitmap_count(map, 130) == 3 && bitmap_count(map, 129) == 2 && bitmap_find_clear(map, 130, 64) == 65);
	memset(map, 0xff, sizeof(map));
	CHECK(bitmap_find_clear(map, 130, 0) == BITMAP_NONE);
	bitmap_clear(map, 127);
	CHECK(bitmap_find_clear(map, 130, 3) == 127 && !bitmap_test(map, 127));
}

/* The number of black nodes on each path down, -1 when a rule is broken. */
static int tree_black_height(const struct rb_node *node)
{
	if (!node)
		return 0;
	int left = tree_black_height(node->child[0]), right = tree_black_height(node->child[1]);

	for (int side = 0; side < 2; side++) {
		if (node->child[side] && (node->child[side]->parent != node || (node->red && node->child[side]->red)))
			return -1;
	}
	return left < 0 || left != right ? -1 : left + !node->red;
}

static bool item_before(const struct rb_node *a, const struct rb_node *b)
{
	return of(a, struct item, node)->key < of(b, struct item, node)->key;
}

static void tree_insert(struct rb_tree *tree, struct item *item)
{
	rbtree_insert_ordered(tree, &item->node, item_before);
}

static void rbtree_stays_balanced_and_sorted(void)
{
	enum { COUNT = 200 };
	static struct item items[COUNT];
	struct rb_tree tree = { NULL };
	int inside = 0;

	for (int i = 0; i < COUNT; i++)
		items[i].key = unit_random() % 300, items[i].inside = false;
	for (int round = 0; round < 20000; round++) {
		struct item *item = &items[unit_random() % COUNT];

		if (item->inside)
			rbtree_remove(&tree, &item->node);
		else
			tree_insert(&tree, item);
		inside += item->inside ? -1 : 1;
		item->inside = !item->inside;
		CHECK(tree_black_height(tree.root) >= 0 && (!tree.root || (!tree.root->red && !tree.root->parent)));
	}
	int seen = 0;
	unsigned long last = 0;

	for (struct rb_node *node = rbtree_first(&tree); node; node = rbtree_next(node), seen++) {
		CHECK(of(node, struct item, node)->key >= last && of(node, struct item, node)->inside);
		last = of(node, struct item, node)->key;
	}
	CHECK(seen == inside);
	for (struct rb_node *node = rbtree_end(&tree, 1); node; node = rbtree_previous(node))
		seen--;
	CHECK(seen == 0);
}

static int radix_nodes, radix_budget = -1;

static void *radix_alloc(size_t size)
{
	if (radix_budget == 0)
		return NULL;
	radix_budget -= radix_budget > 0;
	radix_nodes++;
	return calloc(1, size);
}

static void radix_free(void *node)
{
	radix_nodes--;
	free(node);
}

static void radix_is_a_map(void)
{
	enum { COUNT = 300 };
	static unsigned long keys[COUNT];
	static bool inside[COUNT];
	static char values[COUNT];
	struct radix radix = { .alloc = radix_alloc, .free = radix_free };

	for (int i = 0; i < COUNT; i++)
		keys[i] = i == 0 ? ~0ul : unit_random() >> (unit_random() % 63) << (i % 3);
	for (int round = 0; round < 20000; round++) {
		unsigned long i = unit_random() % COUNT;

		radix_budget = unit_random() % 4 ? -1 : (int)(unit_random() % 8); /* memory fails at times: then nothing changes */
		if (radix_set(&radix, keys[i], inside[i] ? NULL : &values[i])) {
			for (int j = 0; j < COUNT; j++)
				inside[j] = keys[j] == keys[i] ? (unsigned long)j == i && !inside[i] : inside[j];
			inside[i] = radix_get(&radix, keys[i]) == &values[i];
		}
		for (int probe = 0; probe < 8; probe++) {
			unsigned long j = unit_random() % COUNT;

			CHECK(!inside[j] || radix_get(&radix, keys[j]) == &values[j]);
		}
	}
	unsigned long key = 0;
	int count = 0, expected = 0;

	for (void *value; (value = radix_next(&radix, &key)); count++) {
		CHECK(radix_get(&radix, key) == value);
		radix_set(&radix, key, NULL);
		if (key++ == ~0ul)
			break;
	}
	for (int i = 0; i < COUNT; i++)
		expected += inside[i];
	CHECK(count + (key == 0) == expected && radix_nodes == 0 && radix.root == NULL);
}

TEST_MAIN(TEST(list_keeps_order), TEST(hash_finds_what_is_inside), TEST(bitmap_finds_bits), TEST(rbtree_stays_balanced_and_sorted),
	  TEST(radix_is_a_map))
