/* Controlling terminals: which session has one, which group is in front. tty calls these; the rules are those of tty_jobctrl.c. */
#include "proc.h"

static struct proc_id *session_of_terminal(u64 terminal)
{
	if (!terminal)
		return NULL;
	list_each(node, &proc_processes) {
		struct proc_process *process = container_of(node, struct proc_process, link);

		if (process->session->terminal == terminal)
			return process->session;
	}
	return NULL;
}

/* The live process of the calling task, or NULL. */
static struct proc_process *process_calling(const struct rt_request *rq)
{
	struct proc_task *task = proc_task_serving(rq);

	return task ? task->process : NULL;
}

static bool leads_session(const struct proc_process *process)
{
	return process->session == process->leader->id;
}

static void session_terminal_drop(struct proc_id *session)
{
	session->terminal = 0;
	proc_session_foreground_clear(session);
}

static void foreground_set(struct proc_id *session, struct proc_id *group)
{
	proc_id_hold(group);
	proc_session_foreground_clear(session);
	session->foreground = group;
}

static long terminal_attach_locked(struct proc_task *task, u64 terminal, bool steal, bool quiet)
{
	struct proc_process *process = task->process;
	struct proc_id *owner = session_of_terminal(terminal);

	if (leads_session(process) && process->session->terminal == terminal)
		return 0;
	if (!leads_session(process) || process->session->terminal)
		return quiet ? 0 : -EPERM;
	if (owner) {
		if (quiet)
			return 0;
		if (!steal || !proc_capable(task, PROC_CAP_SYS_ADMIN))
			return -EPERM;
		session_terminal_drop(owner);
	}
	process->session->terminal = terminal;
	foreground_set(process->session, process->group);
	return 0;
}

long proc_op_terminal_attach(const struct rt_request *rq, u64 terminal, u32 steal, u32 flags)
{
	struct proc_task *task;
	long result = -EPERM;

	if (!terminal)
		return -EPERM;
	lock_acquire(&proc_lock);
	task = proc_task_serving(rq);
	if (task)
		result = terminal_attach_locked(task, terminal, steal, flags & 1);
	lock_release(&proc_lock);
	return result;
}

long proc_op_terminal_detach(const struct rt_request *rq, u64 terminal)
{
	struct proc_process *process;
	long result = -ENOTTY;

	lock_acquire(&proc_lock);
	process = process_calling(rq);
	if (process && terminal && process->session->terminal == terminal) {
		result = 0;
		if (leads_session(process)) {
			struct proc_id *group = process->session->foreground;

			if (group) {
				proc_id_hold(group);
				proc_post_group(group, SIGHUP);
				proc_post_group(group, SIGCONT);
				proc_id_drop(group);
			}
			session_terminal_drop(process->session);
		}
	}
	return proc_done(result);
}

long proc_op_terminal_current(const struct rt_request *rq, u64 *terminal)
{
	struct proc_process *process;

	*terminal = 0;
	lock_acquire(&proc_lock);
	process = process_calling(rq);
	if (process)
		*terminal = process->session->terminal;
	lock_release(&proc_lock);
	return *terminal ? 0 : -ENXIO;
}

long proc_op_terminal_query(const struct rt_request *rq, u64 terminal, u64 *session, u64 *group)
{
	struct proc_id *owner;

	(void)rq;
	lock_acquire(&proc_lock);
	owner = session_of_terminal(terminal);
	*session = owner ? (u64)owner->number : 0;
	*group = owner && owner->foreground ? (u64)owner->foreground->number : 0;
	lock_release(&proc_lock);
	return owner ? 0 : -ENOTTY;
}

long proc_op_terminal_foreground_set(const struct rt_request *rq, u64 terminal, i32 number)
{
	struct proc_process *process;
	struct proc_id *group;
	long result = -ENOTTY;

	lock_acquire(&proc_lock);
	process = process_calling(rq);
	if (process && terminal && process->session->terminal == terminal) {
		group = proc_id_find(number);
		if (number < 0)
			result = -EINVAL;
		else if (!group)
			result = -ESRCH;
		else if (list_empty(&group->group_members) ||
			 container_of(group->group_members.next, struct proc_process, group_link)->session != process->session)
			result = -EPERM;
		else {
			foreground_set(process->session, group);
			result = 0;
		}
	}
	lock_release(&proc_lock);
	return result;
}

long proc_op_terminal_check(const struct rt_request *rq, u64 terminal, u32 signal)
{
	struct proc_task *task;
	long result = 0;

	if (signal != SIGTTIN && signal != SIGTTOU)
		return -EINVAL;
	lock_acquire(&proc_lock);
	task = proc_task_serving(rq);
	if (task && terminal && task->process->session->terminal == terminal &&
	    task->process->session->foreground && task->process->session->foreground != task->process->group) {
		struct proc_id *group = task->process->group;
		bool ignored = task->blocked & PROC_SIGNAL_BIT(signal) ||
			       proc_action_of(task->process, signal)->handler == PROC_HANDLER_IGNORE;

		if (ignored) {
			result = signal == SIGTTIN ? -EIO : 0;
		} else if (proc_group_orphaned(group, NULL)) {
			result = -EIO;
		} else {
			proc_post_group(group, signal);
			result = -EINTR;
			stable_commit(result, 0);
		}
	}
	lock_release(&proc_lock);
	return result;
}

#define TERMINAL_SIGNALS (PROC_SIGNAL_BIT(SIGINT) | PROC_SIGNAL_BIT(SIGQUIT) | PROC_SIGNAL_BIT(SIGTSTP) | PROC_SIGNAL_BIT(SIGWINCH) | \
			  PROC_SIGNAL_BIT(SIGHUP) | PROC_SIGNAL_BIT(SIGCONT))

long proc_op_terminal_signal(const struct rt_request *rq, u64 terminal, u32 signal)
{
	struct proc_id *session, *group;
	long result = -ESRCH;

	(void)rq;
	if (!signal || signal > PROC_SIGNALS || !(PROC_SIGNAL_BIT(signal) & TERMINAL_SIGNALS))
		return -EINVAL;
	lock_acquire(&proc_lock);
	session = session_of_terminal(terminal);
	group = session ? session->foreground : NULL;
	if (group) {
		proc_id_hold(group);
		result = proc_post_group(group, signal);
		proc_id_drop(group);
	}
	return proc_done(result);
}

long proc_op_terminal_hangup(const struct rt_request *rq, u64 terminal)
{
	struct proc_id *session, *group;
	struct proc_process *leader;

	(void)rq;
	lock_acquire(&proc_lock);
	session = session_of_terminal(terminal);
	if (session) {
		leader = proc_process_find(session->number);
		if (leader && !leader->zombie) {
			proc_signal_kernel(leader, SIGHUP);
			proc_signal_kernel(leader, SIGCONT);
		}
		group = session->foreground;
		if (group) {
			proc_id_hold(group);
			proc_post_group(group, SIGHUP);
			proc_post_group(group, SIGCONT);
			proc_id_drop(group);
		}
		session_terminal_drop(session);
	}
	return proc_done(session ? 0 : -ESRCH);
}
