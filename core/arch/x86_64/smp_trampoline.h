/* The page where other processors begin; also included by assembly. */
#ifndef X86_64_SMP_TRAMPOLINE_H
#define X86_64_SMP_TRAMPOLINE_H

#define SMP_TRAMPOLINE 0x8000   /* below 1 MiB, which is never handed out */

#endif
