/* Clocks, read from the page which the core keeps: a sequence count tells whether it changed meanwhile. */
#include <runtime_unit.h>
#include <arch_counter.h>

static const struct tk_clock_page *clock_page(void)
{
	return (const struct tk_clock_page *)rt_boot->clock;
}

/* Acquire, then an acquire fence: the fields are read between the two reads of the sequence. */
static nanos_t clock_read(i64 *realtime_offset)
{
	const struct tk_clock_page *page = clock_page();
	nanos_t now;
	u32 sequence;

	do {
		sequence = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
		u64 passed = arch_counter_read() - page->counter_base;

		if ((i64)passed < 0) /* the base was taken on another processor a moment later */
			passed = 0;
		now = page->nanos_base + (u64)(((unsigned __int128)passed * page->multiplier) >> page->shift);
		*realtime_offset = page->realtime_offset;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((sequence & 1) || sequence != page->sequence);
	return now;
}

nanos_t clock_monotonic(void)
{
	i64 offset;

	return clock_read(&offset);
}

i64 clock_realtime(void)
{
	i64 offset;
	nanos_t now = clock_read(&offset);

	return (i64)now + offset;
}
