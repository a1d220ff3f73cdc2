/* The order in which the core comes up. Everything that depends on the machine stands behind the architecture's contract. */
#include <arch/boot.h>
#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/time.h>
#include "cpu.h"
#include "domain.h"
#include "frame.h"
#include "log.h"
#include "option.h"
#include "sched.h"
#include "wait.h"

struct cpu *cpus[CPUS_MAX];
u32 cpu_count;

/* This processor can be woken, scheduled and interrupted from here on. */
static void processor_online(struct cpu *cpu)
{
	sched_init_cpu(cpu);
	/* Release: who sees the flag sees what was set up before. */
	__atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
}

noreturn_fn void core_main(void)
{
	if (option_given("quiet"))
		arch_console_share(false); /* the console is the program's alone; the log goes to the report channel, a panic to both */
	core_log("tessera: profile %s, %lu MiB, archive %lu KiB", boot_manifest.profile, frame_boot_bytes() >> 20, boot_facts.archive_size >> 10);
	frame_init();
	arch_boot_platform();
	arch_irq_init();
	arch_time_init();
	arch_timer_init();
	wait_init();
	cpu_count = 1;
	processor_online(arch_cpu());
	arch_smp_start();
	core_log("processors: %u", cpu_count);
	domain_load_all();
	start_run();
}

noreturn_fn void core_main_secondary(void)
{
	processor_online(arch_cpu());
	arch_resume();
}
