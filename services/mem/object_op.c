/* The interface's operations on objects: who may do what is checked here. */
#include "mem.h"
#include <mem_server.h>

#define OBJECT_PAGES_MAX (1ull << 51) /* 2^63 bytes */
#define PAGES_AT_ONCE 1024u

/* The object of a handle if the caller is its maker. */
static struct mem_object *object_of_maker(const struct rt_request *rq, u64 handle)
{
	struct mem_object *object = mem_object_get(handle);

	if (object && (object->maker != rq->caller || object->maker_gone)) {
		mem_object_drop(object);
		return NULL;
	}
	return object;
}

long mem_op_object_create(const struct rt_request *rq, u64 pages, u64 cookie, u64 *object)
{
	struct mem_object *made;

	if (pages > OBJECT_PAGES_MAX)
		return -EFBIG;
	made = mem_object_make(pages, rq->caller, cookie);
	if (!made)
		return -ENOMEM;
	*object = made->handled.handle;
	return 0;
}

long mem_op_object_hold(const struct rt_request *rq, u64 object)
{
	struct mem_object *found = object_of_maker(rq, object);

	if (!found)
		return -EBADF;
	lock_acquire(&found->lock);
	found->holds++;
	lock_release(&found->lock);
	return 0; /* the reference of the look-up is the hold's */
}

long mem_op_object_release(const struct rt_request *rq, u64 object)
{
	struct mem_object *found = mem_object_get(object);
	bool held;

	(void)rq;
	if (!found)
		return -EBADF;
	lock_acquire(&found->lock);
	held = found->holds > 0;
	found->holds -= held;
	lock_release(&found->lock);
	if (held)
		mem_object_drop(found);
	mem_object_drop(found);
	return held ? 0 : -EBADF;
}

long mem_op_object_destroy(const struct rt_request *rq, u64 object)
{
	struct mem_object *found = object_of_maker(rq, object);
	bool first;

	if (!found)
		return -EBADF;
	first = mem_object_recall(found);
	if (first)
		mem_object_drop(found);
	mem_object_drop(found);
	return first ? 0 : -EBADF;
}

long mem_op_object_resize(const struct rt_request *rq, u64 object, u64 pages)
{
	struct mem_object *found;

	if (pages > OBJECT_PAGES_MAX)
		return -EFBIG;
	found = object_of_maker(rq, object);
	if (!found)
		return -EBADF;
	mem_object_size_set(found, pages);
	mem_object_drop(found);
	return 0;
}

long mem_op_object_punch(const struct rt_request *rq, u64 object, u64 index, u64 count)
{
	struct mem_object *found;

	if (!count || index + count < index)
		return -EINVAL;
	found = object_of_maker(rq, object);
	if (!found)
		return -EBADF;
	mem_object_remove(found, index, index + count, MEM_REMOVE_BY_MAKER);
	mem_object_drop(found);
	return 0;
}

/* Makes a frame visible in the maker's window. */
static long frame_lend(const struct mem_object *object, frame_t frame)
{
	long result;

	if (object->maker == rt_boot->domain || mem_frame_state(frame) == MEM_FRAME_LENT)
		return 0;
	result = tk_grant(token_of_frame(frame), object->maker, TK_MODE_WRITE);
	if (result == -ENOMEM && mem_reserve_refill() == 0)
		result = tk_grant(token_of_frame(frame), object->maker, TK_MODE_WRITE);
	if (mem_is_error(result))
		return -ENOMEM;
	mem_frame_state_set(frame, MEM_FRAME_LENT);
	return 0;
}

/* Looks up, or makes, a run of pages: how many were got before something failed, or the error of the first. */
static long pages_get(struct mem_object *object, u64 index, u32 count, bool create, frame_t *frames)
{
	long result = 0;
	u32 got = 0;

	lock_acquire(&object->lock);
	if (index > object->pages || count > object->pages - index)
		result = -EINVAL;
	while (got < count && !result) {
		frames[got] = mem_object_frame_locked(object, index + got, create);
		if (frames[got])
			result = frame_lend(object, frames[got]);
		else if (create)
			result = -ENOMEM;
		got += !result;
	}
	lock_release(&object->lock);
	return got ? (long)got : result;
}

long mem_op_object_page(const struct rt_request *rq, u64 object, u64 index, u32 flags, u64 *frame)
{
	struct mem_object *found;
	frame_t got = FRAME_NONE;
	long result;

	if (flags & ~(u32)MEM_PAGE_CREATE)
		return -EINVAL;
	found = object_of_maker(rq, object);
	if (!found)
		return -EBADF;
	result = pages_get(found, index, 1, flags & MEM_PAGE_CREATE, &got);
	mem_object_drop(found);
	*frame = got;
	return result < 0 ? result : 0;
}

long mem_op_object_pages(const struct rt_request *rq, u64 object, u64 index, u32 count, u32 flags, void *frames,
                         size_t frames_capacity)
{
	struct mem_object *found;
	long result;

	if (flags & ~(u32)MEM_PAGE_CREATE || !count || count > PAGES_AT_ONCE || count > frames_capacity / sizeof(frame_t))
		return -EINVAL;
	found = object_of_maker(rq, object);
	if (!found)
		return -EBADF;
	result = pages_get(found, index, count, flags & MEM_PAGE_CREATE, frames);
	mem_object_drop(found);
	return result < 0 ? result : result * (long)sizeof(frame_t);
}

long mem_op_object_seek(const struct rt_request *rq, u64 object, u64 index, u32 what, u64 *found_index)
{
	struct mem_object *found;
	frame_t frame;
	long result = 0;

	if (what != MEM_SEEK_DATA && what != MEM_SEEK_HOLE)
		return -EINVAL;
	found = object_of_maker(rq, object);
	if (!found)
		return -EBADF;
	lock_acquire(&found->lock);
	if (index >= found->pages) {
		result = -ENXIO;
	} else if (what == MEM_SEEK_DATA) {
		if (!mem_index_next(&found->index, &index, &frame) || index >= found->pages)
			result = -ENXIO;
	} else {
		while (index < found->pages && mem_index_get(&found->index, index))
			index++;
	}
	lock_release(&found->lock);
	*found_index = index;
	mem_object_drop(found);
	return result;
}

long mem_op_object_info(const struct rt_request *rq, u64 object, struct mem_object_info *info)
{
	struct mem_object *found = mem_object_get(object);

	(void)rq;
	if (!found)
		return -EBADF;
	lock_acquire(&found->lock);
	*info = (struct mem_object_info){ .pages = found->pages, .present = found->index.count, .mappings = found->mapping_count,
	                                  .writable_mappings = found->writable_count, .cookie = found->cookie };
	lock_release(&found->lock);
	mem_object_drop(found);
	return 0;
}

long mem_op_objects_list(const struct rt_request *rq, u32 from, void *objects, size_t objects_capacity, u64 *next)
{
	struct mem_object_entry *entries = objects;
	u32 end = mem_handle_slots(), count = 0;

	for (; from < end && (count + 1) * sizeof(*entries) <= objects_capacity; from++) {
		struct mem_object *object = (struct mem_object *)mem_handle_get_slot(from, MEM_HANDLE_OBJECT);

		if (!object)
			continue;
		lock_acquire(&object->lock);
		if (object->maker == rq->caller && !object->maker_gone)
			entries[count++] = (struct mem_object_entry){ object->handled.handle, object->cookie, object->pages, object->index.count };
		lock_release(&object->lock);
		mem_object_drop(object);
	}
	*next = from < end ? from : 0;
	return (long)(count * sizeof(*entries));
}
