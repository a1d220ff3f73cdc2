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
/* The processor takes a thread that is runnable: false if it is not. */
bool thread_adopt(struct thread *t);
/* As the unit is loaded again: all its stacks are free. */
void domain_stacks_return(struct domain *d);
/* It comes into the core, or enters a unit: how it goes on. */
void thread_stop(struct thread *t, u32 resume);
/* tk_wait for a word to be other than 0, without parking. */
void thread_wait_begin(struct thread *t, vaddr_t word, u32 flags);
/* The unit's load of a word in its window. */
u32 word_load(u32 domain, frame_t frame, u32 offset);
void word_store(u32 domain, frame_t frame, u32 offset, u32 value);
void byte_store(u32 domain, frame_t frame, u32 offset, u8 value);
/* tk_wait and tk_wake on a word in the window of the thread's domain. */
long word_wait(vaddr_t word, u32 expected, u32 flags, nanos_t deadline);
void word_wake(vaddr_t word, u32 count);

#endif
