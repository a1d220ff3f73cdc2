/* The interrupt descriptor table: in the core-ro part of the image, the same for every processor. */
#ifndef X86_64_IDT_H
#define X86_64_IDT_H

void idt_init(void);   /* boot processor: fills and loads */
void idt_load(void);   /* every further processor */

#endif
