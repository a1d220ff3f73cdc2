/* Echoes: what the discipline shows of what is typed, and taking it back. */
#include "tty.h"

void echo_raw(struct terminal *t, u8 c)
{
	if (c == 0xff) { /* Linux's escape in its buffer of echoes: shown as it is, whatever OPOST says */
		output_put(t, c);
		t->column++;
		return;
	}
	if (output_flag(t, OPOST))
		(void)output_character(t, c, OUTPUT_SIZE - output_count(t)); /* an echo that finds no room is lost */
	else
		output_put(t, c);
}

void echo_character(struct terminal *t, u8 c)
{
	if (local_flag(t, ECHOCTL) && character_is_control(c) && c != '\t') {
		output_put(t, '^');
		output_put(t, c ^ 0100);
		t->column += 2;
		return;
	}
	echo_raw(t, c);
}

void echo_line_begin(struct terminal *t)
{
	if (t->line_head == t->input_head)
		t->line_column = t->column;
}

void echo_erasing_end(struct terminal *t)
{
	if (!t->erasing)
		return;
	echo_raw(t, '/');
	t->erasing = false;
}

static u8 input_at(const struct terminal *t, u32 position)
{
	return t->input[position % INPUT_SIZE];
}

/* Takes a tab back: as many columns as it moved, counted from the tab before it or the start of the line. */
static void echo_tab_erase(struct terminal *t)
{
	u32 columns = 0, position = t->input_head;
	bool after_tab = false;

	while (position != t->line_head && !after_tab) {
		u8 c = input_at(t, --position);

		if (c == '\t')
			after_tab = true;
		else if (character_is_control(c))
			columns += local_flag(t, ECHOCTL) ? 2 : 0;
		else if (!character_continues(t, c))
			columns++;
	}
	if (!after_tab)
		columns += t->line_column;
	for (u32 back = 8 - columns % 8; back > 0; back--) {
		output_put(t, '\b');
		if (t->column > 0)
			t->column--;
	}
}

static void echo_rubout(struct terminal *t)
{
	echo_raw(t, '\b');
	echo_raw(t, ' ');
	echo_raw(t, '\b');
}

/* ECHOPRT: erased characters are printed backwards between \ and /. `length` bytes from input_head on are the character. */
static void echo_printed_erase(struct terminal *t, u32 length)
{
	if (!t->erasing) {
		echo_raw(t, '\\');
		t->erasing = true;
	}
	echo_character(t, input_at(t, t->input_head));
	for (u32 i = 1; i < length; i++) {
		echo_raw(t, input_at(t, t->input_head + i));
		if (t->column > 0)
			t->column--;
	}
}

/* Shows that one character, which is out of the input now, was erased. */
static void echo_erase(struct terminal *t, u32 length, bool single)
{
	u8 c = input_at(t, t->input_head);

	if (local_flag(t, ECHOPRT)) {
		echo_printed_erase(t, length);
	} else if (single && !local_flag(t, ECHOE)) {
		echo_character(t, t->termios.c_cc[VERASE]);
	} else if (c == '\t') {
		echo_tab_erase(t);
	} else {
		if (character_is_control(c) && local_flag(t, ECHOCTL))
			echo_rubout(t);
		if (!character_is_control(c) || local_flag(t, ECHOCTL))
			echo_rubout(t);
	}
}

static bool character_in_word(u8 c)
{
	return (c >= '0' && c <= '9') || character_is_upper(c) || character_is_lower(c) || c == '_';
}

/* KILL without the flags that let the line be rubbed out: true if that is all. */
static bool line_kill_plain(struct terminal *t)
{
	if (!local_flag(t, ECHO)) {
		t->input_head = t->line_head;
		return true;
	}
	if (local_flag(t, ECHOK) && local_flag(t, ECHOKE) && local_flag(t, ECHOE))
		return false;
	t->input_head = t->line_head;
	echo_erasing_end(t);
	echo_character(t, t->termios.c_cc[VKILL]);
	if (local_flag(t, ECHOK))
		echo_raw(t, '\n');
	return true;
}

void input_erase(struct terminal *t, u8 c)
{
	bool single = control_character(t, VERASE, c), word = !single && control_character(t, VWERASE, c), seen = false;

	if (t->input_head == t->line_head || (!single && !word && line_kill_plain(t)))
		return;
	while (t->input_head != t->line_head) {
		u32 head = t->input_head, length;

		do
			head--;
		while (character_continues(t, input_at(t, head)) && head != t->line_head);
		if (character_continues(t, input_at(t, head)))
			break; /* never a part of a character */
		if (word && character_in_word(input_at(t, head)))
			seen = true;
		else if (word && seen)
			break;
		length = t->input_head - head;
		t->input_head = head;
		if (local_flag(t, ECHO))
			echo_erase(t, length, single);
		if (single)
			break;
	}
	if (t->input_head == t->line_head && local_flag(t, ECHO))
		echo_erasing_end(t);
}
