/* Layout for tests on the host: physical memory and frame records stand where the host can map them. */
#ifndef TEST_LAYOUT_H
#define TEST_LAYOUT_H

#include_next <arch/layout.h>

#undef ARCH_PHYSMAP
#undef ARCH_RECORDS
#undef ARCH_MOVED
#define ARCH_MOVED(base) ((unsigned long)(base))
#define ARCH_PHYSMAP 0x200000000000
#define ARCH_RECORDS 0x300000000000

#endif
