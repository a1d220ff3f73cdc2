/* The heap of a unit: an arena over pages which `mem` adds at its end. Memory freed is reused, pages are not given back. */
#include <runtime_unit.h>
#include <arena.h>
#include <mem_client.h>

#define GROW_PAGES_MIN 4ul
#define GROW_PAGES_MAX 1024ul /* beyond what is asked for, at once */

static struct rt_lock heap_lock = RT_LOCK_INIT; /* guards arena */
static struct rt_lock grow_lock = RT_LOCK_INIT; /* guards mapped_pages; taken before heap_lock; held over the call of mem */
static struct arena arena;
static u64 mapped_pages;

void heap_start(void)
{
	mapped_pages = rt_boot->heap_pages;
	if (mapped_pages)
		arena_grow(&arena, (void *)rt_boot->heap, mapped_pages * PAGE_SIZE);
}

static void *heap_take(size_t size)
{
	lock_acquire(&heap_lock);
	void *p = arena_alloc(&arena, size);

	lock_release(&heap_lock);
	return p;
}

/* Pages for a block of this size, and an eighth of the heap more, so that growing gets rarer. */
static u64 pages_wanted(size_t size)
{
	u64 needed = (size + size / 8 + ARENA_OVERHEAD + PAGE_SIZE - 1) / PAGE_SIZE + 1;
	u64 more = mapped_pages / 8;

	if (more < GROW_PAGES_MIN)
		more = GROW_PAGES_MIN;
	if (more > GROW_PAGES_MAX)
		more = GROW_PAGES_MAX;
	return needed > more ? needed : more;
}

/* Adds at least the pages that a block needs, in as many steps as mem takes; false when there is no more memory. */
static bool heap_extend(size_t size)
{
	u64 wanted = pages_wanted(size);

	if (size > rt_boot->heap_limit * PAGE_SIZE || mapped_pages + wanted > rt_boot->heap_limit)
		return false;
	while (wanted) {
		long added = mem_heap_grow(mapped_pages, (u32)wanted);

		if (added <= 0 || (u64)added > wanted)
			return false;
		lock_acquire(&heap_lock);
		arena_grow(&arena, (void *)(rt_boot->heap + mapped_pages * PAGE_SIZE), (u64)added * PAGE_SIZE);
		lock_release(&heap_lock);
		mapped_pages += (u64)added;
		wanted -= (u64)added;
	}
	return true;
}

/* A block, growing the heap if need be; what mem does while the heap grows may not need the heap to grow. */
static void *heap_find(size_t size)
{
	void *p = heap_take(size);

	if (likely(p != NULL) || lock_held(&grow_lock))
		return p;
	lock_acquire(&grow_lock);
	p = heap_take(size); /* somebody else may have grown it */
	if (!p && heap_extend(size))
		p = heap_take(size);
	lock_release(&grow_lock);
	return p;
}

void *heap_alloc(size_t size)
{
	void *p = heap_find(size);

	if (p)
		memset(p, 0, size);
	return p;
}

void heap_free(void *p)
{
	if (!p)
		return;
	lock_acquire(&heap_lock);
	bool known = arena_free(&arena, p);

	lock_release(&heap_lock);
	rt_assert(known);
}

void *heap_resize(void *p, size_t size)
{
	if (!p)
		return heap_alloc(size);
	lock_acquire(&heap_lock);
	size_t old = arena_size(p);
	bool done = arena_resize(&arena, p, size);

	lock_release(&heap_lock);
	if (done) {
		if (size > old)
			memset((char *)p + old, 0, size - old);
		return p;
	}
	void *moved = heap_alloc(size);

	if (!moved)
		return NULL;
	memcpy(moved, p, old < size ? old : size);
	heap_free(p);
	return moved;
}
