/* Descriptors of processes. */
#ifndef ABI_PIDFD_H
#define ABI_PIDFD_H

#include "process.h"

/* A new descriptor of a process, close-on-exec; flags: O_NONBLOCK. */
long shim_pidfd_create(struct shim_thread *t, i32 pid, u32 flags) must_check;
/* The process that a descriptor means: its number, or -EBADF. nonblock: whether it is O_NONBLOCK. */
long shim_pidfd_process(struct shim_thread *t, i32 fd, bool *nonblock) must_check;

#endif
