/* The slow path of spin locks: while a processor waits it serves shoot-down requests, which the lock's holder may be waiting for. */
#include "spinlock.h"
#include <arch/cpu.h>
#include <arch/page.h>

void spin_wait(struct spinlock *lock)
{
	u32 free;

	do {
		/* Relaxed: only a look; the exchange below acquires. */
		while (__atomic_load_n(&lock->word, __ATOMIC_RELAXED)) {
			arch_tlb_serve();
			arch_relax();
		}
		free = 0;
		/* Acquire: what the last holder wrote is seen. */
	} while (!__atomic_compare_exchange_n(&lock->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
}
