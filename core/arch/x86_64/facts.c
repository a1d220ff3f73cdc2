/* What the loader says: usable RAM, the initial archive, the command line. Runs on the identity map; the loader is trusted, as firmware is. */
#include <arch/image.h>
#include "startup.h"

#define LOW_MEMORY 0x100000ull

struct boot_facts boot_facts;
paddr_t start_rsdp;

static void ram_insert(paddr_t start, paddr_t end)
{
	struct boot_facts *f = &boot_facts;
	u32 at = f->ram_count;

	if (start >= end || f->ram_count == BOOT_RAM_MAX)
		return;
	for (; at > 0 && f->ram[at - 1].start > start; at--)
		f->ram[at] = f->ram[at - 1];
	f->ram[at] = (struct boot_ram){ start, end - start };
	f->ram_count++;
}

/* Takes [start, end) out of all ranges. */
static void ram_remove(paddr_t start, paddr_t end)
{
	struct boot_facts *f = &boot_facts;

	for (u32 i = 0; i < f->ram_count; i++) {
		struct boot_ram *r = &f->ram[i];
		paddr_t r_end = r->start + r->size;
		if (end <= r->start || start >= r_end)
			continue;
		paddr_t r_start = r->start;
		f->ram_count--;
		for (u32 j = i; j < f->ram_count; j++)
			f->ram[j] = f->ram[j + 1];
		ram_insert(r_start, start);
		ram_insert(end, r_end);
		i = (u32)-1; /* the list has changed: from the start */
	}
}

static void command_line_copy(const char *text)
{
	size_t i = 0;

	for (; text && text[i] && i < sizeof(boot_facts.command_line) - 1; i++)
		boot_facts.command_line[i] = text[i];
}

/* The archive begins at a page and its last page ends with zeros, because whole frames are handed to a unit. */
static bool archive_place(const struct hvm_module *module)
{
	paddr_t start = round_down(module->address, PAGE_SIZE);
	const char *from = (const char *)module->address;
	char *to = (char *)start;

	if (module->address < LOW_MEMORY || module->address + module->size > EARLY_LIMIT || module->address + module->size < module->address)
		return false;
	if (to != from)
		for (u64 i = 0; i < module->size; i++)
			to[i] = from[i];
	for (u64 i = module->size; i & PAGE_MASK; i++)
		to[i] = 0;
	boot_facts.archive = start;
	boot_facts.archive_size = module->size;
	return true;
}

bool facts_read(const struct hvm_start_info *info)
{
	struct boot_facts *f = &boot_facts;
	const struct hvm_memory *memory = (const struct hvm_memory *)info->memory_map;

	if ((u64)info >= EARLY_LIMIT || info->magic != HVM_START_MAGIC || info->version < 1 || info->memory_map >= EARLY_LIMIT)
		return false;
	f->image_start = (paddr_t)image_start;
	f->image_end = (paddr_t)image_end;
	for (u32 i = 0; i < info->memory_map_count; i++) {
		u64 start = round_up(memory[i].address, PAGE_SIZE), end = round_down(memory[i].address + memory[i].size, PAGE_SIZE);
		if (memory[i].type == HVM_MEMORY_RAM)
			ram_insert(start < LOW_MEMORY ? LOW_MEMORY : start, end > PHYSMAP_LIMIT ? PHYSMAP_LIMIT : end);
	}
	ram_remove(f->image_start, f->image_end);
	start_rsdp = info->rsdp;
	if (info->command_line && info->command_line < EARLY_LIMIT)
		command_line_copy((const char *)info->command_line);
	if (info->module_count && info->modules && info->modules < EARLY_LIMIT) {
		const struct hvm_module *module = (const struct hvm_module *)info->modules;
		if (module->size && !archive_place(module))
			return false;
		ram_remove(f->archive, round_up(f->archive + f->archive_size, PAGE_SIZE));
	}
	return f->ram_count > 0;
}
