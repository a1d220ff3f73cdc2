/* POSIX timers. */
#include "process.h"
#include "include/abi_time.h"

#define NOTIFY_THREAD 2 /* SIGEV_THREAD: the C library makes a thread of it, to the kernel it is a signal like any */

long sys_timer_create(struct shim_thread *t, const u64 *a)
{
	struct proc_timer_event event = { 0 };
	struct linux_sigevent given;
	i32 shown;
	u64 id;
	long error = 0;

	(void)t;
	if (a[1]) {
		error = user_copy_in(&given, a[1], sizeof(given));
		event = (struct proc_timer_event){ .value = given.value, .signal = given.signal, .tid = given.tid, .has_event = 1,
						   .notify = given.notify == NOTIFY_THREAD ? PROC_NOTIFY_SIGNAL : given.notify };
	}
	if (error >= 0)
		error = proc_timer_create((i32)a[0], &event, &id);
	if (error < 0)
		return error;
	shown = (i32)id;
	error = user_copy_out(a[2], &shown, sizeof(shown));
	if (error < 0)
		(void)!proc_timer_delete(shown);
	return error;
}

static long interval_put(vaddr_t to, const struct proc_interval *value)
{
	struct linux_itimerspec shown = { timespec_of_span(value->interval), timespec_of_span(value->value) };

	return user_copy_out(to, &shown, sizeof(shown));
}

long sys_timer_settime(struct shim_thread *t, const u64 *a)
{
	struct linux_itimerspec given;
	struct proc_interval value, old;
	long error;

	(void)t;
	if (!a[2])
		return -EINVAL;
	error = user_copy_in(&given, a[2], sizeof(given));
	if (error < 0)
		return error;
	if (!timespec_valid(&given.it_interval) || !timespec_valid(&given.it_value))
		return -EINVAL;
	value.interval = timespec_nanos(&given.it_interval);
	value.value = timespec_nanos(&given.it_value);
	error = proc_timer_set((i32)a[0], (u32)a[1] & TIMER_ABSTIME ? PROC_TIMER_ABSOLUTE : 0, &value, &old);
	if (error >= 0 && a[3])
		error = interval_put(a[3], &old);
	return error;
}

long sys_timer_gettime(struct shim_thread *t, const u64 *a)
{
	struct proc_interval value;
	long error = proc_timer_get((i32)a[0], &value);

	(void)t;
	return error < 0 ? error : interval_put(a[1], &value);
}

long sys_timer_getoverrun(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return proc_timer_overrun((i32)a[0]);
}

long sys_timer_delete(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return proc_timer_delete((i32)a[0]);
}
