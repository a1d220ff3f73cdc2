/* Activations: calls through gates with marshalled parameters, upcalls of the core, replies, unwinding after a failure. */
#include "thread.h"
#include "domain.h"
#include "cpu.h"
#include "sched.h"
#include "frame.h"
#include "copy.h"
#include "detach.h"
#include <tessera/errno.h>

static inline u32 activation_depth(const struct thread *t) { return (u32)(t->top + 1 - t->activations); }

/* ---- Stacks ------------------------------------------------------------------------------------------------------------------ */

static int stack_take_now(struct domain *d, struct thread *t)
{
	for (;;) {
		/* Relaxed look, then one atomic bit: whoever clears it owns the stack; acquire pairs with the release in stack_give. */
		u64 free = __atomic_load_n(&d->stacks_free, __ATOMIC_RELAXED);
		if (free == 0)
			return -1;
		u32 index = (u32)__builtin_ctzll(free);
		if (__atomic_fetch_and(&d->stacks_free, ~(1ull << index), __ATOMIC_ACQUIRE) >> index & 1) {
			d->stack_users[index] = t;
			return (int)index;
		}
	}
}

/* Takes a stack or parks the current thread until one is free (-1): it then tries again. */
static int stack_take(struct domain *d, struct thread *t)
{
	int index = stack_take_now(d, t);
	if (index >= 0)
		return index;
	spin_lock(&d->lock);
	/* Sequentially consistent with the give: either the giver sees this waiter or this look sees the stack. The same with a failure,
	 * which ends the state, then wakes who waits: in a domain that does not run nobody waits, the second try says why. */
	__atomic_fetch_add(&d->stack_waiting, 1, __ATOMIC_SEQ_CST);
	index = stack_take_now(d, t);
	if (index >= 0 || d->state != TK_DOMAIN_RUNNING) {
		__atomic_fetch_sub(&d->stack_waiting, 1, __ATOMIC_SEQ_CST);
	} else {
		t->state = THREAD_WAITING;
		t->stack_domain = d;
		list_push_back(&d->stack_waiters, &t->stack_link);
		arch_cpu()->reschedule = true;
	}
	spin_unlock(&d->lock);
	return index;
}

void stack_waiter_wake(struct domain *d)
{
	struct thread *t = NULL;

	spin_lock(&d->lock);
	struct list *node = list_pop_front(&d->stack_waiters);
	if (node) {
		t = container_of(node, struct thread, stack_link);
		t->stack_domain = NULL;
		__atomic_fetch_sub(&d->stack_waiting, 1, __ATOMIC_SEQ_CST);
	}
	spin_unlock(&d->lock);
	if (t)
		sched_wake(t);
}

bool stack_wait_end(struct thread *t)
{
	struct domain *d = t->stack_domain;

	if (d == NULL)
		return false;
	spin_lock(&d->lock);
	bool waits = t->stack_domain == d;
	if (waits) {
		list_remove(&t->stack_link);
		t->stack_domain = NULL;
		__atomic_fetch_sub(&d->stack_waiting, 1, __ATOMIC_SEQ_CST);
	}
	spin_unlock(&d->lock);
	if (waits)
		sched_wake(t);
	return waits;
}

static void stack_give(struct domain *d, u32 index)
{
	if (index == STACK_OF_THREAD)
		return;
	d->stack_users[index] = NULL; /* domain_fail looks at it, and the thread may be gone by then */
	__atomic_fetch_or(&d->stacks_free, 1ull << index, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&d->stack_waiting, __ATOMIC_SEQ_CST))
		stack_waiter_wake(d);
}

static vaddr_t stack_top_of(const struct thread *t, const struct domain *d, u32 index)
{
	return index == STACK_OF_THREAD ? t->stack_top : d->stack_tops + index * TK_STACK_STRIDE;
}

/* ---- Entering --------------------------------------------------------------------------------------------------------------------- */

/* `generation` was read before the domain was seen to run: if it fails from then on, the activation is of the past and unwinds. */
static struct activation *activation_push(struct thread *t, struct domain *d, u32 kind, u32 stack, u32 generation)
{
	struct activation *a = t->top + 1;

	a->domain = d;
	a->caller = t->domain;
	a->return_ip = t->resume_ip;
	a->return_sp = t->resume_sp;
	a->generation = generation;
	a->kind = kind;
	a->stack = (u16)stack;
	a->bulk_count = a->range_count = 0;
	t->top = a;
	t->domain = d;
	return a;
}

long activation_upcall(struct thread *t, struct domain *d, u32 kind, const struct tk_request *request)
{
	u32 stack = STACK_OF_THREAD;

	if (activation_depth(t) >= ACTIVATIONS_MAX)
		return -ENOMEM;
	if (d->state != TK_DOMAIN_RUNNING && kind != ACTIVATION_START)
		return -EAGAIN;
	if (d != abi_domain || t->stack_top == 0 || t->domain != NULL) {
		/* A new thread of a unit does not wait: its starter is told. */
		int index = kind == ACTIVATION_MAIN ? stack_take_now(d, t) : stack_take(d, t);
		if (index < 0)
			return -EBUSY;
		stack = (u32)index;
	}
	/* Acquire: the state is looked at after the generation; a failure changes them in the other order. */
	u32 generation = __atomic_load_n(&d->generation, __ATOMIC_ACQUIRE);
	if (d->state != TK_DOMAIN_RUNNING && kind != ACTIVATION_START) {
		stack_give(d, stack);
		return -EAGAIN;
	}
	activation_push(t, d, kind, stack, generation);
	arch_enter_unit(t, d, stack_top_of(t, d, stack), request);
	return 0;
}

/* ---- Marshalled parameters ------------------------------------------------------------------------------------------------------------ */

/* The range lies in what the caller itself may reach of the client's memory. */
static bool range_allowed(const struct thread *t, vaddr_t start, u64 size, u32 access)
{
	return t->domain->rights & TK_RIGHT_CLIENTS || size == 0 || activation_holds_range(t->top, start, size, access);
}

struct marshal {
	struct thread *thread;
	struct domain *callee;
	vaddr_t stack;               /* grows down as bytes are placed on it */
	struct tk_request request;
	u8 bulk_count, range_count;  /* in the activation that it will be, above the thread's top */
};

static long marshal_bytes(struct marshal *m, u32 kind, u32 word, u64 maximum)
{
	vaddr_t from = m->request.args[word];
	u64 length = m->request.args[word + 1];

	if (length > maximum || length > TK_BULK_MAX)
		return -EINVAL;
	if (!domain_owns_range(m->thread->domain, from, length))
		return -EFAULT;
	m->stack = round_down(m->stack - length, 16);
	m->request.args[word] = m->stack;
	if (kind == TK_PARAM_IN)
		return copy_unit_to_unit(m->callee, m->stack, m->thread->domain, from, length);
	if (m->bulk_count == countof(m->thread->top->bulk))
		return -EINVAL;
	m->thread->top[1].bulk[m->bulk_count++] = (struct bulk_out){ m->stack, from, (u32)length, kind == TK_PARAM_OUT_FIXED };
	return 0;
}

static long marshal_range(struct marshal *m, u32 kind, u32 word)
{
	u32 access = kind == TK_PARAM_APP_IN ? TK_ACCESS_READ : kind == TK_PARAM_APP_OUT ? TK_ACCESS_WRITE
		: TK_ACCESS_READ | TK_ACCESS_WRITE;
	vaddr_t start = m->request.args[word];
	u64 size = m->request.args[word + 1];

	if (!range_allowed(m->thread, start, size, access))
		return -EPERM;
	if (m->range_count == TK_RANGES_MAX)
		return -EINVAL;
	m->thread->top[1].ranges[m->range_count++] = (struct client_range){ start, size, access, 0 };
	return 0;
}

static long marshal_all(struct marshal *m, u64 descriptor)
{
	for (; descriptor; descriptor >>= 16) {
		u32 kind = descriptor & 7, word = descriptor >> 3 & 7;
		u64 maximum = (descriptor >> 6 & 0x3ff) * 16;
		long error = 0;
		if (kind != TK_PARAM_NONE && word + 1 >= TK_ARGS_MAX)
			return -EINVAL;
		if (kind >= TK_PARAM_IN && kind <= TK_PARAM_OUT_FIXED)
			error = marshal_bytes(m, kind, word, maximum);
		else if (kind != TK_PARAM_NONE)
			error = marshal_range(m, kind, word);
		if (error)
			return error;
	}
	return 0;
}

/* Clients of units that are restarted know both from what a service answers itself. */
static bool restartable(const struct domain *d) { return d->unit->recovery != TK_RECOVERY_ESSENTIAL; }

static long closed_error(const struct domain *d) { return restartable(d) ? -TK_ECLOSED : -EAGAIN; }

static long gate_check(struct thread *t, u32 gate_number, u32 op, struct gate **out)
{
	struct gate *gate = &gates[gate_number];

	if (gate->domain == NULL || !domain_may_call(t->domain, gate_number))
		return -EPERM;
	u32 op_count = gate->op_count; /* 0 while the gate is closed, also for a moment after its unit runs again */
	if (gate->domain->state != TK_DOMAIN_RUNNING || op_count == 0)
		return gate->domain->state == TK_DOMAIN_STOPPED ? -EIO : closed_error(gate->domain);
	if (op >= op_count)
		return -ENOSYS;
	if (activation_depth(t) >= ACTIVATIONS_MAX)
		return -ENOMEM;
	*out = gate;
	return 0;
}

void call_answer(struct thread *t, long result)
{
	t->result = (u64)result;
	__builtin_memset(t->outs, 0, sizeof(t->outs));
	t->resume = RESUME_CALL;
}

void gate_call_slow(struct thread *t, u32 number, const u64 *args)
{
	struct gate *gate;
	u32 op = number >> 16;
	long error = gate_check(t, number >> 8 & 0xff, op, &gate);
	if (error)
		return call_answer(t, error);
	struct domain *d = gate->domain;
	int stack = stack_take(d, t);
	if (stack < 0) {
		__builtin_memmove(t->pending, args, sizeof(t->pending)); /* at the second try these are the same */
		t->pending_number = number;
		t->resume = RESUME_RETRY;
		return;
	}
	/* Acquire: the gate is looked at after the generation; a failure changes them in the other order. */
	u32 generation = __atomic_load_n(&d->generation, __ATOMIC_ACQUIRE);
	if (gate->op_count == 0) {
		stack_give(d, (u32)stack);
		return call_answer(t, closed_error(d));
	}
	struct marshal m = { .thread = t, .callee = d, .stack = stack_top_of(t, d, (u32)stack),
		.request = { .op = gate->first + op, .caller = t->domain->id, .thread = t->id } };
	__builtin_memcpy(m.request.args, args, sizeof(m.request.args));
	error = marshal_all(&m, gate->ops[op]);
	if (error) {
		stack_give(d, (u32)stack);
		return call_answer(t, error);
	}
	/* Commit. */
	struct activation *a = activation_push(t, d, ACTIVATION_CALL, (u32)stack, generation);
	a->bulk_count = m.bulk_count;
	a->range_count = m.range_count;
	arch_enter_unit(t, d, m.stack, &m.request);
}

/* ---- Replies ---------------------------------------------------------------------------------------------------------------------------- */

static long bulk_return(const struct activation *a, long result)
{
	for (u32 i = 0; i < a->bulk_count; i++) {
		const struct bulk_out *b = &a->bulk[i];
		u64 length = b->fixed ? b->length : (u64)result;
		if (length > b->length)
			length = b->length;
		long error = copy_unit_to_unit(a->caller, b->to, a->domain, b->from, length);
		if (error)
			return error;
	}
	return result;
}

/* Pops the top activation and gives its stack back. */
static void activation_pop(struct thread *t, const struct activation *a, bool give)
{
	t->top--;
	t->domain = a->caller;
	if (a->kind & ACTIVATION_VECTOR)
		arch_vector_end(a->domain->vectors + a->stack);
	if (give)
		stack_give(a->domain, a->stack);
}

void activation_leave(struct thread *t) { activation_pop(t, t->top, true); }

static void reply_to_unit(struct thread *t, struct activation *a, u64 result, const u64 *outs)
{
	call_answer(t, (long)result);
	if (outs)
		__builtin_memcpy(t->outs, outs, sizeof(t->outs));
	t->resume_ip = a->return_ip;
	t->resume_sp = a->return_sp;
}

void activation_base_reset(struct thread *t)
{
	t->activations[0] = (struct activation){ .domain = abi_domain, .generation = abi_domain->generation, .stack = STACK_OF_THREAD,
		.kind = ACTIVATION_SYSCALL };
}

static void reply_to_application(struct thread *t, struct activation *a, u64 result)
{
	if (activation_kind(a->kind) == ACTIVATION_SYSCALL && !(t->attention & ATTENTION_RESULT))
		arch_set_syscall_result(t, result);
	t->attention &= ~(u32)ATTENTION_RESULT;
	t->resume = RESUME_USER;
	if (activation_kind(a->kind) == ACTIVATION_FAULT && (long)result < 0)
		trap_raise_fault(t, a->fault_address, a->fault_access, (long)result);
}

static void activation_end(struct thread *t, u64 result, const u64 *outs, bool give)
{
	struct activation *a = t->top;

	/* Before the stack goes: another call may take it at once, and the parameters lie on it. */
	if ((long)result >= 0 && a->bulk_count)
		result = (u64)bulk_return(a, (long)result);
	activation_pop(t, a, give);
	switch (activation_kind(a->kind)) {
	case ACTIVATION_CALL:
		reply_to_unit(t, a, result, outs);
		break;
	case ACTIVATION_MAIN:
	case ACTIVATION_ORPHAN:
		thread_exit_current(t);
		break;
	case ACTIVATION_START:
		domain_started(t, a->domain, (long)result);
		if (a->caller) /* a restart: the unit that asked goes on */
			reply_to_unit(t, a, result, NULL);
		break;
	default:
		reply_to_application(t, a, result);
		if (t->domain == NULL && a->kind != ACTIVATION_SYSCALL) /* a flag left is an end, too */
			activation_base_reset(t);
	}
}

void activation_abandon(struct thread *t, struct activation *from, long result)
{
	t->top = from;
	activation_end(t, (u64)result, NULL, false);
}

void activation_reply(struct thread *t, u64 result, const u64 *outs)
{
	if (t->top->generation != t->top->domain->generation)
		activation_unwind(t);
	else
		activation_end(t, result, outs, true);
}

void activation_unwind(struct thread *t)
{
	struct activation *bottom = NULL;

	for (struct activation *a = t->top; a >= t->activations; a--)
		if (a->generation != a->domain->generation) {
			bottom = a;
			if (a->stack != STACK_OF_THREAD)
				a->domain->stack_users[a->stack] = NULL; /* restarts wait for it */
			if (a->domain->id == boot_manifest.super_domain)
				start_super_changed();
		}
	if (bottom == NULL)
		return;
	sched_lend_end(t); /* locks of the failed unit are nobody's: their waiters come out, too */
	/* Stacks of failed domains are theirs again when they restart; those of live ones above go back now. */
	while (t->top > bottom) {
		struct activation *a = t->top;
		activation_pop(t, a, a->generation == a->domain->generation);
		if (activation_kind(a->kind) == ACTIVATION_START) /* whoever asked for it has failed, too */
			detach_start_end(t);
	}
	bool told = restartable(bottom->domain) && activation_kind(bottom->kind) == ACTIVATION_CALL;
	long error = !told ? -EIO : t->fatal ? -TK_EFATAL : -TK_ELOST;
	t->fatal = false;
	activation_end(t, (u64)error, NULL, false);
}
