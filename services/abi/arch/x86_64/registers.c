/* x86_64: what calls, restarts, clones and new programs do to the registers. */
#include "../../process.h"
#include "../../exec_stack.h"
#include "frame.h"
#include <tessera/arch.h>

#define SYSCALL_SIZE 2          /* bytes of the instruction */
#define FLAGS_FIRST 0x202ull    /* interrupts on, and the bit that is always set */

void shim_regs_restart(struct tk_regs *regs, bool by_restart_syscall)
{
	regs->rax = by_restart_syscall ? SYSCALL_restart_syscall : regs->orig_rax;
	regs->rip -= SYSCALL_SIZE;
	regs->orig_rax = ~0ull;
}

void shim_regs_result(struct tk_regs *regs, long result)
{
	regs->rax = (u64)result;
	regs->orig_rax = ~0ull;
}

long shim_regs_value(const struct tk_regs *regs)
{
	return (long)regs->rax;
}

u64 shim_regs_stack(const struct tk_regs *regs)
{
	return regs->rsp;
}

void shim_regs_program(struct tk_regs *regs, vaddr_t entry, vaddr_t stack_pointer)
{
	memset(regs, 0, sizeof(*regs));
	regs->rip = entry;
	regs->rsp = stack_pointer;
	regs->rflags = FLAGS_FIRST;
	regs->orig_rax = ~0ull;
}

void shim_regs_child(struct tk_regs *regs, vaddr_t stack, bool set_tls, u64 tls)
{
	regs->rax = 0;
	regs->orig_rax = ~0ull;
	if (stack)
		regs->rsp = stack;
	if (set_tls)
		regs->fs_base = tls;
}

static inline void cpuid(u32 leaf, u32 *a, u32 *b, u32 *c, u32 *d)
{
	__asm__ volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(0));
}

u64 shim_hardware_capabilities(void)
{
	u32 a, b, c, d;

	cpuid(1, &a, &b, &c, &d);
	return d;
}

u64 shim_hardware_capabilities_more(void)
{
	return 2; /* FSGSBASE, which the core requires */
}

u64 shim_signal_stack_min(void)
{
	return sizeof(struct signal_frame) + rt_boot->vector_size + FRAME_MAGIC_SIZE + 64 + 16 + 128;
}
