/* Architecture contract: saved state of a thread, and how generic code sets it up and leaves the core. */
#ifndef ARCH_CONTEXT_H
#define ARCH_CONTEXT_H

#include <tessera/types.h>
#include <tessera/call.h>
#include <tessera/arch.h>

/* As entry code pushes it: the hardware's frame on top. */
struct arch_frame {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 vector;       /* of the entry; SYSCALL: ARCH_VECTOR_SYSCALL */
	u64 error;        /* error code */
	u64 rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct arch_frame) == 22 * 8, "entry code");
#define ARCH_VECTOR_SYSCALL 0x100
#define ARCH_FLAGS_FIXED 0x202ul /* interrupts on */

/* RSP0 points to the end of `user` while the application runs, to the end of `service` while an IC2 unit does. */
struct arch_thread {
	struct arch_frame user __attribute__((aligned(16)));
	struct arch_frame service __attribute__((aligned(16)));
	u64 fs_base, gs_base;    /* the application's, valid while it does not run in user mode */
	u64 syscall;             /* number of the system call it is in, ~0 none */
	struct arch_vector *vector; /* the application's, core's address; NULL: none (a unit's own thread) */
};

/* A vector state: of an application's thread, or of the call on one stack of a unit with vector code. A page. */
struct arch_vector {
	u8 area[4096 - 8];       /* as XSAVE has it */
	u32 cpu;                 /* processor whose registers hold it, ~0: memory only */
	u32 reserved;
};

struct thread;
struct domain;
struct cpu;

/* Leaves the core to the current thread, whatever it was doing (thread.resume). */
noreturn_fn void arch_resume(void);
/* Sets the thread to enter domain `d` on the stack ending at `stack_top` with a request. */
void arch_enter_unit(struct thread *t, const struct domain *d, vaddr_t stack_top, const struct tk_request *request);
void arch_thread_init(struct thread *t, struct arch_vector *vector);
void arch_thread_continue(struct thread *to, const struct thread *from); /* goes on in the unit where `from` was stopped */
/* Switch of the processor's state from one thread to another (address space, bases, vector state bookkeeping). */
void arch_thread_switch(struct thread *from, struct thread *to);
long arch_regs_get(struct thread *t, struct tk_regs *regs);
/* vector: enum tk_vector, with its arguments. Nothing is set when that fails. */
long arch_regs_set(struct thread *t, const struct tk_regs *regs, u32 vector, vaddr_t client, u64 features) must_check;
void arch_vector_end(struct arch_vector *v);   /* nothing of it is left in registers that anybody can reach */
extern u32 arch_vector_size;                   /* bytes */
extern u64 arch_vector_features;

/* A copy with faults caught on either side, in the address space now loaded: the bytes not copied. Reaches user memory. */
size_t arch_copy(vaddr_t to, vaddr_t from, size_t size);
/* 32-bit load with faults caught: the value, or -EFAULT. */
long arch_load_word(vaddr_t address) must_check;
/* The current thread's client address space changed: loads it. */
void arch_client_load(struct thread *t);
/* Result register of the system call that t is in. */
void arch_set_syscall_result(struct thread *t, u64 result);
void arch_context_init_cpu(struct cpu *cpu);

#endif
