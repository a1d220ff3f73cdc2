/* semctl: values, facts and owners of sets. */
#include "semaphore.h"
#include <proc_server.h>

static long waiters_count(const struct semaphore_set *set, u32 number, bool zero)
{
	long count = 0;

	list_each(node, &set->waiters) {
		const struct semaphore_waiter *waiter = container_of(node, struct semaphore_waiter, link);

		count += waiter->number == number && waiter->zero == zero;
	}
	return count;
}

/* A value was set by hand: nobody takes back what was done to it before. */
static void value_set(struct semaphore_set *set, u32 number, i32 value, i32 pid)
{
	set->semaphores[number].value = value;
	set->semaphores[number].pid = pid;
	list_each(node, &set->undos)
		container_of(node, struct semaphore_undo, link)->adjust[number] = 0;
}

static void set_changed(struct semaphore_set *set)
{
	set->is.change_time = clock_realtime() / NANOS_PER_SECOND;
	pollword_event(set->word, 0);
}

long proc_op_semaphore_value(const struct rt_request *rq, i32 id, u32 number, u32 what, i32 value)
{
	struct semaphore_caller caller;
	struct semaphore_set *set;
	long result = proc_semaphore_caller(rq, &caller);

	if (result)
		return result;
	if (what == PROC_SEMAPHORE_SET && (value < 0 || value > PROC_SEMAPHORE_VALUE_MAX))
		return -ERANGE;
	lock_acquire(&proc_semaphore_lock);
	set = proc_semaphore_set_find(id);
	if (!set)
		result = -EINVAL;
	else if (what == PROC_SEMAPHORE_SET && number >= set->is.count)
		result = -EINVAL;
	else if (!proc_semaphore_set_allows(set, &caller, what == PROC_SEMAPHORE_SET ? 2 : 4))
		result = -EACCES;
	else if (number >= set->is.count)
		result = -EINVAL;
	else if (what == PROC_SEMAPHORE_SET)
		value_set(set, number, value, caller.pid), set_changed(set), stable_commit(0, 0);
	else if (what == PROC_SEMAPHORE_WAIT_MORE || what == PROC_SEMAPHORE_WAIT_ZERO)
		result = waiters_count(set, number, what == PROC_SEMAPHORE_WAIT_ZERO);
	else
		result = what == PROC_SEMAPHORE_PID ? set->semaphores[number].pid : set->semaphores[number].value;
	lock_release(&proc_semaphore_lock);
	return result;
}

/* All values at once, in a buffer of the service. */
static long values_exchange(i32 id, const struct semaphore_caller *caller, u16 *values, u32 count, bool write)
{
	struct semaphore_set *set;
	long result = 0;

	lock_acquire(&proc_semaphore_lock);
	set = proc_semaphore_set_find(id);
	if (!set || set->is.count != count)
		result = -EINVAL;
	else if (!proc_semaphore_set_allows(set, caller, write ? 2 : 4))
		result = -EACCES;
	for (u32 i = 0; !result && write && i < count; i++)
		if (values[i] > PROC_SEMAPHORE_VALUE_MAX)
			result = -ERANGE;
	for (u32 i = 0; !result && i < count; i++) {
		if (write)
			value_set(set, i, values[i], caller->pid);
		else
			values[i] = (u16)set->semaphores[i].value;
	}
	if (!result && write) {
		set_changed(set);
		stable_commit(0, 0);
	}
	lock_release(&proc_semaphore_lock);
	return result;
}

long proc_op_semaphore_values(const struct rt_request *rq, i32 id, u32 write, vaddr_t values, u64 values_size)
{
	u32 count = (u32)(values_size / sizeof(u16));
	struct semaphore_caller caller;
	u16 *all;
	long result = proc_semaphore_caller(rq, &caller);

	if (result)
		return result;
	if (!count || count > PROC_SEMAPHORES_MAX)
		return -EINVAL;
	all = heap_alloc(count * sizeof(*all));
	if (!all)
		return -ENOMEM;
	if (write)
		result = user_copy_in(all, values, count * sizeof(*all));
	if (!result)
		result = values_exchange(id, &caller, all, count, write);
	if (!result && !write)
		result = user_copy_out(values, all, count * sizeof(*all));
	heap_free(all);
	return result;
}

long proc_op_semaphore_stat(const struct rt_request *rq, i32 id, u32 how, struct proc_semaphore_set *is)
{
	struct semaphore_caller caller;
	struct semaphore_set *set = NULL;
	long result = proc_semaphore_caller(rq, &caller);

	if (result)
		return result;
	lock_acquire(&proc_semaphore_lock);
	if (how == PROC_SEMAPHORE_BY_ID)
		set = proc_semaphore_set_find(id);
	else if (id >= 0 && (u32)id < proc_semaphore_places)
		set = proc_semaphore_sets[id];
	if (!set)
		result = -EINVAL;
	else if (how != PROC_SEMAPHORE_BY_PLACE_ANY && !proc_semaphore_set_allows(set, &caller, 4))
		result = -EACCES;
	else
		*is = set->is;
	lock_release(&proc_semaphore_lock);
	return result;
}

long proc_op_semaphore_change(const struct rt_request *rq, i32 id, u32 remove, u32 uid, u32 gid, u32 mode)
{
	struct semaphore_caller caller;
	struct semaphore_set *set, *gone = NULL;
	long result = proc_semaphore_caller(rq, &caller);

	if (result)
		return result;
	lock_acquire(&proc_semaphore_lock);
	set = proc_semaphore_set_find(id);
	if (!set) {
		result = -EINVAL;
	} else if (caller.uid != set->is.uid && caller.uid != set->is.creator_uid && !caller.admin) {
		result = -EPERM;
	} else if (remove) {
		u32 place = (u32)id % SEMAPHORE_PLACES;

		proc_semaphore_sets[place] = NULL;
		proc_semaphore_lowest = place < proc_semaphore_lowest ? place : proc_semaphore_lowest;
		proc_semaphore_count--;
		gone = set;
	} else {
		set->is.uid = uid;
		set->is.gid = gid;
		set->is.mode = mode & 0777;
		set->is.change_time = clock_realtime() / NANOS_PER_SECOND;
	}
	if (!result)
		stable_commit(0, 0);
	lock_release(&proc_semaphore_lock);
	proc_semaphore_set_free(gone); /* whoever waits is woken by the end of its word */
	return result;
}

/* How many sets and semaphores there are; the result is the highest place in use. */
long proc_op_semaphore_system(const struct rt_request *rq, u64 *count, u64 *semaphores)
{
	long highest = 0;

	(void)rq;
	*count = *semaphores = 0;
	lock_acquire(&proc_semaphore_lock);
	for (u32 place = 0; place < proc_semaphore_places; place++) {
		if (!proc_semaphore_sets[place])
			continue;
		highest = place;
		++*count;
		*semaphores += proc_semaphore_sets[place]->is.count;
	}
	lock_release(&proc_semaphore_lock);
	return highest;
}
