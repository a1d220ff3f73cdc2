/* Random operations of many tasks: nothing breaks, what must hold holds, and in the end nothing is left. */
#include "fake.h"

#define TASKS_MAX 40
static struct fake_task init, tasks[TASKS_MAX];
static bool leader_dead[TASKS_MAX];
static u32 count;

static u32 pick(u32 below)
{
	return (u32)(unit_random() % below);
}

/* Drops a task that has ended from the test's list. */
static void forget(u32 index)
{
	tasks[index] = tasks[--count];
	leader_dead[index] = leader_dead[count];
}

static void act_create(u32 index)
{
	static const u32 kinds[] = { 0, 0, PROC_CREATE_SIGHAND, PROC_CREATE_VFORK, PROC_CREATE_PARENT, PROC_CREATE_CLEAR_SIGHAND,
				     PROC_CREATE_THREAD | PROC_CREATE_SIGHAND };
	struct fake_task child;
	long error;

	if (count == TASKS_MAX)
		return;
	child = fake_create(tasks[index], kinds[pick(countof(kinds))], SIGCHLD, &error);
	if (!error)
		tasks[count++] = child;
}

static void act_exit(u32 index)
{
	struct fake_task task = tasks[index];

	forget(index);
	fake_exit(task, (i32)pick(256) << 8);
}

/* What the shim does on the way to user mode; true: the task has ended. */
static bool act_return(u32 index)
{
	struct proc_delivery delivery;
	struct fake_task task = tasks[index];

	for (u32 i = 0; i < 200; i++) {
		switch (fake_take(task, &delivery)) {
		case PROC_VERDICT_EXIT:
			forget(index);
			fake_exit(task, delivery.status);
			return true;
		case PROC_VERDICT_STOP:
			CHECK(delivery.stop_value & 1);
			return false;
		case PROC_VERDICT_NONE:
			CHECK(!(task.page->interrupt & (TK_INTERRUPT_STOP | TK_INTERRUPT_SIGNAL)));
			return false;
		default:
			CHECK(delivery.action.handler > PROC_HANDLER_IGNORE);
		}
	}
	CHECK(!"signals without end");
	return false;
}

static void act_signal(u32 index)
{
	struct proc_siginfo info = { .signal = (i32)(1 + pick(40)), .code = PROC_SI_TKILL };
	struct fake_task to = tasks[pick(count)];
	u64 mask, handler, restorer;

	switch (pick(6)) {
	case 0:
		fake_kill(tasks[index], pick(2) ? to.pid : -to.pid, info.signal);
		break;
	case 1:
		(void)!proc_op_signal_send(AS(tasks[index]), PROC_TARGET_THREAD, to.tid, -1, &info);
		break;
	case 2:
		handler = pick(3) == 2 ? 0x1000 : pick(2);
		(void)!proc_op_signal_action(AS(tasks[index]), (u32)info.signal, 1, handler, unit_random(), 0, unit_random(), &handler, &restorer, &mask);
		break;
	case 3:
		(void)!proc_op_signal_mask(AS(tasks[index]), pick(3), unit_random() & unit_random(), &mask);
		break;
	case 4:
		(void)!proc_op_signal_wait(AS(tasks[index]), unit_random(), pick(2), &info);
		break;
	default:
		fake_kill(tasks[index], to.pid, pick(2) ? SIGCONT : SIGSTOP);
	}
}

static void act_wait(u32 index)
{
	struct proc_wait_result result;
	static const u32 options[] = { PROC_WEXITED, PROC_WEXITED | PROC_WSTOPPED, PROC_WCONTINUED, PROC_WEXITED | PROC_WNOWAIT,
				       PROC_WEXITED | PROC_WALL, PROC_WEXITED | PROC_WNOTHREAD };

	(void)!fake_wait(pick(4) ? tasks[index] : init, -1, options[pick(countof(options))], &result);
}

static void act_session(u32 index)
{
	struct fake_task other = tasks[pick(count)];
	u64 terminal = 1 + pick(3);

	switch (pick(7)) {
	case 0:
		(void)!proc_op_session_create(AS(tasks[index]));
		break;
	case 1:
		(void)!proc_op_group_set(AS(tasks[index]), pick(2) ? 0 : other.pid, pick(2) ? 0 : tasks[pick(count)].pid);
		break;
	case 2:
		(void)!proc_op_terminal_attach(AS(tasks[index]), terminal, pick(2), pick(2));
		break;
	case 3:
		(void)!proc_op_terminal_foreground_set(AS(tasks[index]), terminal, other.pid);
		break;
	case 4:
		(void)!proc_op_terminal_check(AS(tasks[index]), terminal, pick(2) ? SIGTTIN : SIGTTOU);
		break;
	case 5:
		(void)!proc_op_terminal_hangup(AS(init), terminal);
		break;
	default:
		(void)!proc_op_terminal_detach(AS(tasks[index]), terminal);
	}
}

static void act_timer(u32 index)
{
	struct proc_timer_event event = { .signal = (i32)(1 + pick(64)), .has_event = 1, .tid = tasks[pick(count)].tid,
					  .notify = pick(2) ? PROC_NOTIFY_THREAD_ID : PROC_NOTIFY_SIGNAL };
	struct proc_interval value = { pick(1000000), pick(1000000) }, old;
	u64 id = pick(4);

	switch (pick(5)) {
	case 0:
		(void)!proc_op_timer_create(AS(tasks[index]), (i32)pick(4), &event, &id);
		break;
	case 1:
		(void)!proc_op_timer_set(AS(tasks[index]), (i32)id, 0, &value, &old);
		break;
	case 2:
		(void)!proc_op_timer_delete(AS(tasks[index]), (i32)id);
		break;
	case 3:
		(void)!proc_op_itimer(AS(tasks[index]), pick(3) | PROC_TIMER_CHANGE, &value, &old);
		break;
	default:
		tasks[index].page->run_nanos += pick(1000000);
		fake_time_pass(pick(2000000));
	}
}

static void act_exec(u32 index)
{
	struct proc_exec exec = { .space = 1 };
	struct fake_task task = tasks[index];
	u64 replaced, pid;

	if (proc_op_exec_begin(AS(task)) != 0)
		return;
	CHECK(proc_op_exec_commit(AS(task), &exec, &replaced) == 0);
	CHECK(proc_op_task_process(AS(task), 0, &pid) == 0 && (i32)pid == task.pid);
	tasks[index].tid = task.pid;
}

static void everybody_ends(void)
{
	struct proc_wait_result result;

	for (u32 i = 0; i < 10000 && count; i++) {
		fake_kill(init, -1, SIGKILL);
		for (u32 index = 0; index < count;)
			if (!act_return(index))
				index++;
		while (fake_wait(init, -1, PROC_WEXITED | PROC_WALL | PROC_WNOHANG, &result) > 0)
			;
	}
	CHECK(!count);
	while (fake_wait(init, -1, PROC_WEXITED | PROC_WALL | PROC_WNOHANG, &result) > 0)
		;
	CHECK(fake_wait(init, -1, PROC_WEXITED | PROC_WALL, &result) == -ECHILD);
}

static void random_operations(void)
{
	static void (*const acts[])(u32) = { act_create, act_create, act_create, act_exit, act_signal, act_signal, act_wait, act_session,
					     act_timer, act_exec };
	struct proc_system system;
	long blocks = 0;

	init = fake_first();
	for (u32 round = 0; round < 60; round++) {
		tasks[count++] = fake_fork(init);
		for (u32 step = 0; step < 3000; step++) {
			u32 index;

			if (!count)
				tasks[count++] = fake_fork(init);
			index = pick(count);
			acts[pick(countof(acts))](index);
			if (count && pick(2))
				act_return(pick(count));
		}
		everybody_ends();
		if (round == 2)
			blocks = fake_heap_used;
	}
	CHECK(fake_heap_used <= blocks + PROC_PID_MAX / 256); /* leaves of numbers stay */
	CHECK(proc_op_system_info(AS(init), &system) == 0 && system.processes == 1 && system.threads == 1);
	for (i32 number = 2; number < PROC_PID_MAX; number++)
		CHECK(!proc_id_find(number));
}

TEST_MAIN(TEST(random_operations))
