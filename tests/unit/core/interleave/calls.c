/*
 * Calls and the failure of who serves them, in every interleaving: core/activation.c, failure.c, start.c, detach.c and the way out of
 * call.c themselves, with the fast paths of entry.c. Each call gets one answer; no stack is given twice or lost; who waits for a stack is
 * not forgotten; code of a unit's former life does not run on; a killed thread leaves its call to an orphan, which ends.
 */
#include <stddef.h>
#include <tessera/boot.h>
#include <tessera/errno.h>
#include "detach.h"
#include "entry.h"
#include "log.h"
#include "threads.h"
#include "wait.h"
#include <arch/time.h>
#include "../../harness.h"

#define GATE_SERVER 1u
#define GATE_DEEPER 2u
#define CALL(gate) ((gate) << 8)
#define CALL_OUT(gate) ((gate) << 8 | 1u << 16)    /* the operation with a parameter that comes back: by the slow paths */
#define DONE 42
#define WORD (FRAME_FIRST)
#define STACKS_MAX 2u
#define ORPHANS 80u            /* first frame of the core's orphans */

enum body { REPLIES, FAULTS, WAITS, WAITS_AGAIN, CALLS_DEEPER };

static struct {
	u64 users[MACHINE_DOMAINS][STACKS_MAX];  /* by domain and stack: thread + 1 whose code runs on it */
	u64 lives[MACHINE_DOMAINS];              /* images loaded */
	u64 answers[PROCESSORS_MAX];
	i64 result[PROCESSORS_MAX];
	u64 ended;
} kept;

/* ---- The world: OWNER calls HOLDER, which may call GUEST ---------------------------------------------------------------------------- */

static const u64 ops[] = { 0, TK_PARAM_OUT | 1 << 6 };
static const struct tk_manifest_interface server_interface = { "server", ops, countof(ops), GATE_SERVER };
static const struct tk_manifest_interface deeper_interface = { "deeper", ops, countof(ops), GATE_DEEPER };
static const struct tk_manifest_unit units[MACHINE_DOMAINS] = {
	[OWNER] = { .name = "caller", .gates_allowed = { 1u << GATE_SERVER } },
	[HOLDER] = { .name = "server", .interfaces = &server_interface, .interface_count = 1, .gates_allowed = { 1u << GATE_DEEPER } },
	[GUEST] = { .name = "deeper", .interfaces = &deeper_interface, .interface_count = 1 },
};
const struct tk_manifest boot_manifest = { .super_domain = 99 };
static struct gate *gate_table[TK_GATES_MAX];
static struct tk_domain_page pages[MACHINE_DOMAINS];

static u64 all_stacks(u32 id) { return (1ull << domains[id].stack_count) - 1; }

static void domain_prepare(u32 id, u32 stacks)
{
	struct domain *d = &domains[id];

	d->unit = &units[id];
	d->page = &pages[id];
	d->frame = 100 + id;
	d->gate_table = gate_table;
	d->stack_count = stacks;
	d->stacks_free = all_stacks(id);
	domain_show_state(d);
}

static void world(u32 stacks)
{
	machine_create(3);
	machine_ipis = true;
	gates[GATE_SERVER] = (struct gate){ &domains[HOLDER], ops, 0, 0 };
	gates[GATE_DEEPER] = (struct gate){ &domains[GUEST], ops, 0, 0 };
	gate_table[GATE_SERVER] = &gates[GATE_SERVER];
	gate_table[GATE_DEEPER] = &gates[GATE_DEEPER];
	abi_domain = &domains[OWNER];
	wait_init();
	for (u32 id = OWNER; id < MACHINE_DOMAINS; id++)
		domain_prepare(id, id == HOLDER ? stacks : STACKS_MAX);
	threads_create(3, OWNER);
	detach_prepare();
	__builtin_memset(&kept, 0, sizeof(kept));
	interleave_keep(&kept, sizeof(kept));
	CHECK(token_grant(OWNER, machine_token(OWNER, WORD), HOLDER, TK_MODE_READ) == 0);
}

static void two_stacks(void) { world(2); }
static void one_stack(void) { world(1); }
/* Thread 0 is a program's that was looked at before. */
static void program_world(void)
{
	world(2);
	threads[0].application = true;
	threads[0].looks = 4;
}

/* ---- Stand-ins ------------------------------------------------------------------------------------------------------------------------ */

paddr_t frame_boot_alloc(u64 count)
{
	(void)count;
	return ORPHANS * PAGE_SIZE;
}
void core_log(const char *format, ...) { (void)format; }
void arch_timer_set(nanos_t deadline) { (void)deadline; }
void arch_thread_init(struct thread *t, struct arch_vector *vector) { (void)t, (void)vector; }
void arch_vector_end(struct arch_vector *v) { (void)v; }
void arch_thread_continue(struct thread *to, const struct thread *from) { (void)to, (void)from; }
void arch_set_syscall_result(struct thread *t, u64 result) { (void)t, (void)result; }

/* The unit has a new life: nobody's code is in it. */
void unit_reload(struct domain *d)
{
	kept.lives[d->id]++;
	for (u32 i = 0; i < STACKS_MAX; i++)
		kept.users[d->id][i] = 0;
	domain_stacks_return(d);
}

/* ---- Threads in units ----------------------------------------------------------------------------------------------------------------- */

void resume_prepare(void);

/* The current thread's code in a unit comes to a point where an interrupt may take it into the core: true when it did. */
static bool interrupted(struct thread *t)
{
	if (!machine_ipi_take())
		return false;
	arch_tlb_serve();
	thread_stop(t, RESUME_SERVICE);
	return true;
}

/* A stack is used by one, in one life of its domain. */
static void stack_check(const struct thread *t, u64 life)
{
	const struct activation *a = t->top;
	u64 *user = &kept.users[a->domain->id][a->stack];

	EXPECT(life == kept.lives[a->domain->id]);
	EXPECT(*user == 0 || *user == interleave_self() + 1 || (t->origin == &threads[0] && *user == 1));
	EXPECT(!(a->domain->stacks_free >> a->stack & 1));
	*user = interleave_self() + 1;
}

/* The thread is out of all calls, whoever ends them: its stacks are not its own any more. */
static void stacks_leave(void)
{
	for (u32 id = 0; id < MACHINE_DOMAINS; id++)
		for (u32 i = 0; i < STACKS_MAX; i++)
			if (kept.users[id][i] == interleave_self() + 1)
				kept.users[id][i] = 0;
}

static void stack_leave(const struct thread *t) { kept.users[t->top->domain->id][t->top->stack] = 0; }

/* The code of a unit that was entered: what it does until it leaves, and how. `step` counts what it did in this call. */
static enum entry_way body_run(struct thread *t, enum body body, u32 *step)
{
	u64 life = kept.lives[t->domain->id];

	stack_check(t, life);
	interleave_relax();
	if (interrupted(t))
		return ARCH_RESUME;
	stack_check(t, life);
	(*step)++;
	if (body == FAULTS) {
		thread_stop(t, RESUME_SERVICE);
		domain_fail(t->domain, 13, 0, 0, 0);
		return ARCH_RESUME;
	}
	if ((body == WAITS && *step == 1) || (body == WAITS_AGAIN && *step <= 2 && !t->origin)) {
		thread_stop(t, RESUME_CALL);
		thread_wait_begin(t, machine_token(t->domain->id, WORD), TK_WAIT_NEVER_INTERRUPTED);
		return ARCH_RESUME;
	}
	if (body == CALLS_DEEPER && *step == 1) {
		const u64 words[TK_ARGS_MAX] = { 0 };
		return entry_gate_call(t, CALL(GATE_DEEPER), words);
	}
	stack_leave(t);
	return entry_unit_reply(t, DONE);
}

/* Goes on until the thread is back in its caller; who is deeper than the server just replies. */
static void thread_run(struct thread *t, enum entry_way way, enum body body)
{
	const struct domain *home = t->origin ? NULL : t->activations[0].domain;
	u32 step = 0;

	for (;;) {
		if (way == ARCH_RESUME)
			resume_prepare();
		if (t->domain == home || t->state == THREAD_EXITED)
			return stacks_leave();
		u32 other = 1;
		way = t->domain->id == HOLDER ? body_run(t, body, &step) : body_run(t, REPLIES, &other);
	}
}

static void call_server(u32 number, enum body body)
{
	struct thread *t = thread_self();
	const u64 words[TK_ARGS_MAX] = { t->domain->private }; /* no bytes from there */

	thread_run(t, entry_gate_call(t, number, words), body);
	EXPECT(t->top == t->activations);
	kept.answers[interleave_self()]++;
	kept.result[interleave_self()] = (long)t->result;
}

static void caller_replied(void) { call_server(CALL(GATE_SERVER), REPLIES); }
static void caller_slow(void) { call_server(CALL_OUT(GATE_SERVER), REPLIES); }
static void caller_faults(void) { call_server(CALL(GATE_SERVER), FAULTS); }
static void caller_waits(void) { call_server(CALL(GATE_SERVER), WAITS); }
static void caller_waits_again(void) { call_server(CALL(GATE_SERVER), WAITS_AGAIN); }
static void caller_deeper(void) { call_server(CALL(GATE_SERVER), CALLS_DEEPER); }

static void failure_await(void)
{
	while (__atomic_load_n(&domains[HOLDER].state, __ATOMIC_ACQUIRE) != TK_DOMAIN_FAILED) {
		arch_tlb_serve();
		interleave_relax();
	}
}

/* As super's thread: waits for the failure, then enters the unit's start. */
static void restarter(void)
{
	struct thread *t = thread_self();

	long result;

	failure_await();
	while ((result = domain_restart(t, &domains[HOLDER])) == -EAGAIN) { /* somebody is still on the way out */
		arch_tlb_serve();
		interleave_relax();
	}
	EXPECT(result == 0);
	thread_run(t, ARCH_RESUME, REPLIES);
	EXPECT(domains[HOLDER].state == TK_DOMAIN_RUNNING);
}

/* The same, and as often as the unit's page tells a failure. */
static void restarter_again(void)
{
	struct thread *t = thread_self();

	failure_await();
	while (kept.ended < 2 || pages[HOLDER].state != TK_DOMAIN_RUNNING) {
		if (pages[HOLDER].state == TK_DOMAIN_FAILED && domain_restart(t, &domains[HOLDER]) == 0)
			thread_run(t, ARCH_RESUME, REPLIES);
		arch_tlb_serve();
		interleave_relax();
	}
}

/* Ends the unit as it runs, and once more on its way back or later. */
static void ender(void)
{
	for (; kept.ended < 2; kept.ended++)
		while (domain_end(&domains[HOLDER], TK_DOMAIN_FAILED)) {
			arch_tlb_serve();
			interleave_relax();
		}
}

static void stopper(void)
{
	failure_await();
	EXPECT(domain_end(&domains[HOLDER], TK_DOMAIN_STOPPED) == 0);
}

/* Kills thread 0, as the timer goes on to look at it; at last what it waits for comes, too. */
static void killer(void)
{
	EXPECT(thread_interrupt(&threads[0], TK_INTERRUPT_KILL) == 0);
	for (u32 i = 1; i <= 2; i++) {
		machine_time_set(1000 + i * 6000000);
		timer_arrived();
	}
	word_store(OWNER, WORD, 0, 1);
	word_wake(machine_token(OWNER, WORD), ~0u);
}

/* The processor on which an orphan runs, if there is one. */
static void orphan_runner(void)
{
	struct thread *orphan = frame_address(ORPHANS);

	while (!thread_adopt(orphan)) {
		if (kept.answers[0] && kept.result[0] == DONE)
			return;
		arch_tlb_serve();
		interleave_relax();
	}
	EXPECT(orphan->origin == &threads[0]);
	thread_run(orphan, ARCH_RESUME, WAITS_AGAIN);
	EXPECT(orphan->state == THREAD_EXITED);
}

/* ---- What must have come of it ---------------------------------------------------------------------------------------------------------- */

static void stacks_check(u32 id)
{
	const struct domain *d = &domains[id];

	EXPECT(d->stack_waiting == 0 && list_empty(&d->stack_waiters));
	EXPECT(d->state != TK_DOMAIN_RUNNING || d->stacks_free == all_stacks(id));
}

static void answered(u32 caller)
{
	i64 result = kept.result[caller];

	EXPECT(kept.answers[caller] == 1);
	EXPECT(result == DONE || result == -EIO || result == -EAGAIN || result == -EINTR);
}

static void all_answered(void)
{
	answered(0);
	answered(1);
	stacks_check(HOLDER);
	stacks_check(GUEST);
}
static void waiter_came_out(void)
{
	all_answered();
	EXPECT(kept.result[0] == -EIO || kept.result[0] == -EAGAIN);
}

/* What all see of the unit is that it runs. */
static void runs_again(void)
{
	const struct domain *d = &domains[HOLDER];

	answered(0);
	stacks_check(HOLDER);
	EXPECT(d->state == TK_DOMAIN_RUNNING && d->page->state == TK_DOMAIN_RUNNING && gates[GATE_SERVER].op_count == countof(ops));
}

static void killed_and_over(void)
{
	answered(0);
	EXPECT(kept.result[0] == DONE || kept.result[0] == -EINTR);
	EXPECT(threads[0].lives == 2 && !threads[0].expiring);
	stacks_check(HOLDER);
}

static const struct interleave tests[] = {
	{ "reply, fault and restart", 3, true, two_stacks, { caller_replied, caller_faults, restarter }, NULL, all_answered },
	{ "one stack, fault and restart", 3, true, one_stack, { caller_replied, caller_faults, restarter }, NULL, all_answered },
	{ "one stack, fault and stop", 3, false, one_stack, { caller_replied, caller_faults, stopper }, NULL, all_answered },
	{ "slow paths, fault and restart", 3, true, two_stacks, { caller_slow, caller_faults, restarter }, NULL, all_answered },
	{ "wait inside, fault and stop", 3, true, two_stacks, { caller_waits, caller_faults, stopper }, NULL, waiter_came_out },
	{ "wait inside, fault and restart", 3, true, two_stacks, { caller_waits, caller_faults, restarter }, NULL, waiter_came_out },
	{ "deeper call, fault and restart", 3, true, two_stacks, { caller_deeper, caller_faults, restarter }, NULL, all_answered },
	{ "ended while it restarts", 3, true, one_stack, { caller_replied, restarter_again, ender }, NULL, runs_again },
	{ "a killed thread leaves its call", 3, true, program_world, { caller_waits_again, killer, orphan_runner }, NULL, killed_and_over },
	{ "three callers, one stack", 3, true, one_stack, { caller_replied, caller_replied, caller_replied }, NULL, all_answered },
};

/* ---- Without interleaving: whose budget an orphan uses up ------------------------------------------------------------------------------ */

#define LOOKS_ENOUGH 100000u

/* The domain that fails when an orphan in the server is found in a call of the deeper unit again and again: one that never ends, or ever new ones. */
static u32 hung_domain(bool new_calls)
{
	const u64 words[TK_ARGS_MAX] = { 0 };
	struct thread *t = &threads[0];
	u32 looks = 0;

	world(2);
	(void)entry_gate_call(t, CALL(GATE_SERVER), words);
	t->origin = &threads[1];
	(void)entry_gate_call(t, CALL(GATE_DEEPER), words);
	while (looks++ < LOOKS_ENOUGH && domains[HOLDER].state == TK_DOMAIN_RUNNING && domains[GUEST].state == TK_DOMAIN_RUNNING) {
		detach_look_taken(t);
		if (new_calls && domains[GUEST].state == TK_DOMAIN_RUNNING) {
			(void)entry_unit_reply(t, DONE);
			(void)entry_gate_call(t, CALL(GATE_DEEPER), words);
		}
	}
	return domains[GUEST].state == TK_DOMAIN_FAILED ? GUEST : domains[HOLDER].state == TK_DOMAIN_FAILED ? HOLDER : 0;
}

static void a_call_without_end_is_its_servers(void) { CHECK(hung_domain(false) == GUEST); }
static void calls_without_end_are_their_callers(void) { CHECK(hung_domain(true) == HOLDER); }

static void calls_in_every_order(void) { CHECK(interleave_explore_all(tests, countof(tests), false)); }
static void calls_with_delayed_stores(void) { CHECK(interleave_explore_all(tests, countof(tests), true)); }

TEST_MAIN(TEST(a_call_without_end_is_its_servers), TEST(calls_without_end_are_their_callers), TEST(calls_in_every_order), TEST(calls_with_delayed_stores))
