/* Job control: a process stops when all its threads have, and goes on at SIGCONT; its parent hears of both. */
#include "proc.h"

/* Wakes all threads of a process that may wait for a child. */
static void waiters_notify(struct proc_process *process)
{
	list_each(node, &process->tasks) {
		struct proc_task *task = container_of(node, struct proc_task, link);

		if (task->life == PROC_ALIVE)
			proc_task_notify(task);
	}
}

/* code 0: only wakes the parent. Stops and continues use SIGCHLD whatever the exit signal is. */
void proc_parent_notify(struct proc_process *process, i32 code, i32 status)
{
	struct proc_process *parent = process->parent;
	bool end = code == PROC_CLD_EXITED || code == PROC_CLD_KILLED;
	struct proc_siginfo info = { .signal = end ? (i32)process->exit_signal : SIGCHLD, .code = code };
	struct proc_usage usage;

	if (!parent || parent->zombie)
		return;
	if (code && !(!end && (proc_action_of(parent, SIGCHLD)->flags & PROC_SA_NOCLDSTOP ||
			       proc_action_of(parent, SIGCHLD)->handler == PROC_HANDLER_IGNORE))) {
		proc_usage_of_process(process, &usage);
		info.child.pid = process->leader->id->number;
		info.child.uid = process->leader->identity->is.uid;
		info.child.status = status;
		info.child.user_ticks = (i64)(usage.user_nanos / 10000000);
		info.child.system_ticks = (i64)(usage.system_nanos / 10000000);
		if (parent->leader->life != PROC_NEW)
			(void)!proc_signal_post(parent->leader, PROC_SCOPE_PROCESS, &info);
	}
	waiters_notify(parent);
}

/* All threads of the calling task's process are to stop; false: nothing to do, it is stopping already or ending. */
bool proc_stop_begin(struct proc_task *task, u32 signal)
{
	struct proc_process *process = task->process;

	if (process->exiting)
		return false;
	if (!process->stopped)
		process->stop_signal = (i32)signal;
	process->stopping = true;
	process->stop_count = 0;
	list_each(node, &process->tasks) {
		struct proc_task *other = container_of(node, struct proc_task, link);

		if (other->life != PROC_ALIVE || other->stopped)
			continue;
		other->stop_pending = true;
		process->stop_count++;
		if (other != task)
			proc_thread_interrupt(other, TK_INTERRUPT_STOP);
	}
	return process->stop_count > 0;
}

static void stop_complete(struct proc_process *process)
{
	bool before = process->stopped;

	process->stopped = true;
	process->continue_reportable = false;
	if (before)
		return;
	process->stop_reportable = true;
	proc_parent_notify(process, PROC_CLD_STOPPED, process->stop_signal);
}

static void stop_count_down(struct proc_process *process)
{
	if (process->stop_count && --process->stop_count == 0 && process->stopping)
		stop_complete(process);
}

void proc_stop_join(struct proc_task *task)
{
	struct proc_thread_shared *shared = proc_thread_shared(task);

	task->stop_pending = false;
	task->stopped = true;
	if (!(shared->stopped & 1))
		shared->stopped++;
	stop_count_down(task->process);
}

void proc_stop_left(struct proc_task *task)
{
	bool counted = task->stop_pending;

	task->stop_pending = task->stopped = false;
	if (counted && !task->process->exiting)
		stop_count_down(task->process);
}

static void task_resume(struct proc_task *task)
{
	struct proc_thread_shared *shared;

	task->stop_pending = false;
	if (!task->stopped)
		return;
	task->stopped = false;
	shared = proc_thread_shared(task);
	/* Release: the state that the woken thread asks for is written. */
	__atomic_fetch_add(&shared->stopped, 1, __ATOMIC_RELEASE);
	tk_wake(&shared->stopped, ~0u, 0, ~0u);
}

void proc_stop_continue(struct proc_process *process)
{
	bool was_stopped = process->stopped;
	bool was_stopping = process->stopping && process->stop_count;

	list_each(node, &process->tasks) {
		struct proc_task *task = container_of(node, struct proc_task, link);

		if (task->life == PROC_ALIVE)
			task_resume(task);
	}
	process->stopping = process->stopped = false;
	process->stop_count = 0;
	process->stop_reportable = false;
	if (!was_stopped && !was_stopping)
		return;
	process->continue_reportable = true;
	proc_parent_notify(process, PROC_CLD_CONTINUED, SIGCONT);
}
