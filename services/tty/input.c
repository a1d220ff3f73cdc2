/* The line discipline's input side: from the line into the buffer, and from there to readers. */
#include "tty.h"
#include <proc/proc_types.h>

u32 input_count(const struct terminal *t)
{
	return t->input_head - t->input_tail;
}

bool input_ready(const struct terminal *t, bool for_poll)
{
	u32 least = 1;

	if (canonical(t))
		return t->line_head != t->input_tail;
	if (for_poll && !t->termios.c_cc[VTIME] && t->termios.c_cc[VMIN])
		least = t->termios.c_cc[VMIN];
	return input_count(t) >= least;
}

/* A line that fills the buffer may still be ended: each further character takes the place of the last. */
static bool line_overflows(const struct terminal *t)
{
	return canonical(t) && t->line_head == t->input_tail;
}

u32 input_room(struct terminal *t)
{
	u32 room = INPUT_SIZE - input_count(t);

	if (input_flag(t, PARMRK))
		room = (room + 2) / 3;
	if (room > 1)
		return room - 1;
	return line_overflows(t) ? 1 : 0;
}

static void input_put(struct terminal *t, u8 c)
{
	u32 position;

	if (input_count(t) >= INPUT_SIZE)
		t->input_head--; /* line_overflows */
	position = t->input_head++ % INPUT_SIZE;
	t->input[position] = c;
	t->line_ends[position / 64] &= ~(1ull << position % 64);
}

/* PARMRK: 255 is doubled, so that it can't be taken for a mark. */
static void input_put_marked(struct terminal *t, u8 c)
{
	if (c == 0xff && input_flag(t, PARMRK))
		input_put(t, c);
	input_put(t, c);
}

/* Ends the line with c; a line that EOF ended carries a 0 which readers don't see. */
static void line_end(struct terminal *t, u8 c)
{
	u32 position;

	input_put(t, c);
	position = (t->input_head - 1) % INPUT_SIZE;
	t->line_ends[position / 64] |= 1ull << position % 64;
	t->line_head = t->input_head;
}

static void signal_note(struct terminal *t, u32 signal)
{
	t->signals |= 1u << signal;
	if (local_flag(t, NOFLSH))
		return;
	terminal_flush(t, true, true);
	t->column = t->column_sent; /* echoes that never left moved no cursor */
	t->line_column = t->line_column_sent;
}

static void signal_character(struct terminal *t, u32 signal, u8 c)
{
	signal_note(t, signal);
	if (input_flag(t, IXON))
		output_start(t);
	if (local_flag(t, ECHO))
		echo_character(t, c);
}

/* Flow control and signals: true if c was one of their characters. */
static bool receive_control(struct terminal *t, u8 c)
{
	if (input_flag(t, IXON)) {
		if (control_character(t, VSTART, c)) {
			t->column_sent = t->column; /* it lets echoes go, even when nothing was stopped */
			t->line_column_sent = t->line_column;
			output_start(t);
			return true;
		}
		if (control_character(t, VSTOP, c)) {
			output_stop(t);
			return true;
		}
	}
	if (!local_flag(t, ISIG))
		return false;
	if (control_character(t, VINTR, c))
		signal_character(t, SIGINT, c);
	else if (control_character(t, VQUIT, c))
		signal_character(t, SIGQUIT, c);
	else if (control_character(t, VSUSP, c))
		signal_character(t, SIGTSTP, c);
	else
		return false;
	return true;
}

static void receive_literal_next(struct terminal *t)
{
	t->literal_next = true;
	if (!local_flag(t, ECHO))
		return;
	echo_erasing_end(t);
	if (local_flag(t, ECHOCTL)) {
		echo_raw(t, '^');
		echo_raw(t, '\b');
	}
}

static void receive_reprint(struct terminal *t, u8 c)
{
	echo_erasing_end(t);
	echo_character(t, c);
	echo_raw(t, '\n');
	for (u32 i = t->line_head; i != t->input_head; i++)
		echo_character(t, t->input[i % INPUT_SIZE]);
}

/* Editing and the ends of lines: true if c was one of their characters. */
static bool receive_canonical(struct terminal *t, u8 c)
{
	bool extended = local_flag(t, IEXTEN);

	if (control_character(t, VERASE, c) || control_character(t, VKILL, c) || (extended && control_character(t, VWERASE, c))) {
		input_erase(t, c);
	} else if (extended && control_character(t, VLNEXT, c)) {
		receive_literal_next(t);
	} else if (extended && local_flag(t, ECHO) && control_character(t, VREPRINT, c)) {
		receive_reprint(t, c);
	} else if (c == '\n') {
		if (local_flag(t, ECHO) || local_flag(t, ECHONL))
			echo_raw(t, '\n');
		line_end(t, c);
	} else if (control_character(t, VEOF, c)) {
		line_end(t, 0);
	} else if (control_character(t, VEOL, c) || (extended && control_character(t, VEOL2, c))) {
		if (local_flag(t, ECHO)) {
			echo_line_begin(t);
			echo_character(t, c);
		}
		if (c == 0xff && input_flag(t, PARMRK))
			input_put(t, c);
		line_end(t, c);
	} else {
		return false;
	}
	return true;
}

/* A character that only is itself; newline: one that ICRNL made, which shows as such. */
static void receive_plain(struct terminal *t, u8 c, bool newline)
{
	if (local_flag(t, ECHO)) {
		echo_erasing_end(t);
		if (newline) {
			echo_raw(t, '\n');
		} else {
			echo_line_begin(t);
			echo_character(t, c);
		}
	}
	input_put_marked(t, c);
}

/* The character after the maps that are done before anything looks at it. */
static u8 character_strip(const struct terminal *t, u8 c)
{
	if (input_flag(t, ISTRIP))
		c &= 0x7f;
	if (input_flag(t, IUCLC) && local_flag(t, IEXTEN) && character_is_upper(c))
		c += 'a' - 'A';
	return c;
}

static void output_start_any(struct terminal *t)
{
	if (t->stopped && input_flag(t, IXON) && input_flag(t, IXANY))
		output_start(t);
}

bool input_receive(struct terminal *t, u8 c)
{
	bool newline = false;

	if (input_room(t) == 0)
		return false;
	if (input_count(t) >= INPUT_SIZE)
		t->input_head--; /* line_overflows */
	c = character_strip(t, c);
	if (t->literal_next) {
		output_start_any(t);
		receive_plain(t, c, false);
		t->literal_next = false;
		return true;
	}
	if (local_flag(t, EXTPROC)) {
		input_put(t, c);
		return true;
	}
	if (receive_control(t, c))
		return true;
	output_start_any(t);
	if (c == '\r') {
		if (input_flag(t, IGNCR))
			return true;
		newline = input_flag(t, ICRNL);
		if (newline)
			c = '\n';
	} else if (c == '\n' && input_flag(t, INLCR)) {
		c = '\r';
	}
	if (!canonical(t) || !receive_canonical(t, c))
		receive_plain(t, c, newline);
	return true;
}

void input_receive_fault(struct terminal *t, u8 c, enum input_fault fault)
{
	if (fault == INPUT_BREAK) {
		if (input_flag(t, IGNBRK))
			return;
		if (input_flag(t, BRKINT)) {
			signal_note(t, SIGINT);
			return;
		}
		c = 0;
	} else if (!input_flag(t, INPCK)) {
		(void)input_receive(t, c);
		return;
	} else if (input_flag(t, IGNPAR)) {
		return;
	}
	if (input_room(t) == 0)
		return;
	if (input_flag(t, PARMRK)) {
		input_put(t, 0xff);
		input_put(t, 0);
	} else {
		c = 0;
	}
	input_put(t, c);
}

static bool line_ends_at(const struct terminal *t, u32 position)
{
	return t->line_ends[position % INPUT_SIZE / 64] >> position % 64 & 1;
}

void input_skip_end(struct terminal *t)
{
	if (canonical(t) && t->input_tail != t->line_head && line_ends_at(t, t->input_tail) && t->input[t->input_tail % INPUT_SIZE] == 0 && !t->pushed)
		t->input_tail++;
}

static u32 line_take(struct terminal *t, u8 *to, u32 capacity, bool *end)
{
	u32 count = 0;

	*end = false;
	while (count < capacity && t->input_tail != t->line_head) {
		u8 c = t->input[t->input_tail % INPUT_SIZE];

		*end = line_ends_at(t, t->input_tail);
		t->input_tail++;
		if (!*end || c != 0 || t->pushed)
			to[count++] = c;
		if (*end) {
			t->pushed = false;
			return count;
		}
	}
	return count;
}

u32 input_take(struct terminal *t, u8 *to, u32 capacity, bool *end)
{
	u32 count = 0;

	if (canonical(t))
		return line_take(t, to, capacity, end);
	*end = false;
	while (count < capacity && t->input_tail != t->input_head)
		to[count++] = t->input[t->input_tail++ % INPUT_SIZE];
	return count;
}
