/* epoll sets. */
#ifndef ABI_SHIM_EPOLL_H
#define ABI_SHIM_EPOLL_H

#include "poll.h"

struct epoll_item {
	struct epoll_item *next;         /* in the set's table */
	struct epoll_item *file_next;    /* of the same file in all sets; under graph_lock */
	struct epoll_item *ready_next, *ready_previous;
	bool listed;                     /* in the ready list */
	struct epoll_set *set;
	struct shim_file *file;          /* not held: the item goes with the file */
	i32 fd;
	u32 events;
	u64 data;
	struct watch_place place;
};
struct epoll_set {
	struct rt_lock lock;             /* guards the rest but file */
	struct shim_file *file;          /* its own */
	struct epoll_item **items;
	u32 buckets, count;              /* buckets: a power of two */
	struct epoll_item *ready_first, *ready_last;
	struct watch_set *watches;
	struct tk_pollword *word;        /* the set's own events: an item was found ready as it was added */
	struct watch_place word_place;
};
struct epoll_target { struct shim_file *file; i32 fd; const struct linux_epoll_event *event; };

extern const struct shim_file_ops epoll_ops;
struct epoll_set *epoll_set_create(void) must_check;
void epoll_set_destroy(struct epoll_set *set);
struct epoll_item *epoll_item_find(struct epoll_set *set, const struct shim_file *file, i32 fd);
long epoll_control(struct shim_thread *t, struct epoll_set *set, u32 operation, const struct epoll_target *target) must_check;
/* What is ready now, at most `limit`. */
u32 epoll_collect(struct shim_thread *t, struct epoll_set *set, struct linux_epoll_event *events, u32 limit);

#endif
