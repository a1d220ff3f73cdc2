/* The runtime and the services mem and proc, as far as fs uses them. Frames that are not lent to fs are poisoned. */
#include "fake.h"
#include <mem_client.h>
#include <mem/mem_types.h>
#include <proc_client.h>
#include <proc/proc_types.h>

#include <sanitizer/asan_interface.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define FRAMES 65536u
#define OBJECTS 4096u

struct fake_object { bool used, destroyed; u64 pages, holds; frame_t *frames; };

u8 fake_user[USER_SIZE];
const struct rt_request fake_rq = { 1, 7 };
long fake_objects, fake_frames_used, fake_heap_used, fake_heap_fail_after = -1;
static struct tk_boot_info boot;
static struct tk_clock_page fake_clock = { .counter_hertz = 1000000000 };
const struct tk_boot_info *rt_boot = &boot;
static struct fake_object objects[OBJECTS];
static frame_t free_frames[FRAMES];
static u32 free_count;
static pthread_mutex_t objects_mutex = PTHREAD_MUTEX_INITIALIZER;
static i64 now = 1700000000000000000;

void fake_start(void)
{
	u8 *window = mmap(NULL, FRAMES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u32 i;

	boot.window = (vaddr_t)(uintptr_t)window;
	boot.domain = 3;
	boot.mem_domain = 3;
	boot.processors = 2;
	boot.memory_frames = 32768;
	boot.clock = (vaddr_t)(uintptr_t)&fake_clock;
	for (i = FRAMES - 1; i > 0; i--)
		free_frames[free_count++] = i;
	__asan_poison_memory_region(window, FRAMES * PAGE_SIZE);
}

/* ---- Runtime ---- */
static _Thread_local u32 self = 7;
static u32 last_self = 7;
void fake_thread_start(void) { self = __atomic_add_fetch(&last_self, 1, __ATOMIC_RELAXED); }
u32 rt_thread_id(void) { return self; }
void *heap_alloc(size_t size)
{
	void *p;

	if (fake_heap_fail_after >= 0 && fake_heap_fail_after-- == 0)
		return NULL;
	p = calloc(1, size ? size : 1);
	__atomic_add_fetch(&fake_heap_used, 1, __ATOMIC_RELAXED);
	return p;
}
void *heap_resize(void *p, size_t size)
{
	if (!p)
		__atomic_add_fetch(&fake_heap_used, 1, __ATOMIC_RELAXED);
	return realloc(p, size);
}
void heap_free(void *p)
{
	if (p)
		__atomic_sub_fetch(&fake_heap_used, 1, __ATOMIC_RELAXED);
	free(p);
}
static _Thread_local int locks_held;
void lock_acquire(struct rt_lock *lock)
{
	while (!lock_try(lock)) {
		if (lock_held(lock))
			unit_fail(__FILE__, __LINE__, "a lock is taken twice");
		sched_yield();
	}
}
void lock_release(struct rt_lock *lock)
{
	if (!lock_held(lock))
		unit_fail(__FILE__, __LINE__, "a lock of someone else's is released");
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
	locks_held--;
}
bool lock_try(struct rt_lock *lock)
{
	u32 none = 0;

	if (!__atomic_compare_exchange_n(&lock->word, &none, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	locks_held++;
	return true;
}
bool lock_held(const struct rt_lock *lock) { return lock->word == self; }
void unit_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}
void log_line(const char *format, ...) { (void)format; }
nanos_t clock_monotonic(void) { return (nanos_t)(now - 1600000000000000000); }
i64 clock_realtime(void) { return __atomic_add_fetch(&now, 1000, __ATOMIC_RELAXED); }
void random_bytes(void *to, size_t length)
{
	static u32 state = 12345;
	u8 *at = to;

	while (length--)
		*at++ = (u8)((state = state * 1103515245 + 12345) >> 16);
}
long tk_wait(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset)
{
	(void)deadline, (void)flags, (void)bitset;
	if (*word != expected)
		return -EAGAIN;
	if (last_self == 7)
		unit_fail(__FILE__, __LINE__, "one thread waits for itself");
	sched_yield();
	return 0;   /* every waiter looks again */
}
long tk_wake(const volatile u32 *word, u32 count, u32 flags, u32 bitset)
{
	(void)word, (void)count, (void)flags, (void)bitset;
	return 0;
}
long tk_frames_give(frame_t first, u32 count, u32 domain)
{
	(void)first, (void)count, (void)domain;
	return 0;
}

/* ---- The application's memory ---- */
static size_t user_room(vaddr_t at)
{
	/* Copies from and to the application may sleep. */
	if (locks_held)
		unit_fail(__FILE__, __LINE__, "a lock is held over a copy");
	return at >= USER_BASE && at < USER_BASE + USER_SIZE ? USER_BASE + USER_SIZE - at : 0;
}
long user_copy_in(void *to, vaddr_t from, size_t length)
{
	if (user_room(from) < length)
		return -EFAULT;
	memcpy(to, fake_user + (from - USER_BASE), length);
	return 0;
}
long user_copy_out(vaddr_t to, const void *from, size_t length)
{
	if (user_room(to) < length)
		return -EFAULT;
	memcpy(fake_user + (to - USER_BASE), from, length);
	return 0;
}
long user_fill_zero(vaddr_t to, size_t length)
{
	if (user_room(to) < length)
		return -EFAULT;
	memset(fake_user + (to - USER_BASE), 0, length);
	return 0;
}

/* ---- Poll words ---- */
struct tk_pollword *pollword_alloc(void)
{
	return heap_alloc(sizeof(struct tk_pollword));
}
void pollword_free(struct tk_pollword *word) { heap_free(word); }
void pollword_set(struct tk_pollword *word, u32 level)
{
	if (level & ~word->level)
		word->sequence++;
	word->level = level;
}
void pollword_event(struct tk_pollword *word, u32 level)
{
	word->level = level;
	word->sequence++;
}
u64 pollword_handle(struct tk_pollword *word, const struct rt_request *to)
{
	(void)to;
	return (u64)(uintptr_t)word;
}

/* ---- mem ---- */
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

	(void)cookie;
	for (i = 1; i < OBJECTS && objects[i].used; i++)
		;
	if (i == OBJECTS)
		return -ENOMEM;
	objects[i] = (struct fake_object){ .used = true, .pages = pages, .frames = calloc(pages < 4096 ? 4096 : pages, sizeof(frame_t)) };
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

/* ---- proc: process 1 with threads 1 and 2, process 5 ---- */
long proc_info(i32 tid, u32 process, struct proc_info *info)
{
	(void)process;
	if (tid == 0)
		tid = 1;
	if (tid != 1 && tid != 2 && tid != 5)
		return -ESRCH;
	memset(info, 0, sizeof(*info));
	info->pid = tid == 2 ? 1 : tid;
	info->tid = tid;
	memcpy(info->name, "init", 5);
	info->state = 'S';
	info->dumpable = 1;
	info->fs_client = client;
	info->space = 77;
	info->arguments_start = 0x1000;
	info->arguments_end = 0x1008;
	return 0;
}
long proc_task_process(i32 tid, u64 *pid)
{
	if (tid != 0 && tid != 1 && tid != 2 && tid != 5)
		return -ESRCH;
	*pid = tid == 5 ? 5 : 1;
	return 0;
}
static long ids_copy(const i32 *ids, u32 count, i32 after, void *list, size_t capacity)
{
	size_t size = 0;
	u32 i;

	for (i = 0; i < count; i++)
		if (ids[i] > after && size + sizeof(i32) <= capacity) {
			memcpy((u8 *)list + size, &ids[i], sizeof(i32));
			size += sizeof(i32);
		}
	return (long)size;
}
long proc_process_list(i32 after, void *list, size_t capacity)
{
	return ids_copy((const i32[]){ 1, 5 }, 2, after, list, capacity);
}
long proc_thread_list(i32 pid, i32 after, void *list, size_t capacity)
{
	return pid == 1 ? ids_copy((const i32[]){ 1, 2 }, 2, after, list, capacity) : -ESRCH;
}
long proc_system_info(struct proc_system *system)
{
	*system = (struct proc_system){ .running = 1, .threads = 3, .last_pid = 5, .load = { 2048, 1024, 512 } };
	return 0;
}
long proc_groups_get(i32 tid, void *groups, size_t capacity)
{
	(void)tid, (void)groups, (void)capacity;
	return 0;
}
long proc_affinity_get(i32 tid, u64 *mask)
{
	(void)tid;
	*mask = 3;
	return 0;
}
long proc_name_set(i32 tid, const void *name, size_t size)
{
	(void)tid, (void)name, (void)size;
	return 0;
}
