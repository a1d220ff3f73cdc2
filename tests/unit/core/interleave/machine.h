/* The machine of the explorations: processors with translation buffers, frames with their records, domains with windows. */
#ifndef TEST_MACHINE_H
#define TEST_MACHINE_H

#include <tessera/object.h>
#include <tessera/arch.h>
#include <arch/page.h>
#include "cpu.h"
#include "domain.h"
#include "frame.h"
#include "thread.h"
#include "token.h"
#include "interleave.h"

#define MACHINE_FRAMES 256u
#define OWNER 1u               /* domain in the kernel's tables that owns the frames */
#define HOLDER 2u              /* domain in the kernel's tables */
#define GUEST 3u               /* domain with tables of its own (IC2) */
#define MACHINE_DOMAINS 4u
#define FRAME_FIRST 200u       /* of the owner, in its window: FRAMES_OWNED of them */
#define FRAMES_OWNED 4u

void machine_create(u32 count);
extern bool machine_ipis;      /* interrupts that ask for rescheduling are kept until machine_ipi_take; else only shoot-downs are looked for */
/* An interrupt had been sent to the processor that runs. */
bool machine_ipi_take(void);
static inline vaddr_t machine_token(u32 domain, frame_t frame) { return domains[domain].window + (u64)frame * PAGE_SIZE; }
/* A thread moved: what runs here is that processor now. Only where no translations count. */
void machine_act_as(u32 cpu);
void machine_time_set(nanos_t now);
/* This processor loads the root of a domain, as LOAD_ROOT of crossing.h does; the kernel's is loaded at first. */
void machine_root_load(u32 domain);
/* A unit's access through its window on this processor, which may be interrupted before: the frame that it reached, FRAME_NONE: a fault. */
frame_t machine_access(u32 domain, frame_t frame, bool write);
/* The same with interrupts off. */
frame_t machine_translate(u32 domain, frame_t frame, bool write);
/* No processor holds a translation that it must not have. */
void machine_translations_check(void);
/* Windows and records agree, nothing is pinned or claimed. */
void machine_rest_check(void);

#endif
