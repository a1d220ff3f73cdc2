/* What check.c and runner.c share. */
#ifndef ABI_RUNNER_H
#define ABI_RUNNER_H

/* Every process of a test writes failures here, one line each. */
#define REPORT_FD 990

extern char scratch_path[64];

#endif
