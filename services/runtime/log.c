/* Lines for the core's log, and the end of a unit that found a bug in itself. */
#include <runtime_unit.h>

#define LINE_MAX 256

void log_line(const char *format, ...)
{
	char line[LINE_MAX];
	va_list args;

	va_start(args, format);
	int length = format_text_va(line, sizeof(line), format, args);
	va_end(args);
	tk_log(line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}

void unit_fail(const char *file, int line, const char *what)
{
	log_line("%s:%d: %s", file, line, what);
	__builtin_trap();
}
