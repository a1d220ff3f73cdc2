/* Numbers that the harness takes from the image and gives on the command line. */
#include "referee.h"

static const char *argument_find(const char *name)
{
	size_t length = strlen(name);

	for (const char *at = rt_boot->command_line; *at; at++)
		if (!strncmp(at, "raid.", 5) && !strncmp(at + 5, name, length) && at[5 + length] == '=')
			return at + 5 + length + 1;
	return NULL;
}

static u32 digit(char c)
{
	if (c >= '0' && c <= '9')
		return (u32)(c - '0');
	return c >= 'a' && c <= 'f' ? (u32)(c - 'a' + 10) : 16;
}

u64 argument_number(const char *name, u32 index, bool *found)
{
	const char *at = argument_find(name);
	u64 value = 0;

	*found = false;
	if (!at)
		return 0;
	for (; index; at++) {
		if (*at == ',')
			index--;
		else if (digit(*at) > 15)
			return 0;
	}
	for (; digit(*at) < 16; at++) {
		value = value << 4 | digit(*at);
		*found = true;
	}
	return value;
}
