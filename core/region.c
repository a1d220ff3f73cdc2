/*
 * Reading a region table, which mem may change or garble at any time: every value is read once and checked, the search is bounded by
 * what the table's frames can hold, and the generation tells whether mem was editing.
 */
#include "vspace.h"
#include <tessera/arch.h>

/* Relaxed: the generation orders the table; a torn or stale entry is found by it or by the checks. */
#define read_once(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)

static void region_copy(struct tk_region *to, const struct tk_region *from)
{
	const u64 *words = (const u64 *)from;
	u64 *copy = (u64 *)to;

	_Static_assert(sizeof(*to) % sizeof(u64) == 0, "copied by words");
	for (u32 i = 0; i < sizeof(*to) / sizeof(u64); i++)
		copy[i] = read_once(words[i]);
}

static bool region_holds(const struct tk_region *r, vaddr_t address)
{
	return r->start <= address && address < r->end;
}

static bool region_valid(const struct tk_region *r)
{
	return !((r->start | r->end | r->offset) & PAGE_MASK) && r->end <= ARCH_USER_LIMIT &&
	       r->kind > TK_REGION_NONE && r->kind <= TK_REGION_GUARD && r->order == 0;
}

/* Index of the last region that starts at or below address; 0 when there is none. */
static u32 region_search(const struct tk_region *regions, u32 count, vaddr_t address)
{
	u32 low = 0;

	while (count > 1) {
		u32 half = count / 2;
		if (read_once(regions[low + half].start) <= address)
			low += half;
		count -= half;
	}
	return low;
}

bool vspace_region(struct vspace *space, vaddr_t address, struct tk_region *out, u32 *generation)
{
	struct tk_region_table *table = space->table;
	const struct tk_region *regions = table->regions; /* a larger table goes on in the frames that follow */
	u32 capacity = space->table_capacity;

	/* Acquire: the entries are read after it. */
	*generation = __atomic_load_n(&table->generation, __ATOMIC_ACQUIRE);
	u32 count = read_once(table->count);
	if (unlikely(*generation & 1 || count == 0 || count > capacity))
		return false;
	u32 at = read_once(space->hint);
	if (at < count)
		region_copy(out, &regions[at]);
	if (at >= count || !region_holds(out, address)) {
		at = region_search(regions, count, address);
		region_copy(out, &regions[at]);
		if (!region_holds(out, address))
			return false;
		/* Relaxed: a hint. */
		__atomic_store_n(&space->hint, at, __ATOMIC_RELAXED);
	}
	return region_valid(out);
}
