/* Names and the small per-thread and per-process settings of prctl(2). */
#include "proc.h"

long proc_op_name_set(const struct rt_request *rq, i32 tid, const void *name, size_t name_size)
{
	struct proc_task *caller, *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	caller = proc_task_serving(rq);
	task = proc_task_named(rq, tid);
	if (caller && task) {
		result = caller->process == task->process ? 0 : -EINVAL;
		if (!result)
			proc_task_name_set(task, name, name_size);
	}
	lock_release(&proc_lock);
	return result;
}

long proc_op_fs_client_set(const struct rt_request *rq, u64 client)
{
	struct proc_task *task;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task)
		task->process->fs_client = client;
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}

static long option_read(const struct proc_task *task, u32 option, u64 argument, u64 *value)
{
	const struct proc_credentials *is = &task->identity->is;

	switch (option) {
	case PROC_OPTION_DEATH_SIGNAL: *value = task->death_signal; return 0;
	case PROC_OPTION_DUMPABLE: *value = task->process->dumpable; return 0;
	case PROC_OPTION_KEEP_CAPS: *value = task->keep_capabilities; return 0;
	case PROC_OPTION_SUBREAPER: *value = task->process->subreaper; return 0;
	case PROC_OPTION_NO_NEW_PRIVILEGES: *value = task->no_new_privileges; return 0;
	case PROC_OPTION_SECURE_BITS: *value = is->secure_bits; return 0;
	case PROC_OPTION_TIMER_SLACK: *value = task->timer_slack; return 0;
	case PROC_OPTION_UMASK: *value = task->process->umask; return 0;
	case PROC_OPTION_BOUNDING_READ:
	case PROC_OPTION_AMBIENT:
		if (argument > PROC_CAP_LAST)
			return -EINVAL;
		*value = (option == PROC_OPTION_AMBIENT ? is->ambient : is->bounding) >> argument & 1;
		return 0;
	default:
		return -EINVAL;
	}
}

long proc_op_option_get(const struct rt_request *rq, u32 option, u64 argument, u64 *value)
{
	struct proc_task *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task)
		result = option_read(task, option, argument, value);
	lock_release(&proc_lock);
	return result;
}

static long secure_bits_change(struct proc_credentials *is, bool capable, u64 value)
{
	u64 locks = is->secure_bits & 0xaa, changed = is->secure_bits ^ value;

	if (value & ~0xffull || locks & ~value || changed & (locks >> 1) || !capable)
		return -EPERM;
	is->secure_bits = (u32)value;
	return 0;
}

/* value: 0 lower, 1 raise, 2 clear all. */
static long ambient_change(struct proc_credentials *is, u64 value, u64 capability)
{
	if (value == 2) {
		is->ambient = 0;
		return 0;
	}
	if (capability > PROC_CAP_LAST || value > 2)
		return -EINVAL;
	if (value == 1 && (!(is->permitted & is->inheritable & 1ull << capability) || is->secure_bits & 64))
		return -EPERM;
	is->ambient = value ? is->ambient | 1ull << capability : is->ambient & ~(1ull << capability);
	return 0;
}

/* Options that are part of the credentials. */
static long identity_option_set(struct proc_task *task, u32 option, u64 value, u64 argument)
{
	bool capable = proc_capable(task, PROC_CAP_SETPCAP);
	struct proc_identity *fresh;
	long result;

	if (option == PROC_OPTION_BOUNDING_DROP && value > PROC_CAP_LAST)
		return -EINVAL;
	fresh = proc_identity_copy(task->identity);
	if (!fresh)
		return -ENOMEM;
	if (option == PROC_OPTION_SECURE_BITS) {
		result = secure_bits_change(&fresh->is, capable, value);
	} else if (option == PROC_OPTION_AMBIENT) {
		result = ambient_change(&fresh->is, value, argument);
	} else {
		result = capable ? 0 : -EPERM;
		fresh->is.bounding &= ~(1ull << value);
	}
	if (result < 0)
		proc_identity_drop(fresh);
	else
		proc_identity_replace(task, fresh);
	return result;
}

static long option_write(struct proc_task *task, u32 option, u64 value, u64 argument)
{
	switch (option) {
	case PROC_OPTION_DEATH_SIGNAL:
		if (value > PROC_SIGNALS)
			return -EINVAL;
		task->death_signal = (u32)value;
		return 0;
	case PROC_OPTION_DUMPABLE:
		if (value > 1)
			return -EINVAL;
		task->process->dumpable = (u32)value;
		return 0;
	case PROC_OPTION_KEEP_CAPS:
		if (value > 1)
			return -EINVAL;
		if (task->identity->is.secure_bits & 32) /* SECBIT_KEEP_CAPS_LOCKED */
			return -EPERM;
		task->keep_capabilities = value;
		return 0;
	case PROC_OPTION_SUBREAPER:
		task->process->subreaper = value;
		return 0;
	case PROC_OPTION_NO_NEW_PRIVILEGES:
		if (value != 1)
			return -EINVAL;
		task->no_new_privileges = true;
		return 0;
	case PROC_OPTION_TIMER_SLACK:
		task->timer_slack = value ? value : 50000;
		return 0;
	case PROC_OPTION_UMASK:
		task->process->umask = value & 0777;
		return 0;
	case PROC_OPTION_SECURE_BITS:
	case PROC_OPTION_AMBIENT:
	case PROC_OPTION_BOUNDING_DROP:
		return identity_option_set(task, option, value, argument);
	default:
		return -EINVAL;
	}
}

long proc_op_option_set(const struct rt_request *rq, u32 option, u64 value, u64 argument)
{
	struct proc_task *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task)
		result = option_write(task, option, value, argument);
	lock_release(&proc_lock);
	return result;
}
