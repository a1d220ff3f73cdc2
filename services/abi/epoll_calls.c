/* The system calls of epoll. */
#include "epoll.h"
#include "include/abi_fcntl.h"

#define EVENTS_MAX (INT32_MAX / (i32)sizeof(struct linux_epoll_event))
#define CHUNK 128u       /* events collected at once */
#define CHUNK_OWN 16u    /* ... without the heap */

static long epoll_make(struct shim_thread *t, u32 flags)
{
	struct epoll_set *set = epoll_set_create();
	struct shim_file *file;

	if (!set)
		return -ENOMEM;
	file = file_create(&epoll_ops, O_RDWR, 0);
	if (!file) {
		epoll_set_destroy(set);
		return -ENOMEM;
	}
	file->data = set;
	set->file = file;
	return fd_install(t, file, flags, 0);
}

long sys_epoll_create(struct shim_thread *t, const u64 *a)
{
	return (i32)a[0] <= 0 ? -EINVAL : epoll_make(t, 0);
}

long sys_epoll_create1(struct shim_thread *t, const u64 *a)
{
	return (u32)a[0] & ~(u32)EPOLL_CLOEXEC ? -EINVAL : epoll_make(t, (u32)a[0]);
}

/* Files that never make one wait can't be watched. */
static bool file_can_poll(struct shim_file *file)
{
	return file->ops->ready || file_event_word(file);
}

static long control_checked(struct shim_thread *t, struct shim_file *epoll, u32 operation, const struct epoll_target *target)
{
	if (!file_can_poll(target->file))
		return -EPERM;
	if (epoll->ops != &epoll_ops || target->file == epoll)
		return -EINVAL;
	return epoll_control(t, epoll->data, operation, target);
}

long sys_epoll_ctl(struct shim_thread *t, const u64 *a)
{
	struct epoll_target target = { .fd = (i32)a[2] };
	struct linux_epoll_event event;
	struct shim_file *epoll;
	u32 operation = (u32)a[1];
	long result = -EBADF;

	if (operation != EPOLL_CTL_DEL) {
		if (user_copy_in(&event, a[3], sizeof(event)) < 0)
			return -EFAULT;
		event.events |= POLLERR | POLLHUP;
		target.event = &event;
	}
	epoll = file_get(t, (i32)a[0]);
	if (!epoll)
		return -EBADF;
	target.file = file_get(t, target.fd);
	if (target.file) {
		if (!((target.file->flags | epoll->flags) & O_PATH))
			result = control_checked(t, epoll, operation, &target);
		file_put(target.file);
	}
	file_put(epoll);
	return result;
}

/* Collects into the application's array, part by part; the number, or -EFAULT if none could be written. */
static long events_deliver(struct shim_thread *t, struct epoll_set *set, vaddr_t to, u32 limit)
{
	u32 capacity = limit < CHUNK ? limit : CHUNK, count;
	struct linux_epoll_event own[CHUNK_OWN], *events = own;
	long result = 0;

	if (capacity > CHUNK_OWN)
		events = heap_alloc(capacity * sizeof(*events));
	if (!events)
		return -ENOMEM;
	count = epoll_collect(t, set, events, capacity);
	result = count;
	if (count && user_copy_out(to, events, count * sizeof(*events)) < 0)
		result = -EFAULT;
	if (events != own)
		heap_free(events);
	return result;
}

static long epoll_wait_set(struct shim_thread *t, struct epoll_set *set, const u64 *a, nanos_t deadline)
{
	for (;;) {
		u32 seen = __atomic_load_n(watch_set_word(set->watches), __ATOMIC_ACQUIRE); /* before the look */
		long result = events_deliver(t, set, a[1], (u32)a[2]);

		if (result || deadline == 0)
			return result;
		result = shim_wait(t, watch_set_word(set->watches), seen, deadline);
		if (result == -ETIMEDOUT) {
			deadline = 0; /* a last look */
			continue;
		}
		if (result < 0)
			return result == -ERESTARTSYS ? -EINTR : result;
	}
}

static long epoll_wait_until(struct shim_thread *t, const u64 *a, nanos_t deadline)
{
	struct file_use use;
	long result = -EINVAL;

	if ((i32)a[2] <= 0 || (i32)a[2] > EVENTS_MAX)
		return -EINVAL;
	if (a[1] > rt_boot->user_limit || rt_boot->user_limit - a[1] < (u64)a[2] * sizeof(struct linux_epoll_event))
		return -EFAULT;
	use = file_use_begin(t, (i32)a[0]);
	if (!use.file)
		return -EBADF;
	if (use.file->ops == &epoll_ops)
		result = epoll_wait_set(t, use.file->data, a, deadline);
	file_use_end(use);
	return result;
}

static nanos_t deadline_of_millis(i32 timeout)
{
	return timeout < 0 ? NANOS_NEVER : deadline_after((nanos_t)timeout * NANOS_IN_MILLI);
}

long sys_epoll_wait(struct shim_thread *t, const u64 *a)
{
	return epoll_wait_until(t, a, deadline_of_millis((i32)a[3]));
}

static long epoll_wait_masked(struct shim_thread *t, const u64 *a, nanos_t deadline)
{
	long result = signal_mask_begin(t, a[4], a[5]);

	if (result < 0)
		return result;
	result = epoll_wait_until(t, a, deadline);
	signal_mask_end(t, result);
	return result;
}

long sys_epoll_pwait(struct shim_thread *t, const u64 *a)
{
	return epoll_wait_masked(t, a, deadline_of_millis((i32)a[3]));
}

long sys_epoll_pwait2(struct shim_thread *t, const u64 *a)
{
	nanos_t deadline = NANOS_NEVER;
	struct linux_timespec time;

	if (a[3]) {
		long result = timespec_get(a[3], &time);

		if (result < 0)
			return result;
		deadline = deadline_after(timespec_nanos(&time));
	}
	return epoll_wait_masked(t, a, deadline);
}
