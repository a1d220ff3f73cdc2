/* What the parts of the runtime and the generated glue of a unit share; services include <runtime.h> alone. */
#ifndef RUNTIME_UNIT_H
#define RUNTIME_UNIT_H

#include <runtime.h>

/* The core's first entry into a unit: interface TK_INTERFACE_CORE, this operation, args[0] the address of the boot page. */
#define RUNTIME_OP_START (~0u)

/* At the lowest address of a service stack, written at each entry: who makes the call that runs on it. */
struct runtime_stack_base {
	u32 caller;
	u32 thread;
};

/* The record of the stack that an address lies on: a stack is the top TK_STACK_SIZE bytes of its stride. */
static inline struct runtime_stack_base *runtime_stack_base_of(u64 address)
{
	return (struct runtime_stack_base *)(round_down(address, TK_STACK_STRIDE) + TK_STACK_STRIDE - TK_STACK_SIZE);
}

/* Generated: the gates that this unit may call, ended by one without a name. */
struct runtime_gate {
	const char *interface;
	u32 gate;
};
extern const struct runtime_gate unit_gates[];

void unit_dispatch(struct tk_request *request);       /* generated: runs one request */
void runtime_start(const struct tk_boot_info *boot);  /* before the services' own init functions */
void runtime_guard_set(const struct tk_boot_info *boot);
void heap_start(void);
void random_start(void);

#endif
