/* I/O interrupt controllers: ISA lines routed by the overrides of ACPI, all to the boot processor. The two 8259 are masked. */
#include <arch/irq.h>
#include <arch/vectors.h>
#include "acpi.h"
#include "apic.h"
#include "processor.h"
#include "spinlock.h"
#include "startup.h"

#define PIC_MASTER_DATA 0x21
#define PIC_SLAVE_DATA 0xa1
#define IOAPIC_VERSION 0x01
#define IOAPIC_ENTRY(input) (0x10 + 2 * (input))
#define ENTRY_MASKED 0x10000u
#define ENTRY_LEVEL 0x8000u
#define ENTRY_LOW 0x2000u

struct route { volatile u32 *registers; u32 input, flags; bool open; };

static struct route routes[ARCH_LINES];
static struct spinlock ioapic_lock; /* select and window registers are a pair */

static u32 ioapic_read(volatile u32 *registers, u32 index)
{
	registers[0] = index;
	return registers[4];
}

static void ioapic_write(volatile u32 *registers, u32 index, u32 value)
{
	registers[0] = index;
	registers[4] = value;
}

static void line_write(u32 line, bool open)
{
	struct route *r = &routes[line];

	spin_lock(&ioapic_lock);
	if (r->registers && r->open != open)
		ioapic_write(r->registers, IOAPIC_ENTRY(r->input), r->flags | (ARCH_VECTOR_LINE_FIRST + line) | (open ? 0 : ENTRY_MASKED));
	r->open = open;
	spin_unlock(&ioapic_lock);
}

void arch_irq_mask(u32 line)
{
	if (line < ARCH_LINES && routes[line].flags & ENTRY_LEVEL)
		line_write(line, false);
}

void arch_irq_unmask(u32 line)
{
	if (line < ARCH_LINES)
		line_write(line, true);
}

void arch_irq_end(void) { apic_write(APIC_END, 0); }

u32 arch_irq_line(u32 vector)
{
	return vector - ARCH_VECTOR_LINE_FIRST < ARCH_LINES ? vector - ARCH_VECTOR_LINE_FIRST : ~0u;
}

static void line_route(u32 line, volatile u32 *const *controllers, const u32 *inputs)
{
	struct acpi_override o = { .line = (u8)line, .input = line };

	for (u32 i = 0; i < acpi.override_count; i++)
		if (acpi.overrides[i].line == line)
			o = acpi.overrides[i];
	for (u32 i = 0; i < acpi.controller_count; i++) {
		u32 base = acpi.controllers[i].input_base;
		if (!controllers[i] || o.input < base || o.input - base >= inputs[i])
			continue;
		routes[line] = (struct route){ controllers[i], o.input - base, (o.low ? ENTRY_LOW : 0) | (o.level ? ENTRY_LEVEL : 0), true };
		ioapic_write(controllers[i], IOAPIC_ENTRY(o.input - base) + 1, cpus[0]->arch.apic_id << 24);
		line_write(line, false);
		return;
	}
}

void arch_irq_init(void)
{
	volatile u32 *controllers[ACPI_CONTROLLERS_MAX] = { 0 };
	u32 inputs[ACPI_CONTROLLERS_MAX] = { 0 };

	port_write8(PIC_MASTER_DATA, 0xff);
	port_write8(PIC_SLAVE_DATA, 0xff);
	for (u32 i = 0; i < acpi.controller_count; i++) {
		controllers[i] = map_device(acpi.controllers[i].address, PAGE_SIZE);
		if (!controllers[i])
			continue;
		inputs[i] = (ioapic_read(controllers[i], IOAPIC_VERSION) >> 16 & 0xff) + 1;
		for (u32 input = 0; input < inputs[i]; input++)
			ioapic_write(controllers[i], IOAPIC_ENTRY(input), ENTRY_MASKED);
	}
	for (u32 line = 0; line < ARCH_LINES; line++)
		line_route(line, controllers, inputs);
}
