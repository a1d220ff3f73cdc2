/*
 * Exploration of the core's own C in every interleaving. Sources are compiled with -fsanitize=thread, whose hooks (memory.c) are this
 * harness instead of the sanitizer: each access to memory that several processors use is a step, before which any other processor may run
 * (explore.c). Stores may stay in a processor's buffer for a while, as x86 does (x86-TSO). See docs/testing.md.
 */
#ifndef TEST_INTERLEAVE_H
#define TEST_INTERLEAVE_H

#include <tessera/types.h>

#define PROCESSORS_MAX 3u

struct interleave {
	const char *name;
	u32 processors;
	bool large;                              /* with delayed stores only in the long mode: EXPLORE_LONG in the environment */
	void (*start)(void);                     /* makes the world; nothing is explored in it */
	void (*script[PROCESSORS_MAX])(void);    /* what each processor does; then it serves shoot-downs only */
	void (*always)(void);                    /* looked at after each step, or NULL */
	void (*finally)(void);                   /* looked at when all scripts have ended, or NULL */
};

/* Explores all states, with stores that may be delayed or without; returns true if no expectation was broken, and from each state all scripts can end. */
bool interleave_explore(const struct interleave *test, bool delayed);
/* With EXPLORE_ONE in the environment the first that fails ends the program. */
bool interleave_explore_all(const struct interleave *tests, size_t count, bool delayed);
extern u64 interleave_states, interleave_ends;

u32 interleave_self(void);                       /* the processor that runs */
void interleave_expect(bool good, const char *what);
#define EXPECT(condition) interleave_expect(condition, #condition)
/* Memory of the test itself, which no hook sees: a part of the state all the same. */
void interleave_keep(void *memory, size_t size);
/* Steps of the test's own code, which has no hooks. */
u64 interleave_load(const u64 *address);
void interleave_store(u64 *address, u64 value);
/* A processor that waits lets others run. */
void interleave_relax(void);

#endif
