/*
 * x86_64: where things lie in the kernel half (PML4 slots 256 to 511) with the option nokaslr. Else all of it is moved: layout.c. Units'
 * areas: <tessera/arch.h>. Also included by assembly.
 */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#define ARCH_KERNEL_HALF 0xffff800000000000
#define ARCH_PHYSMAP 0xffff800000000000   /* all physical memory, 512 GiB at most; slot 256 */
#define ARCH_RECORDS 0xffff840000000000   /* frame records; slot 264 */
#define ARCH_UNITS_MAX 16                 /* unit slots: s = 0 is IC0, 1 to 13 are IC1 (protection key s + 1) */
#define ARCH_ENTRY 0xfffffe0000000000     /* per-processor entry areas and entry stacks; slot 508 */
#define ARCH_DEVICES 0xfffffe6000000000   /* device registers below 4 GiB, uncached: + physical address; slot 508 */
#define ARCH_IMAGE 0xffffffff80000000     /* the image, slid up by a multiple of 2 MiB below 1 GiB; slot 511 */

/*
 * ARCH_PHYSMAP, ARCH_RECORDS or ARCH_ENTRY of this boot: a constant of the instruction that loads it, as quick as if it never moved. Each
 * such instruction is noted in .moved for layout_apply, and must not run before.
 */
#ifdef __ASSEMBLER__
.macro MOVED base, register
900:	movabsq $\base, \register
	.pushsection .moved, "a"
	.long 900b + 2 - .
	.popsection
.endm
#else
#define ARCH_MOVED(base) __extension__ ({ \
	unsigned long moved_; \
	__asm__("900: movabsq %1, %0\n.pushsection .moved, \"a\"\n.long 900b + 2 - .\n.popsection" : "=r"(moved_) : "i"(base)); \
	moved_; })
#endif

#define ARCH_TRAMPOLINE 0x8000            /* physical: where other processors begin; below 1 MiB, which is never handed out */

/* Protection keys. */
#define ARCH_KEY_CORE 0                   /* closed while an IC1 unit runs */
#define ARCH_KEY_CORE_RO 1                /* readable, not writable, while an IC1 unit runs */
#define ARCH_KEY_UNIT(s) ((s) + 1)        /* unit slot s, 1 to 14 */

/*
 * Entry area of processor n at its base + n * ARCH_ENTRY_STRIDE; GS base points to it while the core runs:
 *   +0x0000  core-ro page: struct arch_entry_page (GDT, TSS, a crossing record for each IC1 unit)
 *   +0x1000  core key: struct cpu (two pages)
 *   +0x4000  core key: core stack, 16 KiB, guard page below (0x3000 is not mapped)
 *   +0x9000  core key: stack of NMI, #MC and #DF, 8 KiB (0x8000 is not mapped)
 * Entry stacks of unit slot s, processor n: one page with the unit's key at their base + (s * 64 + n) * 0x4000:
 *   lower half: NMI, #MC, #DF; upper half: everything else.
 */
#define ARCH_ENTRY_STRIDE 0x10000
#define ARCH_ENTRY_CPU 0x1000
#define ARCH_ENTRY_STACK_TOP 0x8000
#define ARCH_ENTRY_FATAL_TOP 0xb000
#define ARCH_ENTRY_FATAL_SIZE 0x2000
#define ARCH_ENTRY_STACKS 0xfffffe4000000000
#define ARCH_ENTRY_STACK_STRIDE 0x4000
#define ARCH_ENTRY_STACK_MARK 0x40        /* in bits 39:32 of an address: one of an entry stack, not of an entry area */

/* How a domain is entered: IC0, IC1 with protection keys, IC2, IC1 with roots of page tables. */
#define ARCH_VECTOR_SAVED 0 /* memory has their owner's state; CR0.TS is set: the next use traps */
#define ARCH_VECTOR_CLOSED 1 /* they may be newer; CR0.TS is set */
#define ARCH_VECTOR_OPEN 2 /* they are those of who runs */
#define ARCH_WAY_CORE 0
#define ARCH_WAY_KEYS 1
#define ARCH_WAY_USER 2
#define ARCH_WAY_ROOTS 3

#endif
