/* Terminal ioctls that read and change termios. */
#include "tty.h"
#include <proc/proc_types.h>

/* The old System V form. */
struct linux_termio {
	u16 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line;
	u8 c_cc[8];
};

/* Bits per second of the codes of c_cflag; codes with bit 0x1000 follow from B57600 on. */
static const u32 speeds[] = { 0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400 };
static const u32 speeds_high[] = {
	0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
};

static u32 speed_of_code(u32 code, u32 otherwise)
{
	if (code & BOTHER)
		return code & 15 ? speeds_high[code & 15] : otherwise;
	return speeds[code & 15];
}

long ioctl_copy_out(const struct ioctl_request *r, const void *from, size_t size)
{
	return r->size < size ? -EFAULT : user_copy_out(r->data, from, size);
}

long ioctl_copy_in(const struct ioctl_request *r, void *to, size_t size)
{
	return r->size < size ? -EFAULT : user_copy_in(to, r->data, size);
}

static long settings_get(struct terminal *t, const struct ioctl_request *r)
{
	struct linux_termios2 now;
	struct linux_termio old;

	lock_acquire(&t->lock);
	now = t->termios;
	lock_release(&t->lock);
	if (r->command == TCGETS)
		return ioctl_copy_out(r, &now, sizeof(struct linux_termios));
	if (r->command == TCGETS2)
		return ioctl_copy_out(r, &now, sizeof(now));
	old = (struct linux_termio){ (u16)now.c_iflag, (u16)now.c_oflag, (u16)now.c_cflag, (u16)now.c_lflag, now.c_line, { 0 } };
	memcpy(old.c_cc, now.c_cc, sizeof(old.c_cc));
	return ioctl_copy_out(r, &old, sizeof(old));
}

/* Reads new settings over *to, which holds those of now. */
static long settings_read(const struct ioctl_request *r, struct linux_termios2 *to)
{
	struct linux_termio old;
	long result;

	switch (r->command) {
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		result = ioctl_copy_in(r, to, sizeof(*to));
		break;
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		result = ioctl_copy_in(r, &old, sizeof(old));
		if (result < 0)
			return result;
		to->c_iflag = (to->c_iflag & 0xffff0000) | old.c_iflag;
		to->c_oflag = (to->c_oflag & 0xffff0000) | old.c_oflag;
		to->c_cflag = (to->c_cflag & 0xffff0000) | old.c_cflag;
		to->c_lflag = (to->c_lflag & 0xffff0000) | old.c_lflag;
		to->c_line = old.c_line;
		memcpy(to->c_cc, old.c_cc, sizeof(old.c_cc));
		break;
	default:
		result = ioctl_copy_in(r, to, sizeof(struct linux_termios));
		break;
	}
	if (result < 0)
		return result;
	to->c_ospeed = speed_of_code(to->c_cflag & CBAUD, to->c_ospeed);
	to->c_ispeed = speed_of_code(to->c_cflag >> 16 & CBAUD, to->c_ispeed);
	if ((to->c_cflag >> 16 & CBAUD) == 0)
		to->c_ispeed = to->c_ospeed;
	return 0;
}

static long settings_set(const struct terminal_open *open, const struct ioctl_request *r, bool drain, bool flush)
{
	struct terminal *t = open->terminal;
	struct linux_termios2 settings;
	long result = open->master ? 0 : job_control(open, SIGTTOU);

	if (result < 0)
		return result;
	lock_acquire(&t->lock);
	settings = t->termios;
	lock_release(&t->lock);
	result = settings_read(r, &settings);
	if (result < 0)
		return result;
	lock_acquire(&t->lock);
	if (drain && !t->driver->drained(t)) {
		t->drain_waits = true;
		result = -EAGAIN;
	} else {
		/* commit */
		if (flush)
			terminal_flush(t, true, false);
		t->settled = true;
		termios_apply(t, &settings);
		if (flush)
			t->driver->input_room(t);
	}
	lock_release(&t->lock);
	return result;
}

long ioctl_settings(const struct terminal_open *open, const struct ioctl_request *r)
{
	switch (r->command) {
	case TCGETS:
	case TCGETS2:
	case TCGETA:
		return settings_get(open->terminal, r);
	case TCSETS:
	case TCSETS2:
	case TCSETA:
		return settings_set(open, r, false, false);
	case TCSETSW:
	case TCSETSW2:
	case TCSETAW:
		return settings_set(open, r, true, false);
	case TCSETSF:
	case TCSETSF2:
	case TCSETAF:
		return settings_set(open, r, true, true);
	default:
		return IOCTL_UNKNOWN;
	}
}
