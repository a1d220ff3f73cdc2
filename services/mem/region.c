/*
 * The region table of an address space. It stands in the exported page that the core reads, and in larger contiguous frames when it
 * grows; mem's side table runs in parallel. The core serves faults only while the generation is even and unchanged.
 */
#include "mem.h"

#define TABLE_ORDER_MAX MEM_ORDER_MAX

static u64 committed; /* changed atomically */

static u32 table_capacity(u32 order)
{
	return (u32)(((PAGE_SIZE << order) - offsetof(struct tk_region_table, regions)) / sizeof(struct tk_region));
}

u32 mem_region_find(const struct mem_space *space, u64 address)
{
	u32 low = 0, high = space->table->count;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (space->regions[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void mem_edit_begin(struct mem_space *space)
{
	/* Sequentially consistent: the odd number is seen before any change. */
	__atomic_add_fetch(&space->table->generation, 1, __ATOMIC_SEQ_CST);
}

void mem_edit_end(struct mem_space *space)
{
	/* Release: the changes are seen before the even number. */
	__atomic_add_fetch(&space->table->generation, 1, __ATOMIC_RELEASE);
}

/* Moves the table to 2^order frames. */
static long table_grow(struct mem_space *space, u32 order)
{
	u32 capacity = table_capacity(order);
	frame_t frame = mem_frames_take(order, MEM_FRAME_OWN);
	struct tk_region_table *table;
	struct mem_side *side;
	struct tk_field_write write = { .field = TK_FIELD_VSPACE_TABLE, .value = frame | (u64)order << 32 };

	if (!frame)
		return -ENOMEM;
	side = heap_resize(space->side, capacity * sizeof(*side));
	if (!side) {
		mem_frames_put(frame, order);
		return -ENOMEM;
	}
	space->side = side;
	table = mem_frame_address(frame);
	memset(table, 0, PAGE_SIZE << order);
	mem_edit_begin(space);
	table->resident = space->table->resident;
	table->count = space->table->count;
	memcpy(table->regions, space->regions, space->table->count * sizeof(struct tk_region));
	table->generation = space->table->generation + 1;
	if (mem_is_error(tk_object_write(space->token, &write, 1))) {
		mem_edit_end(space);
		mem_frames_put(frame, order);
		return -ENOMEM;
	}
	if (space->larger_frame)
		mem_frames_put(space->larger_frame, space->larger_order);
	space->table = table;
	space->regions = table->regions;
	space->larger_frame = frame;
	space->larger_order = order;
	space->capacity = capacity;
	return 0;
}

long mem_regions_reserve(struct mem_space *space, u32 extra)
{
	u32 wanted = space->table->count + extra, order = space->larger_order + 1;

	if (wanted > MEM_REGIONS_MAX)
		return -ENOMEM;
	if (wanted <= space->capacity)
		return 0;
	while (order < TABLE_ORDER_MAX && table_capacity(order) < wanted)
		order++;
	return order <= TABLE_ORDER_MAX && table_capacity(order) >= wanted ? table_grow(space, order) : -ENOMEM;
}

u64 mem_committed(void)
{
	return committed;
}

bool mem_region_is_data(u8 prot, u32 notes)
{
	return (prot & TK_PROT_WRITE) && !(notes & (MEM_NOTE_SHARED | MEM_NOTE_GROWSDOWN));
}

void mem_region_count(struct mem_space *space, const struct tk_region *region, u32 notes, bool add)
{
	u64 pages = mem_region_pages(region), change = add ? pages : -pages;

	space->total += change;
	if (notes & MEM_NOTE_LOCKED)
		space->locked += change;
	if (region->kind == TK_REGION_OBJECT)
		space->shared += change;
	if (notes & MEM_NOTE_GROWSDOWN)
		space->stack += change;
	else if ((region->prot & (TK_PROT_WRITE | TK_PROT_EXECUTE)) == TK_PROT_EXECUTE)
		space->executable += change;
	if (mem_region_is_data(region->prot, notes)) {
		space->data += change;
		__atomic_add_fetch(&committed, change, __ATOMIC_RELAXED); /* relaxed: a statistic */
	}
	if (space->total > space->total_peak)
		space->total_peak = space->total;
}

/* Entry and side move up or down by one place; `at` is the first that moves. */
void mem_region_insert(struct mem_space *space, u32 at, const struct tk_region *region, struct mem_side side)
{
	struct tk_region_table *table = space->table;
	u32 behind = table->count - at;

	memmove(&space->regions[at + 1], &space->regions[at], behind * sizeof(*region));
	memmove(&space->side[at + 1], &space->side[at], behind * sizeof(side));
	space->regions[at] = *region;
	space->side[at] = side;
	table->count++;
}

static void entries_drop(struct mem_space *space, u32 first, u32 last)
{
	struct tk_region_table *table = space->table;
	u32 behind = table->count - last;

	memmove(&space->regions[first], &space->regions[last], behind * sizeof(space->regions[0]));
	memmove(&space->side[first], &space->side[last], behind * sizeof(space->side[0]));
	table->count -= last - first;
}

/* Cuts region `at` in two at an address strictly inside. */
static long region_split(struct mem_space *space, u32 at, u64 address)
{
	struct tk_region upper = space->regions[at];
	struct mem_side side = space->side[at];
	struct tk_region *lower;

	if (upper.kind == TK_REGION_OBJECT)
		upper.offset += address - upper.start;
	upper.start = address;
	if (side.mapping) {
		side.mapping = mem_mapping_create(side.mapping->object, space, &upper, side.notes);
		if (!side.mapping)
			return -ENOMEM;
	}
	mem_region_insert(space, at + 1, &upper, side);
	lower = &space->regions[at];
	lower->end = address;
	if (space->side[at].mapping)
		mem_mapping_move(space->side[at].mapping, lower, side.notes);
	return 0;
}

long mem_range_isolate(struct mem_space *space, u64 start, u64 end, u32 *first, u32 *last)
{
	const struct tk_region_table *table = space->table;
	u32 at = mem_region_find(space, start);

	if (at < table->count && space->regions[at].start < start) {
		if (region_split(space, at, start))
			return -ENOMEM;
		at++;
	}
	*first = at;
	while (at < table->count && space->regions[at].end <= end)
		at++;
	if (at < table->count && space->regions[at].start < end) {
		if (region_split(space, at, end))
			return -ENOMEM;
		at++;
	}
	*last = at;
	return 0;
}

struct mem_mapping *mem_regions_detach(struct mem_space *space, u32 first, u32 last)
{
	struct mem_mapping *detached = NULL;

	for (u32 at = first; at < last; at++) {
		struct mem_mapping *mapping = space->side[at].mapping;

		mem_region_count(space, &space->regions[at], space->side[at].notes, false);
		if (mapping) {
			mapping->detached = detached;
			detached = mapping;
		}
	}
	entries_drop(space, first, last);
	return detached;
}

void mem_mappings_destroy(struct mem_mapping *detached)
{
	while (detached) {
		struct mem_mapping *next = detached->detached;

		mem_mapping_destroy(detached);
		detached = next;
	}
}

/* Region `at` goes on where the one before it ends. */
static bool regions_join(const struct mem_space *space, u32 at)
{
	const struct tk_region *a = &space->regions[at - 1], *b = &space->regions[at];
	const struct mem_side *sa = &space->side[at - 1], *sb = &space->side[at];

	if (a->end != b->start || a->prot != b->prot || a->kind != b->kind || a->flags != b->flags || sa->notes != sb->notes)
		return false;
	if (!sa->mapping || !sb->mapping)
		return sa->mapping == sb->mapping;
	return sa->mapping->object == sb->mapping->object && a->offset + (a->end - a->start) == b->offset;
}

void mem_regions_merge(struct mem_space *space, u32 first, u32 last)
{
	struct tk_region_table *table = space->table;

	for (u32 at = last; at + 1 > first && at > 0; at--) {
		if (at >= table->count || !regions_join(space, at))
			continue;
		space->regions[at - 1].end = space->regions[at].end;
		if (space->side[at].mapping) {
			mem_mapping_move(space->side[at - 1].mapping, &space->regions[at - 1], space->side[at - 1].notes);
			mem_mapping_destroy(space->side[at].mapping);
		}
		entries_drop(space, at, at + 1);
	}
}
