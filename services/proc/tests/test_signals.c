/* Signals: dispositions, masks, queueing, choice of the thread, forced signals, permissions. */
#include "fake.h"

static struct fake_task init;

static void reap(struct fake_task task)
{
	struct proc_wait_result result;

	CHECK(fake_wait(init, task.pid, PROC_WEXITED, &result) == task.pid);
}

static void first(void)
{
	init = fake_first();
}

static void default_action_kills(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_wait_result result;

	CHECK(fake_kill(init, task.pid, 0) == 0);
	CHECK(!task.page->interrupt);
	CHECK(fake_kill(init, task.pid, SIGTERM) == 0);
	CHECK(task.page->interrupt & TK_INTERRUPT_KILL);
	fake_die(task);
	CHECK(fake_wait(init, task.pid, PROC_WEXITED, &result) == task.pid);
	CHECK(result.status == SIGTERM && result.code == PROC_CLD_KILLED && result.value == SIGTERM);
}

static void ignored_and_init_signals_do_nothing(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_delivery delivery;

	CHECK(fake_kill(init, task.pid, SIGWINCH) == 0 && !task.page->interrupt);
	fake_handler(task, SIGTERM, PROC_HANDLER_IGNORE, 0);
	CHECK(fake_kill(init, task.pid, SIGTERM) == 0 && !task.page->interrupt);
	CHECK(fake_kill(task, 1, SIGKILL) == 0 && fake_kill(task, 1, SIGTERM) == 0);
	CHECK(!init.page->interrupt);
	CHECK(fake_take(init, &delivery) == PROC_VERDICT_NONE);
	fake_kill(init, task.pid, SIGKILL);
	fake_die(task);
	reap(task);
}

static void handler_changes_mask_and_resets(void)
{
	struct fake_task task = fake_fork(init);
	const u64 flags = PROC_SA_RESETHAND, masked = PROC_SIGNAL_BIT(SIGUSR2) | PROC_SIGNAL_BIT(SIGKILL);
	u64 handler, restorer, old_mask;
	struct proc_delivery delivery;
	u64 mask;

	CHECK(proc_op_signal_action(AS(task), SIGUSR1, 1, 0x1000, flags | 1ull << 40, 0x2000, masked, &handler, &restorer, &old_mask) == 0);
	CHECK(handler == PROC_HANDLER_DEFAULT && restorer == 0 && old_mask == 0);
	CHECK(proc_op_signal_action(AS(task), SIGUSR1, 0, 0, 0, 0, 0, &handler, &restorer, &old_mask) == (long)flags);
	CHECK(handler == 0x1000 && restorer == 0x2000 && old_mask == PROC_SIGNAL_BIT(SIGUSR2));
	CHECK(proc_op_signal_action(AS(task), SIGKILL, 1, 0x1000, 0, 0, 0, &handler, &restorer, &old_mask) == -EINVAL);
	CHECK(proc_op_signal_action(AS(task), 65, 0, 0, 0, 0, 0, &handler, &restorer, &old_mask) == -EINVAL);
	CHECK(fake_kill(init, task.pid, SIGUSR1) == 0);
	CHECK(task.page->interrupt == TK_INTERRUPT_SIGNAL);
	CHECK(fake_take(task, &delivery) == PROC_VERDICT_HANDLER);
	CHECK(delivery.action.handler == 0x1000 && delivery.old_mask == 0 && delivery.info.signal == SIGUSR1);
	CHECK(delivery.info.sender.pid == 1 && delivery.info.code == PROC_SI_USER);
	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_SET, 0, &mask) == 0);
	CHECK(mask == (PROC_SIGNAL_BIT(SIGUSR1) | PROC_SIGNAL_BIT(SIGUSR2)));
	CHECK(proc_op_signal_action(AS(task), SIGUSR1, 0, 0, 0, 0, 0, &handler, &restorer, &old_mask) == (long)flags);
	CHECK(handler == PROC_HANDLER_DEFAULT);
	CHECK(fake_take(task, &delivery) == PROC_VERDICT_NONE && !task.page->interrupt);
	fake_exit(task, 0);
	reap(task);
}

static void blocked_signals_wait(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_delivery delivery;
	u64 old, set;

	fake_handler(task, SIGUSR1, 0x1000, 0);
	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_BLOCK, ~0ull, &old) == 0 && old == 0);
	CHECK(fake_kill(init, task.pid, SIGUSR1) == 0 && fake_kill(init, task.pid, SIGUSR1) == 0);
	CHECK(fake_kill(init, task.pid, SIGTERM) == 0);
	CHECK(!task.page->interrupt);
	CHECK(proc_op_signal_pending(AS(task), &set) == 0 && set == (PROC_SIGNAL_BIT(SIGUSR1) | PROC_SIGNAL_BIT(SIGTERM)));
	fake_handler(task, SIGTERM, PROC_HANDLER_IGNORE, 0); /* throws the pending one away */
	CHECK(proc_op_signal_pending(AS(task), &set) == 0 && set == PROC_SIGNAL_BIT(SIGUSR1));
	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_UNBLOCK, PROC_SIGNAL_BIT(SIGUSR1), &old) == 0);
	CHECK(task.page->interrupt == TK_INTERRUPT_SIGNAL);
	CHECK(fake_take(task, &delivery) == PROC_VERDICT_HANDLER);
	CHECK(fake_take(task, &delivery) == PROC_VERDICT_NONE);
	fake_kill(init, task.pid, SIGKILL);
	CHECK(task.page->interrupt & TK_INTERRUPT_KILL);
	fake_die(task);
	reap(task);
}

static void realtime_signals_queue_in_order(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_siginfo info = { .signal = 35, .code = PROC_SI_QUEUE }, got;
	struct proc_limit limit = { 4, 4 }, before;
	u64 old;

	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_SET, ~0ull, &old) == 0);
	for (u64 i = 0; i < 3; i++) {
		info.sender.value = i;
		info.signal = i == 2 ? 34 : 35;
		CHECK(proc_op_signal_send(AS(init), PROC_TARGET_KILL | PROC_TARGET_QUEUED, task.pid, 0, &info) == 0);
	}
	CHECK(proc_op_signal_wait(AS(task), ~0ull, 0, &got) == 34 && got.sender.value == 2);
	CHECK(proc_op_signal_wait(AS(task), ~0ull, 0, &got) == 35 && got.sender.value == 0 && got.code == PROC_SI_QUEUE);
	CHECK(proc_op_signal_wait(AS(task), ~0ull, 0, &got) == 35 && got.sender.value == 1);
	CHECK(proc_op_signal_wait(AS(task), ~0ull, 0, &got) == -EAGAIN);
	CHECK(proc_op_limit(AS(task), 0, PROC_LIMIT_SIGPENDING | PROC_LIMIT_SET, &limit, &before) == 0);
	info.signal = 40;
	for (u32 i = 0; i < 4; i++)
		CHECK(proc_op_signal_send(AS(init), PROC_TARGET_KILL | PROC_TARGET_QUEUED, task.pid, 0, &info) == 0);
	CHECK(proc_op_signal_send(AS(init), PROC_TARGET_KILL | PROC_TARGET_QUEUED, task.pid, 0, &info) == -EAGAIN);
	info.code = PROC_SI_USER;
	CHECK(proc_op_signal_send(AS(init), PROC_TARGET_KILL | PROC_TARGET_QUEUED, task.pid, 0, &info) == -EPERM);
	fake_exit(task, 0);
	reap(task);
}

static void waiting_thread_is_told(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_siginfo info;
	struct proc_delivery delivery;
	u64 old;

	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_SET, PROC_SIGNAL_BIT(SIGTERM), &old) == 0);
	CHECK(proc_op_signal_wait(AS(task), PROC_SIGNAL_BIT(SIGTERM), 1, &info) == -EAGAIN);
	CHECK(fake_kill(init, task.pid, SIGTERM) == 0);
	CHECK(task.page->interrupt == TK_INTERRUPT_SIGNAL);
	CHECK(proc_op_signal_wait(AS(task), PROC_SIGNAL_BIT(SIGTERM), 0, &info) == SIGTERM);
	CHECK(!task.page->interrupt);
	CHECK(fake_take(task, &delivery) == PROC_VERDICT_NONE);
	fake_exit(task, 0);
	reap(task);
}

static void process_signal_finds_a_free_thread(void)
{
	struct fake_task leader = fake_fork(init), second;
	struct proc_delivery delivery;
	u64 old;
	long error;

	fake_handler(leader, SIGUSR1, 0x1000, 0);
	second = fake_create(leader, PROC_CREATE_THREAD | PROC_CREATE_SIGHAND, 0, &error);
	CHECK(proc_op_signal_mask(AS(leader), PROC_MASK_SET, PROC_SIGNAL_BIT(SIGUSR1), &old) == 0);
	CHECK(fake_kill(init, leader.pid, SIGUSR1) == 0);
	CHECK(!leader.page->interrupt && second.page->interrupt == TK_INTERRUPT_SIGNAL);
	/* It blocks it before it takes it: the other one can have it as soon as it unblocks. */
	CHECK(proc_op_signal_mask(AS(second), PROC_MASK_SET, PROC_SIGNAL_BIT(SIGUSR1), &old) == 0);
	CHECK(!second.page->interrupt);
	CHECK(proc_op_signal_mask(AS(leader), PROC_MASK_SET, 0, &old) == 0);
	CHECK(leader.page->interrupt == TK_INTERRUPT_SIGNAL);
	CHECK(fake_take(leader, &delivery) == PROC_VERDICT_HANDLER);
	fake_exit(second, 0);
	fake_exit(leader, 0);
	reap(leader);
}

static void thread_signals_go_to_the_thread(void)
{
	struct fake_task leader = fake_fork(init), second;
	struct proc_siginfo info = { .signal = SIGUSR1, .code = PROC_SI_TKILL };
	struct proc_delivery delivery;
	long error;

	fake_handler(leader, SIGUSR1, 0x1000, 0);
	second = fake_create(leader, PROC_CREATE_THREAD | PROC_CREATE_SIGHAND, 0, &error);
	CHECK(proc_op_signal_send(AS(init), PROC_TARGET_THREAD, second.tid, leader.pid, &info) == 0);
	CHECK(!leader.page->interrupt && second.page->interrupt);
	CHECK(fake_take(leader, &delivery) == PROC_VERDICT_NONE);
	CHECK(fake_take(second, &delivery) == PROC_VERDICT_HANDLER && delivery.info.code == PROC_SI_TKILL);
	CHECK(proc_op_signal_send(AS(init), PROC_TARGET_THREAD, second.tid, second.tid, &info) == -ESRCH);
	CHECK(proc_op_signal_send(AS(init), PROC_TARGET_THREAD, 0, 1, &info) == -EINVAL);
	fake_exit(second, 0);
	fake_exit(leader, 0);
	reap(leader);
}

static void forced_signals_can_not_be_refused(void)
{
	struct fake_task task = fake_fork(init);
	const struct proc_delivery *delivery = &((struct proc_thread_shared *)task.page->owner_data)->delivery;
	u64 old;

	fake_handler(task, SIGSEGV, 0x1000, PROC_SA_NODEFER);
	CHECK(proc_op_signal_force(AS(task), SIGSEGV, 1, 0x1234) == PROC_VERDICT_HANDLER);
	CHECK(delivery->info.signal == SIGSEGV && delivery->info.code == 1 && delivery->info.fault.address == 0x1234);
	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_SET, ~0ull, &old) == 0);
	CHECK(proc_op_signal_force(AS(task), 65, 1, 0) == -EINVAL);
	CHECK(proc_op_signal_force(AS(task), SIGSEGV, 1, 0x1234) == PROC_VERDICT_EXIT && delivery->status == SIGSEGV);
	fake_exit(task, delivery->status);
	reap(task);
}

static void senders_hear_what_they_sent_themselves(void)
{
	struct fake_task task = fake_fork(init), other = fake_fork(init);
	const struct proc_delivery *delivery = &((struct proc_thread_shared *)task.page->owner_data)->delivery;
	u64 old;

	fake_handler(task, SIGUSR1, 0x1000, 0);
	fake_handler(other, SIGUSR1, 0x1000, 0);
	CHECK(proc_op_signal_kill(AS(task), PROC_TARGET_KILL, other.pid, 0, SIGUSR1) == PROC_VERDICT_NONE);
	CHECK(proc_op_signal_kill(AS(task), PROC_TARGET_KILL, task.pid, 0, SIGUSR1) == PROC_VERDICT_HANDLER);
	CHECK(delivery->info.signal == SIGUSR1 && delivery->info.sender.pid == task.pid && !task.page->interrupt);
	/* The handler blocks it: another one waits, and shows when the mask is put back. */
	CHECK(proc_op_signal_kill(AS(task), PROC_TARGET_THREAD, task.tid, -1, SIGUSR1) == PROC_VERDICT_NONE);
	CHECK(!task.page->interrupt);
	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_SET, delivery->old_mask, &old) == 0 && task.page->interrupt);
	/* Whatever else it sends tells it. */
	CHECK(proc_op_signal_kill(AS(task), PROC_TARGET_KILL, other.pid, 0, 0) == PROC_VERDICT_HANDLER);
	CHECK(delivery->info.code == PROC_SI_TKILL && !task.page->interrupt);
	CHECK(proc_op_signal_kill(AS(task), PROC_TARGET_KILL, task.pid, 0, SIGKILL) == PROC_VERDICT_EXIT);
	fake_exit(task, SIGKILL);
	CHECK(fake_kill(init, other.pid, SIGKILL) == 0);
	fake_die(other);
	reap(task);
	reap(other);
}

static void strangers_may_not_send(void)
{
	struct fake_task mine = fake_fork(init), theirs = fake_fork(init), none = fake_fork(init);

	CHECK(proc_op_ids_set(AS(mine), PROC_SET_UID, 10, 0, 0) == 0);
	CHECK(proc_op_ids_set(AS(theirs), PROC_SET_UID, 20, 0, 0) == 0);
	CHECK(fake_kill(mine, theirs.pid, SIGTERM) == -EPERM);
	CHECK(fake_kill(mine, theirs.pid, SIGCONT) == 0); /* of the same session */
	CHECK(fake_kill(mine, none.pid, 0) == -EPERM);
	CHECK(fake_kill(mine, 9999, 0) == -ESRCH);
	CHECK(fake_kill(mine, -9999, 0) == -ESRCH);
	CHECK(fake_kill(mine, INT32_MIN, 0) == -ESRCH);
	CHECK(fake_kill(mine, mine.pid, 65) == -EINVAL);
	CHECK(fake_kill(none, -1, SIGTERM) == 0);
	fake_die(mine);
	fake_die(theirs);
	fake_exit(none, 0);
	reap(mine);
	reap(theirs);
	reap(none);
}

TEST_MAIN(TEST(first), TEST(default_action_kills), TEST(ignored_and_init_signals_do_nothing), TEST(handler_changes_mask_and_resets),
	  TEST(blocked_signals_wait), TEST(realtime_signals_queue_in_order), TEST(waiting_thread_is_told),
	  TEST(process_signal_finds_a_free_thread), TEST(thread_signals_go_to_the_thread), TEST(forced_signals_can_not_be_refused),
	  TEST(senders_hear_what_they_sent_themselves),
	  TEST(strangers_may_not_send))
