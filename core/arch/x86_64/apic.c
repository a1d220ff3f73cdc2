/* The local interrupt controller: Intel SDM volume 3, chapter 11. */
#include <arch/cpu.h>
#include <arch/vectors.h>
#include "acpi.h"
#include "apic.h"
#include "assert.h"
#include "features.h"
#include "processor.h"
#include "startup.h"

#define APIC_BASE_ENABLE 0x800ull
#define APIC_BASE_X2 0x400ull
#define APIC_SOFTWARE_ENABLE 0x100
#define APIC_COMMAND_PENDING 0x1000
#define X2APIC_COMMAND 0x830

static volatile u32 *registers; /* NULL: x2APIC */

u32 apic_read(u32 reg)
{
	return registers ? registers[reg / 4] : (u32)msr_read(MSR_X2APIC + reg / 16);
}

void apic_write(u32 reg, u32 value)
{
	if (registers)
		registers[reg / 4] = value;
	else
		msr_write(MSR_X2APIC + reg / 16, value);
}

u32 apic_id_own(void) { return registers ? apic_read(APIC_ID) >> 24 : apic_read(APIC_ID); }

void apic_command_send(u32 apic_id, u32 command)
{
	if (!registers) {
		/* The MSR write does not order earlier stores, which the target is to see (Intel SDM 11.12.3). */
		__asm__ volatile("mfence; lfence" : : : "memory");
		msr_write(X2APIC_COMMAND, (u64)apic_id << 32 | command);
		return;
	}
	while (apic_read(APIC_COMMAND) & APIC_COMMAND_PENDING)
		arch_relax();
	apic_write(APIC_COMMAND_HIGH, apic_id << 24);
	apic_write(APIC_COMMAND, command);
}

void apic_init(void)
{
	u64 base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	if (features.x2apic) {
		msr_write(MSR_APIC_BASE, base | APIC_BASE_X2);
	} else if (!registers) {
		registers = map_device(acpi.local_apic, PAGE_SIZE);
		core_assert(registers);
		msr_write(MSR_APIC_BASE, base);
	}
	apic_write(APIC_TASK_PRIORITY, 0);
	apic_write(APIC_LINE0, APIC_MASKED);
	apic_write(APIC_LINE1, APIC_NMI);
	apic_write(APIC_ERROR, APIC_MASKED);
	apic_write(APIC_TIMER, APIC_MASKED);
	apic_write(APIC_SPURIOUS, APIC_SOFTWARE_ENABLE | ARCH_VECTOR_SPURIOUS);
}

/* The shorthand leaves the written destination alone. */
void apic_interrupt_self(void) { apic_write(APIC_COMMAND, APIC_FIXED | APIC_TO_SELF | ARCH_VECTOR_IPI); }

u32 apic_in_service(void)
{
	for (u32 word = 8; word-- > 0;) {
		u32 bits = apic_read(APIC_IN_SERVICE + 16 * word);
		if (bits)
			return 32 * word + 31 - (u32)__builtin_clz(bits);
	}
	return 0;
}

void arch_ipi_send(u32 id, u32 reason)
{
	struct cpu *cpu = cpus[id];

	/* Release: what the sender wrote before is seen by the receiver, which takes the reasons with acquire. Others may have set some. */
	u32 before = __atomic_fetch_or(&cpu->arch.ipi, reason, __ATOMIC_RELEASE);
	if (!before)
		apic_command_send(cpu->arch.apic_id, APIC_FIXED | ARCH_VECTOR_IPI);
}
