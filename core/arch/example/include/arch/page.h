/* Page tables and the TLB. Meaning and rules: arch/x86_64/include/arch/page.h. */
#ifndef ARCH_PAGE_H
#define ARCH_PAGE_H

#include <tessera/types.h>
#include <tessera/errno.h>
#include "frame.h"

enum arch_page_flags {
	ARCH_PAGE_WRITE = 1 << 0,
	ARCH_PAGE_EXECUTE = 1 << 1,
	ARCH_PAGE_USER = 1 << 2,
	ARCH_PAGE_COW = 1 << 3,
	ARCH_PAGE_GLOBAL = 1 << 4,
	ARCH_PAGE_DIRTY = 1 << 5,
	ARCH_PAGE_ACCESSED = 1 << 6,
	ARCH_PAGE_LARGE = 1 << 7,
	ARCH_PAGE_UNCACHED = 1 << 8,
	ARCH_PAGE_COPY = 1 << 9,
	ARCH_PAGE_NONE = 1 << 10,
};
#define ARCH_PAGE_KEY(k) ((u64)(k) << 16)
#define ARCH_LARGE_PAGES 512u
#define ARCH_TLB_ALL_PAGES (~0ull)
#define ARCH_TLB_EVERYONE (~0ull)

typedef u64 arch_entry_t;
extern paddr_t arch_kernel_root;

arch_entry_t *arch_page_walk(paddr_t root, vaddr_t address, bool create, bool *large_out);
arch_entry_t arch_page_entry(frame_t frame, u64 flags);
u64 arch_entry_flags(arch_entry_t e);
bool arch_entry_present(arch_entry_t e);
frame_t arch_entry_frame(arch_entry_t e);
bool arch_entry_writable(arch_entry_t e);
bool arch_entry_cow(arch_entry_t e);
bool arch_entry_copy(arch_entry_t e);
bool arch_entry_accessed(arch_entry_t e);
arch_entry_t arch_entry_anonymous(frame_t frame, u32 prot);
bool arch_entry_allows(arch_entry_t e, u32 access);
arch_entry_t arch_entry_protected(arch_entry_t e, u32 prot, bool cow);
arch_entry_t arch_entry_shared(arch_entry_t e, bool cow);
arch_entry_t arch_entry_unmarked(arch_entry_t e);
arch_entry_t arch_entry_with_frame(arch_entry_t e, frame_t frame);
arch_entry_t arch_entry_exchange(arch_entry_t *entry, arch_entry_t value);
void arch_entry_mark(arch_entry_t *entry, bool dirty);
struct frame_record *arch_table_record(const arch_entry_t *entry);
void arch_table_count(const arch_entry_t *entry, int change);
long arch_page_map(paddr_t root, vaddr_t address, frame_t frame, u64 flags) must_check;
long arch_page_map_large(paddr_t root, vaddr_t address, frame_t frame, u64 flags) must_check;
arch_entry_t arch_page_unmap(paddr_t root, vaddr_t address);
vaddr_t arch_page_next(paddr_t root, vaddr_t address, vaddr_t end);
frame_t arch_page_table_get(paddr_t root, vaddr_t address);
long arch_page_table_set(paddr_t root, vaddr_t address, frame_t table) must_check;
void arch_root_init(paddr_t root);
void arch_root_trim(paddr_t root, vaddr_t start, vaddr_t end, frame_t *chain);
void arch_page_copy(void *to, const void *from);
void arch_page_zero(void *to);
void arch_tlb_flush(u64 cpu_mask, vaddr_t address, u64 pages);
#define ARCH_TLB_LIST_MAX 32u
u64 arch_root_cpus(paddr_t root);
void arch_tlb_flush_list(u64 cpu_mask, const vaddr_t *list, u32 count);
void arch_tlb_flush_local(vaddr_t address, u64 pages);
void arch_tlb_serve(void);
void arch_tlb_idle_enter(void);
void arch_tlb_idle_leave(void);

#endif
