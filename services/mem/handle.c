/*
 * Handles: slot number in bits 19:0 and a random number above it, so that a handle can't be guessed and an old one is not mistaken for
 * a new one. The table grows by blocks that never move.
 */
#include "mem.h"

#define BLOCK_SLOTS 512u
#define BLOCKS 2048u /* 20 bits of slots */
#define SLOT_NONE (~0u)

static struct rt_lock handle_lock = RT_LOCK_RANKED(RANK_MEM_HANDLES); /* guards the table */
static struct mem_handled ***blocks; /* of slots: the thing, or NULL */
static u32 slot_hint;                /* no free slot below it */
static u32 slots_end;                /* none was ever used from here on */
static u64 nonces[32];               /* random numbers made ahead */
static u32 nonces_left;

static struct mem_handled **slot_find(u32 slot)
{
	if (!blocks || slot / BLOCK_SLOTS >= BLOCKS || !blocks[slot / BLOCK_SLOTS])
		return NULL;
	return &blocks[slot / BLOCK_SLOTS][slot % BLOCK_SLOTS];
}

/* A free slot; the table grows if there is none. */
static u32 slot_take(void)
{
	if (!blocks)
		blocks = heap_alloc(BLOCKS * sizeof(*blocks));
	if (!blocks)
		return SLOT_NONE;
	for (u32 slot = slot_hint; slot < BLOCKS * BLOCK_SLOTS; slot++) {
		struct mem_handled ***block = &blocks[slot / BLOCK_SLOTS];

		if (!*block)
			*block = heap_alloc(BLOCK_SLOTS * sizeof(**block));
		if (!*block)
			return SLOT_NONE;
		if (!(*block)[slot % BLOCK_SLOTS]) {
			slot_hint = slot + 1;
			slots_end = slot_hint > slots_end ? slot_hint : slots_end;
			return slot;
		}
	}
	return SLOT_NONE;
}

/* 43 random bits, not 0: the handle stays below 2^63. */
static u64 nonce_take(void)
{
	u64 nonce = 0;

	while (!nonce) {
		if (!nonces_left) {
			random_bytes(nonces, sizeof(nonces));
			nonces_left = countof(nonces);
		}
		nonce = nonces[--nonces_left] >> 21;
		nonces[nonces_left] = 0;
	}
	return nonce;
}

long mem_handle_create(struct mem_handled *thing, u32 type)
{
	u32 slot;

	lock_acquire(&handle_lock);
	slot = slot_take();
	if (slot != SLOT_NONE) {
		thing->handle = nonce_take() << 20 | slot;
		thing->references = 1;
		thing->type = type;
		*slot_find(slot) = thing;
	}
	lock_release(&handle_lock);
	return slot == SLOT_NONE ? -ENOMEM : 0;
}

static struct mem_handled *handle_find(u32 slot, u64 handle, u32 type)
{
	struct mem_handled **at, *thing = NULL;

	lock_acquire(&handle_lock);
	at = slot_find(slot);
	if (at && *at && (*at)->type == type && (!handle || (*at)->handle == handle)) {
		thing = *at;
		thing->references++;
	}
	lock_release(&handle_lock);
	return thing;
}

struct mem_handled *mem_handle_get(u64 handle, u32 type)
{
	return handle ? handle_find((u32)(handle & 0xfffff), handle, type) : NULL;
}

struct mem_handled *mem_handle_get_slot(u32 slot, u32 type)
{
	return handle_find(slot, 0, type);
}

u32 mem_handle_slots(void)
{
	return __atomic_load_n(&slots_end, __ATOMIC_RELAXED); /* a number by itself */
}

/* The thing can't be found any more. */
static void slot_clear(struct mem_handled *thing)
{
	u32 slot = mem_handle_slot(thing);

	*slot_find(slot) = NULL;
	if (slot < slot_hint)
		slot_hint = slot;
	thing->handle = 0;
}

bool mem_handle_close(struct mem_handled *thing)
{
	bool open;

	lock_acquire(&handle_lock);
	open = thing->handle != 0;
	if (open)
		slot_clear(thing);
	lock_release(&handle_lock);
	return open;
}

void mem_handled_hold(struct mem_handled *thing)
{
	lock_acquire(&handle_lock);
	thing->references++;
	lock_release(&handle_lock);
}

bool mem_handled_drop(struct mem_handled *thing)
{
	bool last;

	lock_acquire(&handle_lock);
	rt_assert(thing->references > 0);
	last = --thing->references == 0;
	if (last && thing->handle)
		slot_clear(thing);
	lock_release(&handle_lock);
	return last;
}
