/*
 * The end of a killed thread in every interleaving, as a model of core/detach.c, timer.c and thread.c, step by step as they touch memory: the
 * kill plans the looks, so does the thread by a deadline, a timer interrupt makes one and plans the next, the thread and its orphans end, the
 * owner destroys the object. The object is told as ended once, by the last; nothing of it is touched after it was destroyed, and no timer of
 * it stands in a queue, or in two.
 */
#include <string.h>
#include "explore.h"

#define ORPHANS 2u
#define LOOKS 3u

enum { LOOK_NONE, LOOK_PLAN, LOOK_ARM, LOOK_POKE, LOOK_DONE };         /* detach_look, detach_deadline */
enum { END_RUNS, END_MARK, END_DISARM, END_LEFT, END_COUNT, END_PUBLISH, END_OVER, END_GONE };
enum { DESTROY_ASKS, DESTROY_MARK, DESTROY_DISARM, DESTROY_WAIT, DESTROY_DONE };

struct machine {
	u8 armed, expiring, exited, lives, published, destroyed, dying;
	u8 kill, timer, deadline, destroy;     /* where each of them is */
	u8 end[1 + ORPHANS];                   /* the thread, then its orphans */
	u8 orphans, looks;                     /* left behind; interrupts so far */
};

static unsigned long ends;
static u32 found;
static bool no_check, no_lock, no_wait, no_count; /* broken variants, which the test must find */

static void touch(const struct machine *m) { found += m->destroyed; }

/* One step of a look; true while it goes on. */
static bool look_step(struct machine *m, u8 *step)
{
	touch(m);
	switch (*step) {
	case LOOK_PLAN: /* under the thread's look_lock, as is the end's disarming */
		if (m->exited && !no_check) {
			m->armed = false;
			*step = LOOK_DONE;
			return true;
		}
		*step = m->armed ? LOOK_POKE : LOOK_ARM;
		if (no_lock || m->armed)
			return true;
		/* fall through */
	case LOOK_ARM:
		found += m->armed; /* a timer stands in one queue, once */
		m->armed = true;
		*step = LOOK_POKE;
		return true;
	default:
		*step = LOOK_DONE;
		return true;
	}
}

/* The caller of tk_thread_interrupt, who has the object pinned meanwhile. */
static bool kill_step(struct machine *m)
{
	if (m->kill == LOOK_DONE)
		return false;
	if (m->kill == LOOK_NONE) {
		if (m->destroy != DESTROY_ASKS)
			return false; /* claimed: it can't be pinned */
		m->dying = true;
		m->kill = LOOK_PLAN;
		return true;
	}
	return look_step(m, &m->kill);
}

static bool timer_step(struct machine *m)
{
	if (m->timer == LOOK_NONE) {
		if (!m->armed || m->looks == LOOKS)
			return false;
		touch(m);
		m->looks++;
		m->expiring++;
		m->armed = false;
		m->timer = LOOK_PLAN;
		return true;
	}
	if (m->timer == LOOK_DONE) {
		touch(m);
		m->expiring--;
		m->timer = LOOK_NONE;
		return true;
	}
	return look_step(m, &m->timer);
}

/* The thread sets a deadline, once in its life. */
static bool deadline_step(struct machine *m)
{
	if (m->deadline == LOOK_DONE || m->end[0] != END_RUNS)
		return false;
	if (m->deadline != LOOK_NONE)
		return look_step(m, &m->deadline);
	m->deadline = LOOK_PLAN;
	return true;
}

/* The thread (0) or an orphan of it ends. A killed thread may leave a call behind before. */
static bool end_step(struct machine *m, u32 who)
{
	u8 *step = &m->end[who];

	switch (*step) {
	case END_RUNS:
		if (who == 0 && m->deadline != LOOK_NONE && m->deadline != LOOK_DONE)
			return false; /* it is in that call */
		touch(m);
		*step = who ? END_COUNT : END_MARK; /* an orphan has a look of its own */
		return true;
	case END_MARK:
		touch(m);
		m->exited = true;
		*step = END_DISARM;
		return true;
	case END_DISARM:
		touch(m);
		m->armed = false;
		*step = END_LEFT;
		return true;
	case END_LEFT:
		touch(m);
		*step = END_COUNT;
		return true;
	case END_COUNT:
		touch(m);
		m->lives--;
		*step = m->lives == 1 || no_count ? END_PUBLISH : END_GONE;
		return true;
	case END_PUBLISH:
		touch(m);
		m->published++;
		*step = END_OVER;
		return true;
	case END_OVER:
		touch(m);
		m->lives = 0;
		*step = END_GONE;
		return true;
	default:
		return false;
	}
}

static bool leave_step(struct machine *m)
{
	if (!m->dying || m->orphans == ORPHANS || m->end[0] != END_RUNS)
		return false;
	m->end[1 + m->orphans++] = END_RUNS;
	m->lives++;
	return true;
}

static bool destroy_step(struct machine *m)
{
	switch (m->destroy) {
	case DESTROY_ASKS:
		if (m->lives || (m->kill != LOOK_NONE && m->kill != LOOK_DONE))
			return false;
		m->destroy = DESTROY_MARK;
		return true;
	case DESTROY_MARK:
		m->exited = true;
		m->destroy = DESTROY_DISARM;
		return true;
	case DESTROY_DISARM:
		m->armed = false;
		m->destroy = DESTROY_WAIT;
		return true;
	case DESTROY_WAIT:
		if (m->expiring && !no_wait)
			return false;
		found += m->armed;
		m->destroyed = true;
		m->destroy = DESTROY_DONE;
		return true;
	default:
		return false;
	}
}

static bool step(struct machine *m, u32 choice)
{
	switch (choice) {
	case 0: return kill_step(m);
	case 1: return timer_step(m);
	case 2: return leave_step(m);
	case 3: return destroy_step(m);
	case 4: return deadline_step(m);
	default: return end_step(m, choice - 5);
	}
}

static void explore(const struct machine *from)
{
	bool moved = false;

	for (u32 choice = 0; choice < 6 + ORPHANS; choice++) {
		struct machine m = *from;
		if (!step(&m, choice))
			continue;
		moved = true;
		if (!found && explore_visit(&m, sizeof(m)))
			explore(&m);
	}
	if (moved)
		return;
	ends++;
	found += !from->destroyed || from->published != 1 || from->armed; /* it ends, is told once, and is gone */
}

static void run(void)
{
	struct machine start;

	memset(&start, 0, sizeof(start));
	memset(start.end + 1, END_GONE, ORPHANS);
	start.lives = 2;
	explore_begin();
	ends = found = 0;
	explore(&start);
	explore_end();
}

static void killed_thread_ends_once(void)
{
	run();
	CHECK(explore_states > 1000 && ends && !found);
}

static void broken_variants_are_found(void)
{
	bool *const variants[] = { &no_check, &no_lock, &no_wait, &no_count };

	for (u32 i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		*variants[i] = true;
		run();
		CHECK(found > 0);
		*variants[i] = false;
	}
}

TEST_MAIN(TEST(killed_thread_ends_once), TEST(broken_variants_are_found))
