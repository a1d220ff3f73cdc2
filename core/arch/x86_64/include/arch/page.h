/*
 * Architecture contract: page tables. A root is the physical address of the top table. Callers hold the vspace's or the domain's page
 * table lock. Tables come from reserve_take(); functions that may need one return -ENOMEM and have changed nothing but what they report.
 * An entry that is not 0 holds a frame; one that is not present holds it out of reach (no access). The record of a table's frame counts
 * its entries in map_count: who changes an entry from or to 0 tells arch_table_count.
 */
#ifndef ARCH_PAGE_H
#define ARCH_PAGE_H

#include <tessera/types.h>
#include <tessera/errno.h>
#include "frame.h"

typedef u64 arch_entry_t;

/* What a page is mapped with: the bits of its entry, but for NONE and EXECUTE, where the entry says the opposite. */
#define ARCH_PAGE_NONE (1ull << 0)     /* the frame is held, no access is allowed */
#define ARCH_PAGE_WRITE (1ull << 1)
#define ARCH_PAGE_USER (1ull << 2)
#define ARCH_PAGE_UNCACHED (3ull << 3)
#define ARCH_PAGE_ACCESSED (1ull << 5) /* reported by arch_entry_flags, as DIRTY is */
#define ARCH_PAGE_DIRTY (1ull << 6)
#define ARCH_PAGE_LARGE (1ull << 7)    /* 2 MiB entry */
#define ARCH_PAGE_GLOBAL (1ull << 8)   /* without effect where there are no protection keys: IC1 units then have roots of their own */
#define ARCH_PAGE_COW (1ull << 9)      /* software bit: a write copies, or takes the frame over; kept while not writable by protection */
#define ARCH_PAGE_COPY (1ull << 10)    /* software bit: the frame is a memory object's; with COW a write always copies */
#define ARCH_PAGE_EXECUTE (1ull << 63)
#define ARCH_PAGE_KEY(k) ((u64)(k) << 59) /* protection key, of supervisor pages */
#define ARCH_LARGE_PAGES 512u          /* pages of a large entry, and of a leaf table */

/* Private to arch/. */
#define X86_PRESENT ARCH_PAGE_NONE
#define X86_NX ARCH_PAGE_EXECUTE
#define X86_FRAME 0x000ffffffffff000ull

extern paddr_t arch_kernel_root __attribute__((visibility("hidden")));

/* The leaf entry of address, or NULL when a level is missing (create false) or no table could be had (create true). Large pages on the
 * way are split when create is true. Else they end the walk: with large_out the result is their entry and *large_out is true, without NULL. */
arch_entry_t *arch_page_walk(paddr_t root, vaddr_t address, bool create, bool *large_out);
static inline arch_entry_t arch_page_entry(frame_t frame, u64 flags) { return ((u64)frame << PAGE_SHIFT | flags) ^ (X86_PRESENT | X86_NX); }
static inline u64 arch_entry_flags(arch_entry_t e) { return (e & ~X86_FRAME) ^ (X86_PRESENT | X86_NX); }
static inline bool arch_entry_present(arch_entry_t e) { return e & X86_PRESENT; }
static inline frame_t arch_entry_frame(arch_entry_t e) { return (frame_t)((e & X86_FRAME) >> PAGE_SHIFT); }
static inline bool arch_entry_writable(arch_entry_t e) { return e & ARCH_PAGE_WRITE; }
static inline bool arch_entry_cow(arch_entry_t e) { return e & ARCH_PAGE_COW; }
static inline bool arch_entry_copy(arch_entry_t e) { return e & ARCH_PAGE_COPY; }
static inline bool arch_entry_accessed(arch_entry_t e) { return e & ARCH_PAGE_ACCESSED; }

/* A page of anonymous memory in an application; the protection allows at least reading. */
static inline arch_entry_t arch_entry_anonymous(frame_t frame, u32 prot)
{
	_Static_assert(TK_PROT_WRITE == ARCH_PAGE_WRITE, "copied");
	return arch_page_entry(frame, ARCH_PAGE_USER | (prot & TK_PROT_WRITE) | (prot & TK_PROT_EXECUTE ? ARCH_PAGE_EXECUTE : 0));
}
/* Entries of applications. Access as enum tk_access, protection as enum tk_prot. */
bool arch_entry_allows(arch_entry_t e, u32 access);
/* The same frame with other protection; `cow`: a write must copy. What the processor or the core noted in the entry stays. */
arch_entry_t arch_entry_protected(arch_entry_t e, u32 prot, bool cow);
/* What both sides of a sharing have: with `cow` no right to write, and a write copies. Marks and all else stay. */
static inline arch_entry_t arch_entry_shared(arch_entry_t e, bool cow) { return cow ? (e & ~ARCH_PAGE_WRITE) | ARCH_PAGE_COW : e; }
static inline arch_entry_t arch_entry_unmarked(arch_entry_t e) { return e & ~(ARCH_PAGE_ACCESSED | ARCH_PAGE_DIRTY); }
static inline arch_entry_t arch_entry_with_frame(arch_entry_t e, frame_t frame) { return e | (u64)frame << PAGE_SHIFT; } /* e has none */
/* Replaces an entry that the processor may mark at the same time: the old one with all marks. */
static inline arch_entry_t arch_entry_exchange(arch_entry_t *entry, arch_entry_t value)
{
	/* Relaxed: the caller's lock orders entries, the flush that follows orders the processors' walks. */
	return __atomic_exchange_n(entry, value, __ATOMIC_RELAXED);
}
static inline void arch_entry_mark(arch_entry_t *entry, bool dirty)
{
	/* Relaxed: only marks are added. */
	__atomic_or_fetch(entry, ARCH_PAGE_ACCESSED | (dirty ? ARCH_PAGE_DIRTY : 0), __ATOMIC_RELAXED);
}
static inline struct frame_record *arch_table_record(const arch_entry_t *entry)
{
	return frame_record((frame_t)(((u64)entry - ARCH_MOVED(ARCH_PHYSMAP)) >> PAGE_SHIFT));
}
static inline void arch_table_count(const arch_entry_t *entry, int change) { arch_table_record(entry)->map_count += (u32)change; }

/* Single pages, with walk: 0, -ENOMEM, -EEXIST. */
long arch_page_map(paddr_t root, vaddr_t address, frame_t frame, u64 flags) must_check;
/* 2 MiB page; address and frame aligned. */
long arch_page_map_large(paddr_t root, vaddr_t address, frame_t frame, u64 flags) must_check;
/* Removes the entry and returns it (0: none). Does not flush. */
arch_entry_t arch_page_unmap(paddr_t root, vaddr_t address);
/* Address of the next page at or above `address` below `end` whose tables exist (skips missing tables at once), or end. */
vaddr_t arch_page_next(paddr_t root, vaddr_t address, vaddr_t end);

/* The leaf table that covers address, shared by several ranges or not: FRAME_NONE if there is none. Setting makes the levels above. */
frame_t arch_page_table_get(paddr_t root, vaddr_t address);
long arch_page_table_set(paddr_t root, vaddr_t address, frame_t table) must_check;

/* New root for an application or an IC2 unit: kernel half shared with every other root; the frame is given, already cleared. */
void arch_root_init(paddr_t root);
/* Takes out tables for [start, end) that are empty and links them by their records into *chain: reserve_return_chain after a flush. */
void arch_root_trim(paddr_t root, vaddr_t start, vaddr_t end, frame_t *chain);

/* Copy of one page of memory, clearing of one. */
void arch_page_copy(void *to, const void *from);
void arch_page_zero(void *to);

/* TLB: all processors in `cpu_mask` (bit per cpu id), this one included: returns when each has flushed. address/pages: what changed. */
void arch_tlb_flush(u64 cpu_mask, vaddr_t address, u64 pages);
/* The same for a list of single pages; more than ARCH_TLB_LIST_MAX of them: everything, and the list is not looked at. */
#define ARCH_TLB_LIST_MAX 32u
void arch_tlb_flush_list(u64 cpu_mask, const vaddr_t *list, u32 count);
void arch_tlb_flush_local(vaddr_t address, u64 pages);
void arch_tlb_serve(void); /* called by spinning processors and by the IPI: serves requests of others */
/* Around the halt of a processor that has nothing to do: it is not interrupted for a flush, but flushes when it leaves. In between it
 * touches nothing but its own area and the image. */
void arch_tlb_idle_enter(void);
void arch_tlb_idle_leave(void);
#define ARCH_TLB_ALL_PAGES (~0ull)
#define ARCH_TLB_EVERYONE (~0ull)
/* Processors that may keep translations of a root as they were before this call: a mask for arch_tlb_flush. */
u64 arch_root_cpus(paddr_t root);

#endif
