/* Clocks of the shim: reading, and the word that counts settings of the wall clock. */
#ifndef ABI_CLOCK_H
#define ABI_CLOCK_H

#include "shim.h"
#include "include/abi_time.h"

/* Nanoseconds of a clock now; -EINVAL for an unknown one. Clocks of processor time are read from proc. */
long clock_read(i32 clock, i64 *nanos) must_check;
bool clock_is_wall(i32 clock);        /* its time can be set */
bool clock_can_sleep(i32 clock);      /* has deadlines: timers and sleeps */
/* Monotonic deadline for a time of a clock; times past give 0. */
nanos_t clock_deadline(i32 clock, nanos_t time);
/* Counts settings of the wall clock; woken at each. */
extern volatile u32 clock_steps;
void clock_boot(void);                /* wall clock from the machine's real-time clock */
long rtc_read(i64 *seconds) must_check; /* rtc.c: seconds since 1970 by the machine's clock */
void vdso_clock_update(void);         /* vdso.c: the offset of the wall clock changed */

/* A timespec of the application: 0, -EFAULT, or -EINVAL when it is not a valid time. */
long timespec_get(vaddr_t from, struct linux_timespec *time) must_check;
long timespec_put(vaddr_t to, i64 nanos) must_check;

#endif
