/*
 * Ends a unit again and again, as if it had failed by itself: at an instruction that only the timer and the other processors decide.
 * The command line says which and how often: faults=UNIT,COUNT,MEAN_US,DELAY_MS. Stands in super's unit, which knows all units.
 */
#include <killer_server.h>

#define NANOS_IN_MICRO 1000ull
#define NANOS_IN_MILLI 1000000ull

static char unit[16];
static u64 numbers[3];       /* count, mean, delay */

static void pause_for(nanos_t nanos)
{
	volatile u32 word = 0;

	(void)!tk_wait(&word, 0, clock_monotonic() + nanos, TK_WAIT_NEVER_INTERRUPTED, ~0u);
}

static bool request_read(void)
{
	const char *at = rt_boot->command_line;
	u32 length = 0, field;

	while (*at && strncmp(at, "faults=", 7) != 0)
		at++;
	if (!*at)
		return false;
	for (at += 7; *at && *at != ',' && length < sizeof(unit) - 1; at++)
		unit[length++] = *at;
	for (field = 0; field < countof(numbers) && *at == ','; field++)
		for (at++; *at >= '0' && *at <= '9'; at++)
			numbers[field] = numbers[field] * 10 + (u64)(*at - '0');
	return field == countof(numbers);
}

static const struct tk_domain_page *victim_find(void)
{
	for (u32 i = 0; i < rt_boot->token_count; i++) {
		const struct tk_domain_page *page = (const struct tk_domain_page *)rt_boot->tokens[i].token;

		if (rt_boot->tokens[i].type == TK_OBJECT_DOMAIN && strcmp(page->name, unit) == 0)
			return page;
	}
	return NULL;
}

static u64 random_below(u64 limit)
{
	u64 value;

	random_bytes(&value, sizeof(value));
	return value % limit;
}

void killer_init(void)
{
}

void killer_main(u32 index)
{
	const struct tk_domain_page *page = NULL;
	u64 kills = 0;

	if (index == 0 && request_read())
		page = victim_find();
	if (page)
		pause_for(numbers[2] * NANOS_IN_MILLI);
	while (page && kills < numbers[0]) {
		pause_for(random_below(2 * numbers[1] + 1) * NANOS_IN_MICRO);
		if (tk_domain_end((vaddr_t)page, TK_DOMAIN_FAILED) == 0) /* else it is on its way back from the last time */
			kills++;
	}
	if (page)
		log_line("killer: %s was ended %llu times", unit, (unsigned long long)kills);
	tk_thread_exit(NULL);
}
