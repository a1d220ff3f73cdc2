/* Polled output of the core: a 16550 at 0x3f8 until a unit drives it, and the report channel, QEMU's debug console at 0xe9. Units' ports. */
#include <arch/boot.h>
#include <arch/irq.h>
#include "processor.h"

#define REPORT_PORT 0xe9
#define REPORT_PRESENT 0xe9       /* what reading the port gives when the device is there */
#define UART 0x3f8
#define UART_PORTS 8
#define UART_LINE_CONTROL (UART + 3)
#define UART_MODEM_CONTROL (UART + 4)
#define UART_LINE_STATUS (UART + 5)
#define UART_SCRATCH (UART + 7)
#define UART_READY 0x20
#define UART_TRIES 100000

static bool console_found, report_present, uart_present, uart_shared = true;

static void console_find(void)
{
	console_found = true;
	report_present = port_read8(REPORT_PORT) == REPORT_PRESENT;
	port_write8(UART_SCRATCH, 0x5a);
	uart_present = port_read8(UART_SCRATCH) == 0x5a;
	if (!uart_present)
		return;
	port_write8(UART + 1, 0);                /* no interrupts */
	port_write8(UART_LINE_CONTROL, 0x80);    /* divisor */
	port_write8(UART, 1);                    /* 115,200 baud */
	port_write8(UART + 1, 0);
	port_write8(UART_LINE_CONTROL, 0x03);    /* 8 bits, no parity, one stop bit */
	port_write8(UART + 2, 0x07);             /* queues on and empty */
	port_write8(UART_MODEM_CONTROL, 0x03);
}

static void uart_write(char c)
{
	for (u32 i = 0; i < UART_TRIES && !(port_read8(UART_LINE_STATUS) & UART_READY); i++)
		;
	port_write8(UART, (u8)c);
}

void arch_console_write(const char *text, size_t length)
{
	if (!console_found)
		console_find();
	if (report_present)
		port_write_string(REPORT_PORT, text, length);
	for (size_t i = 0; uart_present && uart_shared && i < length; i++) {
		if (text[i] == '\n')
			uart_write('\r');
		uart_write(text[i]);
	}
}

void arch_console_share(bool uart)
{
	uart_shared = uart;
}

u32 arch_port_read(u16 port, u32 width)
{
	return width == 1 ? port_read8(port) : width == 2 ? port_read16(port) : port_read32(port);
}

void arch_port_write(u16 port, u32 width, u32 value)
{
	if (port >= UART && port < UART + UART_PORTS)
		arch_console_share(false); /* a unit drives it from now on */
	if (width == 1)
		port_write8(port, (u8)value);
	else if (width == 2)
		port_write16(port, (u16)value);
	else
		port_write32(port, value);
}
