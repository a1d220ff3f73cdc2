/* What the futex files share. A futex operation names a word of the client's memory; `shared` ones find it by its object. */
#ifndef ABI_FUTEX_H
#define ABI_FUTEX_H

#include "shim.h"
#include "include/abi_mman.h"
#include <mem_client.h>

static inline const volatile u32 *futex_word(u64 address) { return (const volatile u32 *)address; }
/* tk_wait flags of an operation. */
static inline u32 futex_flags(bool shared) { return TK_WAIT_CLIENT | (shared ? TK_WAIT_SHARED : 0); }

/* Checks the word's address: 0, -EINVAL, -EFAULT. */
long futex_check(u64 address, bool shared) must_check;
/* 0 woken, -EAGAIN, -ETIMEDOUT, -EINTR, -EFAULT. */
long futex_sleep(u64 address, u32 expected, bool shared, nanos_t deadline, u32 bitset) must_check;
long futex_wake(struct shim_thread *t, u64 address, u32 count, bool shared, u32 bitset);

/* futex_many.c: wakes waits on several words; after the core's own wake. How many. */
u32 futex_many_wake(struct shim_thread *t, u64 address, u32 count, bool shared);

/* futex_pi.c */
long futex_lock_pi(struct shim_thread *t, u64 address, bool shared, nanos_t deadline, bool try_only) must_check;
long futex_unlock_pi(struct shim_thread *t, u64 address, bool shared) must_check;

#endif
