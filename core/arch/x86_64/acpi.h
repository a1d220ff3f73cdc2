/* What the firmware's ACPI tables say. Firmware is trusted, but lengths are kept within their tables. */
#ifndef X86_64_ACPI_H
#define X86_64_ACPI_H

#include <tessera/types.h>
#include "cpu.h"

#define ACPI_OVERRIDES_MAX 16
#define ACPI_CONTROLLERS_MAX 4

struct acpi_override { u8 line; bool low, level; u32 input; };
struct acpi_controller { u32 address, input_base; };

struct acpi_facts {
	u32 processors[CPUS_MAX];     /* local APIC ids */
	u32 processor_count;
	u32 local_apic;               /* physical address */
	struct acpi_controller controllers[ACPI_CONTROLLERS_MAX];
	u32 controller_count;
	struct acpi_override overrides[ACPI_OVERRIDES_MAX];
	u32 override_count;
	u16 timer_port;               /* power-management timer, 0 none */
	u16 control_a, control_b;     /* PM1 control ports, 0 none */
	bool sleep_known;
	u8 sleep_a, sleep_b;          /* sleep types of S5 */
	volatile u8 *sleep_register;  /* of machines without those ports; NULL: none */
	u16 reset_port;               /* 0: none */
	volatile u8 *reset_register;  /* in memory; NULL: none */
	u8 reset_value;
};
extern struct acpi_facts acpi;

void acpi_init(void);

#endif
