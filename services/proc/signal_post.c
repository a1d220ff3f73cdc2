/* A signal arrives: what it does at once, where it is queued, which thread is told. Follows Linux's send_signal and complete_signal. */
#include "proc.h"

#define IS(signal, set) (PROC_SIGNAL_BIT(signal) & (set))

/* Stop signals and SIGCONT drop each other; SIGCONT makes the process run whatever becomes of it. */
static void opposites_drop(struct proc_process *process, u32 signal)
{
	u64 drop = signal == SIGCONT ? PROC_SIGNALS_STOP : IS(signal, PROC_SIGNALS_STOP) ? PROC_SIGNAL_BIT(SIGCONT) : 0;

	if (!drop)
		return;
	proc_pending_flush(&process->shared, drop);
	list_each(node, &process->tasks)
		proc_pending_flush(&container_of(node, struct proc_task, link)->pending, drop);
	if (signal == SIGCONT)
		proc_stop_continue(process);
}

static bool thread_wants(const struct proc_task *task, u32 signal)
{
	if (task->life != PROC_ALIVE || IS(signal, (task->blocked & ~task->wait_set)))
		return false;
	if (signal == SIGKILL)
		return true;
	if (task->stopped)
		return false;
	return !(task->thread->page->interrupt & TK_INTERRUPT_SIGNAL);
}

/* The thread that is to take a signal: the one meant, or the next one that is free for it; NULL: it waits. */
static struct proc_task *thread_choose(struct proc_task *task, enum proc_scope scope, u32 signal)
{
	struct proc_process *process = task->process;
	struct list *start, *node;

	if (thread_wants(task, signal))
		return task;
	if (scope == PROC_SCOPE_THREAD || process->alive_count < 2)
		return NULL;
	start = process->signal_target ? &process->signal_target->link : &process->tasks;
	node = start;
	do {
		if (node != &process->tasks) {
			struct proc_task *other = container_of(node, struct proc_task, link);

			if (thread_wants(other, signal)) {
				process->signal_target = other;
				return other;
			}
		}
		node = node->next;
	} while (node != start);
	return NULL;
}

/* The default action ends the process, and nothing stands between. */
static bool is_fatal(const struct proc_task *task, u32 signal)
{
	return proc_action_of(task->process, signal)->handler == PROC_HANDLER_DEFAULT &&
	       !IS(signal, (PROC_SIGNALS_IGNORED | PROC_SIGNALS_STOP)) && !(task->process->unkillable) &&
	       !IS(signal, task->wait_set) && !task->process->exiting;
}

/* Threads that wait for the signal by wait_set, or would take it although they are busy, are told too. */
static void signal_complete(struct proc_task *task, enum proc_scope scope, u32 signal)
{
	struct proc_task *chosen = thread_choose(task, scope, signal);

	if (chosen && is_fatal(chosen, signal))
		proc_process_kill(task->process, (i32)signal);
	else if (chosen)
		proc_thread_interrupt(chosen, TK_INTERRUPT_SIGNAL);
	if (task->process->signal_word)
		pollword_event(task->process->signal_word, 0);
}

static bool signal_prepare(struct proc_task *task, u32 signal)
{
	struct proc_process *process = task->process;

	if (process->zombie || task->life == PROC_DEAD || process->exiting)
		return false;
	opposites_drop(process, signal);
	return !proc_signal_ignored(task, signal);
}

/* A process-wide signal goes to the leader, or when that has ended to any thread. */
static struct proc_task *task_of_scope(struct proc_task *task, enum proc_scope scope)
{
	if (scope == PROC_SCOPE_THREAD || task->life != PROC_DEAD)
		return task;
	list_each(node, &task->process->tasks) {
		struct proc_task *other = container_of(node, struct proc_task, link);

		if (other->life == PROC_ALIVE)
			return other;
	}
	return task;
}

long proc_signal_post(struct proc_task *task, enum proc_scope scope, const struct proc_siginfo *info)
{
	struct proc_pending *pending;
	struct proc_queued *entry = NULL;
	u32 signal = (u32)info->signal;

	task = task_of_scope(task, scope);
	pending = scope == PROC_SCOPE_THREAD ? &task->pending : &task->process->shared;
	if (!signal_prepare(task, signal))
		return 0;
	if (signal < PROC_SIGNAL_REALTIME && IS(signal, pending->set))
		return 0;
	if (signal != SIGKILL) {
		entry = proc_queued_create(task, info, signal < PROC_SIGNAL_REALTIME && info->code >= 0);
		if (!entry && signal >= PROC_SIGNAL_REALTIME && info->code != PROC_SI_USER && info->code != PROC_SI_KERNEL)
			return -EAGAIN;
	}
	if (entry)
		proc_pending_add(pending, entry);
	pending->set |= PROC_SIGNAL_BIT(signal);
	signal_complete(task, scope, signal);
	return 0;
}

void proc_signal_kernel(struct proc_process *process, u32 signal)
{
	struct proc_siginfo info = { .signal = (i32)signal, .code = PROC_SI_KERNEL };

	(void)!proc_signal_post(process->leader, PROC_SCOPE_PROCESS, &info);
}

long proc_post_group(struct proc_id *group, u32 signal)
{
	long result = -ESRCH;

	list_each_safe(node, &group->group_members) {
		struct proc_process *process = container_of(node, struct proc_process, group_link);

		if (process->zombie || process->leader->life == PROC_NEW)
			continue;
		proc_signal_kernel(process, signal);
		result = 0;
	}
	return result;
}

/* Where the signal of a timer goes; NULL: nobody is there. */
static struct proc_task *timer_task(const struct proc_timer *timer, enum proc_scope *scope)
{
	*scope = PROC_SCOPE_PROCESS;
	if (timer->notify != PROC_NOTIFY_THREAD_ID)
		return timer->process->leader;
	*scope = PROC_SCOPE_THREAD;
	return timer->target->task && timer->target->task->process == timer->process ? timer->target->task : NULL;
}

bool proc_signal_post_timer(struct proc_timer *timer)
{
	struct proc_queued *entry = &timer->queued;
	struct proc_pending *pending;
	struct proc_task *task;
	enum proc_scope scope;

	task = timer_task(timer, &scope);
	if (!task)
		return false;
	task = task_of_scope(task, scope);
	pending = scope == PROC_SCOPE_THREAD ? &task->pending : &task->process->shared;
	if (!signal_prepare(task, (u32)timer->signal))
		return false;
	memset(&entry->info, 0, sizeof(entry->info));
	entry->info.signal = timer->signal;
	entry->info.code = PROC_SI_TIMER;
	entry->info.timer.timer = timer->id;
	entry->info.timer.value = timer->value;
	proc_pending_add(pending, entry);
	pending->set |= PROC_SIGNAL_BIT(timer->signal);
	timer->signal_pending = true;
	signal_complete(task, scope, (u32)timer->signal);
	return true;
}
