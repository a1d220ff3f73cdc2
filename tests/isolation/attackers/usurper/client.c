/* Attacks on the memory of a client: by a unit that may name clients, and by one whose caller has a client and declared ranges of it. */
#include <raider_client.h>
#include "usurper.h"

#define RANGE_SIZE 40u
#define PAGES 4u

static u8 buffer[PAGE_SIZE];

/* The thread's client is the estate's address space, whose first pages are there. */
static bool client_take(void)
{
	static frame_t frames[PAGES];
	const struct tk_map map = { estate.space, APPLICATION_DATA, PAGES, TK_PROT_READ | TK_PROT_WRITE, frames };

	for (u32 page = 0; page < PAGES; page++)
		frames[page] = frames[page] ? frames[page] : frame_next();
	if (tk_map(&map) != PAGES || tk_client_set(estate.space))
		return false;
	for (u32 page = 0; page < PAGES; page++)
		if (tk_copy_out(APPLICATION_DATA + page * PAGE_SIZE, buffer, 8) != 8)
			return false;
	return true;
}

/* Addresses that are no application's. */
static const u64 beyond[] = { 0x7ffffffff000, 0x7ffffffffff8, 0x800000000000, 0xffff7fffffffffff, 0xffff800000000000, 0xffff800000200000,
	0xffff840000000000, 0xfffffe0000000000, 0xfffffe0000001000, 0xffffffff80000000, 0xffffffff80200000, 0xfffffffffffffff8, ~3ull };

static bool limits_hold(u64 *detail)
{
	for (u32 i = 0; i < countof(beyond); i++) {
		const volatile u32 *word = (const volatile u32 *)(beyond[i] & ~3ull);

		*detail = beyond[i];
		if (tk_copy_in(buffer, beyond[i], 8) > 0 || tk_copy_out(beyond[i], buffer, 8) > 0 || tk_copy_in(buffer, beyond[i], PAGE_SIZE) > 0 ||
		    tk_copy_in((void *)beyond[i], APPLICATION_DATA, 8) > 0 || tk_copy_out(APPLICATION_DATA, (void *)beyond[i], 8) > 0 ||
		    tk_wait(word, 0, 0, TK_WAIT_CLIENT, ~0u) != -EFAULT || tk_wake(word, 1, TK_WAIT_CLIENT, ~0u) != -EFAULT)
			return false;
	}
	*detail = 1; /* from the last page that may be to the first that may not */
	return tk_copy_in(buffer, 0x7fffffffeff8, 16) <= 0;
}

long usurp_client_limits(u64 *detail)
{
	bool ready = client_take(), good = ready && limits_hold(detail);

	if (!ready)
		return tk_client_set(0) ? 1 : -EIO; /* nothing was tried: another attack has had the address space */
	return tk_client_set(0) || !good;
}

/* By the way of one range and by that of several: entry code knows the former. */
long usurp_declared(u64 *detail)
{
	bool ready = client_take(), good = ready && raider_range(0, APPLICATION_DATA + 100, RANGE_SIZE, detail) == 0 &&
	            raider_range(0, APPLICATION_DATA + PAGE_SIZE - 8, 16, detail) == 0 &&
	            raider_ranges(APPLICATION_DATA + 100, RANGE_SIZE, APPLICATION_DATA + 2 * PAGE_SIZE - 8, 16, detail) == 0;

	if (!ready)
		return tk_client_set(0) ? 1 : -EIO;
	return tk_client_set(0) || !good;
}
