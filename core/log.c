/* The core's log: one line at a time, under a lock of its own. */
#include <stdarg.h>
#include <text.h>
#include <arch/boot.h>
#include "log.h"
#include "spinlock.h"

#define LINE_SIZE 256

static struct spinlock log_lock;
static bool log_forced;

void core_log_force(void)
{
	log_forced = true;
	arch_console_share(true);
}

static void line_write(const char *line, size_t length)
{
	const bool locked = !log_forced;

	if (locked)
		spin_lock(&log_lock);
	arch_console_write(line, length);
	if (locked)
		spin_unlock(&log_lock);
}

void core_log(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	int length = format_text_va(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (length > LINE_SIZE - 2)
		length = LINE_SIZE - 2;
	line[length] = '\n';
	line_write(line, (size_t)length + 1);
}

void core_log_text(const char *text, size_t length)
{
	char line[LINE_SIZE];
	size_t size = 0;

	if (length && text[length - 1] == '\n')
		length--;
	for (; size < length && size < LINE_SIZE - 1; size++)
		line[size] = (text[size] < ' ' && text[size] != '\t') || text[size] == 0x7f ? '?' : text[size];
	line[size++] = '\n';
	line_write(line, size);
}
