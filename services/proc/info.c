/* What procfs shows. */
#include "proc.h"

static char state_of_task(const struct proc_task *task)
{
	if (task->life == PROC_DEAD)
		return 'Z';
	if (task->stopped)
		return 'T';
	return task->thread && task->thread->page->state == 2 ? 'S' : 'R';
}

static void signals_fill(const struct proc_task *task, struct proc_info *info)
{
	info->pending = task->pending.set;
	info->pending_shared = task->process->shared.set;
	info->blocked = task->blocked;
	for (u32 signal = 1; signal <= PROC_SIGNALS; signal++) {
		u64 handler = proc_action_of(task->process, signal)->handler;

		if (handler == PROC_HANDLER_IGNORE)
			info->ignored |= PROC_SIGNAL_BIT(signal);
		else if (handler != PROC_HANDLER_DEFAULT)
			info->caught |= PROC_SIGNAL_BIT(signal);
	}
}

static void process_fill(const struct proc_process *process, struct proc_info *info)
{
	const struct proc_exec *image = &process->image;

	info->pid = process->leader->id->number;
	info->parent = process->parent ? process->parent->leader->id->number : 0;
	info->group = process->group->number;
	info->session = process->session->number;
	info->terminal = process->session->terminal;
	info->terminal_group = process->session->foreground ? process->session->foreground->number : -1;
	info->thread_count = process->alive_count;
	info->dumpable = (u8)process->dumpable;
	info->exiting = process->exiting || process->zombie;
	info->exit_signal = process->exit_signal;
	info->exit_status = process->exit_status;
	info->oom_adjust = process->oom_adjust;
	info->children = process->children_usage;
	memcpy(info->limits, process->limits, sizeof(info->limits));
	info->fs_client = process->fs_client;
	if (process->zombie)
		return;
	info->space = image->space;
	info->exe = image->exe;
	info->arguments_start = image->arguments_start;
	info->arguments_end = image->arguments_end;
	info->environment_start = image->environment_start;
	info->environment_end = image->environment_end;
	info->stack_start = image->stack_start;
	info->code_start = image->code_start;
	info->code_end = image->code_end;
	info->data_start = image->data_start;
	info->data_end = image->data_end;
}

static void task_fill(const struct proc_task *task, struct proc_info *info)
{
	info->tid = task->id->number;
	memcpy(info->name, task->name, sizeof(info->name));
	info->state = state_of_task(task);
	info->no_new_privileges = task->no_new_privileges;
	info->nice = task->schedule.nice;
	info->policy = task->schedule.policy;
	info->priority = task->schedule.priority;
	info->processor = task->thread ? task->thread->page->processor : 0;
	info->credentials = task->identity->is;
	info->pending_count = task->identity->user->pending;
	info->pending_limit = (u32)task->process->limits[PROC_LIMIT_SIGPENDING].soft;
	info->start = task->start;
	signals_fill(task, info);
}

long proc_op_info(const struct rt_request *rq, i32 tid, u32 process, struct proc_info *info)
{
	struct proc_task *task;

	memset(info, 0, sizeof(*info));
	lock_acquire(&proc_lock);
	task = proc_task_named(rq, tid);
	if (task && process)
		task = task->process->leader;
	if (task) {
		process_fill(task->process, info);
		task_fill(task, info);
		if (process)
			proc_usage_of_process(task->process, &info->usage);
		else
			proc_usage_of_task(task, &info->usage);
	}
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}

/* Ids above `after` for which `wanted` is true, as many as fit; bytes. */
static long ids_list(i32 after, i32 *list, size_t capacity, const struct proc_process *process)
{
	size_t count = 0;

	while (count < capacity / sizeof(*list)) {
		struct proc_id *id = proc_id_next(after);
		struct proc_task *task;

		if (!id)
			break;
		after = id->number;
		task = id->task;
		if (!task || task->life == PROC_NEW)
			continue;
		if (process ? task->process == process : task->process->leader == task)
			list[count++] = after;
	}
	return (long)(count * sizeof(*list));
}

long proc_op_process_list(const struct rt_request *rq, i32 after, void *list, size_t capacity)
{
	long size;

	(void)rq;
	lock_acquire(&proc_lock);
	size = ids_list(after, list, capacity, NULL);
	lock_release(&proc_lock);
	return size;
}

long proc_op_thread_list(const struct rt_request *rq, i32 pid, i32 after, void *list, size_t capacity)
{
	struct proc_task *task;
	long size = -ESRCH;

	lock_acquire(&proc_lock);
	task = proc_task_named(rq, pid);
	if (task)
		size = ids_list(after, list, capacity, task->process);
	lock_release(&proc_lock);
	return size;
}

long proc_op_system_info(const struct rt_request *rq, struct proc_system *system)
{
	(void)rq;
	lock_acquire(&proc_lock);
	*system = proc_counts;
	list_each(node, &proc_processes) {
		struct proc_process *process = container_of(node, struct proc_process, link);

		system->processes++;
		list_each(each, &process->tasks) {
			struct proc_task *task = container_of(each, struct proc_task, link);
			struct proc_usage usage;

			if (task->life != PROC_ALIVE)
				continue;
			proc_usage_of_task(task, &usage);
			system->threads++;
			system->running += state_of_task(task) == 'R';
			system->switches += usage.switches_voluntary + usage.switches_forced;
			system->user_nanos += usage.user_nanos;
			system->system_nanos += usage.system_nanos;
		}
	}
	lock_release(&proc_lock);
	system->boot_realtime = (nanos_t)(clock_realtime() - (i64)clock_monotonic());
	return 0;
}
