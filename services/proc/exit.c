/* The end of threads and processes: reparenting, notice to the parent, what remains for wait. Follows Linux's do_exit. */
#include "proc.h"

void proc_process_kill(struct proc_process *process, i32 status)
{
	if (process->exiting)
		return;
	process->exiting = true;
	process->exit_status = status;
	list_each(node, &process->tasks) {
		struct proc_task *task = container_of(node, struct proc_task, link);

		if (task->life == PROC_ALIVE)
			proc_thread_interrupt(task, TK_INTERRUPT_KILL);
	}
}

long proc_op_group_exit(const struct rt_request *rq, i32 status)
{
	struct proc_task *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		proc_process_kill(task->process, status & 0xffff);
		result = task->process->exit_status;
	}
	lock_release(&proc_lock);
	return result;
}

bool proc_group_orphaned(struct proc_id *group, const struct proc_process *ignored)
{
	list_each(node, &group->group_members) {
		struct proc_process *process = container_of(node, struct proc_process, group_link);

		if (process == ignored || (process->zombie) || !process->parent || process->parent == proc_init_process)
			continue;
		if (process->parent->group != group && process->parent->session == process->session)
			return false;
	}
	return true;
}

static bool group_has_stopped(struct proc_id *group)
{
	list_each(node, &group->group_members)
		if (container_of(node, struct proc_process, group_link)->stopped)
			return true;
	return false;
}

/* A process leaves (parent NULL: it ends) or gets another parent: its group may be without anyone who could continue it. */
void proc_group_orphan_check(struct proc_process *process, struct proc_process *parent)
{
	struct proc_process *ignored = parent ? NULL : process;

	if (!parent)
		parent = process->parent;
	if (parent && parent->group != process->group && parent->session == process->session &&
	    proc_group_orphaned(process->group, ignored) && group_has_stopped(process->group)) {
		proc_post_group(process->group, SIGHUP);
		proc_post_group(process->group, SIGCONT);
	}
}

/* Who adopts the children of a process: the nearest living ancestor that asked for it, else the first process. */
static struct proc_process *reaper_of(const struct proc_process *process)
{
	struct proc_process *ancestor;

	for (ancestor = process->parent; ancestor; ancestor = ancestor->parent)
		if (ancestor->subreaper && !ancestor->exiting && !ancestor->zombie)
			return ancestor;
	return proc_init_process;
}

static struct proc_task *task_living(struct proc_process *process)
{
	list_each(node, &process->tasks) {
		struct proc_task *task = container_of(node, struct proc_task, link);

		if (task->life != PROC_DEAD)
			return task;
	}
	return NULL;
}

/* Signals that the children asked for when the thread that made them ends. */
static void death_signals_send(struct proc_process *child)
{
	list_each(node, &child->tasks) {
		struct proc_task *task = container_of(node, struct proc_task, link);
		struct proc_siginfo info = { .signal = (i32)task->death_signal };

		if (task->death_signal && task->life == PROC_ALIVE)
			(void)!proc_signal_post(task, PROC_SCOPE_PROCESS, &info);
	}
}

static bool parent_ignores_children(const struct proc_process *parent)
{
	const struct proc_action *action = proc_action_of(parent, SIGCHLD);

	return action->handler == PROC_HANDLER_IGNORE || action->flags & PROC_SA_NOCLDWAIT;
}

/* Tells the parent of a process that has ended; true: nobody waits for it, it goes at once. */
static bool parent_told_of_end(struct proc_process *process)
{
	struct proc_process *parent = process->parent;
	i32 status = process->exit_status;
	bool reap = process->exit_signal == SIGCHLD && parent_ignores_children(parent);

	if (!(reap && proc_action_of(parent, SIGCHLD)->handler == PROC_HANDLER_IGNORE) && process->exit_signal) {
		i32 code = status & 0x7f ? PROC_CLD_KILLED : PROC_CLD_EXITED;

		proc_parent_notify(process, code, status & 0x7f ? status & 0x7f : status >> 8 & 0xff);
	} else {
		proc_parent_notify(process, 0, 0);
	}
	return reap;
}

static void child_reparent(struct proc_process *child, struct proc_process *reaper)
{
	list_remove(&child->sibling);
	death_signals_send(child);
	child->parent = reaper;
	child->parent_task = reaper ? task_living(reaper) : NULL;
	proc_parent_publish(child);
	if (!reaper) /* the first process ends: so does everything */
		return;
	list_push_back(&reaper->children, &child->sibling);
	child->exit_signal = SIGCHLD;
}

static void children_give_away(struct proc_process *process)
{
	struct proc_process *reaper = reaper_of(process);

	if (reaper == process)
		reaper = NULL;
	list_each_safe(node, &process->children) {
		struct proc_process *child = container_of(node, struct proc_process, sibling);

		child_reparent(child, reaper);
		if (!reaper)
			continue;
		if (child->zombie) {
			if (parent_told_of_end(child))
				proc_process_reap(child);
		} else {
			proc_group_orphan_check(child, process);
		}
	}
}

/* The children of a thread that ends while its process goes on belong to another of its threads. */
static void children_move(struct proc_task *task)
{
	struct proc_task *other = task_living(task->process);

	list_each(node, &task->process->children) {
		struct proc_process *child = container_of(node, struct proc_process, sibling);

		if (child->parent_task != task)
			continue;
		death_signals_send(child);
		child->parent_task = other;
	}
}

/* The leader of a session ends: its terminal is free, who was in front hears of it. */
static void session_leave(struct proc_process *process)
{
	struct proc_id *session = process->session;

	if (session->number != process->leader->id->number || !session->terminal)
		return;
	if (session->foreground) {
		proc_post_group(session->foreground, SIGHUP);
		proc_post_group(session->foreground, SIGCONT);
	}
	session->terminal = 0;
	proc_session_foreground_clear(session);
}

static void process_end(struct proc_process *process)
{
	proc_itimer_end(process);
	proc_timers_end(process);
	proc_semaphores_end(process);
	children_give_away(process);
	session_leave(process);
	process->zombie = true;
	process->image.space = 0;
	if (process->leader->id->end_word)
		pollword_set(process->leader->id->end_word, PROC_POLL_READABLE);
	process->stopping = process->stopped = false;
	process->stop_reportable = process->continue_reportable = false;
	proc_pending_flush(&process->shared, ~0ull);
	if (!process->parent)
		return; /* the first process: the machine goes off */
	proc_group_orphan_check(process, NULL);
	if (parent_told_of_end(process))
		proc_process_reap(process);
}

void proc_process_reap(struct proc_process *process)
{
	list_remove(&process->link);
	if (process->parent)
		list_remove(&process->sibling);
	list_each_safe(node, &process->tasks) {
		list_remove(node);
		proc_task_free(container_of(node, struct proc_task, link));
	}
	proc_process_free(process);
}

/* The thread's time goes to its process; the core's object to the service's thread. */
static void task_retire(struct proc_task *task)
{
	struct proc_usage usage;

	proc_usage_of_task(task, &usage);
	proc_usage_add(&task->process->ended, &usage);
	proc_counts.switches += usage.switches_voluntary + usage.switches_forced;
	proc_counts.user_nanos += usage.user_nanos;
	proc_counts.system_nanos += usage.system_nanos;
	proc_thread_table_remove(task);
	proc_thread_retire(task->thread);
	task->thread = NULL;
}

static void vfork_release(struct proc_task *task)
{
	struct proc_task *parent = task->vfork_parent;

	if (!parent)
		return;
	parent->vfork_child = NULL;
	task->vfork_parent = NULL;
	proc_task_notify(parent);
}

static long task_exit_locked(struct proc_task *task, i32 status)
{
	struct proc_process *process = task->process;
	bool leads_session = process->session->number == process->leader->id->number;

	vfork_release(task);
	task->life = PROC_DEAD;
	proc_stop_left(task);
	task_retire(task);
	proc_pending_flush(&task->pending, ~0ull);
	process->alive_count--;
	if (process->signal_target == task)
		process->signal_target = NULL;
	if (process->exec_task == task)
		process->exec_task = NULL;
	else if (process->exec_task)
		proc_task_notify(process->exec_task);
	if (process->alive_count) {
		children_move(task);
		if (task == process->leader)
			return 0; /* remains as the process's id until all have ended */
		list_remove(&task->link);
		process->task_count--;
		proc_task_free(task);
		return 0;
	}
	if (!process->exiting)
		process->exit_status = status; /* of the thread that ended last */
	if (task != process->leader) {
		list_remove(&task->link);
		process->task_count--;
		children_move(task);
		proc_task_free(task);
	}
	process_end(process);
	return 1 | (leads_session ? 2 : 0);
}

long proc_op_task_exit(const struct rt_request *rq, i32 status, u64 faults_minor, u64 faults_major, u64 resident_peak)
{
	struct proc_usage memory = { .faults_minor = faults_minor, .faults_major = faults_major, .resident_peak = resident_peak };
	struct proc_task *task;
	long result = -ESRCH;

	if (!proc_caller_is_shim(rq))
		return -EPERM;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		proc_usage_add(&task->process->ended, &memory);
		result = task_exit_locked(task, status & 0xffff);
	}
	return proc_done(result);
}
