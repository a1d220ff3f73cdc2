/* The plan of a raid and how each attack must end. */
#ifndef REFEREE_H
#define REFEREE_H

#include <runtime.h>
#include "../raider/include/attack.h"

enum outcome {
	DIES,       /* the unit fails, its caller gets an error */
	NOTHING,    /* the attack gets nothing, and the unit lives */
	EITHER,     /* one of the two: what the race decides */
	WORKS,      /* not an attack: a thing that the threat model says a unit can do */
};

struct step {
	const char *name;
	u32 kind;
	enum outcome outcome;
	u64 first, second;
};

/* plan.c: step number `index`; false behind the last. */
bool plan_step(u32 index, struct step *step);
void plan_prepare(void);
/* arguments.c: numbers of the command line, `raid.<name>=<hexadecimal>,...`. */
u64 argument_number(const char *name, u32 index, bool *found);

#endif
