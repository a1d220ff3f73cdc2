/* Red-black tree of <rbtree.h>; `side` is 0 or 1, so each case and its mirror image are one piece of code. */
#include <rbtree.h>

static bool is_red(const struct rb_node *node)
{
	return node && node->red;
}

static int side_of(const struct rb_node *node)
{
	return node->parent->child[1] == node;
}

/* Makes `with` stand where `node` stood, as seen from above. */
static void replace(struct rb_tree *tree, struct rb_node *node, struct rb_node *with)
{
	if (!node->parent)
		tree->root = with;
	else
		node->parent->child[side_of(node)] = with;
	if (with)
		with->parent = node->parent;
}

/* Turns a node down to a side; its child of the other side takes its place. */
static void rotate(struct rb_tree *tree, struct rb_node *node, int side)
{
	struct rb_node *up = node->child[!side];

	replace(tree, node, up);
	node->child[!side] = up->child[side];
	if (node->child[!side])
		node->child[!side]->parent = node;
	up->child[side] = node;
	node->parent = up;
}

void rbtree_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent, int side)
{
	node->child[0] = node->child[1] = NULL;
	node->parent = parent;
	node->red = true;
	if (!parent)
		tree->root = node;
	else
		parent->child[side] = node;
	while (is_red(node->parent)) {
		struct rb_node *up = node->parent, *grand = up->parent;
		int up_side = side_of(up);
		struct rb_node *uncle = grand->child[!up_side];

		if (is_red(uncle)) {
			up->red = uncle->red = false;
			grand->red = true;
			node = grand;
			continue;
		}
		if (side_of(node) != up_side) {
			rotate(tree, up, up_side);
			up = node;
		}
		up->red = false;
		grand->red = true;
		rotate(tree, grand, !up_side);
		break;
	}
	tree->root->red = false;
}

/* A black node is missing on one side below parent: colours and turns until each path has as many black nodes again. */
static void remove_balance(struct rb_tree *tree, struct rb_node *parent, int side)
{
	while (parent) {
		struct rb_node *sibling = parent->child[!side];

		if (sibling->red) {
			sibling->red = false;
			parent->red = true;
			rotate(tree, parent, side);
			sibling = parent->child[!side];
		}
		if (!is_red(sibling->child[0]) && !is_red(sibling->child[1])) {
			sibling->red = true;
			if (parent->red || !parent->parent) {
				parent->red = false;
				return;
			}
			side = side_of(parent);
			parent = parent->parent;
			continue;
		}
		if (!is_red(sibling->child[!side])) {
			sibling->child[side]->red = false;
			sibling->red = true;
			rotate(tree, sibling, !side);
			sibling = parent->child[!side];
		}
		sibling->red = parent->red;
		parent->red = false;
		sibling->child[!side]->red = false;
		rotate(tree, parent, side);
		return;
	}
}

/* Exchanges a node that has two children with the one behind it, which has no child before it. */
static void swap_with_next(struct rb_tree *tree, struct rb_node *node)
{
	struct rb_node *next = rbtree_next(node);
	struct rb_node *next_child = next->child[1], *next_parent = next->parent;
	bool red = next->red;

	replace(tree, node, next);
	next->red = node->red;
	node->red = red;
	next->child[0] = node->child[0];
	next->child[0]->parent = next;
	if (next_parent == node) {
		next->child[1] = node;
		node->parent = next;
	} else {
		next->child[1] = node->child[1];
		next->child[1]->parent = next;
		next_parent->child[0] = node;
		node->parent = next_parent;
	}
	node->child[0] = NULL;
	node->child[1] = next_child;
	if (next_child)
		next_child->parent = node;
}

void rbtree_remove(struct rb_tree *tree, struct rb_node *node)
{
	if (node->child[0] && node->child[1])
		swap_with_next(tree, node);

	struct rb_node *child = node->child[0] ? node->child[0] : node->child[1];
	struct rb_node *parent = node->parent;
	int side = parent ? side_of(node) : 0;

	replace(tree, node, child);
	if (child)
		child->red = false; /* the only child of a node is red, and the node black */
	else if (!node->red)
		remove_balance(tree, parent, side);
}

struct rb_node *rbtree_end(const struct rb_tree *tree, int side)
{
	struct rb_node *node = tree->root;

	while (node && node->child[side])
		node = node->child[side];
	return node;
}

struct rb_node *rbtree_step(const struct rb_node *node, int side)
{
	if (node->child[side]) {
		node = node->child[side];
		while (node->child[!side])
			node = node->child[!side];
		return (struct rb_node *)node;
	}
	while (node->parent && side_of(node) == side)
		node = node->parent;
	return node->parent;
}
