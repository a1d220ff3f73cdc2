/*
 * Frame records: what each frame of memory is, who owns it, who holds it. Only the core writes them. A record is changed under
 * frame_lock(frame); single words may be read without it. Types change only when map_count and pins are 0.
 */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include <tessera/types.h>
#include <tessera/call.h>
#include <arch/layout.h>
#include "spinlock.h"

enum frame_type {
	FRAME_ABSENT,    /* no such memory, or its section is not on line (the shared page of zero records) */
	FRAME_CORE,      /* the core's own: image, records, boot memory */
	FRAME_USER,      /* content belongs to a unit or an application */
	FRAME_TABLE,     /* page table, or in the reserve for one */
	FRAME_OBJECT,    /* exported page of an object; link: frame of its private part */
	FRAME_PRIVATE,   /* private part, stack or vector state of an object; link: frame of its exported page */
	FRAME_SHARED,    /* written by the core, readable by units: clock page, boot pages */
};

struct frame_record {
	u8 type;                          /* enum frame_type */
	u8 object_type;                   /* enum tk_object_type when type is FRAME_OBJECT */
	u8 owner;                         /* domain id */
	u8 flags;
	u16 generation;                   /* counts changes of type and owner */
	u16 pins;                         /* operations between check and commit */
	u32 map_count;                    /* mappings in applications and unit heaps */
	u32 link;                         /* see enum frame_type */
	u64 holders[TK_DOMAINS_MAX / 64]; /* domains whose window maps it */
};
_Static_assert(sizeof(struct frame_record) == 32, "two records a cache line");

extern u64 frame_count;             /* frames up to the highest RAM address: valid frame numbers are below it */

static inline struct frame_record *frame_record(frame_t frame)
{
	return (struct frame_record *)ARCH_RECORDS + frame;
}
static inline void *frame_address(frame_t frame) /* in the core's map of all memory */
{
	return (void *)(ARCH_PHYSMAP + (u64)frame * PAGE_SIZE);
}
static inline bool frame_held_by(const struct frame_record *record, u32 domain)
{
	return __atomic_load_n(&record->holders[domain / 64], __ATOMIC_RELAXED) >> (domain % 64) & 1;
}
struct spinlock *frame_lock(frame_t frame);

/* Boot: records for all RAM; sections above the first ones stay lazy. Called once, before any unit exists. */
void frame_init(void);
/* Zeroed contiguous frames for the core and the initial objects, typed FRAME_CORE; panics when RAM is too small. Boot only. */
paddr_t frame_boot_alloc(u64 pages);
/* After all units are loaded: what is left becomes mem's (type FRAME_USER, mapped in its window) and stands in its boot page. */
struct tk_boot_info;
void frame_boot_seal(u32 mem_domain, struct tk_boot_info *info);

/* ---- reserve.c: the frames for page tables ------------------------------------------------------------------------------------ */
frame_t reserve_take(void);            /* a cleared frame of type FRAME_TABLE, or FRAME_NONE */
void reserve_return(frame_t frame);    /* an empty page table goes back */
u32 reserve_count(void);

#endif
