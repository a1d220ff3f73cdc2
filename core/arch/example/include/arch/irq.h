/* Interrupt lines and ports. Meaning: arch/x86_64/include/arch/irq.h. */
#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

#include <tessera/types.h>

void arch_irq_init(void);
void arch_irq_mask(u32 line);
void arch_irq_unmask(u32 line);
void irq_arrived(u32 line);
u32 arch_port_read(u16 port, u32 width);
void arch_port_write(u16 port, u32 width, u32 value);

#endif
