/*
 * The service's own structures. One lock guards all of them (proc_lock): every operation is short, and waits happen in the shim.
 * A task is one thread; a process is its thread group. An id is a number in use as thread, process, group or session.
 * Functions named *_locked or taking a task or process expect the lock to be held; operations (proc_op_*) take it themselves.
 */
#ifndef PROC_H
#define PROC_H

#include <runtime.h>
#include <list.h>
#include "proc_server.h"

#define PROC_PID_MAX 32768 /* ids are below it */
#define PROC_POLL_READABLE 1 /* POLLIN, in the level of a poll word */
#define PROC_ID_RESERVED 300 /* after the first round, ids start here */

struct proc_task;
struct proc_process;

struct proc_id {
	i32 number;
	u32 uses;                        /* task, and one for each process that has it as group or session */
	struct proc_task *task;          /* thread of this id; a process's leader */
	struct list group_members;  /* struct proc_process.group_link */
	struct list session_members;/* struct proc_process.session_link */
	u64 terminal;                    /* of the session */
	struct proc_id *foreground;      /* group in front of the session's terminal; holds a use */
	struct tk_pollword *end_word;    /* readable when the process of this id has ended (pidfd) */
	u32 watches;                     /* process_watch: each holds a use */
};

/* What is counted for a real user id. */
struct proc_user {
	struct list link;
	u32 uid, references;
	u32 tasks;
	u32 pending;  /* queued signals and timers */
};

struct proc_identity { /* credentials of a task: never changed once shared */
	u32 references;
	struct proc_user *user;
	struct proc_credentials is;
	u32 *groups;
};

struct proc_dispositions {
	u32 references;
	struct proc_action actions[PROC_SIGNALS];
};

struct proc_timer;
struct proc_queued {
	struct list link;
	struct proc_siginfo info;
	struct proc_user *user;    /* whose limit it counts against; NULL: none */
	struct proc_timer *timer;  /* POSIX timer that it belongs to: preallocated */
};
struct proc_pending {
	u64 set;
	struct list queue;
};

/* A deadline of the service's timer thread. */
struct proc_alarm {
	nanos_t deadline;
	u32 place;                 /* in the heap of alarms, + 1; 0: not armed */
	void (*expire)(struct proc_alarm *alarm);
};

/* A POSIX timer. */
struct proc_timer {
	struct list link;     /* proc_process.timers */
	struct proc_alarm alarm;
	struct proc_process *process;
	i32 id;
	i32 clock;
	i32 notify, signal;
	struct proc_id *target;    /* THREAD_ID; holds a use */
	struct proc_id *measured;  /* thread whose processor time counts; holds a use */
	u64 value;
	u64 interval;              /* ns */
	u64 expiry;                /* on its clock, 0: off */
	bool on_realtime;          /* absolute on the wall clock */
	u32 overrun, overrun_last; /* gathered for the signal that waits; told with the last one taken */
	struct proc_queued queued;
	bool signal_pending;       /* queued is in a queue */
	bool deleted;              /* free it when its signal leaves the queue */
};

/* The core's thread object and the frames it was made of. */
struct proc_thread {
	struct list all;
	struct list link;     /* of threads that are ending, or kept for the next ones */
	vaddr_t token;        /* 0: not made, or destroyed */
	struct tk_thread_page *page;
	u32 id;
	u32 frame_count;
	frame_t frames[TK_OBJECT_FRAMES_MAX];
};

enum proc_life { PROC_NEW, PROC_ALIVE, PROC_DEAD };
struct proc_task {
	struct list link;       /* proc_process.tasks */
	struct proc_task *hash_next; /* by core thread id */
	struct proc_process *process;
	struct proc_id *id;
	struct proc_thread *thread;  /* NULL once it has ended */
	enum proc_life life;
	struct proc_identity *identity;
	u64 blocked;
	u64 wait_set;                /* sigtimedwait waits for these */
	struct proc_pending pending;
	bool stop_pending, stopped;  /* of a stop of the whole process */
	bool killed;                 /* ends because another thread executes a program */
	struct proc_task *vfork_child, *vfork_parent;
	u32 death_signal;
	bool keep_capabilities, no_new_privileges;
	struct proc_schedule schedule;
	u64 affinity;
	u64 timer_slack;
	nanos_t start;
	u64 user_shown, system_shown; /* parts of its processor time, as they were last told */
	char name[PROC_NAME_SIZE];
};

struct proc_process {
	struct list link;         /* of all processes, by rising pid is not promised */
	struct list tasks;
	u32 task_count, alive_count;
	struct proc_task *leader;
	struct proc_process *parent;
	struct proc_task *parent_task; /* the thread that made it, NULL when it has ended */
	struct list children, sibling;
	u32 exit_signal;
	struct proc_id *group, *session;
	struct list group_link, session_link;
	struct proc_dispositions *dispositions;
	struct proc_pending shared;
	struct proc_task *signal_target; /* where the search for a thread starts */

	bool exiting;                  /* group exit: exit_status counts */
	bool zombie;                   /* all threads have ended; waits for its parent */
	bool has_executed;
	bool subreaper, unkillable;
	u32 dumpable;
	i32 exit_status;
	struct proc_task *exec_task;   /* waits for the others to end */

	u32 stop_count;                /* threads that have still to stop */
	i32 stop_signal;
	bool stopping, stopped;        /* a stop has begun; all have stopped */
	bool stop_reportable, continue_reportable;

	i32 oom_adjust, oom_adjust_least; /* oom_score_adj, and what it may be lowered to without privilege */
	struct proc_limit limits[PROC_LIMITS];
	struct proc_usage ended, children_usage; /* of ended threads; of children waited for */
	struct { u64 interval, expiry; } itimer[3];
	struct proc_alarm real_alarm, cpu_alarm;
	u64 cpu_warned;                /* seconds at which SIGXCPU comes next */
	struct list timers;
	i32 timer_next;
	struct tk_pollword *signal_word;

	vaddr_t space_token;
	struct proc_exec image;        /* for procfs */
	u64 fs_client, umask;
	nanos_t start;
};

extern struct rt_lock proc_lock;
extern struct list proc_processes;
extern struct proc_process *proc_init_process;
extern struct proc_system proc_counts;

/* An operation that is not to be done twice ends: its result stays or goes with what it has done (docs/recovery.md). */
static inline long proc_done_all(const struct stable_result *is, const void *kept)
{
	if (is->result >= 0)
		stable_commit_all(is, kept);
	lock_release(&proc_lock);
	return is->result;
}
static inline long proc_done(long result)
{
	return proc_done_all(&(struct stable_result){ .result = result }, NULL);
}
static inline long proc_done_word(long result, u64 out)
{
	return proc_done_all(&(struct stable_result){ .result = result, .outs = { out } }, NULL);
}
static inline long proc_done_kept(long result, const void *kept, u32 size)
{
	return proc_done_all(&(struct stable_result){ .result = result, .kept_size = size }, kept);
}

/* table.c */
struct proc_id *proc_id_create(i32 wanted, long *error);  /* one use, the caller's */
struct proc_id *proc_id_find(i32 number);
void proc_id_hold(struct proc_id *id);
void proc_id_drop(struct proc_id *id);
struct proc_id *proc_id_next(i32 after);                  /* lowest number above */
void proc_thread_table_insert(struct proc_task *task);
void proc_thread_table_remove(struct proc_task *task);
/* The task whose core thread makes the call; NULL: none. _calling: only when the shim asks, for what changes the task or acts in
 * its name; _serving: whatever unit serves it, for what fs and tty may know and do. */
struct proc_task *proc_task_calling(const struct rt_request *rq);
struct proc_task *proc_task_serving(const struct rt_request *rq);
struct proc_task *proc_task_find(i32 tid);                /* a live or zombie thread */
struct proc_process *proc_process_find(i32 pid);
/* tid 0: the calling task. */
struct proc_task *proc_task_named(const struct rt_request *rq, i32 tid);
bool proc_caller_is_shim(const struct rt_request *rq);
struct proc_user *proc_user_hold(u32 uid);
void proc_user_drop(struct proc_user *user);

/* thread.c */
struct proc_thread *proc_thread_create(vaddr_t space, long *error);  /* without the lock */
void proc_thread_retire(struct proc_thread *thread);      /* destroyed when it has left */
void proc_thread_discard(struct proc_thread *thread);     /* never started; without the lock */
void proc_threads_reap(void);                             /* without the lock */
void proc_thread_interrupt(struct proc_task *task, u32 bits);
struct proc_thread_shared *proc_thread_shared(const struct proc_task *task);
void proc_parent_publish(const struct proc_process *process); /* tells every thread of a process who its parent is */
void proc_task_notify(struct proc_task *task);            /* counts shared->event */
void proc_service_wake(void);                             /* the service's thread looks at alarms and ended threads again */

/* task.c */
void proc_task_free(struct proc_task *task);              /* drops all that it holds; it is in no list */
void proc_process_free(struct proc_process *process);
void proc_task_name_set(struct proc_task *task, const char *name, size_t size);

/* exit.c */
void proc_process_reap(struct proc_process *process);     /* a zombie goes for good */
void proc_process_kill(struct proc_process *process, i32 status); /* begins a group exit */
bool proc_group_orphaned(struct proc_id *group, const struct proc_process *ignored);
void proc_group_orphan_check(struct proc_process *process, struct proc_process *parent);

/* identity.c */
struct proc_identity *proc_identity_first(void);
struct proc_identity *proc_identity_copy(const struct proc_identity *from);
void proc_identity_hold(struct proc_identity *identity);
void proc_identity_drop(struct proc_identity *identity);
void proc_identity_replace(struct proc_task *task, struct proc_identity *fresh);
bool proc_capable(const struct proc_task *task, u32 capability);

/* signal_queue.c */
void proc_pending_init(struct proc_pending *pending);
void proc_pending_flush(struct proc_pending *pending, u64 set);
void proc_pending_add(struct proc_pending *pending, struct proc_queued *entry);
bool proc_pending_take(struct proc_pending *pending, u64 set, struct proc_siginfo *info);
struct proc_queued *proc_queued_create(struct proc_task *target, const struct proc_siginfo *info, bool override);
void proc_pending_drop_timers(struct proc_pending *pending);
void proc_queued_free(struct proc_queued *entry);

/* signal.c */
#define PROC_SIGNALS_STOP (PROC_SIGNAL_BIT(SIGSTOP) | PROC_SIGNAL_BIT(SIGTSTP) | PROC_SIGNAL_BIT(SIGTTIN) | PROC_SIGNAL_BIT(SIGTTOU))
#define PROC_SIGNALS_IGNORED (PROC_SIGNAL_BIT(SIGCONT) | PROC_SIGNAL_BIT(SIGCHLD) | PROC_SIGNAL_BIT(SIGWINCH) | PROC_SIGNAL_BIT(SIGURG))
struct proc_action *proc_action_of(const struct proc_process *process, u32 signal);
bool proc_signal_ignored(const struct proc_task *task, u32 signal);
void proc_signal_recompute(struct proc_task *task);       /* sets or clears the interrupt bit of the calling task */
bool proc_signal_deliverable(const struct proc_task *task);
long proc_delivery_take(struct proc_task *task);            /* signal_take for the calling task */

/* signal_post.c */
enum proc_scope { PROC_SCOPE_THREAD, PROC_SCOPE_PROCESS };
long proc_signal_post(struct proc_task *task, enum proc_scope scope, const struct proc_siginfo *info);
void proc_signal_kernel(struct proc_process *process, u32 signal); /* SI_KERNEL, whole process */
bool proc_signal_post_timer(struct proc_timer *timer);    /* false: the signal is ignored or nobody is there */
long proc_post_group(struct proc_id *group, u32 signal);

/* stop.c */
bool proc_stop_begin(struct proc_task *task, u32 signal);
void proc_stop_join(struct proc_task *task);              /* the calling thread stops */
void proc_stop_left(struct proc_task *task);              /* a thread that should have stopped has ended */
void proc_stop_continue(struct proc_process *process);    /* SIGCONT or SIGKILL came */
void proc_parent_notify(struct proc_process *process, i32 code, i32 status);

/* session.c */
void proc_process_group_join(struct proc_process *process, struct proc_id *group);
void proc_process_session_leave(struct proc_process *process);
void proc_process_session_join(struct proc_process *process, struct proc_id *session);
void proc_session_foreground_clear(struct proc_id *session);

/* usage.c */
void proc_usage_of_task(struct proc_task *task, struct proc_usage *usage);
void proc_usage_of_process(const struct proc_process *process, struct proc_usage *usage);
void proc_usage_add_memory(u64 space, struct proc_usage *usage); /* without the lock */
void proc_usage_add(struct proc_usage *sum, const struct proc_usage *more);

/* alarm.c */
void proc_alarm_set(struct proc_alarm *alarm, nanos_t deadline); /* NANOS_NEVER: off */
long proc_alarms_reserve(u32 more) must_check;
void proc_alarms_release(u32 fewer);
nanos_t proc_alarms_run(void);                            /* next deadline */

/* itimer.c */
void proc_itimer_init(struct proc_process *process);
void proc_itimer_rearm(struct proc_process *process);     /* SIGALRM was taken */
void proc_cpu_timers_update(struct proc_process *process);
void proc_itimer_end(struct proc_process *process);

/* timer.c */
void proc_timer_taken(struct proc_timer *timer, struct proc_siginfo *info); /* its signal was dequeued */
void proc_timers_end(struct proc_process *process);
/* Fires the processor-time timers that are due; the least time that another still needs, NANOS_NEVER if none. */
nanos_t proc_timers_cpu_run(struct proc_process *process);

/* semaphore.c */
void proc_semaphores_end(const struct proc_process *process);

/* schedule.c */
void proc_schedule_apply(struct proc_task *task);

/* load.c */
void proc_load_init(void);

#endif
