/* A hostile unit beside the real shim: no service may fail or hang by it. One thread runs the sequences, then all draw calls. */
#include "fuzz_server.h"
#include <fs_client.h>
#include <mem_client.h>
#include <proc_client.h>
#include "../../client/fuzz.h"

#define THREADS 3u
#define START_NANOS 20000000000ull

const enum sequence_place place = SEQUENCE_STRANGER;
static volatile u32 threads_done;

void fuzz_init(void)
{
}

long place_call(struct fuzzer *f, const struct place_call *call)
{
	(void)f;
	return place_call_make(call);
}

/* A client address space with memory for operations on application ranges, and what else the sequences have. */
static void client_make(struct fuzzer *f)
{
	struct mem_map_request request = { .address = RANGE_BASE, .size = RANGE_SIZE, .prot = 3, .flags = MEM_MAP_FIXED };
	u64 frame, address;

	if (mem_space_create(0, &request.space, &frame) < 0 || mem_map(&request, &address) < 0 || tk_client_set(token_of_frame(frame)) < 0 ||
	    fs_client_create(&f->given[SEQUENCE_CLIENT]) < 0)
		log_line("# FAIL no client: ranges fail");
	f->given[SEQUENCE_SPACE] = request.space;
	space_keep(request.space);
}

/* Until the first process runs its program: a tree without it would say nothing about the services. */
static void first_process_await(void)
{
	struct proc_info info;
	nanos_t limit = clock_monotonic() + START_NANOS;

	while ((proc_info(1, 1, &info) < 0 || !info.exe) && clock_monotonic() < limit)
		tk_yield();
}

void fuzz_main(u32 index)
{
	struct fuzzer f = { 0 };

	if (index == 0) {
		options_read();
		first_process_await();
		log_line("=== RUN fuzz");
	}
	while (index && !__atomic_load_n(&threads_done, __ATOMIC_ACQUIRE)) /* acquire: the options are read */
		tk_yield();
	rt_assert(fuzzer_init(&f, (fuzz_options.seed << 8) + index));
	client_make(&f);
	if (index == 0) {
		refusals_see(&f);
		sequences_run(&f, place);
		coverage_say("E");
		__atomic_store_n(&threads_done, 1, __ATOMIC_RELEASE);
	}
	calls_random(&f, fuzz_options.calls / THREADS);
	__atomic_fetch_add(&threads_done, 1, __ATOMIC_ACQ_REL); /* its counts are complete */
	while (index || __atomic_load_n(&threads_done, __ATOMIC_ACQUIRE) <= THREADS)
		tk_yield();
	fuzz_end();
}
