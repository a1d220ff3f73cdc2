/* Tables that tests/fuzz/sequences.py makes from sequences/(name).seq: what the fields mean stands there. */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include <tessera/types.h>
#include <tessera/errno.h>
#include "grammar.h"

#define SEQUENCE_VARIABLES 24u
#define SEQUENCE_ANY 1

enum sequence_place { SEQUENCE_SHIM, SEQUENCE_BARE, SEQUENCE_STRANGER, SEQUENCE_OVERSEER };
enum sequence_pseudo { SEQUENCE_CALL, SEQUENCE_EXHAUST, SEQUENCE_RELIEVE, SEQUENCE_LOOP, SEQUENCE_END_LOOP, SEQUENCE_POP, SEQUENCE_PUSH };
#define SEQUENCE_KEEP 255 /* as a variable of a capture: it is kept for a pop */
enum sequence_given { SEQUENCE_CLIENT, SEQUENCE_SPACE, SEQUENCE_SELF, SEQUENCE_TURN };
enum sequence_kind {
	SEQUENCE_END,
	SEQUENCE_WORD, SEQUENCE_VARIABLE, SEQUENCE_BYTES, SEQUENCE_SIZE, /* values */
	SEQUENCE_OUT, SEQUENCE_MEMBER, SEQUENCE_RESULT,                  /* captures */
};

struct sequence_value {
	u8 kind, word, parameter;
	u16 offset, size;     /* of the member, size 0: the word itself */
	u64 value;            /* number of the variable; length of the bytes */
	const char *bytes;
};

struct sequence_capture {
	u8 kind, from;        /* out word, or parameter */
	u16 offset, size;
	u8 variable;
};

struct sequence_step {
	u32 line;
	u8 interface, pseudo, actor; /* actor: variable + 1, 0: the caller */
	u16 op, times;
	i16 result;
	const struct sequence_value *values;
	const struct sequence_capture *captures;
};

struct sequence {
	const char *name;
	u32 place, step_count;
	const struct sequence_step *steps;
};

#endif
