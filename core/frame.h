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
	FRAME_TABLE,     /* page table, or in the reserve for one; map_count: its entries; link: next of a chain of free ones */
	FRAME_OBJECT,    /* exported page of an object; object: its private part */
	FRAME_PRIVATE,   /* private part, table, stack or vector state of an object; link: its next frame, at last the exported page */
	FRAME_SHARED,    /* written by the core, readable by units: clock page, boot pages */
};

enum frame_flag {
	FRAME_CLAIMED = 2,                /* pinned by an operation that will change type or owner */
	FRAME_STATIC = 1,                 /* object of static memory, never destroyed */
};

struct frame_record {
	union {
		struct {
			u8 type;          /* enum frame_type */
			u8 object_type;   /* enum tk_object_type when type is FRAME_OBJECT */
		};
		u16 types;                /* both */
	};
	u8 owner;                         /* domain id */
	u8 flags;                         /* enum frame_flag */
	u16 generation;                   /* counts changes of type and owner */
	u16 pins;                         /* operations between check and commit */
	union {
		struct {
			u32 map_count;    /* mappings in applications and unit heaps */
			u32 link;         /* see enum frame_type */
		};
		void *object;             /* type FRAME_OBJECT, which is mapped nowhere but in windows */
	};
	u64 holders[TK_DOMAINS_MAX / 64]; /* domains whose window maps it */
};
_Static_assert(sizeof(struct frame_record) == 32, "two records a cache line");

static inline u16 frame_object_types(u32 type)
{
	const struct frame_record wanted = { .type = FRAME_OBJECT, .object_type = (u8)type };
	return wanted.types;
}

#define FRAME_SECTION 32768u        /* frames of a section of memory */

extern u64 frame_count;             /* frames up to the highest RAM address: valid frame numbers are below it */

static inline struct frame_record *frame_record(frame_t frame)
{
	return (struct frame_record *)ARCH_MOVED(ARCH_RECORDS) + frame;
}
static inline void *frame_address(frame_t frame) /* in the core's map of all memory */
{
	return (void *)(ARCH_MOVED(ARCH_PHYSMAP) + (u64)frame * PAGE_SIZE);
}
static inline frame_t frame_of_address(const void *address) { return (frame_t)(((vaddr_t)address - ARCH_MOVED(ARCH_PHYSMAP)) >> PAGE_SHIFT); }
static inline bool frame_held_by(const struct frame_record *record, u32 domain)
{
	return __atomic_load_n(&record->holders[domain / 64], __ATOMIC_RELAXED) >> (domain % 64) & 1;
}
extern frame_t frame_dead;          /* a page of zeros: what a holder sees after a revocation */
#define FRAME_LOCKS 1024u           /* power of two */
extern struct spinlock frame_locks[FRAME_LOCKS];
static inline struct spinlock *frame_lock(frame_t frame) { return &frame_locks[frame % FRAME_LOCKS]; }

/* Exactly: a frame that is on its way into a window does not have its owner's bit yet, and can't be claimed. */
static inline bool frame_held_only_by(const struct frame_record *record, u32 domain)
{
	_Static_assert(TK_DOMAINS_MAX == 128, "two words of holders");
	u64 bit = 1ull << (domain % 64);
	return domain < 64 ? record->holders[0] == bit && !record->holders[1] : !record->holders[0] && record->holders[1] == bit;
}
/* A user frame of `owner`, mapped nowhere but in its window, and not pinned. With its lock held. */
static inline bool frame_is_idle(const struct frame_record *record, u32 owner)
{
	return record->type == FRAME_USER && record->owner == owner && !record->pins && !record->map_count && frame_held_only_by(record, owner);
}

/* Check of an operation: pins the frame if it is `owner`'s, of type FRAME_USER, mapped nowhere but in the owner's window, and not pinned:
 * nobody else can then claim or map it. FRAME_NONE and numbers beyond memory are refused. */
bool frame_claim(frame_t frame, u32 owner);
bool frames_claim(const frame_t *frames, u32 count, u32 owner);   /* all or none */
void frame_unclaim(frame_t frame);
void frames_unclaim(const frame_t *frames, u32 count);
/* Commit: a claimed frame, flushed out of every window, becomes something else and is no longer pinned. */
void frame_retype(frame_t frame, u32 type, u32 owner, u32 mappings);
/* A mapping of a user frame of `owner`; false: it is not one, or is claimed. */
bool frame_map_count(frame_t frame, u32 owner);
/* Waits until a copy of user memory in a frame just unmapped is over: it has interrupts off, takes no lock and ends soon. */
void frame_wait_pins(frame_t frame);
/* Ends a mapping, after the flush; true when it was the last. */
static inline bool frame_unmap_count(frame_t frame)
{
	struct frame_record *record = frame_record(frame);

	/* Acquire and release: who counts the last one down comes after all other users of the frame. */
	if (__atomic_sub_fetch(&record->map_count, 1, __ATOMIC_ACQ_REL))
		return false;
	/* Acquire: after the copy's accesses. */
	if (unlikely(__atomic_load_n(&record->pins, __ATOMIC_ACQUIRE)))
		frame_wait_pins(frame);
	return true;
}
void frame_pin(frame_t frame);      /* caller knows that the frame stays what it is now */
void frame_unpin(frame_t frame);

/* Boot: records for all RAM; sections above the first ones stay lazy. Called once, before any unit exists. */
void frame_init(void);
/* Zeroed contiguous frames for the core and the initial objects, typed FRAME_CORE; panics when RAM is too small. Boot only, from frame_init on. */
paddr_t frame_boot_alloc(u64 pages);
u64 frame_boot_bytes(void);              /* all RAM that is usable */
/* A page table while the reserve is empty at boot; FRAME_NONE later. */
frame_t frame_boot_table(void);
/* After all units are loaded: what is left becomes mem's (type FRAME_USER, mapped in its window) and stands in its boot page. */
struct tk_boot_info;
void frame_boot_seal(u32 mem_domain, struct tk_boot_info *info);
/* Boot: frames that the boot allocator no longer has, or never had (the archive), become a domain's, mapped in its window. */
void frame_boot_give(frame_t first, u64 count, u32 domain);
bool section_is_ram(u64 section);        /* all of it, and off line at boot */

/* ---- section.c ------------------------------------------------------------------------------------------------------------------ */
void section_space_init(u64 frames);     /* all records read as FRAME_ABSENT */
void section_boot_online(u64 section);   /* records from boot memory; frames typed FRAME_CORE */
long memory_online(u32 caller, u32 section) must_check;

/* ---- reserve.c: the frames for page tables ------------------------------------------------------------------------------------ */
#define RESERVE_FLOOR 8                /* kept for the splitting of large pages in windows, without which mem can't give more */
frame_t reserve_take(bool last);       /* a cleared frame of type FRAME_TABLE, or FRAME_NONE; last: even from the floor */
void reserve_return(frame_t frame);    /* an empty page table goes back */
void reserve_return_chain(frame_t first);
/* tk_reserve_fill: frames is the caller's address; how many it holds now. */
long reserve_fill(u32 caller, vaddr_t frames, u32 count) must_check;
extern u32 reserve_frames;             /* how many there are */
/* Relaxed: a hint. */
static inline u32 reserve_count(void) { return __atomic_load_n(&reserve_frames, __ATOMIC_RELAXED); }

#endif
