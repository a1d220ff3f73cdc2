/* Deadlines of waits, and of looks at threads that must end: for each processor a tree by deadline; the processor's one timer is set for the first. */
#include "cpu.h"
#include "detach.h"
#include "thread.h"
#include "wait.h"
#include "sched.h"
#include <arch/time.h>
#include <tessera/errno.h>

static struct timer *timer_of(struct rb_node *node) { return container_of(node, struct timer, node); }
static bool timer_before(const struct rb_node *a, const struct rb_node *b)
{
	return container_of(a, struct timer, node)->deadline < container_of(b, struct timer, node)->deadline;
}
static struct thread *thread_of(struct timer *timer)
{
	return timer->look ? container_of(timer, struct thread, look) : container_of(timer, struct thread, wait.timer);
}

void timer_init_cpu(struct cpu *cpu)
{
	cpu->timers = (struct timer_queue){ .next = NANOS_NEVER };
}

void timer_arm(struct timer *timer, nanos_t deadline)
{
	struct cpu *cpu = arch_cpu();
	struct timer_queue *q = &cpu->timers;

	spin_lock(&q->lock);
	timer->deadline = deadline;
	timer->cpu = cpu->id;
	timer->armed = true;
	rbtree_insert_ordered(&q->timers, &timer->node, timer_before);
	spin_unlock(&q->lock);
	if (deadline < q->next)
		q->next = deadline;
}

void timer_disarm(struct timer *timer)
{
	struct timer_queue *q = &cpus[timer->cpu]->timers;

	spin_lock(&q->lock);
	if (timer->armed) {
		rbtree_remove(&q->timers, &timer->node);
		timer->armed = false;
	}
	spin_unlock(&q->lock);
}

/* At most this many waits end in one interrupt; the timer is set for the rest at once. */
#define EXPIRE_MAX 64

static bool expire_one(struct timer_queue *q, nanos_t now)
{
	spin_lock(&q->lock);
	struct rb_node *first = rbtree_first(&q->timers);
	if (first == NULL || timer_of(first)->deadline > now) {
		q->next = first ? timer_of(first)->deadline : NANOS_NEVER;
		spin_unlock(&q->lock);
		return false;
	}
	struct timer *timer = timer_of(first);
	struct thread *t = thread_of(timer);
	u32 serial = t->wait.serial;
	rbtree_remove(&q->timers, first);
	/* Relaxed: published by the next store. Whoever ends the wait otherwise sees `armed` cleared, so this set, before it goes on. */
	__atomic_fetch_add(&t->expiring, 1, __ATOMIC_RELAXED);
	/* Release: see above; wait_leave looks at it without the lock. */
	__atomic_store_n(&timer->armed, false, __ATOMIC_RELEASE);
	spin_unlock(&q->lock);
	if (timer->look)
		detach_look(t);
	else
		wait_cancel(t, serial, -ETIMEDOUT);
	/* Release: the thread is not touched any more. */
	__atomic_fetch_sub(&t->expiring, 1, __ATOMIC_RELEASE);
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
