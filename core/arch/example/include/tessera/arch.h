/* The public part of an architecture: registers of an application and where a unit's areas lie. Model: arch/x86_64/include/tessera/arch.h. */
#ifndef TESSERA_ARCH_H
#define TESSERA_ARCH_H

#include <tessera/types.h>

struct tk_regs { u64 general[30], sp, ip, flags, thread_base, syscall; };

#define ARCH_IC2_IMAGE_BASE 0x0000550000000000ul
#define ARCH_IC2_WINDOW 0x0000400000000000ul
#define ARCH_IC2_PRIVATE 0x0000600000000000ul
#define ARCH_KERNEL_UNIT_PRIVATE(slot) (0xffff880000000000ul + (u64)(slot) * 0x10000000000ul)
#define ARCH_KERNEL_UNIT_WINDOW(slot) (ARCH_KERNEL_UNIT_PRIVATE(slot) + 0x8000000000ul)
#define ARCH_UNIT_IMAGE 0x0ul
#define ARCH_UNIT_STACKS 0x1000000000ul
#define ARCH_UNIT_HEAP 0x2000000000ul
#define ARCH_UNIT_BOOT 0x3000000000ul
#define ARCH_UNIT_CLOCK 0x3000001000ul
#define ARCH_UNIT_HEAP_PAGES 0x1000000ul
#define ARCH_ELF_MACHINE 0               /* EM_NONE */
#define ARCH_ELF_RELATIVE 0u
#define ARCH_USER_LIMIT 0x00007ffffffff000ul

#endif
