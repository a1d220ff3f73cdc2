/* Pseudo-terminals: what the master writes is the slave's input, what the slave's output ring holds is the master's. */
#include "tty.h"
#include <proc_client.h>

#define CHUNK 256u

struct pair {
	struct terminal terminal;              /* the slave */
	struct tk_pollword *master_word;
	u32 number;
	bool locked;                           /* until TIOCSPTLCK 0 the slave can't be opened */
	bool slave_seen;                       /* it has been open */
	bool slave_open, master_open;
};

static struct rt_lock pairs_lock = RT_LOCK_INIT;
static struct pair *pairs[TTY_PAIRS_MAX];

static struct pair *pair_of(struct terminal *t)
{
	return container_of(t, struct pair, terminal);
}

/* The master's readiness; the terminal's lock is held. */
static void master_update(struct pair *p, bool happened)
{
	u32 level = 0;

	if (output_count(&p->terminal) && !p->terminal.stopped)
		level |= POLL_READABLE;
	if (input_room(&p->terminal))
		level |= POLL_WRITABLE;
	if (p->slave_seen && !p->slave_open)
		level |= POLLHUP;
	if (happened)
		pollword_event(p->master_word, level);
	else
		pollword_set(p->master_word, level);
}

static void pair_transmit(struct terminal *t)
{
	master_update(pair_of(t), output_count(t) != 0);
}

static void pair_input_room(struct terminal *t)
{
	master_update(pair_of(t), false);
}

static bool pair_drained(struct terminal *t)
{
	(void)t;
	return true; /* as in Linux, what the master has not read yet counts as sent */
}

static void pair_settings(struct terminal *t)
{
	(void)t;
}

static const struct terminal_driver pair_driver = {
	.transmit = pair_transmit,
	.input_room = pair_input_room,
	.drained = pair_drained,
	.settings = pair_settings,
};

struct terminal *pair_create(void)
{
	struct pair *p = heap_alloc(sizeof(*p));
	u32 number = 0;

	if (!p)
		return NULL;
	p->master_word = pollword_alloc();
	if (!p->master_word)
		goto no_word;
	lock_acquire(&pairs_lock);
	while (number < TTY_PAIRS_MAX && pairs[number])
		number++;
	if (number < TTY_PAIRS_MAX)
		pairs[number] = p;
	lock_release(&pairs_lock);
	if (number == TTY_PAIRS_MAX)
		goto no_number;
	p->number = number;
	p->locked = p->master_open = true;
	p->terminal.holds = 1;
	if (!terminal_init(&p->terminal, TTY_DEVICE_PTS + number, &pair_driver))
		goto no_terminal;
	pair_input_room(&p->terminal);
	return &p->terminal;
no_terminal:
	lock_acquire(&pairs_lock);
	pairs[number] = NULL;
	lock_release(&pairs_lock);
no_number:
	pollword_free(p->master_word);
no_word:
	heap_free(p);
	return NULL;
}

struct terminal *pair_find(u32 device)
{
	struct pair *p;
	bool usable;

	lock_acquire(&pairs_lock);
	p = pairs[device - TTY_DEVICE_PTS];
	usable = p && !p->locked && p->master_open && p->terminal.word;
	if (usable)
		terminal_hold(&p->terminal);
	lock_release(&pairs_lock);
	return usable ? &p->terminal : NULL;
}

struct tk_pollword *pair_master_word(struct terminal *t)
{
	return pair_of(t)->master_word;
}

void pair_opened(struct terminal *t)
{
	if (t == &serial_terminal)
		return;
	lock_acquire(&t->lock);
	pair_of(t)->slave_seen = pair_of(t)->slave_open = true;
	master_update(pair_of(t), false);
	lock_release(&t->lock);
}

void pair_closed(struct terminal *t, bool master, bool last)
{
	struct pair *p = pair_of(t);

	if (!last)
		return;
	if (!master) {
		lock_acquire(&t->lock);
		p->slave_open = false;
		master_update(p, true);
		lock_release(&t->lock);
		return;
	}
	lock_acquire(&pairs_lock);
	p->master_open = false;
	lock_release(&pairs_lock);
	terminal_hangup(t, true);
}

void pair_release(struct terminal *t)
{
	struct pair *p = pair_of(t);

	lock_acquire(&pairs_lock);
	pairs[p->number] = NULL;
	lock_release(&pairs_lock);
	pollword_free(t->word);
	pollword_free(p->master_word);
	heap_free(p);
}

long pair_read(struct terminal *t, vaddr_t data, u64 size)
{
	struct pair *p = pair_of(t);
	u8 chunk[CHUNK];
	u64 done = 0;

	while (done < size) {
		u32 count = 0;
		bool gone;

		lock_acquire(&t->lock);
		while (count < CHUNK && count < size - done && output_get(t, &chunk[count]))
			count++;
		gone = p->slave_seen && !p->slave_open;
		if (count) {
			terminal_update(t, false);
			master_update(p, false);
		}
		lock_release(&t->lock);
		if (count == 0)
			return done ? (long)done : gone ? -EIO : -EAGAIN;
		if (user_copy_out(data + done, chunk, count) < 0)
			return done ? (long)done : -EFAULT;
		done += count;
	}
	return (long)done;
}

long pair_write(struct terminal *t, vaddr_t data, u64 size)
{
	struct pair *p = pair_of(t);
	u8 chunk[CHUNK];
	u64 done = 0;

	if (p->slave_seen && !p->slave_open)
		return -EIO;
	while (done < size) {
		u32 count = size - done < CHUNK ? (u32)(size - done) : CHUNK, taken = 0, input_head, line_head;

		if (user_copy_in(chunk, data + done, count) < 0)
			return done ? (long)done : -EFAULT;
		lock_acquire(&t->lock);
		input_head = t->input_head;
		line_head = t->line_head;
		while (taken < count && input_receive(t, chunk[taken]))
			taken++;
		terminal_received(t, input_head, line_head);
		terminal_transmit(t); /* echoes */
		lock_release(&t->lock);
		terminal_signals_send(t);
		done += taken;
		if (taken < count)
			break;
	}
	return done || size == 0 ? (long)done : -EAGAIN;
}

static long lock_set(struct pair *p, const struct ioctl_request *r)
{
	i32 value;
	long result = ioctl_copy_in(r, &value, sizeof(value));

	if (result < 0)
		return result;
	lock_acquire(&pairs_lock);
	p->locked = value != 0;
	lock_release(&pairs_lock);
	return 0;
}

long pair_ioctl(const struct terminal_open *open, const struct ioctl_request *r)
{
	struct pair *p;
	i32 value;

	if (!open->master)
		return IOCTL_UNKNOWN;
	p = pair_of(open->terminal);
	switch (r->command) {
	case TIOCSPTLCK:
		return lock_set(p, r);
	case TIOCGPTLCK:
		value = p->locked;
		return ioctl_copy_out(r, &value, sizeof(value));
	case TIOCGPTN:
		value = (i32)p->number;
		return ioctl_copy_out(r, &value, sizeof(value));
	case FIONREAD:
		lock_acquire(&open->terminal->lock);
		value = (i32)output_count(open->terminal);
		lock_release(&open->terminal->lock);
		return ioctl_copy_out(r, &value, sizeof(value));
	default:
		return IOCTL_UNKNOWN;
	}
}
