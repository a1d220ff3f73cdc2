/* Workloads that check themselves while a service is ended under them. Each runs in a process of its own until its time is over. */
#ifndef WORK_H
#define WORK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct work { const char *name; void (*run)(void); };
/* Sets of them; behind the last one of a set stands one without a name. */
extern const struct work file_works[], process_works[], terminal_works[];

bool time_left(void);
void done_count(void);              /* one more operation was checked */
long lost(long result);             /* counts a result of -1 with EIO, which a call that was cut off may give once; the result */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2))); /* stands behind the result */
_Noreturn void fail(const char *file, int line, const char *what);
#define CHECK(condition) ((condition) ? (void)0 : fail(__FILE__, __LINE__, #condition))
unsigned long random_number(unsigned long limit);

/* help.c */
#define PATIENCE 20 /* seconds for what comes in a moment */
void *shared_make(void);            /* a page that children share */
pid_t child_make(void);
void child_end(pid_t pid, int expected); /* waits for it; expected: its status */
void program_run(bool by_vfork);    /* a program with a status of its own: started, waited for */
bool reaches(volatile uint32_t *word, uint32_t value);

#endif
