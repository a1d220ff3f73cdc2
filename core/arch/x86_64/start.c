/*
 * From the loader to core_main. start_early: facts, slide, relocation, the final kernel root; start_high: the boot processor itself.
 */
#include <arch/image.h>
#include <arch/page.h>
#include <arch/time.h>
#include "acpi.h"
#include "apic.h"
#include "assert.h"
#include "features.h"
#include "processor.h"
#include "startup.h"

#define CPUID_SMAP (1u << 20)

u64 start_counter;
static arch_core_readonly u8 interrupt_table[PAGE_SIZE];

static noreturn_fn void start_high(void);

/* The early root serves the jump to the final addresses, on every processor. */
static void kernel_slots_copy(const u64 *root)
{
	for (u32 slot = 256; slot < 512; slot++)
		boot_root[slot] = root[slot];
}

static void image_part_map(const char *start, const char *end, u64 flags)
{
	map_range(ARCH_IMAGE + layout.slide + (u64)(start - image_start), (paddr_t)start, (u64)(end - start), flags);
}

static void image_map(void)
{
	image_part_map(text_start, rodata_start, ARCH_PAGE_EXECUTE | ARCH_PAGE_KEY(ARCH_KEY_CORE));
	image_part_map(rodata_start, data_start, ARCH_PAGE_KEY(ARCH_KEY_CORE));
	image_part_map(data_start, core_ro_start, ARCH_PAGE_WRITE | ARCH_PAGE_KEY(ARCH_KEY_CORE));
	image_part_map(core_ro_start, core_ro_end, ARCH_PAGE_WRITE | ARCH_PAGE_KEY(ARCH_KEY_CORE_RO));
	image_part_map(core_ro_end, image_end, ARCH_PAGE_WRITE | ARCH_PAGE_KEY(ARCH_KEY_CORE));
}

/* In the map of all memory, too, what is not data can't be written. The image's 2 MiB pages are split for that. */
static void physmap_image_map(void)
{
	paddr_t start = (paddr_t)image_start, data = (paddr_t)data_start, end = round_up((paddr_t)image_end, LARGE_SIZE);

	map_range(layout.physmap + start, start, data - start, ARCH_PAGE_KEY(ARCH_KEY_CORE));
	map_range(layout.physmap + data, data, end - data, ARCH_PAGE_WRITE | ARCH_PAGE_KEY(ARCH_KEY_CORE));
}

/* All RAM, rounded out to 2 MiB: firmware tables often lie beside it. */
static void physmap_map(void)
{
	const struct hvm_memory *memory = memory_map;

	for (u32 i = 0; i < memory_map_count; i++) {
		paddr_t at = round_down(memory[i].address, LARGE_SIZE), end = round_up(memory[i].address + memory[i].size, LARGE_SIZE);
		if (memory[i].type != HVM_MEMORY_RAM && memory[i].type != HVM_MEMORY_ACPI && memory[i].type != HVM_MEMORY_NVS)
			continue;
		if (end > PHYSMAP_LIMIT)
			end = PHYSMAP_LIMIT;
		while (at < end) {
			bool present = map_present(layout.physmap + at);
			u64 size = !present && at % HUGE_SIZE == 0 && end - at >= HUGE_SIZE ? HUGE_SIZE : LARGE_SIZE;
			if (!present)
				map_range(layout.physmap + at, at, size, ARCH_PAGE_WRITE | ARCH_PAGE_KEY(ARCH_KEY_CORE));
			at += size;
		}
	}
}

/* Without SMAP its instructions do not exist: a NOP of the same length takes their places. */
static void user_access_patch(void)
{
	static const char nop[3] = { 0x0f, 0x1f, 0x00 };

	if (cpuid_read(0, 0).eax >= 7 && cpuid_read(7, 0).ebx & CPUID_SMAP)
		return;
	for (const i32 *site = user_access_start; site < user_access_end; site++)
		__builtin_memcpy((char *)site + *site, nop, sizeof(nop));
}

noreturn_fn __attribute__((no_stack_protector)) void start_early(const void *info, bool multiboot)
{
	start_counter = arch_counter();
	if (multiboot ? !facts_read_multiboot(info) : !facts_read(info))
		core_fail("the loader gave no memory map");
	layout_choose();
	__stack_chk_guard = arch_entropy() & ~0xffull; /* a zero byte stops string functions */
	layout_apply();
	user_access_patch();

	arch_kernel_root = map_page_take();
	image_map();
	physmap_image_map();
	physmap_map();
	kernel_slots_copy((const u64 *)arch_kernel_root);

	/* The same place in the final mapping: the early root has it now, beside the identity map. */
	u64 high = ARCH_IMAGE + layout.slide + ((u64)start_high - (u64)image_start);
	u64 stack = ARCH_IMAGE + layout.slide + ((u64)boot_stack_top - (u64)image_start);
	void (*leave)(u64, u64, u64) = (void (*)(u64, u64, u64))(ARCH_IMAGE + layout.slide + ((u64)start_leave - (u64)image_start));
	cr3_write((u64)boot_root);
	leave(arch_kernel_root, stack, high);
	__builtin_unreachable();
}

static noreturn_fn void start_high(void)
{
	map_stage = MAP_HIGH;
	layout_slots_prepare();
	kernel_slots_copy((const u64 *)(layout.physmap + arch_kernel_root));
	struct cpu *cpu = percpu_create(0);
	percpu_load(cpu);
	arch_cpu_features_init();
	idt_init(interrupt_table);
	start_leave(arch_kernel_root, cpu->arch.core_stack, core_main);
}

void arch_boot_platform(void)
{
	map_stage = MAP_FRAMES;
	acpi_init();
	apic_init();
	arch_cpu()->arch.apic_id = apic_id_own();
	features_report();
	layout_report();
}
