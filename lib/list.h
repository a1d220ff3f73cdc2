/*
 * Intrusive doubly linked list. A list is a node that stands for both ends; an empty list or a node in no list points to itself.
 * The caller guards it. Entries: container_of(node, type, member).
 */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *previous;
};
#define LIST_INIT(name) { &(name), &(name) }

static inline void list_init(struct list *list)
{
	list->next = list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_insert_after(struct list *position, struct list *node)
{
	node->next = position->next;
	node->previous = position;
	position->next->previous = node;
	position->next = node;
}

static inline void list_push_front(struct list *list, struct list *node)
{
	list_insert_after(list, node);
}

static inline void list_push_back(struct list *list, struct list *node)
{
	list_insert_after(list->previous, node);
}

/* Takes a node out; taking out one that is in no list does nothing. */
static inline void list_remove(struct list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_init(node);
}

/* The first node, taken out; NULL when there is none. */
static inline struct list *list_pop_front(struct list *list)
{
	struct list *node = list->next;

	if (node == list)
		return NULL;
	list_remove(node);
	return node;
}

/* Moves all nodes of `from` behind those of `to`. */
static inline void list_splice_back(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->previous = to->previous;
	to->previous->next = from->next;
	from->previous->next = to;
	to->previous = from->previous;
	list_init(from);
}

#define list_each(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)
/* The same when the body may remove the node. */
#define list_each_safe(node, head) \
	for (struct list *node = (head)->next, *node##_next = node->next; node != (head); node = node##_next, node##_next = node->next)

#endif
