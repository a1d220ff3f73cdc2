/*
 * epoll. Every item watches its file's event word; a notice puts the item into the ready list, and epoll_wait looks at that list
 * alone. What is level-triggered and still ready goes back to its end. Lock order: graph_lock, then one set's lock.
 */
#include "epoll.h"
#include "include/abi_fcntl.h"

#define ITEM_PRIVATE (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EXCLUSIVE_ALLOWED (POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)
#define NESTED_MAX 5
#define BUCKETS_FIRST 16u

static struct rt_lock graph_lock = RT_LOCK_INIT; /* guards which sets hold which files: file->epoll_items and the items' file */

static u32 bucket_of(const struct epoll_set *set, const struct shim_file *file, i32 fd)
{
	u64 hash = ((u64)(vaddr_t)file >> 4) * 0x9e3779b97f4a7c15ull + (u64)(u32)fd * 0xc2b2ae3d27d4eb4full;

	return (u32)(hash >> 40) & (set->buckets - 1);
}

struct epoll_item *epoll_item_find(struct epoll_set *set, const struct shim_file *file, i32 fd)
{
	struct epoll_item *item = set->items[bucket_of(set, file, fd)];

	while (item && (item->file != file || item->fd != fd))
		item = item->next;
	return item;
}

static void items_insert(struct epoll_set *set, struct epoll_item *item)
{
	struct epoll_item **bucket = &set->items[bucket_of(set, item->file, item->fd)];

	item->next = *bucket;
	*bucket = item;
	set->count++;
}

/* Doubles the table; it stays as it is when there is no memory. */
static void items_grow(struct epoll_set *set)
{
	struct epoll_item **old = set->items, **larger = heap_alloc(set->buckets * 2 * sizeof(*larger));
	u32 buckets = set->buckets;

	if (!larger)
		return;
	set->items = larger;
	set->buckets = buckets * 2;
	set->count = 0;
	for (u32 i = 0; i < buckets; i++) {
		while (old[i]) {
			struct epoll_item *item = old[i];

			old[i] = item->next;
			items_insert(set, item);
		}
	}
	heap_free(old);
}

/* ---- The ready list: items linked both ways, first in first out; the set's lock is held ---------------------------------------- */

static void ready_add(struct epoll_set *set, struct epoll_item *item)
{
	if (item->listed)
		return;
	item->listed = true;
	item->ready_next = NULL;
	item->ready_previous = set->ready_last;
	if (set->ready_last)
		set->ready_last->ready_next = item;
	else
		set->ready_first = item;
	set->ready_last = item;
}

static void ready_remove(struct epoll_set *set, struct epoll_item *item)
{
	if (!item->listed)
		return;
	item->listed = false;
	if (item->ready_previous)
		item->ready_previous->ready_next = item->ready_next;
	else
		set->ready_first = item->ready_next;
	if (item->ready_next)
		item->ready_next->ready_previous = item->ready_previous;
	else
		set->ready_last = item->ready_previous;
}

static void notice_ready(void *cookie, void *context)
{
	if (cookie != context) /* the set's own word only wakes */
		ready_add(context, cookie);
}

static u32 item_events(struct shim_thread *t, struct epoll_item *item)
{
	u32 asked = item->events & ~ITEM_PRIVATE;

	return asked ? file_ready(t, item->file) & (asked | POLLERR | POLLHUP) : 0; /* none asked: disabled by EPOLLONESHOT */
}

/* ---- Adding, changing, removing; graph_lock is held ------------------------------------------------------------------------------ */

static void item_free(struct epoll_set *set, struct epoll_item *item)
{
	struct epoll_item **link;

	lock_acquire(&set->lock);
	for (link = &set->items[bucket_of(set, item->file, item->fd)]; *link != item; link = &(*link)->next)
		;
	*link = item->next;
	set->count--;
	watch_set_remove(set->watches, &item->place);
	ready_remove(set, item);
	lock_release(&set->lock);
	for (link = &item->file->epoll_items; *link != item; link = &(*link)->file_next)
		;
	*link = item->file_next;
	heap_free(item);
}

/* Makes the item's readiness known: it may be ready already, and others may wait in this set or in one around it. */
static void item_look(struct shim_thread *t, struct epoll_set *set, struct epoll_item *item)
{
	u32 ready = item_events(t, item);

	if (!ready)
		return;
	lock_acquire(&set->lock);
	ready_add(set, item);
	pollword_event(set->word, POLLIN);
	lock_release(&set->lock);
}

static long item_add(struct shim_thread *t, struct epoll_set *set, struct shim_file *file, i32 fd, const struct linux_epoll_event *event)
{
	struct epoll_item *item = heap_alloc(sizeof(*item));
	long result = 0;

	if (!item)
		return -ENOMEM;
	item->set = set;
	item->file = file;
	item->fd = fd;
	item->events = event->events;
	item->data = event->data;
	lock_acquire(&set->lock);
	if (file_event_word(file))
		result = watch_set_add(set->watches, file_event_word(file), item, &item->place);
	if (result == 0) {
		/* commit */
		if (set->count >= set->buckets * 2)
			items_grow(set);
		items_insert(set, item);
	}
	lock_release(&set->lock);
	if (result < 0) {
		heap_free(item);
		return result;
	}
	item->file_next = file->epoll_items;
	file->epoll_items = item;
	item_look(t, set, item);
	return 0;
}

static long item_change(struct shim_thread *t, struct epoll_set *set, struct epoll_item *item, const struct linux_epoll_event *event)
{
	if (item->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	lock_acquire(&set->lock);
	item->events = event->events;
	item->data = event->data;
	lock_release(&set->lock);
	item_look(t, set, item);
	return 0;
}

/* How many sets stand one in the other below this one; above NESTED_MAX, or with `forbidden` among them: more than allowed. */
static u32 nesting_below(const struct epoll_set *set, const struct epoll_set *forbidden, u32 limit)
{
	u32 deepest = 0;

	if (set == forbidden || limit == 0)
		return NESTED_MAX + 1;
	for (u32 i = 0; i < set->buckets; i++) {
		for (const struct epoll_item *item = set->items[i]; item; item = item->next) {
			u32 depth = item->file->ops == &epoll_ops ? 1 + nesting_below(item->file->data, forbidden, limit - 1) : 0;

			if (depth > deepest)
				deepest = depth;
		}
	}
	return deepest;
}

static u32 nesting_above(const struct epoll_set *set, u32 limit)
{
	u32 deepest = 0;

	if (limit == 0)
		return NESTED_MAX + 1;
	for (const struct epoll_item *item = set->file->epoll_items; item; item = item->file_next) {
		u32 depth = 1 + nesting_above(item->set, limit - 1);

		if (depth > deepest)
			deepest = depth;
	}
	return deepest;
}

/* A set may hold another if no circle comes of it and not too many stand one in the other. */
static long nesting_check(const struct epoll_set *set, const struct shim_file *file)
{
	u32 below;

	if (file->ops != &epoll_ops)
		return 0;
	below = nesting_below(file->data, set, NESTED_MAX);
	return below > NESTED_MAX || below + 1 + nesting_above(set, NESTED_MAX) >= NESTED_MAX ? -ELOOP : 0;
}

static long control_locked(struct shim_thread *t, struct epoll_set *set, u32 operation, struct shim_file *file, i32 fd,
			   const struct linux_epoll_event *event)
{
	struct epoll_item *item = epoll_item_find(set, file, fd);
	long result;

	switch (operation) {
	case EPOLL_CTL_ADD:
		if (item)
			return -EEXIST;
		result = nesting_check(set, file);
		return result < 0 ? result : item_add(t, set, file, fd, event);
	case EPOLL_CTL_MOD:
		return item ? item_change(t, set, item, event) : -ENOENT;
	case EPOLL_CTL_DEL:
		if (item)
			item_free(set, item);
		return item ? 0 : -ENOENT;
	default:
		return -EINVAL;
	}
}

long epoll_control(struct shim_thread *t, struct epoll_set *set, u32 operation, const struct epoll_target *target)
{
	const struct linux_epoll_event *event = target->event;
	long result;

	if (event && event->events & EPOLLEXCLUSIVE) {
		if (operation == EPOLL_CTL_MOD || event->events & ~(u32)EXCLUSIVE_ALLOWED ||
		    (operation == EPOLL_CTL_ADD && target->file->ops == &epoll_ops))
			return -EINVAL;
	}
	lock_acquire(&graph_lock);
	result = control_locked(t, set, operation, target->file, target->fd, event);
	lock_release(&graph_lock);
	return result;
}

void epoll_file_closed(struct shim_file *file)
{
	if (!__atomic_load_n(&file->epoll_items, __ATOMIC_ACQUIRE)) /* nobody can add it any more */
		return;
	lock_acquire(&graph_lock);
	while (file->epoll_items)
		item_free(file->epoll_items->set, file->epoll_items);
	lock_release(&graph_lock);
}

void epoll_file_moved(struct shim_file *file)
{
	lock_acquire(&graph_lock);
	for (struct epoll_item *item = file->epoll_items; item; item = item->file_next) {
		lock_acquire(&item->set->lock);
		watch_set_remove(item->set->watches, &item->place);
		if (watch_set_add(item->set->watches, file_event_word(file), item, &item->place) < 0)
			log_line("abi: an epoll set has lost a file that moved: out of memory");
		ready_add(item->set, item); /* whatever happened in between */
		pollword_event(item->set->word, POLLIN);
		lock_release(&item->set->lock);
	}
	lock_release(&graph_lock);
}

/* ---- Collecting --------------------------------------------------------------------------------------------------------------------- */

/* Looks at one item; neither it nor its file can go away while the set is locked. */
static bool item_report(struct shim_thread *t, struct epoll_set *set, struct epoll_item *item, struct linux_epoll_event *to)
{
	u32 events = item_events(t, item);

	if (!events)
		return false;
	to->events = events;
	to->data = item->data;
	if (item->events & EPOLLONESHOT)
		item->events &= ITEM_PRIVATE;
	else if (!(item->events & EPOLLET))
		ready_add(set, item); /* level: it is looked at again */
	return true;
}

u32 epoll_collect(struct shim_thread *t, struct epoll_set *set, struct linux_epoll_event *events, u32 limit)
{
	struct epoll_item *item, *last;
	u32 count = 0;

	lock_acquire(&set->lock);
	watch_set_take(set->watches, notice_ready, set);
	last = set->ready_last;
	while (count < limit && (item = set->ready_first)) {
		ready_remove(set, item);
		if (item_report(t, set, item, &events[count]))
			count++;
		if (item == last)
			break;
	}
	lock_release(&set->lock);
	return count;
}

/* Whether epoll_wait would find something, for a poll on the set itself. */
static u32 epoll_ready(struct shim_thread *t, struct shim_file *file)
{
	struct epoll_set *set = file->data;
	struct epoll_item *item, *next;
	u32 level = 0;

	lock_acquire(&set->lock);
	watch_set_take(set->watches, notice_ready, set);
	for (item = set->ready_first; item && !level; item = next) {
		next = item->ready_next;
		if (item_events(t, item))
			level = POLL_READABLE;
		else
			ready_remove(set, item);
	}
	lock_release(&set->lock);
	return level;
}

static const volatile u32 *epoll_event_word(struct shim_file *file)
{
	return watch_set_word(((struct epoll_set *)file->data)->watches);
}

void epoll_set_destroy(struct epoll_set *set)
{
	lock_acquire(&graph_lock);
	for (u32 i = 0; i < set->buckets; i++)
		while (set->items[i])
			item_free(set, set->items[i]);
	lock_release(&graph_lock);
	watch_set_destroy(set->watches);
	pollword_free(set->word);
	heap_free(set->items);
	heap_free(set);
}

static void epoll_close(struct shim_file *file)
{
	epoll_set_destroy(file->data);
}

const struct shim_file_ops epoll_ops = {
	.name = "anon_inode:[eventpoll]",
	.event_word = epoll_event_word,
	.ready = epoll_ready,
	.close = epoll_close,
};

struct epoll_set *epoll_set_create(void)
{
	struct epoll_set *set = heap_alloc(sizeof(*set));

	if (!set)
		return NULL;
	set->buckets = BUCKETS_FIRST;
	set->items = heap_alloc(BUCKETS_FIRST * sizeof(*set->items));
	set->word = pollword_alloc();
	set->watches = watch_set_create();
	if (set->items && set->word && set->watches &&
	    watch_set_add(set->watches, &set->word->sequence, set, &set->word_place) == 0)
		return set;
	watch_set_destroy(set->watches);
	if (set->word)
		pollword_free(set->word);
	heap_free(set->items);
	heap_free(set);
	return NULL;
}
