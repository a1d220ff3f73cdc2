/*
 * Workloads of terminals. What the terminals' service may lose when it is ended: what was typed and not read yet, and pseudo-terminals.
 * Whoever types at the console is outside, types a line when it was told of the last one or nothing comes, and knows what it typed.
 */
#include "work.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define TYPED_AHEAD 64u /* lines that may be lost in a row, at most */
#define QUIET 300       /* ms after which the typist is told that nothing came */

/* ---- The console -------------------------------------------------------------------------------------------------------------------- */

static void say(int fd, const char *what, unsigned number)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%s %06u\n", what, number);

	CHECK(write(fd, text, (size_t)length) == length);
}

/* The line whose end that is: the next one, or one behind lines that were lost. */
static unsigned line_find(const char *got, size_t length, unsigned last)
{
	char line[32];

	for (unsigned n = last + 1; n <= last + TYPED_AHEAD; n++) {
		size_t full = (size_t)snprintf(line, sizeof(line), "<%06u>\n", n);

		if (length <= full && memcmp(line + full - length, got, length) == 0)
			return n;
	}
	fail(__FILE__, __LINE__, "a line is read as it was typed, and once");
}

static void settings_put(int fd, unsigned mark)
{
	struct winsize size = { .ws_row = (unsigned short)(mark % 1000 + 1), .ws_col = 80 };
	struct termios settings;

	CHECK(tcgetattr(fd, &settings) == 0);
	settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	settings.c_cc[VEOL2] = (cc_t)(128 + mark % 64);
	CHECK(tcsetattr(fd, TCSANOW, &settings) == 0);
	CHECK(ioctl(fd, TIOCSWINSZ, &size) == 0);
}

/* The settings are those of the last program that made some, and it is the terminal of this session; by any descriptor. */
static void settings_check(int fd, unsigned mark)
{
	struct termios settings;
	struct winsize size;

	CHECK(tcgetattr(fd, &settings) == 0);
	CHECK(settings.c_lflag & ICANON && !(settings.c_lflag & ECHO) && settings.c_cc[VEOL2] == 128 + mark % 64);
	CHECK(ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row == mark % 1000 + 1 && size.ws_col == 80);
	CHECK(tcgetpgrp(fd) == getpgrp());
}

static void console(void)
{
	unsigned last = 0, full = 0, parts = 0, missed = 0, mark = 0;
	int fd = open("/dev/console", O_RDWR | O_NOCTTY), ready_only = open("/dev/console", O_RDWR | O_NOCTTY | O_NONBLOCK);

	CHECK(fd >= 0 && ready_only >= 0 && setsid() == getpid() && ioctl(fd, TIOCSCTTY, 0) == 0);
	settings_put(fd, mark);
	while (time_left()) {
		struct pollfd want = { .fd = fd, .events = POLLIN };
		char got[64];
		int again = open(random_number(2) ? "/dev/tty" : "/dev/console", O_RDWR | O_NOCTTY), ready = poll(&want, 1, QUIET);
		ssize_t length;
		unsigned n;

		CHECK(again >= 0);
		CHECK(ready >= 0 && (want.revents & ~POLLIN) == 0);
		settings_check(random_number(2) ? fd : again, mark);
		if (ready == 0)
			say(again, "quiet", 0);
		CHECK(close(again) == 0);
		if (ready == 0)
			continue;
		length = read(random_number(8) ? ready_only : fd, got, sizeof(got)); /* the one that waits may wait for long: what was there may be lost */
		if (length == -1 && errno == EAGAIN)
			continue;
		CHECK(length > 0);
		n = line_find(got, (size_t)length, last);
		missed += n - last - 1;
		last = n;
		if (length == 9)
			full++;
		else
			parts++;
		say(fd, length == 9 ? "read" : "part", n);
		if (random_number(8) == 0)
			settings_put(fd, ++mark);
		done_count();
	}
	tell("%u lines read, %u in part, %u missed", full, parts, missed);
}

/* ---- Pseudo-terminals --------------------------------------------------------------------------------------------------------------- */

struct pair { int master, slave; };

/* A pair with a slave that passes bytes as they are; false: it was lost meanwhile. */
static bool pair_make(struct pair *pair)
{
	struct termios settings;
	char name[32];

	*pair = (struct pair){ posix_openpt(O_RDWR | O_NOCTTY), -1 };
	CHECK(pair->master >= 0);
	if (lost(unlockpt(pair->master)) == 0 && lost(ptsname_r(pair->master, name, sizeof(name)) == 0 ? 0 : -1) == 0)
		pair->slave = (int)lost(open(name, O_RDWR | O_NOCTTY));
	if (pair->slave >= 0 && lost(tcgetattr(pair->slave, &settings)) == 0) {
		cfmakeraw(&settings);
		if (lost(tcsetattr(pair->slave, TCSANOW, &settings)) == 0)
			return true;
	}
	CHECK(errno == EIO);
	close(pair->slave);
	close(pair->master);
	return false;
}

/* Sends all bytes; false: the pair is lost. */
static bool bytes_send(int fd, const uint8_t *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t result = lost(write(fd, bytes + done, length - done));

		CHECK(result > 0 || (result == -1 && errno == EIO));
		if (result < 0)
			return false;
		done += (size_t)result;
	}
	return true;
}

static bool bytes_take(int fd, uint8_t *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		struct pollfd want = { .fd = fd, .events = POLLIN };
		ssize_t result;

		if (random_number(2))
			CHECK(poll(&want, 1, PATIENCE * 1000) == 1);
		result = lost(read(fd, bytes + done, length - done));
		CHECK(result > 0 || (result == -1 && errno == EIO));
		if (result < 0)
			return false;
		done += (size_t)result;
	}
	return true;
}

/* The other side: each byte comes back changed, until the pair is gone. */
static void slave_serve(int slave)
{
	uint8_t byte;

	for (;;) {
		ssize_t result = read(slave, &byte, 1);

		if (result == 0 || (result == -1 && errno == EIO))
			_exit(0);
		CHECK(result == 1);
		byte ^= 0x55;
		if (write(slave, &byte, 1) == -1 && errno == EIO)
			_exit(0);
	}
}

/* Bytes go through a pair and back unchanged; when it is lost, both sides are told, and there is another. */
static void pairs(void)
{
	unsigned made = 0;

	while (time_left()) {
		struct pair pair;
		bool there = pair_make(&pair);
		uint8_t sent[32], got[32];
		pid_t other;

		if (!there)
			continue;
		made++;
		other = child_make();
		if (other == 0) {
			close(pair.master);
			slave_serve(pair.slave);
		}
		close(pair.slave);
		while (there && time_left()) {
			size_t length = 1 + random_number(sizeof(sent));

			for (size_t i = 0; i < length; i++)
				sent[i] = (uint8_t)random_number(256);
			there = bytes_send(pair.master, sent, length) && bytes_take(pair.master, got, length);
			for (size_t i = 0; i < length && there; i++)
				CHECK(got[i] == (sent[i] ^ 0x55));
			done_count();
		}
		CHECK(close(pair.master) == 0);
		child_end(other, 0);
	}
	tell("%u pairs", made);
}

const struct work terminal_works[] = { { "lines at the console", console }, { "pseudo-terminals", pairs }, { NULL, NULL } };
