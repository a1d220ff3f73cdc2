/* The console: a 16550 UART. It receives only while the discipline has room, so a sender who honours flow control loses nothing. */
#include "tty.h"

#define SERIAL_PORT 0x3f8u
#define SERIAL_LINE 4u
#define FIFO_SIZE 16u

enum uart_register { UART_DATA = 0, UART_INTERRUPTS = 1, UART_IDENTITY = 2, UART_FIFO = 2, UART_LINE = 3, UART_MODEM = 4, UART_STATUS = 5 };
enum uart_bits {
	INTERRUPT_RECEIVE = 1, INTERRUPT_TRANSMIT = 2, INTERRUPT_STATUS = 4,
	IDENTITY_NONE = 1,
	STATUS_DATA = 1, STATUS_PARITY = 4, STATUS_FRAMING = 8, STATUS_BREAK = 16, STATUS_ROOM = 32, STATUS_EMPTY = 64,
	LINE_DIVISOR = 0x80, LINE_8N1 = 3,
	FIFO_ON = 7,
	MODEM_ON = 0x0b, /* DTR, RTS, and OUT2, which lets interrupts through */
};

struct terminal serial_terminal;
static vaddr_t ports, interrupt_line;
static volatile u32 interrupts;
static u32 enabled;   /* of UART_INTERRUPTS; under the terminal's lock */

static u32 uart_get(u32 index)
{
	long value = tk_port_read(ports, index, 1);

	return value < 0 ? 0 : (u32)value;
}

static void uart_set(u32 index, u32 value)
{
	(void)tk_port_write(ports, index, 1, value);
}

static void interrupts_set(u32 bits)
{
	if (bits == enabled)
		return;
	enabled = bits;
	uart_set(UART_INTERRUPTS, bits);
}

/* Fills the FIFO while it takes characters; what is left goes when it interrupts. */
static void serial_transmit(struct terminal *t)
{
	u8 c;

	while (!t->stopped && output_count(t)) {
		if (!(uart_get(UART_STATUS) & STATUS_ROOM)) {
			interrupts_set(enabled | INTERRUPT_TRANSMIT);
			return;
		}
		for (u32 i = 0; i < FIFO_SIZE && output_get(t, &c); i++)
			uart_set(UART_DATA, c);
	}
	if (!t->drain_waits || uart_get(UART_STATUS) & STATUS_EMPTY)
		interrupts_set(enabled & ~(u32)INTERRUPT_TRANSMIT);
}

static void serial_input_room(struct terminal *t)
{
	if (input_room(t))
		interrupts_set(enabled | INTERRUPT_RECEIVE | INTERRUPT_STATUS);
}

static bool serial_drained(struct terminal *t)
{
	if (output_count(t))
		return false;
	if (uart_get(UART_STATUS) & STATUS_EMPTY)
		return true;
	interrupts_set(enabled | INTERRUPT_TRANSMIT);
	return false;
}

static void serial_settings(struct terminal *t)
{
	u32 speed = t->termios.c_ospeed, divisor = speed ? 115200 / speed : 1;

	if (divisor == 0)
		divisor = 1;
	uart_set(UART_LINE, LINE_DIVISOR | LINE_8N1);
	uart_set(UART_DATA, divisor & 0xff);
	uart_set(UART_INTERRUPTS, divisor >> 8 & 0xff);
	uart_set(UART_LINE, LINE_8N1 | (t->termios.c_cflag & CSTOPB ? 4 : 0));
	uart_set(UART_INTERRUPTS, enabled);
	uart_set(UART_MODEM, speed ? MODEM_ON : MODEM_ON & ~1u); /* speed 0 drops DTR */
}

static const struct terminal_driver serial_driver = {
	.transmit = serial_transmit,
	.input_room = serial_input_room,
	.drained = serial_drained,
	.settings = serial_settings,
	.modem = true,
};

/* Takes what came, until the FIFO is empty or the discipline full. The lock is held. */
static void serial_receive(struct terminal *t)
{
	u32 input_head = t->input_head, line_head = t->line_head, status;

	while ((status = uart_get(UART_STATUS)) & STATUS_DATA) {
		u8 c;

		if (input_room(t) == 0) {
			interrupts_set(enabled & ~(u32)(INTERRUPT_RECEIVE | INTERRUPT_STATUS));
			break;
		}
		c = (u8)uart_get(UART_DATA);
		if (status & STATUS_BREAK)
			input_receive_fault(t, c, INPUT_BREAK);
		else if (status & (STATUS_PARITY | STATUS_FRAMING))
			input_receive_fault(t, c, INPUT_PARITY);
		else
			(void)input_receive(t, c);
	}
	terminal_received(t, input_head, line_head);
}

void serial_serve(void)
{
	struct terminal *t = &serial_terminal;

	for (;;) {
		u32 seen = __atomic_load_n(&interrupts, __ATOMIC_ACQUIRE); /* before the device is looked at */

		/* The line is let through first: an interrupt that comes while the device is served counts again. */
		(void)tk_irq_ack(interrupt_line);
		do {
			lock_acquire(&t->lock);
			serial_receive(t);
			terminal_transmit(t); /* echoes too */
			lock_release(&t->lock);
			terminal_signals_send(t);
		} while (!(uart_get(UART_IDENTITY) & IDENTITY_NONE));
		(void)tk_wait(&interrupts, seen, NANOS_NEVER, TK_WAIT_NEVER_INTERRUPTED, ~0u);
	}
}

bool serial_init(void)
{
	struct terminal *t = &serial_terminal;

	for (u32 i = 0; i < rt_boot->token_count; i++) {
		const struct tk_boot_token *token = &rt_boot->tokens[i];

		if (token->type == TK_OBJECT_PORTS && token->data == SERIAL_PORT)
			ports = token->token;
		if (token->type == TK_OBJECT_IRQ && token->data == SERIAL_LINE)
			interrupt_line = token->token;
	}
	if (!ports || !interrupt_line || tk_irq_bind(interrupt_line, &interrupts) < 0)
		return false;
	if (!terminal_init(t, TTY_DEVICE_SERIAL, &serial_driver))
		return false;
	t->termios.c_cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL;
	t->termios.c_ispeed = t->termios.c_ospeed = 115200;
	uart_set(UART_FIFO, FIFO_ON);
	enabled = INTERRUPT_RECEIVE | INTERRUPT_STATUS;
	serial_settings(t);
	return true;
}
