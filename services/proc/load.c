/* The load average: runnable threads, looked at every five seconds as Linux does. */
#include "recover.h"

#define PERIOD 5000000000ull
#define FIXED_ONE 2048u

static struct proc_alarm load_alarm;

static u32 threads_runnable(void)
{
	u32 count = 0;

	list_each(node, &proc_processes) {
		struct proc_process *process = container_of(node, struct proc_process, link);

		list_each(each, &process->tasks) {
			struct proc_task *task = container_of(each, struct proc_task, link);

			count += task->life == PROC_ALIVE && task->thread->page->state == 1;
		}
	}
	return count;
}

static void load_expire(struct proc_alarm *alarm)
{
	static const u32 decay[3] = { 1884, 2014, 2037 }; /* 2048 / e^(5 s / 1, 5, 15 min) */
	u32 active = threads_runnable() * FIXED_ONE;

	for (u32 i = 0; i < 3; i++) {
		u64 load = (u64)proc_counts.load[i] * decay[i] + (u64)active * (FIXED_ONE - decay[i]);

		if (active >= proc_counts.load[i])
			load += FIXED_ONE - 1;
		proc_counts.load[i] = (u32)(load / FIXED_ONE);
	}
	proc_alarm_set(alarm, alarm->deadline + PERIOD);
}

void proc_load_recover(void)
{
	load_alarm.expire = load_expire;
	load_alarm.place = 0;
	proc_alarm_set(&load_alarm, clock_monotonic() + PERIOD);
}

void proc_load_init(void)
{
	lock_acquire(&proc_lock);
	load_alarm.expire = load_expire;
	if (proc_alarms_reserve(1) < 0)
		log_line("proc: no load average");
	else
		proc_alarm_set(&load_alarm, clock_monotonic() + PERIOD);
	lock_release(&proc_lock);
}
