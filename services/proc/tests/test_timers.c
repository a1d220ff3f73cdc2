/* Interval timers, POSIX timers, processor time and its limit. */
#include "fake.h"

#define MILLI 1000000ull
#define SECOND 1000000000ull
static struct fake_task init, task;

static void first(void)
{
	init = fake_first();
	task = fake_fork(init);
	fake_handler(task, SIGALRM, 0x1000, PROC_SA_NODEFER);
	fake_handler(task, SIGVTALRM, 0x1000, PROC_SA_NODEFER);
	fake_handler(task, SIGPROF, 0x1000, PROC_SA_NODEFER);
	fake_handler(task, SIGUSR1, 0x1000, PROC_SA_NODEFER);
	fake_handler(task, SIGXCPU, 0x1000, PROC_SA_NODEFER);
}

static i32 signal_next(void)
{
	struct proc_delivery delivery;

	return fake_take(task, &delivery) == PROC_VERDICT_HANDLER ? delivery.info.signal : 0;
}

static void real_timer_fires_and_repeats(void)
{
	struct proc_interval value = { 10 * MILLI, 5 * MILLI }, old, off = { 0 };

	CHECK(proc_op_itimer(AS(task), PROC_ITIMER_REAL | PROC_TIMER_CHANGE, &value, &old) == 0 && !old.value);
	fake_time_pass(4 * MILLI);
	CHECK(signal_next() == 0);
	CHECK(proc_op_itimer(AS(task), PROC_ITIMER_REAL, &value, &old) == 0 && old.value == 6 * MILLI && old.interval == 5 * MILLI);
	fake_time_pass(6 * MILLI);
	CHECK(signal_next() == SIGALRM && signal_next() == 0);
	fake_time_pass(23 * MILLI);
	CHECK(signal_next() == SIGALRM && signal_next() == 0);
	CHECK(proc_op_itimer(AS(task), PROC_ITIMER_REAL | PROC_TIMER_CHANGE, &off, &old) == 0 && old.value == 2 * MILLI);
	fake_time_pass(100 * MILLI);
	CHECK(signal_next() == 0);
	CHECK(proc_op_itimer(AS(task), 3, &off, &old) == -EINVAL);
}

static void processor_timers_count_used_time(void)
{
	struct proc_interval value = { 10 * MILLI, 0 }, old;

	CHECK(proc_op_itimer(AS(task), PROC_ITIMER_VIRTUAL | PROC_TIMER_CHANGE, &value, &old) == 0);
	value.value = 15 * MILLI;
	CHECK(proc_op_itimer(AS(task), PROC_ITIMER_PROF | PROC_TIMER_CHANGE, &value, &old) == 0);
	fake_time_pass(SECOND);
	CHECK(signal_next() == 0); /* it slept */
	task.page->run_nanos += 14 * MILLI;
	task.page->ticks_user += 9;
	task.page->ticks_system += 5;
	fake_time_pass(20 * MILLI);
	CHECK(signal_next() == 0);
	task.page->run_nanos += MILLI;
	task.page->ticks_user++;
	fake_time_pass(20 * MILLI);
	CHECK(signal_next() == SIGVTALRM && signal_next() == SIGPROF && signal_next() == 0);
}

static void parts_of_time_never_shrink(void)
{
	struct fake_task busy = fake_fork(init);
	struct proc_wait_result result;
	struct proc_usage usage;

	busy.page->run_nanos = 8 * MILLI;
	CHECK(proc_op_usage(AS(busy), 1, &usage) == 0 && usage.user_nanos == 8 * MILLI && usage.system_nanos == 0);
	busy.page->run_nanos = 16 * MILLI;
	busy.page->ticks_system = 4; /* by which all of it would be system time */
	CHECK(proc_op_usage(AS(busy), 1, &usage) == 0 && usage.user_nanos == 8 * MILLI && usage.system_nanos == 8 * MILLI);
	busy.page->run_nanos = 40 * MILLI;
	busy.page->ticks_user = 12;
	CHECK(proc_op_usage(AS(busy), 1, &usage) == 0 && usage.user_nanos == 30 * MILLI && usage.system_nanos == 10 * MILLI);
	busy.page->run_nanos = 44 * MILLI;
	busy.page->ticks_user = 36;
	CHECK(proc_op_usage(AS(busy), 1, &usage) == 0 && usage.user_nanos == 34 * MILLI && usage.system_nanos == 10 * MILLI);
	fake_exit(busy, 0);
	CHECK(fake_wait(init, busy.pid, PROC_WEXITED, &result) == busy.pid && result.usage.user_nanos == 34 * MILLI);
}

static void processor_limit_warns_then_kills(void)
{
	struct fake_task hungry = fake_fork(init);
	struct proc_limit limit = { 1, 3 }, old;
	struct proc_delivery delivery;
	struct proc_wait_result result;

	fake_handler(hungry, SIGXCPU, 0x1000, 0);
	CHECK(proc_op_limit(AS(hungry), 0, PROC_LIMIT_CPU | PROC_LIMIT_SET, &limit, &old) == 0);
	hungry.page->run_nanos = 1100 * MILLI;
	fake_time_pass(SECOND);
	CHECK(fake_take(hungry, &delivery) == PROC_VERDICT_HANDLER && delivery.info.signal == SIGXCPU);
	hungry.page->run_nanos = 3000 * MILLI;
	fake_time_pass(3 * SECOND);
	fake_die(hungry);
	CHECK(fake_wait(init, hungry.pid, PROC_WEXITED, &result) == hungry.pid && result.status == SIGKILL);
	CHECK(result.usage.user_nanos == 3000 * MILLI);
}

static void children_have_their_parents_limit(void)
{
	struct fake_task parent = fake_fork(init), child;
	struct proc_limit limit = { 1, PROC_LIMIT_INFINITY }, old;
	struct proc_wait_result result;

	CHECK(proc_op_limit(AS(parent), 0, PROC_LIMIT_CPU | PROC_LIMIT_SET, &limit, &old) == 0);
	child = fake_fork(parent);
	child.page->run_nanos = 1100 * MILLI;
	fake_time_pass(SECOND);
	fake_die(child);
	CHECK(fake_wait(parent, child.pid, PROC_WEXITED, &result) == child.pid && result.status == SIGXCPU);
	fake_exit(parent, 0);
	CHECK(fake_wait(init, parent.pid, PROC_WEXITED, &result) == parent.pid);
}

static void posix_timer_counts_overruns(void)
{
	struct proc_timer_event event = { .signal = SIGUSR1, .value = 42, .has_event = 1 };
	struct proc_interval value = { 10 * MILLI, 10 * MILLI }, old;
	struct proc_delivery delivery;
	u64 id;

	CHECK(proc_op_timer_create(AS(task), 1, &event, &id) == 0);
	CHECK(proc_op_timer_set(AS(task), (i32)id, 0, &value, &old) == 0 && !old.value);
	fake_time_pass(10 * MILLI);
	fake_time_pass(35 * MILLI);
	CHECK(fake_take(task, &delivery) == PROC_VERDICT_HANDLER && delivery.info.signal == SIGUSR1);
	CHECK(delivery.info.code == PROC_SI_TIMER && delivery.info.timer.value == 42 && delivery.info.timer.overrun == 3);
	CHECK(proc_op_timer_overrun(AS(task), (i32)id) == 3);
	CHECK(proc_op_timer_get(AS(task), (i32)id, &value) == 0 && value.value == 5 * MILLI && value.interval == 10 * MILLI);
	fake_time_pass(5 * MILLI);
	CHECK(fake_take(task, &delivery) == PROC_VERDICT_HANDLER && delivery.info.timer.overrun == 0);
	fake_time_pass(10 * MILLI);
	CHECK(proc_op_timer_delete(AS(task), (i32)id) == 0); /* while its signal waits */
	CHECK(signal_next() == SIGUSR1);
	CHECK(proc_op_timer_delete(AS(task), (i32)id) == -EINVAL);
	fake_time_pass(SECOND);
	CHECK(signal_next() == 0);
}

static void posix_timer_follows_the_wall_clock(void)
{
	struct proc_timer_event event = { .signal = SIGUSR1, .has_event = 1 };
	struct proc_interval value = { 0 }, old;
	u64 id;

	CHECK(proc_op_timer_create(AS(task), 0, &event, &id) == 0);
	value.value = (u64)clock_realtime() + 100 * SECOND;
	CHECK(proc_op_timer_set(AS(task), (i32)id, PROC_TIMER_ABSOLUTE, &value, &old) == 0);
	fake_time_pass(SECOND);
	CHECK(signal_next() == 0);
	fake_realtime_offset += 99 * (i64)SECOND;
	CHECK(proc_op_clock_changed(AS(task)) == 0);
	fake_time_pass(0);
	CHECK(signal_next() == SIGUSR1);
	CHECK(proc_op_timer_delete(AS(task), (i32)id) == 0);
}

static void ignored_timer_does_not_spin(void)
{
	struct proc_timer_event event = { .signal = SIGUSR2, .has_event = 1 };
	struct proc_interval value = { 1, 1 }, old;
	u64 id;

	fake_handler(task, SIGUSR2, PROC_HANDLER_IGNORE, 0);
	CHECK(proc_op_timer_create(AS(task), 1, &event, &id) == 0);
	CHECK(proc_op_timer_set(AS(task), (i32)id, 0, &value, &old) == 0);
	fake_now += 50 * MILLI;
	CHECK(proc_alarms_run() >= fake_now + MILLI);
	CHECK(proc_op_timer_delete(AS(task), (i32)id) == 0);
}

static void timers_end_with_exec_and_exit(void)
{
	struct proc_timer_event event = { .signal = SIGUSR1, .has_event = 1 };
	struct proc_interval value = { MILLI, MILLI }, old;
	struct proc_exec exec = { .space = 1 };
	struct proc_wait_result result;
	u64 id, set, replaced, mask;
	long blocks;

	/* Credentials of its own from here on. */
	CHECK(proc_op_exec_begin(AS(task)) == 0 && proc_op_exec_commit(AS(task), &exec, &replaced) == 0);
	blocks = fake_heap_used;
	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_SET, PROC_SIGNAL_BIT(SIGUSR1), &mask) == 0);
	CHECK(proc_op_timer_create(AS(task), 1, &event, &id) == 0);
	CHECK(proc_op_timer_set(AS(task), (i32)id, 0, &value, &old) == 0);
	fake_time_pass(10 * MILLI);
	CHECK(proc_op_signal_pending(AS(task), &set) == 0 && set == PROC_SIGNAL_BIT(SIGUSR1));
	CHECK(proc_op_exec_begin(AS(task)) == 0 && proc_op_exec_commit(AS(task), &exec, &replaced) == 0);
	CHECK(proc_op_signal_pending(AS(task), &set) == 0 && !set);
	CHECK(proc_op_timer_get(AS(task), (i32)id, &value) == -EINVAL);
	CHECK(fake_heap_used == blocks);
	for (u32 i = 0; i < 3; i++) {
		CHECK(proc_op_timer_create(AS(task), 2, &event, &id) == 0);
		CHECK(proc_op_timer_set(AS(task), (i32)id, 0, &(struct proc_interval){ MILLI, 0 }, &old) == 0);
	}
	fake_exit(task, 0);
	CHECK(fake_wait(init, task.pid, PROC_WEXITED, &result) == task.pid);
	fake_time_pass(SECOND);
}

TEST_MAIN(TEST(first), TEST(real_timer_fires_and_repeats), TEST(processor_timers_count_used_time), TEST(parts_of_time_never_shrink), TEST(processor_limit_warns_then_kills),
	  TEST(children_have_their_parents_limit), TEST(posix_timer_counts_overruns), TEST(posix_timer_follows_the_wall_clock), TEST(ignored_timer_does_not_spin),
	  TEST(timers_end_with_exec_and_exit))
