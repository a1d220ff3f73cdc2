/* Processes that somebody watches by a descriptor: their end is a poll word, and their number is not used again meanwhile. */
#include "proc.h"

long proc_op_process_watch(const struct rt_request *rq, i32 pid, u64 *pollword)
{
	struct proc_task *task;
	long result = -ESRCH;

	if (!proc_caller_is_shim(rq))
		return -EPERM;
	lock_acquire(&proc_lock);
	task = proc_task_find(pid);
	if (task) { /* one that is not started too: its maker is told of it before */
		struct proc_id *id = task->id;

		result = task->process->leader == task ? 0 : -EINVAL;
		if (!result && !id->end_word)
			id->end_word = pollword_alloc();
		if (!result) {
			*pollword = id->end_word ? pollword_handle(id->end_word, rq) : 0;
			result = *pollword ? 0 : -ENOMEM;
		}
		if (!result) {
			proc_id_hold(id);
			id->watches++;
			pollword_set(id->end_word, task->process->zombie ? PROC_POLL_READABLE : 0);
		}
	}
	return proc_done_word(result, *pollword);
}

long proc_op_process_unwatch(const struct rt_request *rq, i32 pid)
{
	struct proc_id *id;

	if (!proc_caller_is_shim(rq))
		return -EPERM;
	lock_acquire(&proc_lock);
	id = proc_id_find(pid);
	if (id && id->watches) {
		id->watches--;
		proc_id_drop(id);
	} else {
		id = NULL;
	}
	return proc_done(id ? 0 : -ESRCH);
}
