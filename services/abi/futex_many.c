/*
 * futex_waitv(2): waiting on several words at once. The core parks a thread on one word, so such waits stand in a list of the shim,
 * which every futex wake looks through when it is not empty; the thread itself sleeps on a word of its own.
 */
#include "futex.h"
#include "clock.h"

#define ENTRIES_MAX 128u
#define ENTRY_SIZE_U32 2u

struct linux_futex_waitv { u64 value, address; u32 flags, reserved; };
_Static_assert(sizeof(struct linux_futex_waitv) == 24, "ABI");

/* What a word is, whoever names it: its object and offset, or its address space and address. */
struct word_key { u64 owner, place; bool shared; };
struct entry { struct word_key key; u64 address; u32 expected; };
struct many {
	struct many *next;      /* guarded by many_lock, as is `woken` */
	u32 count;
	i32 woken;              /* which entry was woken; -1: none yet */
	volatile u32 event;     /* becomes 1 then */
	struct entry entries[];
};

static struct rt_lock many_lock = RT_LOCK_INIT;
static struct many *waiting;
static volatile u32 waiting_count; /* changed under many_lock */

static long key_find(struct shim_thread *t, u64 address, bool shared, struct word_key *key)
{
	struct mem_region_info region;
	long result;

	*key = (struct word_key){ t->process->space, address, shared };
	if (!shared)
		return 0;
	result = mem_regions_list(t->process->space, address, 0, &region, sizeof(region));
	if (result < (long)sizeof(region) || region.start > address || (!region.object && !(region.prot & TK_PROT_WRITE)))
		return -EFAULT; /* memory of zeros that nobody can write is nobody's to share */
	if (region.object && region.shared)
		*key = (struct word_key){ region.object, region.offset + (address - region.start), true };
	return 0;
}

static bool many_wakes(struct many *many, const struct word_key *key)
{
	if (many->woken >= 0)
		return false;
	for (u32 i = 0; i < many->count; i++) {
		const struct word_key *own = &many->entries[i].key;

		if (own->owner != key->owner || own->place != key->place || own->shared != key->shared)
			continue;
		many->woken = (i32)i;
		many->event = 1;
		(void)tk_wake(&many->event, 1, 0, ~0u);
		return true;
	}
	return false;
}

u32 futex_many_wake(struct shim_thread *t, u64 address, u32 count, bool shared)
{
	struct word_key key;
	u32 woken = 0;

	/* The core's wake before this one has ordered the application's store and this load. */
	if (likely(!waiting_count) || key_find(t, address, shared, &key) < 0)
		return 0;
	lock_acquire(&many_lock);
	for (struct many *many = waiting; many && woken < count; many = many->next)
		woken += many_wakes(many, &key);
	lock_release(&many_lock);
	return woken;
}

static void many_enter(struct many *many)
{
	lock_acquire(&many_lock);
	many->next = waiting;
	waiting = many;
	/* Sequentially consistent: who changes a word after it was read here sees the count. */
	__atomic_add_fetch(&waiting_count, 1, __ATOMIC_SEQ_CST);
	lock_release(&many_lock);
}

/* Which entry was woken, -1: none. */
static i32 many_leave(struct many *many)
{
	struct many **at = &waiting;

	lock_acquire(&many_lock);
	while (*at != many)
		at = &(*at)->next;
	*at = many->next;
	waiting_count--;
	lock_release(&many_lock);
	return many->woken;
}

/* 0 when all words hold what is expected. */
static long words_check(const struct many *many)
{
	for (u32 i = 0; i < many->count; i++) {
		u32 value;

		if (user_copy_in(&value, many->entries[i].address, sizeof(value)) < 0)
			return -EFAULT;
		if (value != many->entries[i].expected)
			return -EAGAIN;
	}
	return 0;
}

static long many_wait(struct shim_thread *t, struct many *many, nanos_t deadline)
{
	long result;
	i32 woken;

	many_enter(many);
	result = words_check(many);
	while (!result && !many->event)
		result = shim_wait(t, &many->event, 0, deadline);
	woken = many_leave(many);
	return woken >= 0 ? woken : result;
}

static long entries_read(struct shim_thread *t, u64 from, struct many *many)
{
	for (u32 i = 0; i < many->count; i++) {
		struct linux_futex_waitv one;
		struct entry *entry = &many->entries[i];
		bool shared;
		long result = user_copy_in(&one, from + i * sizeof(one), sizeof(one));

		if (result < 0)
			return result;
		if (one.flags & ~(ENTRY_SIZE_U32 | FUTEX_PRIVATE) || one.reserved || !(one.flags & ENTRY_SIZE_U32))
			return -EINVAL;
		shared = !(one.flags & FUTEX_PRIVATE);
		entry->address = one.address;
		entry->expected = (u32)one.value;
		result = futex_check(one.address, shared);
		if (result >= 0)
			result = key_find(t, one.address, shared, &entry->key);
		if (result < 0)
			return result;
	}
	return 0;
}

static long many_deadline(u64 from, i32 clock, nanos_t *deadline)
{
	struct linux_timespec time;
	long result;

	*deadline = NANOS_NEVER;
	if (!from)
		return 0;
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return -EINVAL;
	result = timespec_get(from, &time);
	if (result >= 0)
		*deadline = clock_deadline(clock, timespec_nanos(&time));
	return result;
}

long sys_futex_waitv(struct shim_thread *t, const u64 *a)
{
	u32 count = (u32)a[1];
	struct many *many;
	nanos_t deadline;
	long result;

	if ((u32)a[2] || !count || count > ENTRIES_MAX || !a[0])
		return -EINVAL;
	result = many_deadline(a[3], (i32)a[4], &deadline);
	if (result < 0)
		return result;
	many = heap_alloc(sizeof(*many) + count * sizeof(many->entries[0]));
	if (!many)
		return -ENOMEM;
	many->count = count;
	many->woken = -1;
	result = entries_read(t, a[0], many);
	if (result >= 0)
		result = many_wait(t, many, deadline);
	heap_free(many);
	return result;
}
