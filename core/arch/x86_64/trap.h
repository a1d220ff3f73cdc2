/* What entry code calls, and what trap handling takes from its neighbours. */
#ifndef TRAP_H
#define TRAP_H

#include <arch/context.h>

struct thread;
struct cpu;

void trap_from_outside(struct thread *t, struct arch_frame *f, u32 vector);
void trap_from_core(struct arch_frame *f, u32 vector);
noreturn_fn void trap_fatal(const struct arch_frame *f, u32 vector);
void trap_syscall_without_shim(struct thread *t);
void vector_close(struct cpu *cpu);           /* the next use of the vector unit traps */
void vector_reset(u8 *area);                  /* its state as at reset */
bool vector_first_use(struct thread *t);
u64 arch_unit_flags(u64 flags);
void ipi_arrived(void);   /* smp.c */

#endif
