/* Memory and string functions of <text.h>. */
#define TEXT_DEFINITIONS
#include <text.h>
#include <stdint.h>

typedef uint64_t __attribute__((may_alias, aligned(1))) word_t;

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	unsigned char *d = to;
	const unsigned char *s = from;

	for (; n >= 32; n -= 32, d += 32, s += 32) {
		uint64_t a = ((const word_t *)s)[0], b = ((const word_t *)s)[1];
		uint64_t c = ((const word_t *)s)[2], e = ((const word_t *)s)[3];

		((word_t *)d)[0] = a, ((word_t *)d)[1] = b;
		((word_t *)d)[2] = c, ((word_t *)d)[3] = e;
	}
	for (; n >= 8; n -= 8, d += 8, s += 8)
		*(word_t *)d = *(const word_t *)s;
	while (n--)
		*d++ = *s++;
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	unsigned char *d = to;
	const unsigned char *s = from;

	if ((uintptr_t)d - (uintptr_t)s >= n) { /* the target begins before the source or behind its end */
		for (; n >= 8; n -= 8, d += 8, s += 8)
			*(word_t *)d = *(const word_t *)s;
		while (n--)
			*d++ = *s++;
		return to;
	}
	for (; n >= 8; n -= 8)
		*(word_t *)(d + n - 8) = *(const word_t *)(s + n - 8);
	while (n--)
		d[n] = s[n];
	return to;
}

void *memset(void *to, int value, size_t n)
{
	unsigned char *d = to;
	uint64_t pattern = (unsigned char)value * 0x0101010101010101ull;

	for (; n >= 32; n -= 32, d += 32) {
		((word_t *)d)[0] = pattern, ((word_t *)d)[1] = pattern;
		((word_t *)d)[2] = pattern, ((word_t *)d)[3] = pattern;
	}
	for (; n >= 8; n -= 8, d += 8)
		*(word_t *)d = pattern;
	while (n--)
		*d++ = (unsigned char)value;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n >= 8 && *(const word_t *)p == *(const word_t *)q; n -= 8)
		p += 8, q += 8;
	for (; n; n--, p++, q++) {
		if (*p != *q)
			return *p - *q;
	}
	return 0;
}

/* A mark in the high bit of each byte that is zero, up to the first: above it there may be others. */
static uint64_t word_zeroes(uint64_t word)
{
	return (word - 0x0101010101010101ull) & ~word & 0x8080808080808080ull;
}

void *memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;
	uint64_t pattern = (unsigned char)c * 0x0101010101010101ull;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t found = word_zeroes(*(const word_t *)p ^ pattern);

		if (found)
			return (void *)(uintptr_t)(p + __builtin_ctzll(found) / 8);
	}
	for (; n; n--, p++) {
		if (*p == (unsigned char)c)
			return (void *)(uintptr_t)p;
	}
	return NULL;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t n)
{
	size_t length = 0;

	for (; n - length >= 8; length += 8) {
		uint64_t found = word_zeroes(*(const word_t *)(s + length));

		if (found)
			return length + (size_t)__builtin_ctzll(found) / 8;
	}
	while (length < n && s[length])
		length++;
	return length;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b || !*a)
			return (unsigned char)*a - (unsigned char)*b;
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	do {
		if (*s == (char)c)
			found = s;
	} while (*s++);
	return (char *)(uintptr_t)found;
}
