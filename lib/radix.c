/* The sparse map of <radix.h>. */
#include <radix.h>

#define HEIGHT_MAX ((64 + RADIX_BITS - 1) / RADIX_BITS)

static unsigned slot_of(uint64_t key, uint32_t level)
{
	return (unsigned)(key >> (level * RADIX_BITS)) & (RADIX_SLOTS - 1);
}

/* Whether a tree of this height has a place for the key. */
static bool height_suffices(uint32_t height, uint64_t key)
{
	return height >= HEIGHT_MAX || (height && !(key >> (height * RADIX_BITS)));
}

void *radix_get(const struct radix *radix, uint64_t key)
{
	const struct radix_node *node = radix->root;

	if (!height_suffices(radix->height, key))
		return NULL;
	for (uint32_t level = radix->height; node && --level;)
		node = node->slots[slot_of(key, level)];
	return node ? node->slots[slot_of(key, 0)] : NULL;
}

/* Frees empty nodes on the path, from the lowest up, and root levels that only hold a first slot. */
static void path_trim(struct radix *radix, struct radix_node **path, uint64_t key)
{
	for (uint32_t level = 0; level < radix->height && !path[level]->used; level++) {
		if (level + 1 == radix->height) {
			radix->free(radix->root);
			radix->root = NULL;
			radix->height = 0;
			return;
		}
		path[level + 1]->slots[slot_of(key, level + 1)] = NULL;
		path[level + 1]->used--;
		radix->free(path[level]);
	}
	while (radix->height > 1 && radix->root->used == 1 && radix->root->slots[0]) {
		struct radix_node *root = radix->root;

		radix->root = root->slots[0];
		radix->height--;
		radix->free(root);
	}
}

static void value_erase(struct radix *radix, uint64_t key)
{
	struct radix_node *path[HEIGHT_MAX];
	struct radix_node *node = radix->root;

	if (!height_suffices(radix->height, key))
		return;
	for (uint32_t level = radix->height; level--;) {
		path[level] = node;
		if (!node->slots[slot_of(key, level)])
			return;
		node = node->slots[slot_of(key, level)];
	}
	path[0]->slots[slot_of(key, 0)] = NULL;
	path[0]->used--;
	path_trim(radix, path, key);
}

/* Adds levels above the root until the key has a place. */
static bool root_raise(struct radix *radix, uint64_t key)
{
	while (!height_suffices(radix->height, key)) {
		struct radix_node *node;

		if (!radix->root) { /* an empty tree gets its full height at once */
			radix->height++;
			continue;
		}
		node = radix->alloc(sizeof(*node));
		if (!node)
			return false;
		node->slots[0] = radix->root;
		node->used = 1;
		radix->root = node;
		radix->height++;
	}
	return true;
}

/* A chain of nodes for a key from a level down, with the value at its end; NULL when out of memory. */
static void *chain_build(const struct radix *radix, uint64_t key, uint32_t levels, void *value)
{
	void *below = value;

	for (uint32_t level = 0; level < levels; level++) {
		struct radix_node *node = radix->alloc(sizeof(*node));

		if (!node) {
			while (level--) {
				struct radix_node *made = below;

				below = made->slots[slot_of(key, level)];
				radix->free(made);
			}
			return NULL;
		}
		node->slots[slot_of(key, level)] = below;
		node->used = 1;
		below = node;
	}
	return below;
}

bool radix_set(struct radix *radix, uint64_t key, void *value)
{
	struct radix_node *node;
	uint32_t level;

	if (!value) {
		value_erase(radix, key);
		return true;
	}
	if (!root_raise(radix, key))
		return false;
	if (!radix->root) {
		radix->root = chain_build(radix, key, radix->height, value);
		if (!radix->root)
			radix->height = 0;
		return radix->root != NULL;
	}
	node = radix->root;
	for (level = radix->height - 1; level && node->slots[slot_of(key, level)]; level--)
		node = node->slots[slot_of(key, level)];
	void **slot = &node->slots[slot_of(key, level)];

	if (level == 0) {
		node->used += !*slot;
		*slot = value;
		return true;
	}
	*slot = chain_build(radix, key, level, value);
	node->used += *slot != NULL;
	return *slot != NULL;
}

void *radix_next(const struct radix *radix, uint64_t *key)
{
	uint64_t at = *key;

	while (height_suffices(radix->height, at)) {
		const struct radix_node *node = radix->root;
		uint32_t level = radix->height - 1;

		while (level && node->slots[slot_of(at, level)]) {
			node = node->slots[slot_of(at, level)];
			level--;
		}
		if (!level && node->slots[slot_of(at, 0)]) {
			*key = at;
			return node->slots[slot_of(at, 0)];
		}
		/* Nothing here: go on behind what this slot covers. */
		uint64_t step = 1ull << (level * RADIX_BITS);
		uint64_t behind = (at & ~(step - 1)) + step;

		if (behind <= at)
			return NULL;
		at = behind;
	}
	return NULL;
}
