/*
 * Freestanding string, memory and formatting functions, shared by the core, the services and host tests. They behave as the C
 * standard says. Copies and fills move eight bytes at a time; small ones of constant size become plain moves of the compiler.
 */
#ifndef LIB_TEXT_H
#define LIB_TEXT_H

#include <stdarg.h>
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/* A freestanding compiler takes these for ordinary functions; the builtins let it expand what is short. */
#ifndef TEXT_DEFINITIONS
#define memcpy(to, from, n) __builtin_memcpy(to, from, n)
#define memmove(to, from, n) __builtin_memmove(to, from, n)
#define memset(to, value, n) __builtin_memset(to, value, n)
#endif

/*
 * Writes formatted text and a NUL, at most capacity bytes; returns the length that the whole text has, without the NUL.
 * Understands %d %i %u %x %X %o %c %s %p %%, lengths hh h l ll z j t, flags - 0 + space #, width and precision (also *).
 */
int format_text(char *to, size_t capacity, const char *format, ...) __attribute__((format(printf, 3, 4)));
int format_text_va(char *to, size_t capacity, const char *format, va_list args);

#endif
