/* Saved state of a thread, and how generic code sets it up and leaves the core. Meaning: arch/x86_64/include/arch/context.h. */
#ifndef ARCH_CONTEXT_H
#define ARCH_CONTEXT_H

#include <tessera/types.h>
#include <tessera/call.h>
#include <tessera/arch.h>

struct arch_thread {
	struct tk_regs user, service;
	u64 syscall;
	struct arch_vector *vector;
};
struct arch_vector { u8 area[4096]; };

struct thread;
struct domain;
struct cpu;

noreturn_fn void arch_resume(void);
void arch_enter_unit(struct thread *t, const struct domain *d, vaddr_t stack_top, const struct tk_request *request);
void arch_thread_init(struct thread *t, struct arch_vector *vector);
void arch_thread_continue(struct thread *to, const struct thread *from); /* goes on in the unit where `from` was stopped */
void arch_thread_switch(struct thread *from, struct thread *to);
long arch_regs_get(struct thread *t, struct tk_regs *regs);
long arch_regs_set(struct thread *t, const struct tk_regs *regs, u32 vector, vaddr_t client, u64 features) must_check;
void arch_vector_end(struct arch_vector *v);
extern u32 arch_vector_size;
extern u64 arch_vector_features;
size_t arch_copy(vaddr_t to, vaddr_t from, size_t size);
long arch_load_word(vaddr_t address) must_check;
void arch_client_load(struct thread *t);
void arch_set_syscall_result(struct thread *t, u64 result);
void arch_context_init_cpu(struct cpu *cpu);

#endif
