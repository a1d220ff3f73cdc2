/* A heap for services on the host that knows each of its blocks: what recovery may claim, and what a test may scribble on. */
#ifndef UNIT_FAKE_HEAP_H
#define UNIT_FAKE_HEAP_H

#include <runtime.h>

extern long fake_heap_used;                 /* blocks in use: leaks show here */
extern long fake_heap_fail_after;           /* allocations until one fails; below 0: none does */
void *fake_heap_block(u32 n, size_t *size); /* the n-th block in use */

#endif
