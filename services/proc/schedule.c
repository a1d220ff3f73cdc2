/* Nice values, real-time policies and affinity: Linux's rules, handed to the core's scheduler. */
#include "recover.h"

enum { POLICY_OTHER, POLICY_FIFO, POLICY_ROUND_ROBIN, POLICY_BATCH, POLICY_IDLE = 5 };

/* Weight of each nice value from -20: each step is 1.25 times the next. */
static const u32 weights[40] = {
	88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277,
	1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
};
#define IDLE_WEIGHT 3

static u64 policy_word(const struct proc_schedule *schedule)
{
	switch (schedule->policy) {
	case POLICY_FIFO:
		return TK_POLICY_FIFO | (u64)schedule->priority << 8;
	case POLICY_ROUND_ROBIN:
		return TK_POLICY_ROUND_ROBIN | (u64)schedule->priority << 8;
	case POLICY_IDLE:
		return TK_POLICY_FAIR | (u64)IDLE_WEIGHT << 8;
	default:
		return TK_POLICY_FAIR | (u64)weights[schedule->nice + 20] << 8;
	}
}

void proc_schedule_apply(struct proc_task *task)
{
	struct tk_field_write writes[2] = {
		{ .field = TK_FIELD_THREAD_POLICY, .value = policy_word(&task->schedule) },
		{ .field = TK_FIELD_THREAD_AFFINITY, .value = task->affinity },
	};
	bool plain = task->schedule.policy == POLICY_OTHER && !task->schedule.nice && task->affinity == ~0ull;

	if (!task->thread || (plain && task->life != PROC_ALIVE))
		return;
	if (tk_object_write(task->thread->token, writes, 2) < 0)
		log_line("proc: scheduling of thread %d was not taken", task->id->number);
}

bool proc_schedule_restore(const struct proc_task *task)
{
	const struct tk_field_write writes[2] = {
		{ .field = TK_FIELD_THREAD_POLICY, .value = policy_word(&task->schedule) },
		{ .field = TK_FIELD_THREAD_AFFINITY, .value = task->affinity },
	};

	return tk_object_write(task->thread->token, writes, 2) >= 0;
}

long proc_op_schedule_get(const struct rt_request *rq, i32 tid, struct proc_schedule *schedule)
{
	struct proc_task *task;

	lock_acquire(&proc_lock);
	task = proc_task_named(rq, tid);
	if (task)
		*schedule = task->schedule;
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}

static bool same_owner(const struct proc_task *caller, const struct proc_task *task)
{
	u32 euid = caller->identity->is.euid;

	return euid == task->identity->is.euid || euid == task->identity->is.uid;
}

static bool is_realtime(u32 policy)
{
	return policy == POLICY_FIFO || policy == POLICY_ROUND_ROBIN;
}

/* Lowest nice value that RLIMIT_NICE gives. */
static i32 nice_floor(const struct proc_task *task)
{
	u64 limit = task->process->limits[PROC_LIMIT_NICE].soft;

	return limit >= 40 ? -20 : 20 - (i32)limit;
}

static long schedule_check(const struct proc_task *caller, const struct proc_task *task, const struct proc_schedule *wanted)
{
	const struct proc_schedule *now = &task->schedule;

	if (wanted->policy > POLICY_IDLE || wanted->policy == 4)
		return -EINVAL;
	if (is_realtime(wanted->policy) ? wanted->priority < 1 || wanted->priority > 99 : wanted->priority != 0)
		return -EINVAL;
	if (wanted->nice < -20 || wanted->nice > 19)
		return -EINVAL;
	if (proc_capable(caller, PROC_CAP_SYS_NICE))
		return 0;
	if (!is_realtime(wanted->policy) && wanted->nice < now->nice && wanted->nice < nice_floor(task))
		return -EPERM;
	if (is_realtime(wanted->policy)) {
		u64 limit = task->process->limits[PROC_LIMIT_RTPRIO].soft;

		if (wanted->policy != now->policy && !limit)
			return -EPERM;
		if (wanted->priority > now->priority && wanted->priority > limit)
			return -EPERM;
	}
	if (now->policy == POLICY_IDLE && wanted->policy != POLICY_IDLE && now->nice < nice_floor(task))
		return -EPERM;
	if (now->reset_on_fork && !wanted->reset_on_fork)
		return -EPERM;
	return same_owner(caller, task) ? 0 : -EPERM;
}

long proc_op_schedule_set(const struct rt_request *rq, i32 tid, const struct proc_schedule *given)
{
	struct proc_schedule wanted = *given;
	bool keep_nice = wanted.policy & PROC_SCHEDULE_KEEP_NICE;
	struct proc_task *caller, *task;
	long result = -ESRCH;

	wanted.policy &= ~PROC_SCHEDULE_KEEP_NICE;
	wanted.reset_on_fork = !!wanted.reset_on_fork;
	lock_acquire(&proc_lock);
	caller = proc_task_calling(rq);
	task = proc_task_named(rq, tid);
	if (caller && task) {
		if (keep_nice)
			wanted.nice = task->schedule.nice;
		result = schedule_check(caller, task, &wanted);
		if (!result) {
			task->schedule = wanted;
			proc_schedule_apply(task);
		}
	}
	lock_release(&proc_lock);
	return result;
}

/* Calls each thread that (which, who) names; the first task for which it is called, and what it answered last. */
struct priority_walk {
	struct proc_task *caller;
	i32 nice;
	bool any;
	long result;
	void (*visit)(struct priority_walk *walk, struct proc_task *task);
};

static void process_visit(struct priority_walk *walk, struct proc_process *process)
{
	list_each(node, &process->tasks) {
		struct proc_task *task = container_of(node, struct proc_task, link);

		if (task->life == PROC_ALIVE)
			walk->visit(walk, task);
	}
}

static void priority_walk(struct priority_walk *walk, u32 which, u32 who)
{
	struct proc_id *group;
	struct proc_task *task;

	switch (which) {
	case PROC_PRIORITY_PROCESS:
		task = who ? proc_task_find((i32)who) : walk->caller;
		if (task && task->life == PROC_ALIVE)
			walk->visit(walk, task);
		return;
	case PROC_PRIORITY_GROUP:
		group = who ? proc_id_find((i32)who) : walk->caller->process->group;
		if (!group)
			return;
		list_each(node, &group->group_members)
			process_visit(walk, container_of(node, struct proc_process, group_link));
		return;
	default:
		if (!who)
			who = walk->caller->identity->is.uid;
		list_each(node, &proc_processes) {
			struct proc_process *process = container_of(node, struct proc_process, link);

			if (process->leader->identity->is.uid == who)
				process_visit(walk, process);
		}
	}
}

static void priority_least(struct priority_walk *walk, struct proc_task *task)
{
	if (!walk->any || task->schedule.nice < walk->nice)
		walk->nice = task->schedule.nice;
	walk->any = true;
}

static void priority_change(struct priority_walk *walk, struct proc_task *task)
{
	walk->any = true;
	if (!same_owner(walk->caller, task) && !proc_capable(walk->caller, PROC_CAP_SYS_NICE)) {
		walk->result = -EPERM;
		return;
	}
	if (walk->nice < task->schedule.nice && walk->nice < nice_floor(task) && !proc_capable(walk->caller, PROC_CAP_SYS_NICE)) {
		walk->result = -EACCES;
		return;
	}
	if (walk->result == -ESRCH)
		walk->result = 0;
	task->schedule.nice = walk->nice;
	proc_schedule_apply(task);
}

long proc_op_priority_get(const struct rt_request *rq, u32 which, i32 who)
{
	struct priority_walk walk = { .visit = priority_least };

	if (which > PROC_PRIORITY_USER)
		return -EINVAL;
	lock_acquire(&proc_lock);
	walk.caller = proc_task_calling(rq);
	if (walk.caller)
		priority_walk(&walk, which, (u32)who);
	lock_release(&proc_lock);
	return walk.any ? 20 - walk.nice : -ESRCH;
}

long proc_op_priority_set(const struct rt_request *rq, u32 which, i32 who, i32 nice)
{
	struct priority_walk walk = { .visit = priority_change, .result = -ESRCH };

	if (which > PROC_PRIORITY_USER)
		return -EINVAL;
	walk.nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
	lock_acquire(&proc_lock);
	walk.caller = proc_task_calling(rq);
	if (walk.caller)
		priority_walk(&walk, which, (u32)who);
	lock_release(&proc_lock);
	return walk.result;
}

static u64 processors_mask(void)
{
	return rt_boot->processors >= 64 ? ~0ull : (1ull << rt_boot->processors) - 1;
}

long proc_op_affinity_get(const struct rt_request *rq, i32 tid, u64 *mask)
{
	struct proc_task *task;

	lock_acquire(&proc_lock);
	task = proc_task_named(rq, tid);
	if (task)
		*mask = task->affinity & processors_mask();
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}

long proc_op_affinity_set(const struct rt_request *rq, i32 tid, u64 mask)
{
	struct proc_task *caller, *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	caller = proc_task_calling(rq);
	task = proc_task_named(rq, tid);
	if (caller && task) {
		result = same_owner(caller, task) || proc_capable(caller, PROC_CAP_SYS_NICE) ? 0 : -EPERM;
		if (!result && !(mask & processors_mask()))
			result = -EINVAL;
		if (!result) {
			task->affinity = mask & processors_mask();
			proc_schedule_apply(task);
		}
	}
	lock_release(&proc_lock);
	return result;
}
