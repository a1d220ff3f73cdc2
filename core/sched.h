/*
 * The one policy of the core: per-processor run queues, FIFO and round robin (priorities 1 to 99) above one fair class
 * (earliest virtual deadline first, weights). A queue is guarded by its own lock; two are locked in order of processor.
 */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include <tessera/types.h>
#include "rbtree.h"
#include "list.h"
#include "spinlock.h"

struct thread;
struct cpu;

struct run_queue {
	struct spinlock lock;
	u32 running;                  /* runnable threads, the current one included */
	u64 priorities[2];            /* bit p: a thread of priority p is queued */
	struct list fixed[100];  /* FIFO and round robin */
	struct thread *fair_first;    /* of the fair threads; NULL: none */
	struct rb_tree fair;          /* the others, by virtual_deadline */
	u64 virtual_time;             /* of the fair class */
	u32 fixed_ticks;              /* that fixed priorities have had beyond their part of the time */
	bool fair_turn;               /* they were too many: until it is made good fair threads come first */
};

void sched_init_cpu(struct cpu *cpu);
/* Makes a thread runnable on a processor of its affinity; may send a reschedule IPI. */
void sched_wake(struct thread *t);
/* The current thread stops running (its state says why) or its slice ends: chooses the next and makes it current. Runs on the core
 * stack; the caller then leaves the core through arch_resume. */
void sched_switch(void);
void sched_yield(void);
void sched_tick(void);    /* the slice of the current thread may have ended */
/* Priority inheritance: the owner of a lock runs at least at this priority until it wakes a waiter. */
void sched_lend(struct thread *owner, u32 priority);
void sched_lend_end(struct thread *t);
u32 sched_priority(const struct thread *t); /* 0: fair */
long sched_set_policy(struct thread *t, u64 value);
long sched_set_affinity(struct thread *t, u64 mask);

#endif
