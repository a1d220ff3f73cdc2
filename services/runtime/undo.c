/* Undo logs (OSIRIS: Bhat and others, DSN 2016): records are complete before they count, and count before the store they are of. */
#include <runtime_unit.h>
#include <undo.h>

typedef volatile u64 __attribute__((may_alias, aligned(1))) word;

/* At most 8 bytes, by no function that is noted itself. */
static void bytes_copy(void *to, const void *from, u64 size)
{
	if (likely(size == 8)) {
		*(word *)to = *(const word *)from;
		return;
	}
	for (u64 i = 0; i < size; i++)
		((volatile u8 *)to)[i] = ((const volatile u8 *)from)[i];
}

void undo_begin(struct undo *undo)
{
	rt_assert(undo->depth < UNDO_DEPTH);
	undo->marks[undo->depth] = undo->count;
	UNDO_IN_ORDER();
	undo->depth++;
	UNDO_IN_ORDER();
}

u32 undo_end(struct undo *undo)
{
	UNDO_IN_ORDER();
	undo->count = undo->marks[undo->depth - 1]; /* commit */
	UNDO_IN_ORDER();
	if (--undo->depth)
		return 0;
	undo->overflowed = undo->answered = 0;
	UNDO_IN_ORDER();
	return undo->frees;
}

/* Its records count together: the stores that they are of all come later. */
void undo_note(struct undo *undo, struct undo_log *log, u64 address, u64 size)
{
	struct undo_record *record = &log->records[undo->count], *end = &log->records[UNDO_RECORDS];

	for (; size >= 8 && record < end; record++, address += 8, size -= 8)
		*record = (struct undo_record){ address << 8 | 8, *(const word *)address };
	if (size && record < end) {
		*record = (struct undo_record){ address << 8 | size, 0 };
		bytes_copy(&record->old, (const void *)address, size);
		record++;
		size = 0;
	}
	if (size)
		undo->overflowed = 1;
	UNDO_IN_ORDER();
	undo->count = (u32)(record - log->records);
	UNDO_IN_ORDER();
}

bool undo_free_later(struct undo *undo, struct undo_log *log, void *p)
{
	if (undo->frees == UNDO_FREES) {
		undo->overflowed = 1;
		return false;
	}
	log->frees[undo->frees++] = p;
	return true;
}

static bool area_holds(const struct undo_area *areas, u32 count, u64 address, u64 size)
{
	for (u32 i = 0; i < count; i++)
		if (address >= areas[i].start && address < areas[i].end && size <= areas[i].end - address)
			return true;
	return false;
}

long undo_take_back(struct undo *undo, const struct undo_log *log, const struct undo_area *areas, u32 count)
{
	const struct undo_area own[] = { { (u64)&undo->current, (u64)(&undo->current + 1) }, { (u64)undo->answers, (u64)(undo->answers + 2) } };

	if (undo->depth > UNDO_DEPTH || undo->count > UNDO_RECORDS || (undo->depth && undo->overflowed))
		return -EIO;
	for (u32 i = undo->depth ? undo->count : 0; i > 0; i--) {
		const struct undo_record *record = &log->records[i - 1];
		u64 address = undo_address(record), size = record->place & 0xff;

		if (size == 0 || size > 8 || !(area_holds(areas, count, address, size) || area_holds(own, countof(own), address, size)))
			return -EIO;
		bytes_copy((void *)address, &record->old, size);
	}
	UNDO_IN_ORDER();
	undo->depth = undo->count = undo->frees = undo->overflowed = undo->answered = 0;
	return 0;
}
