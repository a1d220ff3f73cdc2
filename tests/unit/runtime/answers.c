/*
 * Calls of a unit that keeps its state, on several stacks as the core gives them, at whose base the caller stands: what became of those
 * that were cut off, asked for after the restart, and sections that are longer than a log has room for.
 */
#include "../harness.h"
#include <runtime_unit.h>
#include <arch_counter.h>
#include <mem_client.h>
#include <undo.h>
#include <ucontext.h>

enum { STACKS = 3, CALLER = 4, THREAD = 17, HEAP_PAGES = 512, FIELD = 10000 };

char unit_kept_start[1], unit_kept_end[1];
static char stacks[(STACKS + 1) * TK_STACK_STRIDE], heap[HEAP_PAGES * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct tk_boot_info boot;
const struct tk_boot_info *rt_boot = &boot;
static long start_result;

/* ---- What stable.c stands on --------------------------------------------------------------------------------------------------------- */

static size_t heap_used;
static u32 blocks, complaints, refusals;
static bool in_heap, heap_is_full;
static u64 *field; /* in the heap */

void *heap_alloc(size_t size)
{
	CHECK(!in_heap);
	if (heap_is_full || size > sizeof(heap) - heap_used) {
		refusals++;
		return NULL;
	}
	blocks++;
	heap_used += round_up(size, 16);
	return heap + heap_used - round_up(size, 16);
}

void heap_free(void *p)
{
	if (p && !stable_free_later(p))
		blocks--;
}

bool heap_held(void) { return in_heap; }
void log_line(const char *format, ...) { (void)format, complaints++; }
void lock_acquire(struct rt_lock *lock) { (void)lock; }
void lock_release(struct rt_lock *lock) { (void)lock; }
void rt_start_fail(const char *why) { (void)why; start_result = -EIO; }
long rt_start_result(void) { return start_result; }
long tk_frames_give(frame_t first, u32 count, u32 domain) { (void)first, (void)count, (void)domain; return 0; }
long mem_frames_free(u64 frame, u32 order) { (void)frame, (void)order; return 0; }

void unit_fail(const char *file, int line, const char *what)
{
	printf("Bail out! %s:%d: %s\n", file, line, what);
	abort();
}

void *__real_memset(void *to, int byte, size_t size);
void *__real_memset(void *to, int byte, size_t size) { return memset(to, byte, size); }
void *__real_memcpy(void *to, const void *from, size_t size);
void *__real_memcpy(void *to, const void *from, size_t size) { return memcpy(to, from, size); }
void *__real_memmove(void *to, const void *from, size_t size);
void *__real_memmove(void *to, const void *from, size_t size) { return memmove(to, from, size); }

/* ---- Calls --------------------------------------------------------------------------------------------------------------------------- */

static struct call { u32 thread, operation; long result; bool commits; } call;
static ucontext_t here, there;

/* The operation's body: it is cut off when its section has ended, or before it commits. */
static void body(void)
{
	stable_call_begin(call.operation);
	stable_section_begin();
	if (call.commits)
		stable_commit(call.result, (u64)call.result + 1);
	stable_section_end();
}

static void call_run_body(u32 stack, void (*run)(void))
{
	u64 base = boot.stacks + stack * TK_STACK_STRIDE;

	*runtime_request_of(base) = (struct rt_request){ CALLER, call.thread };
	CHECK(getcontext(&there) == 0);
	there.uc_stack.ss_sp = runtime_request_of(base);
	there.uc_stack.ss_size = TK_STACK_SIZE;
	there.uc_link = &here;
	makecontext(&there, run, 0);
	CHECK(swapcontext(&here, &there) == 0);
}

static void call_run(u32 stack, struct call made)
{
	call = made;
	call_run_body(stack, body);
}

static void asked(u32 thread, struct stable_question question, long expected)
{
	const struct rt_request rq = { CALLER, thread };
	u64 outs[3] = { 0 };

	CHECK(stable_answer(&rq, &question, outs, NULL, 0) == expected);
	CHECK(expected < 0 || outs[0] == (u64)expected + 1);
}

static void restart(void)
{
	CHECK(stable_start(&boot) && start_result == 0);
	stable_ready();
}

static void unit_create(void)
{
	boot = (struct tk_boot_info){ .stacks = round_up((u64)stacks, TK_STACK_STRIDE), .stack_count = STACKS, .heap = (u64)heap,
		.heap_pages = HEAP_PAGES, .heap_limit = HEAP_PAGES };
	stable_ready();
	field = heap_alloc(FIELD * sizeof(*field));
}

/* A killed thread has left a call, which goes on and commits after those that the thread makes to end. */
static void notes_are_of_an_operation(void)
{
	u64 since = arch_counter_read();

	call_run(0, (struct call){ THREAD, 5, 50, true });
	call_run(1, (struct call){ THREAD, 3, 30, true });
	call_run(2, (struct call){ THREAD, 7, 70, false });
	restart();
	asked(THREAD, (struct stable_question){ since, 5 }, 50);
	asked(THREAD, (struct stable_question){ since, 3 }, 30);
	asked(THREAD, (struct stable_question){ since, 7 }, -ESRCH);
}

static void notes_are_of_a_thread_and_of_its_last_call(void)
{
	u64 since = arch_counter_read(), later;

	call_run(0, (struct call){ THREAD, 5, 51, true });
	later = arch_counter_read();
	call_run(1, (struct call){ THREAD, 5, 52, true });
	restart();
	asked(THREAD, (struct stable_question){ since, 5 }, 52);
	asked(THREAD, (struct stable_question){ later, 5 }, 52);
	asked(THREAD, (struct stable_question){ arch_counter_read(), 5 }, -ESRCH);
	asked(THREAD + 1, (struct stable_question){ since, 5 }, -ESRCH);
}

/* A handle that is part of a call's note is known: whoever asks is told of it. Else recovery ends it. */
static struct { u64 handle; bool locked, ends, told; } making;

static void making_body(void)
{
	stable_call_begin(8);
	if (making.locked) {
		stable_section_begin();
		stable_commit(3, 4); /* what does not tell of it comes before, as that a file is made */
	}
	stable_made(making.handle);
	for (u32 i = 0; making.told && i < 2; i++) /* the first counts */
		stable_commit_made(&(struct stable_result){ .result = 4 + i, .outs = { 5 } }, NULL);
	if (making.locked && making.ends)
		stable_section_end();
}

static void noted_handles_are_known(void)
{
	for (u32 i = 0; i < 8; i++) {
		u64 since = arch_counter_read(), handle = 0;
		bool known;
		u32 at = 0;

		call = (struct call){ .thread = THREAD + 2 };
		making.handle = 77 + i;
		making.ends = i & 1;
		making.told = i & 2;
		making.locked = i & 4;
		known = making.told && (making.ends || !making.locked);
		call_run_body(i % STACKS, making_body);
		CHECK(stable_start(&boot) && start_result == 0);
		CHECK(stable_unanswered(&at, &handle) == !known && (known || handle == 77 + i) && !stable_unanswered(&at, &handle));
		asked(call.thread, (struct stable_question){ since, 8 }, known ? 4 : making.locked && making.ends ? 3 : -ESRCH);
		stable_ready();
	}
}

/* ---- Long sections --------------------------------------------------------------------------------------------------------------------- */

void __tsan_write8(const void *p);

static void field_store(u32 from, u32 to)
{
	for (u32 i = from; i < to; i++) {
		__tsan_write8(&field[i]);
		field[i] = ~(u64)i;
	}
}

static void field_reset(void)
{
	for (u32 i = 0; i < FIELD; i++)
		field[i] = i;
}

static u32 field_changed(void)
{
	u32 changed = 0;

	for (u32 i = 0; i < FIELD; i++)
		changed += field[i] != i;
	return changed;
}

static void long_section(void)
{
	stable_section_begin();
	field_store(0, FIELD);
}

/* Its stores, blocks that it frees, and what the heap stores in it. */
static void long_section_ends(void)
{
	stable_call_begin(call.operation);
	long_section();
	for (u32 i = 0; i < 3 * UNDO_FREES; i++)
		heap_free(heap_alloc(16));
	stable_commit(5, 6);
	stable_section_end();
}

static void long_sections_are_taken_back(void)
{
	field_reset();
	call_run_body(1, long_section);
	CHECK(field_changed() == FIELD);
	restart();
	CHECK(field_changed() == 0 && complaints == 0);
}

static void long_sections_end(void)
{
	u32 before = blocks;
	u64 since = arch_counter_read();

	field_reset();
	call.operation = 6;
	call_run_body(2, long_section_ends);
	CHECK(blocks == before); /* the log's pieces are gone, too */
	restart();
	CHECK(field_changed() == FIELD && complaints == 0);
	asked(call.thread, (struct stable_question){ since, call.operation }, 5);
}

static void within_the_heap(void)
{
	stable_section_begin();
	field_store(0, UNDO_RECORDS - UNDO_RESERVE);
	in_heap = true;
	field_store(UNDO_RECORDS - UNDO_RESERVE, UNDO_RECORDS);
	in_heap = false;
	field_store(UNDO_RECORDS, UNDO_RECORDS + 10);
}

/* The heap is not asked for memory while it is in the midst of giving some: its own stores fit into the reserve. */
static void the_heap_has_a_reserve(void)
{
	field_reset();
	call_run_body(1, within_the_heap);
	CHECK(field_changed() == UNDO_RECORDS + 10);
	restart();
	CHECK(field_changed() == 0 && complaints == 0);
}

/* Without memory a section is as long as its log, and that is told; it does no harm if it ends. Asked once, not for each store. */
static void without_memory_it_is_told(void)
{
	field_reset();
	heap_is_full = true;
	call_run_body(1, long_section_ends);
	CHECK(complaints == 1 && refusals == 1 + 3 * UNDO_FREES);
	restart();
	CHECK(field_changed() == FIELD);
	call_run_body(1, long_section);
	CHECK(stable_start(&boot) && start_result == -EIO);
}

int main(int argc, char **argv)
{
	const struct unit_test tests[] = { TEST(notes_are_of_an_operation), TEST(notes_are_of_a_thread_and_of_its_last_call), TEST(noted_handles_are_known),
		TEST(long_sections_are_taken_back), TEST(long_sections_end), TEST(the_heap_has_a_reserve), TEST(without_memory_it_is_told) };

	unit_create();
	return unit_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
