#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "fake.h"
#include "mem_client.h"

#define ARENA_FRAMES 65536ul

nanos_t fake_now = 1000000000;
i64 fake_realtime_offset = 1700000000ll * 1000000000;
long fake_frames_used;
u32 fake_wakes;

static struct tk_boot_info boot = {
	.domain = 2, .abi_domain = 1, .mem_domain = 2, .processors = 2, .vector_frames = 1, .user_limit = 0x7ffffffff000, .memory_frames = 65536,
};
const struct tk_boot_info *rt_boot = &boot;
static u32 calling;
static frame_t frame_next = 16, frames_free[ARENA_FRAMES];
static u32 frames_free_count, thread_next = 100;
static enum { FRAME_FREE, FRAME_GIVEN, FRAME_OBJECT } frame_use[ARENA_FRAMES];

/* ---- What the runtime of a stable unit tells ---- */
struct stable_result fake_committed;

bool rt_recovers(void) { return false; }
void rt_start_fail(const char *why) { (void)why; }
void unnoted_copy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void unnoted_zero(void *to, size_t size) { memset(to, 0, size); }
void stable_commit_all(const struct stable_result *is, const void *kept)
{
	(void)kept;
	fake_committed = *is;
}
void stable_commit(long result, u64 out) { fake_committed = (struct stable_result){ .result = result, .outs = { out } }; }
long stable_answer(const struct rt_request *rq, const struct stable_question *question, u64 outs[3], void *kept, size_t size)
{
	(void)rq, (void)question, (void)outs, (void)kept, (void)size;
	return -ESRCH;
}

static bool is_object(vaddr_t token)
{
	u64 frame = (token - boot.window) / PAGE_SIZE;

	return token >= boot.window && token % PAGE_SIZE == 0 && frame < ARENA_FRAMES && frame_use[frame] == FRAME_OBJECT;
}

static void start(void)
{
	void *arena;

	if (boot.window)
		return;
	arena = mmap(NULL, ARENA_FRAMES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	boot.window = (vaddr_t)arena;
	proc_init();
}

u32 rt_thread_id(void) { return calling; }
void lock_acquire(struct rt_lock *lock)
{
	rt_assert(!lock->word);
	lock->word = 1;
}
void lock_release(struct rt_lock *lock)
{
	rt_assert(lock->word);
	lock->word = 0;
}
nanos_t clock_monotonic(void) { return fake_now; }
i64 clock_realtime(void) { return (i64)fake_now + fake_realtime_offset; }
void log_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}
void unit_fail(const char *file, int line, const char *what)
{
	printf("# %s:%d: %s\n", file, line, what);
	fflush(stdout);
	abort();
}
struct tk_pollword *pollword_alloc(void) { return heap_alloc(sizeof(struct tk_pollword)); }
bool pollword_claim(struct tk_pollword *word) { return heap_claim(word, sizeof(*word), HEAP_RUNTIME); }
void pollword_free(struct tk_pollword *word) { heap_free(word); }
void pollword_set(struct tk_pollword *word, u32 level)
{
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
	return (u64)word;
}

long user_copy_in(void *to, vaddr_t from, size_t length)
{
	memcpy(to, (const void *)from, length);
	return 0;
}

long user_copy_out(vaddr_t to, const void *from, size_t length)
{
	memcpy((void *)to, from, length);
	return 0;
}

/* ---- The core ---- */
long tk_object_create(const struct tk_object_create *request)
{
	struct tk_thread_page *page = (struct tk_thread_page *)token_of_frame(request->frames[0]);

	rt_assert(request->type == TK_OBJECT_THREAD && request->frame_count == 2 + 1 + 4);
	memset(page, 0, PAGE_SIZE);
	frame_use[request->frames[0]] = FRAME_OBJECT;
	page->id = thread_next++;
	return (long)page;
}
long tk_object_destroy(vaddr_t token)
{
	struct tk_thread_page *page = (struct tk_thread_page *)token;

	if (!is_object(token))
		return -EINVAL;
	if (page->state != 0 && page->state != 3)
		return -EBUSY;
	frame_use[frame_of_token(token)] = FRAME_GIVEN;
	return 0;
}
long tk_object_renew(vaddr_t token, u64 argument)
{
	struct tk_thread_page *page = (struct tk_thread_page *)token;
	u32 id = page->id;

	(void)argument;
	rt_assert(page->state == 3);
	memset(page, 0, PAGE_SIZE);
	page->id = id;
	return 0;
}
long tk_object_write(vaddr_t token, const struct tk_field_write *writes, u32 count)
{
	(void)writes;
	(void)count;
	return is_object(token) ? 0 : -EINVAL;
}
long tk_grant(vaddr_t token, u32 domain, u32 mode)
{
	(void)token;
	(void)domain;
	(void)mode;
	return 0;
}
long tk_frames_give(frame_t first, u32 count, u32 domain)
{
	(void)count;
	(void)domain;
	return first < ARENA_FRAMES && frame_use[first] == FRAME_GIVEN ? 0 : -EPERM;
}
long tk_thread_start(vaddr_t thread)
{
	struct tk_thread_page *page = (struct tk_thread_page *)thread;

	if (page->state != 0)
		return -EBUSY;
	page->state = 1;
	return 0;
}
long tk_thread_interrupt(vaddr_t thread, u32 bits)
{
	struct tk_thread_page *page = (struct tk_thread_page *)thread;

	if (page->state == 3)
		return -ESRCH;
	page->interrupt |= bits;
	return 0;
}
long tk_wake(const volatile u32 *word, u32 count, u32 flags, u32 bitset)
{
	(void)word;
	(void)count;
	(void)flags;
	(void)bitset;
	fake_wakes++;
	return 0;
}
long tk_wait(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset)
{
	(void)deadline;
	(void)flags;
	(void)bitset;
	if ((vaddr_t)word < boot.window || (vaddr_t)word >= boot.window + ARENA_FRAMES * PAGE_SIZE)
		return -EFAULT;
	return *word == expected ? -ETIMEDOUT : -EAGAIN;
}

/* ---- mem ---- */
long mem_frames_alloc(u32 order, u64 *frame)
{
	rt_assert(order == 0);
	fake_frames_used++;
	*frame = frames_free_count ? frames_free[--frames_free_count] : frame_next++;
	rt_assert(*frame < ARENA_FRAMES);
	frame_use[*frame] = FRAME_GIVEN;
	return 0;
}
long mem_frames_free(u64 frame, u32 order)
{
	if (order != 0 || frame >= ARENA_FRAMES || frame_use[frame] != FRAME_GIVEN)
		return -EINVAL;
	frame_use[frame] = FRAME_FREE;
	fake_frames_used--;
	frames_free[frames_free_count++] = (frame_t)frame;
	return 0;
}
long mem_space_token(u64 space, u64 *frame)
{
	*frame = space;
	return space ? 0 : -EBADF;
}
long mem_space_info(u64 space, struct mem_space_info *info)
{
	(void)space;
	memset(info, 0, sizeof(*info));
	return 0;
}
long mem_map(const struct mem_map_request *request, u64 *address)
{
	rt_assert(request->size && request->size < 1ull << 48);
	rt_assert(!(request->address & PAGE_MASK) && !(request->offset & PAGE_MASK));
	*address = request->address ? request->address : 0x7f0000000000;
	return 0;
}
long mem_unmap(u64 space, u64 address, u64 size)
{
	(void)space;
	(void)address;
	return size ? 0 : -EINVAL;
}

/* ---- Tasks ---- */
static struct fake_task task_of(const struct proc_created *created)
{
	return (struct fake_task){ created->tid, created->pid, created->thread,
				   (struct tk_thread_page *)token_of_frame(created->thread_frame) };
}

struct fake_task fake_first(void)
{
	struct proc_created created;

	start();
	rt_assert(!proc_op_task_first(AS((struct fake_task){ 0 }), 1, 0, &created));
	rt_assert(!proc_op_task_start(AS((struct fake_task){ 0 }), 1));
	return task_of(&created);
}

struct fake_task fake_create(struct fake_task maker, u32 flags, u32 exit_signal, long *error)
{
	struct proc_create request = { .flags = flags, .exit_signal = exit_signal, .space = 1 };
	struct proc_created created = { 0 };

	*error = proc_op_task_create(AS(maker), &request, &created);
	if (!*error)
		rt_assert(!proc_op_task_start(AS(maker), created.tid));
	return *error ? (struct fake_task){ 0 } : task_of(&created);
}

struct fake_task fake_fork(struct fake_task maker)
{
	long error;
	struct fake_task task = fake_create(maker, 0, SIGCHLD, &error);

	rt_assert(!error);
	return task;
}

void fake_exit(struct fake_task task, i32 status)
{
	rt_assert(proc_op_task_exit(AS(task), status, 0, 0, 0) >= 0);
	task.page->state = 3;
	proc_threads_reap();
}

u32 fake_take(struct fake_task task, struct proc_delivery *delivery)
{
	long verdict = proc_op_signal_take(AS(task));

	rt_assert(verdict >= 0);
	*delivery = ((struct proc_thread_shared *)task.page->owner_data)->delivery;
	rt_assert(delivery->verdict == verdict);
	return delivery->verdict;
}

void fake_die(struct fake_task task)
{
	struct proc_delivery delivery;

	rt_assert(fake_take(task, &delivery) == PROC_VERDICT_EXIT);
	fake_exit(task, delivery.status);
}

long fake_kill(struct fake_task from, i32 id, i32 signal)
{
	struct proc_siginfo info = { .signal = signal };

	return proc_op_signal_send(AS(from), PROC_TARGET_KILL, id, 0, &info);
}

void fake_handler(struct fake_task task, u32 signal, u64 handler, u64 flags)
{
	u64 old_handler, old_restorer, old_mask;

	rt_assert(proc_op_signal_action(AS(task), signal, 1, handler, flags, 0, 0, &old_handler, &old_restorer, &old_mask) >= 0);
}

long fake_wait(struct fake_task task, i32 pid, u32 options, struct proc_wait_result *result)
{
	u32 kind = pid == -1 ? PROC_WAIT_ALL : pid > 0 ? PROC_WAIT_PID : PROC_WAIT_GROUP;

	return proc_op_wait_child(AS(task), kind, pid < -1 ? -pid : pid == -1 ? 0 : pid, options, result);
}

void fake_time_pass(nanos_t nanos)
{
	fake_now += nanos;
	(void)proc_alarms_run();
}
