/* Job control: stops, continues, orphaned groups, sessions, terminals. */
#include "fake.h"

#define TERMINAL 0x77ull
static struct fake_task init;

static void first(void)
{
	init = fake_first();
}

static u32 stopped_word(struct fake_task task)
{
	return ((struct proc_thread_shared *)task.page->owner_data)->stopped;
}

static void stop_and_continue_are_reported(void)
{
	struct fake_task parent = fake_fork(init), child = fake_fork(parent);
	struct proc_delivery delivery;
	struct proc_wait_result result;
	u32 flags = PROC_WSTOPPED | PROC_WCONTINUED | PROC_WEXITED | PROC_WNOHANG;

	fake_handler(parent, SIGCHLD, 0x1000, 0);
	CHECK(fake_kill(parent, child.pid, SIGSTOP) == 0);
	CHECK(fake_wait(parent, -1, flags, &result) == 0);
	CHECK(fake_take(child, &delivery) == PROC_VERDICT_STOP && delivery.stop_value == stopped_word(child));
	CHECK(parent.page->interrupt & TK_INTERRUPT_SIGNAL);
	CHECK(fake_take(parent, &delivery) == PROC_VERDICT_HANDLER && delivery.info.code == PROC_CLD_STOPPED);
	CHECK(delivery.info.child.pid == child.pid && delivery.info.child.status == SIGSTOP);
	CHECK(fake_wait(parent, -1, flags, &result) == child.pid);
	CHECK(result.status == (SIGSTOP << 8 | 0x7f) && result.code == PROC_CLD_STOPPED && result.value == SIGSTOP);
	CHECK(fake_wait(parent, -1, flags, &result) == 0);
	CHECK(fake_kill(parent, child.pid, SIGCONT) == 0);
	CHECK(!(stopped_word(child) & 1));
	CHECK(fake_wait(parent, -1, flags, &result) == child.pid && result.status == 0xffff && result.value == SIGCONT);
	CHECK(fake_take(child, &delivery) == PROC_VERDICT_NONE);
	CHECK(fake_kill(parent, child.pid, SIGSTOP) == 0 && fake_take(child, &delivery) == PROC_VERDICT_STOP);
	CHECK(fake_kill(parent, child.pid, SIGKILL) == 0);
	CHECK(child.page->interrupt & TK_INTERRUPT_KILL);
	fake_die(child);
	CHECK(fake_wait(parent, -1, PROC_WEXITED, &result) == child.pid && result.status == SIGKILL);
	fake_exit(parent, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == parent.pid);
}

static void all_threads_stop_before_it_is_told(void)
{
	struct fake_task leader = fake_fork(init), second, third;
	struct proc_delivery delivery;
	struct proc_wait_result result;
	long error;

	second = fake_create(leader, PROC_CREATE_THREAD | PROC_CREATE_SIGHAND, 0, &error);
	third = fake_create(leader, PROC_CREATE_THREAD | PROC_CREATE_SIGHAND, 0, &error);
	CHECK(fake_kill(init, leader.pid, SIGSTOP) == 0);
	CHECK(fake_take(leader, &delivery) == PROC_VERDICT_STOP);
	CHECK(second.page->interrupt & TK_INTERRUPT_STOP);
	CHECK(fake_wait(init, -1, PROC_WSTOPPED | PROC_WNOHANG, &result) == 0);
	fake_exit(third, 0); /* one that ends need not stop */
	CHECK(fake_take(second, &delivery) == PROC_VERDICT_STOP);
	CHECK(fake_wait(init, -1, PROC_WSTOPPED | PROC_WNOHANG, &result) == leader.pid);
	CHECK(fake_kill(init, leader.pid, SIGCONT) == 0);
	CHECK(fake_take(leader, &delivery) == PROC_VERDICT_NONE && fake_take(second, &delivery) == PROC_VERDICT_NONE);
	CHECK(!leader.page->interrupt && !second.page->interrupt);
	fake_exit(second, 0);
	fake_exit(leader, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == leader.pid);
}

static void stop_and_continue_drop_each_other(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_delivery delivery;
	struct proc_wait_result result;
	u64 old, set;

	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_SET, PROC_SIGNAL_BIT(SIGTSTP) | PROC_SIGNAL_BIT(SIGCONT), &old) == 0);
	CHECK(fake_kill(init, task.pid, SIGTSTP) == 0);
	CHECK(fake_kill(init, task.pid, SIGCONT) == 0);
	CHECK(proc_op_signal_pending(AS(task), &set) == 0 && set == PROC_SIGNAL_BIT(SIGCONT));
	CHECK(fake_kill(init, task.pid, SIGTSTP) == 0);
	CHECK(proc_op_signal_pending(AS(task), &set) == 0 && set == PROC_SIGNAL_BIT(SIGTSTP));
	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_SET, 0, &old) == 0);
	CHECK(fake_take(task, &delivery) == PROC_VERDICT_NONE); /* its group is orphaned: child of init in init's session */
	fake_exit(task, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == task.pid);
}

/* A shell with a terminal and one job in a group of its own. */
struct session { struct fake_task shell, job; };

static struct session session_start(void)
{
	struct session s = { .shell = fake_fork(init) };

	CHECK(proc_op_session_create(AS(s.shell)) == s.shell.pid);
	CHECK(proc_op_session_create(AS(s.shell)) == -EPERM);
	CHECK(proc_op_terminal_attach(AS(s.shell), TERMINAL, 0, 0) == 0);
	s.job = fake_fork(s.shell);
	CHECK(proc_op_group_set(AS(s.shell), s.job.pid, s.job.pid) == 0);
	return s;
}

static void terminal_belongs_to_one_session(void)
{
	struct session s = session_start();
	struct fake_task other = fake_fork(init);
	struct proc_wait_result result;
	struct proc_delivery delivery;
	u64 session, group, terminal;

	CHECK(proc_op_terminal_query(AS(init), TERMINAL, &session, &group) == 0 && (i32)session == s.shell.pid && (i32)group == s.shell.pid);
	CHECK(proc_op_terminal_attach(AS(other), TERMINAL, 0, 0) == -EPERM);
	CHECK(proc_op_terminal_current(AS(other), &terminal) == -ENXIO);
	CHECK(proc_op_terminal_current(AS(s.job), &terminal) == 0 && terminal == TERMINAL);
	CHECK(proc_op_terminal_foreground_set(AS(s.shell), TERMINAL, s.job.pid) == 0);
	CHECK(proc_op_terminal_foreground_set(AS(s.shell), TERMINAL, other.pid) == -EPERM);
	CHECK(proc_op_terminal_foreground_set(AS(other), TERMINAL, other.pid) == -ENOTTY);
	CHECK(proc_op_terminal_signal(AS(init), TERMINAL, SIGINT) == 0);
	CHECK(!s.shell.page->interrupt);
	fake_die(s.job);
	CHECK(fake_wait(s.shell, -1, PROC_WEXITED, &result) == s.job.pid && result.status == SIGINT);
	fake_exit(s.shell, 0);
	CHECK(proc_op_terminal_query(AS(init), TERMINAL, &session, &group) == -ENOTTY);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == s.shell.pid);
	fake_exit(other, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == other.pid);
	(void)delivery;
}

static void background_reads_stop(void)
{
	struct session s = session_start();
	struct proc_wait_result result;
	struct proc_delivery delivery;
	u64 old;

	CHECK(proc_op_terminal_check(AS(s.shell), TERMINAL, SIGTTIN) == 0);
	CHECK(proc_op_terminal_check(AS(s.job), TERMINAL, SIGTTIN) == -EINTR);
	CHECK(fake_take(s.job, &delivery) == PROC_VERDICT_STOP);
	CHECK(fake_wait(s.shell, -1, PROC_WSTOPPED, &result) == s.job.pid && result.value == SIGTTIN);
	CHECK(proc_op_terminal_foreground_set(AS(s.shell), TERMINAL, s.job.pid) == 0);
	CHECK(fake_kill(s.shell, -s.job.pid, SIGCONT) == 0);
	CHECK(fake_take(s.job, &delivery) == PROC_VERDICT_NONE);
	CHECK(proc_op_terminal_check(AS(s.job), TERMINAL, SIGTTIN) == 0);
	CHECK(proc_op_signal_mask(AS(s.shell), PROC_MASK_SET, PROC_SIGNAL_BIT(SIGTTOU) | PROC_SIGNAL_BIT(SIGTTIN), &old) == 0);
	CHECK(proc_op_terminal_check(AS(s.shell), TERMINAL, SIGTTOU) == 0);
	CHECK(proc_op_terminal_check(AS(s.shell), TERMINAL, SIGTTIN) == -EIO);
	fake_exit(s.job, 0);
	fake_exit(s.shell, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == s.shell.pid);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == s.job.pid);
}

static void stopped_orphans_are_hung_up(void)
{
	struct session s = session_start();
	struct proc_wait_result result;
	struct proc_delivery delivery;

	CHECK(fake_kill(s.shell, s.job.pid, SIGSTOP) == 0);
	CHECK(fake_take(s.job, &delivery) == PROC_VERDICT_STOP);
	fake_exit(s.shell, 0);
	CHECK(!(stopped_word(s.job) & 1));
	fake_die(s.job);
	CHECK(fake_wait(init, s.job.pid, PROC_WEXITED, &result) == s.job.pid && result.status == SIGHUP);
	CHECK(fake_wait(init, s.shell.pid, PROC_WEXITED, &result) == s.shell.pid);
}

static void hangup_reaches_leader_and_foreground(void)
{
	struct session s = session_start();
	struct proc_wait_result result;

	CHECK(proc_op_terminal_foreground_set(AS(s.shell), TERMINAL, s.job.pid) == 0);
	CHECK(proc_op_terminal_hangup(AS(init), TERMINAL) == 0);
	fake_die(s.job);
	fake_die(s.shell);
	CHECK(fake_wait(init, s.shell.pid, PROC_WEXITED, &result) == s.shell.pid && result.status == SIGHUP);
	CHECK(fake_wait(init, s.job.pid, PROC_WEXITED, &result) == s.job.pid && result.status == SIGHUP);
	CHECK(proc_op_terminal_hangup(AS(init), TERMINAL) == -ESRCH);
}

static void group_set_follows_linux(void)
{
	struct fake_task parent = fake_fork(init), child = fake_fork(parent);
	struct proc_exec exec = { .space = 1 };
	struct proc_wait_result result;
	u64 replaced;

	CHECK(proc_op_group_set(AS(parent), child.pid, 9999) == -EPERM);
	CHECK(proc_op_group_set(AS(parent), 9999, 0) == -ESRCH);
	CHECK(proc_op_group_set(AS(child), parent.pid, 0) == -ESRCH);
	CHECK(proc_op_group_set(AS(parent), 0, 0) == 0);
	CHECK(proc_op_group_set(AS(parent), child.pid, parent.pid) == 0);
	CHECK(proc_op_exec_begin(AS(child)) == 0 && proc_op_exec_commit(AS(child), &exec, &replaced) == 0);
	CHECK(proc_op_group_set(AS(parent), child.pid, child.pid) == -EACCES);
	CHECK(proc_op_session_create(AS(child)) == child.pid);
	CHECK(proc_op_group_set(AS(child), 0, 0) == -EPERM);
	CHECK(proc_op_group_set(AS(parent), child.pid, child.pid) == -EPERM);
	fake_exit(child, 0);
	fake_exit(parent, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) > 0 && fake_wait(init, -1, PROC_WEXITED, &result) > 0);
}

TEST_MAIN(TEST(first), TEST(stop_and_continue_are_reported), TEST(all_threads_stop_before_it_is_told), TEST(stop_and_continue_drop_each_other),
	  TEST(terminal_belongs_to_one_session), TEST(background_reads_stop), TEST(stopped_orphans_are_hung_up),
	  TEST(hangup_reaches_leader_and_foreground), TEST(group_set_follows_linux))
