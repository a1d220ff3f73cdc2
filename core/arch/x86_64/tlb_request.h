/*
 * The protocol of shoot-down requests, apart from the processor so that tests can run it in every interleaving. A request stands in its
 * initiator's slot; a bit in the target's mask says that it waits there. The initiator changes its slot only when no target has its bit.
 */
#ifndef X86_64_TLB_REQUEST_H
#define X86_64_TLB_REQUEST_H

#include <tessera/types.h>

struct tlb_slot {
	vaddr_t base;          /* address; with frames: base of the window */
	u64 pages;
	const frame_t *frames; /* single pages at base + frame * PAGE_SIZE, or NULL */
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

#endif
