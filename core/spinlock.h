/*
 * Spin locks of the core: interrupts are off inside it, so a lock is held for a few hundred instructions at most. While it spins a
 * processor serves shoot-down requests (arch_tlb_serve), so a holder may wait for acknowledgements. Lock order: see docs/core.md.
 */
#ifndef CORE_SPINLOCK_H
#define CORE_SPINLOCK_H

#include <tessera/types.h>

struct spinlock { u32 word; };

void spin_wait(struct spinlock *lock); /* slow path of spin_lock; counts contention */

static inline void spin_lock(struct spinlock *lock)
{
	u32 free = 0;
	/* Acquire: what the last holder wrote is seen. */
	if (unlikely(!__atomic_compare_exchange_n(&lock->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		spin_wait(lock);
}
static inline void spin_unlock(struct spinlock *lock)
{
	/* Release: what this holder wrote is seen by the next. */
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

#endif
