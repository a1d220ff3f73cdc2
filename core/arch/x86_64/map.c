/*
 * Page tables of the kernel root at boot: the map of all memory with the largest pages the processor has, the image, processors'
 * areas, devices. Before frame_init pages come from the first RAM below 4 GiB, which then is no longer in boot_facts.ram.
 */
#include <arch/page.h>
#include "assert.h"
#include "frame.h"
#include "processor.h"
#include "startup.h"

paddr_t arch_kernel_root;

enum map_stage map_stage;

static u64 *table_at(paddr_t table) { return (u64 *)((map_stage == MAP_EARLY ? 0 : layout.physmap) + table); }

static paddr_t page_take_early(void)
{
	for (u32 i = 0; i < boot_facts.ram_count; i++) {
		struct boot_ram *r = &boot_facts.ram[i];
		if (r->size < PAGE_SIZE || r->start >= EARLY_LIMIT)
			continue;
		paddr_t page = r->start;
		r->start += PAGE_SIZE;
		r->size -= PAGE_SIZE;
		for (u32 word = 0; word < PAGE_SIZE / 8; word++)
			table_at(page)[word] = 0;
		return page;
	}
	core_fail("no memory for the first page tables");
}

paddr_t map_page_take(void)
{
	return map_stage == MAP_FRAMES ? frame_boot_alloc(1) : page_take_early();
}

static bool huge_pages(void) { return cpuid_read(0x80000001, 0).edx >> 26 & 1; }

/* The table that the entry names, made if it is missing. */
static u64 *table_below(u64 *entry)
{
	if (!(*entry & X86_PRESENT))
		*entry = map_page_take() | X86_PRESENT | ARCH_PAGE_WRITE;
	core_assert(!(*entry & ARCH_PAGE_LARGE));
	return table_at(*entry & X86_FRAME);
}

static u64 *entry_of(vaddr_t address, u32 level)
{
	u64 *table = table_at(arch_kernel_root);

	for (u32 l = 3; l > level; l--)
		table = table_below(&table[address >> (12 + 9 * l) & 511]);
	return &table[address >> (12 + 9 * level) & 511];
}

void map_range(vaddr_t address, paddr_t physical, u64 size, u64 flags)
{
	const u64 both = address | physical;

	for (u64 done = 0; done < size;) {
		u64 left = size - done, aligned = both | done;
		u32 level = 0;
		if (!(aligned & (HUGE_SIZE - 1)) && left >= HUGE_SIZE && huge_pages())
			level = 2;
		else if (!(aligned & (LARGE_SIZE - 1)) && left >= LARGE_SIZE)
			level = 1;
		*entry_of(address + done, level) = arch_page_entry((frame_t)((physical + done) >> PAGE_SHIFT),
			flags | ARCH_PAGE_GLOBAL | (level > 0 ? ARCH_PAGE_LARGE : 0));
		done += PAGE_SIZE << (9 * level);
	}
}

void map_prepare_slot(vaddr_t address)
{
	(void)entry_of(address, 2);
}

bool map_present(vaddr_t address)
{
	const u64 *table = table_at(arch_kernel_root);

	for (u32 l = 3; ; l--) {
		u64 e = table[address >> (12 + 9 * l) & 511];
		if (!(e & X86_PRESENT))
			return false;
		if (l == 0 || e & ARCH_PAGE_LARGE)
			return true;
		table = table_at(e & X86_FRAME);
	}
}

void *map_firmware(paddr_t physical, u64 size)
{
	paddr_t end = physical + size;

	if (end < physical || end > PHYSMAP_LIMIT)
		return NULL;
	for (paddr_t page = round_down(physical, PAGE_SIZE); page < end; page += PAGE_SIZE)
		if (!map_present(layout.physmap + page))
			map_range(layout.physmap + page, page, PAGE_SIZE, 0);
	return (void *)(layout.physmap + physical);
}

volatile void *map_device(paddr_t physical, u64 size)
{
	paddr_t first = round_down(physical, PAGE_SIZE);

	if (physical + size > DEVICES_SIZE || physical + size < physical)
		return NULL;
	if (!map_present(layout.devices + first))
		map_range(layout.devices + first, first, round_up(physical + size, PAGE_SIZE) - first, ARCH_PAGE_WRITE | ARCH_PAGE_UNCACHED);
	return (volatile void *)(layout.devices + physical);
}
