/* A machine for tests of the core's memory on the host: physical memory, frame records, domains, and stand-ins for the rest of the core. */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <string.h>
#include <sys/mman.h>
#include <arch/page.h>
#include <tessera/arch.h>
#include "frame.h"
#include "token.h"
#include "vspace.h"
#include "domain.h"
#include "../harness.h"

#define WORLD_FRAMES 8192u
#define WORLD_MEM 1u          /* the memory service, in the kernel's tables */
#define WORLD_FS 2u           /* IC1, in the kernel's tables */
#define WORLD_ABI 3u          /* IC2, tables of its own */
#define WORLD_DOMAINS 4u
#define WORLD_USER_FIRST 1024u  /* frames from here on are WORLD_MEM's, in its window */

extern u64 world_flushes, world_wakes;
extern bool world_parallel;   /* operations run in several threads: a lock may be waited for */
extern volatile bool world_waits; /* somebody has begun to wait for a lock */
/* Builds it anew; `large`: mem's window has large pages. */
void world_create(bool large);
/* Frames in state FRAME_TABLE, in the reserve or in use. */
u32 world_tables(void);
/* What a domain's window shows of a frame: its entry, or 0. */
arch_entry_t world_window(u32 domain, frame_t frame);
/* What must hold at any time between operations: windows and records agree, no unit reaches a table or private frame. */
void world_check(void);

#endif
