/* Arguments and environment on their way from one address space to the next: copied once, kept in chunks of the heap. */
#ifndef ABI_EXEC_STRINGS_H
#define ABI_EXEC_STRINGS_H

#include "process.h"

#define EXEC_STRING_MAX (128 * 1024ul) /* bytes of one string with its NUL */
#define EXEC_SIZE_MIN (128 * 1024ul)
#define EXEC_SIZE_MAX (6 * 1024 * 1024ul)

struct exec_strings {
	u8 **chunks;              /* of PAGE_SIZE bytes */
	u32 chunk_count, chunk_capacity;
	u64 size;                 /* bytes of all strings with their NULs */
	u64 limit;                /* of size and pointers together */
	u32 arguments, environment; /* strings of each; arguments come first */
	u64 skip;                 /* bytes at the start that were replaced (argument 0 of a script) */
	char *prefix;             /* arguments before those of the chunks: interpreter, its argument, script */
	u32 prefix_size, prefix_count;
};

void exec_strings_free(struct exec_strings *strings);
/* Adds the strings of a NULL-terminated array in the application; count counts them. */
long exec_strings_take(struct exec_strings *strings, vaddr_t array, u32 *count) must_check;
long exec_strings_add(struct exec_strings *strings, const char *text, u32 *count) must_check;
/* A script is run by `interpreter` (with `argument` unless NULL): argument 0 gives way to them and the script's own name. */
long exec_strings_interpret(struct exec_strings *strings, const char *interpreter, const char *argument, const char *script) must_check;
/* All strings in order: calls put for pieces until it fails. */
long exec_strings_each(const struct exec_strings *strings, long (*put)(void *context, const void *bytes, u64 size), void *context);
static inline u64 exec_strings_size(const struct exec_strings *strings)
{
	return strings->prefix_size + strings->size - strings->skip;
}
static inline u32 exec_strings_arguments(const struct exec_strings *strings)
{
	return strings->prefix_count + strings->arguments - (strings->prefix_count ? 1 : 0);
}

#endif
