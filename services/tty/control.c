/* Terminal ioctls beside those on termios: window size, job control, flow, queues. */
#include "tty.h"
#include <proc_client.h>

static long capability_needed(u32 capability)
{
	struct proc_credentials credentials;
	long result = proc_credentials_get(0, &credentials);

	if (result < 0)
		return result;
	return credentials.effective >> capability & 1 ? 0 : -EPERM;
}

static long window_size_get(struct terminal *t, const struct ioctl_request *r)
{
	struct linux_winsize size;

	lock_acquire(&t->lock);
	size = t->size;
	lock_release(&t->lock);
	return ioctl_copy_out(r, &size, sizeof(size));
}

static long window_size_set(struct terminal *t, const struct ioctl_request *r)
{
	struct linux_winsize size;
	long result = ioctl_copy_in(r, &size, sizeof(size));
	bool changed;

	if (result < 0)
		return result;
	lock_acquire(&t->lock);
	changed = memcmp(&size, &t->size, sizeof(size)) != 0;
	t->size = size;
	t->settled = true;
	lock_release(&t->lock);
	if (changed)
		(void)proc_terminal_signal(t->device, SIGWINCH); /* nobody in the foreground is no error */
	return 0;
}

/* Whether this is the controlling terminal of the caller; a master speaks for its slave, whoever calls. */
static bool terminal_is_callers(const struct terminal_open *open)
{
	u64 current;

	return open->master || (proc_terminal_current(&current) >= 0 && current == open->terminal->device);
}

static long group_get(const struct terminal_open *open, const struct ioctl_request *r)
{
	u64 session = 0, group = 0;
	i32 value;

	if (!terminal_is_callers(open))
		return -ENOTTY;
	if (proc_terminal_query(open->terminal->device, &session, &group) < 0 && r->command == TIOCGSID)
		return -ENOTTY;
	if (r->command == TIOCGSID && session == 0)
		return -ENOTTY;
	value = (i32)(r->command == TIOCGSID ? session : group);
	return ioctl_copy_out(r, &value, sizeof(value));
}

static long group_set(const struct terminal_open *open, const struct ioctl_request *r)
{
	i32 group;
	long result = open->master ? 0 : job_control(open, SIGTTOU);

	if (result < 0)
		return result == -EIO ? -ENOTTY : result;
	result = ioctl_copy_in(r, &group, sizeof(group));
	if (result < 0)
		return result;
	return group < 0 ? -EINVAL : proc_terminal_foreground_set(open->terminal->device, group);
}

/* TCXONC: stops and starts output, or sends the characters that make the other side do so. */
static long flow_control(const struct terminal_open *open, u32 what)
{
	struct terminal *t = open->terminal;
	long result = open->master ? 0 : job_control(open, SIGTTOU);

	if (result < 0)
		return result;
	if (what > TCION)
		return -EINVAL;
	lock_acquire(&t->lock);
	switch (what) {
	case TCOOFF:
		t->stopped_by_call = true;
		output_stop(t);
		break;
	case TCOON:
		if (t->stopped_by_call) {
			t->stopped_by_call = false;
			output_start(t);
		}
		break;
	default: {
		u8 c = t->termios.c_cc[what == TCIOFF ? VSTOP : VSTART];

		if (c)
			output_put(t, c);
	}
	}
	terminal_transmit(t);
	lock_release(&t->lock);
	return 0;
}

static long queue_flush(const struct terminal_open *open, u32 what)
{
	struct terminal *t = open->terminal;
	long result = open->master ? 0 : job_control(open, SIGTTOU);

	if (result < 0)
		return result;
	if (what > TCIOFLUSH)
		return -EINVAL;
	lock_acquire(&t->lock);
	terminal_flush(t, what != TCOFLUSH, what != TCIFLUSH);
	if (what != TCOFLUSH)
		t->driver->input_room(t);
	terminal_update(t, false);
	lock_release(&t->lock);
	return 0;
}

/* Characters in a queue: those that a read would find now, or those that have not left. */
static long queue_count(struct terminal *t, const struct ioctl_request *r)
{
	i32 count;

	lock_acquire(&t->lock);
	if (r->command == TIOCOUTQ)
		count = (i32)output_count(t);
	else
		count = (i32)(canonical(t) ? t->line_head - t->input_tail : input_count(t));
	lock_release(&t->lock);
	return ioctl_copy_out(r, &count, sizeof(count));
}

/* TCSBRK with an argument, TCSBRKP: waits until output has drained. The break itself is not sent. */
static long output_drain(const struct terminal_open *open)
{
	struct terminal *t = open->terminal;
	long result = open->master ? 0 : job_control(open, SIGTTOU);

	if (result < 0)
		return result;
	lock_acquire(&t->lock);
	if (!t->driver->drained(t)) {
		t->drain_waits = true;
		result = -EAGAIN;
	}
	lock_release(&t->lock);
	return result;
}

static long exclusive_get(struct terminal *t, const struct ioctl_request *r)
{
	i32 value = t->exclusive;

	return ioctl_copy_out(r, &value, sizeof(value));
}

static long discipline_set(const struct ioctl_request *r)
{
	i32 discipline;
	long result = ioctl_copy_in(r, &discipline, sizeof(discipline));

	if (result < 0)
		return result;
	return discipline == 0 ? 0 : -EINVAL; /* only N_TTY is there */
}

static long controlling_set(const struct terminal_open *open, const struct ioctl_request *r)
{
	long result;

	if (open->master)
		return -EIO;
	result = proc_terminal_attach(open->terminal->device, r->argument == 1, 0);
	if (result >= 0)
		terminal_attached(open->terminal);
	return result;
}

static long hang_up(struct terminal *t)
{
	long result = capability_needed(PROC_CAP_SYS_ADMIN);

	if (result < 0)
		return result;
	terminal_hangup(t, false);
	return 0;
}

/* Modem lines of a serial line that has none: carrier, ready and clear to send are always there. */
static long modem_get(struct terminal *t, const struct ioctl_request *r)
{
	i32 lines = 0x002 | 0x004 | 0x020 | 0x040 | 0x100; /* DTR RTS CTS CD DSR */

	return t->driver->modem ? ioctl_copy_out(r, &lines, sizeof(lines)) : -ENOTTY;
}

long ioctl_control(const struct terminal_open *open, const struct ioctl_request *r)
{
	struct terminal *t = open->terminal;
	u32 zero = 0;

	switch (r->command) {
	case TIOCGWINSZ:
		return window_size_get(t, r);
	case TIOCSWINSZ:
		return window_size_set(t, r);
	case TIOCGPGRP:
	case TIOCGSID:
		return group_get(open, r);
	case TIOCSPGRP:
		return group_set(open, r);
	case TIOCSCTTY:
		return controlling_set(open, r);
	case TIOCNOTTY:
		return proc_terminal_detach(t->device);
	case FIONREAD:
	case TIOCOUTQ:
		return queue_count(t, r);
	case TCFLSH:
		return queue_flush(open, (u32)r->argument);
	case TCXONC:
		return flow_control(open, (u32)r->argument);
	case TCSBRK:
	case TCSBRKP:
		return output_drain(open);
	case TIOCEXCL:
	case TIOCNXCL:
		t->exclusive = r->command == TIOCEXCL;
		return 0;
	case TIOCGEXCL:
		return exclusive_get(t, r);
	case TIOCGETD:
		return ioctl_copy_out(r, &zero, sizeof(zero));
	case TIOCSETD:
		return discipline_set(r);
	case TIOCGDEV:
		return ioctl_copy_out(r, &t->device, sizeof(t->device));
	case TIOCVHANGUP:
		return hang_up(t);
	case TIOCMGET:
		return modem_get(t, r);
	case TIOCSTI:
		return -EIO; /* typing for others is refused, as with Linux's dev.tty.legacy_tiocsti=0 */
	default:
		return -ENOTTY;
	}
}
