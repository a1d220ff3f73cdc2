/* wait4 and waitid: which child has something to tell. */
#include "proc.h"

struct wait_match {
	struct proc_task *caller;
	u32 kind;
	struct proc_id *id; /* for kind GROUP; NULL: no such group */
	i32 pid;
	u32 options;
};

static bool child_matches(const struct proc_process *child, const struct wait_match *match)
{
	if (match->kind == PROC_WAIT_PID && child->leader->id->number != match->pid)
		return false;
	if (match->kind == PROC_WAIT_GROUP && child->group != match->id)
		return false;
	if (match->options & PROC_WNOTHREAD && child->parent_task != match->caller)
		return false;
	if (match->options & PROC_WALL)
		return true;
	return (child->exit_signal != SIGCHLD) == !!(match->options & PROC_WCLONE);
}

static void result_fill(const struct proc_process *child, struct proc_wait_result *result)
{
	memset(result, 0, sizeof(*result));
	result->pid = child->leader->id->number;
	result->uid = child->leader->identity->is.uid;
	proc_usage_of_process(child, &result->usage);
	proc_usage_add(&result->usage, &child->children_usage);
}

static bool zombie_report(struct proc_process *child, u32 options, struct proc_wait_result *result)
{
	struct proc_process *parent = child->parent;

	if (!child->zombie || !(options & PROC_WEXITED))
		return false;
	result_fill(child, result);
	result->status = child->exit_status;
	result->code = child->exit_status & 0x7f ? PROC_CLD_KILLED : PROC_CLD_EXITED;
	result->value = child->exit_status & 0x7f ? child->exit_status & 0x7f : child->exit_status >> 8 & 0xff;
	if (options & PROC_WNOWAIT)
		return true;
	proc_usage_add(&parent->children_usage, &child->ended);
	proc_usage_add(&parent->children_usage, &child->children_usage);
	proc_process_reap(child);
	return true;
}

static bool stop_report(struct proc_process *child, u32 options, struct proc_wait_result *result)
{
	if (!child->stop_reportable || !(options & PROC_WSTOPPED))
		return false;
	result_fill(child, result);
	result->status = child->stop_signal << 8 | 0x7f;
	result->code = PROC_CLD_STOPPED;
	result->value = child->stop_signal;
	if (!(options & PROC_WNOWAIT))
		child->stop_reportable = false;
	return true;
}

static bool continue_report(struct proc_process *child, u32 options, struct proc_wait_result *result)
{
	if (!child->continue_reportable || !(options & PROC_WCONTINUED))
		return false;
	result_fill(child, result);
	result->status = 0xffff;
	result->code = PROC_CLD_CONTINUED;
	result->value = SIGCONT;
	if (!(options & PROC_WNOWAIT))
		child->continue_reportable = false;
	return true;
}

static long children_look(const struct wait_match *match, struct proc_wait_result *result)
{
	struct proc_process *parent = match->caller->process;
	bool any = false;

	list_each_safe(node, &parent->children) {
		struct proc_process *child = container_of(node, struct proc_process, sibling);

		if (!child_matches(child, match) || child->leader->life == PROC_NEW)
			continue;
		any |= !child->zombie || (match->options & PROC_WEXITED); /* a dead one has nothing else to tell any more */
		if (zombie_report(child, match->options, result) || stop_report(child, match->options, result) ||
		    continue_report(child, match->options, result))
			return result->pid;
	}
	if (!any)
		return -ECHILD;
	return match->options & PROC_WNOHANG ? 0 : -EAGAIN;
}

long proc_op_wait_child(const struct rt_request *rq, u32 kind, i32 id, u32 options, struct proc_wait_result *result)
{
	const u32 known = PROC_WNOHANG | PROC_WSTOPPED | PROC_WEXITED | PROC_WCONTINUED | PROC_WNOWAIT | PROC_WNOTHREAD | PROC_WALL |
			  PROC_WCLONE;
	struct wait_match match = { .kind = kind, .pid = id, .options = options };
	long found = -ESRCH;

	if (kind > PROC_WAIT_GROUP || options & ~known || !(options & (PROC_WEXITED | PROC_WSTOPPED | PROC_WCONTINUED)))
		return -EINVAL;
	memset(result, 0, sizeof(*result));
	lock_acquire(&proc_lock);
	match.caller = proc_task_calling(rq);
	if (match.caller) {
		if (kind == PROC_WAIT_GROUP)
			match.id = id ? proc_id_find(id) : match.caller->process->group;
		found = children_look(&match, result);
	}
	return proc_done_kept(found, result, sizeof(*result));
}
