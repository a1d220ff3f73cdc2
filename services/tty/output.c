/* Output: the ring to the driver, and what OPOST makes of characters on their way there. */
#include "tty.h"

u32 output_count(const struct terminal *t)
{
	return t->output_head - t->output_tail;
}

u32 output_room(const struct terminal *t)
{
	u32 used = output_count(t);

	return used < OUTPUT_SIZE - OUTPUT_ECHO_ROOM ? OUTPUT_SIZE - OUTPUT_ECHO_ROOM - used : 0;
}

void output_put(struct terminal *t, u8 c)
{
	if (output_count(t) < OUTPUT_SIZE)
		t->output[t->output_head++ % OUTPUT_SIZE] = c;
}

/* A newline: ONLCR makes two characters of it. */
static bool newline_put(struct terminal *t, u32 room)
{
	if (output_flag(t, ONLRET))
		t->column = 0;
	if (output_flag(t, ONLCR)) {
		if (room < 2)
			return false;
		t->column = t->line_column = 0;
		output_put(t, '\r');
	} else {
		t->line_column = t->column;
	}
	output_put(t, '\n');
	return true;
}

static void return_put(struct terminal *t)
{
	if (output_flag(t, ONOCR) && t->column == 0)
		return;
	if (output_flag(t, OCRNL)) {
		if (output_flag(t, ONLRET))
			t->column = t->line_column = 0;
		output_put(t, '\n');
		return;
	}
	t->column = t->line_column = 0;
	output_put(t, '\r');
}

static bool tab_put(struct terminal *t, u32 room)
{
	u32 spaces = 8 - t->column % 8;

	if ((t->termios.c_oflag & TABDLY) != XTABS) {
		t->column += spaces;
		output_put(t, '\t');
		return true;
	}
	if (room < spaces)
		return false;
	t->column += spaces;
	while (spaces--)
		output_put(t, ' ');
	return true;
}

bool output_character(struct terminal *t, u8 c, u32 room)
{
	if (room < 1)
		return false;
	switch (c) {
	case '\n':
		return newline_put(t, room);
	case '\r':
		return_put(t);
		return true;
	case '\t':
		return tab_put(t, room);
	case '\b':
		if (t->column > 0)
			t->column--;
		break;
	default:
		if (character_is_control(c))
			break;
		if (output_flag(t, OLCUC) && character_is_lower(c))
			c -= 'a' - 'A';
		if (!character_continues(t, c))
			t->column++;
		break;
	}
	output_put(t, c);
	return true;
}

u32 output_write(struct terminal *t, const u8 *from, u32 size)
{
	u32 done = 0;

	if (!output_flag(t, OPOST)) {
		u32 room = output_room(t);

		for (; done < size && done < room; done++)
			output_put(t, from[done]);
		return done;
	}
	while (done < size && output_character(t, from[done], output_room(t)))
		done++;
	return done;
}

bool output_get(struct terminal *t, u8 *c)
{
	if (t->stopped || output_count(t) == 0)
		return false;
	*c = t->output[t->output_tail++ % OUTPUT_SIZE];
	return true;
}

void output_start(struct terminal *t)
{
	if (!t->stopped || t->stopped_by_call)
		return;
	t->stopped = false;
	t->driver->transmit(t);
}

void output_stop(struct terminal *t)
{
	t->stopped = true;
}
