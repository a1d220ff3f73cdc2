/*
 * Memory objects: the frames behind file pages and shared memory, and who maps them. A mapping holds a reference to its object. The
 * object's lock is held while its pages are mapped or unmapped, so a page that was taken out is mapped nowhere when it is freed.
 */
#include "mem.h"

static u64 frames_shared; /* changed atomically */

u64 mem_object_frames_shared(void)
{
	return frames_shared;
}

static void frames_account(const struct mem_object *object, i64 change)
{
	if (!object->maker)
		__atomic_add_fetch(&frames_shared, (u64)change, __ATOMIC_RELAXED); /* relaxed: a statistic */
}

struct mem_object *mem_object_make(u64 pages, u32 maker, u64 cookie)
{
	struct mem_object *object = heap_alloc(sizeof(*object));

	if (!object)
		return NULL;
	lock_rank_set(&object->lock, RANK_MEM_OBJECT);
	object->pages = pages;
	object->maker = maker;
	object->cookie = cookie;
	if (mem_handle_create(&object->handled, MEM_HANDLE_OBJECT)) {
		heap_free(object);
		return NULL;
	}
	return object;
}

struct mem_object *mem_object_get(u64 handle)
{
	return (struct mem_object *)mem_handle_get(handle, MEM_HANDLE_OBJECT);
}

/* Frees a frame that is in no index and mapped in no application; spare: its maker may keep it for another object. */
static void frame_release(const struct mem_object *object, frame_t frame, bool spare)
{
	frames_account(object, -1);
	if (mem_frame_state(frame) == MEM_FRAME_LENT) {
		if (spare && mem_spare_put(object->maker, frame))
			return;
		(void)tk_revoke(token_of_frame(frame), TK_EVERYONE);
	}
	mem_frames_put(frame, 0);
}

void mem_object_drop(struct mem_object *object)
{
	u64 at = 0;
	frame_t frame;

	if (!mem_handled_drop(&object->handled))
		return;
	while (mem_index_next(&object->index, &at, &frame)) {
		mem_index_remove(&object->index, at);
		frame_release(object, frame, true);
	}
	heap_free(object);
}

/* A zeroed frame that its maker may see already. */
static frame_t frame_take(const struct mem_object *object)
{
	frame_t frame = object->maker_gone ? FRAME_NONE : mem_spare_take(object->maker);

	if (!frame)
		return mem_frame_take_zeroed(MEM_FRAME_OBJECT);
	mem_frame_zero(frame);
	return frame;
}

frame_t mem_object_frame_locked(struct mem_object *object, u64 index, bool create)
{
	frame_t frame = mem_index_get(&object->index, index);

	if (frame || !create)
		return frame;
	frame = frame_take(object);
	if (!frame)
		return FRAME_NONE;
	frames_account(object, 1);
	if (mem_index_set(&object->index, index, frame)) {
		frame_release(object, frame, true);
		return FRAME_NONE;
	}
	return frame;
}

/* ---- Mappings ------------------------------------------------------------------------------------------------------------------ */

static void mapping_fill(struct mem_mapping *mapping, const struct tk_region *region, u32 notes)
{
	bool may_write = (notes & MEM_NOTE_SHARED) && (notes >> MEM_NOTE_PROT_SHIFT & TK_PROT_WRITE);

	mapping->start = region->start;
	mapping->end = region->end;
	mapping->page = region->offset >> PAGE_SHIFT;
	mapping->shared = notes & MEM_NOTE_SHARED;
	mapping->object->writable_count += (u64)may_write - (u64)mapping->may_write;
	mapping->may_write = may_write;
}

struct mem_mapping *mem_mapping_create(struct mem_object *object, struct mem_space *space, const struct tk_region *region, u32 notes)
{
	struct mem_mapping *mapping = heap_alloc(sizeof(*mapping));

	if (!mapping)
		return NULL;
	mem_handled_hold(&object->handled);
	mapping->object = object;
	mapping->space = space;
	lock_acquire(&object->lock);
	mapping_fill(mapping, region, notes);
	mapping->next = object->mappings;
	mapping->previous = &object->mappings;
	if (mapping->next)
		mapping->next->previous = &mapping->next;
	object->mappings = mapping;
	object->mapping_count++;
	lock_release(&object->lock);
	return mapping;
}

void mem_mapping_destroy(struct mem_mapping *mapping)
{
	struct mem_object *object = mapping->object;

	lock_acquire(&object->lock);
	*mapping->previous = mapping->next;
	if (mapping->next)
		mapping->next->previous = mapping->previous;
	object->mapping_count--;
	object->writable_count -= mapping->may_write;
	lock_release(&object->lock);
	heap_free(mapping);
	mem_object_drop(object);
}

void mem_mapping_move(struct mem_mapping *mapping, const struct tk_region *region, u32 notes)
{
	lock_acquire(&mapping->object->lock);
	mapping_fill(mapping, region, notes);
	lock_release(&mapping->object->lock);
}

/* ---- Removing pages -------------------------------------------------------------------------------------------------------------- */

/* Unmaps pages [first, end) of the object in one mapping, private copies too. */
static void mapping_unmap(const struct mem_mapping *mapping, u64 first, u64 end)
{
	u64 pages = (mapping->end - mapping->start) >> PAGE_SHIFT;
	u64 from = first > mapping->page ? first - mapping->page : 0;
	u64 to = end > mapping->page ? end - mapping->page : 0;

	if (to > pages)
		to = pages;
	if (from < to)
		mem_pages_unmap_token(mapping->space->token, mapping->start + (from << PAGE_SHIFT), mapping->start + (to << PAGE_SHIFT));
}

/* Unmaps one page where the object's own frame is mapped; private copies stay. */
static void frame_unmap(const struct mem_object *object, u64 index, frame_t frame)
{
	for (const struct mem_mapping *mapping = object->mappings; mapping; mapping = mapping->next) {
		u64 address;
		long mapped;

		if (index < mapping->page || index - mapping->page >= (mapping->end - mapping->start) >> PAGE_SHIFT)
			continue;
		address = mapping->start + ((index - mapping->page) << PAGE_SHIFT);
		mapped = tk_query(mapping->space->token, address);
		if (!mem_is_error(mapped) && (frame_t)mapped == frame)
			mem_pages_unmap_token(mapping->space->token, address, address + PAGE_SIZE);
	}
}

/* Takes pages [first, end) out and frees them, or clears them. */
static void pages_remove_locked(struct mem_object *object, u64 first, u64 end, u32 how)
{
	bool private_too = how & MEM_REMOVE_PRIVATE;
	/* The maker may be copying to a page which a program takes away: it stays, as good as a new one. */
	bool stay = object->maker && !object->maker_gone && !(how & MEM_REMOVE_BY_MAKER);
	u64 at = first;
	frame_t frame;

	for (struct mem_mapping *mapping = object->mappings; mapping && private_too; mapping = mapping->next)
		mapping_unmap(mapping, first, end);
	for (; mem_index_next(&object->index, &at, &frame) && at < end; at++) {
		if (stay) {
			mem_frame_zero(frame);
			continue;
		}
		if (!private_too)
			frame_unmap(object, at, frame);
		mem_index_remove(&object->index, at);
		frame_release(object, frame, how & MEM_REMOVE_BY_MAKER);
	}
}

void mem_object_remove(struct mem_object *object, u64 first, u64 end, u32 how)
{
	lock_acquire(&object->lock);
	pages_remove_locked(object, first, end, how);
	lock_release(&object->lock);
}

/* Changes the size; what lies beyond it goes. */
void mem_object_size_set(struct mem_object *object, u64 pages)
{
	lock_acquire(&object->lock);
	object->pages = pages;
	pages_remove_locked(object, pages, ~0ull, MEM_REMOVE_PRIVATE | MEM_REMOVE_BY_MAKER);
	lock_release(&object->lock);
}

bool mem_object_recall(struct mem_object *object)
{
	u64 at = 0;
	frame_t frame;
	bool first;

	lock_acquire(&object->lock);
	/* What nobody else has ends with this call, and its pages may stay. */
	for (; (object->holds || object->mappings) && mem_index_next(&object->index, &at, &frame); at++) {
		if (mem_frame_state(frame) != MEM_FRAME_LENT)
			continue;
		(void)tk_revoke(token_of_frame(frame), TK_EVERYONE);
		mem_frame_state_set(frame, MEM_FRAME_OBJECT);
	}
	first = !object->maker_gone;
	object->maker_gone = true;
	lock_release(&object->lock);
	return first;
}
