/* Threads of the explorations: each script is one, on a processor of its own until it says otherwise. */
#ifndef TEST_THREADS_H
#define TEST_THREADS_H

#include "machine.h"

extern struct thread threads[PROCESSORS_MAX];
extern struct tk_thread_page thread_pages[PROCESSORS_MAX];

/* One for each processor, running in that domain. */
void threads_create(u32 count, u32 domain);
static inline struct thread *thread_self(void) { return &threads[interleave_self()]; }
/* The thread was parked: it goes on when it is woken. Its result. */
long thread_park(void);
/* The unit's load of a word in its window. */
u32 word_load(u32 domain, frame_t frame, u32 offset);
void word_store(u32 domain, frame_t frame, u32 offset, u32 value);
void byte_store(u32 domain, frame_t frame, u32 offset, u8 value);
/* tk_wait and tk_wake on a word in the window of the thread's domain. */
long word_wait(vaddr_t word, u32 expected, u32 flags, nanos_t deadline);
void word_wake(vaddr_t word, u32 count);

#endif
