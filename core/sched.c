/* Scheduling: see sched.h. Fair threads are ordered by virtual deadline (Stoica and Abdel-Wahab, EEVDF, 1995, without lag carrying). */
#include "sched.h"
#include "assert.h"
#include "cpu.h"
#include "thread.h"
#include "wait.h"
#include <arch/page.h>
#include <arch/time.h>
#include <arch/context.h>
#include <tessera/errno.h>

#define SLICE_FAIR 3000000ull          /* ns of real time between choices among fair threads */
#define SLICE_ROUND_ROBIN 100000000ull
#define TICK 4000000ull                /* ns between looks at what runs; a processor without work has none */
#define IDLE_POLL 50000ull             /* ns that a processor looks for work before it halts, if there are others which can make some */
#define POLL_SELDOM 64u                /* while that is in vain, only one time in so many */
#define FIXED_TICKS 238u               /* that threads of fixed priority run before fair ones that wait, and in the end */
#define FIXED_PARTS 19u                /* of 20 of the time: as on Linux (sched_rt_runtime_us) */
#define WEIGHT_DEFAULT 1024u
#define WEIGHT_MAX 100000u

u32 sched_priority(const struct thread *t)
{
	return t->priority > t->lent_priority ? t->priority : t->lent_priority;
}

/* ---- One queue, locked ------------------------------------------------------------------------------------------------------------- */

static struct thread *thread_of(const struct rb_node *node) { return container_of(node, struct thread, run_node); }

static bool deadline_before(const struct thread *a, const struct thread *b) { return (i64)(a->virtual_deadline - b->virtual_deadline) < 0; }

static bool fair_before(const struct rb_node *a, const struct rb_node *b) { return deadline_before(thread_of(a), thread_of(b)); }

/* The first fair thread stands beside the tree: two that run in turn never come into it. */
static void fair_insert(struct run_queue *q, struct thread *t)
{
	struct thread *behind = t;

	if (q->fair_first == NULL || deadline_before(t, q->fair_first)) {
		behind = q->fair_first;
		q->fair_first = t;
	}
	if (behind)
		rbtree_insert_ordered(&q->fair, &behind->run_node, fair_before);
}

static void fair_remove(struct run_queue *q, struct thread *t)
{
	struct rb_node *out = &t->run_node;

	if (t == q->fair_first) {
		out = rbtree_first(&q->fair);
		q->fair_first = out ? thread_of(out) : NULL;
	}
	if (out)
		rbtree_remove(&q->fair, out);
}

static inline __attribute__((always_inline)) void queue_insert(struct run_queue *q, struct thread *t, bool front)
{
	u32 priority = sched_priority(t);

	t->queued_priority = priority;
	t->queued = true;
	if (priority == 0) {
		fair_insert(q, t);
		return;
	}
	q->priorities[priority / 64] |= 1ull << (priority % 64);
	if (front)
		list_push_front(&q->fixed[priority], &t->run_link);
	else
		list_push_back(&q->fixed[priority], &t->run_link);
}

static void queue_remove(struct run_queue *q, struct thread *t)
{
	u32 priority = t->queued_priority;

	t->queued = false;
	if (priority == 0) {
		fair_remove(q, t);
		return;
	}
	list_remove(&t->run_link);
	if (list_empty(&q->fixed[priority]))
		q->priorities[priority / 64] &= ~(1ull << (priority % 64));
}

static struct thread *queue_first(struct run_queue *q)
{
	for (int i = 1; i >= 0; i--)
		if (q->priorities[i] && !(q->fair_turn && q->fair_first)) {
			u32 priority = (u32)i * 64 + 63 - (u32)__builtin_clzll(q->priorities[i]);
			return container_of(q->fixed[priority].next, struct thread, run_link);
		}
	return q->fair_first;
}

/* A fair thread that slept starts no earlier than the others are, less one slice so that it runs soon. */
static void fair_place(struct run_queue *q, struct thread *t)
{
	u64 earliest = q->virtual_time - SLICE_FAIR;

	if ((i64)(t->virtual_time - earliest) < 0)
		t->virtual_time = earliest;
	t->virtual_deadline = t->virtual_time + SLICE_FAIR * WEIGHT_DEFAULT / t->weight;
}

/* A thread in its queue, and one that runs. */
static bool runs_before(const struct thread *queued, const struct thread *runs)
{
	u32 other = sched_priority(runs);

	if (queued->queued_priority != other)
		return queued->queued_priority > other;
	return other == 0 && deadline_before(queued, runs);
}

/* ---- Time --------------------------------------------------------------------------------------------------------------------------------- */

static void account(struct thread *t)
{
	struct cpu *cpu = arch_cpu();
	struct tk_thread_page *page = t->page;
	nanos_t now = arch_nanos(), delta = now - t->accounted;

	t->accounted = now;
	if (t == cpu->idle)
		return;
	/* Whoever reads the times sees the mark before a change of them, and the new time after it. */
	__atomic_store_n(&page->running_since, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	page->run_nanos += delta;
	__atomic_store_n(&page->running_since, now, __ATOMIC_RELEASE);
	if (t->policy == TK_POLICY_FAIR) {
		t->virtual_time += delta * WEIGHT_DEFAULT / t->weight;
		if ((i64)(t->virtual_time - cpu->queue.virtual_time) > 0)
			cpu->queue.virtual_time = t->virtual_time;
	}
}

/* FIFO has none: a timer set to one that is over would come again at once, and for ever. */
static nanos_t slice_end(const struct thread *t) { return t->policy == TK_POLICY_FIFO ? NANOS_NEVER : t->slice_end; }

static void timer_program(struct cpu *cpu)
{
	nanos_t next = cpu->timers.next;

	if (cpu->current != cpu->idle && cpu->queue.running > 1 && slice_end(cpu->current) < next)
		next = slice_end(cpu->current);
	arch_timer_set(cpu->tick < next ? cpu->tick : next);
}

/* A tick of fixed priorities, or one that makes good for 19 of them. */
static void fixed_tick(struct run_queue *q, bool fixed)
{
	if (!fixed)
		q->fixed_ticks -= q->fixed_ticks < FIXED_PARTS ? q->fixed_ticks : FIXED_PARTS;
	else if (q->fixed_ticks < FIXED_TICKS)
		q->fixed_ticks++;
	q->fair_turn = q->fixed_ticks == FIXED_TICKS || (q->fair_turn && q->fixed_ticks);
}

void sched_tick(void)
{
	struct cpu *cpu = arch_cpu();
	struct thread *t = cpu->current;

	account(t);
	if (t->accounted >= cpu->tick) {
		cpu->tick = t == cpu->idle ? NANOS_NEVER : t->accounted + TICK;
		fixed_tick(&cpu->queue, sched_priority(t));
		if (t != cpu->idle && thread_in_application(t))
			t->page->ticks_user++;
		else
			t->page->ticks_system++;
	}
	if (t != cpu->idle && (t->accounted >= slice_end(t) || cpu->queue.fair_turn))
		cpu->reschedule = true;
	timer_program(cpu);
}

/* ---- Wake and switch --------------------------------------------------------------------------------------------------------------------------- */

/* Where a woken thread goes: where it ran, unless that processor is busy and another of its affinity idles. */
static struct cpu *choose_cpu(struct thread *t)
{
	struct cpu *last = cpus[t->cpu];

	/* Acquire: on_cpu is cleared by the processor that left the thread, after its state is saved. */
	if (cpu_count == 1 || __atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE))
		return last;
	if (t->affinity >> t->cpu & 1 && last->current == last->idle)
		return last;
	for (u32 i = 0; i < cpu_count; i++)
		if (t->affinity >> i & 1 && cpus[i]->queue.running == 0)
			return cpus[i];
	if (t->affinity >> t->cpu & 1)
		return last;
	return cpus[__builtin_ctzll(t->affinity)];
}

void sched_wake(struct thread *t)
{
	struct cpu *here = arch_cpu(), *cpu = choose_cpu(t);
	struct run_queue *q = &cpu->queue;

	spin_lock(&q->lock);
	t->cpu = cpu->id;
	t->state = THREAD_RUNNABLE;
	t->page->state = THREAD_RUNNABLE;
	if (t->policy == TK_POLICY_FAIR)
		fair_place(q, t);
	q->running++;
	queue_insert(q, t, false);
	/* The thread itself is still current when it is woken while its processor leaves it, and may have chosen another already. */
	const struct thread *current = cpu->current;
	bool leaves = current == cpu->idle || current == t || current->state != THREAD_RUNNABLE;
	bool preempts = leaves || runs_before(t, current);
	/* Among fair threads a call in a service is finished first, within the slice: what it holds would only stop the other. */
	bool later = !leaves && t->queued_priority == 0;
	bool second = q->running == 2; /* the one that runs had no end of its slice so far */
	spin_unlock(&q->lock);
	if (cpu == here && second && (later || !preempts))
		arch_timer_set(slice_end(current)); /* deadlines have had the timer since they were armed */
	if (!preempts && (cpu == here || !second))
		return;
	/* Sequentially consistent: see idle_poll. The thread stands in the queue. */
	__atomic_store_n(later ? &cpu->reschedule_later : &cpu->reschedule, true, __ATOMIC_SEQ_CST);
	if (cpu != here && !__atomic_load_n(&cpu->polling, __ATOMIC_SEQ_CST))
		arch_ipi_send(cpu->id, ARCH_IPI_RESCHEDULE);
}

/* A thread that may run here, taken from the fullest other queue, or the idle thread: the balancing of a processor without work. */
static struct thread *steal(struct cpu *cpu)
{
	struct cpu *busiest = NULL;

	for (u32 i = 0; i < cpu_count; i++)
		if (i != cpu->id && cpus[i]->queue.running > 1 && (!busiest || cpus[i]->queue.running > busiest->queue.running))
			busiest = cpus[i];
	if (busiest == NULL)
		return cpu->idle;
	struct thread *found = cpu->idle;
	spin_lock_two(&cpu->queue.lock, &busiest->queue.lock);
	struct thread *t = queue_first(&busiest->queue);
	if (t && t->affinity >> cpu->id & 1 && !__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE)) {
		queue_remove(&busiest->queue, t);
		busiest->queue.running--;
		cpu->queue.running++;
		t->virtual_time += cpu->queue.virtual_time - busiest->queue.virtual_time;
		t->virtual_deadline = t->virtual_time + SLICE_FAIR * WEIGHT_DEFAULT / t->weight;
		t->cpu = cpu->id;
		found = t;
	}
	spin_unlock_two(&cpu->queue.lock, &busiest->queue.lock);
	return found;
}

/* The previous thread goes back to the queue if it can run; the next one is taken out of it. Queue locked. */
static struct thread *choose(struct cpu *cpu, struct thread *previous)
{
	struct run_queue *q = &cpu->queue;

	if (previous->state == THREAD_RUNNABLE && !previous->queued && previous->affinity >> cpu->id & 1 && previous != cpu->idle) {
		/* Who is preempted goes on before his equals. */
		bool ends = cpu->yielding || previous->accounted >= slice_end(previous);
		if (previous->policy == TK_POLICY_FAIR)
			previous->virtual_deadline = previous->virtual_time + SLICE_FAIR * WEIGHT_DEFAULT / previous->weight;
		queue_insert(q, previous, !ends);
	} else if (previous != cpu->idle) {
		/* It waits; or thread_left sends it to a processor of its affinity; or it was woken before it was left, and counted once more. */
		q->running--;
	}
	cpu->yielding = false;
	struct thread *next = queue_first(q);
	if (next)
		queue_remove(q, next);
	return next;
}

void sched_switch(void)
{
	struct cpu *cpu = arch_cpu();
	struct thread *previous = cpu->current;

	cpu->reschedule = cpu->reschedule_later = false;
	account(previous);
	spin_lock(&cpu->queue.lock);
	struct thread *next = choose(cpu, previous);
	spin_unlock(&cpu->queue.lock);
	if (next == NULL)
		next = steal(cpu);
	next->slice_end = previous->accounted + (next->policy == TK_POLICY_ROUND_ROBIN ? SLICE_ROUND_ROBIN : SLICE_FAIR);
	if (next != previous) {
		if (previous->state == THREAD_RUNNABLE)
			previous->page->switches_forced++;
		else
			previous->page->switches_voluntary++;
		previous->page->running_since = 0;
		next->accounted = previous->accounted;
		if (next != cpu->idle) {
			next->page->running_since = next->accounted;
			if (cpu->tick == NANOS_NEVER)
				cpu->tick = next->accounted + TICK;
		}
		/* Relaxed: nobody else looks at it before the thread can be seen in a queue again. */
		__atomic_store_n(&next->on_cpu, 1, __ATOMIC_RELAXED);
		next->page->processor = cpu->id;
		arch_thread_switch(previous, next);
		cpu->current = next;
		thread_left(previous);
		if (next == cpu->idle) { /* whoever woke a thread in between compared it with the previous one */
			spin_lock(&cpu->queue.lock);
			if (queue_first(&cpu->queue))
				cpu->reschedule = true;
			spin_unlock(&cpu->queue.lock);
		}
	}
	timer_program(cpu);
}

void sched_yield(void)
{
	struct cpu *cpu = arch_cpu();

	if (cpu->current->policy == TK_POLICY_FAIR)
		cpu->current->virtual_time += SLICE_FAIR * WEIGHT_DEFAULT / cpu->current->weight / 4;
	cpu->yielding = cpu->reschedule = true;
}

/* Work that comes soon is found without an interrupt, which its waker then does not send, and without a halt. */
static void idle_poll(struct cpu *cpu)
{
	nanos_t end = arch_nanos() + IDLE_POLL;

	/* Sequentially consistent, against sched_wake: it sets `reschedule`, then looks at `polling`; here it is the other way round. */
	__atomic_store_n(&cpu->polling, true, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&cpu->reschedule, __ATOMIC_RELAXED) && arch_nanos() < end)
		arch_cpu_poll();
	__atomic_store_n(&cpu->polling, false, __ATOMIC_SEQ_CST);
	cpu->poll_mask = __atomic_load_n(&cpu->reschedule, __ATOMIC_SEQ_CST) ? cpu->poll_mask >> 1 : (cpu->poll_mask << 2 | 3) % POLL_SELDOM;
}

/* Until there may be something to do. An interrupt does not come back here: see trap_from_core. */
void cpu_idle(void);
void cpu_idle(void)
{
	struct cpu *cpu = arch_cpu();

	timer_program(cpu);
	arch_tlb_idle_enter();
	if (cpu_count > 1 && !(++cpu->idles & cpu->poll_mask))
		idle_poll(cpu);
	if (!__atomic_load_n(&cpu->reschedule, __ATOMIC_SEQ_CST))
		arch_cpu_idle();
	arch_tlb_idle_leave();
}

/* ---- Parameters --------------------------------------------------------------------------------------------------------------------------------- */

/* Changes fields of a thread that stand in the order of its queue. */
static void requeue(struct thread *t, void (*change)(struct thread *, u64), u64 value)
{
	struct run_queue *q;

	for (;;) { /* the thread may move while its queue's lock is awaited */
		q = &cpus[t->cpu]->queue;
		spin_lock(&q->lock);
		if (q == &cpus[t->cpu]->queue)
			break;
		spin_unlock(&q->lock);
	}
	bool queued = t->queued;
	if (queued)
		queue_remove(q, t);
	change(t, value);
	if (queued)
		queue_insert(q, t, false);
	spin_unlock(&q->lock);
}

static void change_policy(struct thread *t, u64 value)
{
	t->policy = value & 0xff;
	if (t->policy == TK_POLICY_FAIR) {
		t->weight = (u32)(value >> 8);
		t->priority = 0;
	} else {
		t->priority = (u32)(value >> 8);
	}
}

long sched_set_policy(struct thread *t, u64 value)
{
	u64 policy = value & 0xff, parameter = value >> 8;

	if (policy > TK_POLICY_ROUND_ROBIN || parameter == 0 || parameter > (policy == TK_POLICY_FAIR ? WEIGHT_MAX : 99))
		return -EINVAL;
	requeue(t, change_policy, value);
	if (t->state == THREAD_RUNNABLE) /* another may be first now */
		arch_cpu()->reschedule = true;
	return 0;
}

static void change_affinity(struct thread *t, u64 value) { t->affinity = value; }

long sched_set_affinity(struct thread *t, u64 mask)
{
	mask &= cpu_count == 64 ? ~0ull : (1ull << cpu_count) - 1;
	if (mask == 0)
		return -EINVAL;
	requeue(t, change_affinity, mask);
	if (!(mask >> t->cpu & 1)) {
		cpus[t->cpu]->reschedule = true;
		if (cpus[t->cpu] != arch_cpu())
			arch_ipi_send(t->cpu, ARCH_IPI_RESCHEDULE);
	}
	return 0;
}

static void change_lent(struct thread *t, u64 value) { t->lent_priority = (u32)value; }

void sched_lend(struct thread *owner, u32 priority)
{
	if (priority > sched_priority(owner))
		requeue(owner, change_lent, priority);
}

void sched_lend_end(struct thread *t)
{
	if (t->lent_priority) {
		requeue(t, change_lent, 0);
		arch_cpu()->reschedule = true;
	}
}

void sched_init_cpu(struct cpu *cpu)
{
	for (u32 i = 0; i < countof(cpu->queue.fixed); i++)
		list_init(&cpu->queue.fixed[i]);
	timer_init_cpu(cpu);
	arch_context_init_cpu(cpu);
	struct thread *idle = thread_create_boot();
	idle->resume = RESUME_IDLE;
	idle->state = THREAD_RUNNABLE;
	idle->cpu = cpu->id;
	idle->weight = 1;
	idle->client_root = cpu->arch.root;
	idle->on_cpu = 1;
	cpu->idle = cpu->current = idle;
	cpu->tick = NANOS_NEVER;
}
