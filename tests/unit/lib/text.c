/* lib/string.c, format.c and chacha20.c against the host's C library and RFC 8439. The functions are renamed by the build. */
#include "../harness.h"
#include <chacha20.h>
#include <stdarg.h>
#include <string.h>

void *lib_memcpy(void *restrict to, const void *restrict from, size_t n);
void *lib_memmove(void *to, const void *from, size_t n);
void *lib_memset(void *to, int value, size_t n);
int lib_memcmp(const void *a, const void *b, size_t n);
void *lib_memchr(const void *s, int c, size_t n);
size_t lib_strlen(const char *s);
size_t lib_strnlen(const char *s, size_t n);
int lib_strcmp(const char *a, const char *b);
int lib_strncmp(const char *a, const char *b, size_t n);
char *lib_strchr(const char *s, int c);
char *lib_strrchr(const char *s, int c);
int format_text(char *to, size_t capacity, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void fill(char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (char)unit_random();
}

static void memory_is_copied(void)
{
	static char ours[600], theirs[600];

	for (int round = 0; round < 3000; round++) {
		size_t from = unit_random() % 200, to = unit_random() % 200, n = unit_random() % 200;

		fill(ours, sizeof(ours));
		memcpy(theirs, ours, sizeof(ours));
		lib_memmove(ours + to, ours + from, n);
		memmove(theirs + to, theirs + from, n);
		CHECK(!memcmp(ours, theirs, sizeof(ours)));
		CHECK(lib_memcpy(ours + 300 + to % 90, ours + from / 2, n / 2) == ours + 300 + to % 90);
		memcpy(theirs + 300 + to % 90, theirs + from / 2, n / 2);
		lib_memset(ours + to, (int)from, n);
		memset(theirs + to, (int)from, n);
		CHECK(!memcmp(ours, theirs, sizeof(ours)));
	}
}

static void memory_is_compared(void)
{
	char a[64], b[64];

	for (int round = 0; round < 3000; round++) {
		size_t n = unit_random() % 64;

		fill(a, sizeof(a));
		memcpy(b, a, sizeof(a));
		if (round % 3)
			b[unit_random() % 64] ^= (char)unit_random();
		CHECK(sign(lib_memcmp(a, b, n)) == sign(memcmp(a, b, n)));
		CHECK(lib_memchr(a, b[3], n) == memchr(a, b[3], n));
	}
}

static void strings_are_compared(void)
{
	char a[32], b[32];

	for (int round = 0; round < 3000; round++) {
		size_t n = unit_random() % 34;

		for (int i = 0; i < 32; i++)
			a[i] = b[i] = (char)(unit_random() % 3 ? 0x80 + unit_random() % 3 : 0);
		b[unit_random() % 32] ^= (char)(unit_random() % 2);
		a[31] = b[31] = 0;
		CHECK(sign(lib_strcmp(a, b)) == sign(strcmp(a, b)) && sign(lib_strncmp(a, b, n)) == sign(strncmp(a, b, n)));
		CHECK(lib_strlen(a) == strlen(a) && lib_strnlen(a, n) == strnlen(a, n));
		CHECK(lib_strchr(a, b[2]) == strchr(a, b[2]) && lib_strrchr(a, b[2]) == strrchr(a, b[2]));
		CHECK(lib_strchr(a, 0) == strchr(a, 0) && lib_strrchr(a, 0) == strrchr(a, 0));
	}
}

#define SAME(...) \
	do { \
		char ours[80], theirs[80]; \
		int our_length = format_text(ours, sizeof(ours), __VA_ARGS__); \
		int their_length = snprintf(theirs, sizeof(theirs), __VA_ARGS__); \
		CHECK(our_length == their_length); \
		CHECK(!strcmp(ours, theirs)); \
	} while (0)

#pragma clang diagnostic ignored "-Wformat" /* flags without a meaning for a type are tested on purpose */

static void format_is_printf(void)
{
	SAME("plain %% text");
	SAME("%d %i %u", -5, 7, 4000000000u);
	SAME("%5d|%-5d|%05d|%+d|% d|%+05d", 42, 42, 42, 42, 42, 42);
	SAME("%ld %lu %lld %zu %zd %jd", -1l, ~0ul, (long long)1 << 62, (size_t)9, (ssize_t)-9, (intmax_t)3);
	SAME("%hhd %hd %hhu %hu", 300, 70000, 300, 70000);
	SAME("%x %X %#x %#X %#010x %o %#o %#o", 0xabcu, 0xabcu, 0xabcu, 0xabcu, 0xabcu, 8u, 8u, 0u);
	SAME("%.3d %8.3d %-8.3d| %08.3d %.0d|", 5, 5, 5, 5, 0);
	SAME("%s %10s %-10s| %.2s %.*s %*s %*s|", "abc", "abc", "abc", "abc", 1, "abc", 5, "x", -5, "x");
	SAME("%c%c %3c|%-3c|", 'a', 'b', 'c', 'd');
	SAME("%p %20p", (void *)0x1234, (void *)0xffff8800);
	SAME("%d %ld", -2147483647 - 1, -9223372036854775807l - 1);
	SAME("%.*d %-.*d", -1, 3, 4, 3);
}

static void format_is_cut(void)
{
	char text[8] = "zzzzzzz";

	CHECK(format_text(text, 4, "%d", 123456) == 6 && !strcmp(text, "123") && text[4] == 'z');
	CHECK(format_text(text, 0, "abc") == 3 && text[0] == '1');
	CHECK(format_text(text, 1, "abc") == 3 && text[0] == 0);
}

static void chacha20_is_rfc8439(void)
{
	/* Section 2.3.2 of the RFC. */
	static const uint8_t expected[16] = { 0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4 };
	uint32_t key[8], nonce[3] = { 0x09000000, 0x4a000000, 0 };
	uint8_t block[CHACHA20_BLOCK];

	for (uint32_t i = 0; i < 8; i++)
		key[i] = 0x03020100 + i * 0x04040404;
	chacha20_block(block, key, 1, nonce);
	CHECK(!memcmp(block, expected, sizeof(expected)) && block[63] == 0x4e);
}

TEST_MAIN(TEST(memory_is_copied), TEST(memory_is_compared), TEST(strings_are_compared), TEST(format_is_printf), TEST(format_is_cut),
	  TEST(chacha20_is_rfc8439))
