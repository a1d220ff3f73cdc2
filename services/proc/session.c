/* Process groups, sessions and their terminals. */
#include "proc.h"

void proc_process_group_join(struct proc_process *process, struct proc_id *group)
{
	proc_id_hold(group);
	if (process->group) {
		list_remove(&process->group_link);
		proc_id_drop(process->group);
	}
	process->group = group;
	list_push_back(&group->group_members, &process->group_link);
}

void proc_session_foreground_clear(struct proc_id *session)
{
	struct proc_id *group = session->foreground;

	session->foreground = NULL;
	if (group)
		proc_id_drop(group);
}

/* The last process of a session takes the terminal's hold with it. */
void proc_process_session_leave(struct proc_process *process)
{
	struct proc_id *session = process->session;

	if (!session)
		return;
	process->session = NULL;
	list_remove(&process->session_link);
	if (list_empty(&session->session_members)) {
		session->terminal = 0;
		proc_session_foreground_clear(session);
	}
	proc_id_drop(session);
}

void proc_process_session_join(struct proc_process *process, struct proc_id *session)
{
	proc_id_hold(session);
	proc_process_session_leave(process);
	process->session = session;
	list_push_back(&session->session_members, &process->session_link);
}

long proc_op_ids_get(const struct rt_request *rq, i32 tid, u64 *parent, u64 *group, u64 *session)
{
	struct proc_task *task;

	lock_acquire(&proc_lock);
	task = proc_task_named(rq, tid);
	if (task) {
		struct proc_process *process = task->process;

		*parent = process->parent ? (u64)process->parent->leader->id->number : 0;
		*group = (u64)process->group->number;
		*session = (u64)process->session->number;
	}
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}

long proc_op_task_process(const struct rt_request *rq, i32 tid, u64 *pid)
{
	struct proc_task *task;

	lock_acquire(&proc_lock);
	task = proc_task_named(rq, tid);
	if (task)
		*pid = (u64)task->process->leader->id->number;
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}

/* The checks of setpgid(2), in Linux's order. */
static long group_set_check(struct proc_process *self, struct proc_process *process, i32 pid, i32 number, struct proc_id **group)
{
	if (!process || process->leader->life == PROC_NEW)
		return -ESRCH;
	if (process->parent == self) {
		if (process->session != self->session)
			return -EPERM;
		if (process->has_executed)
			return -EACCES;
	} else if (process != self) {
		return -ESRCH;
	}
	if (process->session->number == pid)
		return -EPERM;
	*group = process->leader->id;
	if (number == pid)
		return 0;
	*group = proc_id_find(number);
	if (!*group || list_empty(&(*group)->group_members))
		return -EPERM;
	if (container_of((*group)->group_members.next, struct proc_process, group_link)->session != self->session)
		return -EPERM;
	return 0;
}

long proc_op_group_set(const struct rt_request *rq, i32 pid, i32 number)
{
	struct proc_id *group = NULL;
	struct proc_task *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		if (!pid)
			pid = task->process->leader->id->number;
		if (!number)
			number = pid;
		result = number < 0 ? -EINVAL : group_set_check(task->process, proc_process_find(pid), pid, number, &group);
		if (!result && proc_process_find(pid)->group != group)
			proc_process_group_join(proc_process_find(pid), group);
	}
	return proc_done(result);
}

long proc_op_session_create(const struct rt_request *rq)
{
	struct proc_task *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		struct proc_process *process = task->process;
		struct proc_id *id = process->leader->id;

		if (process->session == id || !list_empty(&id->group_members)) {
			result = -EPERM;
		} else {
			proc_process_session_join(process, id);
			proc_process_group_join(process, id);
			result = id->number;
		}
	}
	return proc_done(result);
}
