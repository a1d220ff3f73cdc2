/* Entries of the hostile shim, its director and its drivers. */
#include "shim.h"
#include <abi_server.h>
#include <fs_client.h>
#include <mem_client.h>
#include <proc_client.h>

#define DRIVERS 3u
#define DRIVER_NANOS 300000000000ull

const enum sequence_place place = SEQUENCE_SHIM;

/* ---- Calls ------------------------------------------------------------------------------------------------------------------------ */

/* What a call of proc changes in the cast. created: of task_create; tid: what it named; own: the caller's thread made it. */
static void cast_change(struct player *self, u32 op, const void *created, i32 tid, bool own)
{
	const char *name = grammar[interface_find("proc")].ops[op].name;
	struct player *named = player_of_task(NULL, (u64)tid);

	if (!strcmp(name, "task_create")) {
		struct proc_created made;

		memcpy(&made, created, sizeof(made));
		if (!player_make(self, ROLE_HAND, &made))
			(void)!proc_task_discard(made.tid);
	} else if (!strcmp(name, "task_start") && named) {
		named->started = true;
	} else if (!strcmp(name, "task_discard") && named) {
		named->thread = 0; /* its maker forgets it */
	} else if (!strcmp(name, "task_exit") && own) {
		self->fuzzer.gone = true;
	}
}

long place_call(struct fuzzer *f, const struct place_call *call)
{
	struct player *self = container_of(f, struct player, fuzzer);
	struct player *hand = call->actor ? player_of_task(self, call->actor) : NULL;
	const void *created = (const void *)call->message->args[2];
	i32 tid = (i32)call->message->args[0];
	bool own = !hand || !hand->thread || !hand->started;
	long result;

	if (own)
		result = place_call_make(call);
	else if (!player_tell(hand, call, &result)) {
		log_line("# FAIL task %lu does not answer", call->actor);
		return -ETIMEDOUT;
	}
	if (result >= 0 && !strcmp(grammar[call->interface].name, "proc"))
		cast_change(self, call->op, created, tid, own);
	return result;
}

/* ---- Drivers ---------------------------------------------------------------------------------------------------------------------- */

noreturn_fn void driver_play(struct player *driver)
{
	struct fuzzer *f = &driver->fuzzer;

	if (driver->sequence != ~0u)
		sequence_run(f, driver->sequence);
	else
		calls_random(f, driver->calls);
	hands_end(driver);
	if (!f->gone)
		task_end();
	driver->thread = 0;
	__atomic_store_n(&driver->ended, 1, __ATOMIC_RELEASE); /* the director forgets it */
	(void)tk_wake(&driver->ended, 1, 0, ~0u);
	player_leave(NULL);
}

/* What a driver has beside its task; false: out of memory. */
static bool driver_equip(struct fuzzer *f, u64 seed, struct proc_create *request)
{
	struct mem_map_request map = { .address = RANGE_BASE, .size = RANGE_SIZE, .prot = 3, .flags = MEM_MAP_FIXED };
	u64 frame, address;

	if (!fuzzer_init(f, seed) || mem_space_create(0, &map.space, &frame) < 0 || mem_map(&map, &address) < 0 ||
	    fs_client_create(&f->given[SEQUENCE_CLIENT]) < 0)
		return false;
	f->given[SEQUENCE_SPACE] = map.space;
	space_keep(map.space);
	*request = (struct proc_create){ .space = map.space, .fs_client = f->given[SEQUENCE_CLIENT], .exit_signal = SIGCHLD };
	return true;
}

static struct player *driver_start(struct player *director, u32 sequence, u32 calls, u64 seed)
{
	struct proc_create request;
	struct proc_created created;
	struct fuzzer fuzzer = { 0 };
	struct player *driver = NULL;

	if (driver_equip(&fuzzer, seed, &request) && proc_task_create(&request, &created) >= 0)
		driver = player_make(director, ROLE_DRIVER, &created);
	if (!driver) {
		log_line("# FAIL no driver");
		return NULL;
	}
	fuzzer.given[SEQUENCE_SELF] = (u64)created.tid;
	fuzzer.interrupt = driver->interrupt;
	driver->fuzzer = fuzzer;
	driver->sequence = sequence;
	driver->calls = calls;
	if (proc_task_start(created.tid) < 0)
		log_line("# FAIL a driver is not started");
	return driver;
}

/* How many turns it made. */
static u32 driver_await(struct player *driver)
{
	u32 turns;
	nanos_t end = clock_monotonic() + DRIVER_NANOS;
	struct proc_wait_result ended;

	while (!__atomic_load_n(&driver->ended, __ATOMIC_ACQUIRE)) { /* it uses nothing any more */
		if (clock_monotonic() > end) {
			log_line("# FAIL a driver does not end");
			return driver->calls;
		}
		(void)tk_wait(&driver->ended, 0, end, TK_WAIT_NEVER_INTERRUPTED, ~0u);
	}
	while (proc_wait_child(PROC_WAIT_ALL, 0, PROC_WNOHANG | PROC_WEXITED | PROC_WALL, &ended) > 0)
		;
	(void)!fs_client_release(driver->fuzzer.given[SEQUENCE_CLIENT]);
	(void)!mem_space_destroy(driver->fuzzer.given[SEQUENCE_SPACE]);
	fuzzer_end(&driver->fuzzer);
	turns = driver->fuzzer.turns;
	player_forget(driver);
	return turns;
}

/* Several at once; for one that is killed there comes another, until all turns are made. */
static void drivers_run(struct player *director)
{
	struct player *drivers[DRIVERS] = { 0 };
	u64 seed = fuzz_options.seed << 8;
	i64 left = fuzz_options.calls;

	for (u32 i = 0; left > 0 || drivers[i]; i = (i + 1) % DRIVERS) {
		u32 calls = fuzz_options.calls / DRIVERS;

		if (drivers[i])
			left += drivers[i]->calls - (i64)driver_await(drivers[i]);
		drivers[i] = left > 0 ? driver_start(director, ~0u, calls < left ? calls : (u32)left, seed++) : NULL;
		left -= drivers[i] ? drivers[i]->calls : left; /* nothing more when there can be none */
	}
	for (u32 i = 0; i < DRIVERS; i++)
		if (drivers[i])
			(void)driver_await(drivers[i]);
}

/* ---- The director ------------------------------------------------------------------------------------------------------------------ */

noreturn_fn void director_play(struct player *director)
{
	log_line("=== RUN fuzz");
	for (u32 i = sequence_next(place, 0); i != ~0u; i = sequence_next(place, i + 1)) {
		struct player *driver = driver_start(director, i, 0, i);

		if (driver)
			(void)driver_await(driver);
	}
	coverage_say("E");
	drivers_run(director);
	fuzz_end();
}

/* By a thread that is no program's: what such a one is refused, then the first process. */
static void first_process_make(void)
{
	static struct player self;
	struct fuzzer *f = &self.fuzzer;
	u32 proc = interface_find("proc"), first = op_find(proc, "task_first");
	struct proc_created created;
	u64 space, frame;

	if (!fuzzer_init(f, 0) || mem_space_create(0, &space, &frame) < 0) {
		log_line("# FAIL no memory");
		return;
	}
	refusals_see(f);
	sequences_run(f, SEQUENCE_BARE);
	words_good(f, &grammar[proc].ops[first]);
	f->words[0] = space;
	if (call_make(f, 0, proc, first) >= 0)
		memcpy(&created, f->buffers[0], sizeof(created));
	else
		log_line("# FAIL no first process");
	if (!player_make(NULL, ROLE_DIRECTOR, &created) || proc_task_start(created.tid) < 0)
		log_line("# FAIL the first process does not start");
}

/* ---- Entries ----------------------------------------------------------------------------------------------------------------------- */

static noreturn_fn void player_enter(void)
{
	struct player *p = player_find(rt_thread_id());

	switch (p ? p->role : ROLE_NONE) {
	case ROLE_DIRECTOR:
		director_play(p);
	case ROLE_DRIVER:
		driver_play(p);
	case ROLE_HAND:
		hand_play(p);
	default: /* another driver has started the task before its maker entered it */
		task_end();
		player_leave(NULL);
	}
}

long abi_upcall_syscall(const struct tk_request *request)
{
	(void)request;
	player_enter();
}

long abi_upcall_exception(const struct tk_request *request)
{
	(void)request;
	player_enter();
}

long abi_upcall_interrupt(const struct tk_request *request)
{
	(void)request;
	player_enter();
}

long abi_op_unit_changed(const struct rt_request *rq, u32 unit)
{
	(void)rq;
	(void)unit;
	return 0;
}

void abi_init(void)
{
}

void abi_main(u32 index)
{
	(void)index;
	options_read();
	first_process_make();
	tk_thread_exit(NULL);
}
