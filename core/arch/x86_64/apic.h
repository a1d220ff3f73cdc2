/* The local interrupt controller, by memory or, as x2APIC, by MSR. */
#ifndef X86_64_APIC_H
#define X86_64_APIC_H

#include <tessera/types.h>

enum apic_register {
	APIC_ID = 0x20, APIC_TASK_PRIORITY = 0x80, APIC_END = 0xb0, APIC_SPURIOUS = 0xf0, APIC_IN_SERVICE = 0x100, APIC_COMMAND = 0x300, APIC_COMMAND_HIGH = 0x310,
	APIC_TIMER = 0x320, APIC_LINE0 = 0x350, APIC_LINE1 = 0x360, APIC_ERROR = 0x370,
	APIC_TIMER_START = 0x380, APIC_TIMER_NOW = 0x390, APIC_TIMER_DIVIDE = 0x3e0,
};
#define APIC_MASKED 0x10000u
#define APIC_NMI 0x400u
#define APIC_TIMER_DEADLINE 0x40000u

enum apic_command { APIC_FIXED = 0x4000, APIC_INIT = 0x4500, APIC_STARTUP = 0x4600, APIC_TO_SELF = 0x40000 };

void apic_init(void);             /* this processor's */
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 value);
void apic_command_send(u32 apic_id, u32 command);
u32 apic_id_own(void);
u32 apic_in_service(void);        /* the highest vector that was accepted and not ended, 0: none */
void apic_interrupt_self(void);   /* also from an NMI that came while a command was being written */

#endif
