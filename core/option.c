/* The core's options. */
#include <text.h>
#include <arch/boot.h>
#include "option.h"

bool option_given(const char *wanted)
{
	const size_t length = strlen(wanted);
	const char *word = boot_facts.command_line;

	while (*word) {
		if (!strncmp(word, "-- ", 3))
			return false;
		if (!strncmp(word, wanted, length) && (word[length] == ' ' || word[length] == 0))
			return true;
		while (*word && *word != ' ')
			word++;
		while (*word == ' ')
			word++;
	}
	return false;
}
