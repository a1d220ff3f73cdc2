/* POSIX timers. A timer that has sent its signal runs on when the signal is taken: then the expirations in between are its overrun. */
#include "recover.h"

#define CLOCK_IS_CPU(clock) ((clock) == 2 || (clock) == 3)
#define LEAST_IGNORED 10000000ull /* ns between expirations whose signal nobody wants */
#define OVERRUN_MAX 0x7fffffffull

static u64 clock_read(const struct proc_timer *timer)
{
	struct proc_usage usage;

	switch (timer->clock) {
	case 2:
		proc_usage_of_process(timer->process, &usage);
		return usage.user_nanos + usage.system_nanos;
	case 3:
		if (!timer->measured->task || timer->measured->task->process != timer->process)
			return 0;
		proc_usage_of_task(timer->measured->task, &usage);
		return usage.user_nanos + usage.system_nanos;
	default:
		return timer->on_realtime ? (u64)clock_realtime() : clock_monotonic();
	}
}

static void timer_arm(struct proc_timer *timer)
{
	u64 now, monotonic;

	if (CLOCK_IS_CPU(timer->clock)) {
		proc_cpu_timers_update(timer->process);
		return;
	}
	if (!timer->expiry) {
		proc_alarm_set(&timer->alarm, NANOS_NEVER);
		return;
	}
	now = clock_read(timer);
	monotonic = clock_monotonic();
	proc_alarm_set(&timer->alarm, timer->expiry <= now ? monotonic :
		       timer->expiry - now >= NANOS_NEVER - monotonic ? NANOS_NEVER - 1 : monotonic + (timer->expiry - now));
}

/* Moves the expiry behind now; the number of intervals passed. */
static u64 timer_forward(struct proc_timer *timer)
{
	u64 now = clock_read(timer), count;

	if (!timer->interval || now < timer->expiry)
		return 0;
	count = (now - timer->expiry) / timer->interval + 1;
	timer->expiry += count * timer->interval;
	return count;
}

/* The time has come. The caller arms the processor's clocks itself. */
static void timer_fire(struct proc_timer *timer)
{
	if (timer->notify == PROC_NOTIFY_NONE) {
		if (!timer_forward(timer))
			timer->expiry = 0;
		return;
	}
	if (timer->signal_pending) { /* set again while its signal waits */
		if (timer->overrun < OVERRUN_MAX)
			timer->overrun++;
		if (!timer->interval)
			timer->expiry = 0;
		return;
	}
	timer->overrun = 0;
	if (proc_signal_post_timer(timer)) {
		if (!timer->interval)
			timer->expiry = 0;
		return;
	}
	if (!timer_forward(timer)) {
		timer->expiry = 0;
	} else if (timer->expiry - clock_read(timer) < LEAST_IGNORED) {
		timer->expiry = clock_read(timer) + LEAST_IGNORED;
	}
}

static void timer_expire(struct proc_alarm *alarm)
{
	struct proc_timer *timer = container_of(alarm, struct proc_timer, alarm);

	if (!timer->expiry)
		return;
	if (clock_read(timer) < timer->expiry) { /* the wall clock was set back */
		timer_arm(timer);
		return;
	}
	timer_fire(timer);
	if (timer->expiry && !timer->signal_pending)
		timer_arm(timer);
}

void proc_timer_expires(struct proc_timer *timer)
{
	timer->alarm.expire = timer_expire;
}

nanos_t proc_timers_cpu_run(struct proc_process *process)
{
	nanos_t least = NANOS_NEVER;

	list_each(node, &process->timers) {
		struct proc_timer *timer = container_of(node, struct proc_timer, link);
		u64 now;

		if (!CLOCK_IS_CPU(timer->clock) || !timer->expiry || timer->signal_pending)
			continue;
		now = clock_read(timer);
		if (now >= timer->expiry)
			timer_fire(timer);
		if (timer->expiry > now && !timer->signal_pending && timer->expiry - now < least)
			least = timer->expiry - now;
	}
	return least;
}

static void timer_free(struct proc_timer *timer)
{
	if (timer->queued.user) {
		timer->queued.user->pending--;
		proc_user_drop(timer->queued.user);
	}
	if (timer->target)
		proc_id_drop(timer->target);
	proc_id_drop(timer->measured);
	heap_free(timer);
}

/* info NULL: the signal was thrown away. */
void proc_timer_taken(struct proc_timer *timer, struct proc_siginfo *info)
{
	timer->signal_pending = false;
	if (timer->deleted) {
		timer_free(timer);
		return;
	}
	if (timer->interval && timer->expiry) {
		u64 passed = timer_forward(timer), overrun = timer->overrun + (passed ? passed - 1 : 0);

		timer->overrun = (u32)(overrun > OVERRUN_MAX ? OVERRUN_MAX : overrun);
		timer_arm(timer);
	}
	timer->overrun_last = timer->overrun;
	if (info)
		info->timer.overrun = (i32)timer->overrun_last;
}

static void timer_delete(struct proc_timer *timer)
{
	list_remove(&timer->link);
	timer->expiry = 0;
	proc_alarm_set(&timer->alarm, NANOS_NEVER);
	proc_alarms_release(1);
	timer->deleted = true;
	if (!timer->signal_pending)
		timer_free(timer);
}

void proc_timers_end(struct proc_process *process)
{
	list_each_safe(node, &process->timers)
		timer_delete(container_of(node, struct proc_timer, link));
	proc_pending_drop_timers(&process->shared);
	list_each(node, &process->tasks)
		proc_pending_drop_timers(&container_of(node, struct proc_task, link)->pending);
	process->timer_next = 0;
}

static struct proc_timer *timer_find(struct proc_process *process, i32 id)
{
	list_each(node, &process->timers) {
		struct proc_timer *timer = container_of(node, struct proc_timer, link);

		if (timer->id == id)
			return timer;
	}
	return NULL;
}

static long event_check(struct proc_task *task, i32 clock, const struct proc_timer_event *event)
{
	if (clock == 4 || clock == 5) /* the raw and the coarse clock have no timers */
		return -EOPNOTSUPP;
	if (clock != 0 && clock != 1 && clock != 2 && clock != 3 && clock != 7 && clock != 11)
		return -EINVAL;
	if (!event->has_event || event->notify == PROC_NOTIFY_NONE)
		return 0;
	if (event->notify != PROC_NOTIFY_SIGNAL && event->notify != PROC_NOTIFY_THREAD_ID)
		return -EINVAL;
	if (event->signal <= 0 || event->signal > PROC_SIGNALS)
		return -EINVAL;
	if (event->notify == PROC_NOTIFY_THREAD_ID) {
		struct proc_task *target = proc_task_find(event->tid);

		if (!target || target->process != task->process || target->life != PROC_ALIVE)
			return -EINVAL;
	}
	return 0;
}

static struct proc_timer *timer_alloc(struct proc_task *task)
{
	struct proc_user *user = task->identity->user;
	struct proc_timer *timer;

	if (user->pending >= task->process->limits[PROC_LIMIT_SIGPENDING].soft)
		return NULL;
	timer = heap_alloc(sizeof(*timer));
	if (!timer || proc_alarms_reserve(1) < 0) {
		heap_free(timer);
		return NULL;
	}
	timer->process = task->process;
	proc_timer_expires(timer);
	list_init(&timer->queued.link);
	timer->queued.timer = timer;
	timer->queued.user = user;
	user->references++;
	user->pending++;
	return timer;
}

static long timer_create_locked(struct proc_task *task, i32 clock, const struct proc_timer_event *event, u64 *id)
{
	long result = event_check(task, clock, event);
	struct proc_timer *timer;

	if (result < 0)
		return result;
	timer = timer_alloc(task);
	if (!timer)
		return -EAGAIN;
	while (timer_find(task->process, task->process->timer_next))
		task->process->timer_next = (task->process->timer_next + 1) & 0x7fffffff;
	timer->id = task->process->timer_next++;
	task->process->timer_next &= 0x7fffffff;
	timer->clock = clock;
	timer->notify = event->has_event ? event->notify : PROC_NOTIFY_SIGNAL;
	timer->signal = event->has_event ? event->signal : SIGALRM;
	timer->value = event->has_event ? event->value : (u64)timer->id;
	timer->measured = task->id;
	proc_id_hold(timer->measured);
	if (timer->notify == PROC_NOTIFY_THREAD_ID) {
		timer->target = proc_id_find(event->tid);
		proc_id_hold(timer->target);
	}
	list_push_back(&task->process->timers, &timer->link);
	*id = (u64)timer->id;
	return 0;
}

long proc_op_timer_create(const struct rt_request *rq, i32 clock, const struct proc_timer_event *given, u64 *id)
{
	const struct proc_timer_event event = *given;
	struct proc_task *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task)
		result = timer_create_locked(task, clock, &event, id);
	return proc_done_word(result, *id);
}

static void value_read(struct proc_timer *timer, struct proc_interval *value)
{
	u64 now = clock_read(timer);

	value->interval = timer->interval;
	value->value = 0;
	if (!timer->expiry)
		return;
	if (timer->expiry > now)
		value->value = timer->expiry - now;
	else if (timer->interval)
		value->value = timer->interval - (now - timer->expiry) % timer->interval;
	else
		value->value = timer->notify == PROC_NOTIFY_NONE ? 0 : 1;
}

static void timer_change(struct proc_timer *timer, u32 flags, const struct proc_interval *value)
{
	timer->on_realtime = flags & PROC_TIMER_ABSOLUTE && (timer->clock == 0 || timer->clock == 11);
	timer->interval = value->interval;
	timer->overrun = timer->overrun_last = 0;
	timer->expiry = 0;
	if (value->value) {
		u64 base = flags & PROC_TIMER_ABSOLUTE ? 0 : clock_read(timer);

		timer->expiry = base + value->value < base ? NANOS_NEVER - 1 : base + value->value;
	}
	timer_arm(timer);
}

/* The timer of that id of the calling process, with the lock held; NULL: none. */
static struct proc_timer *timer_calling(const struct rt_request *rq, i32 id)
{
	struct proc_task *task = proc_task_calling(rq);

	return task ? timer_find(task->process, id) : NULL;
}

long proc_op_timer_set(const struct rt_request *rq, i32 id, u32 flags, const struct proc_interval *given, struct proc_interval *old)
{
	const struct proc_interval value = *given;
	struct proc_timer *timer;

	lock_acquire(&proc_lock);
	timer = timer_calling(rq, id);
	if (timer) {
		value_read(timer, old);
		timer_change(timer, flags, &value);
	}
	return proc_done_kept(timer ? 0 : -EINVAL, old, sizeof(*old));
}

long proc_op_timer_get(const struct rt_request *rq, i32 id, struct proc_interval *value)
{
	struct proc_timer *timer;

	lock_acquire(&proc_lock);
	timer = timer_calling(rq, id);
	if (timer)
		value_read(timer, value);
	lock_release(&proc_lock);
	return timer ? 0 : -EINVAL;
}

long proc_op_timer_overrun(const struct rt_request *rq, i32 id)
{
	struct proc_timer *timer;
	long result = -EINVAL;

	lock_acquire(&proc_lock);
	timer = timer_calling(rq, id);
	if (timer)
		result = timer->overrun_last;
	lock_release(&proc_lock);
	return result;
}

long proc_op_timer_delete(const struct rt_request *rq, i32 id)
{
	struct proc_timer *timer;

	lock_acquire(&proc_lock);
	timer = timer_calling(rq, id);
	if (timer)
		timer_delete(timer);
	return proc_done(timer ? 0 : -EINVAL);
}

long proc_op_clock_changed(const struct rt_request *rq)
{
	if (!proc_caller_is_shim(rq))
		return -EPERM;
	lock_acquire(&proc_lock);
	list_each(each, &proc_processes) {
		struct proc_process *process = container_of(each, struct proc_process, link);

		list_each(node, &process->timers) {
			struct proc_timer *timer = container_of(node, struct proc_timer, link);

			if (timer->on_realtime && timer->expiry && !timer->signal_pending)
				timer_arm(timer);
		}
	}
	lock_release(&proc_lock);
	return 0;
}
