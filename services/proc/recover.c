/* Recovery: processes and what they have in common, and the order in which all is done. */
#include "recover.h"

long proc_bad(const char *what)
{
	log_line("proc: what was kept is damaged: %s", what);
	return -EIO;
}

bool proc_list_claim(struct list *head, size_t offset, size_t size, u32 kind)
{
	struct list *before = head;

	for (struct list *node = head->next; node != head; before = node, node = node->next) {
		if (!heap_claim((const void *)((uintptr_t)node - offset), size, kind))
			return false;
		node->previous = before;
	}
	head->previous = before;
	return true;
}

bool proc_bools_valid(const bool *first, const bool *last)
{
	for (const char *at = (const char *)first; at <= (const char *)last; at++)
		if (*at & ~1)
			return false;
	return true;
}

bool proc_id_known(const struct proc_id *id)
{
	return id == &proc_first_session || heap_kind(id) == PROC_CLAIMED_ID;
}

bool proc_process_known(const struct proc_process *process)
{
	return heap_kind(process) == PROC_CLAIMED_PROCESS;
}

/* ---- Processes ------------------------------------------------------------------------------------------------------------------- */

/* All processes and tasks, claimed; nothing else is looked at. */
static long processes_claim(void)
{
	if (!proc_list_claim(&proc_processes, offsetof(struct proc_process, link), sizeof(struct proc_process), PROC_CLAIMED_PROCESS))
		return proc_bad("the list of processes");
	list_each(node, &proc_processes) {
		struct proc_process *process = container_of(node, struct proc_process, link);

		if (!proc_list_claim(&process->tasks, offsetof(struct proc_task, link), sizeof(struct proc_task), PROC_CLAIMED_TASK))
			return proc_bad("the threads of a process");
	}
	return proc_init_process && !proc_process_known(proc_init_process) ? proc_bad("the first process") : 0;
}

static bool task_of(const struct proc_task *task, const struct proc_process *process)
{
	return heap_kind(task) == PROC_CLAIMED_TASK && task->process == process;
}

/* Dead threads are gone, but for the leader, whose number is the process's. */
static long tasks_recover(struct proc_process *process)
{
	process->task_count = process->alive_count = process->stop_count = 0;
	process->signal_target = NULL; /* only where a search begins */
	list_each(node, &process->tasks) {
		struct proc_task *task = container_of(node, struct proc_task, link);

		if (task->process != process || proc_task_recover(task))
			return proc_bad("a thread");
		if (task->life == PROC_DEAD && task != process->leader)
			return proc_bad("a thread that has ended");
		process->task_count++;
		process->alive_count += task->life != PROC_DEAD;
		process->stop_count += task->stop_pending;
	}
	if (!task_of(process->leader, process) || process->zombie != (process->alive_count == 0))
		return proc_bad("the leader of a process");
	return !process->exec_task || (task_of(process->exec_task, process) && process->exec_task->life != PROC_DEAD) ? 0 :
	       proc_bad("a thread that executes a program");
}

static long dispositions_recover(struct proc_dispositions *dispositions)
{
	if (heap_kind(dispositions) != PROC_CLAIMED_DISPOSITIONS) {
		if (!heap_claim(dispositions, sizeof(*dispositions), PROC_CLAIMED_DISPOSITIONS))
			return proc_bad("what a process does about signals");
		dispositions->references = 0;
	}
	dispositions->references++;
	return 0;
}

/* The groups' and sessions' lists are made anew, in the order of the processes. */
static long groups_recover(struct proc_process *process)
{
	if (!proc_id_known(process->group) || !proc_id_known(process->session))
		return proc_bad("the group of a process");
	proc_id_hold(process->group);
	list_push_back(&process->group->group_members, &process->group_link);
	proc_id_hold(process->session);
	list_push_back(&process->session->session_members, &process->session_link);
	return 0;
}

static long parent_recover(struct proc_process *process, u32 processes)
{
	const struct proc_process *ancestor = process->parent;

	list_init(&process->sibling);
	if (!ancestor)
		return process->parent_task ? proc_bad("the thread that made a process") : 0;
	if (!proc_process_known(ancestor) || ancestor->zombie || (process->parent_task && !task_of(process->parent_task, ancestor)))
		return proc_bad("the parent of a process");
	list_push_back(&process->parent->children, &process->sibling);
	while (ancestor && processes-- && proc_process_known(ancestor))
		ancestor = ancestor->parent;
	return ancestor ? proc_bad("the ancestors of a process") : 0;
}

static long process_recover(struct proc_process *process)
{
	if (!proc_bools_valid(&process->exiting, &process->unkillable) || !proc_bools_valid(&process->stopping, &process->continue_reportable) ||
	    process->exit_signal > PROC_SIGNALS)
		return proc_bad("a process");
	list_init(&process->children);
	proc_itimer_init(process);
	if (process->signal_word && !pollword_claim(process->signal_word))
		return proc_bad("the poll word of a process");
	return tasks_recover(process) || dispositions_recover(process->dispositions) || groups_recover(process) || proc_timers_recover(process) ? -EIO : 0;
}

/* Timers of all processes are known. */
static long queues_recover(struct proc_process *process)
{
	if (proc_pending_recover(&process->shared))
		return -EIO;
	list_each(node, &process->tasks)
		if (proc_pending_recover(&container_of(node, struct proc_task, link)->pending))
			return -EIO;
	return 0;
}

static long vfork_recover(const struct proc_process *process)
{
	list_each(node, &process->tasks) {
		const struct proc_task *task = container_of(node, struct proc_task, link), *child = task->vfork_child, *parent = task->vfork_parent;

		if ((child && (heap_kind(child) != PROC_CLAIMED_TASK || child->vfork_parent != task)) ||
		    (parent && (heap_kind(parent) != PROC_CLAIMED_TASK || parent->vfork_child != task)))
			return proc_bad("a thread that lends its memory");
	}
	return 0;
}

/* ---- Alarms ------------------------------------------------------------------------------------------------------------------------ */

static u32 timers_count(const struct proc_process *process)
{
	u32 count = 0;

	list_each(node, &process->timers)
		count++;
	return count;
}

static long alarms_recover(void)
{
	u32 needed = 1; /* the load average's */

	list_each(node, &proc_processes)
		needed += 2 + timers_count(container_of(node, struct proc_process, link));
	if (proc_alarms_recover(needed))
		return -EIO;
	list_each(node, &proc_processes) {
		struct proc_process *process = container_of(node, struct proc_process, link);

		proc_alarm_recover(&process->real_alarm);
		proc_alarm_recover(&process->cpu_alarm);
		list_each(each, &process->timers)
			proc_alarm_recover(&container_of(each, struct proc_timer, link)->alarm);
	}
	proc_load_recover();
	return 0;
}

/* ---- Whoever waits -------------------------------------------------------------------------------------------------------------------- */

/* The core may have been told of what is not so any more, and not of what is. */
static void task_tell(struct proc_task *task)
{
	struct proc_thread_shared *shared;

	if (!task->thread)
		return;
	shared = proc_thread_shared(task);
	if ((shared->stopped & 1) != task->stopped)
		__atomic_fetch_add(&shared->stopped, 1, __ATOMIC_RELEASE); /* as in stop.c */
	tk_wake(&shared->stopped, ~0u, 0, ~0u);
	if (task->process->exiting || task->killed)
		proc_thread_interrupt(task, TK_INTERRUPT_KILL);
	if (task->stop_pending)
		proc_thread_interrupt(task, TK_INTERRUPT_STOP);
	if (proc_signal_deliverable(task))
		proc_thread_interrupt(task, TK_INTERRUPT_SIGNAL);
	proc_task_notify(task);
	if (task->life == PROC_ALIVE && task->thread->page->state == 0)
		(void)!tk_thread_start(task->thread->token); /* it was noted, and not done; else it is running by now */
}

static u32 processes_tell(void)
{
	u32 count = 0;

	list_each(node, &proc_processes) {
		struct proc_process *process = container_of(node, struct proc_process, link);

		proc_parent_publish(process);
		if (process->signal_word)
			pollword_event(process->signal_word, 0);
		list_each(each, &process->tasks)
			task_tell(container_of(each, struct proc_task, link));
		count++;
	}
	return count;
}

/* ---- All --------------------------------------------------------------------------------------------------------------------------- */

/* Calls a function for each process until one answers an error. */
static long each_process(long (*look)(struct proc_process *process))
{
	list_each(node, &proc_processes)
		if (look(container_of(node, struct proc_process, link)))
			return -EIO;
	return 0;
}

static long families_recover(void)
{
	u32 processes = 0;

	list_each(node, &proc_processes)
		processes++;
	list_each(node, &proc_processes) {
		struct proc_process *process = container_of(node, struct proc_process, link);

		if (parent_recover(process, processes) || vfork_recover(process))
			return -EIO;
	}
	return 0;
}

long proc_recover(void)
{
	u32 count;

	proc_lock = (struct rt_lock)RT_LOCK_INIT;
	proc_queued_spares_drop();
	if (proc_tables_recover() || proc_threads_recover() || processes_claim() || each_process(process_recover) || each_process(queues_recover))
		return -EIO;
	if (families_recover() || proc_semaphores_recover() || proc_numbers_recovered() || proc_images_recover() || alarms_recover())
		return -EIO;
	proc_threads_recovered();
	count = processes_tell();
	log_line("proc: goes on with %u processes; %llu blocks freed", count, (unsigned long long)heap_sweep());
	return 0;
}

long proc_op_answer(const struct rt_request *rq, u64 since, u32 operation, struct proc_kept *kept, u64 *first, u64 *second, u64 *third)
{
	const struct stable_question question = { since, operation };
	u64 outs[3] = { 0 };
	long result = stable_answer(rq, &question, outs, kept, sizeof(*kept));

	*first = outs[0];
	*second = outs[1];
	*third = outs[2];
	return result;
}
