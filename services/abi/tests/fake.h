/* The core and the services around the shim, as little of them as the tests need; one thread, whose waits run what is scheduled. */
#ifndef FAKE_H
#define FAKE_H

#include "../shim.h"
#include "../clock.h"

extern struct shim_thread *fake_thread;   /* the calling thread, with a process and an empty descriptor table */
extern nanos_t fake_now;                  /* monotonic; a wait moves it */
extern i64 fake_wall_offset;
extern u32 fake_frames;                   /* frames given out */
extern u8 fake_rtc[128];                  /* registers of the machine's clock */

void fake_start(void);                    /* a new thread */
void fake_end(void);                      /* its end; checks that nothing is left */
/* Runs once, at a time, when somebody waits. One at a time. */
void fake_schedule(nanos_t at, void (*event)(void *), void *context);

#endif
