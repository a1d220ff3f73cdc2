/*
 * Detaching: a program's thread that was killed, or any whose caller set a deadline, leaves the call of a service in which it is found again
 * and again. An orphan, a thread of the core's own, finishes the call: without the client's memory, for no caller, within a budget that ends
 * with its domain. Starts of units have a budget, too.
 */
#ifndef CORE_DETACH_H
#define CORE_DETACH_H

#include <tessera/types.h>

struct thread;

void detach_prepare(void);                        /* boot */
/* A killed thread, or an orphan: from now on it is looked at by a timer; the first look is now. */
void detach_look(struct thread *t);
/* The current thread was looked at: counts it, and may leave its call, or fail the domain that an orphan hangs in. */
void detach_look_taken(struct thread *t) __attribute__((noinline, cold)); /* seldom: it would cost resume_prepare registers */
/* The current thread starts a unit: the same, for as long as that may take. */
void detach_start_begin(struct thread *t);
void detach_start_end(struct thread *t);
/* tk_call_deadline of the current thread: 0 or -EBUSY. */
long detach_deadline(struct thread *t, nanos_t when);
/* It ends, or is destroyed: no more looks. */
void detach_end(struct thread *t);
bool detach_is_orphan(const struct thread *t);    /* t: any value */
void detach_orphan_return(struct thread *t);      /* an orphan has ended and was left */

#endif
