/* Random bits at boot: RDRAND, else the jitter of the time counter. */
#include <arch/cpu.h>
#include <arch/time.h>
#include <hash.h>
#include "processor.h"

#define RDRAND_TRIES 16
#define JITTER_ROUNDS 256

static bool random_instruction(u64 *value)
{
	if (!(cpuid_read(1, 0).ecx >> 30 & 1))
		return false;
	for (u32 i = 0; i < RDRAND_TRIES; i++) {
		u8 done;
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(done) : : "cc");
		if (done)
			return true;
	}
	return false;
}

u64 arch_entropy(void)
{
	static u64 pool;
	u64 value = 0;

	if (!random_instruction(&value))
		for (u32 i = 0; i < JITTER_ROUNDS; i++) {
			(void)cpuid_read(0, 0); /* takes an uneven time */
			value = hash_u64(value + arch_counter());
		}
	pool = hash_u64(pool + value + arch_counter());
	return value ^ pool;
}
