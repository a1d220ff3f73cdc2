/* Workloads that check themselves while a service is ended under them. Each runs in a process of its own until its time is over. */
#ifndef WORK_H
#define WORK_H

#include <stdbool.h>
#include <stdio.h>

struct work { const char *name; void (*run)(void); };
extern const struct work works[], jobs[]; /* of files, of processes; behind the last one stands one without a name */

bool time_left(void);
void done_count(void);              /* one more operation was checked */
long lost(long result);             /* counts a result of -1 with EIO, which a call that was cut off may give once; the result */
_Noreturn void fail(const char *file, int line, const char *what);
#define CHECK(condition) ((condition) ? (void)0 : fail(__FILE__, __LINE__, #condition))
unsigned long random_number(unsigned long limit);

#endif
