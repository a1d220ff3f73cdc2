/* Who calls mem in these tests: the shim, fs, and an address space of the shim's. */
#ifndef MEM_TESTS_CALLERS_H
#define MEM_TESTS_CALLERS_H

#include "core.h"

static const struct rt_request shim = { .caller = ABI_DOMAIN, .thread = THREAD }, fs = { .caller = FS_DOMAIN, .thread = THREAD };
static u64 space;
static vaddr_t token;

static void space_new(void)
{
	u64 frame;

	core_start();
	if (space)
		CHECK(mem_op_space_destroy(&shim, space) == 0);
	CHECK(mem_op_space_create(&shim, 0, &space, &frame) == 0);
	token = token_of_frame(frame);
}

#endif
