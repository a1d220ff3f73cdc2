/* Segment selectors, with their privilege. The user's are Linux's, which programs can see. Also included by assembly. */
#ifndef ARCH_SELECTORS_H
#define ARCH_SELECTORS_H

#define ARCH_SELECTOR_CORE_CODE 0x08
#define ARCH_SELECTOR_CORE_DATA 0x10
#define ARCH_SELECTOR_UNIT_CODE 0x19     /* IC1: privilege level 1 */
#define ARCH_SELECTOR_SYSRET 0x23        /* STAR[63:48]: SYSRET adds 8 for SS and 16 for CS; the slot itself is empty */
#define ARCH_SELECTOR_USER_DATA 0x2b
#define ARCH_SELECTOR_USER_CODE 0x33
#define ARCH_SELECTOR_TSS 0x40           /* two slots */
#define ARCH_SELECTOR_UNIT_DATA 0x51     /* IC1 */

/* Interrupt stack of NMI, #MC and #DF. */
#define ARCH_IST_FATAL 1
/* Offsets in the TSS. */
#define ARCH_TSS_RSP0 4
#define ARCH_TSS_IST1 36

#endif
