/*
 * Actions of signals, as this process's threads set them. proc must hear at once of what kind an action is, since that decides whether a
 * signal is thrown away; which handler it is, and with what mask and flags, it must know only where one is chosen to run. So a handler in
 * place of another is kept here, and told before the next call of proc that may deliver a signal or copies the actions.
 */
#include "process.h"

#define ACTIONS_KEPT 32u   /* of the lowest numbers; the others are always told at once */

struct shim_actions {
	u64 known, untold;  /* bits of signals: `of` is the action; proc has another handler */
	struct proc_action of[ACTIONS_KEPT];
};

static bool is_handler(const struct proc_action *action)
{
	return action->handler != PROC_HANDLER_DEFAULT && action->handler != PROC_HANDLER_IGNORE;
}

/* Tells proc; old may be the same as action. */
static long action_tell(u32 signal, const struct proc_action *action, struct proc_action *old)
{
	const struct proc_action given = action ? *action : (struct proc_action){ 0 };
	long result = proc_signal_action(signal, action != NULL, given.handler, given.flags, given.restorer, given.mask, &old->handler,
					 &old->restorer, &old->mask);

	if (result < 0)
		return result;
	old->flags = (u64)result;
	return 0;
}

/* Sets what is kept: nothing is, until a handler is set. Processes that share their actions keep none. */
static void action_keep(struct shim_process *process, u32 signal, const struct proc_action *action)
{
	struct shim_actions *kept = process->actions;

	if (signal > ACTIONS_KEPT || process->actions_shared || (!kept && !is_handler(action)))
		return;
	if (!kept) {
		kept = heap_alloc(sizeof(*kept));
		if (!kept)
			return;
		process->actions = kept;
	}
	kept->of[signal - 1] = *action;
	kept->known |= PROC_SIGNAL_BIT(signal);
	kept->untold &= ~PROC_SIGNAL_BIT(signal);
}

/* Whether it is enough to keep an action, since proc knows of a handler that differs in nothing that it looks at before. */
static bool action_waits(const struct shim_actions *kept, u32 signal, const struct proc_action *action)
{
	const struct proc_action *now = &kept->of[signal - 1];

	return is_handler(now) && is_handler(action) && !((now->flags ^ action->flags) & (PROC_SA_NOCLDSTOP | PROC_SA_NOCLDWAIT));
}

long shim_action(struct shim_process *process, u32 signal, const struct proc_action *action, struct proc_action *old)
{
	struct shim_actions *kept;
	struct proc_action set;
	long result = 0;

	if (action)
		set = (struct proc_action){ action->handler, action->flags & PROC_SA_ALL, action->restorer, action->mask & ~PROC_SIGNALS_UNBLOCKABLE };
	lock_acquire(&process->actions_lock);
	kept = process->actions;
	if (kept && signal && signal <= ACTIONS_KEPT && kept->known & PROC_SIGNAL_BIT(signal) && (!action || action_waits(kept, signal, &set))) {
		*old = kept->of[signal - 1];
		if (action) {
			kept->of[signal - 1] = set;
			kept->untold |= PROC_SIGNAL_BIT(signal);
		}
	} else {
		result = action_tell(signal, action ? &set : NULL, old);
		if (result >= 0)
			action_keep(process, signal, action ? &set : old);
	}
	lock_release(&process->actions_lock);
	return result;
}

void shim_actions_hold(struct shim_process *process)
{
	struct shim_actions *kept;

	lock_acquire(&process->actions_lock);
	kept = process->actions;
	while (kept && kept->untold) {
		u32 signal = (u32)__builtin_ctzll(kept->untold) + 1;
		struct proc_action old;

		/* It was accepted before with another handler: proc refuses nothing of it. */
		(void)!action_tell(signal, &kept->of[signal - 1], &old);
		kept->untold &= ~PROC_SIGNAL_BIT(signal);
	}
}

void shim_actions_release(struct shim_process *process, u64 changed)
{
	if (process->actions)
		process->actions->known &= ~changed;
	lock_release(&process->actions_lock);
}

void shim_actions_share(struct shim_process *process)
{
	process->actions_shared = true;
	heap_free(process->actions);
	process->actions = NULL;
}

void shim_actions_forget(struct shim_process *process)
{
	heap_free(process->actions);
	process->actions = NULL;
	process->actions_shared = false;
}

/* A handler that runs once is the default from then on. */
static long verdict_heard(struct shim_thread *t, long verdict, u64 changed)
{
	const struct proc_delivery *delivery = &shim_shared(t)->delivery;

	if (verdict == PROC_VERDICT_HANDLER && delivery->action.flags & PROC_SA_RESETHAND)
		changed |= PROC_SIGNAL_BIT((u32)delivery->info.signal);
	shim_actions_release(t->process, changed);
	return verdict;
}

long shim_signal_take(struct shim_thread *t)
{
	shim_actions_hold(t->process);
	return verdict_heard(t, proc_signal_take(), 0);
}

long shim_signal_force(struct shim_thread *t, u32 signal, i32 code, u64 address)
{
	shim_actions_hold(t->process);
	return verdict_heard(t, proc_signal_force(signal, code, address), PROC_SIGNAL_BIT(signal));
}

long shim_signal_kill(struct shim_thread *t, u32 target, i32 id, i32 group, u32 signal)
{
	shim_actions_hold(t->process);
	return verdict_heard(t, proc_signal_kill(target, id, group, signal), 0);
}
