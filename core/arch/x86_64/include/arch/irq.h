/* Architecture contract: interrupt lines (ISA numbers, routed by ACPI) and their acknowledgement. */
#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

#include <tessera/types.h>

void arch_irq_init(void);
/* After an interrupt, until unmasked. An edge-triggered line stays open: an edge that comes while it is masked would be lost. */
void arch_irq_mask(u32 line);
void arch_irq_unmask(u32 line);
void arch_irq_end(void);            /* end of interrupt to the local controller */
u32 arch_irq_line(u32 vector);      /* line of a vector, ~0 if none */

/* core/irq.c: called by the interrupt entry with the line masked and ended. */
void irq_arrived(u32 line);

u32 arch_port_read(u16 port, u32 width);
void arch_port_write(u16 port, u32 width, u32 value);

#endif
