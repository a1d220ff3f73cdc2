/*
 * The supervisor: sees units fail and starts them again; when one fails that the machine can't run without, it resets the machine.
 * One thread waits on a watch table for all domains' state words.
 */
#include <abi_client.h>
#include <mem_client.h>
#include <super_server.h>

#define STORM_RESTARTS 5u                     /* a unit that fails so often ... */
#define STORM_TIME (30 * 1000000000ull)       /* ... within this time is left alone */
#define WATCH_RETRY (1000000000ull)

struct watched {
	const struct tk_domain_page *page;
	nanos_t restarted[STORM_RESTARTS];    /* ring of the last restarts */
	u32 restarts;
	bool abandoned;
};
static struct watched units[TK_WATCHES_IN_TABLE];
static u32 unit_count;

static const char *const exception_reasons[] = { [6] = "illegal instruction", [13] = "general protection", [14] = "page fault",
	[TK_FAULT_HUNG] = "it hangs" };

static const char *failure_reason(u32 vector)
{
	return vector < countof(exception_reasons) && exception_reasons[vector] ? exception_reasons[vector] : "fault";
}

static noreturn_fn void machine_reset(const struct tk_domain_page *page)
{
	log_line("super: %s can't be restarted: the machine is reset", page->name);
	(void)tk_power(TK_POWER_RESET, 0);
	for (;;)
		(void)tk_yield();
}

/* Whether the unit has failed too often lately. */
static bool unit_storms(const struct watched *unit)
{
	return unit->restarts >= STORM_RESTARTS && clock_monotonic() - unit->restarted[unit->restarts % STORM_RESTARTS] < STORM_TIME;
}

static void unit_recover(struct watched *unit)
{
	const struct tk_domain_page *page = unit->page;
	long result;

	if (page->state != TK_DOMAIN_FAILED || unit->abandoned)
		return;
	log_line("super: %s failed: %s (vector %u, error 0x%x) at 0x%lx, address 0x%lx", page->name, failure_reason(page->fault_vector),
		 page->fault_vector, page->fault_code, page->fault_ip, page->fault_address);
	if (page->recovery == TK_RECOVERY_ESSENTIAL)
		machine_reset(page);
	if (unit_storms(unit)) {
		unit->abandoned = true;
		log_line("super: %s fails again and again: it stays down", page->name);
		return;
	}
	unit->restarted[unit->restarts++ % STORM_RESTARTS] = clock_monotonic();
	result = tk_domain_restart((vaddr_t)page);
	if (result < 0)
		log_line("super: %s could not be restarted (%ld)", page->name, result);
	else
		log_line("super: %s restarted (%u)", page->name, unit->restarts);
	if (result >= 0 && abi_unit_restarted(page->id) < 0)
		log_line("super: the shim does not hear of it");
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

		if (token->type == TK_OBJECT_DOMAIN && token->data != rt_boot->domain)
			units[unit_count++].page = (const struct tk_domain_page *)token->token;
	}
}

void super_main(u32 index)
{
	struct tk_watch_page *page;
	vaddr_t table;

	if (index)
		tk_thread_exit(NULL);
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
		for (u32 i = 0; i < unit_count; i++)
			unit_recover(&units[i]);
		(void)tk_wait(&page->tail, tail, NANOS_NEVER, 0, ~0u);
	}
}
