/* Argument and environment strings of a program to be: what they are and how much they may be follows Linux's exec.c. */
#include "exec_strings.h"

#define PREFIX_MAX (16 * 1024u)

void exec_strings_free(struct exec_strings *strings)
{
	for (u32 i = 0; i < strings->chunk_count; i++)
		heap_free(strings->chunks[i]);
	heap_free(strings->chunks);
	heap_free(strings->prefix);
}

static long chunk_add(struct exec_strings *strings)
{
	u8 *chunk;

	if (strings->chunk_count == strings->chunk_capacity) {
		u32 capacity = strings->chunk_capacity ? strings->chunk_capacity * 2 : 8;
		u8 **chunks = heap_resize(strings->chunks, capacity * sizeof(*chunks));

		if (!chunks)
			return -ENOMEM;
		strings->chunks = chunks;
		strings->chunk_capacity = capacity;
	}
	chunk = heap_alloc(PAGE_SIZE);
	if (!chunk)
		return -ENOMEM;
	strings->chunks[strings->chunk_count++] = chunk;
	return 0;
}

static u64 pointers_size(const struct exec_strings *strings)
{
	return ((u64)strings->arguments + strings->environment + 2) * sizeof(u64);
}

static long bytes_add(struct exec_strings *strings, const u8 *bytes, u64 size)
{
	if (strings->size + size + pointers_size(strings) > strings->limit)
		return -E2BIG;
	while (size) {
		u64 used = strings->size % PAGE_SIZE, part = PAGE_SIZE - used < size ? PAGE_SIZE - used : size;

		if (!used) {
			long error = chunk_add(strings);

			if (error < 0)
				return error;
		}
		memcpy(strings->chunks[strings->chunk_count - 1] + used, bytes, part);
		strings->size += part;
		bytes += part;
		size -= part;
	}
	return 0;
}

/* One string of the application, copied once; buffer has a page. */
static long string_take(struct exec_strings *strings, vaddr_t from, char *buffer)
{
	u64 total = 0;

	for (;;) {
		long length = user_copy_string(buffer, from, PAGE_SIZE);
		long error;

		if (length >= 0)
			return bytes_add(strings, (u8 *)buffer, (u64)length + 1);
		if (length != -ENAMETOOLONG)
			return length;
		error = user_copy_in(buffer, from, PAGE_SIZE);
		if (error < 0)
			return error;
		if (memchr(buffer, 0, PAGE_SIZE))
			continue; /* it changed meanwhile: look again */
		total += PAGE_SIZE;
		if (total >= EXEC_STRING_MAX)
			return -E2BIG;
		error = bytes_add(strings, (u8 *)buffer, PAGE_SIZE);
		if (error < 0)
			return error;
		from += PAGE_SIZE;
	}
}

long exec_strings_take(struct exec_strings *strings, vaddr_t array, u32 *count)
{
	char *buffer = heap_alloc(PAGE_SIZE);
	long error = buffer ? 0 : -ENOMEM;

	while (!error && array) {
		u64 pointer;

		error = user_copy_in(&pointer, array, sizeof(pointer));
		if (error < 0 || !pointer)
			break;
		error = string_take(strings, pointer, buffer);
		if (error >= 0)
			++*count;
		array += sizeof(pointer);
	}
	heap_free(buffer);
	return error;
}

long exec_strings_add(struct exec_strings *strings, const char *text, u32 *count)
{
	long error = bytes_add(strings, (const u8 *)text, strlen(text) + 1);

	if (error >= 0)
		++*count;
	return error;
}

/* Bytes of argument 0 with its NUL, in the chunks. */
static u64 first_size(const struct exec_strings *strings)
{
	u64 size = 0;

	for (u32 i = 0; i < strings->chunk_count; i++) {
		u64 here = strings->size - i * PAGE_SIZE < PAGE_SIZE ? strings->size - i * PAGE_SIZE : PAGE_SIZE;
		const u8 *end = memchr(strings->chunks[i], 0, here);

		if (end)
			return size + (u64)(end - strings->chunks[i]) + 1;
		size += here;
	}
	return size;
}

long exec_strings_interpret(struct exec_strings *strings, const char *interpreter, const char *argument, const char *script)
{
	u64 kept_from = strings->prefix_count ? strlen(strings->prefix) + 1 : 0, kept = strings->prefix_size - kept_from;
	u64 sizes[3] = { strlen(interpreter) + 1, argument ? strlen(argument) + 1 : 0, strlen(script) + 1 };
	u64 size = sizes[0] + sizes[1] + sizes[2] + kept;
	char *prefix = size <= PREFIX_MAX ? heap_alloc(size) : NULL;

	if (!prefix)
		return size > PREFIX_MAX ? -E2BIG : -ENOMEM;
	memcpy(prefix, interpreter, sizes[0]);
	if (argument)
		memcpy(prefix + sizes[0], argument, sizes[1]);
	memcpy(prefix + sizes[0] + sizes[1], script, sizes[2]);
	if (kept)
		memcpy(prefix + size - kept, strings->prefix + kept_from, kept);
	if (!strings->prefix_count)
		strings->skip = first_size(strings);
	strings->prefix_count = (strings->prefix_count ? strings->prefix_count - 1 : 0) + 2 + (argument ? 1 : 0);
	strings->prefix_size = (u32)size;
	heap_free(strings->prefix);
	strings->prefix = prefix;
	return 0;
}

long exec_strings_each(const struct exec_strings *strings, long (*put)(void *context, const void *bytes, u64 size), void *context)
{
	u64 from = strings->skip;
	long error = strings->prefix_size ? put(context, strings->prefix, strings->prefix_size) : 0;

	while (error >= 0 && from < strings->size) {
		u64 offset = from % PAGE_SIZE, part = PAGE_SIZE - offset;

		if (part > strings->size - from)
			part = strings->size - from;
		error = put(context, strings->chunks[from / PAGE_SIZE] + offset, part);
		from += part;
	}
	return error;
}
