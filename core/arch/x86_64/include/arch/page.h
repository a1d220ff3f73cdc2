/*
 * Architecture contract: page tables. A root is the physical address of the top table. Callers hold the vspace's or the domain's page
 * table lock. Tables come from reserve_take(); functions that may need one return -ENOMEM and have changed nothing but what they report.
 */
#ifndef ARCH_PAGE_H
#define ARCH_PAGE_H

#include <tessera/types.h>
#include <tessera/errno.h>

enum arch_page_flags {
	ARCH_PAGE_WRITE = 1 << 0,
	ARCH_PAGE_EXECUTE = 1 << 1,
	ARCH_PAGE_USER = 1 << 2,
	ARCH_PAGE_COW = 1 << 3,      /* software bit: write-protected because shared; a write copies */
	ARCH_PAGE_GLOBAL = 1 << 4,
	ARCH_PAGE_DIRTY = 1 << 5,    /* reported by arch_page_query */
	ARCH_PAGE_ACCESSED = 1 << 6,
	ARCH_PAGE_LARGE = 1 << 7,    /* 2 MiB entry */
	ARCH_PAGE_UNCACHED = 1 << 8,
	/* bits 19:16: protection key (supervisor pages) */
};
#define ARCH_PAGE_KEY(k) ((u32)(k) << 16)

typedef u64 arch_entry_t;

/* The leaf entry of address, or NULL when a level is missing (create false) or no table could be had (create true). Large pages on the
 * way are split when create is true, else end the walk: *large_out (may be NULL) tells. */
arch_entry_t *arch_page_walk(paddr_t root, vaddr_t address, bool create, bool *large_out);
arch_entry_t arch_page_entry(frame_t frame, u32 flags);
static inline bool arch_entry_present(arch_entry_t e) { return e & 1; }
frame_t arch_entry_frame(arch_entry_t e);
u32 arch_entry_flags(arch_entry_t e);

/* Single pages, with walk: 0, -ENOMEM, -EEXIST. */
long arch_page_map(paddr_t root, vaddr_t address, frame_t frame, u32 flags) must_check;
/* 2 MiB page; address and frame aligned. */
long arch_page_map_large(paddr_t root, vaddr_t address, frame_t frame, u32 flags) must_check;
/* Removes the entry and returns it (0: none). Does not flush. */
arch_entry_t arch_page_unmap(paddr_t root, vaddr_t address);
/* Address of the next page at or above `address` below `end` whose tables exist (skips missing tables at once). */
vaddr_t arch_page_next(paddr_t root, vaddr_t address, vaddr_t end);

/* New root for an application or an IC2 unit: kernel half shared with every other root; the frame is given, already cleared. */
void arch_root_init(paddr_t root);
/* Root of an IC1 unit without protection keys: maps the unit's two slots and the entry code and data only. */
void arch_root_init_unit(paddr_t root, u32 slot);
/* Frees tables below [start, end) that are empty, at most `budget` of them; true when none is left. */
bool arch_root_trim(paddr_t root, vaddr_t start, vaddr_t end, u32 budget);
extern paddr_t arch_kernel_root;

/* TLB: the local processor, then all processors in `mask` (bit per cpu id): returns when each has flushed. address/pages: hint. */
void arch_tlb_flush(u64 cpu_mask, vaddr_t address, u64 pages);
void arch_tlb_flush_local(vaddr_t address, u64 pages);
void arch_tlb_serve(void); /* called by spinning processors and by the IPI: serves requests of others */
#define ARCH_TLB_ALL_PAGES (~0ull)

#endif
