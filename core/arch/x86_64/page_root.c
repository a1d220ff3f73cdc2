/* Top tables: of applications and IC2 units, and of IC1 units on processors without protection keys. */
#include <arch/page.h>
#include <arch/domain.h>
#include <arch/image.h>
#include "assert.h"
#include "cpu.h"
#include "startup.h"

#define KERNEL_FIRST 256u /* entries of the kernel half */
#define TABLE_ENTRIES 512u
#define TOP_SHIFT 39

static arch_entry_t *root_table(paddr_t root) { return (arch_entry_t *)(ARCH_MOVED(ARCH_PHYSMAP) + root); }

void arch_root_init(paddr_t root)
{
	const arch_entry_t *kernel = root_table(arch_kernel_root);
	arch_entry_t *table = root_table(root);

	for (u32 i = KERNEL_FIRST; i < TABLE_ENTRIES; i++)
		table[i] = kernel[i];
}

/* Maps in a unit's root what the kernel's root has at address, if it has something there. */
static void page_lend(paddr_t root, vaddr_t address, bool writable)
{
	const arch_entry_t *from = arch_page_walk(arch_kernel_root, address, false, NULL);

	if (!from || !*from)
		return;
	arch_entry_t *to = arch_page_walk(root, address, true, NULL);
	core_assert(to != NULL);
	*to = *from & ~ARCH_PAGE_GLOBAL;
	if (!writable)
		*to &= ~ARCH_PAGE_WRITE;
	arch_table_count(to, 1);
}

static void pages_lend(paddr_t root, const char *start, const char *end)
{
	for (vaddr_t page = (vaddr_t)start; page < (vaddr_t)end; page += PAGE_SIZE)
		page_lend(root, page, false);
}

void root_init_unit(paddr_t root, u32 slot)
{
	const arch_entry_t *kernel = root_table(arch_kernel_root);
	arch_entry_t *table = root_table(root);
	const struct arch_area area = arch_area_of(1, slot);
	u64 private = area.private >> TOP_SHIFT & (TABLE_ENTRIES - 1), window = area.window >> TOP_SHIFT & (TABLE_ENTRIES - 1);

	table[private] = kernel[private];
	table[window] = kernel[window];
	for (u32 id = 0; id < cpu_count; id++) {
		page_lend(root, layout.entry + (vaddr_t)id * ARCH_ENTRY_STRIDE, false);
		page_lend(root, layout.entry_stacks + (vaddr_t)(slot * CPUS_MAX + id) * ARCH_ENTRY_STACK_STRIDE, true);
	}
	pages_lend(root, entry_text_start, entry_text_end);
	pages_lend(root, core_ro_start, core_ro_end);
}
