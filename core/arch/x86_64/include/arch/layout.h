/* x86_64: where things lie in the kernel half (PML4 slots 256 to 511). Units' areas: <tessera/arch.h>. Also included by assembly. */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#define ARCH_PHYSMAP 0xffff800000000000   /* all physical memory, 512 GiB at most; slot 256 */
#define ARCH_RECORDS 0xffff840000000000   /* frame records; slot 264 */
#define ARCH_UNITS_SLOT_FIRST 272         /* two slots a unit of IC0 and IC1: 272 + 2 * s private area, + 1 window */
#define ARCH_UNITS_MAX 16                 /* s = 0 is IC0, 1 to 13 are IC1 (protection key s + 1) */
#define ARCH_ENTRY 0xfffffe0000000000     /* per-processor entry areas and entry stacks; slot 508 */
#define ARCH_DEVICES 0xfffffe6000000000   /* device registers below 4 GiB, uncached: + physical address; slot 508 */
#define ARCH_IMAGE 0xffffffff80000000     /* the image, slid up by a multiple of 2 MiB below 1 GiB; slot 511 */

/* Protection keys. */
#define ARCH_KEY_CORE 0                   /* closed while an IC1 unit runs */
#define ARCH_KEY_CORE_RO 1                /* readable, not writable, while an IC1 unit runs */
#define ARCH_KEY_UNIT(s) ((s) + 1)        /* unit slot s, 1 to 14 */

/*
 * Entry area of processor n at ARCH_ENTRY + n * ARCH_ENTRY_STRIDE; GS base points to it while the core runs:
 *   +0x0000  core-ro page: struct arch_entry_page (origin, return frame, TSS, GDT)
 *   +0x1000  core key: struct cpu (two pages)
 *   +0x4000  core key: core stack, 16 KiB, guard page below (0x3000 is not mapped)
 *   +0x9000  core key: stack of NMI, #DB, #MC and #DF, 8 KiB (0x8000 is not mapped)
 * Entry stacks of unit slot s, processor n: one page with the unit's key at ARCH_ENTRY_STACKS + (s * 64 + n) * 0x4000:
 *   lower half: NMI, #DB, #MC, #DF; upper half: everything else.
 */
#define ARCH_ENTRY_STRIDE 0x10000
#define ARCH_ENTRY_CPU 0x1000
#define ARCH_ENTRY_STACK_TOP 0x8000
#define ARCH_ENTRY_FATAL_TOP 0xb000
#define ARCH_ENTRY_STACKS 0xfffffe4000000000
#define ARCH_ENTRY_STACK_STRIDE 0x4000

#endif
