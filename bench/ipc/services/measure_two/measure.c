/* Calls between IC2 units, and two threads that wake each other in turn. */
#include <runtime.h>
#include <echo_two_client.h>
#include "../../../marker.h"

void measure_two_init(void);
void measure_two_main(u32 index);
void measure_two_init(void) {}

static volatile u32 turns[2]; /* each counts the wakes of its thread */

static void pass(u32 other)
{
	turns[other]++;
	(void)tk_wake(&turns[other], 1, 0, ~0u);
}

static void await(u32 own, u32 *seen)
{
	while (turns[own] == *seen)
		(void)tk_wait(&turns[own], *seen, NANOS_NEVER, 0, ~0u);
	(*seen)++;
}

static noreturn_fn void answer(void)
{
	u32 seen = 0;

	for (;;) {
		await(1, &seen);
		pass(0);
	}
}

void measure_two_main(u32 index)
{
	static u8 bytes[4096];
	u64 sum;
	u32 seen = 0;

	if (index == 1)
		answer();
	MEASURE(ROW_IC2_EMPTY, TIMES, rt_assert(echo_two_empty() == 0));
	MEASURE(ROW_IC2_WORDS4, TIMES, rt_assert(echo_two_words4(1, 2, 3, 4, &sum) == 0));
	MEASURE(ROW_IC2_BYTES4096, TIMES, rt_assert(echo_two_bytes4096(bytes, sizeof(bytes)) == 0));
	MEASURE(ROW_PINGPONG, TIMES, { pass(1); await(0, &seen); });
	for (;;)
		await(0, &seen);
}
