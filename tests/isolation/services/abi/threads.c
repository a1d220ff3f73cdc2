/* Many callers at once, locks, waiting, time. */
#include <target_client.h>
#include "helpers.h"
#include <tap.h>

#define COUNTS 2000u

static u32 trouble; /* of helpers */

static void helper_expect(bool good)
{
	if (!good)
		__atomic_add_fetch(&trouble, 1, __ATOMIC_RELAXED); /* read after helpers_wait, which orders it */
}

static void job_gather(void)
{
	u64 seen;

	helper_expect(target_gather(HELPERS, &seen) == 0 && seen == HELPERS);
}

static void callers_are_inside_together(void)
{
	trouble = 0;
	helpers_start(job_gather);
	CHECK(helpers_wait() && trouble == 0);
}

static void job_count(void)
{
	u64 total;

	helper_expect(target_count(COUNTS, &total) == 0);
}

static void locks_exclude(void)
{
	u64 total;

	trouble = 0;
	helpers_start(job_count);
	CHECK(target_count(COUNTS, &total) == 0);
	CHECK(helpers_wait() && trouble == 0);
	CHECK(target_count(1, &total) == 0 && total == COUNTS * (HELPERS + 1) + 1);
}

#define MILLI 1000000ull
#define LONG_CALL 1000u /* ms: an orphan may wait for twice that */

/* Class IC0 (the caller's own domain) is not left. */
static void calls_have_deadlines(void)
{
	u64 domain = 0;

	CHECK(target_linger(0, &domain) == 0);
	bool apart = domain != rt_boot->domain;
	nanos_t start = clock_monotonic();

	CHECK(tk_call_deadline(start + 50 * MILLI) == 0);
	CHECK(target_nothing() == 0);
	CHECK(target_linger(LONG_CALL, &domain) == (apart ? -ETIMEDOUT : 0));
	CHECK(clock_monotonic() - start >= 50 * MILLI && (!apart || clock_monotonic() - start < LONG_CALL * MILLI));
	CHECK(tk_call_deadline(NANOS_NEVER) == 0);
	CHECK(target_linger(100, &domain) == 0); /* longer than the deadline was */
	CHECK(tk_call_deadline(0) == 0);
	CHECK(target_nothing() == 0); /* over, but the call is at its end before anybody looks */
	CHECK(tk_call_deadline(NANOS_NEVER) == 0);
}

/* More callers than stacks: some wait for one, all are served. */
static void job_calls(void)
{
	for (u32 i = 0; i < 500; i++) {
		u64 caller, thread;

		helper_expect(target_who(&caller, &thread) == 0 && thread == rt_thread_id());
	}
}

static void threads_keep_their_identity(void)
{
	trouble = 0;
	helpers_start(job_calls);
	job_calls();
	CHECK(helpers_wait() && trouble == 0);
}

static void job_heap(void)
{
	for (u32 i = 0; i < 300; i++) {
		u8 *p = heap_alloc(100 + i * 7), *q = heap_alloc(3000);

		helper_expect(p && q && !p[99 + i * 7] && !q[2999]);
		if (p && q)
			p[99 + i * 7] = q[2999] = 1;
		heap_free(p);
		heap_free(q);
	}
}

static void heap_is_shared(void)
{
	trouble = 0;
	helpers_start(job_heap);
	job_heap();
	CHECK(helpers_wait() && trouble == 0);
	u8 *large = heap_alloc(1 << 20); /* more than there was at the start */

	CHECK(large != NULL && !large[(1 << 20) - 1]);
	heap_free(large);
}

static void time_passes(void)
{
	static u32 never;
	nanos_t before = clock_monotonic();

	CHECK(tk_wait(&never, 0, before + 20000000, 0, ~0u) == -ETIMEDOUT);
	nanos_t after = clock_monotonic();

	CHECK(after >= before + 20000000);
	CHECK(tk_wait(&never, 1, NANOS_NEVER, 0, ~0u) == -EAGAIN);
	CHECK(tk_wait(&never, 0, before, 0, ~0u) == -ETIMEDOUT);
	for (u32 i = 0; i < 1000; i++) {
		nanos_t now = clock_monotonic();

		CHECK(now >= after);
		after = now;
	}
}

static void random_is_random(void)
{
	u8 a[64], b[64];

	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)));
}

const struct tap_test thread_tests[] = {
	{ "callers are inside together", callers_are_inside_together },
	{ "locks exclude", locks_exclude },
	{ "calls have deadlines", calls_have_deadlines },
	{ "threads keep their identity", threads_keep_their_identity },
	{ "the heap is shared", heap_is_shared },
	{ "time passes", time_passes },
	{ "random bytes differ", random_is_random },
	{ NULL, NULL },
};
