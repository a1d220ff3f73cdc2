/* Time, for explorations: what the test says. */
#ifndef INTERLEAVE_ARCH_TIME_H
#define INTERLEAVE_ARCH_TIME_H

#include_next <arch/time.h>

nanos_t interleave_now(void);
#define arch_nanos() interleave_now()

#endif
