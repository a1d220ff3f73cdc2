#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fake.h"
#include "../timerfd.h"
#include <mem_client.h>
#include <proc_client.h>

#define FRAMES 4096u
#define WATCHES 8192u

struct shim_thread *fake_thread;
nanos_t fake_now;
i64 fake_wall_offset;
u32 fake_frames;
u8 fake_rtc[128];

static u8 arena[FRAMES][PAGE_SIZE] __attribute__((aligned(4096)));
static bool frame_used[FRAMES];
static struct tk_boot_info boot;
const struct tk_boot_info *rt_boot = &boot;
static struct { struct tk_watch_page *page; u32 index; const volatile u32 *word; u64 cookie; } watches[WATCHES];
static struct { nanos_t at; void (*event)(void *); void *context; } scheduled;
static u64 mask;
static u8 rtc_index;

static void check(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s\n", what);
	abort();
}

/* ---- Runtime ---------------------------------------------------------------------------------------------------------------- */
void *heap_alloc(size_t size) { return calloc(1, size ? size : 1); }
void heap_free(void *p) { free(p); }
void lock_acquire(struct rt_lock *lock) { check(lock->word++ == 0, "a lock was taken twice"); }
void lock_release(struct rt_lock *lock) { check(--lock->word == 0, "a lock was not held"); }
u32 rt_thread_id(void) { return 1; }
nanos_t clock_monotonic(void) { return fake_now; }
i64 clock_realtime(void) { return (i64)fake_now + fake_wall_offset; }
void log_line(const char *format, ...) { (void)format; }
long user_copy_in(void *to, vaddr_t from, size_t length)
{
	if (!from)
		return -EFAULT;
	memcpy(to, (const void *)from, length);
	return 0;
}
long user_copy_out(vaddr_t to, const void *from, size_t length)
{
	if (!to)
		return -EFAULT;
	memcpy((void *)to, from, length);
	return 0;
}
struct tk_pollword *pollword_alloc(void) { return calloc(1, sizeof(struct tk_pollword)); }
void pollword_free(struct tk_pollword *word) { free(word); }
void pollword_event(struct tk_pollword *word, u32 level)
{
	word->level = level;
	word->sequence++;
	tk_wake(&word->sequence, ~0u, 0, ~0u);
}
void pollword_set(struct tk_pollword *word, u32 level)
{
	if (level & ~word->level)
		pollword_event(word, level);
	word->level = level;
}

/* ---- Core ------------------------------------------------------------------------------------------------------------------- */
long tk_wake(const volatile u32 *word, u32 count, u32 flags, u32 bitset)
{
	(void)count, (void)flags, (void)bitset;
	for (u32 i = 0; i < WATCHES; i++) {
		struct tk_watch_page *page = watches[i].page;

		if (watches[i].word != word || page->queued[watches[i].index])
			continue;
		page->queued[watches[i].index] = 1;
		page->ready[page->tail % TK_READY_ENTRIES] = watches[i].cookie;
		page->tail++;
		check(page->tail - page->head <= TK_READY_ENTRIES, "a ready queue overflowed");
		tk_wake(&page->tail, 1, 0, ~0u);
	}
	return 0;
}
long tk_wait(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset)
{
	(void)flags, (void)bitset;
	if (*word != expected)
		return -EAGAIN;
	if (scheduled.event && scheduled.at <= deadline) {
		void (*event)(void *) = scheduled.event;

		scheduled.event = NULL;
		fake_now = scheduled.at > fake_now ? scheduled.at : fake_now;
		event(scheduled.context);
		return *word == expected ? -EINTR : 0; /* an event that changes nothing is a signal */
	}
	check(deadline != NANOS_NEVER, "a wait that nobody ends");
	fake_now = deadline > fake_now ? deadline : fake_now;
	return -ETIMEDOUT;
}
long tk_watch(vaddr_t table, u32 index, const volatile u32 *sequence, u64 cookie)
{
	check(index < TK_WATCHES_IN_TABLE, "a watch outside its table");
	for (u32 i = 0; i < WATCHES; i++)
		check(!watches[i].page || watches[i].page != (void *)table || watches[i].index != index, "a watch was set twice");
	for (u32 i = 0; i < WATCHES; i++) {
		if (watches[i].page)
			continue;
		watches[i].page = (struct tk_watch_page *)table;
		watches[i].index = index;
		watches[i].word = sequence;
		watches[i].cookie = cookie;
		return 0;
	}
	return -ENOMEM;
}
static void unwatch(const void *page, u32 index)
{
	for (u32 i = 0; i < WATCHES; i++)
		if (watches[i].page == page && (index == ~0u || watches[i].index == index))
			watches[i].page = NULL, watches[i].word = NULL;
}
long tk_unwatch(vaddr_t table, u32 index)
{
	unwatch((void *)table, index);
	return 0;
}
long tk_object_create(const struct tk_object_create *request)
{
	check(request->type == TK_OBJECT_WATCHES && request->frame_count == 2, "an object of another kind");
	memset(arena[request->frames[0]], 0, PAGE_SIZE);
	return (long)arena[request->frames[0]];
}
long tk_object_destroy(vaddr_t token)
{
	unwatch((void *)token, ~0u);
	return 0;
}
long tk_frames_give(frame_t first, u32 count, u32 domain) { (void)first, (void)count, (void)domain; return 0; }
long tk_port_write(vaddr_t ports, u32 offset, u32 width, u32 value)
{
	(void)ports, (void)width;
	check(offset == 0, "a write to the clock's data");
	rtc_index = (u8)value;
	return 0;
}
long tk_port_read(vaddr_t ports, u32 offset, u32 width)
{
	(void)ports, (void)width;
	check(offset == 1 && rtc_index < sizeof(fake_rtc), "a read of no register");
	return fake_rtc[rtc_index];
}

/* ---- Services --------------------------------------------------------------------------------------------------------------- */
long mem_frames_alloc(u32 order, u64 *frame)
{
	check(order == 0, "more than one frame");
	for (u32 i = 1; i < FRAMES; i++) {
		if (frame_used[i])
			continue;
		frame_used[i] = true;
		fake_frames++;
		*frame = i;
		return 0;
	}
	return -ENOMEM;
}
long mem_frames_free(u64 frame, u32 order)
{
	(void)order;
	check(frame < FRAMES && frame_used[frame], "a frame was freed twice");
	frame_used[frame] = false;
	fake_frames--;
	return 0;
}
long proc_signal_mask(u32 how, u64 set, u64 *old)
{
	(void)how;
	*old = mask;
	mask = set;
	return 0;
}
long proc_credentials_get(i32 tid, struct proc_credentials *credentials)
{
	(void)tid;
	*credentials = (struct proc_credentials){ .effective = ~0ull };
	return 0;
}
long proc_clock_changed(void) { return 0; }
long proc_cpu_time(i32 id, u32 thread, u32 kind, u64 *nanos)
{
	(void)id, (void)thread, (void)kind;
	*nanos = 0;
	return 0;
}
void vdso_clock_update(void)
{
	fake_wall_offset = ((struct tk_clock_page *)arena[0])->realtime_offset;
}
struct shim_thread *shim_thread_current(void) { return fake_thread; }
struct shim_fd_table *shim_process_files_set(struct shim_process *process, struct shim_fd_table *files)
{
	struct shim_fd_table *old = process->files;

	process->files = files;
	return old;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------------------ */
void fake_start(void)
{
	boot = (struct tk_boot_info){ .domain = 1, .mem_domain = 2, .processors = 1, .window = (vaddr_t)arena, .user_limit = ~0ull >> 1,
		.token_count = 1, .tokens = { { TK_OBJECT_PORTS, 0x70, 0x1000 } } };
	fake_thread = calloc(1, sizeof(*fake_thread));
	fake_thread->page = calloc(1, sizeof(*fake_thread->page));
	fake_thread->process = calloc(1, sizeof(*fake_thread->process));
	fake_thread->process->files = fd_table_create();
	fake_thread->process->files_limit = 1024;
	scheduled.event = NULL;
	fake_now = 1000;
	fake_wall_offset = 0;
}

void fake_end(void)
{
	fd_table_put(fake_thread->process->files);
	watch_set_destroy(fake_thread->watches);
	free(fake_thread->process);
	free(fake_thread->page);
	free(fake_thread);
	check(fake_frames == 0, "frames are left");
	for (u32 i = 0; i < WATCHES; i++)
		check(!watches[i].page, "watches are left");
}

void fake_schedule(nanos_t at, void (*event)(void *), void *context)
{
	scheduled.at = at;
	scheduled.event = event;
	scheduled.context = context;
}
