/* In place of the supervisor, beside the real shim: what only the supervisor may. */
#include <super_server.h>
#include "../../client/fuzz.h"

const enum sequence_place place = SEQUENCE_OVERSEER;

void super_init(void)
{
}

long place_call(struct fuzzer *f, const struct place_call *call)
{
	(void)f;
	return place_call_make(call);
}

void super_main(u32 index)
{
	struct fuzzer f = { 0 };

	(void)index;
	options_read();
	log_line("=== RUN fuzz");
	rt_assert(fuzzer_init(&f, fuzz_options.seed << 8));
	sequences_run(&f, place);
	coverage_say("E");
	calls_random(&f, fuzz_options.calls);
	fuzz_end();
}
