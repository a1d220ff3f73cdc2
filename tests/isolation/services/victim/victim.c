/* Attacks of a unit on the core and on other units. The architecture's own are in arch/. */
#include "victim_server.h"
#include "attacks.h"

static u64 calls;

void victim_init(void)
{
}

long victim_op_life(const struct rt_request *rq, u64 *count)
{
	(void)rq;
	*count = ++calls;
	return 0;
}

static __attribute__((noinline)) u64 stack_eat(u64 depth)
{
	volatile u8 bytes[512];

	bytes[depth % sizeof(bytes)] = (u8)depth;
	return depth > 100000 ? bytes[0] : stack_eat(depth + 1) + bytes[depth % sizeof(bytes)];
}

static const u64 constant = 5;

long victim_op_attack(const struct rt_request *rq, u32 kind, u64 address)
{
	(void)rq;
	switch (kind) {
	case ATTACK_READ:
		return (long)(*(volatile u64 *)address & 1);
	case ATTACK_WRITE:
		*(volatile u64 *)address = 0;
		return 0;
	case ATTACK_STACK:
		return (long)stack_eat(0);
	case ATTACK_CONSTANT:
		*(volatile u64 *)&constant = 6;
		return 0;
	case ATTACK_EXECUTE_HEAP: {
		u8 *code = heap_alloc(64);

		if (!code)
			return -ENOMEM;
		attack_code_return(code);
		((void (*)(void))code)();
		return 0;
	}
	case ATTACK_CODE: /* writes its own code */
		*(volatile u8 *)&victim_op_attack = 0;
		return 0;
	case ATTACK_ASSERT:
		rt_assert(address == ~0ul);
		return 0;
	default:
		return attack_privileged(kind, address);
	}
}

long victim_op_beg(const struct rt_request *rq, u32 gate, u64 *call, u64 *token, u64 *power)
{
	struct tk_message message = { { 0 } };

	(void)rq;
	*call = (u64)tk_call(gate, 0, &message);
	*token = (u64)tk_object_destroy(rt_boot->window + 0x1000);
	*power = (u64)tk_power(TK_POWER_OFF, 9);
	return 0;
}
