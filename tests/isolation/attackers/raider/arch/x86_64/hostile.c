/* Addresses of x86_64 that are not the raider's. */
#include <arch/layout.h>
#include <tessera/arch.h>
#include "hostile.h"

const u64 hostile_addresses[] = {
	0, 1, 0xffe, 0x1000, 0x7ffffffff000, 0x7ffffffffffe, 0x800000000000, 0xffff7fffffffffff, ARCH_PHYSMAP, ARCH_PHYSMAP + 0x200000,
	ARCH_PHYSMAP + 0x7fffffffff, ARCH_RECORDS, ARCH_KERNEL_UNIT_PRIVATE(0), ARCH_KERNEL_UNIT_PRIVATE(0) + ARCH_UNIT_HEAP,
	ARCH_KERNEL_UNIT_WINDOW(1), ARCH_ENTRY, ARCH_ENTRY + ARCH_ENTRY_CPU, ARCH_ENTRY + ARCH_ENTRY_STACK_TOP - 8, ARCH_ENTRY_STACKS,
	ARCH_DEVICES + 0xfee00000, ARCH_IMAGE, ARCH_IMAGE + 0x100000, 0xfffffffffffff000, ~7ull, ~3ull, ~0ull,
};
const u32 hostile_count = sizeof(hostile_addresses) / sizeof(hostile_addresses[0]);
