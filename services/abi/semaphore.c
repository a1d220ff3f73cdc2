/* System V semaphores: proc keeps the sets; waiting is here. */
#include "shim.h"
#include "clock.h"
#include "include/abi_ipc.h"
#include <proc_client.h>

#define SEMAPHORES_IN_ALL (PROC_SEMAPHORE_SETS * PROC_SEMAPHORES_MAX) /* SEMMNS */

long sys_semget(struct shim_thread *t, const u64 *a)
{
	(void)t;
	if ((i32)a[1] < 0)
		return -EINVAL;
	return proc_semaphore_get((i32)a[0], (u32)a[1], (u32)a[2]);
}

/* Operations of one call. One alone travels in registers. */
struct request { i32 id; u64 first; vaddr_t operations; u64 size; };

static long request_wait(struct shim_thread *t, const struct request *r, nanos_t deadline)
{
	u64 name, sequence;
	long result = proc_semaphore_operate(r->id, r->operations, r->size, r->first, &name, &sequence);

	while (result == PROC_SEMAPHORE_WAITS) {
		const struct tk_pollword *word = pollword_of_handle(name);

		result = word ? shim_wait_word(t, word, (u32)sequence, deadline) : -ENOMEM;
		if (result < 0) {
			bool gone = proc_semaphore_forget(r->id) < 0;

			if (gone)
				return -EIDRM;
			return result == -ETIMEDOUT ? -EAGAIN : result == -ERESTARTSYS ? -EINTR : result; /* never restarted */
		}
		result = proc_semaphore_operate(r->id, r->operations, r->size, r->first, &name, &sequence);
		if (result == -EINVAL)
			return -EIDRM; /* it was there when the wait began */
	}
	return result;
}

static long operate(struct shim_thread *t, const u64 *a, nanos_t deadline)
{
	struct request request = { .id = (i32)a[0], .operations = a[1], .size = (u32)a[2] * sizeof(struct proc_semaphore_operation) };
	struct proc_semaphore_operation one;
	long result;

	if (!(u32)a[2] || request.id < 0)
		return -EINVAL;
	if ((u32)a[2] > PROC_SEMAPHORE_OPERATIONS)
		return -E2BIG;
	if ((u32)a[2] > 1)
		return request_wait(t, &request, deadline);
	result = user_copy_in(&one, a[1], sizeof(one));
	if (result < 0)
		return result;
	request.first = one.number | (u64)(u16)one.change << 16 | (u64)(u16)one.flags << 32;
	request.operations = request.size = 0;
	return request_wait(t, &request, deadline);
}

long sys_semop(struct shim_thread *t, const u64 *a)
{
	return operate(t, a, NANOS_NEVER);
}

long sys_semtimedop(struct shim_thread *t, const u64 *a)
{
	struct linux_timespec time;
	nanos_t deadline = NANOS_NEVER;
	long result;

	if (a[3]) {
		result = timespec_get(a[3], &time);
		if (result < 0)
			return result;
		deadline = timespec_nanos(&time);
		nanos_t now = clock_monotonic();

		deadline = deadline > NANOS_NEVER - now ? NANOS_NEVER : now + deadline;
	}
	return operate(t, a, deadline);
}

static long stat_give(i32 id, u32 how, vaddr_t to)
{
	struct proc_semaphore_set set;
	long result = proc_semaphore_stat(id, how, &set);

	if (result < 0)
		return result;
	struct linux_semid_ds shown = {
		.perm = { set.key, set.uid, set.gid, set.creator_uid, set.creator_gid, set.mode, (u16)set.sequence, 0, { 0 } },
		.otime = set.operation_time, .ctime = set.change_time, .count = set.count,
	};

	result = user_copy_out(to, &shown, sizeof(shown));
	if (result < 0)
		return result;
	return how == PROC_SEMAPHORE_BY_ID ? 0 : set.id;
}

static long info_give(bool used, vaddr_t to)
{
	struct linux_seminfo info = { SEMAPHORES_IN_ALL, PROC_SEMAPHORE_SETS, SEMAPHORES_IN_ALL, SEMAPHORES_IN_ALL, PROC_SEMAPHORES_MAX,
		PROC_SEMAPHORE_OPERATIONS, PROC_SEMAPHORE_OPERATIONS, 20, PROC_SEMAPHORE_VALUE_MAX, PROC_SEMAPHORE_VALUE_MAX };
	u64 sets, semaphores;
	long highest = proc_semaphore_system(&sets, &semaphores), result;

	if (highest < 0)
		return highest;
	if (used) {
		info.usz = (i32)sets;
		info.aem = (i32)semaphores;
	}
	result = user_copy_out(to, &info, sizeof(info));
	return result < 0 ? result : highest;
}

static long owner_set(i32 id, vaddr_t from)
{
	struct linux_semid_ds given;
	long result = user_copy_in(&given, from, sizeof(given));

	return result < 0 ? result : proc_semaphore_change(id, false, given.perm.uid, given.perm.gid, given.perm.mode);
}

/* All values: as many as the set has. */
static long values_exchange(i32 id, bool write, vaddr_t values)
{
	struct proc_semaphore_set set;
	long result = proc_semaphore_stat(id, PROC_SEMAPHORE_BY_ID, &set);

	if (result == -EACCES && write) /* whoever may only alter is told no number: it is asked for without */
		result = proc_semaphore_stat(id % (i32)32768, PROC_SEMAPHORE_BY_PLACE_ANY, &set);
	if (result < 0)
		return result;
	return proc_semaphore_values(id, write, values, set.count * sizeof(u16));
}

long sys_semctl(struct shim_thread *t, const u64 *a)
{
	static const u8 values[] = { [SEM_GETPID] = PROC_SEMAPHORE_PID, [SEM_GETVAL] = PROC_SEMAPHORE_VALUE,
		[SEM_GETNCNT] = PROC_SEMAPHORE_WAIT_MORE, [SEM_GETZCNT] = PROC_SEMAPHORE_WAIT_ZERO, [SEM_SETVAL] = PROC_SEMAPHORE_SET };
	i32 id = (i32)a[0], command = (i32)a[2];

	(void)t;
	if (id < 0)
		return -EINVAL;
	switch (command) {
	case IPC_INFO:
	case SEM_INFO:
		return info_give(command == SEM_INFO, a[3]);
	case IPC_STAT:
		return stat_give(id, PROC_SEMAPHORE_BY_ID, a[3]);
	case SEM_STAT:
		return stat_give(id, PROC_SEMAPHORE_BY_PLACE, a[3]);
	case SEM_STAT_ANY:
		return stat_give(id, PROC_SEMAPHORE_BY_PLACE_ANY, a[3]);
	case IPC_SET:
		return owner_set(id, a[3]);
	case IPC_RMID:
		return proc_semaphore_change(id, true, 0, 0, 0);
	case SEM_GETALL:
	case SEM_SETALL:
		return values_exchange(id, command == SEM_SETALL, a[3]);
	case SEM_GETPID:
	case SEM_GETVAL:
	case SEM_GETNCNT:
	case SEM_GETZCNT:
	case SEM_SETVAL:
		return proc_semaphore_value(id, (u32)a[1], values[command], (i32)a[3]);
	default:
		return -EINVAL;
	}
}
