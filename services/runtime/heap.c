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
	bool again;
	void *p;

	do { /* in short sections, for which the reserve of an undo log is enough */
		lock_acquire(&heap_lock);
		p = arena_alloc(&arena, size);
		again = !p && arena_gather(&arena);
		lock_release(&heap_lock);
	} while (again);
	return p;
}

bool heap_held(void)
{
	return lock_held(&heap_lock) || lock_held(&grow_lock);
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
		unnoted_zero(p, size);
	return p;
}

void heap_free(void *p)
{
	if (!p || stable_free_later(p))
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
			unnoted_zero((char *)p + old, size - old);
		return p;
	}
	void *moved = heap_alloc(size);

	if (!moved)
		return NULL;
	unnoted_copy(moved, p, old < size ? old : size);
	heap_free(p);
	return moved;
}

/* ---- Recovery: a byte for each place where a block can begin, in frames of mem's, says who has claimed it --------------------------- */

#define MARK_ORDER 4u
#define MARKS_IN_CHUNK (PAGE_SIZE << MARK_ORDER)
#define MARK_CHUNKS 1024u /* 1 GiB of heap */

static FRESH u8 *marks[MARK_CHUNKS];

/* The mark of an address that may be anything; NULL: no block can begin there. */
static u8 *mark_of(const void *p)
{
	u64 offset = (u64)p - rt_boot->heap, index = offset / ARENA_ALIGN;

	if (offset >= mapped_pages * PAGE_SIZE || offset % ARENA_ALIGN || index / MARKS_IN_CHUNK >= MARK_CHUNKS || !marks[index / MARKS_IN_CHUNK])
		return NULL;
	return &marks[index / MARKS_IN_CHUNK][index % MARKS_IN_CHUNK];
}

static bool marks_make(void)
{
	u64 chunks = (mapped_pages * PAGE_SIZE / ARENA_ALIGN + MARKS_IN_CHUNK - 1) / MARKS_IN_CHUNK, frame;

	if (chunks > MARK_CHUNKS)
		return false;
	for (u64 i = 0; i < chunks; i++) {
		if (mem_frames_alloc(MARK_ORDER, &frame) < 0)
			return false;
		marks[i] = (u8 *)token_of_frame(frame);
	}
	for (void *p = arena_next(&arena, (void *)rt_boot->heap, NULL); p; p = arena_next(&arena, (void *)rt_boot->heap, p))
		*mark_of(p) = HEAP_UNCLAIMED;
	return true;
}

static void marks_drop(void)
{
	for (u32 i = 0; i < MARK_CHUNKS && marks[i]; i++) {
		frame_t frame = frame_of_token((vaddr_t)marks[i]);

		/* What mem does not take back is lost, and only that. */
		if (!stable_frames_free(frame, MARK_ORDER))
			log_line("%u frames are lost", 1u << MARK_ORDER);
		marks[i] = NULL;
	}
}

bool heap_recover(void)
{
	heap_lock = grow_lock = (struct rt_lock)RT_LOCK_INIT;
	mapped_pages = rt_boot->heap_pages; /* whoever had it grow may not have lived to see it */
	return arena_restore(&arena, (void *)rt_boot->heap, mapped_pages * PAGE_SIZE) && marks_make() &&
	       heap_claim(stable_logs(), stable_logs_size(), HEAP_RUNTIME);
}

u32 heap_kind(const void *p)
{
	const u8 *mark = mark_of(p);

	return mark ? *mark : 0;
}

bool heap_claim(const void *p, size_t size, u32 kind)
{
	u8 *mark = mark_of(p);

	if (!mark || *mark != HEAP_UNCLAIMED || arena_size(p) < size)
		return false;
	*mark = (u8)kind;
	return true;
}

void heap_reclaim(const void *p, u32 kind)
{
	u8 *mark = mark_of(p);

	if (mark) /* else it is newer than the marks, and nothing will free it */
		*mark = (u8)kind;
}

size_t heap_size(const void *p)
{
	return arena_size(p);
}

void *heap_next(void *p, u32 kind)
{
	do
		p = arena_next(&arena, (void *)rt_boot->heap, p);
	while (p && heap_kind(p) != kind);
	return p;
}

u64 heap_sweep(void)
{
	void *p = arena_next(&arena, (void *)rt_boot->heap, NULL), *next;
	u64 freed = 0;

	for (; p; p = next) {
		next = arena_next(&arena, (void *)rt_boot->heap, p);
		if (heap_kind(p) == HEAP_UNCLAIMED && arena_free(&arena, p))
			freed++;
	}
	marks_drop();
	return freed;
}
