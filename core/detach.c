/*
 * Detaching: see detach.h and docs/decisions/008, 027. Looks come from a timer, but are counted by the thread itself on its way out of the
 * core: so a look counts only when its thread could run since the last one, whatever else the machine has to do.
 */
#include "detach.h"
#include "cpu.h"
#include "domain.h"
#include "frame.h"
#include "sched.h"
#include "thread.h"
#include "wait.h"
#include <arch/page.h>
#include <arch/time.h>
#include <tessera/errno.h>

#define ORPHANS_MAX 16u
#define LOOK_NANOS 5000000ull
#define GRACE_LOOKS 5u      /* of a killed thread, in all its calls; after that each is left at the second look */
#define RUN_LOOKS 400u     /* of an orphan in one domain: 2 s of running ... */
#define START_LOOKS 6000u   /* of the start of a unit: 30 s */
#define WAIT_LOOKS 400u    /* ... or of waiting */
#define ORPHAN_WEIGHT 64u   /* of 1024: nobody waits for it */

static struct thread *orphans;               /* ORPHANS_MAX pages */
static u64 orphans_free = (1ull << ORPHANS_MAX) - 1;
static struct tk_thread_page orphan_page = { .interrupt = TK_INTERRUPT_KILL }; /* of all: their waits end, nobody reads the rest */

static struct thread *orphan_of(u32 index) { return (struct thread *)((char *)orphans + index * PAGE_SIZE); }

void detach_prepare(void)
{
	orphans = frame_address((frame_t)(frame_boot_alloc(ORPHANS_MAX) >> PAGE_SHIFT));
}

bool detach_is_orphan(const struct thread *t) { return (u64)t - (u64)orphans < ORPHANS_MAX * PAGE_SIZE; }

static struct thread *orphan_take(void)
{
	u64 free = __atomic_load_n(&orphans_free, __ATOMIC_RELAXED);

	/* Acquire: its last user has left it. */
	while (free && !__atomic_compare_exchange_n(&orphans_free, &free, free & (free - 1), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		;
	return free ? orphan_of((u32)__builtin_ctzll(free)) : NULL;
}

void detach_orphan_return(struct thread *t)
{
	while (__atomic_load_n(&t->expiring, __ATOMIC_ACQUIRE))
		arch_tlb_serve();
	__atomic_fetch_or(&orphans_free, 1ull << (((u64)t - (u64)orphans) >> PAGE_SHIFT), __ATOMIC_RELEASE);
}

/*
 * The first call that the thread is no longer to be in, maybe the one that it waits to make, just above its top: of a killed one any that its
 * shim made, else one whose deadline is over. NULL: none.
 */
static struct activation *call_unwanted(struct thread *t)
{
	nanos_t next = NANOS_NEVER, now = arch_nanos();
	struct activation *first = NULL;

	if (t->dying)
		return t->activations + (t->activations[0].domain == abi_domain);
	for (struct activation *a = t->top; a >= t->activations; a--) {
		nanos_t deadline = a->kind & ACTIVATION_TIMED ? t->deadlines[a - t->activations] : NANOS_NEVER;
		next = deadline < next ? deadline : next;
		first = deadline <= now ? a + 1 : first;
	}
	t->deadline = next;
	t->looks = first ? t->looks : 0;
	return first;
}

/* ---- Leaving ----------------------------------------------------------------------------------------------------------------------- */

static void orphan_init(struct thread *o, struct thread *t, const struct activation *from)
{
	u32 count = (u32)(t->top + 1 - from);

	__builtin_memset(o, 0, sizeof(*o));
	thread_init(o, &orphan_page, NULL);
	arch_thread_continue(o, t);
	o->origin = t;
	o->id = t->id;
	o->badge = t->badge;
	o->frame = t->frame;
	o->owner = t->owner;
	o->state = THREAD_WAITING;
	o->weight = ORPHAN_WEIGHT;
	o->virtual_time = t->virtual_time;
	o->accounted = arch_nanos();
	o->domain = t->domain;
	o->resume = t->resume;
	o->resume_ip = t->resume_ip;
	o->resume_sp = t->resume_sp;
	o->result = t->result;
	o->pending_number = t->pending_number;
	__builtin_memcpy(o->outs, t->outs, sizeof(o->outs));
	__builtin_memcpy(o->pending, t->pending, sizeof(o->pending));
	__builtin_memcpy(o->activations, from, count * sizeof(*from));
	o->top = o->activations + count - 1;
	o->activations[0].caller = NULL;
	o->activations[0].kind = ACTIVATION_ORPHAN | (from->kind & ACTIVATION_VECTOR);
	o->activations[0].bulk_count = 0;
}

static void call_leave(struct thread *t, struct activation *from, long error)
{
	struct thread *o = orphan_take();

	if (o == NULL)
		return; /* one of them ends within its budget: the next look finds it */
	orphan_init(o, t, from);
	for (const struct activation *a = o->activations; a <= o->top; a++)
		if (a->stack != STACK_OF_THREAD && a->generation == a->domain->generation)
			a->domain->stack_users[a->stack] = o;
	/* Relaxed: this thread's own life keeps it above. */
	__atomic_fetch_add(&t->lives, 1, __ATOMIC_RELAXED);
	t->page->left_calls++;
	/* A fault is tried again, after what the interrupt word says. */
	activation_abandon(t, from, activation_kind(from->kind) == ACTIVATION_FAULT ? 0 : error);
	detach_look(o);
	sched_wake(o);
}

/* ---- Looks -------------------------------------------------------------------------------------------------------------------------- */

/* The next look at the thread is made in time, and none at one that has ended. True: it is to be looked at now, too. */
static bool look_plan(struct thread *t)
{
	nanos_t now = arch_nanos();

	spin_lock(&t->look_lock);
	bool always = t->dying || t->origin || t->starting, due = always || t->deadline <= now, ended = t->state == THREAD_EXITED;
	nanos_t next = ended ? NANOS_NEVER : due ? now + LOOK_NANOS : t->deadline;
	if (next == NANOS_NEVER) {
		timer_disarm(&t->look);
	} else if (!t->look.armed || next < t->look.deadline) { /* never later: a service could put off its client's kill */
		timer_disarm(&t->look);
		timer_arm(&t->look, next);
		arch_timer_set(next);
	}
	spin_unlock(&t->look_lock);
	return due && !ended;
}

void detach_look(struct thread *t)
{
	if (!look_plan(t))
		return;
	__atomic_store_n(&t->look_due, true, __ATOMIC_SEQ_CST);
	/* A wait that no interrupt ends is left too: whoever waits so looks at the word again. */
	if (wait_cancel(t, 0, -EINTR) || wait_cancel(t, 0, 0) || (!t->origin && stack_wait_end(t)))
		t->look_waited = true;
	else if (__atomic_load_n(&t->on_cpu, __ATOMIC_SEQ_CST) && t->cpu != arch_cpu()->id)
		arch_ipi_send(t->cpu, ARCH_IPI_RESCHEDULE);
}

void detach_end(struct thread *t)
{
	t->state = THREAD_EXITED;
	(void)look_plan(t);
}

void detach_start_begin(struct thread *t)
{
	t->starting = true;
	t->looks = 0;
	detach_look(t);
}

void detach_start_end(struct thread *t)
{
	t->starting = false;
	(void)look_plan(t);
}

long detach_deadline(struct thread *t, nanos_t when)
{
	if (t->starting || t->origin) /* its budget is in looks, too, and not to be begun anew */
		return -EBUSY;
	t->top->kind = (t->top->kind & ~(u32)ACTIVATION_TIMED) | (when == NANOS_NEVER ? 0 : ACTIVATION_TIMED);
	t->deadlines[t->top - t->activations] = when;
	(void)call_unwanted(t); /* the thread's deadline is this one, or another */
	if (when != NANOS_NEVER) /* a look that is planned already may come for nothing */
		(void)look_plan(t);
	return 0;
}

static void start_look(struct thread *t)
{
	if (++t->looks < START_LOOKS)
		return;
	t->looks = 0;
	for (const struct activation *a = t->activations; a <= t->top; a++)
		if (activation_kind(a->kind) == ACTIVATION_START)
			domain_fail(a->domain, TK_FAULT_HUNG, false, 0, 0);
}

/*
 * The orphan was found running or waiting: more often than its budget allows, and a domain has failed. Which: that of the deepest call
 * that the last look found too. Who calls others without end is found in one of them, but each time in a new call.
 */
static void orphan_look(struct thread *t, bool waited)
{
	struct domain *d = NULL;

	for (struct activation *a = t->activations; a <= t->top; a->kind |= ACTIVATION_LOOKED, a++)
		if (a->kind & ACTIVATION_LOOKED)
			d = a->domain;
	if (++*(waited ? &t->looks_waiting : &t->looks) < (waited ? WAIT_LOOKS : RUN_LOOKS) || d == NULL || d->class == 0)
		return;
	t->looks = t->looks_waiting = 0;
	domain_fail(d, TK_FAULT_HUNG, waited, 0, d == t->domain && t->resume == RESUME_CALL ? t->resume_ip : 0);
}

void detach_look_taken(struct thread *t)
{
	bool waited = t->look_waited;

	t->look_due = t->look_waited = false;
	if (t->origin)
		return orphan_look(t, waited);
	if (t->starting)
		return start_look(t);
	struct activation *a = call_unwanted(t);
	long error = t->dying ? -EINTR : -ETIMEDOUT;
	if (a == NULL || t->domain == NULL)
		return;
	if (a <= t->top && t->domain->class) { /* code of class IC0 runs to its end: it is part of the core's trust */
		bool again = a->kind & ACTIVATION_LOOKED;
		a->kind |= ACTIVATION_LOOKED;
		t->looks += again;
		if (again && t->looks >= GRACE_LOOKS)
			call_leave(t, a, error);
	} else if (t->resume == RESUME_RETRY && ++t->looks >= GRACE_LOOKS) {
		call_answer(t, error);
	}
}
