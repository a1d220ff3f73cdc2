/* Recovery: threads, their credentials, signals that wait, timers. */
#include "recover.h"

bool proc_user_use(struct proc_user *user)
{
	if (heap_kind(user) != PROC_CLAIMED_USER)
		return false;
	user->references++;
	return true;
}

static long identity_recover(struct proc_identity *identity)
{
	if (heap_kind(identity) != PROC_CLAIMED_IDENTITY) {
		u32 count;

		if (!heap_claim(identity, sizeof(*identity), PROC_CLAIMED_IDENTITY) || !proc_user_use(identity->user))
			return proc_bad("the credentials of a thread");
		count = identity->is.group_count;
		if (!count)
			identity->groups = NULL;
		else if (count > PROC_GROUPS_MAX || !heap_claim(identity->groups, count * sizeof(u32), PROC_CLAIMED_BYTES))
			return proc_bad("the groups of a thread");
		identity->references = 0;
	}
	identity->references++;
	identity->user->tasks++;
	return 0;
}

static bool schedule_valid(const struct proc_schedule *schedule)
{
	return schedule->nice >= -20 && schedule->nice <= 19 && schedule->policy <= 5 && schedule->policy != 4 && schedule->priority <= 99;
}

long proc_task_recover(struct proc_task *task)
{
	if (task->life > PROC_DEAD || !proc_bools_valid(&task->stop_pending, &task->killed) ||
	    !proc_bools_valid(&task->keep_capabilities, &task->no_new_privileges) || task->death_signal > PROC_SIGNALS || !schedule_valid(&task->schedule))
		return proc_bad("a thread");
	task->name[PROC_NAME_SIZE - 1] = 0;
	if (heap_kind(task->id) != PROC_CLAIMED_ID || task->id->task != task)
		return proc_bad("the number of a thread");
	proc_id_hold(task->id);
	if (identity_recover(task->identity))
		return -EIO;
	if (task->life == PROC_DEAD)
		return task->thread ? proc_bad("the end of a thread") : 0;
	return proc_thread_recover(task);
}

/* ---- Timers and signals that wait ------------------------------------------------------------------------------------------------------ */

static long timer_recover(struct proc_timer *timer)
{
	if (!proc_bools_valid(&timer->on_realtime, &timer->on_realtime) || !proc_bools_valid(&timer->signal_pending, &timer->deleted) ||
	    timer->signal < 1 || timer->signal > PROC_SIGNALS || !proc_id_known(timer->measured) || !proc_user_use(timer->queued.user))
		return proc_bad("a timer");
	if (timer->target ? !proc_id_known(timer->target) : timer->notify == PROC_NOTIFY_THREAD_ID)
		return proc_bad("whom a timer tells");
	timer->queued.user->pending++;
	timer->queued.timer = timer;
	proc_id_hold(timer->measured);
	if (timer->target)
		proc_id_hold(timer->target);
	timer->signal_pending = false; /* until it is found in a queue */
	proc_timer_expires(timer);
	return 0;
}

long proc_timers_recover(struct proc_process *process)
{
	if (!proc_list_claim(&process->timers, offsetof(struct proc_timer, link), sizeof(struct proc_timer), PROC_CLAIMED_TIMER))
		return proc_bad("the timers of a process");
	list_each(node, &process->timers) {
		struct proc_timer *timer = container_of(node, struct proc_timer, link);

		if (timer->process != process || timer_recover(timer) || timer->deleted || timer->id < 0)
			return proc_bad("the timer of a process");
	}
	return 0;
}

/* The timer that an entry of a queue belongs to: of a process, or a deleted one that only its signal keeps. */
static long timer_queued_recover(struct proc_timer *timer)
{
	if (heap_kind(timer) == PROC_CLAIMED_TIMER) {
		heap_reclaim(timer, PROC_CLAIMED_TIMER_QUEUED);
		timer->signal_pending = true;
		return 0;
	}
	if (!heap_claim(timer, sizeof(*timer), PROC_CLAIMED_TIMER_QUEUED))
		return proc_bad("a signal that waits");
	if (timer_recover(timer) || !timer->deleted)
		return proc_bad("a timer that nobody has");
	timer->signal_pending = true;
	timer->process = NULL;
	timer->alarm.place = 0;
	return 0;
}

static long entry_recover(struct proc_queued *entry)
{
	if (!heap_claim(entry, sizeof(*entry), PROC_CLAIMED_QUEUED))
		return timer_queued_recover((struct proc_timer *)((uintptr_t)entry - offsetof(struct proc_timer, queued)));
	if (entry->timer || (entry->user && !proc_user_use(entry->user)))
		return proc_bad("a signal that waits");
	if (entry->user)
		entry->user->pending++;
	return 0;
}

long proc_pending_recover(struct proc_pending *pending)
{
	struct list *before = &pending->queue;

	for (struct list *node = before->next; node != &pending->queue; before = node, node = node->next) {
		struct proc_queued *entry = container_of(node, struct proc_queued, link);

		if (entry_recover(entry))
			return -EIO;
		if (entry->info.signal < 1 || entry->info.signal > PROC_SIGNALS)
			return proc_bad("the number of a signal");
		pending->set |= PROC_SIGNAL_BIT(entry->info.signal);
		node->previous = before;
	}
	pending->queue.previous = before;
	return 0;
}
