/* The time counter and the deadline timer. Meaning: arch/x86_64/include/arch/time.h. */
#ifndef ARCH_TIME_H
#define ARCH_TIME_H

#include <tessera/types.h>

extern u64 arch_counter_base, arch_counter_hertz;
extern u32 arch_counter_multiplier, arch_counter_shift;
u64 arch_counter(void);
nanos_t arch_nanos(void);
void arch_time_init(void);
void arch_timer_init(void);
void arch_timer_set(nanos_t deadline);
void arch_timer_fired(void);

#endif
