/* Attacks by two threads of the unit at once. */
#include <arch/layout.h>
#include <mem_client.h>
#include <neighbour_client.h>
#include "raider.h"
#include "../neighbour/secret.h"

static enum rewriting rewriting;
static volatile u32 tick;

/* Each tick interrupts the processor of whoever waits for it, where an entry frame then changes under the core's eyes. */
static void job_frames(void)
{
	while (!accomplice_stopped()) {
		tick++;
		(void)tk_wake(&tick, 1, 0, ~0u);
		for (u32 i = 0; i < 20; i++)
			frames_rewrite(rewriting);
	}
}

static void job_tick(void)
{
	while (!accomplice_stopped())
		(void)tk_wait(&tick, tick, clock_monotonic() + 10000000, 0, ~0u);
}

#define NMI_MILLISECONDS 1000u
static u64 entry_text;

static void job_nmi_frames(void)
{
	while (!accomplice_stopped())
		nmi_frames_forge(entry_text);
}

static void job_loop(void)
{
	for (;;)
		__asm__ volatile("");
}

/* Calls, and time to be interrupted, while the entry frames change: the unit may die of it, but never becomes more than it is. */
static long race_frames(void (*job)(void), enum rewriting kind, u64 milliseconds, u64 *detail)
{
	nanos_t end = clock_monotonic() + milliseconds * 1000000ull;
	u32 before = privilege();

	rewriting = kind;
	accomplice_run(0, job);
	accomplice_run(1, job_tick);
	while (clock_monotonic() < end) {
		for (u32 i = 0; i < 1000; i++) {
			if (i % 256 == 0)
				(void)tk_yield();
			*detail = privilege();
			if (*detail != before || !flags_own())
				return 1;
		}
	}
	accomplice_stop();
	return 0;
}

static long race_loop(void)
{
	accomplice_run(0, job_loop);
	for (u32 i = 0; i < 100; i++)
		(void)tk_yield();
	return 0;
}

static long race_reply(void)
{
	accomplice_run(1, accomplice_reply);
	for (u32 i = 0; i < 100; i++)
		(void)tk_yield();
	return 0;
}

/* Runs beside other threads until it must have been interrupted, then tries what was out of reach before. */
static long race_resumed(u64 milliseconds, u64 *detail)
{
	nanos_t end = clock_monotonic() + milliseconds * 1000000ull;

	accomplice_run(0, job_loop);
	accomplice_run(1, job_loop);
	while (clock_monotonic() < end)
		secret_hold(SECRET);
	*detail = *(volatile u64 *)ARCH_IMAGE;
	return 1;
}

static volatile struct tk_requeue requeue;
static volatile u32 word;

/* One caller waits again and again without a deadline, the other wakes it and at some time ends the unit. */
static noreturn_fn void race_wait_begins(u64 wakes)
{
	while (!wakes)
		(void)tk_wait(&word, word, NANOS_NEVER, 0, ~0u);
	for (; wakes; wakes--) {
		word++;
		(void)tk_wake(&word, 1, 0, ~0u);
	}
	__builtin_trap();
}

static void job_request(void)
{
	while (!accomplice_stopped()) {
		requeue.word = (const volatile u32 *)0xfffffe0000001000ul;
		requeue.to = (const volatile u32 *)0xffffffff80000000ul;
		requeue.flags = ~0u;
		requeue.word = requeue.to = &word;
		requeue.flags = TK_REQUEUE_COMPARE;
	}
}

static long race_request(u64 milliseconds)
{
	nanos_t end = clock_monotonic() + milliseconds * 1000000ull;

	accomplice_run(0, job_request);
	while (clock_monotonic() < end)
		for (u32 i = 0; i < 100; i++)
			(void)tk_requeue((const struct tk_requeue *)&requeue);
	accomplice_stop();
	return 0;
}

static u8 bytes[64];

/* One of each: served, refused by the callee, by the gate, by its parameters' checks. */
static void job_flood(void)
{
	struct tk_message message = { { 0 } };
	u64 first, frame;

	while (!accomplice_stopped()) {
		(void)!neighbour_sum(bytes, sizeof(bytes));
		(void)!mem_frames_alloc(99, &frame);
		(void)!neighbour_sum((const void *)ARCH_IMAGE, sizeof(bytes));
		(void)!neighbour_look(0x1000, 8, &first);
		(void)!tk_call(0, 0, &message);
		(void)!tk_call(TK_GATES_MAX - 1, 0xffff, &message);
	}
}

/* Then all that was used is there again. */
static long race_flood(u64 milliseconds, u64 *detail)
{
	nanos_t end = clock_monotonic() + milliseconds * 1000000ull;

	accomplice_run(0, job_flood);
	accomplice_run(1, job_flood);
	for (*detail = 0; clock_monotonic() < end; ++*detail)
		if (neighbour_sum(bytes, sizeof(bytes)) != 0 || neighbour_sum((const void *)ARCH_IMAGE, sizeof(bytes)) >= 0)
			return 1;
	accomplice_stop();
	return 0;
}

static volatile u64 frame_moving;

static void job_free(void)
{
	while (!accomplice_stopped())
		(void)!mem_frames_free(frame_moving, 0);
}

/* The same frame comes and goes: freed on its way here it would be mem's to give and the raider's at once. */
static long race_frames_freed(u64 milliseconds, u64 *detail)
{
	nanos_t end = clock_monotonic() + milliseconds * 1000000ull;
	u64 frame;

	accomplice_run(0, job_free);
	for (*detail = 0; clock_monotonic() < end; ++*detail) {
		if (mem_frames_alloc(0, &frame) < 0)
			return 1;
		frame_moving = frame;
		*(volatile u64 *)token_of_frame(frame) = *detail;
		if (tk_frames_give((frame_t)frame, 1, rt_boot->mem_domain))
			return 1;
		(void)!mem_frames_free(frame, 0); /* or the other has */
	}
	accomplice_stop();
	return 0;
}

/* Two more threads of its own, so that on two processors one runs beside this and is interrupted often. */
static void job_secret(void)
{
	while (!accomplice_stopped())
		secret_hold(SECRET);
}

static long race_saved(u64 milliseconds, u64 *detail)
{
	nanos_t end = clock_monotonic() + milliseconds * 1000000ull;

	bool seen = false;

	accomplice_run(0, job_secret);
	accomplice_run(1, job_secret);
	while (!seen && clock_monotonic() < end)
		seen = registers_seen(SECRET, detail);
	accomplice_stop();
	return seen;
}

long attack_race(u64 index, u64 milliseconds, u64 *detail)
{
	switch (index) {
	case RACE_rights:
		return race_frames(job_frames, REWRITE_RIGHTS, milliseconds, detail);
	case RACE_nowhere:
		return race_frames(job_frames, REWRITE_NOWHERE, milliseconds, detail);
	case RACE_frames:
		return race_frames(job_frames, REWRITE_ALL, milliseconds, detail);
	case RACE_flood:
		return race_flood(milliseconds, detail);
	case RACE_frames_freed:
		return race_frames_freed(milliseconds, detail);
	case RACE_nmi_frames: /* the machine gets NMIs all the time */
		entry_text = milliseconds;
		return race_frames(job_nmi_frames, REWRITE_ALL, NMI_MILLISECONDS, detail);
	case RACE_loop:
		return race_loop();
	case RACE_reply:
		return race_reply();
	case RACE_request:
		return race_request(milliseconds);
	case RACE_resumed:
		return race_resumed(milliseconds, detail);
	case RACE_saved:
		return race_saved(milliseconds, detail);
	case RACE_wait_begins:
		race_wait_begins(milliseconds);
	default:
		return -EINVAL;
	}
}
