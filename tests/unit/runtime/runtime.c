/*
 * The runtime on the host: heap, locks, client copies, poll words, clock and random, over a small model of the core and of mem.
 * Threads are the host's; the model's tk_wait and tk_wake are the host's futex.
 */
#define _GNU_SOURCE
#include "../harness.h"
#include <runtime_unit.h>
#include <arch_counter.h>
#include <linux/futex.h>
#include <mem_client.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HEAP_PAGES = 4096, WINDOW_PAGES = 512, CLIENT_PAGES = 16 };

const struct tk_boot_info *rt_boot;
static struct tk_boot_info boot;
static _Thread_local u32 own_id;
static u32 next_id = 1;

/* ---- The model ---------------------------------------------------------------------------------------------------------- */

static u32 heap_mapped, heap_limit = HEAP_PAGES, frames_given = 1, grants, waits, wakes;
static _Alignas(4096) u8 client[CLIENT_PAGES * PAGE_SIZE];
static bool client_present[CLIENT_PAGES];
static u32 client_reachable = CLIENT_PAGES; /* pages that fault_in can bring in */

u32 rt_thread_id(void)
{
	if (!own_id)
		own_id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
	return own_id;
}

u32 rt_stack_number(void) { return rt_thread_id(); }

void unit_fail(const char *file, int line, const char *what)
{
	printf("Bail out! %s:%d: %s\n", file, line, what);
	abort();
}

static struct rt_lock shared_lock = RT_LOCK_INIT;

long tk_wait(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset)
{
	(void)flags, (void)bitset;
	__atomic_fetch_add(&waits, 1, __ATOMIC_RELAXED);
	if (deadline == 0)
		return -ETIMEDOUT;
	return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

long tk_wake(const volatile u32 *word, u32 count, u32 flags, u32 bitset)
{
	(void)bitset;
	CHECK((flags == TK_WAIT_LOCK) == (word == &shared_lock.word)); /* so that the core takes back what waiters have lent */
	__atomic_fetch_add(&wakes, 1, __ATOMIC_RELAXED);
	return syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count > 1000 ? 1000 : (int)count, NULL, NULL, 0);
}

long tk_grant(vaddr_t token, u32 domain, u32 mode)
{
	CHECK(mode == TK_MODE_READ && domain == 9 && (token & PAGE_MASK) == 0);
	grants++;
	return 0;
}

static size_t client_reach(vaddr_t address, size_t length)
{
	size_t done = 0;

	while (done < length) {
		u64 page = (address + done - (vaddr_t)client) / PAGE_SIZE;

		if (page >= CLIENT_PAGES || !client_present[page])
			break;
		done += PAGE_SIZE - ((address + done) & PAGE_MASK);
	}
	return done < length ? done : length;
}

long tk_copy_in(void *to, vaddr_t from, size_t length)
{
	size_t done = client_reach(from, length);

	memcpy(to, (void *)from, done);
	return (long)done;
}

long tk_copy_out(vaddr_t to, const void *from, size_t length)
{
	size_t done = client_reach(to, length);

	memcpy((void *)to, from, done);
	return (long)done;
}

/* What a class does at once is all or nothing, and may fail where the core's copy step by step would not. */
bool client_get(void *to, vaddr_t from, size_t length)
{
	return unit_random() % 8 && client_reach(from, length) == length && tk_copy_in(to, from, length) == (long)length;
}

bool client_put(vaddr_t to, const void *from, size_t length)
{
	return unit_random() % 8 && client_reach(to, length) == length && tk_copy_out(to, from, length) == (long)length;
}

long mem_fault_in(u64 address, u64 size, u32 access)
{
	CHECK(access == TK_ACCESS_READ || access == TK_ACCESS_WRITE);
	u64 page = (address - (vaddr_t)client) / PAGE_SIZE;

	if (page >= client_reachable || (size > 1 && unit_random() % 4 == 0))
		return -EFAULT; /* at times a larger range is refused, as when its end can't be had */
	client_present[page] = true;
	return 0;
}

long mem_heap_grow(u64 mapped, u32 pages)
{
	CHECK(mapped == heap_mapped);
	if (heap_mapped + pages > heap_limit) {
		if (heap_mapped == heap_limit)
			return -ENOMEM;
		pages = heap_limit - heap_mapped;
	}
	if (pages > 100)
		pages = 100; /* mem may do less at once */
	CHECK(mprotect((void *)(boot.heap + mapped * PAGE_SIZE), pages * PAGE_SIZE, PROT_READ | PROT_WRITE) == 0);
	heap_mapped += pages;
	return pages;
}

long mem_frames_alloc(u32 order, u64 *frame)
{
	if (frames_given + (1u << order) > WINDOW_PAGES)
		return -ENOMEM;
	*frame = frames_given;
	frames_given += 1u << order;
	return 0;
}

static u32 frames_back;

bool stable_frames_free(frame_t frame, u32 order)
{
	memset((void *)token_of_frame(frame), 0, PAGE_SIZE << order);
	frames_back += 1u << order;
	return true;
}

void log_line(const char *format, ...) { (void)format; }

/* ---- The unit keeps its state, and this block as its logs ------------------------------------------------------------------ */

static void *logs;

void unnoted_copy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void unnoted_zero(void *to, size_t size) { memset(to, 0, size); }
void stable_section_begin(void) {}
void stable_section_end(void) {}
bool stable_free_later(void *p) { (void)p; return false; }
const void *stable_logs(void) { return logs; }
size_t stable_logs_size(void) { return 1000; }

static vaddr_t area(size_t pages, int protection)
{
	return (vaddr_t)mmap(NULL, pages * PAGE_SIZE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static struct tk_clock_page clock_data;

static void model_start(void)
{
	boot.magic = TK_BOOT_MAGIC;
	boot.domain = 3;
	boot.processors = 2;
	boot.heap = area(HEAP_PAGES, PROT_NONE);
	boot.heap_pages = heap_mapped = 2;
	boot.heap_limit = HEAP_PAGES;
	boot.window = area(WINDOW_PAGES, PROT_READ | PROT_WRITE);
	boot.clock = (vaddr_t)&clock_data;
	CHECK(mprotect((void *)boot.heap, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE) == 0);
	rt_boot = &boot;
	heap_start();
	random_start();
}

/* ---- Tests ---------------------------------------------------------------------------------------------------------------- */

static void heap_grows_and_clears(void)
{
	model_start();
	u8 *small = heap_alloc(100), *large = heap_alloc(1 << 20);

	CHECK(small && large && heap_mapped > 256);
	for (size_t i = 0; large && i < 1 << 20; i++)
		CHECK(large[i] == 0);
	memset(large, 0xff, 1 << 20);
	heap_free(large);
	large = heap_alloc(4096);
	for (size_t i = 0; i < 4096; i++)
		CHECK(large[i] == 0);
	memset(large, 7, 4096);
	large = heap_resize(large, 100000);
	CHECK(large && large[4095] == 7 && large[4096] == 0 && large[99999] == 0);
	heap_free(large);
	heap_free(small);
	heap_free(NULL);
}

static void heap_ends_in_null(void)
{
	CHECK(heap_alloc((size_t)HEAP_PAGES * PAGE_SIZE) == NULL && heap_alloc(~0ul) == NULL);
	heap_limit = heap_mapped + 50;
	void *p = heap_alloc(0);

	CHECK(p != NULL && heap_alloc(40ul * 1024 * 1024) == NULL);
	heap_free(p);
	heap_limit = HEAP_PAGES;
}

static u64 shared_count;

static void *lock_worker(void *unused)
{
	for (int i = 0; i < 20000; i++) {
		lock_acquire(&shared_lock);
		shared_count++;
		if (i % 512 == 0)
			sched_yield(); /* hold it for long at times, so that others park */
		CHECK(lock_held(&shared_lock));
		lock_release(&shared_lock);
		if (i % 1024 == 0)
			heap_free(heap_alloc(64));
	}
	return unused;
}

static void locks_exclude(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, lock_worker, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK(shared_count == 80000 && shared_lock.word == 0 && !lock_held(&shared_lock));
	CHECK(lock_try(&shared_lock) && !lock_try(&shared_lock));
	lock_release(&shared_lock);
}

static void client_is_copied(void)
{
	static u8 data[CLIENT_PAGES * PAGE_SIZE];
	vaddr_t base = (vaddr_t)client;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (u8)unit_random() | 1;
	CHECK(user_copy_out(base + 5, data, sizeof(data) - 9) == 0 && !memcmp(client + 5, data, sizeof(data) - 9));
	memset(client_present, 0, sizeof(client_present));
	memset(data, 0, sizeof(data));
	CHECK(user_copy_in(data, base + 100, 30000) == 0 && !memcmp(client + 100, data, 30000));
	CHECK(user_fill_zero(base + 4000, 5000) == 0 && client[3999] && !client[4000] && !client[8999] && client[9000]);
	CHECK(user_copy_in(data, base + sizeof(client) - 4, 5) == -EFAULT && user_copy_in(data, ~0ul - 3, 8) == -EFAULT);
	CHECK(user_copy_out(base, data, 0) == 0 && user_copy_out(base - 1, data, 1) == -EFAULT);
}

static void strings_are_fetched(void)
{
	static char text[9000];
	vaddr_t base = (vaddr_t)client;

	memset(client, 'a', sizeof(client));
	client[PAGE_SIZE - 3] = 0;
	CHECK(user_copy_string(text, base + 100, sizeof(text)) == (long)PAGE_SIZE - 103 && strlen(text) == PAGE_SIZE - 103);
	CHECK(user_copy_string(text, base + 100, PAGE_SIZE - 103) == -ENAMETOOLONG);
	CHECK(user_copy_string(text, base + 100, PAGE_SIZE - 102) == (long)PAGE_SIZE - 103);
	CHECK(user_copy_string(text, base + PAGE_SIZE - 3, 1) == 0 && user_copy_string(text, base, 0) == -ENAMETOOLONG);
	CHECK(user_copy_string(text, base + sizeof(client) - 10, 100) == -EFAULT);
	/* The page behind the string is never touched. */
	memset(client_present, 0, sizeof(client_present));
	client_reachable = 1;
	CHECK(user_copy_string(text, base + 4000, sizeof(text)) == 93);
	client_reachable = CLIENT_PAGES;
}

static void pollwords_count_events(void)
{
	struct rt_request own = { 3, 1 }, other = { 9, 1 };
	struct tk_pollword *words[1200];

	for (int i = 0; i < 1200; i++)
		words[i] = pollword_alloc();
	CHECK(words[0] && words[1199] && frames_given == 4);
	struct tk_pollword *word = words[7];
	u32 sequence = word->sequence, woken = wakes;

	pollword_set(word, 1);
	CHECK(word->level == 1 && word->sequence == sequence + 1 && wakes == woken + 1);
	pollword_set(word, 1);
	pollword_set(word, 0);
	CHECK(word->level == 0 && word->sequence == sequence + 1 && wakes == woken + 1);
	pollword_event(word, 5);
	pollword_event(word, 5);
	CHECK(word->level == 5 && word->sequence == sequence + 3);
	CHECK(pollword_of_handle(pollword_handle(word, &own)) == word && grants == 0);
	CHECK(pollword_of_handle(pollword_handle(word, &other)) == word && grants == 1);
	CHECK(pollword_handle(words[8], &other) && grants == 1);
	for (int i = 0; i < 1200; i++)
		pollword_free(words[i]);
	for (int i = 0; i < 1200; i++)
		words[i] = pollword_alloc();
	CHECK(frames_given == 4 && words[1199]->level == 0);
	for (int i = 0; i < 1200; i++)
		pollword_free(words[i]);
	pollword_free(NULL);
}

static void clocks_advance(void)
{
	u64 now = arch_counter_read();

	clock_data = (struct tk_clock_page){ .counter_base = now, .nanos_base = 5000000000, .multiplier = 1u << 31, .shift = 32,
					     .realtime_offset = 1000 };
	nanos_t first = clock_monotonic();

	CHECK(first >= 5000000000 && first < 5000000000 + (arch_counter_read() - now) && clock_monotonic() >= first);
	CHECK(clock_realtime() >= (i64)first + 1000);
	clock_data.counter_base = now + (1ul << 40); /* a base in the future counts as now */
	CHECK(clock_monotonic() == 5000000000);
	clock_data.counter_base = now - (1ul << 62);
	CHECK(clock_monotonic() >= 5000000000 + (1ul << 61)); /* no overflow of the product */
}

static void random_differs(void)
{
	u8 a[200], b[200];
	u32 ones = 0;

	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) && memcmp(a, a + 64, 64) && memcmp(a, a + 128, 64));
	for (size_t i = 0; i < sizeof(a); i++)
		ones += (u32)__builtin_popcount(a[i]);
	CHECK(ones > 700 && ones < 900);
	boot.seed[0]++;
	random_start();
	random_bytes(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)));
	boot.seed[0]--;
	random_start(); /* the same seed, at another time */
	random_bytes(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)));
}

static void heap_and_words_are_recovered(void)
{
	struct tk_pollword *word = pollword_alloc(), *lost = pollword_alloc();
	u32 before = frames_given;
	void *kept = heap_alloc(5000), *forgotten = heap_alloc(100), *p;

	logs = heap_alloc(1000);
	memset(kept, 7, 5000);
	boot.heap_pages = heap_mapped;
	CHECK(heap_recover() && pollword_recover());
	CHECK(heap_kind(kept) == HEAP_UNCLAIMED && heap_kind((char *)kept + 16) == 0 && heap_kind((void *)8) == 0);
	CHECK(!heap_claim(kept, 6000, HEAP_KINDS) && heap_claim(kept, 5000, HEAP_KINDS) && !heap_claim(kept, 5000, HEAP_KINDS));
	CHECK(heap_next(NULL, HEAP_KINDS) == kept && heap_next(kept, HEAP_KINDS) == NULL);
	CHECK(pollword_claim(word) && !pollword_claim(word) && !pollword_claim((struct tk_pollword *)kept));
	for (u32 taken = 0; taken < 3; taken++)
		CHECK(pollword_alloc() != word); /* what nobody claimed is free again */
	(void)lost;
	CHECK(heap_sweep() > 0 && frames_back == frames_given - before);
	p = heap_alloc(100);
	CHECK(p == forgotten || p != kept);
	for (u32 i = 0; i < 5000; i++)
		CHECK(((u8 *)kept)[i] == 7);
	memset((char *)boot.heap, 0xff, 64); /* its first block's header */
	CHECK(!heap_recover());
}

TEST_MAIN(TEST(heap_grows_and_clears), TEST(heap_ends_in_null), TEST(locks_exclude), TEST(client_is_copied), TEST(strings_are_fetched),
	  TEST(pollwords_count_events), TEST(clocks_advance), TEST(random_differs),
	  TEST(heap_and_words_are_recovered))
