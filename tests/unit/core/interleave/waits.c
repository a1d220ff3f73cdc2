/*
 * Waiting in every interleaving: core/wait.c, timer.c, and what ends waits in grant.c, object.c and thread.c themselves. No wake is
 * lost, no wait goes on past an interrupt, a deadline or the loss of its word: from each state all scripts can end.
 */
#include <stddef.h>
#include <tessera/errno.h>
#include "threads.h"
#include "wait.h"
#include "../../harness.h"

#define A (FRAME_FIRST)
#define B (FRAME_FIRST + 1)
#define WORD 0u
#define OTHER 64u              /* offsets of two words */

static struct { i64 result[PROCESSORS_MAX]; } kept;

/* ---- Worlds: thread 0 (and 1) are of HOLDER, who was granted frame A; the others of OWNER ------------------------------------------ */

static void world(void)
{
	machine_create(3);
	threads_create(3, OWNER);
	threads[0].domain = &domains[HOLDER];
	wait_init();
	__builtin_memset(&kept, 0, sizeof(kept));
	interleave_keep(&kept, sizeof(kept));
	CHECK(token_grant(OWNER, machine_token(OWNER, A), HOLDER, TK_MODE_READ) == 0);
}

static void two_world(void)
{
	world();
	threads[1].domain = &domains[HOLDER];
}

static void owner_world(void)
{
	world();
	threads[0].domain = &domains[OWNER];
}

static void pair_world(void)
{
	world();
	CHECK(token_grant(OWNER, machine_token(OWNER, B), HOLDER, TK_MODE_READ) == 0);
}

static void object_world(void)
{
	const struct tk_object_create request = { .type = TK_OBJECT_WATCHES, .frame_count = 2, .frames = { A, B } };

	machine_create(3);
	threads_create(3, OWNER);
	threads[0].domain = &domains[HOLDER];
	wait_init();
	CHECK((vaddr_t)object_create(OWNER, &request) == machine_token(OWNER, A));
	CHECK(token_grant(OWNER, machine_token(OWNER, A), HOLDER, TK_MODE_READ) == 0);
}

/* ---- Scripts ------------------------------------------------------------------------------------------------------------------------ */

static vaddr_t word_of(u32 domain, u32 offset) { return machine_token(domain, A) + offset; }

/* As every wait is used: until the word says so. */
static void wait_for_word(void)
{
	while (word_load(HOLDER, A, WORD) == 0)
		(void)word_wait(word_of(HOLDER, WORD), 0, 0, NANOS_NEVER);
}
static void write_and_wake(void)
{
	word_store(OWNER, A, WORD, 1);
	word_wake(word_of(OWNER, WORD), ~0u);
}
static void write_and_wake_two(void)
{
	word_store(OWNER, A, WORD, 1);
	word_wake(word_of(OWNER, WORD), 1);
	word_wake(word_of(OWNER, WORD), 1);
}

static void wait_once(void) { kept.result[interleave_self()] = word_wait(word_of(HOLDER, WORD), 0, 0, NANOS_NEVER); }
static void interrupt(void) { EXPECT(thread_interrupt(&threads[0], TK_INTERRUPT_SIGNAL) == 0); }
static void was_interrupted(void) { EXPECT(kept.result[0] == -EINTR); }
static void ended_once(void)
{
	EXPECT(kept.result[0] == 0 || kept.result[0] == -EINTR || kept.result[0] == -EAGAIN);
	EXPECT(!threads[0].wait.bucket && list_empty(&threads[0].wait.link));
}

static void revoke_everyone(void) { EXPECT(token_revoke(OWNER, machine_token(OWNER, A), TK_EVERYONE) == 0); }
static void revoke_holder(void) { EXPECT(token_revoke(OWNER, machine_token(OWNER, A), HOLDER) == 0); }
static void destroy(void) { EXPECT(object_destroy(OWNER, machine_token(OWNER, A)) == 0); }
static void lost_its_word(void) { EXPECT(kept.result[0] == -ECANCELED || kept.result[0] == -EAGAIN); }
/* The owner keeps its word, and its wait, when a holder loses it. */
static void owner_waits_once(void) { kept.result[interleave_self()] = word_wait(word_of(OWNER, WORD), 0, 0, NANOS_NEVER); }
static void owner_was_woken(void) { EXPECT(kept.result[0] == 0 || kept.result[0] == -EAGAIN); }

/* Moved to the other word, the thread is woken there; whoever wakes the first word no longer finds it. */
static void requeue(void)
{
	struct tk_requeue request = { .word = (const volatile u32 *)word_of(OWNER, WORD), .to = (const volatile u32 *)word_of(OWNER, OTHER),
		.expected = 0, .wake = 0, .move = 1, .flags = TK_REQUEUE_COMPARE };

	kept.result[1] = wait_requeue(thread_self(), &request);
	EXPECT(kept.result[1] == 0 || kept.result[1] == 1);
	if (kept.result[1] == 1)
		word_wake(word_of(OWNER, OTHER), 1);
}
static void requeued_or_interrupted(void)
{
	ended_once();
	EXPECT(kept.result[1] == 1 || kept.result[0] == -EINTR);
}

/* The waiter is moved to a word that it loses: it is not left there. Where it was not moved, it is interrupted. */
static void requeue_to_b(void)
{
	struct tk_requeue request = { .word = (const volatile u32 *)word_of(OWNER, WORD),
		.to = (const volatile u32 *)machine_token(OWNER, B), .wake = 0, .move = 1 };

	kept.result[1] = wait_requeue(thread_self(), &request);
	EXPECT(kept.result[1] == 0 || kept.result[1] == 1);
	if (kept.result[1] == 0)
		interrupt();
}
static void revoke_b(void) { EXPECT(token_revoke(OWNER, machine_token(OWNER, B), HOLDER) == 0); }

/* The bucket was used and found empty before: what looks for its waiters finds the next one all the same. */
static void refused_then_waits(void)
{
	(void)word_wait(word_of(HOLDER, WORD), 1, 0, NANOS_NEVER);
	wait_once();
}
static void revoke_b_then_a(void)
{
	revoke_b();
	revoke_holder();
}

static void ended_by_either(void) { EXPECT(kept.result[0] == (kept.result[1] ? -ECANCELED : -EINTR)); }

/* The first wait has a deadline; then the thread has moved to another processor, and the first one's timer must not end its second wait. */
static void wait_twice(void)
{
	kept.result[0] = word_wait(word_of(HOLDER, WORD), 0, 0, 2000);
	EXPECT(kept.result[0] == 0 || kept.result[0] == -ETIMEDOUT || kept.result[0] == -EAGAIN);
	machine_act_as(1);
	long second = word_wait(word_of(HOLDER, OTHER), 0, 0, NANOS_NEVER);
	EXPECT(second == 0 || second == -EAGAIN);
}
static void write_and_wake_each(void)
{
	machine_act_as(2);
	write_and_wake();
	word_store(OWNER, A, OTHER, 1);
	word_wake(word_of(OWNER, OTHER), ~0u);
}
static void time_passes(void)
{
	machine_time_set(3000);
	machine_act_as(0);
	timer_arrived();
}
static void nothing_armed(void) { EXPECT(!threads[0].wait.timer.armed && !threads[0].expiring && !threads[0].wait.bucket); }
static void timer_alone(void)
{
	kept.result[0] = word_wait(word_of(HOLDER, WORD), 0, 0, 2000);
	EXPECT(kept.result[0] == -ETIMEDOUT);
}
/* The interrupt of the thread's own processor comes until the wait has ended. */
static void time_passes_until_it_ends(void)
{
	machine_time_set(3000);
	machine_act_as(0);
	while (!kept.result[0]) {
		timer_arrived();
		interleave_relax();
	}
}
static void nothing(void) { }

static const struct interleave tests[] = {
	{ "wake", 2, false, world, { wait_for_word, write_and_wake }, NULL, NULL },
	{ "wake of two, one by one", 3, false, two_world, { wait_for_word, wait_for_word, write_and_wake_two }, NULL, NULL },
	{ "interrupt", 2, false, world, { wait_once, interrupt }, NULL, was_interrupted },
	{ "interrupt and wake", 3, false, world, { wait_once, interrupt, write_and_wake }, NULL, ended_once },
	{ "revoke from all", 3, false, world, { wait_once, revoke_everyone, nothing }, NULL, lost_its_word },
	{ "revoke from one", 3, false, world, { wait_once, revoke_holder, nothing }, NULL, lost_its_word },
	{ "destroy", 3, false, object_world, { wait_once, destroy, nothing }, NULL, lost_its_word },
	{ "requeue, wake and interrupt", 3, false, world, { wait_once, requeue, interrupt }, NULL, requeued_or_interrupted },
	{ "requeue to a word that is revoked", 3, false, pair_world, { wait_once, requeue_to_b, revoke_b }, NULL, ended_by_either },
	{ "revoke, where nobody waits yet, and again", 3, false, pair_world, { refused_then_waits, revoke_b_then_a, nothing }, NULL, lost_its_word },
	{ "deadline", 2, false, world, { timer_alone, time_passes_until_it_ends }, NULL, nothing_armed },
	{ "deadline, wake, and the next wait", 3, false, world, { wait_twice, write_and_wake_each, time_passes }, NULL, nothing_armed },
	{ "revoke from a holder, the owner waits", 3, false, owner_world, { owner_waits_once, revoke_holder, write_and_wake }, NULL,
		owner_was_woken },
};

static void waits_in_every_order(void) { CHECK(interleave_explore_all(tests, countof(tests), false)); }
static void waits_with_delayed_stores(void) { CHECK(interleave_explore_all(tests, countof(tests), true)); }

TEST_MAIN(TEST(waits_in_every_order), TEST(waits_with_delayed_stores))
