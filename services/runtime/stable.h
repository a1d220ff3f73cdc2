/*
 * Units whose state outlives their failure (recovery = "stable"; docs/recovery.md). Such a unit keeps its heap and its variables, but
 * those marked FRESH. While a thread holds a lock, each store that it makes is noted, and a restart takes back those of locks that were
 * held; memory freed under a lock is freed when the last lock is let go. In units of another kind all of this is empty.
 */
#ifndef STABLE_H
#define STABLE_H

#include <stddef.h>
#include <tessera/types.h>

#define FRESH __attribute__((section(".fresh")))              /* a variable that is pristine after a restart */
#define UNNOTED __attribute__((no_sanitize("thread")))        /* a function whose stores to memory are made anew by recovery */

struct tk_boot_info;

/* Copies that are not noted: to memory of which nobody knows yet, or that does not count. */
void unnoted_copy(void *to, const void *from, size_t size);
void unnoted_zero(void *to, size_t size);

/* A lock was taken, or is about to be let go. What was done under an inner lock stays done, though an outer one is taken back. */
void stable_section_begin(void);
void stable_section_end(void);
/* A block that is freed under a lock: true if it will be freed later. */
bool stable_free_later(void *p);

/* ---- Calls. Handles that one has made are known to nobody until it has noted its result with them: recovery ends them. */
void stable_call_begin(u32 operation);
void stable_call_end(void);
void stable_made(u64 handle);
bool stable_unanswered(u32 *at, u64 *handle);   /* the next of them, from *at = 0 */

/* Under a lock: with what is done under it the call is done, and this is its result. If its caller is cut off, it hears of it by
 * stable_answer: the result of this thread's last call of this operation, if that was done after a time (arch_counter_read). -ESRCH: it has
 * changed nothing. A call that a killed thread has left goes on in its name beside the calls that the thread makes to end.
 * kept: what the call writes to its struct_out, UNDO_KEPT bytes at most; the answer gives as many as there is room for, and zeros behind. */
struct rt_request;
struct stable_result { i64 result; u64 outs[3]; u32 kept_size; };
void stable_commit(long result, u64 out);
void stable_commit_all(const struct stable_result *is, const void *kept);
/* The same, with the handles that the call has made, if it has, and has not noted them yet; may be without a lock, as a call's last step. */
void stable_commit_made(const struct stable_result *is, const void *kept);
struct stable_question { u64 since; u32 operation; };
long stable_answer(const struct rt_request *rq, const struct stable_question *question, u64 outs[3], void *kept, size_t size);

/* ---- Starts */
bool stable_start(const struct tk_boot_info *boot); /* takes unfinished sections back; true: state was kept, and is to be recovered */
void stable_ready(void);                        /* the unit runs: from here on its state can be recovered */
bool rt_recovers(void);                         /* for the services' init functions: state was kept */

#endif
