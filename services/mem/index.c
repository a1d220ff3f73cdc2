/*
 * Sparse map from page index to frame: a tree of 64 slots a level, as high as the largest index needs. Leaves hold frame numbers.
 * An empty node is freed at once. Height 0 is the frame of index 0 in place of the root: most files are no larger. The owner's lock guards it.
 */
#include "mem.h"

#define SLOT_BITS 6
#define SLOTS (1u << SLOT_BITS)

struct leaf { u32 count; frame_t frames[SLOTS]; };
struct node { u32 count; void *slots[SLOTS]; };

/* Height 1 is one leaf: indexes below 64. */
static bool height_covers(u32 height, u64 at)
{
	return height * SLOT_BITS >= 64 || at >> (height * SLOT_BITS) == 0;
}

static u32 slot_of(u64 at, u32 level)
{
	return (u32)(at >> ((level - 1) * SLOT_BITS)) & (SLOTS - 1);
}

frame_t mem_index_get(const struct mem_index *index, u64 at)
{
	const void *here = index->root;

	if (!here || !height_covers(index->height, at))
		return FRAME_NONE;
	if (!index->height)
		return (frame_t)(uintptr_t)here;
	for (u32 level = index->height; level > 1 && here; level--)
		here = ((const struct node *)here)->slots[slot_of(at, level)];
	return here ? ((const struct leaf *)here)->frames[slot_of(at, 1)] : FRAME_NONE;
}

/* The first node. */
static long index_begin(struct mem_index *index, u64 at)
{
	u32 height = 0;

	while (!height_covers(height, at))
		height++;
	if (height) {
		index->root = heap_alloc(height == 1 ? sizeof(struct leaf) : sizeof(struct node));
		if (!index->root)
			return -ENOMEM;
	}
	index->height = height;
	return 0;
}

/* A leaf around the only frame. */
static long leaf_begin(struct mem_index *index)
{
	struct leaf *leaf = heap_alloc(sizeof(*leaf));

	if (!leaf)
		return -ENOMEM;
	leaf->frames[0] = (frame_t)(uintptr_t)index->root;
	leaf->count = 1;
	index->root = leaf;
	index->height = 1;
	return 0;
}

/* Makes the tree high enough for an index. */
static long index_raise(struct mem_index *index, u64 at)
{
	if (!index->root)
		return index_begin(index, at);
	if (!index->height && at && leaf_begin(index))
		return -ENOMEM;
	while (!height_covers(index->height, at)) {
		struct node *root = heap_alloc(sizeof(*root));

		if (!root)
			return -ENOMEM;
		root->slots[0] = index->root;
		root->count = 1;
		index->root = root;
		index->height++;
	}
	return 0;
}

/* Frees the empty nodes on the way to an index. */
static void index_prune(struct mem_index *index, u64 at)
{
	void *path[12];
	u32 level = index->height;
	void *here = index->root;

	while (here) {
		path[level] = here;
		if (level == 1)
			break;
		here = ((struct node *)here)->slots[slot_of(at, level)];
		level--;
	}
	if (!here)
		level++;
	for (; level <= index->height; level++) {
		u32 count = level == 1 ? ((struct leaf *)path[1])->count : ((struct node *)path[level])->count;

		if (count)
			return;
		heap_free(path[level]);
		if (level == index->height) {
			index->root = NULL;
			index->height = 0;
			return;
		}
		((struct node *)path[level + 1])->slots[slot_of(at, level + 1)] = NULL;
		((struct node *)path[level + 1])->count--;
	}
}

long mem_index_set(struct mem_index *index, u64 at, frame_t frame)
{
	long result = index_raise(index, at);
	void *here = index->root;
	struct leaf *leaf;

	if (result)
		return result;
	if (!index->height) {
		index->root = (void *)(uintptr_t)frame;
		index->count = 1;
		return 0;
	}
	for (u32 level = index->height; level > 1; level--) {
		struct node *node = here;
		void **slot = &node->slots[slot_of(at, level)];

		if (!*slot) {
			*slot = heap_alloc(level == 2 ? sizeof(struct leaf) : sizeof(struct node));
			if (!*slot) {
				index_prune(index, at);
				return -ENOMEM;
			}
			node->count++;
		}
		here = *slot;
	}
	leaf = here;
	if (!leaf->frames[slot_of(at, 1)]) {
		leaf->count++;
		index->count++;
	}
	leaf->frames[slot_of(at, 1)] = frame;
	return 0;
}

frame_t mem_index_remove(struct mem_index *index, u64 at)
{
	void *here = index->root;
	struct leaf *leaf;
	frame_t frame;

	if (!here || !height_covers(index->height, at))
		return FRAME_NONE;
	if (!index->height) {
		*index = (struct mem_index){ 0 };
		return (frame_t)(uintptr_t)here;
	}
	for (u32 level = index->height; level > 1 && here; level--)
		here = ((struct node *)here)->slots[slot_of(at, level)];
	leaf = here;
	if (!leaf || !leaf->frames[slot_of(at, 1)])
		return FRAME_NONE;
	frame = leaf->frames[slot_of(at, 1)];
	leaf->frames[slot_of(at, 1)] = FRAME_NONE;
	leaf->count--;
	index->count--;
	if (!leaf->count)
		index_prune(index, at);
	return frame;
}

/* Searches below one node from *at on; what is not found leaves *at in the last slot of the node. */
static bool node_next(const void *here, u32 level, u64 *at, frame_t *frame)
{
	u64 span = 1ull << ((level - 1) * SLOT_BITS);

	for (u32 slot = slot_of(*at, level);; slot++) {
		if (level == 1) {
			*frame = ((const struct leaf *)here)->frames[slot];
			if (*frame)
				return true;
		} else {
			const void *below = ((const struct node *)here)->slots[slot];

			if (below && node_next(below, level - 1, at, frame))
				return true;
		}
		if (slot + 1 == SLOTS)
			return false;
		*at = (*at & ~(span * SLOTS - 1)) | (slot + 1) * span;
	}
}

bool mem_index_next(const struct mem_index *index, u64 *at, frame_t *frame)
{
	if (!index->root || !height_covers(index->height, *at))
		return false;
	if (!index->height)
		*frame = (frame_t)(uintptr_t)index->root;
	return !index->height || node_next(index->root, index->height, at, frame);
}
