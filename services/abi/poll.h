/* What poll, select and epoll share. */
#ifndef ABI_SHIM_POLL_H
#define ABI_SHIM_POLL_H

#include "clock.h"
#include "watch.h"
#include "include/abi_poll.h"

struct poll_entry {
	i32 fd;                   /* below 0: skipped */
	u16 events, revents;
	struct shim_file *file;   /* poll_entries's own */
	struct watch_place place; /* poll_entries's own */
	const volatile u32 *word; /* poll_entries's own: what is watched */
};
/* Fills revents; the number of entries that have some, or -ERESTARTSYS. deadline 0: only looks. */
long poll_entries(struct shim_thread *t, struct poll_entry *entries, u32 count, nanos_t deadline);
/* Monotonic deadline in `length` ns; 0 stays 0. */
nanos_t deadline_after(nanos_t length);
/* Writes the time left as a timespec; the result, or -EINTR where a restart would need what could not be written. */
long timeout_left_put(vaddr_t to, nanos_t deadline, long result);

#endif
