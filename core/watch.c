/*
 * Watches: a wake on a watched word puts a cookie into its watcher's ready queue. A queue's tail may be watched itself (nested sets);
 * how deep a wake is passed on is bounded by TK_WATCH_DEPTH.
 */
#include "wait.h"
#include "cpu.h"
#include "domain.h"
#include "thread.h"
#include "token.h"
#include <tessera/errno.h>

struct watch {
	struct list link;       /* in a bucket; guarded by its lock */
	struct wait_key key;
	u64 cookie;
	u32 index;
	bool armed;             /* guarded by the table's lock */
	struct watch_table *table;
};

struct watch_table {            /* private part */
	struct spinlock lock;   /* guards arming; taken before a bucket's */
	struct spinlock queue;  /* guards tail; taken after a bucket's */
	struct tk_watch_page *page;
	frame_t frame;
	u32 tail;               /* the core's own */
	struct watch watches[TK_WATCHES_IN_TABLE];
};
_Static_assert(sizeof(struct watch_table) <= PAGE_SIZE, "one frame");

long watch_table_create(u32 caller, const struct tk_object_create *request)
{
	struct watch_table *table = frame_address(request->frames[1]);

	(void)caller;
	table->page = frame_address(request->frames[0]);
	table->frame = request->frames[0];
	for (u32 i = 0; i < TK_WATCHES_IN_TABLE; i++) {
		table->watches[i].index = i;
		table->watches[i].table = table;
		list_init(&table->watches[i].link);
	}
	return 0;
}

/* The tables whose queues a wake filled, to be woken when no bucket is locked. */
struct told { frame_t frames[16]; u32 count; };

static void ready_put(struct watch *w, struct told *told)
{
	struct watch_table *table = w->table;
	struct tk_watch_page *page = table->page;

	/* Relaxed: the flag only keeps a cookie from standing in the queue twice; its owner is told again by the sequence of the word. */
	if (__atomic_exchange_n(&page->queued[w->index], 1, __ATOMIC_RELAXED))
		return;
	spin_lock(&table->queue);
	page->ready[table->tail % TK_READY_ENTRIES] = w->cookie;
	/* Release: the entry is written before the tail that shows it. */
	__atomic_store_n(&page->tail, ++table->tail, __ATOMIC_RELEASE);
	spin_unlock(&table->queue);
	if (told->count < countof(told->frames))
		told->frames[told->count++] = table->frame;
}

static void fire(struct wait_bucket *b, struct wait_key key, struct told *told)
{
	list_each(node, &b->watches) {
		struct watch *w = container_of(node, struct watch, link);
		if (w->key.space == key.space && w->key.address == key.address)
			ready_put(w, told);
	}
}

void watch_wake(struct wait_key key, u32 depth)
{
	struct told told = { .count = 0 };
	struct wait_bucket *b = wait_bucket_lock(key);

	fire(b, key, &told);
	spin_unlock(&b->lock);
	for (u32 i = 0; i < told.count; i++) {
		struct wait_key tail = wait_key_of_object(told.frames[i], offsetof(struct tk_watch_page, tail));
		wait_wake_waiters(tail, ~0u, ~0u);
		if (depth < TK_WATCH_DEPTH)
			watch_wake(tail, depth + 1);
	}
}

/* ---- Arming -------------------------------------------------------------------------------------------------------------------------------- */

static void disarm(struct watch *w)
{
	if (!w->armed)
		return;
	struct wait_bucket *b = wait_bucket_lock(w->key);
	list_remove(&w->link);
	spin_unlock(&b->lock);
	w->armed = false;
}

static void arm(struct watch *w, struct wait_key key, u64 cookie)
{
	struct wait_bucket *b = wait_bucket_lock(key);

	w->key = key;
	w->cookie = cookie;
	w->armed = true;
	list_push_back(&b->watches, &w->link);
	spin_unlock(&b->lock);
}

/* A key of no space: the watch is only taken off. */
static long watch_change(struct thread *t, vaddr_t token, u32 index, struct wait_key key, u64 cookie)
{
	struct watch_table *table = index < TK_WATCHES_IN_TABLE ? token_pin(t->domain, token, TK_OBJECT_WATCHES) : NULL;

	if (table == NULL)
		return -EINVAL;
	spin_lock(&table->lock);
	disarm(&table->watches[index]);
	if (key.space)
		arm(&table->watches[index], key, cookie);
	spin_unlock(&table->lock);
	token_unpin(t->domain, token);
	return 0;
}

long watch_set(struct thread *t, vaddr_t token, u32 index, vaddr_t sequence, u64 cookie)
{
	struct wait_key key = wait_key(t, sequence, 0);

	return key.space ? watch_change(t, token, index, key, cookie) : key_error(key);
}

long watch_clear(struct thread *t, vaddr_t token, u32 index)
{
	return watch_change(t, token, index, (struct wait_key){ 0, 0 }, 0);
}

long watch_table_destroy(void *object)
{
	struct watch_table *table = object;

	for (u32 i = 0; i < TK_WATCHES_IN_TABLE; i++)
		disarm(&table->watches[i]);
	return 0;
}
