/*
 * gate_call and unit_reply of core/arch/x86_64/entry.S as C, for explorations: each block carries the label or macro that it stands for, and makes
 * the same loads and stores in the same order. Whoever changes one of them changes the other. Registers are named where the order of
 * their loads matters; a path leaves ranges and buffers to C here, also where entry code has a way of its own that adds words of the thread alone.
 */
#include "entry.h"
#include "domain.h"

enum entry_way entry_gate_call(struct thread *t, u32 number, const u64 *words)
{
	struct domain *caller = t->domain, *d;
	struct gate *gate;
	struct activation *a;
	u32 op = number >> 16, generation;
	u64 free, bit;

	/* gate_call: */
	gate = caller->gate_table[number >> 8 & 0xff];
	if (op >= gate->op_count || gate->ops[op])
		goto gate_call_slow_path;
	/* STACK_TAKE: */
	d = gate->domain;
	a = t->top + 1;
	if (a >= t->activations + ACTIVATIONS_MAX)
		goto gate_call_slow_path;
	do {
		free = d->stacks_free;                                                  /* tzcntq */
		if (!free)
			goto gate_call_slow_path;
		bit = free & -free;
	} while (!(__atomic_fetch_and(&d->stacks_free, ~bit, __ATOMIC_SEQ_CST) & bit)); /* lock btrq */
	d->stack_users[__builtin_ctzll(bit)] = t;
	a->return_ip = t->resume_ip;
	a->return_sp = t->resume_sp;
	/* ACTIVATION_PUSH: */
	a->domain = d;
	a->caller = caller;
	generation = d->generation;
	if (op >= gate->op_count)
		goto gate_call_closed;
	a->generation = generation;
	a->stack = (u16)__builtin_ctzll(bit);
	a->bulk_count = a->range_count = 0;
	a->kind = ACTIVATION_CALL;
	t->top = a;
	t->domain = d;
	return ENTER_UNIT;

gate_call_closed: /* STACK_RETURN */
	d->stack_users[__builtin_ctzll(bit)] = NULL;
	__atomic_fetch_or(&d->stacks_free, bit, __ATOMIC_SEQ_CST);                       /* lock btsq */
gate_call_slow_path:
	t->resume = RESUME_CALL;
	gate_call_slow(t, number, words);
	return ARCH_RESUME;
}

enum entry_way entry_unit_reply(struct thread *t, u64 result)
{
	const u64 outs[TK_OUTS_MAX] = { 0 };
	struct activation *a;
	struct domain *d, *caller;
	u32 stack;

	/* unit_reply: REPLY_CHECK */
	a = t->top;
	d = a->domain;
	if (d->generation != a->generation)
		goto unit_reply_slow;
	stack = a->stack;
	if (stack == STACK_OF_THREAD || a->bulk_count || a->kind != ACTIVATION_CALL)
		goto unit_reply_slow;
	caller = a->caller;
	if (a[-1].generation != caller->generation)
		goto unit_reply_slow;
	/* ACTIVATION_POP: */
	d->stack_users[stack] = NULL;
	__atomic_fetch_or(&d->stacks_free, 1ull << stack, __ATOMIC_SEQ_CST);             /* lock btsq */
	if (d->stack_waiting)
		stack_waiter_wake(d);                                                   /* unit_reply_wake */
	t->top = a - 1;
	t->domain = caller;
	t->resume_ip = a->return_ip;                                                    /* unit_reply_to_unit */
	t->resume_sp = a->return_sp;
	t->result = result;                                                             /* rax */
	return RETURN_TO_UNIT;

unit_reply_slow:
	activation_reply(t, result, outs);
	return ARCH_RESUME;
}
