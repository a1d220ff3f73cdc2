/* Drives the host's terminal and ours alike, by hand-made cases and at random: what is shown and what is read must be the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include "oracle.h"

#define SHOWN_MAX 65536
static const struct oracle *const sides[2] = { &host_oracle, &model_oracle };
static unsigned char data[2][SHOWN_MAX];
static unsigned test_number, failures;

/* What led to a difference is kept until it is known whether there is one. */
static const char *differs;   /* what was done when the two sides first differed */
static char history[65536];
static size_t history_size;

static void dump(const char *what, const unsigned char *bytes, size_t size)
{
	char *to = history + history_size, *end = history + sizeof(history);

	to += snprintf(to, (size_t)(end - to), "#   %s (%zu):", what, size);
	for (size_t i = 0; i < size && i < 100 && end - to > 8; i++)
		to += snprintf(to, (size_t)(end - to), bytes[i] > 32 && bytes[i] < 127 ? " %c" : " \\%03o", bytes[i]);
	if (end - to > 1)
		*to++ = '\n';
	history_size = (size_t)(to - history);
}

static void history_print(void)
{
	fwrite(history, 1, history_size, stdout);
}

static void result(int ok, const char *name)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", ++test_number, name);
	failures += !ok;
	if (!ok && history_size) {
		printf("# differs after %s\n", differs);
		history_print();
	}
}

static int shown_compare(const char *when)
{
	size_t size[2];

	for (int i = 0; i < 2; i++)
		size[i] = sides[i]->shown(data[i], SHOWN_MAX);
	if (size[0] == size[1] && memcmp(data[0], data[1], size[0]) == 0)
		return 1;
	differs = when;
	dump("host", data[0], size[0]);
	dump("ours", data[1], size[1]);
	return 0;
}

/* Reads both until nothing is there. */
static int read_compare(size_t capacity)
{
	for (int round = 0; round < 5000; round++) {
		int ready[2];
		long got[2];

		for (int i = 0; i < 2; i++) {
			ready[i] = sides[i]->readable();
			got[i] = sides[i]->read(data[i], capacity);
		}
		if (ready[0] != ready[1] || got[0] != got[1] || (got[0] > 0 && memcmp(data[0], data[1], (size_t)got[0]))) {
			differs = "reading";
			history_size += (size_t)snprintf(history + history_size, sizeof(history) - history_size,
							 "#   read of %zu: host %ld (ready %d), ours %ld (ready %d)\n", capacity, got[0],
							 ready[0], got[1], ready[1]);
			dump("host", data[0], got[0] > 0 ? (size_t)got[0] : 0);
			dump("ours", data[1], got[1] > 0 ? (size_t)got[1] : 0);
			return 0;
		}
		if (got[0] < 0 || (got[0] == 0 && !ready[0]))
			return 1;
	}
	return 1;
}

static const struct settings usual = {
	.input = ICRNL | IXON,
	.output = OPOST | ONLCR,
	.local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	.characters = { 3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0 },
};

static void both_open(const struct settings *s)
{
	history_size = 0;
	for (int i = 0; i < 2; i++) {
		sides[i]->open();
		sides[i]->settings(s);
	}
}

static void both_close(void)
{
	for (int i = 0; i < 2; i++)
		sides[i]->close();
}

static int type_compare(const unsigned char *text, size_t size)
{
	for (int i = 0; i < 2; i++)
		sides[i]->type(text, size);
	dump("typed", text, size);
	return shown_compare("typing");
}

static int write_compare(const unsigned char *text, size_t size)
{
	for (int i = 0; i < 2; i++)
		sides[i]->write(text, size);
	dump("written", text, size);
	return shown_compare("writing");
}

/* One case: settings, what is typed, how much each read takes. */
static void scenario(const char *name, struct settings s, const char *typed, size_t capacity)
{
	int ok;

	both_open(&s);
	ok = type_compare((const unsigned char *)typed, strlen(typed)) && read_compare(capacity);
	both_close();
	result(ok, name);
}

static void long_line(const char *name, size_t length, size_t capacity)
{
	static unsigned char line[6000];
	int ok;

	memset(line, 'a', length);
	line[length] = '\n';
	both_open(&usual);
	ok = type_compare(line, length + 1) && read_compare(capacity);
	both_close();
	result(ok, name);
}

/* Unread input passes from lines to a stream and back. */
static void mode_switch(const char *name, int to_lines)
{
	struct settings first = usual, second = usual;
	int ok;

	(to_lines ? &first : &second)->local &= ~(unsigned)ICANON;
	both_open(&first);
	ok = type_compare((const unsigned char *)"one\ntwo\nthr", 11);
	for (int i = 0; i < 2; i++)
		sides[i]->settings(&second);
	ok = ok && read_compare(100) && type_compare((const unsigned char *)"ee\nfour", 7) && read_compare(2);
	both_close();
	result(ok, name);
}

static unsigned long random_state = 88172645463325252ul;

static unsigned random_below(unsigned limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 20) % limit;
}

static unsigned random_flags(const unsigned *flags, unsigned count, unsigned base, unsigned changes)
{
	while (changes--)
		base ^= flags[random_below(count)];
	return base;
}

static struct settings random_settings(void)
{
	static const unsigned input[] = { IGNBRK, ISTRIP, INLCR, IGNCR, ICRNL, IUCLC, IXON, IXANY, IUTF8, IUTF8, PARMRK, IMAXBEL };
	static const unsigned output[] = { OPOST, OLCUC, ONLCR, OCRNL, ONOCR, ONLRET, XTABS };
	static const unsigned local[] = { ISIG, ICANON, ECHO, ECHOE, ECHOK, ECHONL, NOFLSH, ECHOCTL, ECHOPRT, ECHOKE, IEXTEN };
	struct settings s = usual;

	s.input = random_flags(input, sizeof(input) / sizeof(*input), s.input, random_below(4));
	s.output = random_flags(output, sizeof(output) / sizeof(*output), s.output, random_below(3));
	s.local = random_flags(local, sizeof(local) / sizeof(*local), s.local, random_below(4));
	s.characters[VMIN] = (unsigned char)random_below(4);
	if (random_below(4) == 0)
		s.characters[VEOL] = 'e';
	if (random_below(4) == 0)
		s.characters[VEOL2] = '#';
	if (random_below(6) == 0)
		s.characters[VERASE] = 0;
	return s;
}

static size_t random_text(unsigned char *to, size_t limit)
{
	static const char *const pieces[] = {
		"a", "b", "word", " ", " two words", "\t", "\177", "\177\177", "\025", "\027", "\004", "\n", "\r", "\022", "\026\003",
		"\026\n", "\026\177", "\003", "\034", "\032", "\021", "\010", "\001", "\303\244", "\342\202\254", "\377", "E", "e", "#", "_x9",
		"\240", "\033[A", "\026",
	};
	size_t size = 0;

	for (unsigned count = random_below(14); count > 0; count--) {
		const char *piece = pieces[random_below(sizeof(pieces) / sizeof(*pieces))];

		if (size + strlen(piece) > limit)
			break;
		memcpy(to + size, piece, strlen(piece));
		size += strlen(piece);
	}
	return size;
}

static int random_round(void)
{
	struct settings s = random_settings();
	unsigned char text[256];
	int ok = 1;

	both_open(&s);
	for (unsigned step = 0; step < 6 && ok; step++) {
		size_t size = random_text(text, sizeof(text));

		switch (random_below(4)) {
		case 0:
			ok = write_compare(text, size);
			break;
		case 1:
			ok = read_compare(1 + random_below(12));
			break;
		default:
			ok = type_compare(text, size);
			break;
		}
	}
	ok = ok && read_compare(1 + random_below(300));
	both_close();
	if (!ok && history_size < sizeof(history))
		history_size += (size_t)snprintf(history + history_size, sizeof(history) - history_size,
						 "#   settings: input %o output %o local %o min %u eol %o eol2 %o erase %o\n", s.input,
						 s.output, s.local, s.characters[VMIN], s.characters[VEOL], s.characters[VEOL2],
						 s.characters[VERASE]);
	return ok;
}

/* A signal's flush may overtake what the host's work queue still carries: only a difference that repeats is one. */
static int random_round_tries(void)
{
	unsigned long start = random_state;
	int ok = 0;

	for (unsigned tries = 0; tries < 6 && !ok; tries++) {
		random_state = start;
		host_patience = 1 + tries * 8;
		ok = random_round();
	}
	host_patience = 1;
	return ok;
}

static struct settings with(unsigned input, unsigned output, unsigned local)
{
	struct settings s = usual;

	s.input = input;
	s.output = output;
	s.local = local;
	return s;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 400, good = 0;

	scenario("a line", usual, "hello\n", 100);
	scenario("a carriage return ends a line", usual, "hello\r", 100);
	scenario("erase, word erase and kill", usual, "abc\177d\027e f\027\025done\n", 100);
	scenario("erase of a control character and a tab", usual, "a\001\177b\t\177\t\tc\177\177\n", 100);
	scenario("end of file", usual, "\004", 100);
	scenario("end of file behind text", usual, "abc\004def\n", 100);
	scenario("end of file behind a read that is full", usual, "abc\004def\n", 3);
	scenario("literal next", usual, "a\026\003b\026\004c\n", 100);
	scenario("reprint", usual, "some\022thing\n", 100);
	scenario("short reads of lines", usual, "first\nsecond\nthird\n", 4);
	scenario("interrupt flushes", usual, "abc\003def\n", 100);
	scenario("multi-byte erase", with(ICRNL | IUTF8, usual.output, usual.local), "\303\244\342\202\254\177\177x\n", 100);
	scenario("no echo", with(usual.input, usual.output, usual.local & ~(unsigned)ECHO), "secret\177\n", 100);
	scenario("raw", with(0, 0, 0), "a\r\n\003\004\177", 100);
	scenario("printed erase", with(usual.input, usual.output, usual.local | ECHOPRT), "abc\177\177d\177\177\n", 100);
	scenario("stop and start", usual, "\023abc\021\n", 100);
	long_line("a line of 4000", 4000, 4096);
	long_line("a line of 4095", 4095, 8192);
	long_line("a line that overflows", 4500, 8192);
	mode_switch("from lines to characters", 0);
	mode_switch("from characters to lines", 1);
	for (unsigned i = 0; i < rounds && good == i; i++)
		good += random_round_tries() != 0;
	result(good == rounds, "random typing, reading and writing");
	printf("1..%u\n", test_number);
	return failures != 0;
}
