/* What entry code calls, and what trap handling takes from its neighbours. */
#ifndef TRAP_H
#define TRAP_H

#include <arch/context.h>

struct thread;
struct cpu;
struct domain;

/* nmi.c: NMI, #MC and #DF, on the core's stack or in an IC1 unit; the latter tells the interrupt that is still to be handled. */
enum { VECTOR_DEBUG = 1, VECTOR_NMI = 2, VECTOR_BREAKPOINT = 3, VECTOR_OVERFLOW = 4, VECTOR_DOUBLE_FAULT = 8, VECTOR_MACHINE_CHECK = 18 };
void trap_any_time(struct arch_frame *f, u32 vector);
u32 trap_any_time_in_unit(const struct domain *d, struct arch_frame *f, u32 vector);
void nmi_report(void);   /* tells the log what came while nothing could be told; from an ordinary interrupt */

void trap_from_outside(struct thread *t, struct arch_frame *f, u32 vector);
void trap_from_core(struct arch_frame *f, u32 vector);
noreturn_fn void trap_fatal(const struct arch_frame *f, u32 vector);
void trap_syscall_without_shim(struct thread *t);
#define VECTOR_NOBODY ((struct arch_vector *)-1)
void vector_close(struct cpu *cpu);           /* the next use of the vector unit traps */
void vector_reset(u8 *area);                  /* its state as at reset */
void vector_leave(struct cpu *cpu);           /* who runs stops here: the state goes to memory, the next use traps */
bool vector_first_use(struct thread *t);
long vector_change(struct thread *t, u32 how, vaddr_t client, u64 features); /* enum tk_vector but _KEEP */
u64 arch_unit_flags(u64 flags);
void ipi_arrived(void);   /* smp.c */

#endif
