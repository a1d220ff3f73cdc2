/* kill and its relatives: who may send what to whom. */
#include "proc.h"

/* signal 0 only asks. */
static long send_allowed(const struct proc_task *from, const struct proc_task *to, u32 signal)
{
	const struct proc_credentials *mine = &from->identity->is, *theirs = &to->identity->is;

	if (from->process == to->process)
		return 0;
	if (mine->euid == theirs->suid || mine->euid == theirs->uid || mine->uid == theirs->suid || mine->uid == theirs->uid)
		return 0;
	if (proc_capable(from, PROC_CAP_KILL))
		return 0;
	if (signal == SIGCONT && from->process->session == to->process->session)
		return 0;
	return -EPERM;
}

static long process_send(struct proc_task *from, struct proc_process *process, const struct proc_siginfo *info)
{
	long result = send_allowed(from, process->leader, (u32)info->signal);

	if (result < 0 || !info->signal)
		return result;
	return proc_signal_post(process->leader, PROC_SCOPE_PROCESS, info);
}

static bool process_visible(const struct proc_process *process)
{
	return process->leader && process->leader->life != PROC_NEW;
}

static long group_send(struct proc_task *from, struct proc_id *group, const struct proc_siginfo *info)
{
	long result = -ESRCH;
	bool sent = false;

	if (!group)
		return -ESRCH;
	list_each_safe(node, &group->group_members) {
		struct proc_process *process = container_of(node, struct proc_process, group_link);
		long each;

		if (!process_visible(process))
			continue;
		each = process_send(from, process, info);
		sent |= each == 0;
		result = each;
	}
	return sent ? 0 : result;
}

static long all_send(struct proc_task *from, const struct proc_siginfo *info)
{
	long result = 0;
	u32 count = 0;

	list_each_safe(node, &proc_processes) {
		struct proc_process *process = container_of(node, struct proc_process, link);
		long each;

		if (process->unkillable || process == from->process || !process_visible(process))
			continue;
		each = process_send(from, process, info);
		count++;
		if (each != -EPERM)
			result = each;
	}
	return count ? result : -ESRCH;
}

static long kill_send(struct proc_task *from, i32 id, const struct proc_siginfo *info)
{
	struct proc_task *task;

	if (id == 0)
		return group_send(from, from->process->group, info);
	if (id == -1)
		return all_send(from, info);
	if (id < 0)
		return id == INT32_MIN ? -ESRCH : group_send(from, proc_id_find(-id), info);
	task = proc_task_find(id); /* any thread's id names its process */
	if (!task || !process_visible(task->process))
		return -ESRCH;
	return process_send(from, task->process, info);
}

static long thread_send(struct proc_task *from, i32 tid, i32 group, const struct proc_siginfo *info)
{
	struct proc_task *task = proc_task_find(tid);
	long result;

	if (!task || task->life == PROC_NEW || (group != -1 && task->process->leader->id->number != group))
		return -ESRCH;
	result = send_allowed(from, task, (u32)info->signal);
	if (result < 0 || !info->signal || task->life == PROC_DEAD)
		return result;
	return proc_signal_post(task, PROC_SCOPE_THREAD, info);
}

/* The signal as the calling task sends it; refuses what only the kernel may say. */
static long send_checked(struct proc_task *from, u32 target, i32 id, i32 group, struct proc_siginfo *info)
{
	if (target & PROC_TARGET_QUEUED) {
		if ((info->code >= 0 || info->code == PROC_SI_TKILL) && id != from->id->number)
			return -EPERM;
		if (target == PROC_TARGET_QUEUED && id <= 0)
			return -ESRCH;
	} else {
		info->sender.pid = from->process->leader->id->number;
		info->sender.uid = from->identity->is.uid;
	}
	return target & PROC_TARGET_THREAD ? thread_send(from, id, group, info) : kill_send(from, id, info);
}

/* take: what the signal means for the sender itself is the result. */
static long signal_send(const struct rt_request *rq, u32 target, i32 id, i32 group, struct proc_siginfo *info, bool take)
{
	struct proc_task *from;
	long result = -ESRCH;

	if (target > (PROC_TARGET_THREAD | PROC_TARGET_QUEUED) || info->signal < 0 || info->signal > PROC_SIGNALS)
		return -EINVAL;
	if (target & PROC_TARGET_THREAD && (id <= 0 || group == 0 || group < -1))
		return -EINVAL;
	if (!proc_caller_is_shim(rq))
		return -EPERM;
	lock_acquire(&proc_lock);
	from = proc_task_calling(rq);
	if (from)
		result = send_checked(from, target, id, group, info);
	if (take && !result && from->thread->page->interrupt)
		result = proc_delivery_take(from);
	return proc_done(result);
}

long proc_op_signal_send(const struct rt_request *rq, u32 target, i32 id, i32 group, const struct proc_siginfo *given)
{
	struct proc_siginfo info = *given;

	return signal_send(rq, target, id, group, &info, false);
}

long proc_op_signal_kill(const struct rt_request *rq, u32 target, i32 id, i32 group, u32 signal)
{
	struct proc_siginfo info = { .signal = (i32)signal, .code = target == PROC_TARGET_KILL ? PROC_SI_USER : PROC_SI_TKILL };

	return target & PROC_TARGET_QUEUED ? -EINVAL : signal_send(rq, target, id, group, &info, true);
}

/* As Linux's force_sig_info: what is blocked or ignored becomes the default action. */
static void signal_force(struct proc_task *task, const struct proc_siginfo *info)
{
	struct proc_action *action = proc_action_of(task->process, (u32)info->signal);
	u64 bit = PROC_SIGNAL_BIT(info->signal);

	if (task->blocked & bit || action->handler == PROC_HANDLER_IGNORE) {
		memset(action, 0, sizeof(*action));
		task->blocked &= ~bit;
		proc_signal_recompute(task);
	}
	if (action->handler == PROC_HANDLER_DEFAULT)
		task->process->unkillable = false;
	(void)!proc_signal_post(task, PROC_SCOPE_THREAD, info);
}

long proc_op_signal_force(const struct rt_request *rq, u32 signal, i32 code, u64 address)
{
	const struct proc_siginfo info = { .signal = (i32)signal, .code = code, .fault = { .address = address } };
	struct proc_task *task;
	long result = -ESRCH;

	if (!signal || signal > PROC_SIGNALS)
		return -EINVAL;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		signal_force(task, &info);
		result = proc_delivery_take(task);
	}
	return proc_done(result);
}

long proc_op_signal_self(const struct rt_request *rq, u32 signal, u32 process)
{
	struct proc_siginfo info = { .signal = (i32)signal, .code = PROC_SI_USER };
	struct proc_task *task;

	if (!signal || signal > PROC_SIGNALS)
		return -EINVAL;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		info.sender.pid = task->process->leader->id->number;
		info.sender.uid = task->identity->is.uid;
		(void)!proc_signal_post(task, process ? PROC_SCOPE_PROCESS : PROC_SCOPE_THREAD, &info);
	}
	return proc_done(task ? 0 : -ESRCH);
}
