/*
 * Where the areas of the kernel half lie in this boot. What needs top-level slots gets any two that are free, and begins within
 * one at a multiple of 2 MiB (the map of all memory: 1 GiB, for its large pages), both at random; the processors' areas move within theirs.
 */
#include <arch/domain.h>
#include <arch/image.h>
#include <elf64.h>
#include <tessera/arch.h>
#include <tessera/boot.h>
#include "log.h"
#include "option.h"
#include "startup.h"

#define SLOT_SIZE (1ull << 39)
#define PAIRS 126u                   /* of slots of the kernel half; the others are fixed: see <arch/layout.h> */
#define RECORDS_SIZE (1ull << 32)
#define PRIVATE_SIZE 0x3000200000ull /* of a unit, from its image to its clock */
#define IC2_ROOM (1ull << 44)
#define STACKS_SIZE ((u64)ARCH_UNITS_MAX * CPUS_MAX * ARCH_ENTRY_STACK_STRIDE)

struct layout layout = { 0, ARCH_PHYSMAP, ARCH_RECORDS, ARCH_ENTRY, ARCH_ENTRY_STACKS, ARCH_DEVICES };

extern const i32 moved_start[], moved_end[] __attribute__((visibility("hidden")));
extern const struct elf_relocation rela_start[], rela_end[] __attribute__((visibility("hidden")));
static struct arch_area areas[ARCH_UNITS_MAX];
static u64 pairs_taken[PAIRS / 64 + 1];

/* `nokaslr` on the command line, as on Linux: for debuggers, and for tests that must know addresses of the core. */
static bool layout_is_fixed(void) { return option_given("nokaslr"); }

/* A random multiple of `step` at which `size` bytes still end within `room`. */
static u64 place(u64 room, u64 size, u64 step)
{
	return arch_entropy() % ((room - size) / step + 1) * step;
}

/* The first address of two slots which follow each other and are nobody's so far. */
static vaddr_t slots_take(void)
{
	u64 pair;

	do
		pair = arch_entropy() % PAIRS;
	while (pairs_taken[pair / 64] >> (pair % 64) & 1);
	pairs_taken[pair / 64] |= 1ull << (pair % 64);
	return ARCH_KERNEL_HALF + pair * 2 * SLOT_SIZE;
}

void layout_choose(void)
{
	if (layout_is_fixed())
		return;
	layout.slide = place(HUGE_SIZE, round_up((u64)(image_end - image_start), LARGE_SIZE), LARGE_SIZE);
	layout.physmap = slots_take() + place(SLOT_SIZE, HUGE_SIZE, HUGE_SIZE);
	layout.records = slots_take() + place(SLOT_SIZE, RECORDS_SIZE, LARGE_SIZE);
	layout.entry += place(ARCH_ENTRY_STACKS - ARCH_ENTRY, CPUS_MAX * ARCH_ENTRY_STRIDE, LARGE_SIZE);
	layout.entry_stacks += place(ARCH_DEVICES - ARCH_ENTRY_STACKS, STACKS_SIZE, LARGE_SIZE);
	layout.devices += place(ARCH_DEVICES - ARCH_ENTRY_STACKS, DEVICES_SIZE, LARGE_SIZE);
}

void layout_apply(void)
{
	/* Only R_X86_64_RELATIVE occurs in a static PIE of hidden symbols (ELF x86-64 psABI, 4.4.1). */
	for (const struct elf_relocation *r = rela_start; r < rela_end; r++)
		if ((u32)r->info == ARCH_ELF_RELATIVE)
			*(u64 *)(image_start + (r->offset - ARCH_IMAGE)) = r->addend + layout.slide;
	for (const i32 *site = moved_start; site < moved_end; site++) {
		char *constant = (char *)site + *site;
		u64 base;
		__builtin_memcpy(&base, constant, sizeof(base));
		base = base == ARCH_PHYSMAP ? layout.physmap : base == ARCH_RECORDS ? layout.records : layout.entry;
		__builtin_memcpy(constant, &base, sizeof(base));
	}
}

/* The areas of a unit of class IC0 or IC1: the private one in its first slot, the window in its second. */
static void area_choose(u32 slot)
{
	const struct boot_ram *last = &boot_facts.ram[boot_facts.ram_count - 1];
	u64 window_size = round_up(last->start + last->size, HUGE_SIZE) + HUGE_SIZE; /* the archive may lie behind RAM */
	struct arch_area *a = &areas[slot];

	*a = (struct arch_area){ ARCH_KERNEL_UNIT_PRIVATE(slot), ARCH_KERNEL_UNIT_WINDOW(slot), 2 * SLOT_SIZE };
	if (!layout_is_fixed()) {
		vaddr_t first = slots_take();
		a->private = first + place(SLOT_SIZE, PRIVATE_SIZE, LARGE_SIZE);
		a->window = first + SLOT_SIZE + (window_size < SLOT_SIZE ? place(SLOT_SIZE, window_size, LARGE_SIZE) : 0);
		a->size = first + 2 * SLOT_SIZE - a->private;
	}
	map_prepare_slot(a->private);
	map_prepare_slot(a->window);
}

void layout_slots_prepare(void)
{
	u32 slots = 1;

	for (u32 i = 0; i < boot_manifest.unit_count; i++)
		slots += boot_manifest.units[i].class == 1;
	for (u32 slot = 0; slot < slots && slot < ARCH_UNITS_MAX; slot++)
		area_choose(slot);
	map_prepare_slot(layout.physmap);
	map_prepare_slot(layout.physmap + SLOT_SIZE - 1);
	map_prepare_slot(layout.records);
	map_prepare_slot(layout.entry);
}

void layout_report(void)
{
	if (option_given("layout"))
		core_log("layout: image 0x%lx physmap 0x%lx records 0x%lx entry 0x%lx stacks 0x%lx devices 0x%lx", ARCH_IMAGE + layout.slide,
			layout.physmap, layout.records, layout.entry, layout.entry_stacks, layout.devices);
}

struct arch_area arch_area_of(u32 class, u32 slot)
{
	if (class != 2)
		return areas[slot];
	if (layout_is_fixed())
		return (struct arch_area){ ARCH_IC2_PRIVATE, ARCH_IC2_WINDOW, 0 };
	return (struct arch_area){ ARCH_IC2_PRIVATE + place(IC2_ROOM, PRIVATE_SIZE, LARGE_SIZE),
		ARCH_IC2_WINDOW + place(IC2_ROOM, SLOT_SIZE, LARGE_SIZE), 0 };
}
