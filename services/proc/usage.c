/* Time and counters of threads and processes, from the pages that the core writes. */
#include "proc.h"
#include "mem_client.h"

void proc_usage_add(struct proc_usage *sum, const struct proc_usage *more)
{
	sum->user_nanos += more->user_nanos;
	sum->system_nanos += more->system_nanos;
	sum->faults_minor += more->faults_minor;
	sum->faults_major += more->faults_major;
	sum->switches_voluntary += more->switches_voluntary;
	sum->switches_forced += more->switches_forced;
	sum->blocks_in += more->blocks_in;
	sum->blocks_out += more->blocks_out;
	if (more->resident_peak > sum->resident_peak)
		sum->resident_peak = more->resident_peak;
}

/* The processor time of a page, with what has passed since the core last counted while the thread runs. */
static u64 run_time(const struct tk_thread_page *page)
{
	u64 since, now, run;

	do {
		since = __atomic_load_n(&page->running_since, __ATOMIC_ACQUIRE);
		run = page->run_nanos;
		__atomic_thread_fence(__ATOMIC_ACQUIRE); /* the time before the second look */
	} while (since == 1 || since != page->running_since);
	now = clock_monotonic();
	return since && now > since ? run + (now - since) : run;
}

/*
 * The time is exact, its parts are not: they stand to each other as the core's looks at the thread do, user time alone where there was none.
 * Neither part ever shows less than before (Linux's cputime_adjust).
 */
static void times_split(struct proc_task *task, const struct tk_thread_page *page, struct proc_usage *usage)
{
	u64 run = run_time(page), ticks = page->ticks_system, all = ticks + page->ticks_user, system = 0;

	if (run > task->user_shown + task->system_shown) {
		if (ticks)
			system = run / all * ticks + run % all * ticks / all;
		if (system < task->system_shown)
			system = task->system_shown;
		if (run - system < task->user_shown)
			system = run - task->user_shown;
		task->system_shown = system;
		task->user_shown = run - system;
	}
	usage->user_nanos = task->user_shown;
	usage->system_nanos = task->system_shown;
}

void proc_usage_of_task(struct proc_task *task, struct proc_usage *usage)
{
	const struct tk_thread_page *page;

	memset(usage, 0, sizeof(*usage));
	if (!task->thread)
		return;
	page = task->thread->page;
	times_split(task, page, usage);
	usage->switches_voluntary = page->switches_voluntary;
	usage->switches_forced = page->switches_forced;
}

void proc_usage_of_process(const struct proc_process *process, struct proc_usage *usage)
{
	*usage = process->ended;
	list_each(node, &process->tasks) {
		struct proc_usage one;

		proc_usage_of_task(container_of(node, struct proc_task, link), &one);
		proc_usage_add(usage, &one);
	}
}

/* What mem counts for the address space; without the lock. */
void proc_usage_add_memory(u64 space, struct proc_usage *usage)
{
	struct mem_space_info info;

	if (!space || mem_space_info(space, &info) < 0)
		return;
	usage->faults_minor += info.faults_minor;
	usage->faults_major += info.faults_major;
	if (info.resident_peak * 4 > usage->resident_peak)
		usage->resident_peak = info.resident_peak * 4;
}

long proc_op_usage(const struct rt_request *rq, i32 who, struct proc_usage *usage)
{
	struct proc_task *task;
	u64 space = 0;

	if (who < -1 || who > 1)
		return -EINVAL;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		space = who < 0 ? 0 : task->process->image.space;
		if (who == -1)
			*usage = task->process->children_usage;
		else if (who == 1)
			proc_usage_of_task(task, usage);
		else
			proc_usage_of_process(task->process, usage);
	}
	lock_release(&proc_lock);
	proc_usage_add_memory(space, usage);
	return task ? 0 : -ESRCH;
}

long proc_op_cpu_time(const struct rt_request *rq, i32 id, u32 thread, u32 kind, u64 *nanos)
{
	struct proc_usage usage;
	struct proc_task *task;

	if (kind > 1 || thread > 1)
		return -EINVAL;
	lock_acquire(&proc_lock);
	task = proc_task_named(rq, id);
	if (task && !thread && id && task->process->leader != task)
		task = NULL;
	if (task) {
		if (thread)
			proc_usage_of_task(task, &usage);
		else
			proc_usage_of_process(task->process, &usage);
		*nanos = usage.user_nanos + (kind ? 0 : usage.system_nanos);
	}
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}
