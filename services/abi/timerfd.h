/* Timers behind descriptors. */
#ifndef ABI_TIMERFD_H
#define ABI_TIMERFD_H

#include "clock.h"

noreturn_fn void timerfd_serve(void);   /* the shim's timer thread */
nanos_t timerfd_expire(void);           /* its step: stops all timers whose time has come; the next deadline */
void timerfd_clock_changed(void);       /* the wall clock was set */

#endif
