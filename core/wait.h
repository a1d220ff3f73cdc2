/* tk_wait and tk_wake: buckets of waiters keyed by (space, address) or (object, offset), and the per-processor deadline queues. */
#ifndef CORE_WAIT_H
#define CORE_WAIT_H

#include <tessera/types.h>
#include <tessera/call.h>
#include "list.h"
#include "spinlock.h"

struct thread;

struct wait_bucket {
	struct spinlock lock;
	struct list_node waiters;   /* in order of arrival */
	struct list_node watches;
};

void wait_init(void);
/* The current thread; on 0 it is parked and the result comes with the wake (thread.result). Other results: not parked. */
long wait_begin(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset);
long wait_wake(const volatile u32 *word, u32 count, u32 flags, u32 bitset);
long wait_requeue(const struct tk_requeue *request);
/* Wakes by kernel key: words of exported pages and interrupt words, written by the core itself. */
void wait_wake_object(frame_t frame, u32 offset, u32 count);
/* Ends the wait of one thread (interrupt, domain failure): true if it was waiting. */
bool wait_cancel(struct thread *t, long result);
/* Everything that waits in an object's page, or in a range of an address space, wakes with -ECANCELED. */
void wait_cancel_object(frame_t frame);
void wait_cancel_range(u64 space, vaddr_t start, u64 size);
/* timer.c */
void timer_arrived(void);
void timer_arm(struct thread *t, nanos_t deadline);
void timer_disarm(struct thread *t);
nanos_t timer_next(void);

#endif
