/* tk_wait and tk_wake: buckets of waiters keyed by (space, address) or (object, offset), and the per-processor deadline queues. */
#ifndef CORE_WAIT_H
#define CORE_WAIT_H

#include <tessera/types.h>
#include <tessera/call.h>
#include "list.h"
#include "rbtree.h"
#include "spinlock.h"

struct thread;

struct wait_bucket {
	struct spinlock lock;
	bool marked;                /* it has its bit in wait.c's `used` */
	volatile u32 occupied;      /* waiters that stand in it or are about to: a waker that sees 0 need not lock */
	struct list waiters;        /* in order of arrival */
	struct list watches;
};

struct timer_queue {
	struct spinlock lock;
	struct rb_tree timers;      /* by deadline */
	nanos_t next;               /* none is earlier; it may be gone. Only its own processor uses it */
};
/* A deadline of a thread: of its wait, or of the next look at it (detach.c). */
struct timer {
	struct rb_node node;
	nanos_t deadline;
	u32 cpu;
	bool armed;                 /* in that processor's queue */
	bool look;
};
struct wait_key { u64 space, address; };

void wait_init(void);
/* The current thread; on 0 it is parked and the result comes with the wake (thread.result). Other results: not parked. */
/* Parks the current thread under a key while *word == expected (a word of the core): false when it differs. */
bool wait_park(struct thread *t, struct wait_key key, const volatile u32 *word, u32 expected);
struct wait_request { vaddr_t word; u32 expected, flags; nanos_t deadline; u32 bitset; };
long wait_begin(struct thread *t, const struct wait_request *request);
long wait_wake(struct thread *t, vaddr_t word, u32 count, u32 flags, u32 bitset);
long wait_requeue(struct thread *t, const struct tk_requeue *request);
/* The key of a word as thread t names it; or none, of space 0, with -EINVAL (alignment), -EPERM, -EFAULT, -EBUSY, -EACCES or -ECANCELED. */
struct wait_key wait_key(struct thread *t, vaddr_t word, u32 flags) must_check;
static inline long key_error(struct wait_key key) { return key.space ? 0 : (long)key.address; }
/* Wakes by key: words that the core itself writes. key_of_object: a word in an exported page. */
static inline struct wait_key wait_key_of_object(frame_t frame, u32 offset) { return (struct wait_key){ 1ull << 41 | frame, offset }; }
long wait_wake_key(struct wait_key key, u32 count, u32 bitset);
/* Ends the wait of one thread (interrupt, deadline, domain failure): true if it was waiting. serial 0: whichever wait it is in. */
bool wait_cancel(struct thread *t, u32 serial, long result);
/* Keeps a thread that waits in its wait, and off every processor, until wait_hold_end; NULL: it does not wait. Takes a bucket's lock. */
struct wait_bucket *wait_hold(struct thread *t);
void wait_hold_end(struct wait_bucket *held);
/* What a domain, or TK_EVERYONE, waits for in a page that it no longer holds wakes with -ECANCELED. A private word of a client is its
 * address alone, mapped or not. */
void wait_cancel_object(frame_t frame, u32 domain);
/* timer.c: deadlines of threads, a queue for each processor */
struct cpu;
void timer_init_cpu(struct cpu *cpu);
void timer_arrived(void);
void timer_arm(struct timer *timer, nanos_t deadline);
void timer_disarm(struct timer *timer);
/* watch.c */
long watch_set(struct thread *t, vaddr_t table, u32 index, vaddr_t sequence, u64 cookie);
long watch_clear(struct thread *t, vaddr_t table, u32 index);
void watch_wake(struct wait_key key, u32 depth); /* puts the cookies of a word's watches into their queues; no lock held */
long watch_table_create(u32 caller, const struct tk_object_create *request) must_check;
long watch_table_destroy(void *object) must_check;
long wait_wake_waiters(struct wait_key key, u32 count, u32 bitset);
struct wait_bucket *wait_bucket_lock(struct wait_key key);

#endif
