/* Dispositions, masks, and what a thread does with its signals before it returns to its program. Follows Linux's get_signal. */
#include "proc.h"

#define IS(signal, set) (PROC_SIGNAL_BIT(signal) & (set))

struct proc_action *proc_action_of(const struct proc_process *process, u32 signal)
{
	return &process->dispositions->actions[signal - 1];
}

/* Would the signal be thrown away by this thread? A blocked one never is: its action may change before it is unblocked. */
bool proc_signal_ignored(const struct proc_task *task, u32 signal)
{
	u64 handler = proc_action_of(task->process, signal)->handler;

	if (IS(signal, (task->blocked | task->wait_set)))
		return false;
	if (task->process->unkillable && handler == PROC_HANDLER_DEFAULT)
		return true;
	return handler == PROC_HANDLER_IGNORE || (handler == PROC_HANDLER_DEFAULT && IS(signal, PROC_SIGNALS_IGNORED));
}

bool proc_signal_deliverable(const struct proc_task *task)
{
	return (task->pending.set | task->process->shared.set) & ~(task->blocked & ~task->wait_set);
}

static void interrupt_set(struct proc_task *task, u32 set, u32 clear)
{
	volatile u32 *word = &task->thread->page->interrupt;

	/* Relaxed: only this thread and the core, on this thread's way out, look at it; others write it under proc_lock. */
	if (clear)
		__atomic_fetch_and(word, ~clear, __ATOMIC_RELAXED);
	if (set)
		__atomic_fetch_or(word, set, __ATOMIC_RELAXED);
}

void proc_signal_recompute(struct proc_task *task)
{
	if (proc_signal_deliverable(task))
		interrupt_set(task, TK_INTERRUPT_SIGNAL, 0);
	else
		interrupt_set(task, 0, TK_INTERRUPT_SIGNAL);
}

/* Pending signals that the new action throws away, in all threads. */
static void action_flush(struct proc_task *task, u32 signal)
{
	u64 handler = proc_action_of(task->process, signal)->handler;
	u64 set = PROC_SIGNAL_BIT(signal);

	if (handler != PROC_HANDLER_IGNORE && !(handler == PROC_HANDLER_DEFAULT && IS(signal, PROC_SIGNALS_IGNORED)))
		return;
	proc_pending_flush(&task->process->shared, set);
	list_each(node, &task->process->tasks)
		proc_pending_flush(&container_of(node, struct proc_task, link)->pending, set);
}

long proc_op_signal_action(const struct rt_request *rq, u32 signal, u32 set, u64 handler, u64 flags, u64 restorer, u64 mask, u64 *old_handler,
			   u64 *old_restorer, u64 *old_mask)
{
	struct proc_task *task;
	long result = -ESRCH;

	if (!signal || signal > PROC_SIGNALS || (set && IS(signal, PROC_SIGNALS_UNBLOCKABLE)))
		return -EINVAL;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		struct proc_action *now = proc_action_of(task->process, signal);

		*old_handler = now->handler;
		*old_restorer = now->restorer;
		*old_mask = now->mask;
		result = (long)now->flags;
		if (set) {
			*now = (struct proc_action){ handler, flags & PROC_SA_ALL, restorer, mask & ~PROC_SIGNALS_UNBLOCKABLE };
			action_flush(task, signal);
		}
	}
	if (set && task)
		stable_commit_all(&(struct stable_result){ .result = result, .outs = { *old_handler, *old_restorer, *old_mask } }, NULL);
	lock_release(&proc_lock);
	return result;
}

/* Signals of the process that this thread blocks from now on may be another thread's. */
static void shared_retarget(struct proc_task *task, u64 newly_blocked)
{
	u64 set = task->process->shared.set & newly_blocked;

	if (!set)
		return;
	list_each(node, &task->process->tasks) {
		struct proc_task *other = container_of(node, struct proc_task, link);

		if (other == task || other->life != PROC_ALIVE || !(set & ~other->blocked))
			continue;
		set &= other->blocked;
		proc_thread_interrupt(other, TK_INTERRUPT_SIGNAL);
		if (!set)
			return;
	}
}

static void mask_set(struct proc_task *task, u64 mask)
{
	u64 newly = mask & ~task->blocked;

	task->blocked = mask;
	shared_retarget(task, newly);
	proc_signal_recompute(task);
}

long proc_op_signal_mask(const struct rt_request *rq, u32 how, u64 set, u64 *old)
{
	struct proc_task *task;

	if (how > PROC_MASK_QUERY)
		return -EINVAL;
	set &= ~PROC_SIGNALS_UNBLOCKABLE;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		*old = task->blocked;
		if (how != PROC_MASK_QUERY)
			mask_set(task, how == PROC_MASK_SET ? set : how == PROC_MASK_BLOCK ? task->blocked | set : task->blocked & ~set);
	}
	if (how != PROC_MASK_QUERY)
		return proc_done_word(task ? 0 : -ESRCH, *old);
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}

long proc_op_signal_pending(const struct rt_request *rq, u64 *set)
{
	struct proc_task *task;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task)
		*set = (task->pending.set | task->process->shared.set) & task->blocked;
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}

static bool signal_dequeue(struct proc_task *task, u64 set, struct proc_siginfo *info)
{
	if (proc_pending_take(&task->pending, set, info))
		return true;
	if (!proc_pending_take(&task->process->shared, set, info))
		return false;
	if (info->signal == SIGALRM)
		proc_itimer_rearm(task->process);
	return true;
}

/* The delivery of one signal to its handler: the mask and the action change as sigaction(2) says. */
static void handler_prepare(struct proc_task *task, struct proc_delivery *delivery)
{
	u32 signal = (u32)delivery->info.signal;
	struct proc_action *action = proc_action_of(task->process, signal);
	u64 mask = task->blocked | action->mask;

	delivery->verdict = PROC_VERDICT_HANDLER;
	delivery->action = *action;
	delivery->old_mask = task->blocked;
	if (!(action->flags & PROC_SA_NODEFER))
		mask |= PROC_SIGNAL_BIT(signal);
	if (action->flags & PROC_SA_RESETHAND)
		action->handler = PROC_HANDLER_DEFAULT;
	mask_set(task, mask & ~PROC_SIGNALS_UNBLOCKABLE);
}

/* One signal that is taken: true when it decides what the thread does. */
static bool signal_act(struct proc_task *task, struct proc_delivery *delivery)
{
	u32 signal = (u32)delivery->info.signal;
	const struct proc_action *action = proc_action_of(task->process, signal);

	if (action->handler == PROC_HANDLER_IGNORE)
		return false;
	if (action->handler != PROC_HANDLER_DEFAULT) {
		handler_prepare(task, delivery);
		return true;
	}
	if (IS(signal, PROC_SIGNALS_IGNORED))
		return false;
	if (task->process->unkillable && !IS(signal, PROC_SIGNALS_UNBLOCKABLE))
		return false;
	if (IS(signal, PROC_SIGNALS_STOP)) {
		if (signal != SIGSTOP && proc_group_orphaned(task->process->group, NULL))
			return false;
		proc_stop_begin(task, signal);
		return false; /* the caller looks for the stop */
	}
	proc_process_kill(task->process, (i32)signal);
	return false; /* and for the end */
}

static void delivery_choose(struct proc_task *task, struct proc_delivery *delivery)
{
	for (;;) {
		if (task->process->exiting || task->killed) {
			delivery->verdict = PROC_VERDICT_EXIT;
			delivery->status = task->process->exiting ? task->process->exit_status : SIGKILL;
			return;
		}
		if (task->stop_pending)
			proc_stop_join(task);
		if (task->stopped) {
			delivery->verdict = PROC_VERDICT_STOP;
			delivery->stop_value = proc_thread_shared(task)->stopped;
			return;
		}
		if (!signal_dequeue(task, ~task->blocked, &delivery->info))
			break;
		if (signal_act(task, delivery))
			return;
	}
	delivery->verdict = PROC_VERDICT_NONE;
}

long proc_delivery_take(struct proc_task *task)
{
	struct proc_delivery *delivery = &proc_thread_shared(task)->delivery;

	task->wait_set = 0;
	delivery_choose(task, delivery);
	if (delivery->verdict != PROC_VERDICT_HANDLER)
		delivery->old_mask = task->blocked;
	if (delivery->verdict != PROC_VERDICT_STOP)
		interrupt_set(task, 0, TK_INTERRUPT_STOP);
	proc_signal_recompute(task);
	return delivery->verdict;
}

long proc_op_signal_take(const struct rt_request *rq)
{
	struct proc_task *task;
	long result;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	result = task ? proc_delivery_take(task) : -ESRCH;
	if (result == PROC_VERDICT_HANDLER)
		return proc_done(result);
	lock_release(&proc_lock); /* what else there is to do, it hears again */
	return result;
}

long proc_op_signal_wait(const struct rt_request *rq, u64 set, u32 wait, struct proc_siginfo *info)
{
	struct proc_task *task;
	long result = -ESRCH;

	memset(info, 0, sizeof(*info));
	set &= ~PROC_SIGNALS_UNBLOCKABLE;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		task->wait_set = 0;
		result = signal_dequeue(task, set, info) ? info->signal : -EAGAIN;
		if (result == -EAGAIN && wait)
			task->wait_set = set;
		proc_signal_recompute(task);
	}
	return proc_done_kept(result, info, sizeof(*info));
}

long proc_op_signal_pollword(const struct rt_request *rq, u64 *pollword)
{
	struct proc_task *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		struct proc_process *process = task->process;

		if (!process->signal_word)
			process->signal_word = pollword_alloc();
		*pollword = process->signal_word ? pollword_handle(process->signal_word, rq) : 0;
		result = *pollword ? 0 : -ENOMEM;
	}
	lock_release(&proc_lock);
	return result;
}
