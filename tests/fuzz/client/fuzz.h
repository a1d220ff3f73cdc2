/*
 * What the units that call services at random share. The grammar and the sequences are generated; names of parameters and members say
 * what a word means. A unit gives place_call; the command line has fuzz=SEED,CALLS,INTERFACE.
 */
#ifndef FUZZ_UNIT_H
#define FUZZ_UNIT_H

#include <runtime.h>
#include "sequence.h"

#define BUFFERS 4u
#define RANGE_BASE 0x10000000ul /* memory of the client, for operations on application ranges */
#define RANGE_SIZE 0x20000ul

/* One thread that calls, with what it has drawn. */
struct fuzzer {
	u64 random;
	u8 *buffers[BUFFERS];
	u64 words[TK_ARGS_MAX];
	u64 given[3];            /* enum sequence_given */
	volatile u32 *interrupt; /* word of its task; NULL: it is none */
	u32 turns;               /* random calls and sequences that it made */
	bool gone;               /* its task has ended */
	bool untrue;             /* its sequence did not answer as it must */
};

struct fuzz_options { u64 seed; u32 calls; char interface[16]; bool trace; };
extern struct fuzz_options fuzz_options;

/* main.c */
void options_read(void);
bool fuzzer_init(struct fuzzer *f, u64 seed); /* false: out of memory */
void fuzzer_end(struct fuzzer *f);
u32 interface_find(const char *name);
u32 op_find(u32 interface, const char *name);
bool op_reachable(u32 interface, u32 op); /* the unit has its gate */
/* Makes the call of f->words, notes its result, and leaves the out words in f->words. actor: task whose thread is to make it, 0: the caller. */
long call_make(struct fuzzer *f, u64 actor, u32 interface, u32 op);
void calls_random(struct fuzzer *f, u32 count); /* fewer when its task is killed or has ended */
void fuzz_pause(void);   /* a millisecond: who only yields may be of a policy that lets nobody else run */
void coverage_say(const char *what);
noreturn_fn void fuzz_end(void);

/* The unit's own: makes the call as the thread of a task, and sees what came of it. */
struct place_call { u32 interface, op, gate; u64 actor; struct tk_message *message; };
long place_call(struct fuzzer *f, const struct place_call *call);
static inline long place_call_make(const struct place_call *call) /* as the calling thread */
{
	return tk_call(call->gate, grammar[call->interface].ops[call->op].number, call->message);
}
extern const enum sequence_place place;

/* choose.c */
u64 random_next(struct fuzzer *f);
u64 noise_choose(struct fuzzer *f);
const char *text_find(const char *text, const char *part); /* NULL: not in it */
void words_choose(struct fuzzer *f, const char *interface, const struct grammar_op *op);
/* Keeps handles that an operation answered: its out words, and members of structs that it filled. */
void results_keep(struct fuzzer *f, const char *interface, const struct grammar_op *op, const u64 *outs);
void space_keep(u64 space);

/* run.c */
void words_good(struct fuzzer *f, const struct grammar_op *op); /* good buffers and ranges, zero for the rest */
void refusals_see(struct fuzzer *f); /* each operation once with good buffers and zeros: what the caller is always refused */
void sequences_run(struct fuzzer *f, enum sequence_place where); /* all of a place, as they stand */
void sequence_run(struct fuzzer *f, u32 number);       /* one as it stands */
u32 sequence_next(enum sequence_place where, u32 from); /* ~0u: there is none */
void sequence_random(struct fuzzer *f);                /* one of them, with changes */

#endif
