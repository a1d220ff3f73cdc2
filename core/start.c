/*
 * First entries of units. At boot the boot thread enters each unit in order of level and then starts the units' own threads; later it
 * waits for the one unit that nobody else can restart, super. Other units are restarted by the thread of super that asks for it.
 */
#include "assert.h"
#include "cpu.h"
#include "detach.h"
#include "domain.h"
#include "frame.h"
#include "log.h"
#include "sched.h"
#include "thread.h"
#include "wait.h"
#include <arch/context.h>
#include <arch/page.h>
#include <arch/time.h>
#include <tessera/arch.h>
#include <tessera/errno.h>

#define START_OP (~0u)
#define UNIT_THREADS_MAX 32

static struct thread *boot_thread;
static u32 next_level, next_domain = 1; /* the boot thread's place */
static volatile u32 super_events; /* super has failed, or a thread has left it since: it may be time to restart it */
static struct { struct thread *thread; bool wanted; } unit_threads[UNIT_THREADS_MAX];
static u32 unit_thread_count;
static struct spinlock unit_threads_lock; /* who clears `wanted` starts the thread: the restart, or the end of the thread's former life */

/* A unit's own thread, or for no unit the one that starts all. Those that restart units run ahead of all programs. */
static struct thread *thread_make(u32 domain, u32 index)
{
	struct thread *t = thread_create_boot();

	t->owner = domain;
	t->main_argument = index;
	if (domain == 0 || domain == boot_manifest.super_domain) {
		t->policy = TK_POLICY_FIFO;
		t->priority = 99;
	}
	return t;
}

/* Objects of boot memory, before it is sealed. */
void start_prepare(void)
{
	boot_thread = thread_make(0, 0);
	detach_prepare();
	for (u32 d = 1; d < domain_count; d++)
		for (u32 i = 0; i < domains[d].unit->threads; i++) {
			core_assert(unit_thread_count < UNIT_THREADS_MAX);
			unit_threads[unit_thread_count++].thread = thread_make(d, i);
		}
}

/* Starts a thread that is wanted, unless it is still on its way out. */
static void thread_try(u32 i)
{
	struct thread *t = unit_threads[i].thread;

	spin_lock(&unit_threads_lock);
	bool starts = unit_threads[i].wanted && __atomic_load_n(&t->lives, __ATOMIC_SEQ_CST) == 0;
	if (starts) {
		unit_threads[i].wanted = false;
		t->state = THREAD_NEW;
	}
	spin_unlock(&unit_threads_lock);
	if (starts && thread_start(t))
		core_log("unit %s: its thread %u could not be started", domains[t->owner].page->name, i);
}

static void threads_start(u32 domain)
{
	for (u32 i = 0; i < unit_thread_count; i++)
		if (unit_threads[i].thread->owner == domain) {
			/* Sequentially consistent: wanted before its lives are looked at; its processor ends them, then looks at wanted. */
			__atomic_store_n(&unit_threads[i].wanted, true, __ATOMIC_SEQ_CST);
			thread_try(i);
		}
}

void start_thread_ended(const struct thread *t)
{
	for (u32 i = 0; i < unit_thread_count; i++)
		if (unit_threads[i].thread == t && __atomic_load_n(&unit_threads[i].wanted, __ATOMIC_SEQ_CST))
			thread_try(i);
}

/* One change wins: a unit can fail while it is started. */
static bool domain_change_state(struct domain *d, u32 from, u32 to)
{
	/* Release: what was prepared for the state is seen by whoever sees it. */
	bool changes = __atomic_compare_exchange_n(&d->state, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);

	if (changes)
		domain_show_state(d);
	return changes;
}

static void enter_start(struct thread *t, struct domain *d)
{
	struct tk_request request = { .args = { d->private + ARCH_UNIT_BOOT }, .interface = TK_INTERFACE_CORE, .op = START_OP,
		.thread = t->id };
	long error;

	/* A call that began before the unit failed may hold a stack for a moment, until it sees that the gate is closed. */
	while ((error = activation_upcall(t, d, ACTIVATION_START, &request)) == -EBUSY)
		arch_tlb_serve();
	core_assert(error == 0);
	detach_start_begin(t);
}

/* The domain behind the boot thread's place, NULL when all were started. */
static struct domain *next_to_start(void)
{
	for (; next_level < 16; next_level++, next_domain = 1)
		for (; next_domain < domain_count; next_domain++)
			if (domains[next_domain].level == next_level)
				return &domains[next_domain++];
	return NULL;
}

/* Whoever was in it may be in a call that it made, whose effects it is to find complete. One restarter wins. */
static long restart_begin(struct domain *d)
{
	for (u32 i = 0; i < d->stack_count; i++)
		if (!(d->stacks_free >> i & 1) && d->stack_users[i] && d->state == TK_DOMAIN_FAILED)
			return -EAGAIN;
	if (!domain_change_state(d, TK_DOMAIN_FAILED, TK_DOMAIN_RESTARTING))
		return -EBUSY;
	/* Commit. */
	d->restarts++;
	/* Every processor has left the domain then: domain_fail interrupted them all and this one waits for their answers. */
	arch_tlb_flush(ARCH_TLB_EVERYONE, 0, ARCH_TLB_ALL_PAGES);
	unit_reload(d);
	return 0;
}

void start_step(struct thread *t)
{
	static bool started;
	struct domain *d = next_to_start(), *super = &domains[boot_manifest.super_domain];
	/* Sequentially consistent: counted after what restart_begin looks at has changed. */
	u32 events = __atomic_load_n(&super_events, __ATOMIC_SEQ_CST);

	if (d == NULL && !started) {
		started = true;
		for (u32 i = 1; i < domain_count; i++)
			threads_start(i);
	}
	if (d == NULL && restart_begin(super) == 0)
		d = super;
	if (d) {
		enter_start(t, d);
		return;
	}
	t->resume = RESUME_BOOT;
	(void)wait_park(t, wait_key_of_object(t->frame, 0), &super_events, events); /* it did not: the next step sees why */
}

void start_super_changed(void)
{
	__atomic_fetch_add(&super_events, 1, __ATOMIC_SEQ_CST);
	wait_wake_key(wait_key_of_object(boot_thread->frame, 0), 1, ~0u);
}

void domain_started(struct thread *t, struct domain *d, long result)
{
	bool boot = t == boot_thread;

	detach_start_end(t);
	if (result < 0)
		core_log("unit %s: its start failed (%ld)", d->page->name, result);
	if (domain_change_state(d, TK_DOMAIN_RESTARTING, result < 0 ? TK_DOMAIN_STOPPED : TK_DOMAIN_RUNNING) && (!boot || next_level >= 16))
		threads_start(d->id);
	if (boot) {
		core_assert(result == 0 || d->restarts);
		t->resume = RESUME_BOOT;
	}
}

long domain_restart(struct thread *t, struct domain *d)
{
	long error = d->class == 0 ? -EINVAL : restart_begin(d);

	if (error)
		return error;
	enter_start(t, d);
	arch_cpu()->reschedule = true;
	return 0;
}

long domain_end(struct domain *d, u32 state)
{
	if (state == TK_DOMAIN_FAILED && (d->state == TK_DOMAIN_RUNNING || d->state == TK_DOMAIN_RESTARTING)) {
		domain_fail(d, 0, 0, 0, 0);
		return 0;
	}
	return state == TK_DOMAIN_STOPPED && domain_change_state(d, TK_DOMAIN_FAILED, state) ? 0 : -EBUSY;
}

noreturn_fn void start_run(void)
{
	struct cpu *cpu = arch_cpu();

	boot_thread->resume = RESUME_BOOT;
	boot_thread->state = THREAD_NEW;
	boot_thread->accounted = arch_nanos();
	sched_wake(boot_thread);
	cpu->reschedule = true;
	arch_resume();
}
