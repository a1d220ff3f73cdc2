/* The end of the core: a line, the other processors stopped, the machine off. Also what the compiler's stack protector calls. */
#include <stdarg.h>
#include <text.h>
#include <arch/boot.h>
#include <arch/cpu.h>
#include <tessera/call.h>
#include "assert.h"
#include "cpu.h"
#include "log.h"

#define PANIC_STATUS 125
#define PANIC_LINE 200

__attribute__((used)) u64 __stack_chk_guard;
noreturn_fn void __stack_chk_fail(void);

noreturn_fn void core_panic(const char *format, ...)
{
	char line[PANIC_LINE];
	va_list args;
	static bool panicking;

	/* Only the first processor here speaks; relaxed, as nothing is handed over. A second panic on the way is only a halt. */
	if (__atomic_exchange_n(&panicking, true, __ATOMIC_RELAXED))
		arch_cpu_halt();
	core_log_force();
	for (u32 i = 0; i < cpu_count; i++)
		if (cpus[i]->online && cpus[i] != arch_cpu())
			arch_ipi_send(i, ARCH_IPI_STOP);
	va_start(args, format);
	format_text_va(line, sizeof(line), format, args);
	va_end(args);
	core_log("tessera: panic: %s", line);
	arch_power(TK_POWER_PANIC, PANIC_STATUS);
}

__attribute__((used)) noreturn_fn void __stack_chk_fail(void)
{
	core_fail("stack overwritten");
}
