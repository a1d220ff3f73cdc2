/*
 * futex(2): waiting on a word of the application's memory and waking those who wait. The core parks threads by (address space, address)
 * or, for shared words, by (object, offset). A word whose page is missing is brought in by mem, and the core asked again.
 */
#include "futex.h"
#include "clock.h"

#define TRIES 1000u /* of a call of the core whose word's page goes away again and again */

enum compare { COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE };

long futex_check(u64 address, bool shared)
{
	u32 value;

	if (address & 3)
		return -EINVAL;
	if (address > rt_boot->user_limit - sizeof(u32))
		return -EFAULT;
	return shared ? user_copy_in(&value, address, sizeof(value)) : 0; /* the page must be there: the core finds the object behind it */
}

/* What an operation answers for what the core did. */
static long core_result(long result)
{
	if (result == -EACCES) /* nobody can share it */
		return -EFAULT;
	return result == -ECANCELED ? 0 : result; /* the page went away: as good as a wake */
}

/* Whether to ask the core again: after -EFAULT when mem could bring the page in, after -EBUSY, while mem changes the regions. */
static bool word_again(long result, u64 address, u32 *tries)
{
	if (result == -EBUSY) {
		tk_yield();
		return true;
	}
	if (result != -EFAULT || !(*tries)--)
		return false;
	return mem_fault_in(address, sizeof(u32), TK_ACCESS_READ) >= 0;
}

long futex_sleep(u64 address, u32 expected, bool shared, nanos_t deadline, u32 bitset)
{
	u32 tries = TRIES;
	long result;

	do {
		result = tk_wait(futex_word(address), expected, deadline, futex_flags(shared), bitset);
	} while (word_again(result, address, &tries));
	return result > 0 ? 0 : core_result(result);
}

long futex_wake(struct shim_thread *t, u64 address, u32 count, bool shared, u32 bitset)
{
	u32 tries = TRIES;
	long result;

	do {
		result = tk_wake(futex_word(address), count, futex_flags(shared), bitset);
	} while (shared && word_again(result, address, &tries));
	if (result >= 0 && (u32)result < count)
		result += futex_many_wake(t, address, count - (u32)result, shared);
	return core_result(result);
}

/* A wait with a time limit goes on after a handler has run, until the same deadline. */
static long wait_restart(struct shim_thread *t, const u64 *a)
{
	long result = futex_sleep(a[0], (u32)a[1], a[2], t->restart.deadline, (u32)a[3]);

	return result == -EINTR ? -ERESTART_RESTARTBLOCK : result;
}

static long futex_wait(struct shim_thread *t, u64 address, u32 expected, bool shared, nanos_t deadline, u32 bitset)
{
	long result;

	if (!bitset)
		return -EINVAL;
	result = futex_check(address, shared);
	if (result < 0)
		return result;
	result = futex_sleep(address, expected, shared, deadline, bitset);
	if (result != -EINTR)
		return result;
	if (deadline == NANOS_NEVER)
		return -ERESTARTSYS;
	t->restart.deadline = deadline;
	t->restart.args[0] = address;
	t->restart.args[1] = expected;
	t->restart.args[2] = shared;
	t->restart.args[3] = bitset;
	t->restart.call = wait_restart;
	return -ERESTART_RESTARTBLOCK;
}

static long wake_checked(struct shim_thread *t, u64 address, i32 count, bool shared, u32 bitset)
{
	long result;

	if (!bitset)
		return -EINVAL;
	result = futex_check(address, shared);
	if (result < 0)
		return result;
	return futex_wake(t, address, count < 1 ? 1 : (u32)count, shared, bitset); /* Linux wakes one even for none */
}

static long futex_requeue(const u64 *a, bool shared, bool compare)
{
	struct tk_requeue request = { .word = futex_word(a[0]), .to = futex_word(a[4]), .expected = (u32)a[5], .wake = (u32)a[2],
	                              .move = (u32)a[3], .flags = futex_flags(shared) | (compare ? TK_REQUEUE_COMPARE : 0) };
	u32 tries = TRIES;
	long result;

	if ((i32)a[2] < 0 || (i32)a[3] < 0)
		return -EINVAL;
	result = futex_check(a[0], shared);
	if (result >= 0)
		result = futex_check(a[4], shared);
	if (result < 0)
		return result;
	do {
		result = tk_requeue(&request);
	} while (word_again(result, a[0], &tries) && (!shared || word_again(result, a[4], &tries)));
	return core_result(result);
}

/* ---- FUTEX_WAKE_OP ----------------------------------------------------------------------------------------------------------------- */

/* A signed field of 12 bits. */
static i32 field12(u32 encoded, u32 shift)
{
	return (i32)(encoded << (20 - shift)) >> 20;
}

static bool compare_holds(u32 comparison, i32 old, i32 with)
{
	switch (comparison) {
	case COMPARE_EQ:
		return old == with;
	case COMPARE_NE:
		return old != with;
	case COMPARE_LT:
		return old < with;
	case COMPARE_LE:
		return old <= with;
	case COMPARE_GT:
		return old > with;
	default:
		return old >= with;
	}
}

static long futex_wake_op(struct shim_thread *t, const u64 *a, bool shared)
{
	u32 encoded = (u32)a[5], operation = encoded >> 28 & 7, comparison = encoded >> 24 & 15;
	i32 operand = field12(encoded, 12);
	u64 old;
	long result, more;

	result = futex_check(a[0], shared);
	if (result >= 0)
		result = futex_check(a[4], shared);
	if (result < 0)
		return result;
	if (encoded >> 31)
		operand = (i32)(1u << (operand & 31));
	if (operation > MEM_WORD_XOR)
		return -ENOSYS;
	result = mem_word_update(a[4], operation, (u32)operand, 0, &old);
	if (result < 0)
		return result;
	if (comparison > COMPARE_GE)
		return -ENOSYS;
	result = futex_wake(t, a[0], (i32)a[2] < 1 ? 1 : (u32)a[2], shared, FUTEX_BITS_ALL);
	if (result < 0 || !compare_holds(comparison, (i32)old, field12(encoded, 0)))
		return result;
	more = futex_wake(t, a[4], (i32)a[3] < 1 ? 1 : (u32)a[3], shared, FUTEX_BITS_ALL);
	return more < 0 ? more : result + more;
}

/* ---- The call ------------------------------------------------------------------------------------------------------------------------ */

static bool takes_timeout(u32 command)
{
	return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2;
}

/* The deadline of a command: relative for FUTEX_WAIT, else a time of its clock. */
static long deadline_get(u32 operation, u64 from, nanos_t *deadline)
{
	u32 command = operation & FUTEX_COMMAND;
	bool wall = operation & FUTEX_CLOCK_REALTIME || command == FUTEX_LOCK_PI;
	struct linux_timespec time;
	nanos_t now;
	long result;

	*deadline = NANOS_NEVER;
	if (!takes_timeout(command) || !from)
		return 0;
	result = timespec_get(from, &time);
	if (result < 0)
		return result;
	*deadline = timespec_nanos(&time);
	if (command != FUTEX_WAIT) {
		*deadline = clock_deadline(wall ? CLOCK_REALTIME : CLOCK_MONOTONIC, *deadline);
		return 0;
	}
	now = clock_monotonic();
	*deadline = *deadline > NANOS_NEVER - now ? NANOS_NEVER : now + *deadline;
	return 0;
}

long sys_futex(struct shim_thread *t, const u64 *a)
{
	u32 operation = (u32)a[1], command = operation & FUTEX_COMMAND;
	bool shared = !(operation & FUTEX_PRIVATE);
	nanos_t deadline;
	long result = deadline_get(operation, a[3], &deadline);

	if (result < 0)
		return result;
	if (operation & FUTEX_CLOCK_REALTIME && command != FUTEX_WAIT_BITSET && command != FUTEX_LOCK_PI2)
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAIT:
		return futex_wait(t, a[0], (u32)a[2], shared, deadline, FUTEX_BITS_ALL);
	case FUTEX_WAIT_BITSET:
		return futex_wait(t, a[0], (u32)a[2], shared, deadline, (u32)a[5]);
	case FUTEX_WAKE:
		return wake_checked(t, a[0], (i32)a[2], shared, FUTEX_BITS_ALL);
	case FUTEX_WAKE_BITSET:
		return wake_checked(t, a[0], (i32)a[2], shared, (u32)a[5]);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(a, shared, command == FUTEX_CMP_REQUEUE);
	case FUTEX_WAKE_OP:
		return futex_wake_op(t, a, shared);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(t, a[0], shared, deadline, command == FUTEX_TRYLOCK_PI);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(t, a[0], shared);
	default:
		return -ENOSYS;
	}
}
