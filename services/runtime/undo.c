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

bool undo_end(struct undo *undo)
{
	UNDO_IN_ORDER();
	undo->count = undo->marks[undo->depth - 1]; /* commit */
	UNDO_IN_ORDER();
	if (--undo->depth)
		return false;
	undo->answered = undo->starved = 0;
	UNDO_IN_ORDER();
	return undo->frees | undo->grown | undo->overflowed;
}

/* The piece in which an entry stands that is behind the first ones: it begins with entry first << piece. */
static u32 piece_of(u32 index, u32 first)
{
	return 31 - (u32)__builtin_clz(index / first);
}

/* Where an entry stands, and how many from there on stand together: 0 when there is no room for it. */
static struct undo_record *record_place(struct undo_log *log, u32 index, u32 *together)
{
	if (likely(index < UNDO_RECORDS)) {
		*together = UNDO_RECORDS - index;
		return &log->records[index];
	}
	u32 piece = piece_of(index, UNDO_RECORDS), start = UNDO_RECORDS << piece;

	*together = piece < log->more_records.count ? 2 * start - index : 0;
	return *together ? (struct undo_record *)log->more_records.piece[piece] + (index - start) : NULL;
}

static void **free_place(const struct undo_log *log, u32 index)
{
	if (likely(index < UNDO_FREES))
		return (void **)&log->frees[index];
	u32 piece = piece_of(index, UNDO_FREES);

	return piece < log->more_frees.count ? (void **)log->more_frees.piece[piece] + (index - (UNDO_FREES << piece)) : NULL;
}

/* As many records as stand together; what is left of the size. */
static u64 records_fill(struct undo_record *record, u32 together, u64 address, u64 size)
{
	struct undo_record *end = record + together;

	for (; size >= 8 && record < end; record++, address += 8, size -= 8)
		*record = (struct undo_record){ address << 8 | 8, *(const word *)address };
	if (size && record < end) {
		*record = (struct undo_record){ address << 8 | size, 0 };
		bytes_copy(&record->old, (const void *)address, size);
		size = 0;
	}
	return size;
}

/* Its records count together: the stores that they are of all come later. */
void undo_note(struct undo *undo, struct undo_log *log, u64 address, u64 size)
{
	u32 count = undo->count, together;

	while (size) {
		struct undo_record *record = record_place(log, count, &together);
		u64 left = together ? records_fill(record, together, address, size) : size;

		if (!together) {
			undo->overflowed = 1;
			break;
		}
		count += left ? together : (u32)((size + 7) / 8);
		address += size - left;
		size = left;
	}
	UNDO_IN_ORDER();
	undo->count = count;
	UNDO_IN_ORDER();
}

bool undo_free_later(struct undo *undo, struct undo_log *log, void *p)
{
	void **place = free_place(log, undo->frees);

	if (!place) {
		undo->overflowed = 1;
		return false;
	}
	*place = p;
	undo->frees++;
	return true;
}

void *undo_freed(const struct undo_log *log, u32 index)
{
	return *free_place(log, index);
}

/* Asking for one takes two locks of the heap. */
static bool can_grow(const struct undo *undo, const struct undo_pieces *pieces)
{
	return pieces->count < UNDO_PIECES && !undo->starved && undo->depth + 2 <= UNDO_DEPTH;
}

size_t undo_records_wanted(const struct undo *undo, const struct undo_log *log, u64 size)
{
	u64 room = UNDO_RECORDS << log->more_records.count;

	if (undo->count + size / 8 + 1 + UNDO_RESERVE <= room || !can_grow(undo, &log->more_records))
		return 0;
	return room * sizeof(struct undo_record);
}

size_t undo_frees_wanted(const struct undo *undo, const struct undo_log *log)
{
	u64 room = UNDO_FREES << log->more_frees.count;

	return undo->frees < room || !can_grow(undo, &log->more_frees) ? 0 : room * sizeof(void *);
}

void undo_piece_add(struct undo *undo, struct undo_pieces *pieces, void *piece)
{
	undo->grown = 1;
	pieces->piece[pieces->count] = piece;
	UNDO_IN_ORDER();
	pieces->count++;
}

static bool area_holds(const struct undo_area *areas, u32 count, u64 address, u64 size)
{
	for (u32 i = 0; i < count; i++)
		if (address >= areas[i].start && address < areas[i].end && size <= areas[i].end - address)
			return true;
	return false;
}

/* A record, wherever a log that may hold anything has it; NULL: nowhere. */
static const struct undo_record *record_find(const struct undo_log *log, u32 index, const struct undo_area *areas, u32 count)
{
	if (index < UNDO_RECORDS)
		return &log->records[index];
	u32 piece = piece_of(index, UNDO_RECORDS), start = UNDO_RECORDS << piece;
	const struct undo_record *records = log->more_records.piece[piece];

	if ((u64)records % sizeof(u64) || !area_holds(areas, count, (u64)records, start * sizeof(*records)))
		return NULL;
	return &records[index - start];
}

long undo_take_back(struct undo *undo, const struct undo_log *log, const struct undo_area *areas, u32 count)
{
	const struct undo_area own[] = { { (u64)&undo->current, (u64)(&undo->current + 1) }, { (u64)undo->answers, (u64)(undo->answers + 2) } };

	if (undo->depth > UNDO_DEPTH || undo->count > UNDO_RECORDS << UNDO_PIECES || (undo->depth && undo->overflowed))
		return -EIO;
	for (u32 i = undo->depth ? undo->count : 0; i > 0; i--) {
		const struct undo_record *record = record_find(log, i - 1, areas, count);
		u64 address = record ? undo_address(record) : 0, size = record ? record->place & 0xff : 0;

		if (size == 0 || size > 8 || !(area_holds(areas, count, address, size) || area_holds(own, countof(own), address, size)))
			return -EIO;
		bytes_copy((void *)address, &record->old, size);
	}
	UNDO_IN_ORDER();
	undo->depth = undo->count = undo->frees = undo->overflowed = undo->answered = undo->grown = undo->starved = 0;
	return 0;
}
