/* Architecture contract: the time counter and the one deadline timer of each processor. */
#ifndef ARCH_TIME_H
#define ARCH_TIME_H

#include <tessera/types.h>

static inline u64 arch_counter(void)
{
	u32 low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}
/* Calibrated at boot: ns = (counter - base) * multiplier >> shift, nanoseconds since boot. */
extern u64 arch_counter_base, arch_counter_hertz;
extern u32 arch_counter_multiplier, arch_counter_shift;
static inline nanos_t arch_nanos(void)
{
	/* The shift is below 32; told so, the compiler leaves out what shifts by 64 and more need. */
	return (nanos_t)((unsigned __int128)(arch_counter() - arch_counter_base) * arch_counter_multiplier >> (arch_counter_shift & 31));
}
void arch_time_init(void);           /* boot processor: calibrate */
void arch_timer_init(void);          /* each processor */
/* The next timer interrupt of this processor, absolute; NANOS_NEVER: none. core/timer.c timer_arrived() is called then, or earlier: a
 * deadline that moves away does not touch the timer. */
void arch_timer_set(nanos_t deadline);
void arch_timer_fired(void);         /* by the interrupt entry, before timer_arrived() */

#endif
