/* Starts the other processors, one after the other, by INIT and STARTUP (Intel SDM volume 3, 8.4.4). */
#include <arch/image.h>
#include <arch/page.h>
#include <arch/time.h>
#include "acpi.h"
#include "apic.h"
#include "log.h"
#include "processor.h"
#include "startup.h"
#include "trap.h"

#define INIT_NANOS 10000ull          /* old boards want 10 ms; processors of this architecture's age want none */
#define STARTUP_NANOS 200000ull      /* then STARTUP is sent again */
#define ONLINE_NANOS 1000000000ull

extern const char smp_trampoline_start[], smp_trampoline_words[], smp_trampoline_end[];

struct smp_start { u64 root, stack; struct cpu *cpu; void (*entry)(struct cpu *cpu); };

static bool wait_online(const struct cpu *cpu, nanos_t nanos)
{
	const nanos_t end = arch_nanos() + nanos;

	/* Acquire: what the new processor wrote before it said so is seen. */
	while (!__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE)) {
		if (arch_nanos() > end)
			return false;
		arch_relax();
	}
	return true;
}

static bool processor_start(u32 apic_id)
{
	struct cpu *cpu = percpu_create(cpu_count);
	char *page = (char *)layout.physmap + ARCH_TRAMPOLINE;
	struct smp_start *words = (struct smp_start *)(page + (smp_trampoline_words - smp_trampoline_start));

	cpu->arch.apic_id = apic_id;
	__builtin_memcpy(page, smp_trampoline_start, (size_t)(smp_trampoline_end - smp_trampoline_start));
	*words = (struct smp_start){ boot_facts.image_start + (u64)((char *)boot_root - image_start), cpu->arch.core_stack, cpu, start_secondary };
	apic_command_send(apic_id, APIC_INIT);
	(void)wait_online(cpu, INIT_NANOS); /* time passes: it is not on line yet */
	apic_command_send(apic_id, APIC_STARTUP | ARCH_TRAMPOLINE >> PAGE_SHIFT);
	if (wait_online(cpu, STARTUP_NANOS))
		return true;
	apic_command_send(apic_id, APIC_STARTUP | ARCH_TRAMPOLINE >> PAGE_SHIFT);
	return wait_online(cpu, ONLINE_NANOS);
}

void ipi_arrived(void)
{
	/* Acquire: what the senders wrote before is seen. */
	u32 reasons = __atomic_exchange_n(&arch_cpu()->arch.ipi, 0, __ATOMIC_ACQUIRE);

	if (reasons & ARCH_IPI_STOP) {
		/* Release: what it did in the core is complete for who waits for it. */
		__atomic_store_n(&arch_cpu()->online, false, __ATOMIC_RELEASE);
		arch_cpu_halt();
	}
	if (reasons & ARCH_IPI_TLB)
		arch_tlb_serve();
	/* ARCH_IPI_RESCHEDULE: who sends it has said what to look at on the way out. */
}

noreturn_fn __attribute__((no_stack_protector)) void start_secondary(struct cpu *cpu)
{
	cr3_write(arch_kernel_root);
	percpu_load(cpu);
	idt_load();
	arch_cpu_features_init();
	apic_init();
	arch_timer_init();
	core_main_secondary();
}

void arch_smp_start(void)
{
	const u32 own = apic_id_own();

	for (u32 i = 0; i < acpi.processor_count && cpu_count < CPUS_MAX; i++) {
		if (acpi.processors[i] == own)
			continue;
		if (processor_start(acpi.processors[i]))
			cpu_count++;
		else
			core_log("processor with APIC id %u does not start", acpi.processors[i]);
	}
}
