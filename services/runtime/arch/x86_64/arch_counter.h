/* The processor's time counter, in which tk_clock_page counts. */
#ifndef ARCH_COUNTER_H
#define ARCH_COUNTER_H

#include <tessera/types.h>

static inline u64 arch_counter_read(void)
{
	return __builtin_ia32_rdtsc();
}

static inline void arch_pause(void)
{
	__builtin_ia32_pause();
}

#endif
