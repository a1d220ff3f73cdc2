/* A core, a mem and an application of nothing but bookkeeping, for proc's tests: tasks are driven by their thread ids. */
#ifndef PROC_FAKE_H
#define PROC_FAKE_H

#include "proc.h"
#include "fake_heap.h"
#include "harness.h"

struct fake_task { i32 tid, pid; u32 thread; struct tk_thread_page *page; };

extern nanos_t fake_now;
extern i64 fake_realtime_offset;
extern long fake_frames_used;
extern u32 fake_wakes;
extern struct stable_result fake_committed; /* of the last call that has noted its result */

struct rt_request fake_as(struct fake_task task);
#define AS(task) (&(struct rt_request){ .caller = 1, .thread = (task).thread })

struct fake_task fake_first(void);                              /* process 1, made once a program */
struct fake_task fake_fork(struct fake_task maker);
struct fake_task fake_create(struct fake_task maker, u32 flags, u32 exit_signal, long *error);
void fake_exit(struct fake_task task, i32 status);              /* as the shim does */
u32 fake_take(struct fake_task task, struct proc_delivery *delivery); /* the verdict */
long fake_kill(struct fake_task from, i32 id, i32 signal);
void fake_handler(struct fake_task task, u32 signal, u64 handler, u64 flags);
long fake_wait(struct fake_task task, i32 pid, u32 options, struct proc_wait_result *result);
/* Dies by the signal that was sent to it. */
void fake_die(struct fake_task task);
void fake_time_pass(nanos_t nanos);                             /* runs alarms */

#endif
