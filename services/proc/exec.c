/* What executing a program changes: the other threads end, the caller becomes the leader, handlers and timers are reset. */
#include "proc.h"

long proc_op_vfork_check(const struct rt_request *rq, i32 tid)
{
	struct proc_task *task;
	long result = 0;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task && task->vfork_child && task->vfork_child->id->number == tid)
		result = -EAGAIN;
	lock_release(&proc_lock);
	return result;
}

static void others_kill(struct proc_task *task)
{
	list_each(node, &task->process->tasks) {
		struct proc_task *other = container_of(node, struct proc_task, link);

		if (other == task || other->life == PROC_DEAD)
			continue;
		other->killed = true;
		proc_thread_interrupt(other, TK_INTERRUPT_KILL);
	}
}

/* The only thread left takes the place and the number of the leader, which has ended. */
static void leader_replace(struct proc_task *task)
{
	struct proc_process *process = task->process;
	struct proc_task *leader = process->leader;
	struct proc_id *id = leader->id;

	list_remove(&leader->link);
	process->task_count--;
	leader->id = task->id;
	leader->id->task = leader;
	task->id = id;
	id->task = task;
	process->leader = task;
	task->start = leader->start;
	list_each(node, &process->children) {
		struct proc_process *child = container_of(node, struct proc_process, sibling);

		if (child->parent_task == leader)
			child->parent_task = task;
	}
	proc_task_free(leader);
}

long proc_op_exec_begin(const struct rt_request *rq)
{
	struct proc_process *process;
	struct proc_task *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	process = task ? task->process : NULL;
	if (task) {
		result = -EINTR;
		if (!process->exiting && !task->killed && (!process->exec_task || process->exec_task == task)) {
			if (!process->exec_task && process->alive_count > 1) {
				process->exec_task = task;
				others_kill(task);
			}
			result = process->alive_count > 1 ? -EAGAIN : 0;
		}
	}
	if (!result) {
		process->exec_task = NULL;
		if (process->leader != task)
			leader_replace(task);
	}
	lock_release(&proc_lock);
	return result;
}

static long dispositions_reset(struct proc_process *process)
{
	struct proc_dispositions *own = process->dispositions;

	if (own->references > 1) {
		own = heap_alloc(sizeof(*own));
		if (!own)
			return -ENOMEM;
		unnoted_copy(own, process->dispositions, sizeof(*own)); /* nobody knows of it yet */
		own->references = 1;
		process->dispositions->references--;
		process->dispositions = own;
	}
	for (u32 i = 0; i < PROC_SIGNALS; i++) {
		struct proc_action *action = &own->actions[i];

		if (action->handler != PROC_HANDLER_IGNORE)
			action->handler = PROC_HANDLER_DEFAULT;
		action->flags = 0;
		action->restorer = 0;
		action->mask = 0;
	}
	return 0;
}

/* capabilities(7), "Transformation of capabilities during execve()", with file capabilities that only root's programs have. */
static void capabilities_on_exec(struct proc_credentials *is, bool set_uid)
{
	bool root_is_special = !(is->secure_bits & 1); /* SECBIT_NOROOT */

	if (set_uid)
		is->ambient = 0;
	if (root_is_special && (is->uid == 0 || is->euid == 0)) {
		is->permitted = (is->inheritable | PROC_CAPABILITIES_ALL) & is->bounding;
		is->effective = is->euid == 0 ? is->permitted : 0;
	} else {
		is->permitted = is->ambient;
		is->effective = is->ambient;
	}
	is->secure_bits &= ~16u; /* SECBIT_KEEP_CAPS ends */
}

static long identity_on_exec(struct proc_task *task, const struct proc_exec *exec, bool *secure, bool *changed)
{
	struct proc_identity *fresh = proc_identity_copy(task->identity);
	struct proc_credentials *is;
	bool ids_set = false;

	if (!fresh)
		return -ENOMEM;
	is = &fresh->is;
	if (exec->secure_uid_set & 1 && !task->no_new_privileges) {
		ids_set = is->euid != exec->uid;
		is->euid = exec->uid;
	}
	if (exec->secure_uid_set & 2 && !task->no_new_privileges) {
		ids_set |= is->egid != exec->gid;
		is->egid = exec->gid;
	}
	is->suid = is->fsuid = is->euid;
	is->sgid = is->fsgid = is->egid;
	capabilities_on_exec(is, ids_set);
	*secure = is->uid != is->euid || is->gid != is->egid;
	if (ids_set)
		task->death_signal = 0;
	task->process->dumpable = !*secure;
	task->keep_capabilities = false;
	*changed = memcmp(is, &task->identity->is, sizeof(*is)) != 0;
	proc_identity_replace(task, fresh);
	return 0;
}

long proc_op_exec_commit(const struct rt_request *rq, const struct proc_exec *given, u64 *replaced)
{
	const struct proc_exec exec = *given;
	struct proc_usage memory = { 0 };
	struct proc_process *process;
	struct proc_task *task;
	bool secure = false, changed = false;
	long result = -ESRCH;
	u64 space = 0;

	if (!proc_caller_is_shim(rq))
		return -EPERM;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task && !task->vfork_parent) /* what the process used before; a lent space stays its owner's */
		space = task->process->image.space;
	lock_release(&proc_lock);
	proc_usage_add_memory(space, &memory);
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	process = task ? task->process : NULL;
	if (task)
		result = dispositions_reset(process);
	if (!result)
		result = identity_on_exec(task, &exec, &secure, &changed);
	if (!result) {
		*replaced = process->image.exe;
		proc_usage_add(&process->ended, &memory);
		process->image = exec;
		proc_task_name_set(task, exec.name, sizeof(exec.name));
		proc_timers_end(process);
		process->has_executed = true;
		process->exit_signal = SIGCHLD;
		if (task->vfork_parent) {
			task->vfork_parent->vfork_child = NULL;
			proc_task_notify(task->vfork_parent);
			task->vfork_parent = NULL;
		}
		result = (secure ? PROC_EXEC_SECURE : 0) | (changed ? PROC_EXEC_CREDENTIALS : 0);
	}
	return proc_done_word(result, *replaced);
}
