/*
 * What became of calls that were cut off: notes of calls on several stacks of a unit that keeps its state, asked for after its restart.
 * Each call runs on a stack as the core gives them, at whose base its caller stands.
 */
#include "../harness.h"
#include <runtime_unit.h>
#include <arch_counter.h>
#include <mem_client.h>
#include <ucontext.h>

enum { STACKS = 3, CALLER = 4, THREAD = 17, HEAP_PAGES = 64 };

char unit_kept_start[1], unit_kept_end[1];
static char stacks[(STACKS + 1) * TK_STACK_STRIDE], heap[HEAP_PAGES * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct tk_boot_info boot;
const struct tk_boot_info *rt_boot = &boot;
static long start_result;

/* ---- What stable.c stands on --------------------------------------------------------------------------------------------------------- */

void *heap_alloc(size_t size) { return size <= sizeof(heap) ? heap : NULL; }
void heap_free(void *p) { (void)p; }
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

static void call_run(u32 stack, struct call made)
{
	u64 base = boot.stacks + stack * TK_STACK_STRIDE;

	call = made;
	*runtime_request_of(base) = (struct rt_request){ CALLER, made.thread };
	CHECK(getcontext(&there) == 0);
	there.uc_stack.ss_sp = runtime_request_of(base);
	there.uc_stack.ss_size = TK_STACK_SIZE;
	there.uc_link = &here;
	makecontext(&there, body, 0);
	CHECK(swapcontext(&here, &there) == 0);
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

int main(int argc, char **argv)
{
	const struct unit_test tests[] = { TEST(notes_are_of_an_operation), TEST(notes_are_of_a_thread_and_of_its_last_call) };

	unit_create();
	return unit_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
