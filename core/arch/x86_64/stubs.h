/* Parts of the way between the core and an IC1 unit in which an NMI comes on the unit's entry stack: nmi.c. Also included by assembly. */
#ifndef X86_64_STUBS_H
#define X86_64_STUBS_H

#define STUB_VECTOR 0     /* an exception or interrupt, up to the core's stack */
#define STUB_CALL 1       /* SYSCALL, the unit's address in rcx */
#define STUB_CALL_SAVED 2 /* in rbp */
#define STUB_ENTER 3      /* out to the unit's entry */
#define STUB_BACK 4       /* out to where the unit was */
#define STUB_RESUME 5     /* the same after an interrupt, with all registers */
#define STUB_NONE 6

#endif
