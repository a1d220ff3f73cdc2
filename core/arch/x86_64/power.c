/* Off and reset: by ACPI (S5, reset register), else by what QEMU and old PCs have. The result is told on the report channel first. */
#include <arch/boot.h>
#include <arch/cpu.h>
#include <tessera/call.h>
#include "acpi.h"
#include "log.h"
#include "processor.h"

#define SLEEP_ENABLE 0x2000
#define SLEEP_TYPE_SHIFT 10
#define SLEEP_REGISTER_ENABLE 0x20
#define SLEEP_REGISTER_TYPE_SHIFT 2
#define DEBUG_EXIT 0xf4          /* QEMU's isa-debug-exit: the machine ends with status value * 2 + 1 */
#define QEMU_CONTROL 0x604
#define RESET_CONTROL 0xcf9
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define WAIT_ROUNDS 100000       /* reads of a port, each about a microsecond */

static void wait_a_moment(void)
{
	for (u32 i = 0; i < WAIT_ROUNDS; i++)
		(void)port_read8(0x80);
}

static void machine_off(u32 status)
{
	if (acpi.sleep_known && acpi.control_a) {
		port_write16(acpi.control_a, (u16)(acpi.sleep_a << SLEEP_TYPE_SHIFT | SLEEP_ENABLE));
		if (acpi.control_b)
			port_write16(acpi.control_b, (u16)(acpi.sleep_b << SLEEP_TYPE_SHIFT | SLEEP_ENABLE));
		wait_a_moment();
	}
	if (acpi.sleep_known && acpi.sleep_register) {
		*acpi.sleep_register = (u8)(acpi.sleep_a << SLEEP_REGISTER_TYPE_SHIFT | SLEEP_REGISTER_ENABLE);
		wait_a_moment();
	}
	port_write32(DEBUG_EXIT, status);
	port_write16(QEMU_CONTROL, SLEEP_ENABLE);
	wait_a_moment();
}

static void machine_reset(void)
{
	if (acpi.reset_port)
		port_write8(acpi.reset_port, acpi.reset_value);
	if (acpi.reset_register)
		*acpi.reset_register = acpi.reset_value;
	wait_a_moment();
	port_write8(RESET_CONTROL, 0x02);
	port_write8(RESET_CONTROL, 0x06);
	wait_a_moment();
	port_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
	wait_a_moment();
}

noreturn_fn void arch_power(u32 how, u32 status)
{
	__asm__ volatile("cli");
	if (how == TK_POWER_RESET) {
		core_log("tessera: reset");
		machine_reset();
	} else {
		if (how == TK_POWER_OFF)
			core_log("tessera: exit %u", status & 0xff);
		machine_off(status & 0xff);
	}
	core_log("tessera: the machine does not turn off; halted");
	arch_cpu_halt();
}
