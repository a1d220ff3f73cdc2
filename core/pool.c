/*
 * Frame pools: the ring of zeroed frames by which the core serves faults alone, and the log of what it did. The page is mem's to write:
 * the core keeps its own positions, reads each entry once, and takes a frame only if its record says that it may.
 */
#include "vspace.h"
#include "token.h"
#include "wait.h"
#include <arch/page.h>

#define TRIES 4u          /* bad entries skipped before a fault goes to mem */
#define RESERVE_LOW 32u   /* page tables left when mem is told */

long pool_create(u32 caller, const struct tk_object_create *request)
{
	struct pool *pool = frame_address(request->frames[1]);

	*pool = (struct pool){ .id = request->frames[0], .page = frame_address(request->frames[0]), .owner = caller };
	return 0;
}

long pool_destroy(void *pool)
{
	const struct pool *p = pool;

	/* Acquire: what the last space did with it is over. */
	return __atomic_load_n(&p->references, __ATOMIC_ACQUIRE) || p->stash != FRAME_NONE ? -EBUSY : 0;
}

/* Counts the first mapping of a frame that is the owner's, mapped nowhere and held by nobody else. */
static inline bool entry_take(frame_t frame, u32 owner)
{
	if (unlikely(frame == FRAME_NONE || frame >= frame_count))
		return false;
	struct frame_record *record = frame_record(frame);
	spin_lock(frame_lock(frame));
	bool good = frame_is_idle(record, owner);
	if (good)
		record->map_count = 1;
	spin_unlock(frame_lock(frame));
	return good;
}

/* A frame which a copy left behind: claimed since, so that it is still what it was. */
static frame_t stash_take(struct pool *pool)
{
	frame_t frame = pool->stash;

	pool->stash = frame_record(frame)->link;
	arch_page_zero(frame_address(frame));
	frame_retype(frame, FRAME_USER, pool->owner, 1);
	return frame;
}

static inline frame_t ring_take(struct pool *pool)
{
	struct tk_pool_page *page = pool->page;
	/* Acquire: entries up to tail are written. */
	u32 filled = __atomic_load_n(&page->tail, __ATOMIC_ACQUIRE) - pool->head;
	frame_t frame = FRAME_NONE;

	if (unlikely(filled > TK_POOL_ENTRIES))
		return FRAME_NONE;
	/* Relaxed: mem's wish. Not at every fault: it has been told at the ones before. */
	if (unlikely((filled <= __atomic_load_n(&page->low, __ATOMIC_RELAXED) || reserve_count() < RESERVE_LOW) && !(filled & 15)))
		pool->low = true;
	for (u32 tries = 0; tries < TRIES && tries < filled; tries++) {
		/* Relaxed: read once; the record decides. */
		frame = __atomic_load_n(&page->entries[pool->head++ % TK_POOL_ENTRIES], __ATOMIC_RELAXED);
		if (likely(entry_take(frame, pool->owner)))
			break;
		frame = FRAME_NONE;
	}
	/* Release: the entry has been read before mem may fill it again. */
	__atomic_store_n(&page->head, pool->head, __ATOMIC_RELEASE);
	return frame;
}

static inline bool log_has_room(const struct pool *pool)
{
	/* Relaxed: mem's word; the worst it can do is to lose its own records. */
	return pool->log_tail + pool->promised - __atomic_load_n(&pool->page->log_head, __ATOMIC_RELAXED) < TK_POOL_LOG_ENTRIES;
}

static inline void log_write(struct pool *pool, u32 space, vaddr_t address, frame_t frame)
{
	struct tk_pool_page *page = pool->page;

	page->log[pool->log_tail % TK_POOL_LOG_ENTRIES] = (struct tk_fault_record){ address, space, frame };
	pool->log_tail++;
	/* Release: the record is written before it counts. */
	__atomic_store_n(&page->log_tail, pool->log_tail, __ATOMIC_RELEASE);
}

static inline frame_t take_locked(struct pool *pool)
{
	if (unlikely(!log_has_room(pool)))
		return FRAME_NONE;
	if (unlikely(pool->stash != FRAME_NONE))
		return stash_take(pool);
	return ring_take(pool);
}

frame_t pool_serve(struct pool *pool, u32 space, vaddr_t address)
{
	spin_lock(&pool->lock);
	frame_t frame = take_locked(pool);
	if (likely(frame != FRAME_NONE))
		log_write(pool, space, address, frame);
	spin_unlock(&pool->lock);
	return frame;
}

frame_t pool_take(struct pool *pool)
{
	spin_lock(&pool->lock);
	frame_t frame = take_locked(pool);
	pool->promised += frame != FRAME_NONE;
	spin_unlock(&pool->lock);
	return frame;
}

void pool_log(struct pool *pool, u32 space, vaddr_t address, frame_t frame)
{
	spin_lock(&pool->lock);
	pool->promised--;
	log_write(pool, space, address, frame);
	spin_unlock(&pool->lock);
}

void pool_stash(struct pool *pool, frame_t frame)
{
	spin_lock(&pool->lock);
	frame_record(frame)->link = pool->stash;
	pool->stash = frame;
	spin_unlock(&pool->lock);
}

struct pool *pool_low_hold(struct pool *pool)
{
	pool->low = false;
	/* Relaxed: the space's reference keeps the pool until this one counts. */
	__atomic_add_fetch(&pool->references, 1, __ATOMIC_RELAXED);
	return pool;
}

void pool_low_tell(struct pool *pool)
{
	/* Relaxed: the wake orders it. */
	__atomic_add_fetch(&pool->page->low_word, 1, __ATOMIC_RELAXED);
	wait_wake_key(wait_key_of_object(pool->id, offsetof(struct tk_pool_page, low_word)), 1, ~0u);
	/* Release: this processor is done with it. */
	__atomic_sub_fetch(&pool->references, 1, __ATOMIC_RELEASE);
}
