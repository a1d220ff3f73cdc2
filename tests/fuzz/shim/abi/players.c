/* The table of players, and hands, which make the calls that their makers tell them to. */
#include "shim.h"
#include <proc_client.h>

#define BEGIN_NANOS 100000000000ull
#define STARTING_PAUSES 50u
#define ANSWER_NANOS 100000000000ull

static struct rt_lock lock = RT_LOCK_INIT; /* guards roles */
static struct player players[PLAYERS];
static volatile u32 *exit_word;

struct player *player_find(u32 thread)
{
	for (u32 i = 0; i < PLAYERS; i++)
		if (players[i].role != ROLE_NONE && players[i].thread == thread)
			return &players[i];
	return NULL;
}

struct player *player_of_task(const struct player *maker, u64 tid)
{
	for (u32 i = 0; i < PLAYERS; i++)
		if (players[i].role == ROLE_HAND && (!maker || players[i].maker == maker) && (u64)players[i].tid == tid)
			return &players[i];
	return NULL;
}

struct player *player_make(struct player *maker, enum role role, const struct proc_created *created)
{
	struct tk_thread_page *page = (struct tk_thread_page *)token_of_frame(created->thread_frame);
	struct player *p = NULL;

	lock_acquire(&lock);
	for (u32 i = 0; i < PLAYERS; i++) {
		if (players[i].role == ROLE_NONE)
			p = p ? p : &players[i];
		else if (players[i].thread == created->thread)
			players[i].thread = 0; /* its task was discarded by another than its maker, and the thread is used again */
	}
	if (p) {
		memset(p, 0, sizeof(*p));
		p->maker = maker;
		p->thread = created->thread;
		p->tid = created->tid;
		p->pid = created->pid;
		p->interrupt = &page->interrupt;
		__atomic_store_n(&p->role, role, __ATOMIC_RELEASE); /* the rest before it can be found */
		/* Its first way to user mode leads into the shim: relaxed, it does not run yet. */
		__atomic_fetch_or(&page->interrupt, TK_INTERRUPT_SIGNAL, __ATOMIC_RELAXED);
	}
	lock_release(&lock);
	return p;
}

void player_forget(struct player *p)
{
	__atomic_store_n(&p->role, ROLE_NONE, __ATOMIC_RELEASE); /* nobody uses it any more */
}

noreturn_fn void player_leave(struct player *p)
{
	u64 frame;

	if (!exit_word && proc_exit_page(&frame) >= 0) /* all who come first find the same */
		__atomic_store_n(&exit_word, (volatile u32 *)token_of_frame(frame), __ATOMIC_RELAXED);
	if (p)
		player_forget(p);
	tk_thread_exit(exit_word);
}

/* Waits until the word has the value; false: it does not come. */
static bool word_await(const volatile u32 *word, u32 value, nanos_t patience)
{
	nanos_t end = clock_monotonic() + patience;
	u32 now;

	while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) != value) { /* what it tells of is done */
		if (clock_monotonic() > end)
			return false;
		(void)tk_wait(word, now, end, TK_WAIT_NEVER_INTERRUPTED, ~0u);
	}
	return true;
}

bool player_tell(struct player *p, const struct place_call *call, long *result)
{
	u32 asked = p->asked + 1;

	if (!word_await(&p->begun, 1, BEGIN_NANOS))
		return false;
	p->call = call;
	p->leave = !call;
	__atomic_store_n(&p->asked, asked, __ATOMIC_RELEASE); /* the call stands before */
	(void)tk_wake(&p->asked, 1, 0, ~0u);
	if (!call)
		return true;
	if (!word_await(&p->answered, asked, ANSWER_NANOS))
		return false;
	*result = p->result;
	return true;
}

void task_end(void)
{
	long result;

	do
		result = proc_task_exit(0, 0, 0, 0);
	while (result == -EINTR || result == -EAGAIN || result == -EIO); /* as the shim does: the call was left in proc */
}

noreturn_fn void hand_play(struct player *hand)
{
	u32 proc = interface_find("proc"), end = op_find(proc, "task_exit");
	bool gone;

	__atomic_store_n(&hand->begun, 1, __ATOMIC_RELEASE); /* its maker may see it */
	(void)tk_wake(&hand->begun, 1, 0, ~0u);
	for (u32 count = 1;; count++) {
		while (__atomic_load_n(&hand->asked, __ATOMIC_ACQUIRE) != count) /* the call is read after */
			(void)tk_wait(&hand->asked, count - 1, NANOS_NEVER, TK_WAIT_NEVER_INTERRUPTED, ~0u);
		if (hand->leave)
			break;
		hand->result = place_call_make(hand->call);
		gone = hand->call->interface == proc && hand->call->op == end && hand->result >= 0;
		if (gone)
			hand->thread = 0; /* its maker forgets it */
		__atomic_store_n(&hand->answered, count, __ATOMIC_RELEASE); /* the result stands before */
		(void)tk_wake(&hand->answered, 1, 0, ~0u);
		if (gone)
			player_leave(NULL);
	}
	task_end();
	player_leave(hand);
}

/* Its task is discarded, if it has not begun; true: it will not. Another driver may be starting it just now. */
static bool hand_never_ran(const struct player *p)
{
	for (u32 i = 0; i < STARTING_PAUSES && p->thread && !p->started; i++) {
		if (proc_task_discard(p->tid) >= 0)
			return true;
		fuzz_pause();
	}
	return !p->thread || !p->started;
}

/* All that the driver has made ends: hands that run leave, those which never ran are undone, and proc forgets the children. */
void hands_end(struct player *driver)
{
	struct proc_wait_result ended;

	for (u32 i = 0; i < PLAYERS; i++) {
		struct player *p = &players[i];

		if (p->role != ROLE_HAND || p->maker != driver)
			continue;
		if (hand_never_ran(p)) {
			player_forget(p);
			continue;
		}
		if (!player_tell(p, NULL, NULL)) {
			log_line("# FAIL task %d does not come", p->tid);
			player_forget(p);
			continue;
		}
		while (p->role == ROLE_HAND && p->maker == driver)
			fuzz_pause();
	}
	while (proc_wait_child(PROC_WAIT_ALL, 0, PROC_WNOHANG | PROC_WEXITED | PROC_WALL, &ended) > 0)
		;
}
