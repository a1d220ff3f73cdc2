/* Growing text, for what procfs shows. A failure is kept and told at the end. */
#include "fs.h"

static bool text_room(struct fs_text *text, size_t more)
{
	size_t capacity = text->capacity ? text->capacity : 1024;
	char *larger;

	if (text->failed)
		return false;
	while (capacity - text->length < more)
		capacity *= 2;
	if (capacity == text->capacity)
		return true;
	larger = heap_resize(text->data, capacity);
	if (!larger) {
		text->failed = true;
		return false;
	}
	text->data = larger;
	text->capacity = capacity;
	return true;
}

void fs_text_add_bytes(struct fs_text *text, const void *bytes, size_t size)
{
	if (!text_room(text, size))
		return;
	memcpy(text->data + text->length, bytes, size);
	text->length += size;
}

void fs_text_add(struct fs_text *text, const char *format, ...)
{
	size_t room = 160;
	va_list args;
	int length;

	for (;;) {
		if (!text_room(text, room))
			return;
		va_start(args, format);
		length = format_text_va(text->data + text->length, text->capacity - text->length, format, args);
		va_end(args);
		if (length < 0) {
			text->failed = true;
			return;
		}
		if ((size_t)length < text->capacity - text->length)
			break;
		room = (size_t)length + 1;
	}
	text->length += (size_t)length;
}

void fs_text_add_number(struct fs_text *text, u64 value, char behind)
{
	char digits[24], *at = digits + sizeof(digits);

	*--at = behind;
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	fs_text_add_bytes(text, at, (size_t)(digits + sizeof(digits) - at));
}

void fs_text_add_escaped(struct fs_text *text, const char *string, const char *escaped)
{
	for (; *string; string++) {
		u8 c = (u8)*string;

		if (c == '\\' || strchr(escaped, c))
			fs_text_add(text, "\\%03o", c);
		else
			fs_text_add_bytes(text, string, 1);
	}
}

void fs_text_free(struct fs_text *text)
{
	heap_free(text->data);
	memset(text, 0, sizeof(*text));
}
