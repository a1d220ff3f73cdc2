/* What the loader says: usable RAM, the initial archive, the command line. Runs on the identity map; the loader is trusted, as firmware is. */
#include <arch/image.h>
#include <text.h>
#include "startup.h"

#define LOW_MEMORY 0x100000ull

struct boot_facts boot_facts;
paddr_t start_rsdp;
struct hvm_memory memory_map[MEMORY_MAP_MAX];
u32 memory_map_count;

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

/* The archive begins at a page and its last page ends with zeros, because whole frames are handed to a unit. */
static bool archive_place(paddr_t address, u64 size)
{
	paddr_t start = round_down(address, PAGE_SIZE);

	if (address < LOW_MEMORY || address + size > EARLY_LIMIT || address + size < address)
		return false;
	if (start != address)
		memmove((void *)start, (const void *)address, size);
	memset((char *)start + size, 0, round_up(size, PAGE_SIZE) - size);
	boot_facts.archive = start;
	boot_facts.archive_size = size;
	ram_remove(start, round_up(start + size, PAGE_SIZE));
	return true;
}

void facts_memory_add(u64 address, u64 size, u32 type)
{
	if (memory_map_count < MEMORY_MAP_MAX && address + size >= address)
		memory_map[memory_map_count++] = (struct hvm_memory){ address, size, type, 0 };
}

bool facts_set(const struct loader_facts *loader)
{
	struct boot_facts *f = &boot_facts;

	f->image_start = (paddr_t)image_start;
	f->image_end = (paddr_t)image_end;
	if (loader->command_line)
		memcpy(f->command_line, loader->command_line, strnlen(loader->command_line, sizeof(f->command_line) - 1));
	for (u32 i = 0; i < memory_map_count; i++) {
		u64 start = round_up(memory_map[i].address, PAGE_SIZE);
		u64 end = round_down(memory_map[i].address + memory_map[i].size, PAGE_SIZE);
		if (memory_map[i].type == HVM_MEMORY_RAM)
			ram_insert(start < LOW_MEMORY ? LOW_MEMORY : start, end > PHYSMAP_LIMIT ? PHYSMAP_LIMIT : end);
	}
	ram_remove(f->image_start, f->image_end);
	if (loader->archive_size && !archive_place(loader->archive, loader->archive_size))
		return false;
	return f->ram_count > 0;
}

bool facts_read(const struct hvm_start_info *info)
{
	const struct hvm_memory *memory = (const struct hvm_memory *)info->memory_map;
	const struct hvm_module *module = (const struct hvm_module *)info->modules;
	struct loader_facts loader = { 0 };

	if ((u64)info >= EARLY_LIMIT || info->magic != HVM_START_MAGIC || info->version < 1 || info->memory_map >= EARLY_LIMIT)
		return false;
	for (u32 i = 0; i < info->memory_map_count; i++)
		facts_memory_add(memory[i].address, memory[i].size, memory[i].type);
	start_rsdp = info->rsdp;
	if (info->command_line < EARLY_LIMIT)
		loader.command_line = (const char *)info->command_line;
	if (info->module_count && info->modules < EARLY_LIMIT) {
		loader.archive = module->address;
		loader.archive_size = module->size;
	}
	return facts_set(&loader);
}
