/* Resource limits of processes. */
#include "proc.h"

static bool limit_allowed(const struct proc_task *caller, const struct proc_task *task)
{
	const struct proc_credentials *mine = &caller->identity->is, *theirs = &task->identity->is;

	if (caller->process == task->process || proc_capable(caller, PROC_CAP_SYS_RESOURCE))
		return true;
	return mine->uid == theirs->uid && mine->uid == theirs->euid && mine->uid == theirs->suid && mine->gid == theirs->gid &&
	       mine->gid == theirs->egid && mine->gid == theirs->sgid;
}

static long limit_set(const struct proc_task *caller, struct proc_process *process, u32 resource, const struct proc_limit *value)
{
	struct proc_limit *limit = &process->limits[resource];

	if (value->soft > value->hard)
		return -EINVAL;
	if (resource == PROC_LIMIT_NOFILE && value->hard > 1048576)
		return -EPERM;
	if (value->hard > limit->hard && !proc_capable(caller, PROC_CAP_SYS_RESOURCE))
		return -EPERM;
	*limit = *value;
	if (resource == PROC_LIMIT_CPU) {
		process->cpu_warned = 0;
		proc_cpu_timers_update(process);
	}
	return 0;
}

long proc_op_limit(const struct rt_request *rq, i32 pid, u32 resource, const struct proc_limit *given, struct proc_limit *old)
{
	const struct proc_limit value = *given;
	struct proc_task *caller, *task;
	bool set = resource & PROC_LIMIT_SET;
	long result = -ESRCH;

	resource &= ~PROC_LIMIT_SET;
	if (resource >= PROC_LIMITS)
		return -EINVAL;
	lock_acquire(&proc_lock);
	caller = proc_task_calling(rq);
	task = proc_task_named(rq, pid);
	if (caller && task) {
		result = limit_allowed(caller, task) ? 0 : -EPERM;
		if (!result) {
			*old = task->process->limits[resource];
			result = set ? limit_set(caller, task->process, resource, &value) : 0;
		}
	}
	return proc_done_kept(result, old, sizeof(*old));
}

long proc_op_limit_get(const struct rt_request *rq, u32 resource, u64 *soft, u64 *hard)
{
	struct proc_task *task;

	if (resource >= PROC_LIMITS)
		return -EINVAL;
	lock_acquire(&proc_lock);
	task = proc_task_serving(rq);
	if (task) {
		*soft = task->process->limits[resource].soft;
		*hard = task->process->limits[resource].hard;
	}
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}
