/* Where things lie in the kernel's half of the address space, and the protection keys (0 everywhere if there are none). */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#define ARCH_KERNEL_HALF 0xffff800000000000
#define ARCH_MOVED(base) ((unsigned long)(base)) /* of this boot: nothing is moved here */
#define ARCH_PHYSMAP 0xffff800000000000
#define ARCH_RECORDS 0xffff840000000000
#define ARCH_UNITS_MAX 16
#define ARCH_KEY_CORE 0
#define ARCH_KEY_CORE_RO 0
#define ARCH_KEY_UNIT(s) 0

#endif
