/* The service's operations: handles of opens, each checked against the caller, and which terminal a device number means. */
#include "tty.h"
#include <proc_client.h>
#include <tty_server.h>

#define OPENS_FIRST 32u
#define OPENS_MAX 65536u

/* lock order: opens_lock alone, or before a terminal's lock */
static struct rt_lock opens_lock = RT_LOCK_INIT;
static struct terminal_open *opens;   /* all under opens_lock, with the opens and holds of terminals */
static u32 open_count;
static u64 generations; /* go on where no life of the service has been before: a handle of a former one is nobody's */

#define HANDLE_INDEX_BITS 20u
#define NANOS_OF_OPEN 1024u  /* an open takes longer */
_Static_assert(OPENS_MAX < 1u << HANDLE_INDEX_BITS, "each has its place in a handle");

static struct terminal_open *open_lookup(u32 caller, u64 handle)
{
	u64 index = (handle & ((1u << HANDLE_INDEX_BITS) - 1)) - 1;
	struct terminal_open *open;

	if (index >= open_count)
		return NULL;
	open = &opens[index];
	return open->terminal && open->caller == caller && open->generation == handle >> HANDLE_INDEX_BITS ? open : NULL;
}

static void terminal_unhold(struct terminal *t)
{
	bool last;

	lock_acquire(&opens_lock);
	last = --t->holds == 0;
	lock_release(&opens_lock);
	if (last && t != &serial_terminal)
		pair_release(t);
}

/* A copy of an open for the time of a call, which holds its terminal and event; -EBADF. */
static long open_begin(const struct rt_request *rq, u64 handle, struct terminal_open *copy)
{
	struct terminal_open *open;

	lock_acquire(&opens_lock);
	open = open_lookup(rq->caller, handle);
	if (open) {
		*copy = *open;
		open->terminal->holds++;
	}
	lock_release(&opens_lock);
	return open ? 0 : -EBADF;
}

static void open_end(struct terminal_open *copy)
{
	terminal_unhold(copy->terminal);
}

/* A free entry of the table, which grows; NULL when out of memory. opens_lock is held. */
static struct terminal_open *open_entry(void)
{
	struct terminal_open *larger;
	u32 count = open_count ? open_count * 2 : OPENS_FIRST;

	for (u32 i = 0; i < open_count; i++)
		if (!opens[i].terminal)
			return &opens[i];
	if (count > OPENS_MAX)
		return NULL;
	larger = heap_alloc(count * sizeof(*larger));
	if (!larger)
		return NULL;
	if (opens)
		memcpy(larger, opens, open_count * sizeof(*larger));
	heap_free(opens);
	opens = larger;
	open_count = count;
	return &opens[open_count / 2];
}

/* Enters an open of a terminal that the caller of this holds; the hold becomes the open's. 0: out of memory. */
static u64 open_insert(const struct rt_request *rq, struct terminal *t, bool master, bool console)
{
	struct terminal_open *open;
	u64 handle = 0;

	lock_acquire(&opens_lock);
	open = open_entry();
	if (open) {
		/* commit */
		*open = (struct terminal_open){ ++generations, rq->caller, t, master, console, false };
		if (master)
			t->master_opens++;
		else
			t->opens++;
		handle = (u64)(open - opens + 1) | open->generation << HANDLE_INDEX_BITS;
	}
	lock_release(&opens_lock);
	return handle;
}

void terminal_hold(struct terminal *t)
{
	lock_acquire(&opens_lock);
	t->holds++;
	lock_release(&opens_lock);
}

/* The terminal of a device number, held; NULL: none. */
static struct terminal *device_terminal(u32 device)
{
	struct terminal *t = NULL;

	if (device == TTY_DEVICE_PTMX)
		return pair_create();
	if (device >= TTY_DEVICE_PTS && device < TTY_DEVICE_PTS + TTY_PAIRS_MAX)
		return pair_find(device);
	if ((device == TTY_DEVICE_CONSOLE || device == TTY_DEVICE_SERIAL) && serial_terminal.word)
		t = &serial_terminal;
	if (t)
		terminal_hold(t);
	return t;
}

long tty_op_open(const struct rt_request *rq, u32 device, u32 flags, u64 *terminal, u64 *pollword, u64 *opened)
{
	bool current = device == TTY_DEVICE_CURRENT, console = device == TTY_DEVICE_CONSOLE, master = device == TTY_DEVICE_PTMX;
	struct terminal *t;
	u64 id;

	if (current) {
		long result = proc_terminal_current(&id);

		if (result < 0)
			return -ENXIO;
		device = (u32)id;
	}
	t = device_terminal(device);
	if (!t)
		return master ? -ENOSPC : device >= TTY_DEVICE_PTS ? -EIO : -ENXIO;
	if (t->exclusive && !master) {
		struct proc_credentials credentials;

		if (proc_credentials_get(0, &credentials) < 0 || !(credentials.effective >> PROC_CAP_SYS_ADMIN & 1)) {
			terminal_unhold(t);
			return -EBUSY;
		}
	}
	*pollword = pollword_handle(master ? pair_master_word(t) : t->word, rq);
	*terminal = *pollword ? open_insert(rq, t, master, console) : 0;
	if (!*terminal) {
		terminal_unhold(t);
		return -ENOMEM;
	}
	*opened = master ? TTY_OPENED(TTY_DEVICE_PTMX, t->device - TTY_DEVICE_PTS) : t->device;
	if (!master)
		pair_opened(t);
	if (!(flags & TTY_OPEN_NOCTTY) && !current && !console && !master)
		(void)proc_terminal_attach(t->device, 0, 1); /* when it can't, the open is good all the same */
	terminal_attached(t);
	return 0;
}

long tty_op_close(const struct rt_request *rq, u64 terminal)
{
	struct terminal_open *open, copy;
	bool last = false;

	lock_acquire(&opens_lock);
	open = open_lookup(rq->caller, terminal);
	if (open) {
		copy = *open;
		open->terminal = NULL;
		last = (copy.master ? --copy.terminal->master_opens : --copy.terminal->opens) == 0;
	}
	lock_release(&opens_lock);
	if (!open)
		return -EBADF;
	if (copy.terminal != &serial_terminal)
		pair_closed(copy.terminal, copy.master, last);
	else if (last)
		copy.terminal->exclusive = false;
	open_end(&copy);
	return 0;
}

long tty_op_read(const struct rt_request *rq, u64 terminal, vaddr_t data, u64 data_size, u32 flags, u64 *wait)
{
	struct terminal_open open;
	long result = open_begin(rq, terminal, &open);

	*wait = 0;
	if (result < 0)
		return result;
	result = open.master ? pair_read(open.terminal, data, data_size) : terminal_read(&open, data, data_size, flags, wait);
	open_end(&open);
	return result;
}

long tty_op_write(const struct rt_request *rq, u64 terminal, vaddr_t data, u64 data_size)
{
	struct terminal_open open;
	long result = open_begin(rq, terminal, &open);

	if (result < 0)
		return result;
	result = open.master ? pair_write(open.terminal, data, data_size) : terminal_write(&open, data, data_size);
	open_end(&open);
	return result;
}

long tty_op_ioctl(const struct rt_request *rq, u64 terminal, u32 command, u64 argument, vaddr_t data, u64 data_size)
{
	struct ioctl_request request = { command, argument, data, data_size };
	struct terminal_open open;
	long result = open_begin(rq, terminal, &open);

	if (result < 0)
		return result;
	if (open.hung) {
		result = command == TIOCSPGRP ? -ENOTTY : -EIO;
	} else {
		result = pair_ioctl(&open, &request);
		if (result == IOCTL_UNKNOWN)
			result = ioctl_settings(&open, &request);
		if (result == IOCTL_UNKNOWN)
			result = ioctl_control(&open, &request);
	}
	open_end(&open);
	return result;
}

long tty_op_settings_get(const struct rt_request *rq, u64 terminal, struct tty_settings *settings)
{
	struct terminal_open open;
	long result = open_begin(rq, terminal, &open);

	if (result < 0)
		return result;
	lock_acquire(&open.terminal->lock);
	*settings = (struct tty_settings){ open.terminal->termios, open.terminal->size };
	lock_release(&open.terminal->lock);
	open_end(&open);
	return 0;
}

long tty_op_settings_put(const struct rt_request *rq, u64 terminal, const struct tty_settings *settings)
{
	struct terminal_open open;
	long result = open_begin(rq, terminal, &open);

	if (result < 0)
		return result;
	lock_acquire(&open.terminal->lock);
	if (!open.terminal->settled) {
		open.terminal->settled = true;
		open.terminal->size = settings->size;
		termios_apply(open.terminal, &settings->termios);
	}
	lock_release(&open.terminal->lock);
	open_end(&open);
	return 0;
}

void terminal_attached(struct terminal *t)
{
	u64 session, group;

	if (proc_terminal_query(t->device, &session, &group) >= 0)
		t->session = (i32)session;
}

void terminal_hangup(struct terminal *t, bool for_good)
{
	lock_acquire(&opens_lock);
	for (u32 i = 0; i < open_count; i++)
		if (opens[i].terminal == t && !opens[i].master && !opens[i].console)
			opens[i].hung = true;
	lock_acquire(&t->lock);
	t->gone = t->gone || for_good;
	terminal_flush(t, true, true);
	t->driver->input_room(t);
	terminal_update(t, true); /* whoever waits finds out */
	lock_release(&t->lock);
	lock_release(&opens_lock);
	(void)proc_terminal_hangup(t->device); /* no session, nobody to tell */
}

/* A real line is hung up when the session that it belonged to ends; what proc had to tell is told already. */
long tty_op_session_end(const struct rt_request *rq, i32 session)
{
	(void)rq;
	if (session <= 0 || serial_terminal.session != session)
		return 0;
	serial_terminal.session = 0;
	terminal_hangup(&serial_terminal, false);
	return 0;
}

void tty_init(void)
{
	generations = clock_monotonic() / NANOS_OF_OPEN;
	if (!serial_init())
		log_line("tty: there is no serial console");
}

void tty_main(u32 index)
{
	if (index == 0 && serial_terminal.word)
		serial_serve();
	tk_thread_exit(NULL);
}
