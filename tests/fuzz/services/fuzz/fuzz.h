/* What the parts of the hostile unit share. The grammar is generated; names of parameters and members say what a word means. */
#ifndef FUZZ_UNIT_H
#define FUZZ_UNIT_H

#include <runtime.h>

#define BUFFERS 4u

struct grammar_op;

/* One thread of the unit, with what it has drawn. */
struct fuzzer {
	u64 random;
	u8 *buffers[BUFFERS];
	u64 words[6];
};

u64 random_next(struct fuzzer *f);
const char *text_find(const char *text, const char *part); /* NULL: not in it */
void words_choose(struct fuzzer *f, const char *interface, const struct grammar_op *op);
/* Keeps handles that an operation answered: its out words, and members of structs that it filled. */
void results_keep(struct fuzzer *f, const char *interface, const struct grammar_op *op, const u64 *outs);
/* Gives the calling thread a client address space with memory at RANGE_BASE, for operations on application ranges. */
void client_make(void);

#define RANGE_BASE 0x10000000ul
#define RANGE_SIZE 0x20000ul

#endif
