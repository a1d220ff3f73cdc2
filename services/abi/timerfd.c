/*
 * timerfd. A thread of the shim waits for the earliest of all timers; a timer that has expired stands still until it is read, so a
 * short interval costs nothing while nobody looks. timers_lock guards everything here.
 */
#include "timerfd.h"
#include "include/abi_fcntl.h"
#include "include/abi_poll.h"
#include <list.h>
#include <rbtree.h>

struct timer {
	struct rb_node node;        /* while armed */
	struct list all;
	i32 clock;
	bool armed, expired;        /* armed: in the tree; expired: ticks counts the expiry that stopped it */
	bool wall;                  /* `time` is by the wall clock */
	bool cancel;                /* TFD_TIMER_CANCEL_ON_SET */
	u32 steps;                  /* clock_steps when it was set */
	nanos_t time, deadline;     /* next expiry by its own clock, and monotonic */
	nanos_t interval;
	u64 ticks;
	struct tk_pollword *word;
};
struct timer_read { struct timer *timer; u64 ticks; };

static struct rt_lock timers_lock = RT_LOCK_INIT;
static struct rb_tree tree;
static struct list timers = LIST_INIT(timers);
static volatile u32 earlier;        /* counts new first deadlines: the thread waits on it */

static void timer_level(struct timer *timer, bool happened)
{
	u32 level = timer->ticks ? POLL_READABLE : 0;

	if (happened)
		pollword_event(timer->word, level);
	else
		pollword_set(timer->word, level);
}

static void timer_disarm(struct timer *timer)
{
	if (timer->armed)
		rbtree_remove(&tree, &timer->node);
	timer->armed = false;
}

static bool timer_before(const struct rb_node *a, const struct rb_node *b)
{
	return container_of(a, struct timer, node)->deadline < container_of(b, struct timer, node)->deadline;
}

/* Arms for timer->time. */
static void timer_arm(struct timer *timer)
{
	timer->deadline = timer->wall ? clock_deadline(timer->clock, timer->time) : timer->time;
	rbtree_insert_ordered(&tree, &timer->node, timer_before);
	timer->armed = true;
	if (rbtree_first(&tree) == &timer->node) {
		__atomic_fetch_add(&earlier, 1, __ATOMIC_RELEASE); /* after the tree, which the thread reads under the lock anyway */
		(void)tk_wake(&earlier, 1, 0, ~0u);
	}
}

static nanos_t timer_now(const struct timer *timer)
{
	return timer->wall ? (nanos_t)clock_realtime() : clock_monotonic();
}

/* A timer with an interval that has expired goes on: counts the expiries since, and is armed for the next. */
static void timer_continue(struct timer *timer)
{
	nanos_t now, periods;

	if (!timer->expired || !timer->interval)
		return;
	now = timer_now(timer);
	periods = now > timer->time ? (now - timer->time) / timer->interval : 0;
	timer->expired = false;
	timer->ticks += periods;
	if ((periods + 1) > (NANOS_NEVER - 1 - timer->time) / timer->interval)
		timer->time = NANOS_NEVER - 1; /* beyond all time */
	else
		timer->time += (periods + 1) * timer->interval;
	timer_arm(timer);
}

nanos_t timerfd_expire(void)
{
	nanos_t now = clock_monotonic(), next = NANOS_NEVER;
	struct rb_node *first;

	lock_acquire(&timers_lock);
	while ((first = rbtree_first(&tree)) && next == NANOS_NEVER) {
		struct timer *timer = container_of(first, struct timer, node);

		if (timer->deadline > now) {
			next = timer->deadline;
		} else {
			timer_disarm(timer);
			timer->expired = true;
			timer->ticks++;
			timer_level(timer, true);
		}
	}
	lock_release(&timers_lock);
	return next;
}

void timerfd_serve(void)
{
	for (;;) {
		u32 seen = __atomic_load_n(&earlier, __ATOMIC_ACQUIRE); /* before the tree is looked at */
		nanos_t next = timerfd_expire();

		(void)tk_wait(&earlier, seen, next, TK_WAIT_NEVER_INTERRUPTED, ~0u);
	}
}

void timerfd_clock_changed(void)
{
	lock_acquire(&timers_lock);
	list_each(node, &timers) {
		struct timer *timer = container_of(node, struct timer, all);

		if (!timer->wall)
			continue;
		if (timer->armed) {
			timer_disarm(timer);
			timer_arm(timer);
		}
		if (timer->cancel) {
			timer->ticks++;
			timer_level(timer, true);
		}
	}
	lock_release(&timers_lock);
}

/* Whether the clock was set since the timer was: once for each time. */
static bool timer_cancelled(struct timer *timer)
{
	if (!timer->cancel || timer->steps == clock_steps)
		return false;
	timer->steps = clock_steps;
	return true;
}

static long ticks_take(void *context)
{
	struct timer_read *read = context;
	struct timer *timer = read->timer;
	long result = -EAGAIN;

	lock_acquire(&timers_lock);
	if (timer->ticks) {
		result = timer_cancelled(timer) ? -ECANCELED : 0;
		if (result == 0)
			timer_continue(timer);
		read->ticks = timer->ticks;
		timer->ticks = 0;
		timer_level(timer, false);
	}
	lock_release(&timers_lock);
	return result;
}

static long timerfd_read(struct shim_thread *t, struct shim_file *file, vaddr_t to, u64 size, i64 offset)
{
	struct timer_read read = { .timer = file->data };
	long result;

	if (offset >= 0)
		return -ESPIPE;
	if (size < sizeof(read.ticks))
		return -EINVAL;
	result = shim_wait_file(t, file, ticks_take, &read);
	if (result < 0)
		return result;
	result = user_copy_out(to, &read.ticks, sizeof(read.ticks));
	return result < 0 ? result : (long)sizeof(read.ticks);
}

static void timerfd_close(struct shim_file *file)
{
	struct timer *timer = file->data;

	lock_acquire(&timers_lock);
	timer_disarm(timer);
	list_remove(&timer->all);
	lock_release(&timers_lock);
	pollword_free(timer->word);
	heap_free(timer);
}

static const struct shim_file_ops timerfd_ops = {
	.name = "anon_inode:[timerfd]",
	.read = timerfd_read,
	.close = timerfd_close,
};

long sys_timerfd_create(struct shim_thread *t, const u64 *a)
{
	i32 clock = (i32)a[0];
	u32 flags = (u32)a[1];
	struct timer *timer;
	struct shim_file *file;

	if (flags & ~(u32)(TFD_NONBLOCK | TFD_CLOEXEC) ||
	    (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME && clock != CLOCK_REALTIME_ALARM &&
	     clock != CLOCK_BOOTTIME_ALARM))
		return -EINVAL;
	timer = heap_alloc(sizeof(*timer));
	if (!timer)
		return -ENOMEM;
	timer->word = pollword_alloc();
	file = timer->word ? file_create(&timerfd_ops, O_RDWR | (flags & TFD_NONBLOCK), 0) : NULL;
	if (!file) {
		if (timer->word)
			pollword_free(timer->word);
		heap_free(timer);
		return -ENOMEM;
	}
	timer->clock = clock;
	file->data = timer;
	file->pollword = timer->word;
	lock_acquire(&timers_lock);
	list_push_back(&timers, &timer->all);
	lock_release(&timers_lock);
	return fd_install(t, file, flags, 0);
}

/* What is left, and the interval. */
static struct linux_itimerspec timer_value(struct timer *timer)
{
	struct linux_itimerspec value = { .it_interval = timespec_of_span(timer->interval) };
	nanos_t now;

	timer_continue(timer);
	now = clock_monotonic();
	if (timer->armed)
		value.it_value = timespec_of_span(timer->deadline > now ? timer->deadline - now : 1);
	return value;
}

static void timer_set(struct timer *timer, u32 flags, const struct linux_itimerspec *value)
{
	nanos_t time = timespec_nanos(&value->it_value), now = clock_monotonic();

	timer_disarm(timer);
	timer->expired = false;
	timer->ticks = 0;
	timer->interval = timespec_nanos(&value->it_interval);
	timer->wall = clock_is_wall(timer->clock) && flags & TFD_TIMER_ABSTIME;
	timer->cancel = timer->wall && flags & TFD_TIMER_CANCEL_ON_SET;
	timer->steps = clock_steps;
	if (time) {
		if (!(flags & TFD_TIMER_ABSTIME))
			time = time >= NANOS_NEVER - now ? NANOS_NEVER - 1 : now + time;
		timer->time = time;
		timer_arm(timer);
	}
	timer_level(timer, false);
}

/* The timer of a descriptor, with the file held; NULL and *result otherwise. */
static struct timer *timer_get(struct shim_thread *t, i32 fd, struct shim_file **file, long *result)
{
	*file = file_get(t, fd);
	*result = *file ? -EINVAL : -EBADF;
	if (*file && (*file)->ops == &timerfd_ops)
		return (*file)->data;
	if (*file)
		file_put(*file);
	return NULL;
}

long sys_timerfd_settime(struct shim_thread *t, const u64 *a)
{
	struct linux_itimerspec value, old;
	struct shim_file *file;
	struct timer *timer;
	long result;

	if (user_copy_in(&value, a[2], sizeof(value)) < 0)
		return -EFAULT;
	if ((u32)a[1] & ~(u32)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) || !timespec_valid(&value.it_value) ||
	    !timespec_valid(&value.it_interval))
		return -EINVAL;
	timer = timer_get(t, (i32)a[0], &file, &result);
	if (!timer)
		return result;
	lock_acquire(&timers_lock);
	old = timer_value(timer);
	timer_set(timer, (u32)a[1], &value);
	lock_release(&timers_lock);
	file_put(file);
	return a[3] ? user_copy_out(a[3], &old, sizeof(old)) : 0;
}

long sys_timerfd_gettime(struct shim_thread *t, const u64 *a)
{
	struct linux_itimerspec value;
	struct shim_file *file;
	long result;
	struct timer *timer = timer_get(t, (i32)a[0], &file, &result);

	if (!timer)
		return result;
	lock_acquire(&timers_lock);
	value = timer_value(timer);
	lock_release(&timers_lock);
	file_put(file);
	return user_copy_out(a[1], &value, sizeof(value));
}
