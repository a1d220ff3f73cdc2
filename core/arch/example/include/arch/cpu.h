/* The processor itself. Meaning: arch/x86_64/include/arch/cpu.h. */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <tessera/types.h>
#include <arch/layout.h>

struct arch_cpu { u64 root; };

struct cpu;
struct cpu *arch_cpu(void);
void arch_relax(void);
void arch_cpu_idle(void);
void arch_cpu_poll(void);
noreturn_fn void arch_cpu_halt(void);
extern bool arch_has_keys;
u64 arch_entropy(void);
enum arch_ipi { ARCH_IPI_RESCHEDULE = 1, ARCH_IPI_TLB = 2, ARCH_IPI_STOP = 4 };
void arch_ipi_send(u32 cpu, u32 reason);

#endif
