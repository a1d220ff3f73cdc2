/* Bounds of the image's parts, defined by core.ld: text RX, entry text RX, rodata R, core_ro and data RW. All page-aligned. */
#ifndef ARCH_IMAGE_H
#define ARCH_IMAGE_H

#include <tessera/types.h>

/* Hidden, so that even code that runs before relocation reaches them. */
#pragma GCC visibility push(hidden)
extern char image_start[], image_end[];
extern char text_start[], text_end[];
extern char entry_text_start[], entry_text_end[];   /* section .entry.text: also mapped in the roots of IC1 units without keys */
extern char rodata_start[], rodata_end[];
extern char core_ro_start[], core_ro_end[];         /* key CORE_RO: what the processor reads while an IC1 unit runs (IDT) */
extern char data_start[];
extern i32 user_access_start[], user_access_end[];  /* places of stac and clac, each relative to its entry */
#pragma GCC visibility pop

/* A zeroed variable in pages of its own there. */
#define arch_core_readonly __attribute__((section(".bss.core_ro"), aligned(4096)))

#endif
