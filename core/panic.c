/* The end of the core: a line, the other processors stopped, the machine off. Also what the compiler's stack protector calls. */
#include <arch/boot.h>
#include <arch/cpu.h>
#include <tessera/call.h>
#include "assert.h"
#include "cpu.h"
#include "log.h"

#define PANIC_STATUS 125

__attribute__((used)) u64 __stack_chk_guard;
noreturn_fn void __stack_chk_fail(void);

noreturn_fn void core_panic(const char *file, int line, const char *what)
{
	static bool panicking;

	/* Only the first processor here speaks; relaxed, as nothing is handed over. A second panic on the way is only a halt. */
	if (__atomic_exchange_n(&panicking, true, __ATOMIC_RELAXED))
		arch_cpu_halt();
	core_log_force();
	for (u32 i = 0; i < cpu_count; i++)
		if (cpus[i]->online && cpus[i] != arch_cpu())
			arch_ipi_send(i, ARCH_IPI_STOP);
	core_log("tessera: panic: %s:%d: %s", file, line, what);
	arch_power(TK_POWER_PANIC, PANIC_STATUS);
}

__attribute__((used)) noreturn_fn void __stack_chk_fail(void)
{
	core_fail("stack overwritten");
}
