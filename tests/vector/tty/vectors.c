/* Part of the terminal service in the tests of vector code: ioctl commands that compute with vectors; kinds and results: vectors.h. */
#include <plain_client.h>
#include <second_client.h>
#include <tty_server.h>
#include "vectors.h"
#include "tty.h"

#define SECOND_GATE 0u       /* the first unit of the profiles; its operations in their order */
#define SECOND_LOOK 0u
#define WAIT_NANOS 100000ull
#define ORPHAN_NANOS 600000000ull
#define SPIN_TICKS 500000ul

/* gate.c, as the test renames it. */
long tty_real_ioctl(const struct rt_request *rq, u64 terminal, u32 command, u64 argument, vaddr_t data, u64 data_size);

static volatile u32 never, orphans_begun, orphans_ended, orphans_bad;
static const struct vectors zeros;

static u64 features(void) { return rt_boot->vector_features & VECTORS_FEATURES; }
static inline __attribute__((always_inline)) void pause_in_unit(void) { (void)tk_yield(); }

/* A pattern goes into a call of the core or of a gate; what the call said, and whether the pattern came out. */
static long across(u32 seed, u64 number, const u64 *words, bool *kept)
{
	struct vectors pattern, out = zeros;

	vectors_pattern(&pattern, seed, features());
	long result = vectors_core_call(&pattern, &out, features(), number, words);
	*kept = vectors_same(&pattern, &out, features());
	return result;
}

static u32 over_wait(u32 seed, nanos_t nanos)
{
	const u64 words[TK_ARGS_MAX] = { (u64)&never, 0, clock_monotonic() + nanos, TK_WAIT_NEVER_INTERRUPTED, ~0u };
	bool kept;

	do /* a killed client's wait ends, and is tried again, until it is left */
		(void)across(seed, TK_WAIT, words, &kept);
	while (kept && clock_monotonic() < words[2]);
	return kept ? 0 : VECTORS_LOST;
}

static u32 over_call(u32 seed)
{
	const u64 words[TK_ARGS_MAX] = { seed + 1 };
	bool kept;
	long result = across(seed, TK_CALL | SECOND_GATE << 8 | SECOND_LOOK << 16, words, &kept);

	return result < 0 ? VECTORS_REFUSED : (u32)result | (kept ? 0 : VECTORS_LOST);
}

static u32 over_spin(u32 seed, u64 ticks)
{
	struct vectors pattern, out = zeros;

	vectors_pattern(&pattern, seed, features());
	vectors_spin(&pattern, &out, features(), ticks);
	return vectors_same(&pattern, &out, features()) ? 0 : VECTORS_LOST;
}

static u64 orphan_ticks(void) { return ((const struct tk_clock_page *)rt_boot->clock)->counter_hertz * (ORPHAN_NANOS / 1000000) / 1000; }

static noreturn_fn void fail_with(u32 seed)
{
	struct vectors pattern;

	vectors_pattern(&pattern, seed, features());
	vectors_write(&pattern, features());
	__builtin_trap();
}

/* Calls the unit that may not use vectors: it fails, not its caller. */
static u32 over_failure(u32 seed)
{
	const u64 words[TK_ARGS_MAX] = { 0 };
	bool kept;
	long result = across(seed, TK_CALL | (SECOND_GATE + 1) << 8, words, &kept);

	return (result == -TK_EFATAL ? 0 : VECTORS_REFUSED) | (kept ? 0 : VECTORS_LOST);
}

static u64 thread_counts(void)
{
	u64 rounds, lost;

	if (second_thread(&rounds, &lost) < 0)
		return (u64)VECTORS_REFUSED << 32;
	return (u64)(lost ? VECTORS_SECOND_LOST : 0) << 32 | (rounds & 0xffffffff);
}

static u64 serve(enum vectors_kind kind, u32 seed)
{
	switch (kind) {
	case VECTORS_SUM: return vectors_sum(seed, pause_in_unit);
	case VECTORS_WAIT: return (u64)over_wait(seed, WAIT_NANOS) << 32;
	case VECTORS_NEST: return (u64)over_call(seed) << 32;
	case VECTORS_SPIN: return (u64)over_spin(seed, SPIN_TICKS) << 32;
	case VECTORS_FAIL: fail_with(seed);
	case VECTORS_PLAIN: return (u64)over_failure(seed) << 32;
	case VECTORS_ORPHAN: /* its client is killed meanwhile */
		orphans_begun++;
		orphans_bad += (seed & 1 ? over_spin(seed, orphan_ticks()) : over_wait(seed, ORPHAN_NANOS)) != 0;
		orphans_ended++;
		return 0;
	case VECTORS_ORPHANS: return (u64)(orphans_bad ? VECTORS_LOST : 0) << 32 | VECTORS_ORPHANS_COUNTED(orphans_begun, orphans_ended);
	case VECTORS_THREAD: return thread_counts();
	default: return 0;
	}
}

long tty_op_ioctl(const struct rt_request *rq, u64 terminal, u32 command, u64 argument, vaddr_t data, u64 data_size)
{
	struct vectors found;

	if ((command & ~0xffu) != VECTORS_COMMAND)
		return tty_real_ioctl(rq, terminal, command, argument, data, data_size);
	vectors_read(&found, features());
	u64 dirty = vectors_clean(&found, features()) ? 0 : (u64)VECTORS_DIRTY << 32;

	return (long)(dirty | serve((enum vectors_kind)(command & 0xff), (u32)argument));
}
