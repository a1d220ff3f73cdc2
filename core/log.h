/* The core's log: lines on the console and the report channel. Usable from the first instruction in C. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <tessera/types.h>

/* One line; the newline is added. Format: see format_text of lib/text.h; at most 255 bytes. */
void core_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One line of text from a unit: control characters become '?'. */
void core_log_text(const char *text, size_t length);
/* The core ends: core_log goes around its lock, as the processor that holds it may have stopped, and to the UART again. */
void core_log_force(void);

#endif
