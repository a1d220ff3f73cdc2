/* When memory is gone: which process ends for the others, chosen as Linux does (mm/oom_kill.c, oom_badness), and what it can be told of it. */
#include "proc.h"
#include <mem_client.h>

#define VICTIM_NANOS 10000000000ull /* so long nobody else is chosen while one ends, */
#define FREEING_NANOS 500000000ull  /* and so long in any case: what was large may still be freed when the process has ended */

struct candidate {
	i32 pid, adjust;
	u64 space;
};

static struct { i32 pid; nanos_t chosen; } victim; /* guarded by proc_lock */

static bool process_is_alive(const struct proc_process *process) { return !process->zombie && process->image.space; }

/* The next process above candidate->pid that may be chosen. */
static bool candidate_next(struct candidate *candidate)
{
	bool found = false;

	lock_acquire(&proc_lock);
	for (struct proc_id *id = proc_id_next(candidate->pid); id && !found; id = proc_id_next(candidate->pid)) {
		const struct proc_process *process = id->task ? id->task->process : NULL;

		candidate->pid = id->number;
		found = process && process->leader == id->task && id->task->life != PROC_NEW && process_is_alive(process) &&
			process != proc_init_process && process->oom_adjust != PROC_OOM_NEVER;
		if (found) {
			candidate->adjust = process->oom_adjust;
			candidate->space = process->image.space;
		}
	}
	lock_release(&proc_lock);
	return found;
}

/* Whoever has most, and of equals the last; mem is asked without the lock. */
static struct candidate worst_find(struct mem_space_info *memory)
{
	struct candidate worst = { 0 }, next = { 0 };
	i64 most = 0;

	while (candidate_next(&next)) {
		struct mem_space_info info;
		i64 points;

		if (mem_space_info(next.space, &info) < 0)
			continue; /* it has just ended */
		points = proc_oom_points(info.resident + info.page_tables, next.adjust, rt_boot->memory_frames);
		if (worst.pid && points < most)
			continue;
		most = points;
		worst = next;
		*memory = info;
	}
	return worst;
}

static void kill_report(const struct proc_process *process, const struct mem_space_info *memory)
{
	const u64 kib = PAGE_SIZE / 1024, shared = memory->shared < memory->resident ? memory->shared : memory->resident;

	log_line("Out of memory: Killed process %d (%s) total-vm:%lukB, anon-rss:%lukB, file-rss:%lukB, UID:%u pgtables:%lukB oom_score_adj:%d",
		process->leader->id->number, process->leader->name, memory->total * kib, (memory->resident - shared) * kib, shared * kib,
		process->leader->identity->is.uid, memory->page_tables * kib, process->oom_adjust);
}

/* Ends a process and all that run in its address space. */
static long victim_kill(const struct candidate *worst, const struct mem_space_info *memory)
{
	struct proc_process *chosen = proc_process_find(worst->pid);

	if (!chosen || !process_is_alive(chosen) || chosen->image.space != worst->space)
		return 0; /* it ended meanwhile, and its memory is free */
	victim.pid = worst->pid;
	victim.chosen = clock_monotonic();
	kill_report(chosen, memory);
	list_each_safe(node, &proc_processes) {
		struct proc_process *process = container_of(node, struct proc_process, link);

		if (process->image.space == worst->space && process_is_alive(process) && process != proc_init_process)
			proc_signal_kernel(process, SIGKILL);
	}
	return worst->pid;
}

static bool victim_ends(void)
{
	const struct proc_process *process = victim.pid ? proc_process_find(victim.pid) : NULL;

	const nanos_t passed = clock_monotonic() - victim.chosen;

	return victim.pid && passed < (process && process_is_alive(process) ? VICTIM_NANOS : FREEING_NANOS);
}

long proc_op_oom_kill(const struct rt_request *rq)
{
	struct mem_space_info memory;
	struct candidate worst;
	long result = -ESRCH;
	bool wait = false;

	lock_acquire(&proc_lock);
	if (proc_task_calling(rq)) {
		wait = victim_ends();
		result = 0;
	}
	lock_release(&proc_lock);
	if (wait || result)
		return result;
	worst = worst_find(&memory);
	if (!worst.pid)
		return -ESRCH;
	lock_acquire(&proc_lock);
	if (!victim_ends()) /* another thread may have chosen meanwhile */
		result = victim_kill(&worst, &memory);
	lock_release(&proc_lock);
	return result;
}

long proc_op_oom_adjust(const struct rt_request *rq, i32 tid, i32 adjust)
{
	const struct proc_task *caller;
	struct proc_task *task;
	long result = -ESRCH;

	if (adjust < PROC_OOM_NEVER || adjust > PROC_OOM_FIRST)
		return -EINVAL;
	lock_acquire(&proc_lock);
	caller = proc_task_serving(rq);
	task = proc_task_named(rq, tid);
	if (caller && task) {
		struct proc_process *process = task->process;
		bool privileged = proc_capable(caller, PROC_CAP_SYS_RESOURCE);

		result = adjust < process->oom_adjust_least && !privileged ? -EACCES : 0;
		if (!result) {
			process->oom_adjust = adjust;
			if (privileged)
				process->oom_adjust_least = adjust;
		}
	}
	lock_release(&proc_lock);
	return result;
}
