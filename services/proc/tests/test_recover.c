/* Recovery: of a state that a failure has left, and of one that somebody has scribbled over. */
#include "fake.h"
#include "recover.h"
#include "semaphore.h"

#include <sys/wait.h>
#include <unistd.h>

#define SCRIBBLES 500u
#define LIMIT_NANOS 1000000000ull
enum { RECOVERED = 40, REFUSED = 41 };

static u32 seed = 1;

static u32 random_below(u32 limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

/* ---- Processes with something of everything ---- */
static struct fake_task init, family, child, thread, zombie, lender, borrower, sleeper, fresh;
static i32 set_id;
static u64 timer_id, deleted_id, first_word, semaphore_word;

static long queue(struct fake_task from, struct fake_task to, i32 signal, u64 value)
{
	struct proc_siginfo info = { .signal = signal, .code = PROC_SI_QUEUE, .sender = { .pid = from.pid, .value = value } };

	return proc_op_signal_send(AS(from), PROC_TARGET_KILL | PROC_TARGET_QUEUED, to.pid, 0, &info);
}

static long semaphore_do(struct fake_task task, i16 change, i16 flags)
{
	u64 word, sequence;

	return proc_op_semaphore_operate(AS(task), set_id, 0, 0, 1 | (u64)(u16)change << 16 | (u64)(u16)flags << 32, &word, &sequence);
}

static void masks_set(void)
{
	u64 old;

	CHECK(proc_op_signal_mask(AS(child), PROC_MASK_SET, ~0ull, &old) == 0);
	CHECK(proc_op_signal_mask(AS(thread), PROC_MASK_SET, ~0ull, &old) == 0);
	CHECK(queue(family, child, 40, 1) == 0 && queue(family, child, 40, 2) == 0 && queue(family, child, 41, 3) == 0);
	CHECK(fake_kill(family, child.pid, SIGUSR1) == 0);
}

static void timers_set(void)
{
	struct proc_timer_event event = { .signal = 44, .value = 7, .has_event = 1 };
	struct proc_interval every = { LIMIT_NANOS / 10, LIMIT_NANOS / 10 }, once = { LIMIT_NANOS / 100, 0 }, old;

	CHECK(proc_op_timer_create(AS(child), 1, &event, &timer_id) == 0 && proc_op_timer_create(AS(child), 1, &event, &deleted_id) == 0);
	CHECK(proc_op_timer_set(AS(child), (i32)deleted_id, 0, &once, &old) == 0);
	fake_time_pass(LIMIT_NANOS / 50);
	CHECK(proc_op_timer_delete(AS(child), (i32)deleted_id) == 0); /* its signal waits */
	CHECK(proc_op_timer_set(AS(child), (i32)timer_id, 0, &every, &old) == 0);
	CHECK(proc_op_itimer(AS(family), PROC_ITIMER_REAL | PROC_TIMER_CHANGE, &(struct proc_interval){ 100 * LIMIT_NANOS, 0 }, &old) == 0);
}

static void semaphores_set(void)
{
	u64 sequence;

	set_id = (i32)proc_op_semaphore_get(AS(family), 0, 2, PROC_SEMAPHORE_CREATE | 0600);
	CHECK(set_id >= 0 && semaphore_do(child, 3, PROC_SEMAPHORE_UNDO) == 0 && semaphore_do(child, -1, 0) == 0);
	CHECK(proc_op_semaphore_operate(AS(sleeper), set_id, 0, 0, (u64)(u16)-1 << 16, &semaphore_word, &sequence) == PROC_SEMAPHORE_WAITS);
}

static void world_make(void)
{
	const u32 groups[] = { 5, 6, 7 };
	struct proc_create request = { .space = 1, .exit_signal = SIGCHLD };
	struct proc_created created;
	struct proc_limit old;
	long error;

	family = fake_fork(init);
	CHECK(proc_op_session_create(AS(family)) == family.pid);
	CHECK(proc_op_groups_set(AS(family), groups, sizeof(groups)) == 0);
	CHECK(proc_op_terminal_attach(AS(family), 9, 0, 0) == 0);
	CHECK(proc_op_limit(AS(family), 0, PROC_LIMIT_CORE | PROC_LIMIT_SET, &(struct proc_limit){ 11, 12 }, &old) == 0);
	child = fake_fork(family);
	thread = fake_create(child, PROC_CREATE_THREAD | PROC_CREATE_SIGHAND, 0, &error);
	zombie = fake_fork(family);
	sleeper = fake_create(family, PROC_CREATE_SIGHAND, SIGCHLD, &error);
	lender = fake_fork(family);
	borrower = fake_create(lender, PROC_CREATE_VFORK, SIGCHLD, &error);
	CHECK(proc_op_group_set(AS(child), 0, 0) == 0 && proc_op_group_set(AS(family), zombie.pid, child.pid) == 0);
	CHECK(proc_op_terminal_foreground_set(AS(family), 9, child.pid) == 0);
	CHECK(proc_op_process_watch(AS(family), child.pid, &first_word) == 0);
	fake_exit(zombie, 5 << 8);
	CHECK(proc_op_task_create(AS(family), &request, &created) == 0);
	fresh = (struct fake_task){ created.tid, created.pid, created.thread, (struct tk_thread_page *)token_of_frame(created.thread_frame) };
	masks_set();
	timers_set();
	semaphores_set();
}

static bool pending_is(struct fake_task task, u64 set)
{
	u64 now;

	return proc_op_signal_pending(AS(task), &now) == 0 && now == set;
}

static void world_check(void)
{
	const u64 waiting = PROC_SIGNAL_BIT(40) | PROC_SIGNAL_BIT(41) | PROC_SIGNAL_BIT(44) | PROC_SIGNAL_BIT(SIGUSR1);
	struct proc_credentials is;
	struct proc_interval left;
	u64 parent, group, session, owner;
	u32 found[PROC_GROUPS_MAX];
	struct proc_info info;
	u64 soft, hard;

	CHECK(proc_op_ids_get(AS(child), 0, &parent, &group, &session) == 0);
	CHECK((i32)parent == family.pid && (i32)group == child.pid && (i32)session == family.pid);
	CHECK(proc_op_terminal_query(AS(family), 9, &owner, &group) == 0 && (i32)owner == family.pid && (i32)group == child.pid);
	CHECK(proc_op_groups_get(AS(child), 0, found, sizeof(found)) == 12 && found[2] == 7);
	CHECK(proc_op_credentials_get(AS(thread), 0, &is) == 0 && is.group_count == 3 && is.uid == 0);
	CHECK(proc_op_limit_get(AS(child), PROC_LIMIT_CORE, &soft, &hard) == 0 && soft == 11 && hard == 12);
	CHECK(pending_is(child, waiting) && pending_is(thread, waiting));
	CHECK(proc_op_info(AS(family), child.pid, 1, &info) == 0 && info.thread_count == 2 && info.pending_count == 6);
	CHECK(proc_op_timer_get(AS(child), (i32)timer_id, &left) == 0 && left.value && left.interval == LIMIT_NANOS / 10);
	CHECK(proc_op_itimer(AS(family), PROC_ITIMER_REAL, &left, &left) == 0 && left.value > 90 * LIMIT_NANOS);
	CHECK(proc_op_vfork_check(AS(lender), borrower.tid) == -EAGAIN);
	CHECK(proc_op_semaphore_value(AS(family), set_id, 1, PROC_SEMAPHORE_VALUE, 0) == 2);
	CHECK(proc_op_semaphore_value(AS(family), set_id, 0, PROC_SEMAPHORE_WAIT_MORE, 0) == 1);
	CHECK(!(((const struct tk_pollword *)first_word)->level & PROC_POLL_READABLE));
}

/* Everything ends, and what had waited comes. */
static void world_end(void)
{
	struct proc_wait_result result;
	struct proc_siginfo info;

	CHECK(proc_op_task_discard(AS(family), fresh.tid) == 0);
	CHECK(proc_op_signal_wait(AS(child), PROC_SIGNAL_BIT(40), 0, &info) == 40 && info.sender.value == 1);
	CHECK(proc_op_signal_wait(AS(thread), PROC_SIGNAL_BIT(40), 0, &info) == 40 && info.sender.value == 2);
	CHECK(proc_op_signal_wait(AS(child), PROC_SIGNAL_BIT(44), 0, &info) == 44 && info.timer.value == 7);
	fake_time_pass(LIMIT_NANOS / 4);
	CHECK(proc_op_signal_wait(AS(child), PROC_SIGNAL_BIT(44), 0, &info) == 44 && info.timer.overrun >= 1);
	fake_exit(borrower, 0);
	CHECK(proc_op_vfork_check(AS(lender), borrower.tid) == 0);
	CHECK(fake_wait(lender, borrower.pid, PROC_WEXITED, &result) == borrower.pid);
	fake_exit(lender, 1 << 8);
	fake_exit(thread, 0);
	fake_exit(child, 2 << 8);
	CHECK(((const struct tk_pollword *)first_word)->level & PROC_POLL_READABLE);
	CHECK(proc_op_process_unwatch(AS(family), child.pid) == 0);
	CHECK(proc_op_semaphore_value(AS(family), set_id, 1, PROC_SEMAPHORE_VALUE, 0) == 0);
	fake_exit(sleeper, 3 << 8);
	CHECK(fake_wait(family, zombie.pid, PROC_WEXITED, &result) == zombie.pid && result.status == 5 << 8);
	CHECK(fake_wait(family, child.pid, PROC_WEXITED, &result) == child.pid && result.status == 2 << 8);
	CHECK(fake_wait(family, lender.pid, PROC_WEXITED, &result) == lender.pid && result.status == 1 << 8);
	CHECK(fake_wait(family, sleeper.pid, PROC_WEXITED, &result) == sleeper.pid && result.status == 3 << 8);
	CHECK(fake_wait(family, -1, PROC_WEXITED, &result) == -ECHILD);
	CHECK(proc_op_semaphore_change(AS(family), set_id, 1, 0, 0, 0) == 0);
	fake_exit(family, 0);
	CHECK(fake_wait(init, family.pid, PROC_WEXITED, &result) == family.pid);
}

/* ---- What a failure leaves ---- */

/* Locks that are held, counts that are wrong, memory and threads that only a call knew. */
static void disturb(void)
{
	struct proc_process *process = proc_process_find(child.pid);
	long error;

	proc_lock.word = proc_semaphore_lock.word = 1;
	process->task_count += 7;
	process->alive_count--;
	process->stop_count = 9;
	process->signal_target = (void *)process;
	process->leader->id->uses += 5;
	process->leader->identity->references++;
	process->leader->identity->user->pending += 3;
	process->leader->identity->user->tasks--;
	process->dispositions->references++;
	process->group->group_members.previous = NULL;
	proc_init_process->children.previous = NULL;
	proc_alarms_release(2);
	CHECK(heap_alloc(500) != NULL);
	CHECK(proc_thread_create(token_of_frame(1), &error) != NULL);
}

static void goes_on(void)
{
	long heap, frames = 0;

	world_make();
	world_end();
	heap = fake_heap_used;
	world_make();
	world_check();
	for (u32 i = 0; i < 3; i++) {
		disturb();
		CHECK(proc_recover() == 0);
		world_check();
		if (i)
			CHECK(fake_frames_used == frames);
		frames = fake_frames_used;
	}
	world_end();
	CHECK(fake_heap_used <= heap);
}

/* A start that was noted and not done is done. */
static void noted_start_is_done(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_wait_result result;

	task.page->state = 0;
	CHECK(proc_recover() == 0 && task.page->state == 1);
	fake_exit(task, 0);
	CHECK(fake_wait(init, task.pid, PROC_WEXITED, &result) == task.pid);
}

/* Threads that had been told hear again, those that had not hear now. */
static void interrupts_come_again(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_wait_result result;
	u32 event;

	CHECK(fake_kill(init, task.pid, SIGSTOP) == 0);
	task.page->interrupt = 0;
	event = ((struct proc_thread_shared *)task.page->owner_data)->event;
	CHECK(proc_recover() == 0 && task.page->interrupt & TK_INTERRUPT_SIGNAL);
	CHECK(((struct proc_thread_shared *)task.page->owner_data)->event != event);
	CHECK(fake_kill(init, task.pid, SIGKILL) == 0);
	task.page->interrupt = 0;
	CHECK(proc_recover() == 0 && task.page->interrupt & TK_INTERRUPT_KILL);
	fake_die(task);
	CHECK(fake_wait(init, task.pid, PROC_WEXITED, &result) == task.pid);
}

/* What can't be done twice leaves its result with what it has done. */
static void results_are_noted(void)
{
	struct fake_task task = fake_fork(init);
	struct proc_wait_result result;
	u64 old, word;

	CHECK(fake_committed.result == 0); /* of task_start */
	CHECK(proc_op_signal_mask(AS(task), PROC_MASK_SET, 6, &old) == 0 && proc_op_signal_mask(AS(task), PROC_MASK_SET, 0, &old) == 0);
	CHECK(old == 6 && fake_committed.outs[0] == 6);
	CHECK(proc_op_process_watch(AS(init), task.pid, &word) == 0 && fake_committed.outs[0] == word);
	CHECK(proc_op_process_unwatch(AS(init), task.pid) == 0);
	CHECK(proc_op_session_create(AS(task)) == task.pid && fake_committed.result == task.pid);
	fake_exit(task, 4 << 8);
	CHECK(fake_committed.result == 3);
	CHECK(fake_wait(init, task.pid, PROC_WEXITED, &result) == task.pid);
	CHECK(fake_committed.result == task.pid && fake_committed.kept_size == sizeof(result));
}

/* ---- Anything ---- */

static u64 scribble_value(void)
{
	size_t size;
	void *block = fake_heap_block(random_below((u32)fake_heap_used), &size);

	switch (random_below(6)) {
	case 0:
		return (u64)random_below(1u << 24) << 40 | random_below(1u << 24);
	case 1:
		return random_below(300);
	case 2:
		return ~0ull << random_below(64);
	case 3:
		return (u64)block + 8 * random_below(40);
	default:
		return (u64)block;
	}
}

static void scribble(void)
{
	u32 count = 1 + random_below(3);

	while (count--) {
		u64 value = scribble_value();
		size_t size, part = 1u << random_below(4);
		u8 *block = fake_heap_block(random_below((u32)fake_heap_used), &size);

		if (size >= part)
			memcpy(block + random_below((u32)(size - part + 1)) / part * part, &value, part);
	}
}

/* Uses everything that the world has; what comes out is not looked at. */
static void world_use(void)
{
	const struct fake_task all[] = { family, child, thread, lender, borrower, sleeper };
	struct proc_wait_result result;
	struct proc_siginfo info;
	struct proc_interval left;
	struct proc_usage usage;
	struct proc_info facts;
	u64 value;

	for (u32 i = 0; i < countof(all); i++) {
		(void)!proc_op_info(AS(family), all[i].tid, 0, &facts);
		(void)!proc_op_usage(AS(all[i]), 0, &usage);
		(void)!proc_op_signal_pending(AS(all[i]), &value);
		(void)!fake_kill(all[i], 0, SIGUSR2);
		(void)!queue(family, all[i], 50, i);
		(void)!proc_op_signal_wait(AS(all[i]), ~0ull, 0, &info);
		(void)!fake_wait(all[i], -1, PROC_WEXITED | PROC_WNOHANG, &result);
		(void)!proc_op_timer_get(AS(all[i]), (i32)timer_id, &left);
		(void)!semaphore_do(all[i], 1, PROC_SEMAPHORE_UNDO);
	}
	fake_time_pass(LIMIT_NANOS);
	(void)!proc_op_priority_set(AS(init), PROC_PRIORITY_USER, 0, 4);
	(void)!proc_op_terminal_signal(AS(init), 9, SIGINT);
	(void)!proc_op_ids_set(AS(child), PROC_SET_UID, 8, 0, 0);
	(void)!proc_op_task_discard(AS(family), fresh.tid);
	(void)!fake_kill(init, -1, SIGTERM);
	for (u32 i = countof(all); i-- > 0;) {
		(void)!proc_op_task_exit(AS(all[i]), 0, 0, 0, 0);
		all[i].page->state = 3;
	}
	proc_threads_reap();
	for (u32 i = 0; i < 10; i++)
		(void)!fake_wait(init, -1, PROC_WEXITED | PROC_WNOHANG, &result);
}

static int scribbled_child(u32 round)
{
	seed = round * 7919 + 1;
	scribble();
	alarm(20);
	if (proc_recover())
		return REFUSED;
	world_use();
	return RECOVERED;
}

static void scribbled(void)
{
	u32 recovered = 0, refused = 0;
	int status;

	world_make();
	for (u32 round = 0; round < SCRIBBLES; round++) {
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0)
			_exit(scribbled_child(round));
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
			status = 1 << 8;
		recovered += WEXITSTATUS(status) == RECOVERED;
		refused += WEXITSTATUS(status) == REFUSED;
		if (WEXITSTATUS(status) != RECOVERED && WEXITSTATUS(status) != REFUSED) {
			printf("# round %u\n", round);
			CHECK(!"a scribble did harm");
		}
	}
	printf("# %u recovered, %u refused\n", recovered, refused);
	CHECK(recovered > SCRIBBLES / 10 && refused > SCRIBBLES / 10);
	world_end();
}

int main(int argc, char **argv)
{
	static const struct unit_test tests[] = { TEST(goes_on), TEST(noted_start_is_done), TEST(interrupts_come_again), TEST(results_are_noted),
		TEST(scribbled) };

	init = fake_first();
	return unit_run(tests, countof(tests), argc, argv);
}
