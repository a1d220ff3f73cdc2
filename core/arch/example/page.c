/* Page-table entries of the example: what a port decides itself. Tables are 4 levels of 512 entries. */
#include <arch/page.h>
#include <tessera/call.h>

#define ENTRY_PRESENT 1ull
#define ENTRY_FLAGS_SHIFT 1
#define ENTRY_FLAGS_MASK 0x7ffull

bool arch_entry_present(arch_entry_t e) { return e & ENTRY_PRESENT; }
frame_t arch_entry_frame(arch_entry_t e) { return (frame_t)(e >> PAGE_SHIFT); }
u64 arch_entry_flags(arch_entry_t e) { return (e >> ENTRY_FLAGS_SHIFT & ENTRY_FLAGS_MASK); }
bool arch_entry_writable(arch_entry_t e) { return arch_entry_flags(e) & ARCH_PAGE_WRITE; }
bool arch_entry_cow(arch_entry_t e) { return arch_entry_flags(e) & ARCH_PAGE_COW; }
bool arch_entry_copy(arch_entry_t e) { return arch_entry_flags(e) & ARCH_PAGE_COPY; }
arch_entry_t arch_entry_with_frame(arch_entry_t e, frame_t frame) { return e | (u64)frame << PAGE_SHIFT; }
bool arch_entry_accessed(arch_entry_t e) { return arch_entry_flags(e) & ARCH_PAGE_ACCESSED; }

arch_entry_t arch_page_entry(frame_t frame, u64 flags)
{
	u64 present = flags & ARCH_PAGE_NONE ? 0 : ENTRY_PRESENT;

	return (u64)frame << PAGE_SHIFT | (flags & ENTRY_FLAGS_MASK) << ENTRY_FLAGS_SHIFT | present;
}

arch_entry_t arch_entry_anonymous(frame_t frame, u32 prot)
{
	u64 flags = ARCH_PAGE_USER;

	if (prot & TK_PROT_WRITE)
		flags |= ARCH_PAGE_WRITE;
	if (prot & TK_PROT_EXECUTE)
		flags |= ARCH_PAGE_EXECUTE;
	return arch_page_entry(frame, flags);
}

bool arch_entry_allows(arch_entry_t e, u32 access)
{
	u64 flags = arch_entry_flags(e);

	if (!arch_entry_present(e) || !(flags & ARCH_PAGE_USER))
		return false;
	return (!(access & TK_ACCESS_WRITE) || flags & ARCH_PAGE_WRITE) && (!(access & TK_ACCESS_EXECUTE) || flags & ARCH_PAGE_EXECUTE);
}

arch_entry_t arch_entry_protected(arch_entry_t e, u32 prot, bool cow)
{
	u64 kept = arch_entry_flags(e) & (ARCH_PAGE_COPY | ARCH_PAGE_DIRTY | ARCH_PAGE_ACCESSED);
	u64 flags = arch_entry_flags(arch_entry_anonymous(FRAME_NONE, cow ? prot & ~(u32)TK_PROT_WRITE : prot));

	if (cow)
		flags |= ARCH_PAGE_COW;
	if (!(prot & (TK_PROT_READ | TK_PROT_WRITE | TK_PROT_EXECUTE)))
		flags |= ARCH_PAGE_NONE;
	return arch_page_entry(arch_entry_frame(e), kept | flags);
}

arch_entry_t arch_entry_shared(arch_entry_t e, bool cow)
{
	u64 flags = arch_entry_flags(e);

	return cow ? arch_page_entry(arch_entry_frame(e), (flags & ~(u64)ARCH_PAGE_WRITE) | ARCH_PAGE_COW) : e;
}

arch_entry_t arch_entry_unmarked(arch_entry_t e)
{
	return e & ~((u64)(ARCH_PAGE_DIRTY | ARCH_PAGE_ACCESSED) << ENTRY_FLAGS_SHIFT);
}

arch_entry_t arch_entry_exchange(arch_entry_t *entry, arch_entry_t value)
{
	/* Relaxed: the caller's lock orders entries. */
	return __atomic_exchange_n(entry, value, __ATOMIC_RELAXED);
}

void arch_entry_mark(arch_entry_t *entry, bool dirty)
{
	u64 marks = ARCH_PAGE_ACCESSED | (dirty ? ARCH_PAGE_DIRTY : 0);

	/* Relaxed: only marks are added. */
	__atomic_or_fetch(entry, marks << ENTRY_FLAGS_SHIFT, __ATOMIC_RELAXED);
}

struct frame_record *arch_table_record(const arch_entry_t *entry)
{
	return frame_record((frame_t)(((u64)entry - ARCH_PHYSMAP) >> PAGE_SHIFT));
}

void arch_table_count(const arch_entry_t *entry, int change)
{
	arch_table_record(entry)->map_count += (u32)change;
}

void arch_page_copy(void *to, const void *from) { __builtin_memcpy(to, from, PAGE_SIZE); }
void arch_page_zero(void *to) { __builtin_memset(to, 0, PAGE_SIZE); }
