/* Reading and writing a terminal through the discipline. */
#include "tty.h"
#include <proc_client.h>

#define CHUNK 256u
#define TENTH_OF_SECOND 100000000ull

long job_control(const struct terminal_open *open, u32 signal)
{
	return open->console ? 0 : proc_terminal_check(open->terminal->device, signal);
}

/* What a read does that finds too little: 0 with *wait, 0 for good, or -EAGAIN. The lock is held. */
static long read_postpone(const struct terminal *t, u32 flags, u64 *wait)
{
	u64 time = t->termios.c_cc[VTIME] * TENTH_OF_SECOND;

	if (canonical(t))
		return -EAGAIN;
	if (t->termios.c_cc[VMIN] == 0) {
		if (time == 0 || flags & TTY_READ_TAKE)
			return 0;
		if (flags & TTY_READ_NONBLOCK)
			return -EAGAIN;
		*wait = time;
		return 0;
	}
	if (flags & TTY_READ_TAKE)
		return 0;
	if (input_count(t) && time) /* between characters */
		*wait = time;
	return *wait ? 0 : -EAGAIN;
}

/* Whether a read of `size` may take what is there now. The lock is held. */
static bool read_satisfied(const struct terminal *t, u64 size, u32 flags)
{
	u64 least = t->termios.c_cc[VMIN];

	if (!input_ready(t, false))
		return false;
	if (canonical(t) || flags & (TTY_READ_NONBLOCK | TTY_READ_TAKE))
		return true;
	return input_count(t) >= (least < size ? least : size);
}

long terminal_read(const struct terminal_open *open, vaddr_t data, u64 size, u32 flags, u64 *wait)
{
	struct terminal *t = open->terminal;
	u8 chunk[CHUNK];
	bool end = false;
	u64 done = 0;
	long result;

	*wait = 0;
	if (open->hung)
		return 0;
	result = job_control(open, SIGTTIN);
	if (result < 0 || size == 0)
		return result;
	lock_acquire(&t->lock);
	if (!read_satisfied(t, size, flags)) {
		result = read_postpone(t, flags, wait);
		lock_release(&t->lock);
		return result;
	}
	while (done < size && !end) {
		u32 count = input_take(t, chunk, size - done < CHUNK ? (u32)(size - done) : CHUNK, &end);

		if (count == 0)
			break;
		lock_release(&t->lock);
		if (user_copy_out(data + done, chunk, count) < 0)
			result = -EFAULT;
		lock_acquire(&t->lock);
		if (result < 0)
			break;
		done += count;
	}
	if (done == size && !end)
		input_skip_end(t);
	t->driver->input_room(t);
	terminal_update(t, false);
	lock_release(&t->lock);
	return done ? (long)done : result;
}

long terminal_write(const struct terminal_open *open, vaddr_t data, u64 size)
{
	struct terminal *t = open->terminal;
	u8 chunk[CHUNK];
	u64 done = 0;
	long result;

	if (open->hung)
		return -EIO;
	if (local_flag(t, TOSTOP)) {
		result = job_control(open, SIGTTOU);
		if (result < 0)
			return result;
	}
	while (done < size) {
		u32 count = size - done < CHUNK ? (u32)(size - done) : CHUNK, taken;

		if (user_copy_in(chunk, data + done, count) < 0)
			return done ? (long)done : -EFAULT;
		lock_acquire(&t->lock);
		taken = output_write(t, chunk, count);
		terminal_transmit(t);
		lock_release(&t->lock);
		done += taken;
		if (taken < count)
			break;
	}
	return done || size == 0 ? (long)done : -EAGAIN;
}
