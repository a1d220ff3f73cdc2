/* Tasks from creation to wait: statuses, selection, reparenting, threads, exec, credentials, limits. */
#include "fake.h"

static struct fake_task init;

static void exit_status_is_reported_once(void)
{
	struct fake_task parent = fake_fork(init), child = fake_fork(parent);
	struct proc_wait_result result;

	CHECK(fake_wait(parent, -1, PROC_WEXITED | PROC_WNOHANG, &result) == 0);
	CHECK(fake_wait(parent, -1, PROC_WEXITED, &result) == -EAGAIN);
	fake_exit(child, 3 << 8);
	CHECK(fake_wait(parent, child.pid, PROC_WEXITED | PROC_WNOWAIT, &result) == child.pid);
	CHECK(fake_wait(parent, child.pid, PROC_WEXITED, &result) == child.pid);
	CHECK(result.status == 3 << 8 && result.code == PROC_CLD_EXITED && result.value == 3);
	CHECK(fake_wait(parent, -1, PROC_WEXITED, &result) == -ECHILD);
	fake_exit(parent, 0);
	CHECK(fake_wait(init, parent.pid, PROC_WEXITED, &result) == parent.pid);
}

static void wait_refuses_wrong_options(void)
{
	struct proc_wait_result result;

	CHECK(fake_wait(init, -1, 0, &result) == -EINVAL);
	CHECK(fake_wait(init, -1, PROC_WEXITED | 0x100, &result) == -EINVAL);
	CHECK(proc_op_wait_child(AS(init), 9, 0, PROC_WEXITED, &result) == -EINVAL);
}

static void group_and_clone_children_are_selected(void)
{
	struct fake_task parent = fake_fork(init), a = fake_fork(parent), b = fake_fork(parent), silent;
	struct proc_wait_result result;
	long error;

	CHECK(proc_op_group_set(AS(parent), b.pid, b.pid) == 0);
	fake_exit(a, 1 << 8);
	fake_exit(b, 2 << 8);
	CHECK(fake_wait(parent, -b.pid, PROC_WEXITED, &result) == b.pid);
	CHECK(fake_wait(parent, 0, PROC_WEXITED, &result) == a.pid);
	silent = fake_create(parent, 0, 0, &error);
	fake_exit(silent, 0);
	CHECK(fake_wait(parent, -1, PROC_WEXITED, &result) == -ECHILD);
	CHECK(fake_wait(parent, -1, PROC_WEXITED | PROC_WCLONE, &result) == silent.pid);
	fake_exit(parent, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == parent.pid);
}

static void orphans_go_to_reaper_or_init(void)
{
	struct fake_task reaper = fake_fork(init), parent = fake_fork(reaper), child = fake_fork(parent), zombie = fake_fork(parent);
	struct proc_wait_result result;
	u64 up, group, session;

	CHECK(proc_op_option_set(AS(reaper), PROC_OPTION_SUBREAPER, 1, 0) == 0);
	fake_exit(zombie, 7 << 8);
	fake_exit(parent, 0);
	CHECK(proc_op_ids_get(AS(child), 0, &up, &group, &session) == 0 && (i32)up == reaper.pid);
	CHECK(fake_wait(reaper, zombie.pid, PROC_WEXITED, &result) == zombie.pid);
	CHECK(fake_wait(reaper, parent.pid, PROC_WEXITED, &result) == parent.pid);
	fake_exit(reaper, 0);
	CHECK(proc_op_ids_get(AS(child), 0, &up, &group, &session) == 0 && up == 1);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == reaper.pid);
	fake_exit(child, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == child.pid);
}

static void ignored_children_vanish(void)
{
	struct fake_task parent = fake_fork(init), child;
	struct proc_wait_result result;

	fake_handler(parent, SIGCHLD, PROC_HANDLER_IGNORE, 0);
	child = fake_fork(parent);
	fake_exit(child, 0);
	CHECK(fake_wait(parent, -1, PROC_WEXITED, &result) == -ECHILD);
	CHECK(!proc_id_find(child.pid));
	fake_exit(parent, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == parent.pid);
}

static void last_thread_ends_process(void)
{
	struct fake_task parent = fake_fork(init), leader = fake_fork(parent), second;
	struct proc_wait_result result;
	long error;

	second = fake_create(leader, PROC_CREATE_THREAD | PROC_CREATE_SIGHAND, 0, &error);
	CHECK(!error && second.pid == leader.pid && second.tid != leader.tid);
	fake_exit(leader, 5 << 8);
	CHECK(fake_wait(parent, -1, PROC_WEXITED | PROC_WNOHANG, &result) == 0);
	fake_exit(second, 6 << 8);
	CHECK(fake_wait(parent, -1, PROC_WEXITED, &result) == leader.pid && result.status == 6 << 8);
	fake_exit(parent, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == parent.pid);
}

static void group_exit_ends_all_threads(void)
{
	struct fake_task parent = fake_fork(init), leader = fake_fork(parent), second;
	struct proc_wait_result result;
	long error;

	second = fake_create(leader, PROC_CREATE_THREAD | PROC_CREATE_SIGHAND, 0, &error);
	CHECK(proc_op_group_exit(AS(second), 9 << 8) == 9 << 8);
	CHECK(leader.page->interrupt & TK_INTERRUPT_KILL);
	CHECK(proc_op_group_exit(AS(leader), 8 << 8) == 9 << 8);
	fake_exit(second, 9 << 8);
	fake_die(leader);
	CHECK(fake_wait(parent, -1, PROC_WEXITED, &result) == leader.pid && result.status == 9 << 8);
	fake_exit(parent, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == parent.pid);
}

static void exec_by_thread_takes_leaders_place(void)
{
	struct fake_task leader = fake_fork(init), second;
	struct proc_exec exec = { .space = 1, .name = "program" };
	struct proc_delivery delivery;
	struct proc_wait_result result;
	struct proc_info info;
	u64 replaced, pid;
	long error;

	second = fake_create(leader, PROC_CREATE_THREAD | PROC_CREATE_SIGHAND, 0, &error);
	fake_handler(leader, SIGUSR1, 0x1000, 0);
	fake_handler(leader, SIGUSR2, PROC_HANDLER_IGNORE, 0);
	CHECK(proc_op_exec_begin(AS(second)) == -EAGAIN);
	CHECK(proc_op_exec_begin(AS(leader)) == -EINTR);
	CHECK(fake_take(leader, &delivery) == PROC_VERDICT_EXIT);
	fake_exit(leader, delivery.status);
	CHECK(proc_op_exec_begin(AS(second)) == 0);
	CHECK(proc_op_task_process(AS(second), 0, &pid) == 0 && (i32)pid == leader.pid);
	CHECK(proc_op_exec_commit(AS(second), &exec, &replaced) == 0);
	CHECK(proc_op_info(AS(second), 0, 1, &info) == 0 && info.tid == leader.pid && info.thread_count == 1);
	CHECK(info.caught == 0 && info.ignored == PROC_SIGNAL_BIT(SIGUSR2));
	CHECK(!memcmp(info.name, "program", 8));
	CHECK(!proc_id_find(second.tid));
	fake_exit(second, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == leader.pid);
}

static void vfork_parent_is_told(void)
{
	struct fake_task parent = fake_fork(init), child;
	struct proc_wait_result result;
	struct proc_exec exec = { .space = 1 };
	u64 replaced;
	u32 event;
	long error;

	child = fake_create(parent, PROC_CREATE_VFORK, SIGCHLD, &error);
	CHECK(proc_op_vfork_check(AS(parent), child.tid) == -EAGAIN);
	event = ((struct proc_thread_shared *)parent.page->owner_data)->event;
	CHECK(proc_op_exec_begin(AS(child)) == 0 && proc_op_exec_commit(AS(child), &exec, &replaced) == 0);
	CHECK(proc_op_vfork_check(AS(parent), child.tid) == 0);
	CHECK(((struct proc_thread_shared *)parent.page->owner_data)->event != event);
	fake_exit(child, 0);
	fake_exit(parent, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) > 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) > 0);
}

static void discarded_tasks_leave_nothing(void)
{
	struct proc_create request = { .exit_signal = SIGCHLD, .space = 1 };
	struct proc_created created;
	struct proc_wait_result result;
	long blocks;

	for (u32 i = 0; i < 10; i++) { /* threads that have ended are kept for the next tasks: they go first */
		CHECK(proc_op_task_create(AS(init), &request, &created) == 0);
		CHECK(proc_op_task_discard(AS(init), created.tid) == 0);
	}
	blocks = fake_heap_used;
	CHECK(proc_op_task_create(AS(init), &request, &created) == 0);
	CHECK(fake_kill(init, created.pid, 0) == -ESRCH);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == -ECHILD);
	CHECK(proc_op_task_discard(AS(init), created.tid) == 0);
	CHECK(proc_op_task_discard(AS(init), created.tid) == -ESRCH);
	CHECK(fake_heap_used == blocks);
	CHECK(proc_op_task_create(&(struct rt_request){ .caller = 3, .thread = init.thread }, &request, &created) == -EPERM);
}

static void other_units_act_for_nobody(void)
{
	struct fake_task task = fake_fork(init);
	struct rt_request other = { .caller = 3, .thread = task.thread };
	struct proc_siginfo info = { .signal = SIGKILL };
	struct proc_credentials is;
	struct proc_wait_result result;
	u64 value;

	CHECK(proc_op_signal_send(&other, PROC_TARGET_KILL, task.pid, 0, &info) == -EPERM);
	CHECK(proc_op_ids_set(&other, PROC_SET_UID, 5, 0, 0) == -ESRCH);
	CHECK(proc_op_signal_mask(&other, PROC_MASK_SET, ~0ull, &value) == -ESRCH);
	CHECK(proc_op_group_exit(&other, 0) == -ESRCH);
	CHECK(proc_op_task_exit(&other, 0, 0, 0, 0) == -EPERM);
	CHECK(proc_op_terminal_signal(&other, 1, SIGKILL) == -EINVAL);
	CHECK(proc_op_credentials_get(&other, 0, &is) == 0 && is.uid == 0);
	CHECK(proc_op_name_set(&other, 0, "renamed", 8) == 0);
	CHECK(!task.page->interrupt);
	fake_exit(task, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == task.pid);
}

static void set_ids_follow_linux(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_credentials is;
	struct proc_wait_result result;

	CHECK(proc_op_ids_set(AS(task), PROC_SET_RESUID, 1000, 1001, 1002) == 0);
	CHECK(proc_op_credentials_get(AS(task), 0, &is) == 0);
	CHECK(is.uid == 1000 && is.euid == 1001 && is.suid == 1002 && is.fsuid == 1001 && !is.effective && !is.permitted);
	CHECK(proc_op_ids_set(AS(task), PROC_SET_UID, 0, 0, 0) == -EPERM);
	CHECK(proc_op_ids_set(AS(task), PROC_SET_UID, 1002, 0, 0) == 0);
	CHECK(proc_op_ids_set(AS(task), PROC_SET_REUID, ~0u, 1000, 0) == 0);
	CHECK(proc_op_credentials_get(AS(task), 0, &is) == 0 && is.euid == 1000 && is.suid == 1002 && is.uid == 1000);
	CHECK(proc_op_ids_set(AS(task), PROC_SET_FSUID, 5, 0, 0) == 1000);
	CHECK(proc_op_ids_set(AS(task), PROC_SET_UID, ~0u, 0, 0) == -EINVAL);
	CHECK(fake_kill(task, 1, 0) == -EPERM);
	fake_exit(task, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == task.pid);
}

static void groups_are_sorted_and_privileged(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_wait_result result;
	u32 groups[3] = { 30, 10, 20 }, got[3];

	CHECK(proc_op_groups_set(AS(task), groups, sizeof(groups)) == 0);
	CHECK(proc_op_groups_get(AS(task), 0, got, sizeof(got)) == 12 && got[0] == 10 && got[1] == 20 && got[2] == 30);
	CHECK(proc_op_groups_get(AS(task), 0, got, 4) == -EINVAL);
	CHECK(proc_op_ids_set(AS(task), PROC_SET_UID, 5, 0, 0) == 0);
	CHECK(proc_op_groups_set(AS(task), groups, 4) == -EPERM);
	fake_exit(task, 0);
	CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == task.pid);
}

static void process_limit_holds_users(void)
{
	struct fake_task task = fake_fork(init), child;
	struct proc_limit limit = { 2, 2 }, old;
	struct proc_wait_result result;
	long error;

	CHECK(proc_op_limit(AS(task), 0, PROC_LIMIT_NPROC | PROC_LIMIT_SET, &limit, &old) == 0);
	CHECK(proc_op_ids_set(AS(task), PROC_SET_UID, 77, 0, 0) == 0);
	child = fake_create(task, 0, SIGCHLD, &error);
	CHECK(!error);
	fake_create(task, 0, SIGCHLD, &error);
	CHECK(error == -EAGAIN);
	limit = (struct proc_limit){ 3, 3 };
	CHECK(proc_op_limit(AS(task), 0, PROC_LIMIT_NPROC | PROC_LIMIT_SET, &limit, &old) == -EPERM);
	limit = (struct proc_limit){ 2, 1 };
	CHECK(proc_op_limit(AS(task), 0, PROC_LIMIT_NPROC | PROC_LIMIT_SET, &limit, &old) == -EINVAL);
	fake_exit(child, 0);
	fake_exit(task, 0);
	while (fake_wait(init, -1, PROC_WEXITED, &result) > 0)
		;
}

static void nothing_is_left_behind(void)
{
	static long blocks, frames;
	struct proc_wait_result result;

	for (u32 i = 0; i < 200; i++) {
		struct fake_task child = fake_fork(init);

		fake_exit(child, 0);
		CHECK(fake_wait(init, -1, PROC_WEXITED, &result) == child.pid);
		if (i == 10) {
			blocks = fake_heap_used;
			frames = fake_frames_used;
		}
	}
	CHECK(fake_heap_used <= blocks + 2); /* a leaf of numbers may have come */
	CHECK(fake_frames_used == frames);
	CHECK(init.page->interrupt == 0 || init.page->interrupt == TK_INTERRUPT_SIGNAL);
}

static void first(void)
{
	struct proc_created created;

	init = fake_first();
	CHECK(init.pid == 1 && init.tid == 1);
	CHECK(proc_op_task_first(AS(init), 1, 0, &created) == -EEXIST);
}

TEST_MAIN(TEST(first), TEST(exit_status_is_reported_once), TEST(wait_refuses_wrong_options), TEST(group_and_clone_children_are_selected),
	  TEST(orphans_go_to_reaper_or_init), TEST(ignored_children_vanish), TEST(last_thread_ends_process),
	  TEST(group_exit_ends_all_threads), TEST(exec_by_thread_takes_leaders_place), TEST(vfork_parent_is_told),
	  TEST(discarded_tasks_leave_nothing), TEST(other_units_act_for_nobody), TEST(set_ids_follow_linux), TEST(groups_are_sorted_and_privileged),
	  TEST(process_limit_holds_users), TEST(nothing_is_left_behind))
