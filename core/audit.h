/* The recount of all frames at power-off, for tests. See audit.c. */
#ifndef CORE_AUDIT_H
#define CORE_AUDIT_H

#include <stdbool.h>

#define AUDIT_FAILED_STATUS 124 /* what the machine reports instead of its program's status */
/* True if records and page tables say the same. Uses the records up: the machine must end after it. */
bool audit_run(void);

#endif
