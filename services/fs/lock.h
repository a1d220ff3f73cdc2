/* Locks of files, for lock.c and lock_record.c: everything here is guarded by lock.c's one lock. */
#ifndef FS_LOCK_H
#define FS_LOCK_H

#include "fs.h"

#define FS_LOCK_WHOLE_END FS_OFFSET_MAX

struct lock_record {
	struct lock_record *next;
	u64 start, end;           /* end inclusive */
	u64 owner;
	u32 kind, type;
	i32 pid;
};
struct lock_waiter {              /* of kind FS_LOCK_POSIX */
	struct lock_waiter *next;
	struct fs_locks *locks;
	struct fs_lock request;   /* for whom it waits is looked up when somebody asks: locks change before the waiter has run again */
};
/* A request needs at most two records and a waiter; what it leaves over serves the next one on the same file. */
#define RECORDS_NEEDED 2u
#define RECORDS_KEPT 6u
#define WAITERS_KEPT 2u
struct fs_locks {
	struct lock_record *records, *flocks;
	struct tk_pollword *word; /* counts up when locks are dropped */
	struct lock_record *spare_records;
	struct lock_waiter *spare_waiters;
	u32 record_count, waiter_count; /* of the spare ones */
};

/* lock_record.c */
void fs_lock_records_free(struct lock_record *record);                       /* a list; without the lock */
void fs_lock_record_spare(struct fs_locks *locks, struct lock_record *record);
struct lock_record *fs_lock_record_take(struct fs_locks *locks);             /* there is one: see locks_enter */
/* The first lock of a list that keeps a request from being granted. */
const struct lock_record *fs_lock_conflict_find(const struct lock_record *record, const struct fs_lock *request);
/* How many locks of its owner a request touches. */
u32 fs_lock_records_of(const struct lock_record *record, const struct fs_lock *request);
void fs_lock_range_set(struct fs_locks *locks, struct lock_record **list, const struct fs_lock *request);
bool fs_lock_owner_drop(struct fs_locks *locks, struct lock_record **at, u32 kind, u64 owner);

#endif
