/* Pending sets: a bit for each signal, and queued entries with what they carry. */
#include "recover.h"

#define SYNCHRONOUS (PROC_SIGNAL_BIT(SIGSEGV) | PROC_SIGNAL_BIT(SIGBUS) | PROC_SIGNAL_BIT(SIGILL) | PROC_SIGNAL_BIT(SIGTRAP) | \
		     PROC_SIGNAL_BIT(SIGFPE) | PROC_SIGNAL_BIT(SIGSYS))

void proc_pending_init(struct proc_pending *pending)
{
	pending->set = 0;
	list_init(&pending->queue);
}

/* Entries come and go with each signal: a few are kept. Guarded by proc_lock. */
#define SPARE_MAX 16u
static struct list spare = LIST_INIT(spare);
static u32 spare_count;

static struct proc_queued *entry_make(void)
{
	struct proc_queued *entry;

	if (!spare_count)
		return heap_alloc(sizeof(*entry));
	spare_count--;
	entry = container_of(list_pop_front(&spare), struct proc_queued, link);
	memset(entry, 0, sizeof(*entry));
	return entry;
}

static void entry_free(struct proc_queued *entry)
{
	if (spare_count == SPARE_MAX) {
		heap_free(entry);
		return;
	}
	spare_count++;
	list_push_front(&spare, &entry->link);
}

void proc_queued_spares_drop(void)
{
	list_init(&spare);
	spare_count = 0;
}

/* NULL: the limit of the sender's user is reached (unless override) or there is no memory. */
struct proc_queued *proc_queued_create(struct proc_task *target, const struct proc_siginfo *info, bool override)
{
	struct proc_user *user = target->identity->user;
	u64 limit = target->process->limits[PROC_LIMIT_SIGPENDING].soft;
	struct proc_queued *entry;

	if (!override && user->pending >= limit)
		return NULL;
	entry = entry_make();
	if (!entry)
		return NULL;
	list_init(&entry->link);
	if (info)
		entry->info = *info;
	entry->user = user;
	user->references++;
	user->pending++;
	return entry;
}

static void user_release(struct proc_queued *entry)
{
	if (!entry->user)
		return;
	entry->user->pending--;
	proc_user_drop(entry->user);
	entry->user = NULL;
}

/* Entries of timers belong to their timer. */
void proc_queued_free(struct proc_queued *entry)
{
	list_remove(&entry->link);
	if (entry->timer) {
		proc_timer_taken(entry->timer, NULL);
		return;
	}
	user_release(entry);
	entry_free(entry);
}

void proc_pending_flush(struct proc_pending *pending, u64 set)
{
	pending->set &= ~set;
	list_each_safe(node, &pending->queue) {
		struct proc_queued *entry = container_of(node, struct proc_queued, link);

		if (set & PROC_SIGNAL_BIT(entry->info.signal))
			proc_queued_free(entry);
	}
}

static bool pending_has_entry(const struct proc_pending *pending, i32 signal)
{
	list_each(node, &pending->queue)
		if (container_of(node, struct proc_queued, link)->info.signal == signal)
			return true;
	return false;
}

/* Takes the signals of POSIX timers out: their timers are going. */
void proc_pending_drop_timers(struct proc_pending *pending)
{
	list_each_safe(node, &pending->queue) {
		struct proc_queued *entry = container_of(node, struct proc_queued, link);
		i32 signal = entry->info.signal;

		if (!entry->timer)
			continue;
		proc_queued_free(entry);
		if (!pending_has_entry(pending, signal))
			pending->set &= ~PROC_SIGNAL_BIT(signal);
	}
}

void proc_pending_add(struct proc_pending *pending, struct proc_queued *entry)
{
	list_push_back(&pending->queue, &entry->link);
}

static u32 signal_choose(u64 set)
{
	if (set & SYNCHRONOUS)
		set &= SYNCHRONOUS;
	return (u32)__builtin_ctzll(set) + 1;
}

/* Takes the next pending signal of a set; false: there is none. */
bool proc_pending_take(struct proc_pending *pending, u64 set, struct proc_siginfo *info)
{
	struct proc_queued *first = NULL;
	bool more = false;
	u32 signal;

	set &= pending->set;
	if (!set)
		return false;
	signal = signal_choose(set);
	list_each(node, &pending->queue) {
		struct proc_queued *entry = container_of(node, struct proc_queued, link);

		if (entry->info.signal != (i32)signal)
			continue;
		if (first) {
			more = true;
			break;
		}
		first = entry;
	}
	if (!more)
		pending->set &= ~PROC_SIGNAL_BIT(signal);
	if (!first) { /* sent when nothing could be queued */
		memset(info, 0, sizeof(*info));
		info->signal = (i32)signal;
		return true;
	}
	*info = first->info;
	list_remove(&first->link);
	if (first->timer) {
		proc_timer_taken(first->timer, info);
		return true;
	}
	user_release(first);
	entry_free(first);
	return true;
}
