/* The processor, for explorations: arch_cpu() is that of the processor which the harness runs. */
#ifndef INTERLEAVE_ARCH_CPU_H
#define INTERLEAVE_ARCH_CPU_H

#include_next <arch/cpu.h>

struct cpu *interleave_cpu(void);
void interleave_relax(void);
#define arch_cpu() interleave_cpu()
#define arch_relax() interleave_relax()

#endif
