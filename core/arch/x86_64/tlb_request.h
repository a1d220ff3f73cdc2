/*
 * The protocol of shoot-down requests, apart from the processor so that tests can run it in every interleaving. A request stands in its
 * initiator's slot; a bit in the target's mask says that it waits there. The initiator changes its slot only when no target has its bit.
 */
#ifndef X86_64_TLB_REQUEST_H
#define X86_64_TLB_REQUEST_H

#include <tessera/types.h>

struct tlb_slot {
	vaddr_t address;
	u64 pages;
	const vaddr_t *list;   /* single pages, or NULL: all from address on */
};

static inline void tlb_request_post(u64 *pending, u32 initiator)
{
	/* Release: the slot, and the page tables before it, are seen by who sees the bit. */
	__atomic_or_fetch(pending, 1ull << initiator, __ATOMIC_RELEASE);
}

static inline bool tlb_request_done(const u64 *pending, u32 initiator)
{
	/* Acquire: the target's flush came before what the initiator does next. */
	return !(__atomic_load_n(pending, __ATOMIC_ACQUIRE) >> initiator & 1);
}

/* The lowest request that waits: its initiator, or -1. */
static inline int tlb_request_next(const u64 *pending)
{
	/* Acquire: pairs with tlb_request_post. */
	u64 waiting = __atomic_load_n(pending, __ATOMIC_ACQUIRE);

	return waiting ? __builtin_ctzll(waiting) : -1;
}

static inline void tlb_request_acknowledge(u64 *pending, u32 initiator)
{
	/* Release: the flush is over before the bit is gone. */
	__atomic_and_fetch(pending, ~(1ull << initiator), __ATOMIC_RELEASE);
}

/* A halted processor is not disturbed: it is marked, and flushes everything before it does anything else. */
enum tlb_idle { TLB_RUNNING, TLB_IDLE, TLB_IDLE_MARKED };

/* True when the processor halts and is marked; false: it must be asked. */
static inline bool tlb_idle_mark(u32 *state)
{
	u32 now = __atomic_load_n(state, __ATOMIC_RELAXED);

	/* Sequentially consistent: the page tables were written before, and tlb_idle_leave sees the mark or this sees that it left. */
	while (now != TLB_RUNNING)
		if (__atomic_compare_exchange_n(state, &now, TLB_IDLE_MARKED, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	return false;
}

static inline void tlb_idle_enter(u32 *state)
{
	/* Release: nothing that this processor still had to read comes after it. */
	__atomic_store_n(state, TLB_IDLE, __ATOMIC_RELEASE);
}

/* True: everything must be flushed. */
static inline bool tlb_idle_leave(u32 *state)
{
	/* Sequentially consistent: see tlb_idle_mark. */
	return __atomic_exchange_n(state, TLB_RUNNING, __ATOMIC_SEQ_CST) == TLB_IDLE_MARKED;
}

#endif
