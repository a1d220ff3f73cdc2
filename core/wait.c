/* Waiting and waking: see wait.h. Lock order: bucket (two by address), then timer queue, then run queue. */
#include "wait.h"
#include "cpu.h"
#include "domain.h"
#include "thread.h"
#include "token.h"
#include <arch/page.h>
#include <arch/time.h>
#include "vspace.h"
#include <tessera/errno.h>

#define BUCKETS 256
static struct wait_bucket buckets[BUCKETS];
static u64 used[BUCKETS / 64]; /* bit: the bucket may hold waiters; set before one is added, cleared by who finds none, under its lock */

/* Spaces of keys: vspace ids are frame numbers (32 bits); the marks keep the others apart. */
#define SPACE_SHARED (1ull << 40)   /* | memory object */
#define SPACE_OBJECT (1ull << 41)   /* | frame of a page in a token window */
#define SPACE_DOMAIN (1ull << 42)   /* | domain */
#define SPACE_OWN (1ull << 43)      /* | address space: a word used as a shared one, in memory that is not */

void wait_init(void)
{
	for (u32 i = 0; i < BUCKETS; i++) {
		list_init(&buckets[i].waiters);
		list_init(&buckets[i].watches);
	}
}

static struct wait_bucket *bucket_of(struct wait_key key)
{
	u64 hash = (key.space * 0x9e3779b97f4a7c15ull ^ key.address >> 2) * 0xc2b2ae3d27d4eb4full;
	return &buckets[hash >> 56];
}

/* Bucket locked: a waiter comes. Sequentially consistent, against wait_wake_key and wait_cancel_object: counted first, then the word and
 * the holder bit are read; there the word or the bit is written, then the count or `used` is read. One of the two sees the other. */
static void bucket_enter(struct wait_bucket *b)
{
	if (unlikely(!b->marked)) {
		u64 at = (u64)(b - buckets);
		__atomic_fetch_or(&used[at / 64], 1ull << (at % 64), __ATOMIC_SEQ_CST);
		b->marked = true;
	}
	__atomic_fetch_add(&b->occupied, 1, __ATOMIC_SEQ_CST);
}

struct wait_bucket *wait_bucket_lock(struct wait_key key)
{
	struct wait_bucket *b = bucket_of(key);
	spin_lock(&b->lock);
	return b;
}

/* ---- Keys ------------------------------------------------------------------------------------------------------------------------- */

static struct wait_key key_none(long error) { return (struct wait_key){ 0, (u64)error }; }

/* Not inlined: it would cost the others registers. */
static __attribute__((noinline)) struct wait_key key_of_client(struct thread *t, vaddr_t word, u32 flags)
{
	struct wait_key key = { 0, word };
	struct tk_region region;
	u32 generation;

	if (!(t->domain->rights & TK_RIGHT_CLIENTS) || t->vspace == NULL)
		return key_none(-EPERM);
	if (word >= ARCH_USER_LIMIT)
		return key_none(-EFAULT);
	key.space = t->vspace->id;
	if (flags & TK_WAIT_SHARED) {
		bool found = vspace_region(t->vspace, word, &region, &generation);
		/* Acquire fence: the entry was read before the generation is looked at again. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (generation & 1 || generation != t->vspace->table->generation)
			return key_none(-EBUSY);
		if (!found)
			return key_none(-EFAULT);
		if (!region.object && !(region.prot & TK_PROT_WRITE))
			return key_none(-EACCES); /* memory of zeros that nobody can write is nobody's to share */
		key.space |= SPACE_OWN;
		if (region.object && !(region.flags & TK_REGION_PRIVATE))
			key = (struct wait_key){ SPACE_SHARED | region.object, region.offset + (word - region.start) };
	}
	return key;
}

struct wait_key wait_key(struct thread *t, vaddr_t word, u32 flags)
{
	const struct domain *d = t->domain;

	if (word & 3)
		return key_none(-EINVAL);
	if (flags & TK_WAIT_CLIENT)
		return key_of_client(t, word, flags);
	if (word - d->window < frame_count << PAGE_SHIFT) {
		frame_t frame = token_frame(d, word);
		if (!frame_held_by(frame_record(frame), d->id))
			return key_none(-ECANCELED);
		return wait_key_of_object(frame, word & PAGE_MASK);
	}
	if (!domain_owns_range(d, word, sizeof(u32)))
		return key_none(-EFAULT);
	return (struct wait_key){ SPACE_DOMAIN | d->id, word };
}

/* With its bucket entered: the thread's domain no longer holds the word's page. */
static bool key_lost(const struct thread *t, struct wait_key key)
{
	return key.space & SPACE_OBJECT && !frame_held_by(frame_record((frame_t)key.space), t->domain->id);
}

/* A client's word, for an IC2 unit. Not inlined, as above. */
static __attribute__((noinline)) long word_load_elsewhere(const struct thread *t, vaddr_t word)
{
	frame_t frame;
	char *page = vspace_pin(t->vspace, word & ~PAGE_MASK, TK_ACCESS_READ, &frame);
	if (page == NULL)
		return -EFAULT;
	u32 value = __atomic_load_n((u32 *)(page + (word & PAGE_MASK)), __ATOMIC_RELAXED);
	frame_unpin(frame);
	return value;
}

/* The word's value, or -EFAULT; a missing page of the client is served and tried again by the caller of a bucket's lock. */
static long word_load(struct thread *t, vaddr_t word, u32 flags)
{
	return flags & TK_WAIT_CLIENT && t->domain->class == 2 ? word_load_elsewhere(t, word) : arch_load_word(word);
}

/* Brings the client's page in, before the bucket is locked. */
static long word_prepare(struct thread *t, vaddr_t word, u32 flags)
{
	if (word_load(t, word, flags) >= 0)
		return 0;
	if (!(flags & TK_WAIT_CLIENT) || vspace_fault(t->vspace, word, TK_ACCESS_READ) != FAULT_SERVED)
		return -EFAULT;
	return word_load(t, word, flags) < 0 ? -EFAULT : 0;
}

/* ---- Wait --------------------------------------------------------------------------------------------------------------------------- */

static bool interrupted(const struct thread *t, u32 flags)
{
	u32 bits = __atomic_load_n(&t->page->interrupt, __ATOMIC_SEQ_CST);

	if (likely(bits == 0) || flags & TK_WAIT_NEVER_INTERRUPTED)
		return false;
	return !(flags & TK_WAIT_KILLABLE) || bits & TK_INTERRUPT_KILL;
}

static void lend_to_owner(struct thread *t, u32 value)
{
	u32 priority = sched_priority(t);

	if (priority)
		thread_lend(t->domain, value, priority);
}

/* With the bucket locked: 0 when the thread stands in it. */
static long wait_enter(struct thread *t, struct wait_bucket *b, const struct wait_request *r)
{
	long value = word_load(t, r->word, r->flags);

	if (value != (long)r->expected)
		return value < 0 ? -EFAULT : -EAGAIN;
	if (r->deadline != NANOS_NEVER && r->deadline <= arch_nanos())
		return -ETIMEDOUT;
	/* Sequentially consistent, against thread_interrupt: it sets bits, then looks at `bucket`; here `bucket` is set, then the bits are
	 * looked at. One of the two sees the other. */
	__atomic_store_n(&t->wait.bucket, b, __ATOMIC_SEQ_CST);
	if (interrupted(t, r->flags)) {
		t->wait.bucket = NULL;
		return -EINTR;
	}
	/* The same against domain_fail: it ends the generation, then looks at `bucket` of the threads inside. */
	if (t->domain && t->top->generation != __atomic_load_n(&t->domain->generation, __ATOMIC_SEQ_CST)) {
		t->wait.bucket = NULL;
		return -ECANCELED;
	}
	if (r->flags & TK_WAIT_LOCK)
		lend_to_owner(t, (u32)value);
	return 0;
}

/* The thread stands in the bucket, which is locked, and stops running. */
static void wait_stand(struct thread *t, struct wait_bucket *b, struct wait_key key, u32 bitset)
{
	t->wait.space = key.space;
	t->wait.address = key.address;
	t->wait.bitset = bitset;
	t->wait.serial++;
	t->parked = true;
	t->state = THREAD_WAITING;
	t->page->state = THREAD_WAITING;
	list_push_back(&b->waiters, &t->wait.link);
	arch_cpu()->reschedule = true;
}

long wait_begin(struct thread *t, const struct wait_request *r)
{
	struct wait_key key = wait_key(t, r->word, r->flags);
	long error = key_error(key);

	if (error == 0 && r->bitset == 0)
		error = -EINVAL;
	if (error == 0 && r->flags & TK_WAIT_CLIENT) /* a unit's own memory is there, or wait_enter says that it is not */
		error = word_prepare(t, r->word, r->flags);
	if (error)
		return error;
	struct wait_bucket *b = wait_bucket_lock(key);
	bucket_enter(b);
	error = key_lost(t, key) ? -ECANCELED : wait_enter(t, b, r);
	if (error) {
		__atomic_fetch_sub(&b->occupied, 1, __ATOMIC_RELAXED);
		spin_unlock(&b->lock);
		return error;
	}
	/* Commit. */
	t->wait.flags = r->flags;
	wait_stand(t, b, key, r->bitset);
	if (r->deadline != NANOS_NEVER)
		timer_arm(&t->wait.timer, r->deadline);
	spin_unlock(&b->lock);
	return 0;
}

bool wait_park(struct thread *t, struct wait_key key, const volatile u32 *word, u32 expected)
{
	struct wait_bucket *b = wait_bucket_lock(key);

	bucket_enter(b);
	bool parks = __atomic_load_n(word, __ATOMIC_SEQ_CST) == expected;
	if (parks) {
		__atomic_store_n(&t->wait.bucket, b, __ATOMIC_SEQ_CST);
		t->wait.flags = TK_WAIT_NEVER_INTERRUPTED;
		wait_stand(t, b, key, ~0u);
		t->parked = false; /* no call to finish */
	} else {
		__atomic_fetch_sub(&b->occupied, 1, __ATOMIC_RELAXED);
	}
	spin_unlock(&b->lock);
	return parks;
}

/* ---- Wake --------------------------------------------------------------------------------------------------------------------------- */

/* Bucket locked: the thread leaves it and runs again with a result. */
static void wait_leave(struct thread *t, long result)
{
	list_remove(&t->wait.link);
	__atomic_fetch_sub(&t->wait.bucket->occupied, 1, __ATOMIC_RELAXED); /* under the lock */
	if (__atomic_load_n(&t->wait.timer.armed, __ATOMIC_ACQUIRE)) /* see expire_one */
		timer_disarm(&t->wait.timer);
	t->result = (u64)result;
	__builtin_memset(t->outs, 0, sizeof(t->outs));
	/* Release: whoever sees NULL sees the wait ended. */
	__atomic_store_n(&t->wait.bucket, NULL, __ATOMIC_RELEASE);
	sched_wake(t);
}

static bool key_is(const struct thread *t, struct wait_key key)
{
	return t->wait.space == key.space && t->wait.address == key.address;
}

static long wake_locked(struct wait_bucket *b, struct wait_key key, u32 count, u32 bitset)
{
	long woken = 0;

	if (count == 0)
		return 0;
	list_each_safe(node, &b->waiters) {
		struct thread *t = container_of(node, struct thread, wait.link);
		if (!key_is(t, key) || !(t->wait.bitset & bitset))
			continue;
		wait_leave(t, 0);
		if ((u32)++woken == count)
			break;
	}
	return woken;
}

static inline __attribute__((always_inline)) long wake_in(struct wait_bucket *b, struct wait_key key, u32 count, u32 bitset)
{
	spin_lock(&b->lock);
	long woken = wake_locked(b, key, count, bitset);
	spin_unlock(&b->lock);
	return woken;
}

long wait_wake_waiters(struct wait_key key, u32 count, u32 bitset) { return wake_in(bucket_of(key), key, count, bitset); }

static inline __attribute__((always_inline)) long wake_key(struct wait_key key, u32 count, u32 bitset)
{
	struct wait_bucket *b = bucket_of(key);
	long woken = 0;

	/* Sequentially consistent: the caller wrote the word before; see bucket_enter. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&b->occupied, __ATOMIC_SEQ_CST))
		woken = wake_in(b, key, count, bitset);
	if (!list_empty(&b->watches))
		watch_wake(key, 1);
	return woken;
}

long wait_wake_key(struct wait_key key, u32 count, u32 bitset) { return wake_key(key, count, bitset); }

long wait_wake(struct thread *t, vaddr_t word, u32 count, u32 flags, u32 bitset)
{
	struct wait_key key = wait_key(t, word, flags);
	long error = key_error(key);

	if (error)
		return error == -ECANCELED ? 0 : error;
	if (flags & TK_WAIT_LOCK)
		sched_lend_end(t);
	return wake_key(key, count, bitset);
}

/* Moves at most `move` waiters of one key to another. */
static long move_locked(struct wait_bucket *from, struct wait_key key, struct wait_bucket *to, struct wait_key target, u32 move)
{
	long moved = 0;

	list_each_safe(node, &from->waiters) {
		struct thread *t = container_of(node, struct thread, wait.link);
		if ((u32)moved >= move)
			break;
		if (!key_is(t, key))
			continue;
		t->wait.space = target.space;
		t->wait.address = target.address;
		moved++;
		if (to != from) {
			bucket_enter(to);
			list_remove(&t->wait.link);
			list_push_back(&to->waiters, &t->wait.link);
			__atomic_fetch_sub(&from->occupied, 1, __ATOMIC_RELAXED); /* under both locks */
			__atomic_store_n(&t->wait.bucket, to, __ATOMIC_RELEASE);
		}
		if (key_lost(t, target))
			wait_leave(t, -ECANCELED);
	}
	return moved;
}

long wait_requeue(struct thread *t, const struct tk_requeue *r)
{
	u32 flags = r->flags & ~TK_REQUEUE_COMPARE;
	struct wait_key key = wait_key(t, (vaddr_t)r->word, flags), target = wait_key(t, (vaddr_t)r->to, flags);
	long error = key_error(key) ? key_error(key) : key_error(target);

	if (error == 0 && r->flags & TK_REQUEUE_COMPARE)
		error = word_prepare(t, (vaddr_t)r->word, flags);
	if (error)
		return error;
	struct wait_bucket *from = bucket_of(key), *to = bucket_of(target);
	spin_lock_two(&from->lock, &to->lock);
	if (r->flags & TK_REQUEUE_COMPARE) {
		long value = word_load(t, (vaddr_t)r->word, flags);
		if (value != (long)r->expected) {
			spin_unlock_two(&from->lock, &to->lock);
			return value < 0 ? -EFAULT : -EAGAIN;
		}
	}
	long woken = wake_locked(from, key, r->wake, ~0u);
	long moved = move_locked(from, key, to, target, r->move);
	spin_unlock_two(&from->lock, &to->lock);
	return woken + moved;
}

/* ---- Ends from elsewhere -------------------------------------------------------------------------------------------------------------- */

/* The bucket of a waiting thread, locked; it may be moved meanwhile. NULL: it does not wait. */
static struct wait_bucket *bucket_of_waiter(struct thread *t)
{
	for (;;) {
		struct wait_bucket *b = __atomic_load_n(&t->wait.bucket, __ATOMIC_SEQ_CST);
		if (b == NULL)
			return NULL;
		spin_lock(&b->lock);
		if (t->wait.bucket == b)
			return b;
		spin_unlock(&b->lock);
	}
}

struct wait_bucket *wait_hold(struct thread *t)
{
	struct wait_bucket *b = bucket_of_waiter(t);

	/* Its processor may still be leaving it. Acquire: its state is in memory. */
	while (b && __atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE))
		arch_tlb_serve();
	return b;
}

void wait_hold_end(struct wait_bucket *held) { spin_unlock(&held->lock); }

bool wait_cancel(struct thread *t, u32 serial, long result)
{
	struct wait_bucket *b = bucket_of_waiter(t);
	bool ended = false;

	if (b == NULL)
		return false;
	if ((serial == 0 || t->wait.serial == serial) && (result != -EINTR || interrupted(t, t->wait.flags))) {
		wait_leave(t, result);
		ended = true;
	}
	spin_unlock(&b->lock);
	return ended;
}

static void cancel_in(u32 at, u64 space, u32 domain)
{
	struct wait_bucket *b = &buckets[at];

	spin_lock(&b->lock);
	list_each_safe(node, &b->waiters) {
		struct thread *t = container_of(node, struct thread, wait.link);
		if (t->wait.space == space && (domain == TK_EVERYONE || t->domain->id == domain))
			wait_leave(t, -ECANCELED);
	}
	if (list_empty(&b->waiters)) {
		b->marked = false;
		__atomic_fetch_and(&used[at / 64], ~(1ull << (at % 64)), __ATOMIC_RELAXED); /* the lock orders it */
	}
	spin_unlock(&b->lock);
}

void wait_cancel_object(frame_t frame, u32 domain)
{
	/* Sequentially consistent: the holder bits were cleared before; see bucket_enter. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (u32 word = 0; word < countof(used); word++)
		for (u64 bits = __atomic_load_n(&used[word], __ATOMIC_RELAXED); bits; bits &= bits - 1)
			cancel_in(word * 64 + (u32)__builtin_ctzll(bits), SPACE_OBJECT | frame, domain);
}
