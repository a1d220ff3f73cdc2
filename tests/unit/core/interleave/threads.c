/* See threads.h. In place of the scheduler a thread that does not run lets its processor serve others until it is runnable. */
#include <string.h>
#include <tessera/errno.h>
#include "threads.h"
#include "sched.h"
#include "wait.h"

struct thread threads[PROCESSORS_MAX];
struct tk_thread_page thread_pages[PROCESSORS_MAX];

/* ---- Stand-ins ------------------------------------------------------------------------------------------------------------------ */

void sched_wake(struct thread *t)
{
	__atomic_store_n(&t->state, THREAD_RUNNABLE, __ATOMIC_RELEASE);
}
void sched_switch(void)
{
	static struct thread idles[PROCESSORS_MAX];
	struct cpu *cpu = arch_cpu();
	struct thread *t = cpu->current, *idle = &idles[interleave_self()];

	cpu->reschedule = false;
	while (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) == THREAD_WAITING) {
		arch_tlb_serve();
		interleave_relax();
	}
	if (t->state == THREAD_EXITED) {
		idle->resume = RESUME_IDLE;
		cpu->current = cpu->idle = idle;
		thread_left(t);
	}
}
void sched_tick(void) { }
size_t arch_copy(vaddr_t to, vaddr_t from, size_t size)
{
	(void)to, (void)from;
	return size; /* parameters have no bytes here */
}
u32 sched_priority(const struct thread *t) { (void)t; return 0; }
void sched_lend(struct thread *owner, u32 priority) { (void)owner, (void)priority; }
void sched_lend_end(struct thread *t) { (void)t; }

/* The core reads a unit's word by the unit's address: through the translations of the processor. */
long arch_load_word(vaddr_t address)
{
	u32 domain = thread_self()->domain->id;
	frame_t frame = machine_translate(domain, (frame_t)((address - domains[domain].window) >> PAGE_SHIFT), false);

	if (frame == FRAME_NONE)
		return -EFAULT;
	return __atomic_load_n((u32 *)((char *)frame_address(frame) + (address & PAGE_MASK)), __ATOMIC_RELAXED);
}

/* ---- What units do ---------------------------------------------------------------------------------------------------------------- */

u32 word_load(u32 domain, frame_t frame, u32 offset)
{
	frame_t reached = machine_access(domain, frame, false);

	return __atomic_load_n((u32 *)((char *)frame_address(reached) + offset), __ATOMIC_RELAXED);
}

void word_store(u32 domain, frame_t frame, u32 offset, u32 value)
{
	frame_t reached = machine_access(domain, frame, true);

	__atomic_store_n((u32 *)((char *)frame_address(reached) + offset), value, __ATOMIC_RELEASE);
}

void byte_store(u32 domain, frame_t frame, u32 offset, u8 value)
{
	frame_t reached = machine_access(domain, frame, true);

	__atomic_store_n((u8 *)frame_address(reached) + offset, value, __ATOMIC_SEQ_CST);
}

long thread_park(void)
{
	struct thread *t = thread_self();

	while (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) != THREAD_RUNNABLE) {
		arch_tlb_serve();
		interleave_relax();
	}
	t->parked = false;
	return (long)t->result;
}

bool thread_adopt(struct thread *t)
{
	if (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) != THREAD_RUNNABLE)
		return false;
	t->on_cpu = 1;
	t->cpu = arch_cpu()->id;
	arch_cpu()->current = t;
	return true;
}

void domain_stacks_return(struct domain *d)
{
	memset(d->stack_users, 0, sizeof(d->stack_users));
	d->stacks_free = (1ull << d->stack_count) - 1;
}

void thread_stop(struct thread *t, u32 resume) { t->resume = resume; }

void thread_wait_begin(struct thread *t, vaddr_t word, u32 flags)
{
	const struct wait_request request = { word, 0, flags, NANOS_NEVER, ~0u };
	long result = wait_begin(t, &request);

	if (result) /* else it comes with the wake */
		t->result = (u64)result;
}

void arch_enter_unit(struct thread *t, const struct domain *d, vaddr_t stack_top, const struct tk_request *request)
{
	(void)d, (void)stack_top, (void)request;
	t->resume = RESUME_SERVICE;
}

long word_wait(vaddr_t word, u32 expected, u32 flags, nanos_t deadline)
{
	const struct wait_request request = { word, expected, flags, deadline, ~0u };
	long result = wait_begin(thread_self(), &request);

	return result ? result : thread_park();
}

void word_wake(vaddr_t word, u32 count)
{
	interleave_expect(wait_wake(thread_self(), word, count, 0, ~0u) >= 0, "a wake is no error");
}

void threads_create(u32 count, u32 domain)
{
	memset(threads, 0, sizeof(threads));
	memset(thread_pages, 0, sizeof(thread_pages));
	for (u32 i = 0; i < count; i++) {
		struct thread *t = &threads[i];
		t->page = &thread_pages[i];
		t->id = i + 1;
		t->state = THREAD_RUNNABLE;
		t->domain = &domains[domain];
		t->top = t->activations;
		t->activations[0] = (struct activation){ .domain = t->domain, .generation = t->domain->generation, .stack = STACK_OF_THREAD,
			.kind = ACTIVATION_MAIN };
		list_init(&t->wait.link);
		list_init(&t->stack_link);
		t->look.look = true;
		t->cpu = i;
		t->on_cpu = 1;
		t->lives = 2;
		cpus[i]->current = t;
	}
}
