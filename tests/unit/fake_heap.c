/* The heap, as recovery sees it: each block is known, and overflows of it are the sanitizer's to find. */
#include "fake_heap.h"

#include <pthread.h>
#include <stdlib.h>

#define SLOTS (1u << 17)

struct slot { void *p; size_t size; u32 kind; };

long fake_heap_used, fake_heap_fail_after = -1;
static struct slot slots[SLOTS];   /* by address, linear probing; guarded by mutex */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static u32 home_of(const void *p)
{
	return (u32)(((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15ull >> 47) % SLOTS;
}

static struct slot *slot_find(const void *p)
{
	for (u32 i = home_of(p); slots[i].p; i = (i + 1) % SLOTS)
		if (slots[i].p == p)
			return &slots[i];
	return NULL;
}

static void slot_add(void *p, size_t size)
{
	u32 i = home_of(p);

	if (fake_heap_used >= SLOTS / 2)
		abort();
	while (slots[i].p)
		i = (i + 1) % SLOTS;
	slots[i] = (struct slot){ p, size, HEAP_UNCLAIMED };
	fake_heap_used++;
}

/* What stands behind moves up, so that no search ends too early. */
static void slot_remove(struct slot *slot)
{
	u32 hole = (u32)(slot - slots), i = hole;

	for (;;) {
		i = (i + 1) % SLOTS;
		if (!slots[i].p)
			break;
		if ((i - home_of(slots[i].p)) % SLOTS >= (i - hole) % SLOTS) {
			slots[hole] = slots[i];
			hole = i;
		}
	}
	slots[hole].p = NULL;
	fake_heap_used--;
}

void *heap_alloc(size_t size)
{
	void *p = NULL;

	pthread_mutex_lock(&mutex);
	if (fake_heap_fail_after < 0 || fake_heap_fail_after-- != 0) {
		p = calloc(1, size ? size : 1);
		slot_add(p, size);
	}
	pthread_mutex_unlock(&mutex);
	return p;
}

void heap_free(void *p)
{
	struct slot *slot;

	if (!p)
		return;
	pthread_mutex_lock(&mutex);
	slot = slot_find(p);
	if (!slot)
		abort();
	slot_remove(slot);
	pthread_mutex_unlock(&mutex);
	free(p);
}

void *heap_resize(void *p, size_t size)
{
	size_t old = p ? heap_size(p) : 0;
	void *moved = heap_alloc(size);

	if (moved && p) {
		memcpy(moved, p, old < size ? old : size);
		heap_free(p);
	}
	return moved;
}

/* ---- Recovery ---- */
u32 heap_kind(const void *p)
{
	const struct slot *slot = p ? slot_find(p) : NULL;

	return slot ? slot->kind : 0;
}

bool heap_claim(const void *p, size_t size, u32 kind)
{
	struct slot *slot = p ? slot_find(p) : NULL;

	if (!slot || slot->kind != HEAP_UNCLAIMED || slot->size < size)
		return false;
	slot->kind = kind;
	return true;
}

void heap_reclaim(const void *p, u32 kind) { slot_find(p)->kind = kind; }
size_t heap_size(const void *p) { return slot_find(p)->size; }

void *heap_next(void *p, u32 kind)
{
	for (u32 i = p ? (u32)(slot_find(p) - slots) + 1 : 0; i < SLOTS; i++)
		if (slots[i].p && slots[i].kind == kind)
			return slots[i].p;
	return NULL;
}

u64 heap_sweep(void)
{
	u64 freed = 0;

	for (u32 i = 0; i < SLOTS; i++) {
		while (slots[i].p && slots[i].kind == HEAP_UNCLAIMED) {
			free(slots[i].p);
			slot_remove(&slots[i]);
			freed++;
		}
	}
	for (u32 i = 0; i < SLOTS; i++)
		slots[i].kind = HEAP_UNCLAIMED;
	return freed;
}

/* The n-th block in use, and its size. */
void *fake_heap_block(u32 n, size_t *size)
{
	for (u32 i = 0; i < SLOTS; i++)
		if (slots[i].p && n-- == 0) {
			*size = slots[i].size;
			return slots[i].p;
		}
	return NULL;
}
