/* Page tables of x86_64: four levels, 4 KiB and 2 MiB pages, software bits for copy on write and for pages out of reach. */
#include <arch/page.h>

#define TOP_LEVEL 3u
#define TABLE_ENTRIES 512u
#define TABLE_BITS (X86_PRESENT | ARCH_PAGE_WRITE)
#define KERNEL_HALF (1ull << 47)

static inline arch_entry_t *table_at(arch_entry_t e) { return (arch_entry_t *)(ARCH_MOVED(ARCH_PHYSMAP) + (e & X86_FRAME)); }
static inline u32 index_at(vaddr_t address, u32 level) { return (u32)(address >> (PAGE_SHIFT + 9 * level)) & (TABLE_ENTRIES - 1); }
static inline u64 size_at(u32 level) { return PAGE_SIZE << (9 * level); }

/* Before frame_init there are no records: those tables are never trimmed and need no count. */
static void entry_count(const arch_entry_t *entry, int change)
{
	if (frame_count)
		arch_table_count(entry, change);
}

/* The entry that names a table. */
static arch_entry_t table_entry(frame_t frame, vaddr_t address)
{
	return (u64)frame << PAGE_SHIFT | TABLE_BITS | (address & KERNEL_HALF ? 0 : ARCH_PAGE_USER);
}

/* An entry for a new, empty table; 0 when none can be had. */
static arch_entry_t table_create(vaddr_t address, bool last)
{
	frame_t frame = reserve_take(last);

	return frame == FRAME_NONE ? 0 : table_entry(frame, address);
}

/* Replaces a 2 MiB entry by a table of the same pages: the translations stay what they are, so nothing is flushed. */
static bool entry_split(arch_entry_t *entry, vaddr_t address)
{
	arch_entry_t large = *entry, table = table_create(address, true);

	if (!table)
		return false;
	arch_entry_t *pages = table_at(table);
	for (u32 i = 0; i < TABLE_ENTRIES; i++)
		pages[i] = (large & ~ARCH_PAGE_LARGE) + i * PAGE_SIZE;
	entry_count(pages, (int)TABLE_ENTRIES);
	/* What the processor noted since in the large entry holds for each page: who removes a page looks whether it was accessed. */
	u64 noted = arch_entry_exchange(entry, table) & (ARCH_PAGE_ACCESSED | ARCH_PAGE_DIRTY) & ~large;
	for (u32 i = 0; noted && i < TABLE_ENTRIES; i++)
		__atomic_or_fetch(&pages[i], noted, __ATOMIC_RELAXED); /* only marks are added */
	return true;
}

/* The entry of a level for address, as arch_page_walk for level 0, where things on the way may be missing or large. */
static __attribute__((noinline)) arch_entry_t *walk_to(paddr_t root, u32 target, vaddr_t address, bool create, bool *large_out)
{
	arch_entry_t *table = table_at(root);

	for (u32 level = TOP_LEVEL; level > target; level--) {
		arch_entry_t *entry = &table[index_at(address, level)];
		if (!(*entry & X86_PRESENT)) {
			arch_entry_t made = create ? table_create(address, target > 0) : 0;
			if (!made)
				return NULL;
			*entry = made;
			entry_count(entry, 1);
		} else if (*entry & ARCH_PAGE_LARGE) {
			if (!create && large_out) {
				*large_out = true;
				return entry;
			}
			if (!create || level != 1 || !entry_split(entry, address))
				return NULL;
		}
		table = table_at(*entry);
	}
	return &table[index_at(address, target)];
}

arch_entry_t *arch_page_walk(paddr_t root, vaddr_t address, bool create, bool *large_out)
{
	arch_entry_t *table = table_at(root);

#pragma unroll
	for (u32 level = TOP_LEVEL; level > 0; level--) {
		arch_entry_t e = table[index_at(address, level)];
		if (unlikely((e & (X86_PRESENT | ARCH_PAGE_LARGE)) != X86_PRESENT))
			return walk_to(root, 0, address, create, large_out);
		table = table_at(e);
	}
	return &table[index_at(address, 0)];
}

bool arch_entry_allows(arch_entry_t e, u32 access)
{
	if (!(e & X86_PRESENT) || !(e & ARCH_PAGE_USER))
		return false;
	return !(access & TK_ACCESS_WRITE && !(e & ARCH_PAGE_WRITE)) && !(access & TK_ACCESS_EXECUTE && e & X86_NX);
}

arch_entry_t arch_entry_protected(arch_entry_t e, u32 prot, bool cow)
{
	e &= ~(X86_PRESENT | ARCH_PAGE_WRITE | X86_NX | ARCH_PAGE_COW);
	if (prot & (TK_PROT_READ | TK_PROT_WRITE | TK_PROT_EXECUTE))
		e |= X86_PRESENT;
	if (!(prot & TK_PROT_EXECUTE))
		e |= X86_NX;
	if (cow)
		e |= ARCH_PAGE_COW;
	else if (prot & TK_PROT_WRITE)
		e |= ARCH_PAGE_WRITE;
	return e;
}

static long entry_fill(arch_entry_t *entry, frame_t frame, u64 flags)
{
	if (!entry)
		return -ENOMEM;
	if (*entry)
		return -EEXIST;
	*entry = arch_page_entry(frame, flags);
	entry_count(entry, 1);
	return 0;
}

long arch_page_map(paddr_t root, vaddr_t address, frame_t frame, u64 flags)
{
	return entry_fill(arch_page_walk(root, address, true, NULL), frame, flags);
}

long arch_page_map_large(paddr_t root, vaddr_t address, frame_t frame, u64 flags)
{
	return entry_fill(walk_to(root, 1, address, true, NULL), frame, flags | ARCH_PAGE_LARGE);
}

frame_t arch_page_table_get(paddr_t root, vaddr_t address)
{
	const arch_entry_t *entry = walk_to(root, 1, address, false, NULL);

	return entry && *entry & X86_PRESENT && !(*entry & ARCH_PAGE_LARGE) ? arch_entry_frame(*entry) : FRAME_NONE;
}

long arch_page_table_set(paddr_t root, vaddr_t address, frame_t table)
{
	arch_entry_t *entry = walk_to(root, 1, address, true, NULL);

	if (!entry)
		return -ENOMEM;
	if (!*entry)
		entry_count(entry, 1);
	*entry = table_entry(table, address);
	return 0;
}

arch_entry_t arch_page_unmap(paddr_t root, vaddr_t address)
{
	arch_entry_t *entry = arch_page_walk(root, address, false, NULL);

	if (!entry || !*entry)
		return 0;
	entry_count(entry, -1);
	return arch_entry_exchange(entry, 0);
}

vaddr_t arch_page_next(paddr_t root, vaddr_t address, vaddr_t end)
{
	while (address < end) {
		const arch_entry_t *table = table_at(root);
		u32 level = TOP_LEVEL;

		for (; level > 0; level--) {
			arch_entry_t e = table[index_at(address, level)];
			if (!(e & X86_PRESENT) || e & ARCH_PAGE_LARGE)
				break;
			table = table_at(e);
		}
		if (level == 0)
			return address;
		address = round_down(address, size_at(level)) + size_at(level);
		if (address == 0)
			break;
	}
	return end;
}

/* Trims below one table, at `level`: addresses start to last, both included. */
static void table_trim(arch_entry_t *table, u32 level, vaddr_t start, vaddr_t last, frame_t *chain)
{
	for (vaddr_t at = start;;) {
		arch_entry_t *entry = &table[index_at(at, level)];
		vaddr_t here = at | (size_at(level) - 1);

		if (*entry & X86_PRESENT && !(*entry & ARCH_PAGE_LARGE)) {
			frame_t frame = arch_entry_frame(*entry);
			struct frame_record *below = frame_record(frame);
			if (level > 1 && below->map_count)
				table_trim(table_at(*entry), level - 1, at, here < last ? here : last, chain);
			if (!below->map_count) {
				*entry = 0;
				arch_table_count(entry, -1);
				below->link = *chain;
				*chain = frame;
			}
		}
		if (here >= last)
			return;
		at = here + 1;
	}
}

void arch_root_trim(paddr_t root, vaddr_t start, vaddr_t end, frame_t *chain)
{
	if (start < end)
		table_trim(table_at(root), TOP_LEVEL, start, end - 1, chain);
}
