/* What a loader says by Multiboot 2 (specification 2.0, 3.6): a list of tags. */
#include <text.h>
#include "startup.h"

struct multiboot_info { u32 size, reserved; };
struct multiboot_tag { u32 type, size; };
enum multiboot_tag_type {
	MULTIBOOT_END = 0, MULTIBOOT_COMMAND_LINE = 1, MULTIBOOT_MODULE = 3, MULTIBOOT_MEMORY = 6, MULTIBOOT_RSDP_OLD = 14, MULTIBOOT_RSDP = 15,
};
struct multiboot_module { struct multiboot_tag tag; u32 start, end; };
struct multiboot_memory { struct multiboot_tag tag; u32 entry_size, version; };

#define RSDP_SIZE 36

static u8 rsdp_copy[RSDP_SIZE] __attribute__((aligned(16))); /* the loader's memory is handed out later */

static void memory_read(const struct multiboot_memory *m)
{
	const u8 *entries = (const u8 *)(m + 1);
	u32 size = m->tag.size - (u32)sizeof(*m);

	for (u32 at = 0; m->entry_size >= sizeof(struct hvm_memory) && at + m->entry_size <= size; at += m->entry_size) {
		const struct hvm_memory *e = (const struct hvm_memory *)(entries + at);
		facts_memory_add(e->address, e->size, e->type);
	}
}

static void rsdp_read(const struct multiboot_tag *tag)
{
	size_t size = tag->size - sizeof(*tag);

	memcpy(rsdp_copy, tag + 1, size < RSDP_SIZE ? size : RSDP_SIZE);
	start_rsdp = (paddr_t)rsdp_copy;
}

static void tag_read(const struct multiboot_tag *tag, struct loader_facts *loader)
{
	const struct multiboot_module *module = (const struct multiboot_module *)tag;

	switch (tag->type) {
	case MULTIBOOT_COMMAND_LINE:
		loader->command_line = (const char *)(tag + 1);
		break;
	case MULTIBOOT_MODULE:
		if (loader->archive_size || module->end <= module->start)
			break;
		loader->archive = module->start;
		loader->archive_size = module->end - module->start;
		break;
	case MULTIBOOT_MEMORY:
		memory_read((const struct multiboot_memory *)tag);
		break;
	case MULTIBOOT_RSDP_OLD:
	case MULTIBOOT_RSDP:
		if (tag->type == MULTIBOOT_RSDP || !start_rsdp)
			rsdp_read(tag);
		break;
	}
}

bool facts_read_multiboot(const void *info)
{
	const u8 *base = info;
	const u32 size = ((const struct multiboot_info *)info)->size;
	struct loader_facts loader = { 0 };

	for (u32 at = sizeof(struct multiboot_info); at + sizeof(struct multiboot_tag) <= size;) {
		const struct multiboot_tag *tag = (const struct multiboot_tag *)(base + at);
		if (tag->type == MULTIBOOT_END || tag->size < sizeof(*tag))
			break;
		tag_read(tag, &loader);
		at += (u32)round_up(tag->size, 8);
	}
	return facts_set(&loader);
}
