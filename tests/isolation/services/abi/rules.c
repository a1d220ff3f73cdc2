/* What the core refuses: by the owner of memory (services/mem/rules.c), and to this unit, with objects that are another's. */
#include <mem_client.h>
#include <target_client.h>
#include <tessera/arch.h>
#include "helpers.h"
#include <tap.h>

#define AT 0x40000000ul
#define KERNEL_HALF 0xffff800000000000ul
#define PATIENCE 10000000000ull   /* ns */
#define NOWHERE 0xffff7ffffffff000ul     /* no unit's address */

static volatile u32 first, second;
static u32 trouble; /* of helpers */

static void owner_of_memory(void)
{
	long mistakes = 0;

	for (u32 number = 0; (mistakes = mem_rule(number)) != -ENOENT; number++)
		CHECK(mistakes == 0);
}

static vaddr_t lent(u32 what)
{
	u64 frame = 0;

	CHECK(mem_lend(what, &frame) == 0);
	return token_of_frame(frame);
}

static void anothers_space_is_used_but_not_changed(void)
{
	vaddr_t space = lent(TK_OBJECT_VSPACE);
	struct tk_field_write write = { TK_FIELD_VSPACE_FAULTS, 0, 1 };
	frame_t frame = 1;
	u8 bytes[8];

	CHECK(tk_object_write(space, &write, 1) == -EPERM && tk_object_destroy(space) == -EPERM && tk_object_renew(space, 0) == -EPERM);
	CHECK(tk_grant(space, rt_boot->mem_domain, TK_MODE_READ) == -EPERM && tk_revoke(space, TK_EVERYONE) == -EPERM);
	CHECK(tk_map(&(struct tk_map){ space, AT, 1, TK_PROT_READ, &frame }) == -EINVAL && tk_query(space, AT) == -EINVAL);
	CHECK(tk_heap_map(0, 0, &frame, 1) == -EPERM && tk_reserve_fill(NULL, 0) == -EPERM && tk_memory_online(0) == -EPERM && tk_client_get() == -EPERM);
	CHECK(tk_frames_reclaim(rt_boot->mem_domain, 1) == -EPERM && tk_domain_restart(space) == -EPERM && tk_domain_end(space, 2) == -EPERM);
	CHECK(tk_client_set(space + PAGE_SIZE) == -EINVAL && tk_wait((u32 *)AT, 0, 0, TK_WAIT_CLIENT, ~0u) == -EPERM && tk_client_set(space) == 0);
	CHECK(tk_copy_in(bytes, AT, 8) <= 0 && tk_copy_out(AT, bytes, 8) <= 0 && tk_copy_in(bytes, rt_boot->user_limit, 8) <= 0);
	CHECK(tk_wait((u32 *)AT, 0, 0, TK_WAIT_CLIENT, ~0u) == -EFAULT && tk_wait((u32 *)rt_boot->user_limit, 0, 0, TK_WAIT_CLIENT, ~0u) == -EFAULT);
	CHECK(tk_wake((u32 *)AT, 1, TK_WAIT_CLIENT | TK_WAIT_SHARED, ~0u) == -EFAULT && tk_wake((u32 *)AT, 1, TK_WAIT_CLIENT, ~0u) == 0);
	CHECK(mem_take_back() == -EBUSY && tk_client_set(0) == 0 && mem_take_back() == 0);
	CHECK(tk_client_set(space) == -EINVAL && tk_wait((u32 *)(space + 64), 0, NANOS_NEVER, 0, ~0u) == -ECANCELED);
}

static void registers_are_checked(void)
{
	struct tk_field_write write = { TK_FIELD_THREAD_POLICY, 0, TK_POLICY_FIFO | 3 << 8 };
	vaddr_t thread = lent(TK_OBJECT_THREAD);
	struct tk_regs regs;

	CHECK(tk_object_write(thread, &write, 1) == 0 && tk_thread_regs_get(thread, &regs) == 0);
	CHECK(tk_thread_regs_get(thread, (struct tk_regs *)NOWHERE) == -EFAULT && tk_thread_regs_get(thread + PAGE_SIZE, &regs) == -EINVAL);
	CHECK(tk_thread_regs_set(thread, &regs, TK_VECTOR_KEEP, 0, 0) == 0 && tk_thread_regs_set(thread, &regs, TK_VECTOR_RESET, 0, 0) == -EINVAL);
	CHECK(tk_thread_regs_set(thread, (struct tk_regs *)NOWHERE, TK_VECTOR_KEEP, 0, 0) == -EFAULT && tk_thread_regs_set(thread, &regs, 77, 0, 0) == -EINVAL);
	regs.rip = regs.fs_base = 1ul << 62;
	CHECK(tk_thread_regs_set(thread, &regs, TK_VECTOR_KEEP, 0, 0) == -EPERM);
	regs.gs_base = regs.fs_base;
	regs.fs_base = 0;
	CHECK(tk_thread_regs_set(thread, &regs, TK_VECTOR_KEEP, 0, 0) == -EPERM);
	regs.gs_base = 0;
	CHECK(tk_thread_regs_set(thread, &regs, TK_VECTOR_KEEP, 0, 0) == 0 && tk_thread_regs_get(thread, &regs) == 0 && regs.rip == rt_boot->user_limit);
	CHECK(tk_thread_interrupt(thread, TK_INTERRUPT_KILL) == 0 && tk_thread_interrupt(thread, TK_INTERRUPT_KILL) == 0 && mem_take_back() == 0);
	CHECK(tk_thread_start(thread) == -EINVAL && tk_thread_interrupt(thread, 0) == -EINVAL);
}

static volatile u32 arrived, let_go, gone;

void program_run(void)
{
	arrived++;
	tk_wake(&arrived, 1, 0, ~0u);
	while (!let_go)
		tk_wait(&let_go, 0, NANOS_NEVER, TK_WAIT_NEVER_INTERRUPTED, ~0u);
	tk_thread_exit(&gone);
}

/* Waits until a word has a value, for ten seconds. */
static bool word_becomes(const volatile u32 *word, u32 value)
{
	nanos_t deadline = clock_monotonic() + PATIENCE;

	for (u32 seen = *word; seen != value; seen = *word)
		if (tk_wait(word, seen, deadline, 0, ~0u) == -ETIMEDOUT)
			return false;
	return true;
}

#define EXITED 3u

static void threads_end_and_begin_again(void)
{
	vaddr_t thread = lent(TK_OBJECT_THREAD);
	const volatile struct tk_thread_page *page = (struct tk_thread_page *)thread;
	struct tk_field_write write = { TK_FIELD_THREAD_POLICY, 0, TK_POLICY_FIFO | 3 << 8 };
	struct tk_regs regs;

	for (u32 life = 1; life <= 2; life++) {
		let_go = gone = 0;
		CHECK(mem_renew(1) == -EBUSY && tk_object_write(thread, &write, 1) == 0 && tk_thread_start(thread) == 0 && tk_thread_start(thread) == -EBUSY);
		CHECK(word_becomes(&arrived, life) && mem_take_back() == -EBUSY && mem_renew(1) == -EBUSY);
		CHECK(tk_thread_interrupt(thread, TK_INTERRUPT_SIGNAL) == 0);
		for (nanos_t end = clock_monotonic() + PATIENCE; tk_thread_regs_get(thread, &regs) == -EBUSY && clock_monotonic() < end;)
			tk_yield(); /* until it waits */
		CHECK(tk_thread_regs_get(thread, &regs) == 0 && regs.rip == 0);
		let_go = 1;
		tk_wake(&let_go, 1, 0, ~0u);
		CHECK(word_becomes(&page->state, EXITED) && gone == 1 && tk_thread_regs_get(thread, &regs) == -EBUSY);
		CHECK(mem_renew(0) == -EINVAL && (life == 2 || mem_renew(1) == 0));
	}
	CHECK(mem_take_back() == 0);
}

static void job_waits(void)
{
	if (tk_wait(&first, 0, clock_monotonic() + PATIENCE, 0, 1) < 0)
		__atomic_add_fetch(&trouble, 1, __ATOMIC_RELAXED); /* read after helpers_wait, which orders it */
}

/* Moves all helpers from one word to another, as they come, then wakes them there. */
static void waiters_are_moved(void)
{
	struct tk_requeue r = { &first, &second, 0, 0, 1, TK_REQUEUE_COMPARE };
	nanos_t deadline = clock_monotonic() + PATIENCE;
	long moved = 0;

	trouble = 0;
	helpers_start(job_waits);
	while (moved < HELPERS && clock_monotonic() < deadline) {
		CHECK(tk_wake(&first, ~0u, 0, 2) == 0); /* of another bit set */
		moved += tk_requeue(&r);
		tk_yield();
	}
	r.to = &first;
	r.word = &second;
	CHECK(moved == HELPERS && tk_wake(&first, ~0u, 0, ~0u) == 0);
	r.move = 2;
	CHECK(tk_requeue(&r) == 2 && tk_wake(&first, 1, 0, ~0u) == 1 && tk_wake(&first, ~0u, 0, ~0u) == 1);
	r.to = &second; /* to where they are */
	CHECK(tk_requeue(&r) == 2 && tk_wake(&second, ~0u, 0, 1) == 2 && helpers_wait() && trouble == 0);
	r.expected = 1;
	CHECK(tk_requeue(&r) == -EAGAIN);
	r.word = (u32 *)NOWHERE;
	CHECK(tk_requeue(&r) == -EFAULT && tk_wait((u32 *)NOWHERE, 0, 0, 0, ~0u) == -EFAULT && tk_wait((u32 *)((u64)&first + 2), 0, 0, 0, ~0u) == -EINVAL);
	CHECK(tk_wait(&first, 0, 0, 0, 0) == -EINVAL && tk_wake((u32 *)NOWHERE, 1, 0, ~0u) == -EFAULT && tk_wake(&first, 0, 0, ~0u) == 0);
}

static const volatile u32 *lent_word;
static u32 told;

static void job_waits_on_lent_page(void)
{
	if (tk_wait(lent_word, 0, clock_monotonic() + PATIENCE, 0, ~0u) == -ECANCELED)
		__atomic_add_fetch(&told, 1, __ATOMIC_RELAXED); /* as `trouble` */
}

/* Who waits on a page that is withdrawn, or whose object ends, is told. */
static void waits_end_with_their_page(void)
{
	for (u32 ends = 0; ends < 2; ends++) {
		lent_word = (u32 *)lent(TK_OBJECT_VSPACE);
		struct tk_requeue same = { lent_word, lent_word, 0, 0, ~0u, 0 };
		nanos_t deadline = clock_monotonic() + PATIENCE;

		told = 0;
		helpers_start(job_waits_on_lent_page);
		while (tk_requeue(&same) != HELPERS && clock_monotonic() < deadline)
			tk_yield();
		CHECK((ends ? mem_take_back() : mem_withdraw()) == 0 && helpers_wait() && told == HELPERS);
		CHECK(tk_wait(lent_word, 0, 0, 0, ~0u) == -ECANCELED && tk_wake(lent_word, 1, 0, ~0u) == 0 && tk_requeue(&same) == -ECANCELED);
		CHECK(*lent_word == 0); /* the dead page */
		CHECK(ends || mem_take_back() == 0);
	}
}

static void bad_buffers_are_refused(void)
{
	static const u8 constant[16];
	u8 bytes[16] = { 0 };
	u8 *hole = (u8 *)rt_boot->heap + (rt_boot->heap_limit - 1) * PAGE_SIZE;
	u64 secret;

	CHECK(target_secret(&secret) == 0);
	if (secret >= KERNEL_HALF)
		return; /* a call within class IC0 copies nothing, and would fault in the core's own trust */
	CHECK(target_reverse(hole, 16, bytes, 16) == -EFAULT && target_reverse(bytes, 16, hole, 16) == -EFAULT);
	CHECK(target_reverse(bytes, 16, (void *)(u64)constant, 16) == -EFAULT && target_reverse((u8 *)NOWHERE, 16, bytes, 16) == -EFAULT);
}

static void devices_and_power_are_checked(void)
{
	CHECK(target_devices() == 0);
	CHECK(tk_port_read(rt_boot->window, 0, 1) == -EPERM && tk_port_write(rt_boot->window, 0, 1, 0) == -EPERM);
	CHECK(tk_irq_bind(rt_boot->window, &first) == -EPERM && tk_irq_ack(rt_boot->window) == -EPERM);
	CHECK(tk_power(TK_POWER_PANIC + 1, 0) == -EINVAL && tk_power(TK_POWER_OFF, 256) == -EINVAL);
	static const char odd[] = "# a line with a tab\t, a bell\a and a delete\x7f\n";
	char longest[400];

	memset(longest, '#', sizeof(longest));
	CHECK(tk_log((const char *)NOWHERE, 4) == -EFAULT && tk_log("", 0) == 0 && tk_log(odd, sizeof(odd) - 1) == 0 && tk_log(longest, sizeof(longest)) == 0);
}

const struct tap_test rule_tests[] = {
	{ "the owner of memory gets what is its own", owner_of_memory },
	{ "another's space is used but not changed", anothers_space_is_used_but_not_changed },
	{ "registers are checked", registers_are_checked },
	{ "threads end and begin again", threads_end_and_begin_again },
	{ "waiters are moved", waiters_are_moved },
	{ "waits end with their page", waits_end_with_their_page },
	{ "bad buffers are refused", bad_buffers_are_refused },
	{ "devices and power are checked", devices_and_power_are_checked },
	{ NULL, NULL },
};
