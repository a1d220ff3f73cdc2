/* The service of miser.iface. */
#include "miser_server.h"

#define HOLD_MAX 1000u /* ms */

void miser_init(void)
{
}

long miser_op_hold(const struct rt_request *rq, u32 milliseconds, u32 fails)
{
	static volatile u32 never;
	nanos_t end = clock_monotonic() + (milliseconds < HOLD_MAX ? milliseconds : HOLD_MAX) * 1000000ull;

	(void)rq;
	while (clock_monotonic() < end)
		(void)tk_wait(&never, 0, end, 0, ~0u);
	rt_assert(!fails);
	return 0;
}

long miser_op_nothing(const struct rt_request *rq)
{
	(void)rq;
	return 0;
}
