/* A hostile unit: attacks by number. What depends on the processor is in arch/. */
#include "raider_server.h"
#include "raider.h"

#define ACCOMPLICES 2u

static u64 calls;
static volatile u32 job_number[ACCOMPLICES];
static void (*volatile jobs[ACCOMPLICES])(void);
static volatile u32 stop;

void raider_init(void)
{
}

void raider_main(u32 index)
{
	for (u32 seen = 0;; seen++) {
		while (job_number[index] == seen)
			(void)tk_wait(&job_number[index], seen, NANOS_NEVER, 0, ~0u);
		jobs[index]();
	}
}

void accomplice_run(u32 index, void (*job)(void))
{
	stop = 0;
	jobs[index] = job;
	/* Sequentially consistent: the job stands before the number that tells of it. */
	__atomic_add_fetch(&job_number[index], 1, __ATOMIC_SEQ_CST);
	(void)tk_wake(&job_number[index], 1, 0, ~0u);
}

void accomplice_stop(void) { stop = 1; }
bool accomplice_stopped(void) { return stop; }

long raider_op_life(const struct rt_request *rq, u64 *count)
{
	(void)rq;
	*count = ++calls;
	return 0;
}

long raider_op_attack(const struct rt_request *rq, u32 kind, u64 first, u64 second, u64 *detail)
{
	(void)rq;
	*detail = 0;
	switch (kind) {
	case ATTACK_READ:
		*detail = *(volatile u64 *)first;
		return 1;
	case ATTACK_WRITE:
		*(volatile u64 *)first = second;
		return 1;
	case ATTACK_EXECUTE:
		return attack_execute(first);
	case ATTACK_INSTRUCTION:
		return attack_instruction(first);
	case ATTACK_STATE:
		return attack_state(first, detail);
	case ATTACK_REQUEST:
		return attack_request(first, detail);
	case ATTACK_RACE:
		return attack_race(first, second, detail);
	case ATTACK_GREED:
		return attack_greed(first, second, detail);
	case ATTACK_FLAGS:
		return attack_flags(detail);
	default:
		return -EINVAL;
	}
}
