/* Our discipline over a driver that keeps what is shown; the runtime and proc are replaced by the little that it needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../tty.h"
#include <proc_client.h>
#include "oracle.h"

static struct terminal terminal;
static struct terminal_open open_record;
static unsigned char shown[1 << 20];
static size_t shown_size;

void lock_acquire(struct rt_lock *lock) { if (lock->word++) abort(); }
void lock_release(struct rt_lock *lock) { if (--lock->word) abort(); }
void *heap_alloc(size_t size) { return calloc(1, size); }
void heap_free(void *p) { free(p); }
struct tk_pollword *pollword_alloc(void) { return calloc(1, sizeof(struct tk_pollword)); }
void pollword_free(struct tk_pollword *word) { free(word); }
void pollword_set(struct tk_pollword *word, u32 level)
{
	if (level & ~word->level)
		word->sequence++;
	word->level = level;
}
void pollword_event(struct tk_pollword *word, u32 level)
{
	word->sequence++;
	word->level = level;
}
long user_copy_in(void *to, vaddr_t from, size_t length)
{
	if (terminal.lock.word)
		abort();
	memcpy(to, (const void *)from, length);
	return 0;
}
long user_copy_out(vaddr_t to, const void *from, size_t length)
{
	if (terminal.lock.word)
		abort();
	memcpy((void *)to, from, length);
	return 0;
}
long proc_terminal_check(u64 id, u32 signal) { (void)id; (void)signal; return 0; }
long proc_terminal_signal(u64 id, u32 signal) { (void)id; (void)signal; return 0; }

static void model_transmit(struct terminal *t)
{
	u8 c;

	while (output_get(t, &c)) {
		if (shown_size == sizeof(shown))
			abort();
		shown[shown_size++] = c;
	}
}
static void model_nothing(struct terminal *t) { (void)t; }
static bool model_drained(struct terminal *t) { (void)t; return true; }
static const struct terminal_driver driver = { model_transmit, model_nothing, model_drained, model_nothing, false };

static void model_open(void)
{
	memset(&terminal, 0, sizeof(terminal));
	if (!terminal_init(&terminal, 1, &driver))
		abort();
	open_record = (struct terminal_open){ .terminal = &terminal };
	shown_size = 0;
}

static void model_close(void)
{
	pollword_free(terminal.word);
}

static void model_settings(const struct settings *s)
{
	struct linux_termios settings;
	struct ioctl_request get = { TCGETS, 0, (vaddr_t)&settings, sizeof(settings) };
	struct ioctl_request set = { TCSETS, 0, (vaddr_t)&settings, sizeof(settings) };

	if (ioctl_settings(&open_record, &get) < 0)
		abort();
	settings.c_iflag = s->input;
	settings.c_oflag = s->output;
	settings.c_lflag = s->local;
	memcpy(settings.c_cc, s->characters, sizeof(settings.c_cc));
	if (ioctl_settings(&open_record, &set) < 0)
		abort();
}

static void model_type(const unsigned char *data, size_t size)
{
	u32 input_head = terminal.input_head, line_head = terminal.line_head;

	lock_acquire(&terminal.lock);
	while (size-- && input_receive(&terminal, *data))
		data++;
	terminal_received(&terminal, input_head, line_head);
	terminal_transmit(&terminal);
	lock_release(&terminal.lock);
	terminal_signals_send(&terminal);
}

static size_t model_shown(unsigned char *to, size_t size)
{
	size_t count = shown_size < size ? shown_size : size;

	memcpy(to, shown, count);
	shown_size = 0;
	return count;
}

static long model_read(unsigned char *to, size_t size)
{
	u64 wait = 0;
	long result = terminal_read(&open_record, (vaddr_t)to, size, TTY_READ_NONBLOCK, &wait);

	return result == -EAGAIN ? -1 : result;
}

static void model_write(const unsigned char *data, size_t size)
{
	if (terminal_write(&open_record, (vaddr_t)data, size) != (long)size)
		abort();
}

static int model_readable(void)
{
	return terminal.word->level & POLLIN ? 1 : 0;
}

const struct oracle model_oracle = {
	model_open, model_close, model_settings, model_type, model_shown, model_read, model_write, model_readable,
};
