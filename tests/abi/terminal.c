/* Terminals: a pseudo terminal's settings, line editing, signals, job control and hang-up. */
#include "check.h"

#include <asm/ioctls.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

static int master, terminal;

static int terminal_open(int flags)
{
	char path[32];
	int number;

	REQUIRE_OK(ioctl(master, TIOCGPTN, &number));
	snprintf(path, sizeof(path), "/dev/pts/%d", number);
	return open(path, O_RDWR | flags);
}

/* Opens a pair; its echo is off unless a test turns it on. */
static void prepare(void)
{
	struct termios settings;
	int unlock = 0;

	SKIP_UNLESS(access("/dev/ptmx", F_OK) == 0 && access("/dev/pts", F_OK) == 0, "no pseudo terminals");
	REQUIRE_OK(master = open("/dev/ptmx", O_RDWR | O_NOCTTY));
	CHECK_ERR(terminal_open(O_NOCTTY), EIO);
	REQUIRE_OK(ioctl(master, TIOCSPTLCK, &unlock));
	REQUIRE_OK(terminal = terminal_open(O_NOCTTY));
	REQUIRE_OK(tcgetattr(terminal, &settings));
	settings.c_lflag &= ~ECHO;
	REQUIRE_OK(tcsetattr(terminal, TCSANOW, &settings));
}

static void settings_change(tcflag_t local_set, tcflag_t local_clear)
{
	struct termios settings;

	REQUIRE_OK(tcgetattr(terminal, &settings));
	settings.c_lflag = (settings.c_lflag & ~local_clear) | local_set;
	REQUIRE_OK(tcsetattr(terminal, TCSANOW, &settings));
}

static void type(const char *text)
{
	REQUIRE(write(master, text, strlen(text)) == (ssize_t)strlen(text));
}

static bool reads(int file, const char *expected)
{
	char text[256] = { 0 };
	ssize_t got = read(file, text, sizeof(text) - 1);

	if (got == (ssize_t)strlen(expected) && strcmp(text, expected) == 0)
		return true;
	check_failed(__FILE__, __LINE__, "expected \"%s\", read %zd: \"%s\"", expected, got, text);
	return false;
}

static bool readable(int file)
{
	struct pollfd entry = { .fd = file, .events = POLLIN };

	return poll(&entry, 1, 0) == 1 && entry.revents & POLLIN;
}

static void not_a_terminal(void)
{
	struct termios settings;
	struct winsize size;
	int file, pipes[2];

	scratch_enter();
	file = file_make("file", "x", 0);
	REQUIRE_OK(pipe(pipes));
	CHECK_ERR(ioctl(file, TCGETS, &settings), ENOTTY);
	CHECK_ERR(ioctl(pipes[0], TCGETS, &settings), ENOTTY);
	CHECK_ERR(ioctl(file, TIOCGWINSZ, &size), ENOTTY);
	CHECK_ERR(ioctl(999, TCGETS, &settings), EBADF);
	CHECK_ERR(tcgetpgrp(file), ENOTTY);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
}

static void console(void)
{
	struct termios settings;
	struct stat status;
	int file = open("/dev/console", O_RDWR | O_NOCTTY);

	SKIP_UNLESS(file >= 0, "no console");
	CHECK_OK(tcgetattr(file, &settings));
	CHECK(settings.c_lflag & ICANON);
	REQUIRE_OK(fstat(file, &status));
	CHECK_EQ(status.st_rdev, makedev(5, 1));
	CHECK_EQ(write(file, "", 0), 0);
}

static void settings_and_size(void)
{
	struct winsize size = { 25, 80, 1, 2 }, got;
	struct termios settings;
	int number = -1;

	prepare();
	CHECK_EQ(isatty(terminal), 1);
	CHECK_EQ(isatty(master), 1);
	CHECK_OK(tcgetattr(terminal, &settings));
	CHECK(settings.c_lflag & ICANON && settings.c_lflag & ISIG && settings.c_oflag & ONLCR && settings.c_iflag & ICRNL);
	CHECK(settings.c_cc[VINTR] == 3 && settings.c_cc[VEOF] == 4 && settings.c_cc[VERASE] == 127);
	CHECK_OK(ioctl(terminal, TIOCGWINSZ, &got));
	CHECK(got.ws_row == 0 && got.ws_col == 0);
	CHECK_OK(ioctl(master, TIOCSWINSZ, &size));
	CHECK_OK(ioctl(terminal, TIOCGWINSZ, &got));
	CHECK(memcmp(&size, &got, sizeof(got)) == 0);
	CHECK_OK(ioctl(master, TIOCGPTN, &number));
	CHECK(number >= 0);
	CHECK_ERR(ioctl(terminal, TCGETS, bad_pointers[4]), EFAULT);
	CHECK_ERR(ioctl(terminal, TCSETS, bad_pointers[2]), EFAULT);
	CHECK_ERR(ioctl(terminal, TIOCGWINSZ, bad_pointers[4]), EFAULT);
	CHECK_ERR(ioctl(terminal, 0x12345678, 0), ENOTTY);
}

static void lines_are_edited(void)
{
	int count;

	prepare();
	type("abc");
	CHECK(!readable(terminal));
	type("d\177e\n");
	CHECK(WAIT_UNTIL(readable(terminal)));
	CHECK_OK(ioctl(terminal, FIONREAD, &count));
	CHECK_EQ(count, 5);
	CHECK(reads(terminal, "abce\n"));
	type("gone\025kept\rnext\n");
	/* One read gives one line, and a carriage return ends it too. */
	CHECK(reads(terminal, "kept\n"));
	CHECK(reads(terminal, "next\n"));
	type("two words\027more\n");
	CHECK(reads(terminal, "two more\n"));
	type("part\004");
	CHECK(reads(terminal, "part"));
	type("\004");
	CHECK(reads(terminal, ""));
}

static void output_and_echo(void)
{
	prepare();
	CHECK_EQ(write(terminal, "a\nb", 3), 3);
	CHECK(reads(master, "a\r\nb"));
	settings_change(ECHO | ECHOE | ECHOCTL, 0);
	type("xy\177\001\n");
	CHECK(WAIT_UNTIL(readable(terminal)));
	CHECK(reads(master, "xy\b \b^A\r\n"));
}

static void raw_mode(void)
{
	struct termios settings;
	char text[8];

	prepare();
	REQUIRE_OK(tcgetattr(terminal, &settings));
	cfmakeraw(&settings);
	settings.c_cc[VMIN] = 3;
	settings.c_cc[VTIME] = 0;
	REQUIRE_OK(tcsetattr(terminal, TCSANOW, &settings));
	type("a\003");
	CHECK(!readable(terminal));
	type("\r");
	CHECK(WAIT_UNTIL(readable(terminal)));
	CHECK(reads(terminal, "a\003\r"));
	settings.c_cc[VMIN] = 0;
	REQUIRE_OK(tcsetattr(terminal, TCSANOW, &settings));
	CHECK_EQ(read(terminal, text, sizeof(text)), 0);
	settings.c_cc[VTIME] = 1;
	REQUIRE_OK(tcsetattr(terminal, TCSAFLUSH, &settings));
	int64_t start = time_now();

	CHECK_EQ(read(terminal, text, sizeof(text)), 0);
	CHECK(time_now() - start >= 90 * MILLISECOND);
	CHECK_EQ(write(terminal, "\n", 1), 1);
	CHECK(reads(master, "\n"));
}

static void nonblocking_and_flush(void)
{
	char text[8];
	int other;

	prepare();
	REQUIRE_OK(other = terminal_open(O_NOCTTY | O_NONBLOCK));
	CHECK_ERR(read(other, text, 8), EAGAIN);
	type("line\n");
	CHECK(WAIT_UNTIL(readable(terminal)));
	CHECK_OK(tcflush(terminal, TCIFLUSH));
	CHECK_ERR(read(other, text, 8), EAGAIN);
	CHECK_ERR(tcflush(terminal, 99), EINVAL);
}

static void becomes_the_controlling_terminal(void)
{
	prepare();
	CHECK_ERR(tcgetpgrp(terminal), ENOTTY);
	CHECK_OK(ioctl(terminal, TIOCSCTTY, 0));
	CHECK_EQ(tcgetpgrp(terminal), getpgrp());
	CHECK_EQ(tcgetsid(terminal), getsid(0));
	CHECK_OK(open("/dev/tty", O_RDWR));
	CHECK_ERR(tcsetpgrp(terminal, 0x3fffffff), ESRCH);
	CHECK_ERR(tcsetpgrp(terminal, -1), EINVAL);
	signal_set(SIGWINCH, signal_count, 0);
	CHECK_OK(ioctl(master, TIOCSWINSZ, &(struct winsize){ 10, 10, 0, 0 }));
	CHECK(WAIT_UNTIL(signals_counted == 1));
}

static void keys_send_signals(void)
{
	prepare();
	REQUIRE_OK(ioctl(terminal, TIOCSCTTY, 0));
	signal_set(SIGINT, signal_count, 0);
	signal_set(SIGQUIT, signal_count, 0);
	type("lost\003");
	CHECK(WAIT_UNTIL(signals_counted == 1));
	type("\034");
	CHECK(WAIT_UNTIL(signals_counted == 2));
	/* The line before the key is dropped. */
	type("x\n");
	CHECK(reads(terminal, "x\n"));
	settings_change(0, ISIG);
	type("\003\n");
	CHECK(reads(terminal, "\003\n"));
	CHECK_EQ(signals_counted, 2);
}

static void background_read(void *argument)
{
	char byte;

	(void)argument;
	CHECK_OK(setpgid(0, 0));
	read(terminal, &byte, 1);
}

static void background_change(void *argument)
{
	CHECK_OK(setpgid(0, 0));
	if (argument)
		signal_set(SIGTTOU, SIG_IGN, 0);
	CHECK_OK(tcsetpgrp(terminal, getpgrp()));
}

static void background_groups_are_stopped(void)
{
	int status;
	pid_t pid;

	prepare();
	REQUIRE_OK(ioctl(terminal, TIOCSCTTY, 0));
	pid = child_start(background_read, NULL);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
	kill(pid, SIGKILL);
	child_wait(pid);
	pid = child_start(background_change, NULL);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU);
	kill(pid, SIGKILL);
	child_wait(pid);
	/* Who ignores the signal may. */
	CHECK_EXITED(child_run(background_change, terminal_open), 0);
}

static void orphaned_reader(void *argument)
{
	char byte;

	(void)argument;
	setpgid(0, 0);
	signal_set(SIGTTIN, SIG_IGN, 0);
	CHECK_ERR(read(terminal, &byte, 1), EIO);
}

static void background_read_without_the_signal_is_an_error(void)
{
	prepare();
	REQUIRE_OK(ioctl(terminal, TIOCSCTTY, 0));
	CHECK_EXITED(child_run(orphaned_reader, NULL), 0);
}

static void closing_the_master_hangs_up(void)
{
	char byte;

	prepare();
	REQUIRE_OK(ioctl(terminal, TIOCSCTTY, 0));
	signal_set(SIGHUP, signal_count, 0);
	close(master);
	CHECK(WAIT_UNTIL(signals_counted == 1));
	CHECK_EQ(read(terminal, &byte, 1), 0);
	CHECK_ERR(write(terminal, "x", 1), EIO);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
}

static void closing_the_terminal_ends_the_master(void)
{
	struct pollfd entry;
	char byte;

	prepare();
	REQUIRE(write(terminal, "last", 4) == 4);
	close(terminal);
	CHECK(reads(master, "last"));
	CHECK_ERR(read(master, &byte, 1), EIO);
	entry = (struct pollfd){ .fd = master, .events = POLLIN };
	CHECK_EQ(poll(&entry, 1, 0), 1);
	CHECK(entry.revents & POLLHUP);
	CHECK_OK(terminal = terminal_open(O_NOCTTY));
	type("again\n");
}

TESTS(TEST(not_a_terminal), TEST(console), TEST(settings_and_size), TEST(lines_are_edited), TEST(output_and_echo),
      TEST(raw_mode), TEST(nonblocking_and_flush), TEST(becomes_the_controlling_terminal), TEST(keys_send_signals),
      TEST(background_groups_are_stopped), TEST(background_read_without_the_signal_is_an_error),
      TEST(closing_the_master_hangs_up), TEST(closing_the_terminal_ends_the_master))
