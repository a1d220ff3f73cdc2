/* The service of second.iface. */
#include <second_server.h>
#include "vectors.h"

#define WAIT_NANOS 200000ull

static volatile u64 rounds, lost;
static volatile u32 never;

static bool kept_over_wait(u32 seed)
{
	struct vectors pattern, out;
	const u64 words[TK_ARGS_MAX] = { (u64)&never, 0, clock_monotonic() + WAIT_NANOS, 0, ~0u };

	vectors_pattern(&pattern, seed, rt_boot->vector_features);
	(void)vectors_core_call(&pattern, &out, rt_boot->vector_features & VECTORS_FEATURES, TK_WAIT, words);
	return vectors_same(&pattern, &out, rt_boot->vector_features);
}

long second_op_look(const struct rt_request *rq, u64 seed)
{
	struct vectors found, left;

	vectors_read(&found, rt_boot->vector_features & VECTORS_FEATURES);
	(void)rq;
	long bad = vectors_clean(&found, rt_boot->vector_features) ? 0 : VECTORS_SECOND_DIRTY;

	bad |= kept_over_wait((u32)seed) ? 0 : VECTORS_SECOND_LOST;
	vectors_pattern(&left, (u32)seed, rt_boot->vector_features);
	vectors_write(&left, rt_boot->vector_features & VECTORS_FEATURES);
	return bad;
}

long second_op_thread(const struct rt_request *rq, u64 *rounds_made, u64 *states_lost)
{
	(void)rq;
	*rounds_made = rounds;
	*states_lost = lost;
	return 0;
}

void second_init(void)
{
}

void second_main(u32 index)
{
	for (;; rounds++)
		if (!kept_over_wait(index + (u32)rounds))
			lost++;
}
