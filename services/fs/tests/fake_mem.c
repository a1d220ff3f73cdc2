/* The service mem, as far as fs uses it. Frames that are not lent to fs are poisoned. */
#include "fake.h"
#include <mem_client.h>
#include <mem/mem_types.h>

#include <sanitizer/asan_interface.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#define FRAMES 65536u
#define OBJECTS 4096u

struct fake_object { bool used, destroyed; u64 pages, holds, cookie; frame_t *frames; };

long fake_objects, fake_frames_used;
static struct fake_object objects[OBJECTS];
static frame_t free_frames[FRAMES];
static u32 free_count;
static pthread_mutex_t objects_mutex = PTHREAD_MUTEX_INITIALIZER;

vaddr_t fake_memory_start(void)
{
	u8 *window = mmap(NULL, FRAMES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (u32 i = FRAMES - 1; i > 0; i--)
		free_frames[free_count++] = i;
	__asan_poison_memory_region(window, FRAMES * PAGE_SIZE);
	return (vaddr_t)(uintptr_t)window;
}

static struct fake_object *object_get(u64 handle)
{
	return handle > 0 && handle < OBJECTS && objects[handle].used && !objects[handle].destroyed ? &objects[handle] : NULL;
}
static void frame_free(frame_t *frame)
{
	if (*frame == FRAME_NONE)
		return;
	__asan_poison_memory_region((void *)(uintptr_t)token_of_frame(*frame), PAGE_SIZE);
	free_frames[free_count++] = *frame;
	*frame = FRAME_NONE;
	fake_frames_used--;
}
static long object_create(u64 pages, u64 cookie, u64 *object)
{
	u64 i;

	for (i = 1; i < OBJECTS && objects[i].used; i++)
		;
	if (i == OBJECTS)
		return -ENOMEM;
	objects[i] = (struct fake_object){ .used = true, .pages = pages, .cookie = cookie, .frames = calloc(pages < 4096 ? 4096 : pages, sizeof(frame_t)) };
	*object = i;
	fake_objects++;
	return 0;
}
static long object_destroy(u64 handle)
{
	struct fake_object *object = object_get(handle);
	u64 i;

	if (!object)
		return -EBADF;
	for (i = 0; i < object->pages && i < 4096; i++)
		frame_free(&object->frames[i]);
	free(object->frames);
	object->used = false;
	fake_objects--;
	return 0;
}
static long object_hold(u64 handle)
{
	struct fake_object *object = object_get(handle);

	return object ? (long)(object->holds++ & 0) : -EBADF;
}
static long object_resize(u64 handle, u64 pages)
{
	struct fake_object *object = object_get(handle);
	u64 i;

	if (!object)
		return -EBADF;
	for (i = pages; i < object->pages && i < 4096; i++)
		frame_free(&object->frames[i]);
	object->pages = pages;
	return 0;
}
static long object_punch(u64 handle, u64 index, u64 count)
{
	struct fake_object *object = object_get(handle);
	u64 i;

	if (!object || index + count > object->pages)
		return -EINVAL;
	for (i = index; i < index + count; i++)
		frame_free(&object->frames[i]);
	return 0;
}
static long object_page(u64 handle, u64 index, u32 flags, u64 *frame)
{
	struct fake_object *object = object_get(handle);

	if (!object || index >= object->pages)
		return -EINVAL;
	*frame = FRAME_NONE;
	if (index >= 4096)
		return flags & MEM_PAGE_CREATE ? -ENOMEM : 0;
	if (object->frames[index] == FRAME_NONE && (flags & MEM_PAGE_CREATE)) {
		if (!free_count)
			return -ENOMEM;
		object->frames[index] = free_frames[--free_count];
		fake_frames_used++;
		__asan_unpoison_memory_region((void *)(uintptr_t)token_of_frame(object->frames[index]), PAGE_SIZE);
		memset((void *)(uintptr_t)token_of_frame(object->frames[index]), 0, PAGE_SIZE);
	}
	*frame = object->frames[index];
	return 0;
}
static long object_pages(u64 handle, u64 index, u32 count, u32 flags, void *frames, size_t capacity)
{
	u32 i;

	for (i = 0; i < count && i < capacity / sizeof(frame_t); i++) {
		u64 frame;
		long result = object_page(handle, index + i, flags, &frame);

		if (result < 0)
			return i ? (long)(i * sizeof(frame_t)) : result;
		((frame_t *)frames)[i] = (frame_t)frame;
	}
	return (long)(i * sizeof(frame_t));
}
static long object_seek(u64 handle, u64 index, u32 what, u64 *found)
{
	struct fake_object *object = object_get(handle);
	u64 i;

	if (!object || index >= object->pages)
		return -ENXIO;
	for (i = index; i < object->pages; i++)
		if ((i < 4096 && object->frames[i] != FRAME_NONE) == (what == MEM_SEEK_DATA))
			break;
	if (i == object->pages && what == MEM_SEEK_DATA)
		return -ENXIO;
	*found = i;
	return 0;
}
static long object_info(u64 handle, struct mem_object_info *info)
{
	struct fake_object *object = object_get(handle);
	u64 i;

	if (!object)
		return -EBADF;
	memset(info, 0, sizeof(*info));
	info->pages = object->pages;
	for (i = 0; i < object->pages && i < 4096; i++)
		info->present += object->frames[i] != FRAME_NONE;
	return 0;
}
static long objects_list(u32 from, void *list, size_t capacity, u64 *next)
{
	struct mem_object_entry *entries = list;
	struct mem_object_info info;
	u32 count = 0;

	for (; from < OBJECTS && (count + 1) * sizeof(*entries) <= capacity; from++) {
		if (!object_get(from) || object_info(from, &info) < 0)
			continue;
		entries[count++] = (struct mem_object_entry){ from, objects[from].cookie, objects[from].pages, info.present };
	}
	*next = from < OBJECTS ? from : 0;
	return (long)(count * sizeof(*entries));
}
/* One at a time. */
#define LOCKED(call) ({ pthread_mutex_lock(&objects_mutex); long result_ = (call); pthread_mutex_unlock(&objects_mutex); result_; })
long mem_object_create(u64 pages, u64 cookie, u64 *object) { return LOCKED(object_create(pages, cookie, object)); }
long mem_object_destroy(u64 object) { return LOCKED(object_destroy(object)); }
long mem_object_hold(u64 object) { return LOCKED(object_hold(object)); }
long mem_object_resize(u64 object, u64 pages) { return LOCKED(object_resize(object, pages)); }
long mem_object_punch(u64 object, u64 index, u64 count) { return LOCKED(object_punch(object, index, count)); }
long mem_object_page(u64 object, u64 index, u32 flags, u64 *frame) { return LOCKED(object_page(object, index, flags, frame)); }
long mem_object_pages(u64 object, u64 index, u32 count, u32 flags, void *frames, size_t capacity)
{
	return LOCKED(object_pages(object, index, count, flags, frames, capacity));
}
long mem_object_seek(u64 object, u64 index, u32 what, u64 *found) { return LOCKED(object_seek(object, index, what, found)); }
long mem_object_info(u64 object, struct mem_object_info *info) { return LOCKED(object_info(object, info)); }
long mem_objects_list(u32 from, void *list, size_t capacity, u64 *next) { return LOCKED(objects_list(from, list, capacity, next)); }
long mem_frames_adopt(u64 first, u64 count)
{
	(void)first;
	return (long)count;
}
long mem_information(struct mem_information *info)
{
	*info = (struct mem_information){ .total = 32768, .free = 30000, .available = 30500, .objects = 100, .anonymous = 200 };
	return 0;
}
long mem_space_info(u64 space, struct mem_space_info *info)
{
	*info = (struct mem_space_info){ .total = 100, .resident = 50, .stack = 33 };
	return space == 77 ? 0 : -EBADF;
}
long mem_space_read(u64 space, u64 address, void *data, size_t size)
{
	static const char memory[] = "init\0-x";

	if (space != 77 || address < 0x1000 || address + size > 0x1000 + sizeof(memory))
		return -EFAULT;
	memcpy(data, memory + (address - 0x1000), size);
	return (long)size;
}
long mem_regions_list(u64 space, u64 start, u32 flags, void *regions, size_t capacity)
{
	static const struct mem_region_info region = { .start = 0x1000, .end = 0x3000, .prot = TK_PROT_READ, .name = MEM_NAME_STACK };

	(void)flags;
	if (space != 77)
		return -EBADF;
	if (start >= region.end || capacity < sizeof(region))
		return 0;
	memcpy(regions, &region, sizeof(region));
	return sizeof(region);
}
