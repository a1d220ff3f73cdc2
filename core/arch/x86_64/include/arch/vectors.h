/* Interrupt vectors. 0 to 31 are the processor's exceptions. Also included by assembly. */
#ifndef ARCH_VECTORS_H
#define ARCH_VECTORS_H

#define ARCH_VECTOR_LINE_FIRST 0x30   /* + ISA line */
#define ARCH_LINES 24                 /* lines that can be routed */
#define ARCH_VECTOR_TIMER 0xf0
#define ARCH_VECTOR_IPI 0xf1
#define ARCH_VECTOR_SPURIOUS 0xff     /* local controller: not acknowledged */

#endif
