/* The tester's other threads: each runs the job that thread 0 gives to all, then waits for the next. */
#ifndef HELPERS_H
#define HELPERS_H

#include <runtime.h>

#define HELPERS 4u

void helper_run(void);
void helpers_start(void (*job)(void));  /* all at once */
bool helpers_wait(void);                /* until all are done; false after ten seconds */

noreturn_fn void program_run(void);     /* what the lent thread does, once it runs: see rules.c */

#endif
