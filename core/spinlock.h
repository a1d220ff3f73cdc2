/*
 * Spin locks of the core: interrupts are off inside it, so a lock is held for a few hundred instructions at most. While it spins a
 * processor serves shoot-down requests (arch_tlb_serve), so a holder may wait for acknowledgements. Lock order: see docs/core.md.
 */
#ifndef CORE_SPINLOCK_H
#define CORE_SPINLOCK_H

#include <tessera/types.h>

struct spinlock { u32 word; };

/* Slow path of spin_lock: never inlined, so that it costs callers no registers. */
void spin_wait(struct spinlock *lock) __attribute__((noinline, cold));

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
/* Locks of one kind, which may be the same, in order of address. */
static inline void spin_lock_two(struct spinlock *a, struct spinlock *b)
{
	spin_lock(a < b ? a : b);
	if (a != b)
		spin_lock(a < b ? b : a);
}
static inline void spin_unlock_two(struct spinlock *a, struct spinlock *b)
{
	spin_unlock(a);
	if (a != b)
		spin_unlock(b);
}

#endif
