/* A hostile unit ends by each attack; its caller learns of it, nobody else notices, and it comes back new. */
#include <target_client.h>
#include <victim_client.h>
#include "../victim/include/attacks.h"
#include <tap.h>

#define PATIENCE 5000000000ull

/* Waits until the victim answers again; the number of calls of its life, 0 if it never did. */
static u64 victim_back(void)
{
	nanos_t deadline = clock_monotonic() + PATIENCE;
	u64 calls = 0;

	while (clock_monotonic() < deadline) {
		long result = victim_life(&calls);

		if (result == 0)
			return calls;
		if (result != -EAGAIN) {
			log_line("# victim.life: %ld", result);
			break;
		}
		tk_yield();
	}
	return 0;
}

static void attack(u32 kind, u64 address)
{
	u64 calls;

	CHECK(victim_life(&calls) == 0);
	long result = victim_attack(kind, address);

	if (result != -EIO)
		log_line("# attack %u on 0x%lx: %ld", kind, address, result);
	CHECK(result == -EIO);
	u64 life = victim_back();

	if (life != 1)
		log_line("# attack %u: the victim's calls are %lu", kind, life);
	CHECK(life == 1); /* a pristine image */
	CHECK(target_nothing() == 0 && target_secret_intact() == 0);
}

static void own_mistakes_end_the_unit(void)
{
	attack(ATTACK_READ, 8);
	attack(ATTACK_WRITE, 0xdead00000000000ul);
	attack(ATTACK_STACK, 0);
	attack(ATTACK_CONSTANT, 0);
	attack(ATTACK_CODE, 0);
	attack(ATTACK_EXECUTE_HEAP, 0);
	attack(ATTACK_ASSERT, 0);
	attack(ATTACK_STACK_POINTER, 0x10);
	attack(ATTACK_STACK_POINTER, 0x7770000000000000ul);
}

static void privileged_instructions_end_the_unit(void)
{
	attack(ATTACK_INTERRUPTS_OFF, 0);
	attack(ATTACK_HALT, 0);
	attack(ATTACK_PORT, 0);
	attack(ATTACK_REGISTER, 0);
	attack(ATTACK_ROOT, 0x1000);
	attack(ATTACK_SWAP, 0);
}

/* Memory of the tester and of the target: not the victim's own even where the address is mapped for it. */
static void others_memory_is_out_of_reach(void)
{
	u64 address;

	CHECK(target_secret(&address) == 0);
	if (address < 0xffff800000000000ul)
		return; /* IC2: the same address is something else there, or nothing */
	attack(ATTACK_READ, address);
	attack(ATTACK_WRITE, address);
	attack(ATTACK_WRITE, (u64)rt_boot->heap);
}

static void core_memory_is_out_of_reach(void)
{
	attack(ATTACK_WRITE, 0xffffffff80000000ul);
	attack(ATTACK_READ, 0xffffffff80200000ul);
	attack(ATTACK_WRITE, 0xffff800000200000ul);
	attack(ATTACK_READ, 0xffff800000200000ul);
}

static void rights_are_needed(void)
{
	u64 call, token, power;

	for (u32 gate = 0; gate < 8; gate++) {
		if (victim_beg(gate, &call, &token, &power) < 0) {
			CHECK(false);
			continue;
		}
		if ((long)power != -EPERM || (long)token >= 0)
			log_line("# gate %u: call %ld token %ld power %ld", gate, (long)call, (long)token, (long)power);
		CHECK((long)power == -EPERM && (long)token < 0);
		CHECK((long)call <= 0 && ((long)call != 0 || gate < 3));
	}
}

const struct tap_test attack_tests[] = {
	{ "own mistakes end the unit", own_mistakes_end_the_unit },
	{ "privileged instructions end the unit", privileged_instructions_end_the_unit },
	{ "others' memory is out of reach", others_memory_is_out_of_reach },
	{ "the core's memory is out of reach", core_memory_is_out_of_reach },
	{ "rights are needed", rights_are_needed },
	{ NULL, NULL },
};
