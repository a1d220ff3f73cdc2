/* Attacks while an application runs over what is being ruined, and random requests. */
#include <arch_call.h>
#include <tessera/arch.h>
#include "usurper.h"

#define SCRIBBLE_NANOS 300000000ull
#define VECTOR_NANOS 5000000000ull
#define RANDOM_REQUESTS 20000u

#define COPY_MAX (64 * 1024ul) /* of one copy of the client's memory */
/* What requests write lies in here, whatever length they ask for: not in what this unit knows of itself, by which it is judged. */
static u8 state[PAGE_SIZE + COPY_MAX] __attribute__((aligned(64)));

/* ---- Registers ------------------------------------------------------------------------------------------------------------------- */

long usurp_registers(u64 *detail)
{
	struct tk_regs regs, seen;
	u32 variants = hostile_registers(0, &regs);

	for (u32 i = 0; i < variants; i++) {
		(void)hostile_registers(i, &regs);
		(void)tk_thread_regs_set(estate.thread, &regs, TK_VECTOR_KEEP, 0, 0);
		if (tk_thread_regs_get(estate.thread, &seen) || registers_safe(&seen))
			continue;
		log_line("# ip 0x%lx flags 0x%lx fs 0x%lx gs 0x%lx", seen.rip, seen.rflags, seen.fs_base, seen.gs_base);
		*detail = i;
		return 1;
	}
	application_registers(&regs);
	long result = tk_thread_regs_set(estate.thread, &regs, TK_VECTOR_KEEP, 0, 0);

	return result && result != -EBUSY ? -EIO : 0; /* it may run already; an error: nothing was tried, the thread is gone */
}

void registers_set_often(void)
{
	struct tk_regs regs;

	while (accomplice_works) {
		u32 variants = hostile_registers(0, &regs);

		(void)hostile_registers((u32)(random_next() % variants), &regs);
		regs.rip = APPLICATION_CODE;
		(void)tk_thread_regs_set(estate.thread, &regs, TK_VECTOR_KEEP, 0, 0);
	}
}

static void pause_for(nanos_t nanos)
{
	static volatile u32 never;

	(void)tk_wait(&never, 0, clock_monotonic() + nanos, 0, ~0u);
}

/* The application faults all the time and waits inside its upcall: its registers change there, and it runs on with them. */
static bool application_start(void)
{
	struct tk_regs regs;

	application_registers(&regs);
	(void)tk_thread_regs_set(estate.thread, &regs, TK_VECTOR_KEEP, 0, 0);
	long result = tk_thread_start(estate.thread);

	return result == 0 || result == -EBUSY;
}

static void pages_forget(void)
{
	frame_t freed[APPLICATION_PAGES];
	struct tk_unmap unmap = { .vspace = estate.space, .address = APPLICATION_DATA, .pages = APPLICATION_PAGES, .freed = freed,
		.capacity = APPLICATION_PAGES };

	(void)tk_unmap(&unmap);
}

/* ---- Vector state ---------------------------------------------------------------------------------------------------------------- */

enum { VECTOR_IDLE, VECTOR_WANTED, VECTOR_HELD, VECTOR_BROKEN };
static volatile u32 vector_attack;
static volatile u64 vector_detail;

/* Of the thread that calls, which is the application's. */
static bool vector_refused(u32 how, vaddr_t client)
{
	struct tk_regs regs;

	application_registers(&regs);
	vector_detail = client;
	return RESULT_ERROR(tk_thread_regs_set(0, &regs, (enum tk_vector)how, client, ~0ull));
}

static bool vector_addresses(void)
{
	static const u64 beyond[] = { 0x7ffffffff000 - 64, 0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xfffffe0000001000,
		0xffffffff80000000, ~63ull, APPLICATION_DATA + 8, APPLICATION_DATA - 64, (u64)state };

	for (u32 i = 0; i < countof(beyond); i++)
		for (u32 how = TK_VECTOR_SAVE; how <= TK_VECTOR_LOAD_LEGACY; how++)
			if (beyond[i] != (u64)state && !vector_refused(how, beyond[i]))
				return false;
	return vector_refused(TK_VECTOR_SAVE, (vaddr_t)state) && vector_refused(TK_VECTOR_LOAD, (vaddr_t)state) &&
	       vector_refused(TK_VECTOR_COPY, 0) && vector_refused(TK_VECTOR_COPY + 1, 0) && vector_refused(~0u, 0);
}

/* The application runs on with what was loaded: its first instruction uses it. The processor may take a state or not. */
static bool vector_states(void)
{
	struct tk_regs regs;

	application_registers(&regs);
	for (u32 i = 0; vector_state_hostile(i, state, rt_boot->vector_size); i++) {
		if (tk_copy_out(APPLICATION_DATA, state, rt_boot->vector_size) != (long)rt_boot->vector_size)
			continue;
		(void)vector_refused(TK_VECTOR_LOAD, APPLICATION_DATA);
		(void)vector_refused(TK_VECTOR_LOAD_LEGACY, APPLICATION_DATA);
		(void)vector_refused(TK_VECTOR_SAVE, APPLICATION_DATA + 64);
	}
	vector_detail = 0;
	return tk_thread_regs_set(0, &regs, TK_VECTOR_RESET, 0, 0) == 0;
}

void usurp_vector_in_upcall(void)
{
	if (vector_attack == VECTOR_WANTED)
		vector_attack = vector_addresses() && vector_states() ? VECTOR_HELD : VECTOR_BROKEN;
}

long usurp_vector(u64 *detail)
{
	nanos_t end = clock_monotonic() + VECTOR_NANOS;
	struct tk_regs regs;

	if (!application_start())
		return -EIO;
	application_registers(&regs);
	vector_attack = VECTOR_WANTED;
	while (vector_attack == VECTOR_WANTED && clock_monotonic() < end) {
		pages_forget();
		*detail = 1; /* another thread's */
		if (tk_thread_regs_set(estate.thread, &regs, TK_VECTOR_SAVE, APPLICATION_DATA, 0) >= 0)
			return 1;
		pause_for(1000000);
	}
	*detail = vector_detail;
	if (vector_attack == VECTOR_BROKEN)
		return 1;
	return vector_attack == VECTOR_HELD ? 0 : -EIO; /* its registers or regions are such that it is never in an upcall */
}

long usurp_registers_race(u64 *detail)
{
	nanos_t end = clock_monotonic() + SCRIBBLE_NANOS;

	if (!application_start())
		return -EIO;
	accomplice_works = true;
	while (clock_monotonic() < end) {
		pages_forget();
		pause_for(1000000);
	}
	accomplice_works = false;
	return !mappings_own(detail);
}

/* ---- Scribbling --------------------------------------------------------------------------------------------------------------------- */

static u64 word_hostile(void)
{
	static const u64 words[] = { 0, 1, ~0ull, 0x200, 0x200000, 0x7ffffffff000, 0xffff800000000000, 0xffffffff80000000, 0x100000001, 0x80000000 };
	u64 r = random_next();

	if (r & 1)
		return words[r / 2 % countof(words)];
	return r & 2 ? random_next() % rt_boot->memory_frames : random_next() >> r % 64;
}

long usurp_scribble(bool table, bool pool, u64 *detail)
{
	nanos_t end = clock_monotonic() + SCRIBBLE_NANOS;
	bool good = true;

	if (!application_start())
		return -EIO;
	for (u32 round = 0; clock_monotonic() < end && good; round++) {
		volatile u64 *words = (volatile u64 *)(table && (!pool || round & 1) ? estate.space : estate.pool);

		if (round % 64 == 0) { /* from something that works: else each fault ends at the first check */
			(void)estate_make();
			pages_forget();
			good = mappings_own(detail);
		}
		for (u32 i = 0; i < 8; i++)
			words[random_next() % (random_next() & 1 ? 32 : PAGE_SIZE / 8)] = word_hostile();
		if (round % 16 == 0)
			(void)tk_yield();
	}
	good = good && mappings_own(detail);
	(void)estate_make();
	return !good;
}

/* ---- Random requests ------------------------------------------------------------------------------------------------------------------- */

static const u8 numbers[] = { TK_OBJECT_CREATE, TK_OBJECT_DESTROY, TK_OBJECT_RENEW, TK_OBJECT_WRITE, TK_GRANT, TK_REVOKE, TK_RESERVE_FILL, TK_MAP, TK_UNMAP,
	TK_PROTECT, TK_SHARE, TK_MOVE, TK_QUERY, TK_THREAD_INTERRUPT, TK_THREAD_REGS_GET, TK_THREAD_REGS_SET,
	TK_WATCH, TK_UNWATCH, TK_WAKE, TK_REQUEUE, TK_CLIENT_SET, TK_CLIENT_GET, TK_COPY_IN, TK_COPY_OUT,
	TK_MEMORY_ONLINE, TK_PORT_READ, TK_IRQ_ACK, TK_DOMAIN_RESTART };

static u64 argument_random(void)
{
	u64 r = random_next();

	switch (r % 8) {
	case 0:
		return estate.space;
	case 1:
		return estate.pool;
	case 2:
		return token_of_frame(estate.frames[r / 8 % FRAMES]);
	case 3:
		return (u64)state + r / 8 % 64 * 8;
	case 4:
		return APPLICATION_DATA + r / 8 % APPLICATION_PAGES * PAGE_SIZE;
	case 5:
		return r / 8 % 8;
	default:
		return word_hostile();
	}
}

/* A request in memory: words that could be any of the structures. */
static void request_random(void)
{
	u64 *words = (u64 *)state;

	for (u32 i = 0; i < 32; i++)
		words[i] = argument_random();
	if (random_next() & 1) { /* an object of own frames */
		struct tk_object_create *create = (struct tk_object_create *)state;

		create->type = (u32)(random_next() % TK_OBJECT_TYPES);
		create->frame_count = (u32)(random_next() % 5);
		for (u32 i = 0; i < TK_OBJECT_FRAMES_MAX; i++)
			create->frames[i] = estate.frames[random_next() % FRAMES];
	}
}

long usurp_random(u64 *detail)
{
	if (!application_start())
		return -EIO;
	for (u32 i = 0; i < RANDOM_REQUESTS; i++) {
		u64 number = numbers[random_next() % countof(numbers)];

		request_random();
		*detail = i;
		(void)arch_core_call(random_next() & 1 ? (u64)state : argument_random(), argument_random(), argument_random(), argument_random(),
				     argument_random(), number);
	}
	(void)tk_client_set(0);
	*detail = 0;
	return 0;
}
