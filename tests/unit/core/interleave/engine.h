/* Between the two halves of the harness: memory (memory.c) and the search (explore.c). */
#ifndef TEST_ENGINE_H
#define TEST_ENGINE_H

#include "interleave.h"

#define STACK_BASE 0x500000000000ul
#define STACK_SIZE 0x10000ul
#define DELAYED_MAX 4u         /* stores in a buffer; one more lets the oldest out */

struct delayed_store { u64 address, value, below; u32 size, reserved; };

struct processor {
	void *stack;            /* saved stack pointer */
	u64 stack_hash;
	u32 finished;
	u32 delayed_count;
	struct delayed_store delayed[DELAYED_MAX];
	u64 place;              /* of the step that it makes next: for reports */
	u64 place_address;
};

extern struct processor processors[PROCESSORS_MAX];
extern int running;            /* processor, -1: none */
extern bool delayed_stores;
extern bool memory_restart;    /* memory was found to be used by several: what was explored so far is too coarse */

void processor_pause(u64 address, u64 place);  /* explore.c: the running processor stops before a step */

/* memory.c */
void memory_forget(void);                /* what was learned of memory, for another test */
void memory_enter(void);                 /* the running processor goes on: it sees its own stores */
void memory_leave(void);                 /* it stops: others do not see them */
void memory_drain(struct processor *p);  /* its oldest store becomes visible */
u64 memory_hash(void);
u32 memory_cells(void);
void memory_save(u64 *values);
void memory_restore(const u64 *values, u32 count);
u64 hash_words(u64 hash, const u64 *words, size_t count);

#endif
