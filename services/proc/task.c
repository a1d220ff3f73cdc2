/* Tasks and processes are made, started and freed here. */
#include "recover.h"
#include "mem_client.h"

void proc_task_name_set(struct proc_task *task, const char *name, size_t size)
{
	size_t length = strnlen(name, size < PROC_NAME_SIZE - 1 ? size : PROC_NAME_SIZE - 1);

	memset(task->name, 0, sizeof(task->name));
	memcpy(task->name, name, length);
}

static void dispositions_drop(struct proc_dispositions *dispositions)
{
	if (dispositions && --dispositions->references == 0)
		heap_free(dispositions);
}

void proc_task_free(struct proc_task *task)
{
	proc_pending_flush(&task->pending, ~0ull);
	if (task->vfork_parent)
		task->vfork_parent->vfork_child = NULL;
	if (task->vfork_child)
		task->vfork_child->vfork_parent = NULL;
	if (task->identity) {
		task->identity->user->tasks--;
		proc_identity_drop(task->identity);
	}
	if (task->id) {
		task->id->task = NULL;
		proc_id_drop(task->id);
	}
	heap_free(task);
}

void proc_process_free(struct proc_process *process)
{
	proc_pending_flush(&process->shared, ~0ull);
	dispositions_drop(process->dispositions);
	if (process->signal_word)
		pollword_free(process->signal_word);
	if (process->group) {
		list_remove(&process->group_link);
		proc_id_drop(process->group);
	}
	proc_process_session_leave(process);
	proc_alarms_release(2);
	heap_free(process);
}

/* A process without tasks; it is in no list yet. */
static struct proc_process *process_alloc(struct proc_dispositions *dispositions)
{
	struct proc_process *process = heap_alloc(sizeof(*process));

	if (!process)
		return NULL;
	if (proc_alarms_reserve(2) < 0) {
		heap_free(process);
		return NULL;
	}
	list_init(&process->tasks);
	list_init(&process->children);
	list_init(&process->timers);
	proc_pending_init(&process->shared);
	proc_itimer_init(process);
	process->dumpable = 1;
	process->exit_signal = SIGCHLD;
	process->start = clock_monotonic();
	process->dispositions = dispositions;
	if (dispositions)
		dispositions->references++;
	else
		process->dispositions = heap_alloc(sizeof(*process->dispositions));
	if (!process->dispositions) {
		proc_process_free(process);
		return NULL;
	}
	if (!dispositions)
		process->dispositions->references = 1;
	return process;
}

static struct proc_task *task_alloc(struct proc_identity *identity, i32 wanted, long *error)
{
	struct proc_task *task = heap_alloc(sizeof(*task));

	*error = -ENOMEM;
	if (!task)
		return NULL;
	proc_pending_init(&task->pending);
	task->id = proc_id_create(wanted, error);
	if (!task->id) {
		heap_free(task);
		return NULL;
	}
	task->id->task = task;
	proc_identity_hold(identity);
	identity->user->tasks++;
	task->identity = identity;
	task->affinity = ~0ull;
	task->start = clock_monotonic();
	return task;
}

/* What a new thread has from its maker. */
static void task_inherit(struct proc_task *task, const struct proc_task *from)
{
	task->blocked = from->blocked;
	task->schedule = from->schedule;
	task->affinity = from->affinity;
	task->timer_slack = from->timer_slack;
	task->keep_capabilities = from->keep_capabilities;
	task->no_new_privileges = from->no_new_privileges;
	memcpy(task->name, from->name, sizeof(task->name));
	if (task->schedule.reset_on_fork) {
		task->schedule.reset_on_fork = 0;
		if (task->schedule.policy == 1 || task->schedule.policy == 2) {
			task->schedule.policy = 0;
			task->schedule.priority = 0;
		}
		if (task->schedule.nice < 0)
			task->schedule.nice = 0;
	}
}

static void process_inherit(struct proc_process *process, const struct proc_process *from)
{
	unnoted_copy(process->limits, from->limits, sizeof(process->limits)); /* nobody knows of it yet */
	process->oom_adjust = from->oom_adjust;
	process->oom_adjust_least = from->oom_adjust_least;
	process->image = from->image;
	process->umask = from->umask;
	process->dumpable = from->dumpable;
	process->subreaper = false;
	proc_process_group_join(process, from->group);
	proc_process_session_join(process, from->session);
}

static void dispositions_inherit(struct proc_process *process, const struct proc_process *from, u32 flags)
{
	if (flags & PROC_CREATE_SIGHAND)
		return; /* already shared */
	unnoted_copy(process->dispositions->actions, from->dispositions->actions, sizeof(process->dispositions->actions));
	if (!(flags & PROC_CREATE_CLEAR_SIGHAND))
		return;
	for (u32 i = 0; i < PROC_SIGNALS; i++)
		if (process->dispositions->actions[i].handler != PROC_HANDLER_IGNORE)
			memset(&process->dispositions->actions[i], 0, sizeof(process->dispositions->actions[i]));
}

/* Enters a task in its process: visible in the process, not yet running. */
static void task_enter(struct proc_task *task, struct proc_process *process, struct proc_thread *thread)
{
	task->process = process;
	task->thread = thread;
	list_push_back(&process->tasks, &task->link);
	process->task_count++;
	process->alive_count++;
	if (!process->leader)
		process->leader = task;
	proc_parent_publish(process);
}

static bool user_is_full(const struct proc_task *task)
{
	u64 limit = task->process->limits[PROC_LIMIT_NPROC].soft;

	return limit != PROC_LIMIT_INFINITY && task->identity->user->tasks >= limit && task->identity->is.uid != 0 &&
	       !proc_capable(task, PROC_CAP_SYS_RESOURCE) && !proc_capable(task, PROC_CAP_SYS_ADMIN);
}

static void child_enter(struct proc_process *process, struct proc_task *maker, const struct proc_create *request)
{
	struct proc_process *from = maker->process;

	process->parent = from;
	process->parent_task = maker;
	process->exit_signal = request->exit_signal;
	if (request->flags & PROC_CREATE_PARENT && from->parent) {
		process->parent = from->parent;
		process->parent_task = from->parent_task;
		process->exit_signal = from->exit_signal;
	}
	list_push_back(&process->parent->children, &process->sibling);
	list_push_back(&proc_processes, &process->link);
}

static void created_fill(struct proc_created *created, const struct proc_task *task)
{
	created->tid = task->id->number;
	created->pid = task->process->leader->id->number;
	created->thread = task->thread->id;
	created->thread_frame = frame_of_token(task->thread->token);
}

static long task_create_locked(struct proc_task *maker, const struct proc_create *request, struct proc_thread *thread,
			       struct proc_created *created)
{
	bool is_thread = request->flags & PROC_CREATE_THREAD;
	struct proc_process *process = maker->process;
	struct proc_task *task;
	long error;

	if (user_is_full(maker))
		return -EAGAIN;
	if (maker->process->exiting || maker->killed)
		return -EAGAIN; /* it never sees this: it is being killed */
	if (request->flags & PROC_CREATE_PARENT && !is_thread && process->unkillable)
		return -EINVAL;
	if (request->set_tid && !proc_capable(maker, PROC_CAP_SYS_ADMIN))
		return -EPERM;
	task = task_alloc(maker->identity, request->set_tid, &error);
	if (!task)
		return error;
	if (!is_thread) {
		process = process_alloc(request->flags & PROC_CREATE_SIGHAND ? maker->process->dispositions : NULL);
		if (!process) {
			proc_task_free(task);
			return -ENOMEM;
		}
		process_inherit(process, maker->process);
		dispositions_inherit(process, maker->process, request->flags);
		process->image.space = request->space;
		process->fs_client = request->fs_client;
		child_enter(process, maker, request);
	}
	task_inherit(task, maker);
	task_enter(task, process, thread);
	if (request->flags & PROC_CREATE_VFORK) {
		if (maker->vfork_child) /* nobody waits for that one any more */
			maker->vfork_child->vfork_parent = NULL;
		maker->vfork_child = task;
		task->vfork_parent = maker;
	}
	proc_thread_table_insert(task);
	created_fill(created, task);
	return 0;
}

long proc_op_task_create(const struct rt_request *rq, const struct proc_create *given, struct proc_created *created)
{
	const struct proc_create request = *given;
	struct proc_thread *thread;
	struct proc_task *maker;
	u64 frame;
	long error;

	if (!proc_caller_is_shim(rq))
		return -EPERM;
	if (request.exit_signal > PROC_SIGNALS || request.set_tid < 0)
		return -EINVAL;
	error = mem_space_token(request.space, &frame);
	if (error < 0)
		return error;
	thread = proc_thread_create(token_of_frame(frame), &error);
	if (!thread)
		return error;
	lock_acquire(&proc_lock);
	maker = proc_task_calling(rq);
	error = maker ? task_create_locked(maker, &request, thread, created) : -ESRCH;
	if (!error)
		proc_counts.forks++;
	error = proc_done_kept(error, created, sizeof(*created));
	if (error < 0)
		proc_thread_discard(thread);
	return error;
}

/* All but the start itself. */
static void task_ready(struct proc_task *task)
{
	task->life = PROC_ALIVE;
	proc_schedule_apply(task);
	if (task->process->leader == task && task->process->limits[PROC_LIMIT_CPU].soft != PROC_LIMIT_INFINITY)
		proc_cpu_timers_update(task->process);
	/* What came while it was made: signals of the process, a stop, the end of all. */
	if (task->process->exiting || task->killed)
		proc_thread_interrupt(task, TK_INTERRUPT_KILL);
	else if (task->process->stopping) {
		task->stop_pending = true;
		task->process->stop_count++;
		proc_thread_interrupt(task, TK_INTERRUPT_STOP);
	} else if (proc_signal_deliverable(task))
		proc_thread_interrupt(task, TK_INTERRUPT_SIGNAL);
}

/* The core can't take a start back: first it is noted that the task runs, then it does. Recovery starts one that does not yet. */
long proc_op_task_start(const struct rt_request *rq, i32 tid)
{
	struct proc_task *task;
	vaddr_t token = 0;
	long result = -ESRCH;

	if (!proc_caller_is_shim(rq))
		return -EPERM;
	lock_acquire(&proc_lock);
	task = proc_task_find(tid);
	if (task && task->life == PROC_NEW) {
		task_ready(task);
		token = task->thread->token;
		result = 0;
	}
	result = proc_done(result);
	return result ? result : tk_thread_start(token);
}

long proc_op_task_discard(const struct rt_request *rq, i32 tid)
{
	struct proc_thread *thread = NULL;
	struct proc_task *task;

	if (!proc_caller_is_shim(rq))
		return -EPERM;
	lock_acquire(&proc_lock);
	task = proc_task_find(tid);
	if (task && task->life == PROC_NEW) {
		struct proc_process *process = task->process;

		thread = task->thread;
		proc_thread_table_remove(task);
		list_remove(&task->link);
		process->task_count--;
		process->alive_count--;
		if (process->leader == task) {
			list_remove(&process->link);
			if (process->parent)
				list_remove(&process->sibling);
			proc_process_free(process);
		} else if (process->exec_task) {
			proc_task_notify(process->exec_task);
		}
		proc_task_free(task);
	}
	lock_release(&proc_lock);
	if (!thread)
		return -ESRCH;
	proc_thread_discard(thread);
	return 0;
}

static void limits_first(struct proc_process *process)
{
	static const struct proc_limit first[PROC_LIMITS] = {
		[PROC_LIMIT_STACK] = { 8ull << 20, PROC_LIMIT_INFINITY },
		[PROC_LIMIT_CORE] = { 0, PROC_LIMIT_INFINITY },
		[PROC_LIMIT_NOFILE] = { 1024, 4096 },
		[PROC_LIMIT_MEMLOCK] = { 8ull << 20, 8ull << 20 },
		[PROC_LIMIT_MSGQUEUE] = { 819200, 819200 },
		[PROC_LIMIT_NICE] = { 0, 0 },
		[PROC_LIMIT_RTPRIO] = { 0, 0 },
	};
	u64 threads = rt_boot->memory_frames / 64; /* as Linux: threads may take an eighth of memory, half of it for one user */

	for (u32 i = 0; i < PROC_LIMITS; i++) {
		bool finite = first[i].soft || first[i].hard || i == PROC_LIMIT_NICE || i == PROC_LIMIT_RTPRIO;

		process->limits[i].soft = finite ? first[i].soft : PROC_LIMIT_INFINITY;
		process->limits[i].hard = finite ? first[i].hard : PROC_LIMIT_INFINITY;
	}
	process->limits[PROC_LIMIT_NPROC] = (struct proc_limit){ threads / 2, threads / 2 };
	process->limits[PROC_LIMIT_SIGPENDING] = process->limits[PROC_LIMIT_NPROC];
}

/* Process 1 starts in group and session 0, which nobody can name, so that it can make its own. */
struct proc_id proc_first_session = {
	.uses = 1,
	.group_members = LIST_INIT(proc_first_session.group_members),
	.session_members = LIST_INIT(proc_first_session.session_members),
};

static long task_first_locked(struct proc_thread *thread, u64 space, struct proc_created *created)
{
	struct proc_identity *identity;
	struct proc_process *process;
	struct proc_task *task;
	long error;

	if (proc_init_process)
		return -EEXIST;
	identity = proc_identity_first();
	if (!identity)
		return -ENOMEM;
	task = task_alloc(identity, 1, &error);
	proc_identity_drop(identity);
	if (!task)
		return error;
	process = process_alloc(NULL);
	if (!process) {
		proc_task_free(task);
		return -ENOMEM;
	}
	proc_counts.last_pid = 1;
	limits_first(process);
	process->unkillable = true;
	process->image.space = space;
	list_push_back(&proc_processes, &process->link);
	task->timer_slack = 50000;
	proc_task_name_set(task, "init", 4);
	task_enter(task, process, thread);
	proc_process_group_join(process, &proc_first_session);
	proc_process_session_join(process, &proc_first_session);
	proc_thread_table_insert(task);
	created_fill(created, task);
	proc_init_process = process;
	return 0;
}

long proc_op_task_first(const struct rt_request *rq, u64 space, u32 space_frame, struct proc_created *created)
{
	struct proc_thread *thread;
	u64 frame;
	long error;

	(void)space_frame;
	if (!proc_caller_is_shim(rq))
		return -EPERM;
	error = mem_space_token(space, &frame);
	if (error < 0)
		return error;
	thread = proc_thread_create(token_of_frame(frame), &error);
	if (!thread)
		return error;
	lock_acquire(&proc_lock);
	error = task_first_locked(thread, space, created);
	lock_release(&proc_lock);
	if (error < 0)
		proc_thread_discard(thread);
	return error;
}
