/*
 * Sections of memory: their frame records. The records of sections that are off line are one page of zeros (FRAME_ABSENT) mapped through
 * one shared page table, so that memory which nobody uses costs nothing. A section brings the memory for its records along.
 */
#include "frame.h"
#include "token.h"
#include "domain.h"
#include "assert.h"
#include <arch/page.h>

#define RECORDS_IN_PAGE (PAGE_SIZE / sizeof(struct frame_record))
#define RECORD_PAGES (FRAME_SECTION / RECORDS_IN_PAGE)  /* of one section */
#define SECTION_TABLES 4u                               /* frames that a new section adds to the reserve: more than its mapping takes */
#define RECORD_FLAGS (ARCH_PAGE_KEY(ARCH_KEY_CORE) | ARCH_PAGE_GLOBAL)

static struct spinlock lock;        /* guards the tables of the records and the bits */
static u64 online[(1ull << 27) / FRAME_SECTION / 64];
static frame_t absent_table;        /* each entry is the page of zeros */

static arch_entry_t *table_entries(frame_t table) { return frame_address(table); }
static vaddr_t section_records(u64 section) { return (vaddr_t)frame_record((frame_t)(section * FRAME_SECTION)); }

void section_space_init(u64 frames)
{
	absent_table = (frame_t)(frame_boot_alloc(1) >> PAGE_SHIFT);
	for (u32 i = 0; i < ARCH_LARGE_PAGES; i++)
		table_entries(absent_table)[i] = arch_page_entry(frame_dead, RECORD_FLAGS);
	for (u64 frame = 0; frame < frames; frame += ARCH_LARGE_PAGES * RECORDS_IN_PAGE)
		core_assert(arch_page_table_set(arch_kernel_root, (vaddr_t)frame_record((frame_t)frame), absent_table) == 0);
}

/* Gives the records of a section a leaf table that is not the shared one; `spare` is used if it is needed: true then. */
static bool table_ensure(u64 section, frame_t spare)
{
	vaddr_t records = section_records(section);

	if (arch_page_table_get(arch_kernel_root, records) != absent_table)
		return false;
	for (u32 i = 0; i < ARCH_LARGE_PAGES; i++)
		table_entries(spare)[i] = table_entries(absent_table)[i];
	core_assert(arch_page_table_set(arch_kernel_root, records, spare) == 0);
	return true;
}

static void record_page_set(u64 section, u32 index, frame_t frame)
{
	arch_entry_t *entry = arch_page_walk(arch_kernel_root, section_records(section) + index * PAGE_SIZE, false, NULL);

	core_assert(entry != NULL);
	*entry = arch_page_entry(frame, RECORD_FLAGS | ARCH_PAGE_WRITE);
}

void section_boot_online(u64 section)
{
	if (arch_page_table_get(arch_kernel_root, section_records(section)) == absent_table)
		(void)table_ensure(section, (frame_t)(frame_boot_alloc(1) >> PAGE_SHIFT));
	for (u32 i = 0; i < RECORD_PAGES; i++)
		record_page_set(section, i, (frame_t)(frame_boot_alloc(1) >> PAGE_SHIFT));
	arch_tlb_flush_local(section_records(section), ARCH_TLB_ALL_PAGES);
	for (u32 i = 0; i < FRAME_SECTION; i++)
		frame_record((frame_t)(section * FRAME_SECTION + i))->type = FRAME_CORE;
	online[section / 64] |= 1ull << (section % 64);
}

/* Writes the records of a new section through the map of all memory: the first `kept` frames are the core's, the others the owner's. */
static void records_write(frame_t first, u32 kept, u32 owner)
{
	struct frame_record *records = frame_address(first);

	for (u32 i = 0; i < FRAME_SECTION; i++)
		records[i] = (struct frame_record){ .type = i < kept ? FRAME_CORE : FRAME_USER, .owner = i < kept ? 0 : (u8)owner };
}

long memory_online(u32 caller, u32 section)
{
	frame_t first = section * FRAME_SECTION;
	u32 used = RECORD_PAGES;

	if (!(domains[caller].rights & TK_RIGHT_MEMORY))
		return -EPERM;
	if (section >= countof(online) * 64 || (u64)section * FRAME_SECTION >= frame_count)
		return -EINVAL;
	spin_lock(&lock);
	if (online[section / 64] >> (section % 64) & 1 || !section_is_ram(section)) {
		spin_unlock(&lock);
		return -ENODEV;
	}
	/* Commit. */
	online[section / 64] |= 1ull << (section % 64);
	used += table_ensure(section, first + used);
	records_write(first, used + SECTION_TABLES, caller);
	for (u32 i = 0; i < RECORD_PAGES; i++)
		record_page_set(section, i, first + i);
	arch_tlb_flush(ARCH_TLB_EVERYONE, section_records(section), ARCH_TLB_ALL_PAGES);
	spin_unlock(&lock);
	for (u32 i = 0; i < SECTION_TABLES; i++) {
		arch_page_zero(frame_address(first + used));
		frame_retype(first + used, FRAME_TABLE, 0, 0);
		reserve_return(first + used++);
	}
	window_map_range(&domains[caller], first + used, FRAME_SECTION - used);
	return (long)(first + used);
}
