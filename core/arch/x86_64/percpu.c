/* The entry area of each processor: GDT and TSS in its core-ro page, struct cpu, core stack, stack for NMI, #MC and #DF. */
#include <stddef.h>
#include <arch/selectors.h>
#include <arch/context.h>
#include <arch/page.h>
#include "../../domain.h"
#include "processor.h"
#include "startup.h"

#define GDT_TSS 0x0000890000000000ull
#define TSS_SIZE 104
#define TSS_PORT_MAP 102        /* offset of the port bitmap's offset; there is none */

_Static_assert(sizeof(struct cpu) <= 2 * PAGE_SIZE, "two pages of the entry area");
_Static_assert(sizeof(struct arch_entry_page) <= PAGE_SIZE, "one page");

static void area_map(vaddr_t start, vaddr_t end, u32 key)
{
	for (; start < end; start += PAGE_SIZE)
		map_range(start, map_page_take(), PAGE_SIZE, ARCH_PAGE_WRITE | ARCH_PAGE_KEY(key));
}

/* Accessed bits are set already, so that the processor never writes to the table. */
static const u64 segments[sizeof(((struct arch_entry_page *)0)->gdt) / 8] = {
	[ARCH_SELECTOR_CORE_CODE / 8] = 0x00af9b000000ffffull, [ARCH_SELECTOR_CORE_DATA / 8] = 0x00cf93000000ffffull,
	[ARCH_SELECTOR_UNIT_CODE / 8] = 0x00afbb000000ffffull, [ARCH_SELECTOR_UNIT_DATA / 8] = 0x00cfb3000000ffffull,
	[ARCH_SELECTOR_USER_CODE / 8] = 0x00affb000000ffffull, [ARCH_SELECTOR_USER_DATA / 8] = 0x00cff3000000ffffull,
};

static void entry_page_fill(struct arch_entry_page *page, u64 stack, u64 fatal_stack)
{
	u64 tss = (u64)page->tss;
	u16 port_map = TSS_SIZE;

	__builtin_memcpy(page->gdt, segments, sizeof(segments));
	page->gdt[ARCH_SELECTOR_TSS / 8] = GDT_TSS | (TSS_SIZE - 1) | (tss & 0xffffff) << 16 | (tss >> 24 & 0xff) << 56;
	page->gdt[ARCH_SELECTOR_TSS / 8 + 1] = tss >> 32;
	__builtin_memcpy(page->tss + ARCH_TSS_RSP0, &stack, 8);
	__builtin_memcpy(page->tss + ARCH_TSS_IST1, &fatal_stack, 8);
	__builtin_memcpy(page->tss + TSS_PORT_MAP, &port_map, 2);
}

struct cpu *percpu_create(u32 id)
{
	vaddr_t area = layout.entry + (u64)id * ARCH_ENTRY_STRIDE;
	struct arch_entry_page *page = (struct arch_entry_page *)area;
	struct cpu *cpu = (struct cpu *)(area + ARCH_ENTRY_CPU);

	area_map(area, area + PAGE_SIZE, ARCH_KEY_CORE_RO);
	area_map(area + ARCH_ENTRY_CPU, area + ARCH_ENTRY_CPU + 2 * PAGE_SIZE, ARCH_KEY_CORE);
	area_map(area + ARCH_ENTRY_STACK_TOP - 4 * PAGE_SIZE, area + ARCH_ENTRY_STACK_TOP, ARCH_KEY_CORE);
	area_map(area + ARCH_ENTRY_FATAL_TOP - ARCH_ENTRY_FATAL_SIZE, area + ARCH_ENTRY_FATAL_TOP, ARCH_KEY_CORE);
	entry_page_fill(page, area + ARCH_ENTRY_STACK_TOP, area + ARCH_ENTRY_FATAL_TOP);
	cpu->arch.entry = page;
	cpu->arch.core_stack = area + ARCH_ENTRY_STACK_TOP;
	cpu->arch.fatal_stack = area + ARCH_ENTRY_FATAL_TOP;
	cpu->arch.processor = id;
	cpu->id = id;
	cpus[id] = cpu;
	return cpu;
}

/* IA32_PKRS of an IC1 unit: its own key open, core-ro readable, all else closed (two bits a key: 1 no access, 2 no write). */
static u32 key_rights_of(u32 key)
{
	u32 rights = 0x55555555;

	rights &= ~(3u << (2 * key));
	rights &= ~(3u << (2 * ARCH_KEY_CORE_RO));
	return rights | 2u << (2 * ARCH_KEY_CORE_RO);
}

void arch_domain_init(struct domain *d)
{
	u32 slot = d->arch.slot;

	d->arch.way = d->class == 0 ? ARCH_WAY_CORE : d->class == 2 ? ARCH_WAY_USER : arch_has_keys ? ARCH_WAY_KEYS : ARCH_WAY_ROOTS;
	if (d->class != 1)
		return;
	d->arch.crossing = offsetof(struct arch_entry_page, units) + slot * sizeof(struct arch_crossing);
	for (u32 id = 0; id < cpu_count; id++) {
		u64 stack = layout.entry_stacks + (u64)(slot * CPUS_MAX + id) * ARCH_ENTRY_STACK_STRIDE;
		area_map(stack, stack + PAGE_SIZE, ARCH_KEY_UNIT(slot));
		cpus[id]->arch.entry->units[slot] = (struct arch_crossing){
			.enter = { .rip = d->entry, .cs = ARCH_SELECTOR_UNIT_CODE, .rflags = ARCH_FLAGS_FIXED, .ss = ARCH_SELECTOR_UNIT_DATA },
			.back = { .cs = ARCH_SELECTOR_UNIT_CODE, .ss = ARCH_SELECTOR_UNIT_DATA },
			.close = arch_has_keys ? key_rights_of(d->arch.key) : d->arch.root,
			.ist1 = stack + PAGE_SIZE / 2, .rsp0 = stack + PAGE_SIZE,
		};
	}
	if (!arch_has_keys)
		root_init_unit(d->arch.root, slot);
}

void percpu_load(struct cpu *cpu)
{
	struct __attribute__((packed)) { u16 limit; u64 base; } gdt = { sizeof(cpu->arch.entry->gdt) - 1, (u64)cpu->arch.entry->gdt };

	__asm__ volatile("lgdt %0" : : "m"(gdt));
	/* A far return loads CS; the other segments count for nothing in 64-bit mode but must not name what the table lacks. */
	__asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" : : "i"(ARCH_SELECTOR_CORE_CODE) : "rax", "memory");
	__asm__ volatile("mov %0, %%ss; mov %1, %%ds; mov %1, %%es; mov %1, %%fs; mov %1, %%gs"
		: : "r"(ARCH_SELECTOR_CORE_DATA), "r"(0));
	__asm__ volatile("ltr %w0" : : "r"(ARCH_SELECTOR_TSS));
	/* No local descriptors: at reset the table is said to lie at address 0, where a program could put gates. */
	__asm__ volatile("lldt %w0" : : "r"(0));
	msr_write(MSR_GS_BASE, (u64)cpu->arch.entry);
	cpu->arch.root = arch_kernel_root;
}

void arch_cpu_poll(void) { __asm__ volatile("sti; nop; cli" : : : "memory"); }

void arch_cpu_idle(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

noreturn_fn void arch_cpu_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}
