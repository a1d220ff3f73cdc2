/* The service of neighbour.iface. */
#include "neighbour_server.h"
#include "secret.h"

#define SPIN_MAX 1000u /* ms: the raider calls this, too */

static u64 *secret;

void neighbour_init(void)
{
	secret = heap_alloc(4096);
	rt_assert(secret != NULL);
	for (u32 i = 0; i < 512; i++)
		secret[i] = SECRET + i;
}

long neighbour_op_secret(const struct rt_request *rq, u64 *heap, u64 *stack)
{
	(void)rq;
	*heap = (u64)secret;
	*stack = (u64)__builtin_frame_address(0);
	return 0;
}

long neighbour_op_intact(const struct rt_request *rq)
{
	(void)rq;
	for (u32 i = 0; i < 512; i++)
		if (secret[i] != SECRET + i)
			return -EIO;
	return 0;
}

long neighbour_op_sum(const struct rt_request *rq, const void *text, size_t text_size)
{
	long sum = 0;

	(void)rq;
	for (size_t i = 0; i < text_size; i++)
		sum += ((const u8 *)text)[i];
	return sum;
}

long neighbour_op_look(const struct rt_request *rq, vaddr_t range, u64 range_size, u64 *word)
{
	(void)rq;
	return range_size >= sizeof(*word) && tk_copy_in(word, range, sizeof(*word)) == sizeof(*word) ? 0 : -EFAULT;
}

long neighbour_op_spin(const struct rt_request *rq, u32 milliseconds)
{
	nanos_t end = clock_monotonic() + milliseconds * 1000000ull;

	(void)rq;
	if (milliseconds > SPIN_MAX)
		return -EINVAL;
	while (clock_monotonic() < end)
		secret_spin();
	return 0;
}
