/*
 * Intrusive red-black tree (Cormen and others, chapter 13). The caller guards it and compares keys: rbtree_insert_ordered finds the place
 * of a new node by a function, behind its equals.
 */
#ifndef LIB_RBTREE_H
#define LIB_RBTREE_H

#include <stdbool.h>
#include <stddef.h>

struct rb_node {
	struct rb_node *parent;
	struct rb_node *child[2];
	bool red;
};
struct rb_tree {
	struct rb_node *root;
};

/* Puts a node at parent->child[side], which is empty (at the root when parent is NULL), and balances. */
void rbtree_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, int side);
void rbtree_remove(struct rb_tree *tree, struct rb_node *node);
/* before(a, b): a stands before b. Inlined with it. */
static inline __attribute__((always_inline)) void rbtree_insert_ordered(struct rb_tree *tree, struct rb_node *node,
	bool (*before)(const struct rb_node *a, const struct rb_node *b))
{
	struct rb_node **link = &tree->root, *parent = NULL;
	int side = 0;

	while (*link) {
		parent = *link;
		side = !before(node, parent);
		link = &parent->child[side];
	}
	rbtree_insert(tree, node, parent, side);
}
/* The outermost node of a side: 0 the first, 1 the last; NULL when empty. */
struct rb_node *rbtree_end(const struct rb_tree *tree, int side);
/* The neighbour in order: side 0 the one before, 1 the one behind; NULL at the end. */
struct rb_node *rbtree_step(const struct rb_node *node, int side);

static inline struct rb_node *rbtree_first(const struct rb_tree *tree)
{
	return rbtree_end(tree, 0);
}

static inline struct rb_node *rbtree_next(const struct rb_node *node)
{
	return rbtree_step(node, 1);
}

static inline struct rb_node *rbtree_previous(const struct rb_node *node)
{
	return rbtree_step(node, 0);
}

#endif
