/* Deadlines of waits: for each processor a tree by deadline; the processor's one timer is set for the first. */
#include "cpu.h"
#include "thread.h"
#include "wait.h"
#include "sched.h"
#include <arch/time.h>
#include <tessera/errno.h>

static struct thread *thread_of(struct rb_node *node) { return container_of(node, struct thread, wait.timer_node); }

void timer_init_cpu(struct cpu *cpu)
{
	cpu->timers = (struct timer_queue){ { 0 }, { NULL } };
}

void timer_arm(struct thread *t, nanos_t deadline)
{
	struct cpu *cpu = arch_cpu();
	struct timer_queue *q = &cpu->timers;
	struct rb_node *parent = NULL;
	int side = 0;

	spin_lock(&q->lock);
	struct rb_node **link = &q->waits.root;
	while (*link) {
		parent = *link;
		side = deadline >= thread_of(parent)->wait.deadline;
		link = &parent->child[side];
	}
	t->wait.deadline = deadline;
	t->wait.timer_cpu = cpu->id;
	t->wait.armed = true;
	rbtree_insert(&q->waits, &t->wait.timer_node, parent, side);
	spin_unlock(&q->lock);
}

void timer_disarm(struct thread *t)
{
	struct timer_queue *q = &cpus[t->wait.timer_cpu]->timers;

	/* Acquire: see expire_one. */
	if (!__atomic_load_n(&t->wait.armed, __ATOMIC_ACQUIRE))
		return;
	spin_lock(&q->lock);
	if (t->wait.armed) {
		rbtree_remove(&q->waits, &t->wait.timer_node);
		t->wait.armed = false;
	}
	spin_unlock(&q->lock);
}

nanos_t timer_next(void)
{
	struct timer_queue *q = &arch_cpu()->timers;
	nanos_t next = NANOS_NEVER;

	spin_lock(&q->lock);
	struct rb_node *first = rbtree_first(&q->waits);
	if (first)
		next = thread_of(first)->wait.deadline;
	spin_unlock(&q->lock);
	return next;
}

/* At most this many waits end in one interrupt; the timer is set for the rest at once. */
#define EXPIRE_MAX 64

static bool expire_one(struct timer_queue *q, nanos_t now)
{
	spin_lock(&q->lock);
	struct rb_node *first = rbtree_first(&q->waits);
	if (first == NULL || thread_of(first)->wait.deadline > now) {
		spin_unlock(&q->lock);
		return false;
	}
	struct thread *t = thread_of(first);
	u32 serial = t->wait.serial;
	rbtree_remove(&q->waits, first);
	/* Relaxed: published by the next store. Whoever ends the wait otherwise sees `armed` cleared, so this set, before it goes on. */
	__atomic_store_n(&t->wait.expiring, 1, __ATOMIC_RELAXED);
	/* Release: see above; timer_disarm may look at it without the lock. */
	__atomic_store_n(&t->wait.armed, false, __ATOMIC_RELEASE);
	spin_unlock(&q->lock);
	wait_cancel(t, serial, -ETIMEDOUT);
	/* Release: the thread is not touched any more. */
	__atomic_store_n(&t->wait.expiring, 0, __ATOMIC_RELEASE);
	return true;
}

void timer_arrived(void)
{
	struct timer_queue *q = &arch_cpu()->timers;
	nanos_t now = arch_nanos();

	for (u32 i = 0; i < EXPIRE_MAX && expire_one(q, now); i++)
		;
	sched_tick();
}
