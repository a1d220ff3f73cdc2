/*
 * The supervisor: sees units fail and starts them again, the later the more often they fail; when one fails that the machine can't run
 * without, or too often, it does what the profile says. One thread waits on a watch table for all domains' state words.
 */
#include <abi_client.h>
#include <mem_client.h>
#include <super_server.h>

#define RESTARTS_KEPT 64u                     /* times of restarts that a limit can count */
#define AT_ONCE 2u                            /* restarts within the window without delay, */
#define DELAY_FIRST (10 * 1000000ull)         /* then after this time, and twice as long each time */
#define DELAY_DOUBLINGS 6u
#define LEAVING (1 * 1000000ull)              /* until threads that were in it have left the calls that it made */
#define NANOS_IN_MILLI 1000000ull
#define WATCH_RETRY (1000000000ull)

struct watched {
	const struct tk_domain_page *page;
	nanos_t restarted[RESTARTS_KEPT];     /* ring of the last restarts */
	nanos_t due;                          /* when it is restarted */
	nanos_t failed;                       /* when it was seen that it no longer ran */
	u32 restarts;
	bool down;                            /* it has not run since */
	bool seen;                            /* its failure: it is told, and due */
	bool cleared;                         /* mem has taken back what it had, and gives it nothing while it is down */
	bool abandoned;
};
static struct watched units[TK_WATCHES_IN_TABLE];
static u32 unit_count;
static const struct tk_domain_page *own;

static const char *const exception_reasons[] = { [6] = "illegal instruction", [13] = "general protection", [14] = "page fault",
	[TK_FAULT_HUNG] = "it hangs" };

static const char *failure_reason(u32 vector)
{
	return vector < countof(exception_reasons) && exception_reasons[vector] ? exception_reasons[vector] : "fault";
}

static noreturn_fn void machine_reset(const struct tk_domain_page *page, const char *why)
{
	log_line("super: %s %s: the machine is reset", page->name, why);
	(void)tk_power(TK_POWER_RESET, 0);
	for (;;)
		(void)tk_yield();
}

/* How often the unit was restarted within its window, counted up to its limit. */
static u32 restarts_lately(const struct watched *unit, nanos_t now)
{
	u32 count = 0;

	while (count < unit->restarts && count < RESTARTS_KEPT && count < unit->page->restart_limit &&
	       now - unit->restarted[(unit->restarts - 1 - count) % RESTARTS_KEPT] < unit->page->restart_window * NANOS_IN_MILLI)
		count++;
	return count;
}

static void unit_tell(const struct watched *unit)
{
	if (abi_unit_changed(unit->page->id) < 0)
		log_line("super: the shim does not hear of it");
}

/* It is not started again: what the profile wants then. */
static void unit_give_up(struct watched *unit, const char *why)
{
	if (unit->page->when_exhausted == TK_EXHAUSTED_REBOOT)
		machine_reset(unit->page, why);
	unit->abandoned = true;
	log_line("super: %s %s: it stays down", unit->page->name, why);
	(void)tk_domain_end((vaddr_t)unit->page, TK_DOMAIN_STOPPED); /* one that refused to start is stopped already */
	(void)!mem_unit_ended(unit->page->id);
	unit_tell(unit);
}

static void unit_restart(struct watched *unit, nanos_t now)
{
	const struct tk_domain_page *page = unit->page;
	long result;

	if (page->recovery != TK_RECOVERY_STABLE && !unit->cleared)
		(void)!mem_unit_ended(page->id); /* it knows nothing of what it had */
	unit->cleared = true;
	result = tk_domain_restart((vaddr_t)page);
	if (result == -EAGAIN) {
		unit->due = clock_monotonic() + LEAVING; /* they may have to run on this processor */
		return;
	}
	unit->seen = false;
	unit->restarted[unit->restarts++ % RESTARTS_KEPT] = now;
	if (page->state != TK_DOMAIN_RUNNING && page->state != TK_DOMAIN_STOPPED) /* it has failed once more, while it started */
		return;
	if (result < 0) {
		log_line("super: %s did not start (%ld)", page->name, result);
		unit_give_up(unit, "can't be restarted");
		return;
	}
	unit->down = false;
	log_line("super: %s restarted (%u) after %llu us", page->name, unit->restarts, (unsigned long long)(clock_monotonic() - unit->failed) / 1000);
	unit_tell(unit);
}

/* A failure that was not seen yet: when the unit is to be restarted. */
static void unit_failed(struct watched *unit, nanos_t now)
{
	const struct tk_domain_page *page = unit->page;
	u32 lately = restarts_lately(unit, now);

	log_line("super: %s failed: %s (vector %u, error 0x%x) at 0x%lx, address 0x%lx", page->name, failure_reason(page->fault_vector),
		 page->fault_vector, page->fault_code, page->fault_ip, page->fault_address);
	if (page->recovery == TK_RECOVERY_ESSENTIAL)
		machine_reset(page, "can't be restarted");
	if (lately >= page->restart_limit) {
		unit_give_up(unit, "fails again and again");
		return;
	}
	unit->seen = true;
	unit->cleared = false;
	unit->due = now;
	if (!unit->down)
		unit->failed = now;
	unit->down = true;
	if (lately >= AT_ONCE)
		unit->due += DELAY_FIRST << (lately - AT_ONCE < DELAY_DOUBLINGS ? lately - AT_ONCE : DELAY_DOUBLINGS);
}

/* Brings the unit as far as can be now; when to look again. */
static nanos_t unit_recover(struct watched *unit)
{
	nanos_t now = clock_monotonic();

	while (unit->page->state == TK_DOMAIN_FAILED && !unit->abandoned) {
		if (!unit->seen)
			unit_failed(unit, now);
		if (unit->seen && unit->due > now)
			return unit->due;
		if (unit->seen)
			unit_restart(unit, now);
	}
	return NANOS_NEVER;
}

/* A watch table; 0 when there is no memory. */
static vaddr_t watches_create(void)
{
	struct tk_object_create request = { .type = TK_OBJECT_WATCHES, .frame_count = 2 };
	long token;
	u64 frame;

	for (u32 i = 0; i < 2; i++) {
		if (mem_frames_alloc(0, &frame) < 0)
			return 0;
		request.frames[i] = (frame_t)frame;
	}
	token = tk_object_create(&request);
	return token < 0 && token > -4096 ? 0 : (vaddr_t)token;
}

/* After a failure of its own: what it had is given back, and what it may have been about to tell is told. */
static void super_recover(void)
{
	(void)!mem_unit_ended(rt_boot->domain);
	for (u32 i = 0; i < unit_count; i++)
		if (units[i].page->generation > 1 && units[i].page->state != TK_DOMAIN_FAILED)
			unit_tell(&units[i]);
	log_line("super: goes on");
}

static void units_watch(vaddr_t table)
{
	for (u32 i = 0; i < unit_count; i++) {
		long result = tk_watch(table, i, &units[i].page->state, i);

		if (result < 0)
			log_line("super: %s can't be watched (%ld)", units[i].page->name, result);
	}
}

void super_init(void)
{
	for (u32 i = 0; i < rt_boot->token_count && unit_count < countof(units); i++) {
		const struct tk_boot_token *token = &rt_boot->tokens[i];

		if (token->type != TK_OBJECT_DOMAIN)
			continue;
		if (token->data == rt_boot->domain)
			own = (const struct tk_domain_page *)token->token;
		else
			units[unit_count++].page = (const struct tk_domain_page *)token->token;
	}
}

void super_main(u32 index)
{
	struct tk_watch_page *page;
	vaddr_t table;

	if (index)
		tk_thread_exit(NULL);
	if (own && own->generation > 1)
		super_recover();
	while (!(table = watches_create())) {
		volatile u32 word = 0;

		(void)tk_wait(&word, 0, clock_monotonic() + WATCH_RETRY, 0, ~0u);
	}
	units_watch(table);
	page = (struct tk_watch_page *)table;
	for (;;) {
		u32 tail = __atomic_load_n(&page->tail, __ATOMIC_ACQUIRE); /* before the states are looked at */

		for (; page->head != tail; page->head++) /* armed again before the states are looked at */
			__atomic_store_n(&page->queued[page->ready[page->head % TK_READY_ENTRIES] % TK_WATCHES_IN_TABLE], 0, __ATOMIC_SEQ_CST);
		nanos_t next = NANOS_NEVER;

		for (u32 i = 0; i < unit_count; i++) {
			nanos_t due = unit_recover(&units[i]);

			next = due < next ? due : next;
		}
		(void)tk_wait(&page->tail, tail, next, 0, ~0u);
	}
}
