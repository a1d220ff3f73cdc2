/* The host kernel's pseudo-terminal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "oracle.h"

static int master, slave;
unsigned host_patience = 1;

/* Input and echo pass through work queues of the kernel: waits until both ends are quiet. */
static void settle(void)
{
	int before = -1, queued = 0, shown = 0;

	for (int quiet = 0; quiet < 3; quiet++) {
		struct pollfd both[2] = { { .fd = slave, .events = POLLIN }, { .fd = master, .events = POLLIN } };

		usleep(150 * host_patience);
		poll(both, 2, 0);
		if (ioctl(slave, FIONREAD, &queued) < 0 || ioctl(master, FIONREAD, &shown) < 0)
			abort();
		if (queued + shown != before)
			quiet = 0;
		before = queued + shown;
	}
}

static void host_open(void)
{
	if (openpty(&master, &slave, NULL, NULL, NULL) < 0) {
		perror("openpty");
		exit(1);
	}
	fcntl(slave, F_SETFL, fcntl(slave, F_GETFL) | O_NONBLOCK);
	fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
}

static void host_close(void)
{
	close(slave);
	close(master);
}

static void host_settings(const struct settings *s)
{
	struct termios t;

	tcgetattr(slave, &t);
	t.c_iflag = s->input;
	t.c_oflag = s->output;
	t.c_lflag = s->local;
	memcpy(t.c_cc, s->characters, sizeof(s->characters));
	if (tcsetattr(slave, TCSANOW, &t) < 0)
		abort();
}

static void host_type(const unsigned char *data, size_t size)
{
	while (size > 0) {
		ssize_t done = write(master, data, size);

		if (done < 0)
			abort();
		data += done;
		size -= (size_t)done;
	}
	settle();
}

static size_t host_shown(unsigned char *to, size_t size)
{
	size_t have = 0;
	ssize_t done;

	while (have < size && (done = read(master, to + have, size - have)) > 0)
		have += (size_t)done;
	return have;
}

static long host_read(unsigned char *to, size_t size)
{
	ssize_t done = read(slave, to, size);

	if (done < 0 && errno != EAGAIN)
		abort();
	return done;
}

static void host_write(const unsigned char *data, size_t size)
{
	if (write(slave, data, size) != (ssize_t)size)
		abort();
	settle();
}

static int host_readable(void)
{
	struct pollfd p = { .fd = slave, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

const struct oracle host_oracle = {
	host_open, host_close, host_settings, host_type, host_shown, host_read, host_write, host_readable,
};
