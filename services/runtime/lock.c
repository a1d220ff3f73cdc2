/* Locks of a service: one word, parked in the core when held for longer than a moment. The waiter lends its priority to the owner. */
#include <runtime_unit.h>
#include <arch_counter.h>

#define WAITERS (1u << 31)
#define OWNER_MASK 0x3fffffffu
#define LOOKS 64u /* an owner on another processor usually leaves in less */

/* The stack, not the thread: when a killed thread leaves a call that holds a lock, whoever finishes the call owns it still. */
static u32 owner_self(void)
{
	return rt_stack_number();
}

/* Takes the lock if it is free, with these waiters' bits; acquire: what the last owner wrote is seen. */
static bool word_take(struct rt_lock *lock, u32 owner)
{
	u32 expected = 0;

	return __atomic_compare_exchange_n(&lock->word, &expected, owner, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

bool lock_try(struct rt_lock *lock)
{
	if (!word_take(lock, owner_self()))
		return false;
	lock_taken(lock, __builtin_return_address(0));
	stable_section_begin();
	return true;
}

bool lock_moment(u32 *looks)
{
	if (rt_boot->processors < 2 || *looks == LOOKS)
		return false;
	++*looks;
	arch_pause();
	return true;
}

/* noinline, and so below: whoever finds the lock free does not pay for the registers that a call of the core takes. */
static __attribute__((noinline, cold)) void lock_acquire_slow(struct rt_lock *lock, u32 self)
{
	for (u32 looks = 0; lock_moment(&looks);)
		if (!lock->word && word_take(lock, self))
			return;
	/* Who once waited takes the lock with the bit, since it does not know whether it was the only one. */
	while (!word_take(lock, self | WAITERS)) {
		u32 seen = lock->word;

		if (!seen)
			continue;
		/* Relaxed: only the word itself matters until it is taken. */
		if (!(seen & WAITERS) && !__atomic_compare_exchange_n(&lock->word, &seen, seen | WAITERS, false,
								      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		rt_assert((seen & OWNER_MASK) != self);
		tk_wait(&lock->word, seen | WAITERS, NANOS_NEVER, TK_WAIT_LOCK | TK_WAIT_NEVER_INTERRUPTED, ~0u);
	}
}

void lock_acquire(struct rt_lock *lock)
{
	u32 self = owner_self();

	lock_wanted(lock, __builtin_return_address(0));
	if (unlikely(!word_take(lock, self)))
		lock_acquire_slow(lock, self);
	lock_taken(lock, __builtin_return_address(0));
	stable_section_begin();
}

static __attribute__((noinline, cold)) void lock_waiter_wake(struct rt_lock *lock)
{
	tk_wake(&lock->word, 1, TK_WAIT_LOCK, ~0u); /* and what was lent to this thread is over */
}

void lock_release(struct rt_lock *lock)
{
	lock_left(lock);
	stable_section_end();
	/* Release: what was done under the lock is seen by who takes it next. */
	u32 old = __atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE);

	rt_assert((old & OWNER_MASK) == owner_self());
	if (unlikely(old & WAITERS))
		lock_waiter_wake(lock);
}

bool lock_held(const struct rt_lock *lock)
{
	return (lock->word & OWNER_MASK) == owner_self();
}
