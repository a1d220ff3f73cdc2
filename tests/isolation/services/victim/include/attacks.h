/* What the victim can be told to try. */
#ifndef ATTACKS_H
#define ATTACKS_H

#include <tessera/types.h>

enum attack {
	ATTACK_READ,          /* the address */
	ATTACK_WRITE,
	ATTACK_STACK,         /* runs over the stack's end */
	ATTACK_CONSTANT,      /* writes read-only data */
	ATTACK_EXECUTE_HEAP,
	ATTACK_CODE,          /* writes code */
	ATTACK_ASSERT,        /* finds a bug in itself */
	ATTACK_INTERRUPTS_OFF,
	ATTACK_HALT,
	ATTACK_PORT,
	ATTACK_REGISTER,      /* writes a model-specific register: the one that holds the protection keys */
	ATTACK_ROOT,          /* loads another page-table root */
	ATTACK_SWAP,          /* exchanges the per-processor base */
	ATTACK_STACK_POINTER, /* faults with a stack pointer into nowhere */
	ATTACK_COUNT
};

void attack_code_return(u8 *code);                   /* writes the instructions of an empty function */
long attack_privileged(u32 kind, u64 address);

#endif
