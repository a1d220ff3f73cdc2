/* Sets of watches: tables of the core in a tree, each inner one watching the tails of the tables below it. */
#include "watch.h"
#include <mem_client.h>

#define NODE_WORDS 16u                                  /* slots of an inner table for words; the others are for tables */
#define NODE_CHILDREN (TK_WATCHES_IN_TABLE - NODE_WORDS)
#define DEPTH_LEAF 2u                                   /* tables of this depth hold words alone: 49,680 words in all */

struct watch_node {
	u32 depth;
	u64 used;                                           /* bit a slot */
	frame_t frames[2];
	struct tk_watch_page *page;                         /* its address is the token of the table */
	void *cookies[TK_WATCHES_IN_TABLE];                 /* of words; children of an inner table: struct watch_node */
};
struct watch_set {
	struct watch_node *root;
};

static u32 node_words(const struct watch_node *node)
{
	return node->depth == DEPTH_LEAF ? TK_WATCHES_IN_TABLE : NODE_WORDS;
}

/* Gives frames that became no object, or are one no more, back to mem. */
static void frames_return(const frame_t *frames, u32 count)
{
	for (u32 i = 0; i < count; i++)
		if (rt_boot->mem_domain == rt_boot->domain || tk_frames_give(frames[i], 1, rt_boot->mem_domain) >= 0)
			(void)mem_frames_free(frames[i], 0);
}

static struct watch_node *node_create(u32 depth)
{
	struct watch_node *node = heap_alloc(sizeof(*node));
	struct tk_object_create request = { .type = TK_OBJECT_WATCHES, .frame_count = 2 };
	long token = -ENOMEM;
	u64 frame;
	u32 have = 0;

	if (!node)
		return NULL;
	while (have < 2 && mem_frames_alloc(0, &frame) >= 0)
		request.frames[have++] = (frame_t)frame;
	if (have == 2)
		token = tk_object_create(&request);
	if (token < 0 && token > -4096) {
		frames_return(request.frames, have);
		heap_free(node);
		return NULL;
	}
	node->depth = depth;
	node->frames[0] = request.frames[0];
	node->frames[1] = request.frames[1];
	node->page = (struct tk_watch_page *)token;
	return node;
}

static void node_destroy(struct watch_node *node)
{
	for (u32 i = node_words(node); i < TK_WATCHES_IN_TABLE; i++)
		if (node->used >> i & 1)
			node_destroy(node->cookies[i]);
	if (tk_object_destroy((vaddr_t)node->page) >= 0)
		frames_return(node->frames, 2);
	heap_free(node);
}

struct watch_set *watch_set_create(void)
{
	struct watch_set *set = heap_alloc(sizeof(*set));

	if (!set)
		return NULL;
	set->root = node_create(0);
	if (set->root)
		return set;
	heap_free(set);
	return NULL;
}

void watch_set_destroy(struct watch_set *set)
{
	if (!set)
		return;
	node_destroy(set->root);
	heap_free(set);
}

/* Watches a word at the first free slot from `first` below `limit`; the slot, or -ENOSPC and other errors. */
static long node_watch(struct watch_node *node, u32 first, u32 limit, const volatile u32 *word, void *cookie)
{
	for (u32 i = first; i < limit; i++) {
		long result;

		if (node->used >> i & 1)
			continue;
		node->cookies[i] = cookie; /* before the first notice may come */
		result = tk_watch((vaddr_t)node->page, i, word, i);
		if (result < 0) {
			node->cookies[i] = NULL;
			return result;
		}
		node->used |= 1ull << i;
		return i;
	}
	return -ENOSPC;
}

/* Adds a word to a node or to one below it; -ENOSPC when all are full. */
static long node_add(struct watch_node *node, const volatile u32 *word, void *cookie, struct watch_place *place)
{
	long result = node_watch(node, 0, node_words(node), word, cookie);

	if (result != -ENOSPC) {
		*place = (struct watch_place){ node, (u32)result };
		return result < 0 ? result : 0;
	}
	for (u32 i = node_words(node); i < TK_WATCHES_IN_TABLE && result == -ENOSPC; i++) {
		struct watch_node *child = node->cookies[i];

		if (!(node->used >> i & 1)) {
			child = node_create(node->depth + 1);
			if (!child)
				return -ENOMEM;
			result = node_watch(node, i, i + 1, &child->page->tail, child);
			if (result < 0) {
				node_destroy(child);
				return result;
			}
		}
		result = node_add(child, word, cookie, place);
	}
	return result;
}

long watch_set_add(struct watch_set *set, const volatile u32 *word, void *cookie, struct watch_place *place)
{
	long result = node_add(set->root, word, cookie, place);

	if (result < 0)
		*place = (struct watch_place){ 0 };
	return result == -ENOSPC ? -ENOMEM : result == -ECANCELED ? 0 : result;
}

void watch_set_remove(struct watch_set *set, struct watch_place *place)
{
	struct watch_node *node = place->node;

	(void)set;
	if (!node)
		return;
	(void)tk_unwatch((vaddr_t)node->page, place->index);
	node->cookies[place->index] = NULL;
	node->used &= ~(1ull << place->index);
	place->node = NULL;
}

const volatile u32 *watch_set_word(const struct watch_set *set)
{
	return &set->root->page->tail;
}

static void node_take(struct watch_node *node, void (*notice)(void *, void *), void *context)
{
	struct tk_watch_page *page = node->page;
	u32 tail = __atomic_load_n(&page->tail, __ATOMIC_ACQUIRE); /* entries before the tail that covers them */

	while (page->head != tail) {
		u32 index = (u32)page->ready[page->head % TK_READY_ENTRIES] % TK_WATCHES_IN_TABLE;

		/* Armed again before the readiness is looked at, so that no change falls between. */
		__atomic_store_n(&page->queued[index], 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&page->head, page->head + 1, __ATOMIC_RELEASE);
		if (!(node->used >> index & 1))
			continue; /* removed meanwhile */
		if (index >= node_words(node))
			node_take(node->cookies[index], notice, context);
		else
			notice(node->cookies[index], context);
	}
}

void watch_set_take(struct watch_set *set, void (*notice)(void *, void *), void *context)
{
	node_take(set->root, notice, context);
}
