/* The interrupt descriptor table: one for all processors, on a page of its own that IC1 units can read. */
#include <arch/cpu.h>
#include <arch/selectors.h>
#include "startup.h"

struct gate_descriptor {
	u16 offset_low, selector;
	u8 stack, type;
	u16 offset_middle;
	u32 offset_high, reserved;
};

static struct gate_descriptor *idt;
#define GATES 256u
extern char vector_stubs[];

/* Interrupt gates (SDM volume 3, 6.14.1). Breakpoint and overflow may be raised by user code. */
void idt_init(void *page)
{
	idt = page;
	for (u32 v = 0; v < GATES; v++) {
		u64 offset = (u64)vector_stubs + 32 * v;
		bool fatal = v == 2 || v == 8 || v == 18;
		idt[v] = (struct gate_descriptor){ (u16)offset, ARCH_SELECTOR_CORE_CODE, fatal ? ARCH_IST_FATAL : 0,
			v == 3 || v == 4 ? 0xee : 0x8e, (u16)(offset >> 16), (u32)(offset >> 32), 0 };
	}
	idt_load();
}

void idt_load(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) descriptor = { GATES * sizeof(*idt) - 1, (u64)idt };
	__asm__ volatile("lidt %0" : : "m"(descriptor));
}
