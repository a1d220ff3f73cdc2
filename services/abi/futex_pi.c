/*
 * Locks whose word holds the owner's thread id (FUTEX_LOCK_PI), and what a thread that ends does to the locks it holds. Whoever had to
 * wait takes the lock with the waiters' bit set, so that its unlocking comes here too. A waiter's priority is not lent to the owner.
 */
#include "futex.h"
#include <proc_client.h>

/* *word becomes `to` if it is `from`; *from is what it was. */
static long word_exchange(u64 address, u32 *from, u32 to)
{
	u32 expected = *from;
	u64 old = 0;
	long result = mem_word_update(address, MEM_WORD_COMPARE, to, expected, &old);

	if (result < 0)
		return result == -ENOMEM ? result : -EFAULT;
	*from = (u32)old;
	return (u32)old == expected ? 0 : -EAGAIN;
}

/* The word of a lock that another thread holds, with the waiters' bit set; 0 when it is free, to try again. */
static long waiters_announce(u64 address, u32 *word)
{
	u32 marked = *word | FUTEX_WAITERS;

	if (!(*word & FUTEX_TID_MASK) || *word == marked)
		return 0;
	for (;;) {
		long result = word_exchange(address, word, marked);

		if (result != -EAGAIN) {
			*word = marked;
			return result;
		}
		if (!(*word & FUTEX_TID_MASK))
			return 0;
		marked = *word | FUTEX_WAITERS;
	}
}

long futex_lock_pi(struct shim_thread *t, u64 address, bool shared, nanos_t deadline, bool try_only)
{
	u32 own = (u32)t->tid, word = 0;
	long result = futex_check(address, shared);

	if (result < 0)
		return result;
	for (;;) {
		result = word_exchange(address, &word, own | (word & FUTEX_OWNER_DIED));
		if (result != -EAGAIN)
			return result;
		if ((word & FUTEX_TID_MASK) == (u32)t->tid)
			return -EDEADLK;
		if (!(word & FUTEX_TID_MASK)) {
			own |= word & FUTEX_WAITERS;
			continue;
		}
		if (try_only)
			return -EAGAIN;
		result = waiters_announce(address, &word);
		if (result < 0)
			return result;
		if (!(word & FUTEX_TID_MASK))
			continue;
		own |= FUTEX_WAITERS;
		result = futex_sleep(address, word, shared, deadline, FUTEX_BITS_ALL);
		if (result < 0 && result != -EAGAIN)
			return result == -EINTR ? -ERESTARTNOINTR : result;
		word = 0;
	}
}

long futex_unlock_pi(struct shim_thread *t, u64 address, bool shared)
{
	u64 old;
	long result = futex_check(address, shared);
	u32 word;

	if (result >= 0)
		result = mem_word_update(address, MEM_WORD_LOAD, 0, 0, &old);
	if (result < 0)
		return result == -EINVAL || result == -ENOMEM ? result : -EFAULT;
	word = (u32)old;
	do {
		if ((word & FUTEX_TID_MASK) != (u32)t->tid)
			return -EPERM;
		result = word_exchange(address, &word, 0);
	} while (result == -EAGAIN);
	if (result < 0)
		return result;
	result = futex_wake(t, address, 1, shared, FUTEX_BITS_ALL);
	return result < 0 ? result : 0;
}

/* ---- Robust lists ---------------------------------------------------------------------------------------------------------------------- */

long sys_set_robust_list(struct shim_thread *t, const u64 *a)
{
	if (a[1] != sizeof(struct linux_robust_list_head))
		return -EINVAL;
	t->robust_list = a[0];
	return 0;
}

/* Only of the calling thread: others' are refused as without the right to trace them. */
long sys_get_robust_list(struct shim_thread *t, const u64 *a)
{
	u64 size = sizeof(struct linux_robust_list_head), head = t->robust_list;
	long result;

	if ((i32)a[0] != 0 && (i32)a[0] != t->tid) { /* of others: not told, but whether there is such a thread */
		u64 process;

		result = proc_task_process((i32)a[0], &process);
		return result < 0 ? result : -EPERM;
	}
	result = user_copy_out(a[2], &size, sizeof(size));
	return result < 0 ? result : user_copy_out(a[1], &head, sizeof(head));
}

/* One lock of the list: if this thread holds it, it is marked as its owner's that died. Negative ends the walk. */
static long lock_abandon(struct shim_thread *t, u64 address, bool pi, bool pending)
{
	u64 loaded;
	u32 word;
	long result;

	if (address & 3)
		return -EINVAL;
	result = mem_word_update(address, MEM_WORD_LOAD, 0, 0, &loaded);
	if (result < 0)
		return result;
	word = (u32)loaded;
	if (pending && !pi && !word) {
		(void)futex_wake(t, address, 1, true, FUTEX_BITS_ALL);
		return 0;
	}
	do {
		if ((word & FUTEX_TID_MASK) != (u32)t->tid)
			return 0;
		result = word_exchange(address, &word, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
	} while (result == -EAGAIN);
	if (result < 0 || !(word & FUTEX_WAITERS))
		return result;
	(void)futex_wake(t, address, 1, true, FUTEX_BITS_ALL);
	if (pi)
		(void)futex_wake(t, address, 1, false, FUTEX_BITS_ALL);
	return 0;
}

/* An entry's address carries the PI mark in bit 0. */
static void robust_list_walk(struct shim_thread *t)
{
	struct linux_robust_list_head head;
	u64 entry;

	if (user_copy_in(&head, t->robust_list, sizeof(head)) < 0)
		return;
	entry = head.next;
	for (u32 i = 0; i < ROBUST_LIST_LIMIT && (entry & ~1ull) != t->robust_list; i++) {
		u64 next, here = entry & ~1ull;
		long fetched = user_copy_in(&next, here, sizeof(next));

		if (here != (head.pending & ~1ull) && lock_abandon(t, here + (u64)head.futex_offset, entry & 1, false) < 0)
			return;
		if (fetched < 0)
			return;
		entry = next;
	}
	if (head.pending & ~1ull)
		(void)lock_abandon(t, (head.pending & ~1ull) + (u64)head.futex_offset, head.pending & 1, true);
}

void shim_futex_exit(struct shim_thread *t)
{
	struct shim_process *process = t->process;
	bool others = process->running > 1 || (process->space_users && *process->space_users > 1);
	static const u32 zero;

	if (t->robust_list)
		robust_list_walk(t);
	t->robust_list = 0;
	if (t->clear_child_tid && others && user_copy_out(t->clear_child_tid, &zero, sizeof(zero)) >= 0)
		(void)futex_wake(t, t->clear_child_tid, 1, true, FUTEX_BITS_ALL);
	t->clear_child_tid = 0;
}
