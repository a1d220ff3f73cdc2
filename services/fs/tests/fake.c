/* The runtime and the service proc, as far as fs uses them. */
#include "fake.h"
#include <proc_client.h>
#include <proc/proc_types.h>

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

u8 fake_user[USER_SIZE];
const struct rt_request fake_rq = { 1, 7 };
static struct tk_boot_info boot;
static struct tk_clock_page fake_clock = { .counter_hertz = 1000000000 };
const struct tk_boot_info *rt_boot = &boot;
static i64 now = 1700000000000000000;

void fake_start(void)
{
	boot.window = fake_memory_start();
	boot.domain = 3;
	boot.mem_domain = 3;
	boot.processors = 2;
	boot.memory_frames = 32768;
	boot.clock = (vaddr_t)(uintptr_t)&fake_clock;
}

/* ---- Runtime ---- */
static _Thread_local u32 self = 7;
static u32 last_self = 7;
void fake_thread_start(void) { self = __atomic_add_fetch(&last_self, 1, __ATOMIC_RELAXED); }
u32 rt_thread_id(void) { return self; }
static _Thread_local int locks_held;
/* Each fourth time others run where a lock is wanted, among them those that would then come in between. */
static void others_run(void)
{
	static _Thread_local u32 moments;

	if (last_self != 7 && ++moments % 4 == 0)
		sched_yield();
}
void lock_acquire(struct rt_lock *lock)
{
	others_run();
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
bool lock_moment(u32 *looks) { return !(*looks)++; }
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
	(void)deadline, (void)flags;
	if (last_self == 7 && *word == expected)
		unit_fail(__FILE__, __LINE__, "one thread waits for itself");
	return syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, NULL, NULL, bitset);
}
long tk_wake(const volatile u32 *word, u32 count, u32 flags, u32 bitset)
{
	(void)flags;
	return syscall(SYS_futex, word, FUTEX_WAKE_BITSET_PRIVATE, count > INT_MAX ? INT_MAX : (int)count, NULL, NULL, bitset);
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
bool pollword_claim(struct tk_pollword *word) { return heap_claim(word, sizeof(*word), HEAP_RUNTIME); }
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
long proc_oom_adjust(i32 tid, i32 adjust)
{
	(void)tid, (void)adjust;
	return 0;
}
long proc_name_set(i32 tid, const void *name, size_t size)
{
	(void)tid, (void)name, (void)size;
	return 0;
}

long file_lock(u64 file, const struct fs_lock *request, struct fs_lock *found)
{
	u64 first, second, third;
	long result = fs_op_lock(&fake_rq, file, fs_lock_pack(request), request->owner, request->start, request->end, &first, &second, &third);

	*found = fs_lock_unpack(first, 0, second, third);
	return result;
}

long file_lock_cancel(u64 file, const struct fs_lock *request)
{
	return fs_op_lock_cancel(&fake_rq, file, fs_lock_pack(request), request->owner, request->start, request->end);
}
