/* The service of target.iface. */
#include "target_server.h"

static struct rt_lock lock = RT_LOCK_INIT; /* guards total */
static u64 total;
static volatile u32 gathered;
static struct tk_pollword *word;
static u64 *secret;

void target_init(void)
{
	secret = heap_alloc(4096);
	rt_assert(secret != NULL);
	*secret = 0x5ec2e7;
}

long target_op_scalars(const struct rt_request *rq, u32 a, u64 b, i32 c, i64 d, u64 e, u64 *x, u64 *y, u64 *z)
{
	(void)rq;
	*x = a + b;
	*y = (u64)(c + d);
	*z = e;
	return (long)a;
}

long target_op_six(const struct rt_request *rq, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 *x)
{
	(void)rq;
	*x = a | b << 8 | c << 16 | d << 24 | e << 32 | f << 40;
	return 0;
}

long target_op_nothing(const struct rt_request *rq)
{
	(void)rq;
	return 0;
}

long target_op_reverse(const struct rt_request *rq, const void *text, size_t text_size, void *result, size_t result_capacity)
{
	size_t size = text_size < result_capacity ? text_size : result_capacity;

	(void)rq;
	for (size_t i = 0; i < size; i++)
		((u8 *)result)[i] = ((const u8 *)text)[text_size - 1 - i];
	return (long)size;
}

long target_op_exchange(const struct rt_request *rq, const struct target_pair *given, struct target_pair *result)
{
	(void)rq;
	result->a = given->b;
	result->b = given->a;
	for (u32 i = 0; i < sizeof(given->rest); i++)
		result->rest[i] = given->rest[sizeof(given->rest) - 1 - i];
	return 0;
}

long target_op_boast(const struct rt_request *rq, i64 claim, void *text, size_t text_capacity)
{
	(void)rq;
	memset(text, 'x', text_capacity);
	return claim;
}

long target_op_who(const struct rt_request *rq, u64 *caller, u64 *thread)
{
	*caller = rq->caller;
	*thread = rq->thread;
	return rq->thread == rt_thread_id() ? 0 : -EIO;
}

long target_op_gather(const struct rt_request *rq, u32 count, u64 *seen)
{
	(void)rq;
	/* Sequentially consistent: the last one to come must see all others. */
	u32 here = __atomic_add_fetch(&gathered, 1, __ATOMIC_SEQ_CST);

	if (here == count)
		tk_wake(&gathered, ~0u, 0, ~0u);
	while (here < count) {
		if (tk_wait(&gathered, here, clock_monotonic() + 10000000000ull, 0, ~0u) == -ETIMEDOUT)
			return -ETIMEDOUT;
		here = gathered;
	}
	*seen = here;
	return 0;
}

long target_op_linger(const struct rt_request *rq, u32 milliseconds, u64 *domain)
{
	static volatile u32 never;
	nanos_t end = clock_monotonic() + milliseconds * 1000000ull;

	(void)rq;
	while (tk_wait(&never, 0, end, 0, ~0u) != -ETIMEDOUT)
		;
	*domain = rt_boot->domain;
	return 0;
}

long target_op_count(const struct rt_request *rq, u32 times, u64 *result)
{
	(void)rq;
	for (u32 i = 0; i < times; i++) {
		lock_acquire(&lock);
		u64 old = total;

		if (i % 64 == 0)
			tk_yield();
		total = old + 1;
		lock_release(&lock);
	}
	*result = total;
	return 0;
}

long target_op_pollword(const struct rt_request *rq, u64 *handle)
{
	if (!word)
		word = pollword_alloc();
	if (!word)
		return -ENOMEM;
	*handle = pollword_handle(word, rq);
	return *handle ? 0 : -EIO;
}

long target_op_pollword_set(const struct rt_request *rq, u32 level)
{
	(void)rq;
	pollword_set(word, level);
	return 0;
}

long target_op_secret(const struct rt_request *rq, u64 *address)
{
	(void)rq;
	*address = (u64)secret;
	return 0;
}

long target_op_secret_intact(const struct rt_request *rq)
{
	(void)rq;
	return *secret == 0x5ec2e7 ? 0 : -EIO;
}

static vaddr_t token_find(u32 type)
{
	for (u32 i = 0; i < rt_boot->token_count; i++)
		if (rt_boot->tokens[i].type == type)
			return rt_boot->tokens[i].token;
	return 0;
}

long target_op_devices(const struct rt_request *rq)
{
	static volatile u32 arrived;
	static const volatile u32 constant;
	vaddr_t ports = token_find(TK_OBJECT_PORTS), irq = token_find(TK_OBJECT_IRQ);
	const struct { long result, expected; } calls[] = {
		{ tk_port_read(ports, 0, 1), 0xff }, { tk_port_read(ports, 6, 2), 0xffff }, { tk_port_read(ports, 4, 4), 0xffffffff },
		{ tk_port_read(ports, 0, 3), -EINVAL }, { tk_port_read(ports, 8, 1), -EINVAL }, { tk_port_read(ports, 7, 2), -EINVAL },
		{ tk_port_write(ports, 7, 1, 0), 0 }, { tk_port_write(ports, 0, 2, 0), 0 }, { tk_port_write(ports, 4, 4, 0), 0 },
		{ tk_port_write(ports, 5, 4, 0), -EINVAL }, { tk_port_read(irq, 0, 1), -EPERM }, { tk_irq_ack(ports), -EPERM },
		{ tk_irq_bind(irq, (u32 *)((u64)&arrived + 2)), -EINVAL }, { tk_irq_bind(irq, (u32 *)0xffff7ffffffff000), -EFAULT },
		{ tk_irq_bind(irq, (u32 *)irq), -EINVAL }, { tk_irq_bind(irq, (u32 *)(u64)&constant), -EFAULT },
		{ tk_irq_bind(irq, &arrived), 0 }, { tk_irq_bind(irq, &arrived), 0 }, { tk_irq_ack(irq), 0 },
	};
	long mistakes = 0;

	(void)rq;
	for (u32 i = 0; i < countof(calls); i++)
		if (calls[i].result != calls[i].expected) {
			log_line("# device call %u: %ld", i, calls[i].result);
			mistakes++;
		}
	return mistakes + (arrived != 0);
}
