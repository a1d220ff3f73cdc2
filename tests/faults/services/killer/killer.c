/*
 * Ends units again and again, as if they had failed by themselves: at an instruction that only the timer and the other processors decide.
 * The command line says which and how often: faults=UNIT[+UNIT],COUNT,MEAN_US,DELAY_MS,UNTIL_MS,AGAIN. With AGAIN each second end is
 * followed by another while the unit is on its way back.
 */
#include <killer_server.h>

#define NANOS_IN_MICRO 1000ull
#define NANOS_IN_MILLI 1000000ull
#define VICTIMS_MAX 4u
#define AWAY_MAX (60000 * NANOS_IN_MILLI)     /* then it does not come back */
#define WINDOW_LEAST (200 * NANOS_IN_MICRO)   /* after the start of a restart in which the next end falls */

enum number { COUNT, MEAN_US, DELAY_MS, UNTIL_MS, AGAIN, NUMBERS };

struct victim {
	const struct tk_domain_page *page;
	u64 ends, soon, starting; /* soon: of them on its way back or just after; starting: of those before it ran */
	nanos_t longest;         /* from an end until it ran again */
	nanos_t restart;         /* the last restart that was left alone */
};

static struct victim victims[VICTIMS_MAX];
static u32 victim_count;
static u64 numbers[NUMBERS];

static void pause_for(nanos_t nanos)
{
	volatile u32 word = 0;

	(void)!tk_wait(&word, 0, clock_monotonic() + nanos, TK_WAIT_NEVER_INTERRUPTED, ~0u);
}

static const struct tk_domain_page *unit_find(const char *name, size_t length)
{
	for (u32 i = 0; i < rt_boot->token_count; i++) {
		const struct tk_domain_page *page = (const struct tk_domain_page *)rt_boot->tokens[i].token;

		if (rt_boot->tokens[i].type == TK_OBJECT_DOMAIN && strncmp(page->name, name, length) == 0 && page->name[length] == 0)
			return page;
	}
	return NULL;
}

static bool request_read(void)
{
	const char *at = rt_boot->command_line, *name;
	u32 field;

	while (*at && strncmp(at, "faults=", 7) != 0)
		at++;
	if (!*at)
		return false;
	for (at += 6; (*at == '=' || *at == '+') && victim_count < VICTIMS_MAX; victim_count++) {
		for (name = ++at; *at && *at != ',' && *at != '+'; at++)
			;
		victims[victim_count].page = unit_find(name, (size_t)(at - name));
		if (!victims[victim_count].page)
			return false;
	}
	for (field = 0; field < NUMBERS && *at == ','; field++)
		for (at++; *at >= '0' && *at <= '9'; at++)
			numbers[field] = numbers[field] * 10 + (u64)(*at - '0');
	return field == NUMBERS;
}

static u64 random_below(u64 limit)
{
	u64 value;

	random_bytes(&value, sizeof(value));
	return value % limit;
}

/* Ends it in whatever state it is; false: it had failed already, or stays down. */
static bool victim_end(struct victim *v)
{
	bool starting = v->page->state == TK_DOMAIN_RESTARTING;

	if (tk_domain_end((vaddr_t)v->page, TK_DOMAIN_FAILED) < 0)
		return false;
	v->ends++;
	v->starting += starting;
	return true;
}

/* Until the unit is in another state than that; false: it stays in it. */
static bool state_leave(const struct victim *v, u32 state)
{
	nanos_t limit = clock_monotonic() + AWAY_MAX;

	while (v->page->state == state && clock_monotonic() < limit)
		(void)!tk_wait(&v->page->state, state, limit, TK_WAIT_NEVER_INTERRUPTED, ~0u);
	return v->page->state != state;
}

/* Ends it, perhaps once more on its way back, and waits until it runs again; false: it does not. */
static bool victim_end_and_await(struct victim *v, bool again)
{
	nanos_t ended = clock_monotonic(), begun = ended, outage;
	bool left = victim_end(v), alone = !again;
	u32 state;

	while (left && (state = v->page->state) != TK_DOMAIN_RUNNING) {
		left = state_leave(v, state);
		if (state == TK_DOMAIN_FAILED)
			begun = clock_monotonic();
		if (state != TK_DOMAIN_FAILED || !again)
			continue;
		again = false;
		pause_for(random_below(v->restart + WINDOW_LEAST));
		v->soon += victim_end(v);
	}
	outage = clock_monotonic() - ended;
	if (alone)
		v->restart = ended + outage - begun;
	v->longest = outage > v->longest ? outage : v->longest;
	return left;
}

void killer_init(void)
{
}

void killer_main(u32 index)
{
	bool good = index == 0 && request_read();

	if (good)
		pause_for(numbers[DELAY_MS] * NANOS_IN_MILLI);
	for (u64 kills = 0; good && kills < numbers[COUNT] && clock_monotonic() < numbers[UNTIL_MS] * NANOS_IN_MILLI; kills++) {
		pause_for(random_below(2 * numbers[MEAN_US] + 1) * NANOS_IN_MICRO);
		good = victim_end_and_await(&victims[random_below(victim_count)], numbers[AGAIN] && kills % 2);
	}
	for (u32 i = 0; i < victim_count; i++)
		log_line("killer: %s: %llu ends, %llu of them soon after the last, %llu before it ran, longest outage %llu us%s",
			 victims[i].page->name, (unsigned long long)victims[i].ends, (unsigned long long)victims[i].soon,
			 (unsigned long long)victims[i].starting, (unsigned long long)(victims[i].longest / NANOS_IN_MICRO), good ? "" : ", at last it did not come back");
	tk_thread_exit(NULL);
}
