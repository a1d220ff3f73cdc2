/* What all terminals have: their start, readiness, flushing, and sending signals. */
#include "tty.h"
#include <proc_client.h>

static const struct linux_termios2 termios_initial = {
	.c_iflag = ICRNL | IXON,
	.c_oflag = OPOST | ONLCR,
	.c_cflag = B38400 | CS8 | CREAD | HUPCL,
	.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	.c_cc = {
		[VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1, [VSTART] = 17, [VSTOP] = 19,
		[VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22,
	},
	.c_ispeed = 38400,
	.c_ospeed = 38400,
};

bool terminal_init(struct terminal *t, u32 device, const struct terminal_driver *driver)
{
	t->device = device;
	t->driver = driver;
	t->termios = termios_initial;
	t->word = pollword_alloc();
	if (t->word)
		terminal_update(t, false);
	return t->word != NULL;
}

u32 terminal_level(struct terminal *t)
{
	u32 level = t->gone ? POLL_READABLE | POLL_WRITABLE | POLLERR | POLLHUP : 0;

	if (input_ready(t, true))
		level |= POLL_READABLE;
	if (output_count(t) < OUTPUT_LOW)
		level |= POLL_WRITABLE;
	return level;
}

void terminal_update(struct terminal *t, bool happened)
{
	u32 level = terminal_level(t);

	if (happened)
		pollword_event(t->word, level);
	else
		pollword_set(t->word, level);
}

void terminal_received(struct terminal *t, u32 input_head, u32 line_head)
{
	terminal_update(t, canonical(t) ? t->line_head != line_head : t->input_head != input_head);
}

void terminal_transmit(struct terminal *t)
{
	bool drained;

	t->column_sent = t->column;
	t->line_column_sent = t->line_column;
	t->driver->transmit(t);
	drained = t->drain_waits && t->driver->drained(t);
	if (drained)
		t->drain_waits = false;
	terminal_update(t, drained);
}

void terminal_signals_send(struct terminal *t)
{
	u32 signals = __atomic_exchange_n(&t->signals, 0, __ATOMIC_ACQ_REL); /* each noted signal is sent by one thread */

	for (u32 signal = 1; signals >> signal; signal++)
		if (signals >> signal & 1)
			(void)proc_terminal_signal(t->device, signal); /* without a foreground group there is nobody to tell */
}

void terminal_flush(struct terminal *t, bool input, bool output)
{
	if (input) {
		t->input_tail = t->line_head = t->input_head;
		memset(t->line_ends, 0, sizeof(t->line_ends));
		t->erasing = t->literal_next = t->pushed = false;
	}
	if (output) {
		t->output_tail = t->output_head;
		t->driver->transmit(t);
	}
}

/* The buffer changes between lines and a stream of characters: what is unread stays. */
static void canonical_switch(struct terminal *t, bool lines)
{
	memset(t->line_ends, 0, sizeof(t->line_ends));
	t->pushed = false;
	t->erasing = t->literal_next = false;
	t->line_head = t->input_tail;
	if (lines && input_count(t)) {
		u32 last = (t->input_head - 1) % INPUT_SIZE;

		t->line_ends[last / 64] |= 1ull << last % 64;
		t->line_head = t->input_head;
		t->pushed = true;
	}
}

void termios_apply(struct terminal *t, const struct linux_termios2 *settings)
{
	struct linux_termios2 old = t->termios;

	t->termios = *settings;
	if ((old.c_lflag ^ settings->c_lflag) & (ICANON | EXTPROC))
		canonical_switch(t, settings->c_lflag & ICANON);
	if (old.c_iflag & IXON && !(settings->c_iflag & IXON))
		output_start(t);
	t->driver->settings(t);
	terminal_update(t, true);
}
