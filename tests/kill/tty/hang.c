/* Part of the terminal service in the tests of kills: ioctl commands that never come back, and one that counts its calls in this life. */
#include <tty_server.h>
#include "tty.h"
#include <mem_client.h>

#define HANG_COMMAND 0x7e5500u
enum hang { HANG_RUN, HANG_WAIT, HANG_HOLD, HANG_DEADLOCK, HANG_NESTED, HANG_COUNT };

/* gate.c, as the test renames them. */
void tty_real_init(void);
long tty_real_ioctl(const struct rt_request *rq, u64 terminal, u32 command, u64 argument, vaddr_t data, u64 data_size);

static struct rt_lock lock = RT_LOCK_INIT;
static volatile u32 word, count;

static long hang(enum hang kind)
{
	u64 frame;

	if (kind == HANG_HOLD || kind == HANG_DEADLOCK)
		lock_acquire(&lock); /* the second one waits here for ever */
	for (;;) {
		if (kind == HANG_WAIT || kind == HANG_DEADLOCK)
			(void)!tk_wait(&word, 0, NANOS_NEVER, TK_WAIT_NEVER_INTERRUPTED, ~0u);
		else if (kind == HANG_NESTED && mem_frames_alloc(0, &frame) >= 0)
			(void)!mem_frames_free(frame, 0);
	}
}

/* The start of the service never ends, if the command line says so. */
void tty_init(void)
{
	for (const char *at = rt_boot->command_line; *at; at++)
		if (!strncmp(at, "hang.start", 10))
			(void)hang(HANG_RUN);
	tty_real_init();
}

long tty_op_ioctl(const struct rt_request *rq, u64 terminal, u32 command, u64 argument, vaddr_t data, u64 data_size)
{
	if ((command & ~0xffu) == HANG_COMMAND)
		return command == HANG_COMMAND + HANG_COUNT ? (long)++count : hang((enum hang)(command & 0xff));
	return tty_real_ioctl(rq, terminal, command, argument, data, data_size);
}
