/* Interval timers and the limit of processor time. Time of processors is looked at again when it could have run out at the earliest. */
#include "proc.h"

#define LEAST_LOOK 1000000ull /* ns between two looks at processor time */
#define SECOND 1000000000ull

static void real_expire(struct proc_alarm *alarm)
{
	struct proc_process *process = container_of(alarm, struct proc_process, real_alarm);

	proc_signal_kernel(process, SIGALRM); /* the next interval begins when it is taken */
}

/* The interval timer of one kind: sends its signal when used time has reached its expiry; what is left to the next. */
static nanos_t itimer_run(struct proc_process *process, u32 which, u64 used, u32 signal)
{
	u64 *expiry = &process->itimer[which].expiry, interval = process->itimer[which].interval;

	if (!*expiry)
		return NANOS_NEVER;
	if (used >= *expiry) {
		*expiry = interval ? *expiry + ((used - *expiry) / interval + 1) * interval : 0;
		proc_signal_kernel(process, signal);
		if (!*expiry)
			return NANOS_NEVER;
	}
	return *expiry - used;
}

static nanos_t limit_run(struct proc_process *process, u64 used)
{
	const struct proc_limit *limit = &process->limits[PROC_LIMIT_CPU];
	u64 next;

	if (limit->soft == PROC_LIMIT_INFINITY && limit->hard == PROC_LIMIT_INFINITY)
		return NANOS_NEVER;
	if (limit->hard <= used / SECOND) {
		proc_signal_kernel(process, SIGKILL);
		return NANOS_NEVER;
	}
	next = process->cpu_warned > limit->soft ? process->cpu_warned : limit->soft;
	if (next <= used / SECOND) {
		proc_signal_kernel(process, SIGXCPU);
		next = used / SECOND + 1;
		process->cpu_warned = next;
	}
	if (next > limit->hard)
		next = limit->hard;
	return next > NANOS_NEVER / SECOND ? NANOS_NEVER : next * SECOND - used;
}

static nanos_t least(nanos_t a, nanos_t b)
{
	return a < b ? a : b;
}

static void cpu_expire(struct proc_alarm *alarm)
{
	proc_cpu_timers_update(container_of(alarm, struct proc_process, cpu_alarm));
}

void proc_cpu_timers_update(struct proc_process *process)
{
	struct proc_usage usage;
	nanos_t left;
	u64 total;

	if (process->zombie || process->exiting) {
		proc_alarm_set(&process->cpu_alarm, NANOS_NEVER);
		return;
	}
	proc_usage_of_process(process, &usage);
	total = usage.user_nanos + usage.system_nanos;
	left = itimer_run(process, PROC_ITIMER_VIRTUAL, usage.user_nanos, SIGVTALRM);
	left = least(left, itimer_run(process, PROC_ITIMER_PROF, total, SIGPROF));
	left = least(left, limit_run(process, total));
	left = least(left, proc_timers_cpu_run(process));
	if (left != NANOS_NEVER) {
		left /= process->alive_count ? process->alive_count : 1;
		left = clock_monotonic() + (left < LEAST_LOOK ? LEAST_LOOK : left);
	}
	proc_alarm_set(&process->cpu_alarm, left);
}

void proc_itimer_init(struct proc_process *process)
{
	process->real_alarm.expire = real_expire;
	process->cpu_alarm.expire = cpu_expire;
}

void proc_itimer_rearm(struct proc_process *process)
{
	u64 interval = process->itimer[PROC_ITIMER_REAL].interval, now = clock_monotonic();
	nanos_t last = process->real_alarm.deadline;

	if (!interval || process->real_alarm.place || process->zombie || last == NANOS_NEVER)
		return;
	proc_alarm_set(&process->real_alarm, last > now ? last : last + ((now - last) / interval + 1) * interval);
}

void proc_itimer_end(struct proc_process *process)
{
	proc_alarm_set(&process->real_alarm, NANOS_NEVER);
	proc_alarm_set(&process->cpu_alarm, NANOS_NEVER);
	memset(process->itimer, 0, sizeof(process->itimer));
}

static u64 sum_capped(u64 a, u64 b)
{
	return a + b < a ? NANOS_NEVER - 1 : a + b;
}

static void real_exchange(struct proc_process *process, const struct proc_interval *value, struct proc_interval *old)
{
	nanos_t now = clock_monotonic(), deadline = process->real_alarm.deadline;

	old->interval = process->itimer[PROC_ITIMER_REAL].interval;
	old->value = !process->real_alarm.place ? 0 : deadline > now ? deadline - now : 1000;
	if (!value)
		return;
	process->itimer[PROC_ITIMER_REAL].interval = value->value ? value->interval : 0;
	proc_alarm_set(&process->real_alarm, value->value ? sum_capped(now, value->value) : NANOS_NEVER);
}

static void cpu_exchange(struct proc_process *process, u32 which, const struct proc_interval *value, struct proc_interval *old)
{
	struct proc_usage usage;
	u64 used, expiry = process->itimer[which].expiry;

	proc_usage_of_process(process, &usage);
	used = usage.user_nanos + (which == PROC_ITIMER_PROF ? usage.system_nanos : 0);
	old->interval = process->itimer[which].interval;
	old->value = !expiry ? 0 : expiry > used ? expiry - used : 1000;
	if (!value)
		return;
	process->itimer[which].interval = value->value ? value->interval : 0;
	process->itimer[which].expiry = value->value ? sum_capped(used, value->value) : 0;
	proc_cpu_timers_update(process);
}

long proc_op_itimer(const struct rt_request *rq, u32 which, const struct proc_interval *given, struct proc_interval *old)
{
	const struct proc_interval value = *given;
	const struct proc_interval *change = which & PROC_TIMER_CHANGE ? &value : NULL;
	struct proc_task *task;

	which &= ~PROC_TIMER_CHANGE;
	if (which > PROC_ITIMER_PROF)
		return -EINVAL;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task && which == PROC_ITIMER_REAL)
		real_exchange(task->process, change, old);
	else if (task)
		cpu_exchange(task->process, which, change, old);
	return proc_done_kept(task ? 0 : -ESRCH, old, sizeof(*old));
}
