/* The locks of one file: short lists sorted by start, and the records that serve the next request. */
#include "lock.h"

void fs_lock_records_free(struct lock_record *record)
{
	while (record) {
		struct lock_record *next = record->next;

		heap_free(record);
		record = next;
	}
}

void fs_lock_record_spare(struct fs_locks *locks, struct lock_record *record)
{
	record->next = locks->spare_records;
	locks->spare_records = record;
	locks->record_count++;
}

struct lock_record *fs_lock_record_take(struct fs_locks *locks)
{
	struct lock_record *record = locks->spare_records;

	locks->spare_records = record->next;
	locks->record_count--;
	return record;
}

static bool same_owner(const struct lock_record *record, const struct fs_lock *request)
{
	return record->owner == request->owner && record->kind == request->kind;
}

const struct lock_record *fs_lock_conflict_find(const struct lock_record *record, const struct fs_lock *request)
{
	for (; record; record = record->next)
		if (!same_owner(record, request) && record->start <= request->end && record->end >= request->start
		    && (record->type == FS_LOCK_WRITE || request->type == FS_LOCK_WRITE))
			return record;
	return NULL;
}

u32 fs_lock_records_of(const struct lock_record *record, const struct fs_lock *request)
{
	u32 count = 0;

	for (; record; record = record->next)
		count += same_owner(record, request) && record->start <= request->end && record->end >= request->start;
	return count;
}

static void record_insert(struct lock_record **list, struct lock_record *record)
{
	while (*list && (*list)->start < record->start)
		list = &(*list)->next;
	record->next = *list;
	*list = record;
}

/*
 * Sets or drops (FS_LOCK_NONE) the owner's locks in a range: what it had there is cut away, what touches with the same type is
 * joined. A new lock and a cut in the middle take one spare record each; dropped ones become spare.
 */
void fs_lock_range_set(struct fs_locks *locks, struct lock_record **list, const struct fs_lock *request)
{
	u64 start = request->start, end = request->end;
	struct lock_record **at = list, *record;

	while ((record = *at)) {
		bool touches = record->start <= (end == FS_LOCK_WHOLE_END ? end : end + 1) && record->end + 1 >= start;
		bool overlaps = record->start <= request->end && record->end >= request->start;

		if (!same_owner(record, request) || !(overlaps || (touches && record->type == request->type))) {
			at = &record->next;
			continue;
		}
		if (record->type == request->type) {   /* joined */
			start = record->start < start ? record->start : start;
			end = record->end > end ? record->end : end;
		} else if (record->start < request->start && record->end > request->end) {   /* cut in the middle */
			struct lock_record *rest = fs_lock_record_take(locks);

			*rest = *record;
			rest->start = request->end + 1;
			record->end = request->start - 1;
			at = &record->next;
			record_insert(list, rest);
			continue;
		} else if (record->start < request->start) {
			record->end = request->start - 1;
			at = &record->next;
			continue;
		} else if (record->end > request->end) {
			*at = record->next;
			record->start = request->end + 1;
			record_insert(list, record);
			at = list;
			continue;
		}
		*at = record->next;
		fs_lock_record_spare(locks, record);
	}
	if (request->type == FS_LOCK_NONE)
		return;
	record = fs_lock_record_take(locks);
	*record = (struct lock_record){ NULL, start, end, request->owner, request->kind, request->type, request->pid };
	record_insert(list, record);
}

/* Drops all locks of an owner from one list; true if there were any. */
bool fs_lock_owner_drop(struct fs_locks *locks, struct lock_record **at, u32 kind, u64 owner)
{
	struct lock_record *record;
	bool any = false;

	while ((record = *at)) {
		if (record->kind != kind || record->owner != owner) {
			at = &record->next;
			continue;
		}
		*at = record->next;
		fs_lock_record_spare(locks, record);
		any = true;
	}
	return any;
}
