/* Thread objects: creation from frames, start, interruption, end. Ids are dense indices of a table. */
#include "thread.h"
#include "cpu.h"
#include "detach.h"
#include "domain.h"
#include "frame.h"
#include "sched.h"
#include "token.h"
#include "vspace.h"
#include "wait.h"
#include <arch/context.h>
#include <arch/page.h>
#include <arch/time.h>
#include <tessera/errno.h>

static struct spinlock ids_lock;
static struct thread *threads[THREADS_MAX]; /* by id; guarded by ids_lock */
static u32 ids_next = 1;

/* Stacks of applications' threads in the abi unit stand behind its pool's 64. */
static vaddr_t stack_top(u32 id) { return abi_domain->stack_tops + (64 + (u64)id) * TK_STACK_STRIDE; }
static vaddr_t stack_bottom(u32 id) { return stack_top(id) - TK_STACK_SIZE; }
#define STACK_FRAMES (TK_STACK_SIZE / PAGE_SIZE)

static u32 id_take(struct thread *t)
{
	u32 id = 0;

	spin_lock(&ids_lock);
	for (u32 tried = 1; tried < THREADS_MAX && id == 0; tried++) {
		if (threads[ids_next] == NULL)
			id = ids_next;
		ids_next = ids_next + 1 < THREADS_MAX ? ids_next + 1 : 1;
	}
	if (id)
		threads[id] = t;
	t->badge = (u64)id << 32;
	spin_unlock(&ids_lock);
	return id;
}

static void id_return(u32 id)
{
	spin_lock(&ids_lock);
	threads[id] = NULL;
	spin_unlock(&ids_lock);
}

void thread_lend(const struct domain *d, u32 stack, u32 priority)
{
	u32 index = (stack - (u32)(d->stack_tops / TK_STACK_STRIDE) + 1) & 0x3fffffff;
	struct thread *t = NULL;

	spin_lock(&ids_lock); /* a thread that stands in the table can't be destroyed meanwhile; an orphan's page is never another's */
	if (index < d->stack_count)
		t = d->stack_users[index];
	else if (d == abi_domain && index - 64 < THREADS_MAX)
		t = threads[index - 64];
	if (t && (detach_is_orphan(t) || (t->id < THREADS_MAX && threads[t->id] == t)))
		sched_lend(t, priority);
	spin_unlock(&ids_lock);
}

void thread_init(struct thread *t, struct tk_thread_page *page, struct arch_vector *vector)
{
	arch_thread_init(t, vector);
	t->page = page;
	t->top = t->activations - 1;
	t->state = THREAD_NEW;
	t->policy = TK_POLICY_FAIR;
	t->weight = 1024;
	t->affinity = ~0ull;
	t->client_root = arch_kernel_root;
	t->cpu = arch_cpu()->id;
	t->look.look = true;
	t->deadline = NANOS_NEVER;
	list_init(&t->stack_link);
}

struct thread *thread_create_boot(void)
{
	struct thread *t = frame_address((frame_t)(frame_boot_alloc(1) >> PAGE_SHIFT));
	frame_t frame = (frame_t)(frame_boot_alloc(1) >> PAGE_SHIFT);

	thread_init(t, frame_address(frame), NULL);
	t->frame = frame;
	t->id = t->page->id = id_take(t);
	return t;
}

/* ---- The stack in the shim ---------------------------------------------------------------------------------------------------------- */

/* The stack, and the thread's page in the shim's window, with one flush. */
static void shim_side_unmap(struct thread *t)
{
	struct domain *d = abi_domain;
	vaddr_t pages[STACK_FRAMES + 1];
	u32 count = 0;

	spin_lock(&d->lock);
	for (; count < STACK_FRAMES; count++) {
		pages[count] = stack_bottom(t->id) + count * PAGE_SIZE;
		arch_page_unmap(d->root, pages[count]);
	}
	spin_unlock(&d->lock);
	if (t->owner != d->id && window_replace_dead(d, t->frame))
		pages[count++] = d->window + (u64)t->frame * PAGE_SIZE;
	arch_tlb_flush_list(ARCH_TLB_EVERYONE, pages, count);
}

static long stack_map(struct thread *t, const frame_t *frames)
{
	struct domain *d = abi_domain;
	long error = 0;

	spin_lock(&d->lock);
	for (u32 i = 0; i < STACK_FRAMES && error == 0; i++)
		error = arch_page_map(d->root, stack_bottom(t->id) + i * PAGE_SIZE, frames[i], domain_page_flags(d, ARCH_PAGE_WRITE));
	spin_unlock(&d->lock);
	if (error)
		shim_side_unmap(t);
	return error;
}

/* ---- Creation and end ------------------------------------------------------------------------------------------------------------------ */

static u32 vector_frames(void) { return (u32)((arch_vector_size + PAGE_SIZE - 1) / PAGE_SIZE); }

/* It becomes an application's thread in an address space, which counts it already. */
static void application_join(struct thread *t, struct vspace *space)
{
	t->vspace = space;
	t->client_root = space->root;
	t->stack_top = stack_top(t->id);
	t->application = true;
	activation_base_reset(t);
}

static long application_init(struct thread *t, u32 caller, const struct tk_object_create *r)
{
	struct vspace *space = vspace_reference(&domains[caller], r->vspace);
	if (space == NULL)
		return -EINVAL;
	long error = stack_map(t, &r->frames[2 + vector_frames()]);
	if (error)
		vspace_unreference(space);
	else
		application_join(t, space);
	return error;
}

long thread_create(u32 caller, const struct tk_object_create *r)
{
	struct thread *t = frame_address(r->frames[1]);
	long error = 0;

	/* Only frames that are counted were claimed: the others in the request are just numbers. */
	if (r->argument > 0xffffffff || r->frame_count != 2 + (r->vspace ? vector_frames() + STACK_FRAMES : 0))
		return -EINVAL;
	struct arch_vector *vector = r->vspace ? frame_address(r->frames[2]) : NULL;
	thread_init(t, frame_address(r->frames[0]), vector);
	t->frame = r->frames[0];
	t->owner = caller;
	t->main_argument = (u32)r->argument;
	t->id = id_take(t);
	if (t->id == 0)
		return -EAGAIN;
	if (r->vspace)
		error = application_init(t, caller, r);
	if (error)
		id_return(t->id);
	else
		t->page->id = t->id;
	return error;
}

/* It was not started, or its end is told, which the last who leaves it does a moment before it is gone: see thread_ended. */
static bool thread_gone(const struct thread *t)
{
	/* Acquire: what its processors wrote before they left it is seen. */
	while (__atomic_load_n(&t->lives, __ATOMIC_ACQUIRE) == 1)
		arch_tlb_serve();
	return t->lives == 0;
}

/* A thread that does not run: no timer will look at it any more. */
static void thread_settle(struct thread *t)
{
	detach_end(t);
	while (__atomic_load_n(&t->expiring, __ATOMIC_ACQUIRE)) /* a few hundred instructions with interrupts off */
		arch_tlb_serve();
}

long thread_destroy(void *thread)
{
	struct thread *t = thread;

	if (!thread_gone(t))
		return -EBUSY;
	thread_settle(t);
	if (t->application) {
		shim_side_unmap(t);
		vspace_unreference(t->vspace);
	}
	id_return(t->id);
	return 0;
}

/* Keeps the frames, the id and the stack in the shim, which no other unit has seen; all that was of the old thread goes. */
static void thread_clear(struct thread *t)
{
	struct tk_thread_page *page = t->page;
	struct arch_vector *vector = t->arch.vector;
	u32 id = t->id, owner = t->owner;
	frame_t frame = t->frame;

	spin_lock(&ids_lock); /* thread_lend finds it by its id */
	__builtin_memset(t, 0, sizeof(*t));
	thread_init(t, page, vector);
	t->frame = frame;
	t->owner = owner;
	t->id = id;
	t->badge = (u64)id << 32;
	spin_unlock(&ids_lock);
	arch_page_zero(page);
	page->id = id;
}

long thread_renew(void *thread, u32 caller, vaddr_t vspace)
{
	struct thread *t = thread;

	/* Only an application's thread has all that a new one needs. */
	if (!t->application || t->state != THREAD_EXITED || !thread_gone(t))
		return -EBUSY;
	struct vspace *space = vspace_reference(&domains[caller], vspace);
	if (space == NULL)
		return -EINVAL;
	/* Commit. */
	thread_settle(t);
	vspace_unreference(t->vspace);
	thread_clear(t);
	application_join(t, space);
	return 0;
}

long thread_start(struct thread *t)
{
	u32 expected = THREAD_NEW;

	/* One starter wins. */
	if (!__atomic_compare_exchange_n(&t->state, &expected, THREAD_WAITING, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return -EBUSY;
	t->lives = 2;
	if (t->application) {
		t->resume = RESUME_USER;
		t->attention &= ~(u32)ATTENTION_RESULT;
	} else {
		struct tk_request request = { .args = { t->main_argument }, .interface = TK_INTERFACE_CORE, .op = TK_UPCALL_MAIN,
			.thread = t->id };
		long error = activation_upcall(t, &domains[t->owner], ACTIVATION_MAIN, &request);
		if (error) {
			t->lives = 0;
			__atomic_store_n(&t->state, THREAD_NEW, __ATOMIC_RELEASE);
			return error;
		}
	}
	t->accounted = arch_nanos();
	sched_wake(t);
	return 0;
}

void thread_exit_current(struct thread *t)
{
	detach_end(t);
	arch_cpu()->reschedule = true;
}

/* A thread that has ended was left. The last of it and its orphans tells: nothing of it is touched after that. */
static void thread_ended(struct thread *t)
{
	struct thread *origin = t->origin ? t->origin : t;
	struct wait_key own = wait_key_of_object(origin->frame, offsetof(struct tk_thread_page, state));

	if (t->origin)
		detach_orphan_return(t);
	/* Acquire and release: what the others did is over. */
	if (__atomic_sub_fetch(&origin->lives, 1, __ATOMIC_ACQ_REL) > 1)
		return;
	struct wait_key word = { origin->exit_space, origin->exit_address };
	origin->page->state = THREAD_EXITED;
	__atomic_store_n(&origin->lives, 0, __ATOMIC_RELEASE);
	wait_wake_key(own, ~0u, ~0u);
	if (word.space)
		wait_wake_key(word, ~0u, ~0u);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* see start.c */
	start_thread_ended(origin);
}

void thread_left(struct thread *t)
{
	bool ended = t->state == THREAD_EXITED;
	bool moves = false;

	if (t->state == THREAD_RUNNABLE && t != arch_cpu()->idle) {
		/* Under the lock: a processor that wakes it at this moment has made it runnable but not queued it yet. */
		struct run_queue *q = &cpus[t->cpu]->queue;
		spin_lock(&q->lock);
		moves = !t->queued;
		spin_unlock(&q->lock);
	}
	/* Release: its state is in memory for the next processor. */
	__atomic_store_n(&t->on_cpu, 0, __ATOMIC_RELEASE);
	if (ended)
		thread_ended(t);
	else if (moves)
		sched_wake(t);
}

long thread_interrupt(struct thread *t, u32 bits)
{
	if (bits & ~(u32)(TK_INTERRUPT_SIGNAL | TK_INTERRUPT_KILL | TK_INTERRUPT_STOP))
		return -EINVAL;
	/* Sequentially consistent, against wait_enter: see there. */
	__atomic_fetch_or(&t->page->interrupt, bits, __ATOMIC_SEQ_CST);
	if (bits & TK_INTERRUPT_KILL && t->application && !__atomic_exchange_n(&t->dying, true, __ATOMIC_RELAXED)) {
		detach_look(t);
		return 0;
	}
	wait_cancel(t, 0, -EINTR);
	if (__atomic_load_n(&t->on_cpu, __ATOMIC_SEQ_CST) && t->cpu != arch_cpu()->id)
		arch_ipi_send(t->cpu, ARCH_IPI_RESCHEDULE); /* on its way back to user mode it looks at the word */
	return 0;
}
