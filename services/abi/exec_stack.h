/* Layout of a new program's stack: all addresses are in the new address space, which is the client when it is written. */
#ifndef ABI_EXEC_STACK_H
#define ABI_EXEC_STACK_H

#include "exec_strings.h"

struct exec_stack {
	vaddr_t top;             /* end of the stack: given */
	vaddr_t name, strings, platform, random, pointer; /* from high to low: exec_stack_layout finds them */
	vaddr_t vdso, loader_base;
	u64 secure;
	struct proc_image program;
	struct proc_credentials credentials;
};

void exec_stack_layout(struct exec_stack *stack, const struct exec_strings *strings, const char *name);
long exec_stack_write(const struct exec_stack *stack, const struct exec_strings *strings, const char *name) must_check;

/* arch: AT_HWCAP, AT_HWCAP2, AT_MINSIGSTKSZ. */
u64 shim_hardware_capabilities(void);
u64 shim_hardware_capabilities_more(void);
u64 shim_signal_stack_min(void);

#endif
