/*
 * Record locks (of descriptor tables or open files) and flock locks: requests, and who waits. One lock guards those of all files, since
 * finding deadlocks looks at every waiting owner.
 */
#include "lock.h"
#include "recover.h"
#include <fs_server.h>

#define WAITERS_SEARCHED 10   /* as Linux: a longer chain is not taken for a deadlock */

static struct rt_lock locks_lock = RT_LOCK_INIT; /* guards everything in this file */
static struct lock_waiter *waiters;

static void waiters_free(struct lock_waiter *waiter)
{
	while (waiter) {
		struct lock_waiter *next = waiter->next;

		heap_free(waiter);
		waiter = next;
	}
}

void fs_locks_destroy(struct fs_locks *locks)
{
	struct lock_waiter **at, *waiter, *gone = NULL;

	if (!locks)
		return;
	lock_acquire(&locks_lock);
	for (at = &waiters; *at;) {
		waiter = *at;
		if (waiter->locks == locks) {
			*at = waiter->next;
			waiter->next = gone;
			gone = waiter;
		} else {
			at = &waiter->next;
		}
	}
	lock_release(&locks_lock);
	waiters_free(gone);
	waiters_free(locks->spare_waiters);
	fs_lock_records_free(locks->records);
	fs_lock_records_free(locks->flocks);
	fs_lock_records_free(locks->spare_records);
	if (locks->word)
		pollword_free(locks->word);
	heap_free(locks);
}

/* ---- Spare records and waiters: nothing is allocated or freed under the lock --------------------------------------------------- */

static void waiter_spare(struct fs_locks *locks, struct lock_waiter *waiter)
{
	waiter->next = locks->spare_waiters;
	locks->spare_waiters = waiter;
	locks->waiter_count++;
}

/* Takes the lock when there is what a request needs; false without memory, and without the lock. */
static bool locks_enter(struct fs_locks *locks)
{
	lock_acquire(&locks_lock);
	while (unlikely(locks->record_count < RECORDS_NEEDED || !locks->waiter_count)) {
		lock_release(&locks_lock);
		struct lock_record *record = heap_alloc(sizeof(*record));
		struct lock_waiter *waiter = heap_alloc(sizeof(*waiter));

		if (!record || !waiter) {
			heap_free(record);
			heap_free(waiter);
			return false;
		}
		lock_acquire(&locks_lock);
		fs_lock_record_spare(locks, record);
		waiter_spare(locks, waiter);
	}
	return true;
}

/* Leaves the lock and gives back what is more than worth keeping. */
static void locks_leave(struct fs_locks *locks)
{
	struct lock_record *records = NULL;
	struct lock_waiter *surplus = NULL;

	while (unlikely(locks->record_count > RECORDS_KEPT)) {
		struct lock_record *record = fs_lock_record_take(locks);

		record->next = records;
		records = record;
	}
	while (unlikely(locks->waiter_count > WAITERS_KEPT)) {
		struct lock_waiter *waiter = locks->spare_waiters;

		locks->spare_waiters = waiter->next;
		locks->waiter_count--;
		waiter->next = surplus;
		surplus = waiter;
	}
	lock_release(&locks_lock);
	fs_lock_records_free(records);
	waiters_free(surplus);
}

static struct fs_locks *locks_of(struct fs_inode *inode)
{
	struct fs_locks *made;

	if (__atomic_load_n(&inode->locks, __ATOMIC_ACQUIRE)) /* its contents before its address */
		return inode->locks;
	made = heap_alloc(sizeof(*made));
	if (!made)
		return NULL;
	made->word = pollword_alloc();
	if (!made->word) {
		heap_free(made);
		return NULL;
	}
	lock_acquire(&inode->lock);
	if (!inode->locks) {
		__atomic_store_n(&inode->locks, made, __ATOMIC_RELEASE);
		made = NULL;
	}
	lock_release(&inode->lock);
	fs_locks_destroy(made);
	return inode->locks;
}

/* The owner for whose record lock another owner waits now. */
static bool blocker_find(u64 owner, u64 *blocker)
{
	const struct lock_waiter *waiter;

	for (waiter = waiters; waiter; waiter = waiter->next) {
		const struct lock_record *conflict;

		if (waiter->request.owner != owner)
			continue;
		conflict = fs_lock_conflict_find(waiter->locks->records, &waiter->request);
		if (conflict && conflict->kind == FS_LOCK_POSIX) {
			*blocker = conflict->owner;
			return true;
		}
	}
	return false;
}

/* Would waiting for `blocker` make a circle of owners that wait for each other? */
static bool deadlock_found(u64 owner, u64 blocker)
{
	for (u32 steps = 0; steps < WAITERS_SEARCHED; steps++) {
		if (!blocker_find(blocker, &blocker))
			return false;
		if (blocker == owner)
			return true;
	}
	return false;
}

/* Takes what waits for the same request out of the list: another thread of the owner may wait for another range. */
static void waiter_end(struct fs_locks *locks, const struct fs_lock *request)
{
	struct lock_waiter **at, *waiter;

	for (at = &waiters; (waiter = *at); at = &waiter->next) {
		const struct fs_lock *other = &waiter->request;

		if (waiter->locks != locks || other->owner != request->owner || other->type != request->type
		    || other->start != request->start || other->end != request->end)
			continue;
		*at = waiter->next;
		waiter_spare(locks, waiter);
		return;
	}
}

/* Something is in the way: whoever would wait for it is queued. */
static long request_blocked(struct fs_locks *locks, const struct fs_lock *request, const struct lock_record *conflict)
{
	struct lock_waiter *waiter = locks->spare_waiters;

	if (request->command != FS_LOCK_SET_WAIT)
		return -EAGAIN;
	if (request->kind != FS_LOCK_POSIX || conflict->kind != FS_LOCK_POSIX)
		return FS_LOCK_WAITS;
	if (deadlock_found(request->owner, conflict->owner))
		return -EDEADLK;
	locks->spare_waiters = waiter->next;
	locks->waiter_count--;
	*waiter = (struct lock_waiter){ waiters, locks, *request };
	waiters = waiter;
	return FS_LOCK_WAITS;
}

static long request_commit(struct fs_locks *locks, const struct fs_lock *request)
{
	struct lock_record **list = request->kind == FS_LOCK_FLOCK ? &locks->flocks : &locks->records;
	const struct lock_record *conflict = request->type == FS_LOCK_NONE ? NULL : fs_lock_conflict_find(*list, request);
	u32 before;

	if (request->kind == FS_LOCK_POSIX && waiters)
		waiter_end(locks, request);
	if (conflict)
		return request_blocked(locks, request, conflict);
	before = fs_lock_records_of(*list, request);
	fs_lock_range_set(locks, list, request);
	if (before) /* something was dropped or became weaker */
		pollword_event(locks->word, 0);
	return 0;
}

/* sequence: of the word, from which to wait after FS_LOCK_WAITS. */
static long request_run(struct fs_locks *locks, const struct fs_lock *request, u64 *sequence)
{
	long result;

	if (!locks_enter(locks))
		return -ENOLCK;
	result = request_commit(locks, request);
	*sequence = locks->word->sequence; /* changed under the lock alone */
	locks_leave(locks);
	return result;
}

static void request_cancel(struct fs_locks *locks, const struct fs_lock *request)
{
	lock_acquire(&locks_lock);
	waiter_end(locks, request);
	locks_leave(locks);
}

static long request_test(struct fs_locks *locks, const struct fs_lock *request, struct fs_lock *result)
{
	const struct lock_record *conflict;

	*result = *request;
	lock_acquire(&locks_lock);
	conflict = fs_lock_conflict_find(request->kind == FS_LOCK_FLOCK ? locks->flocks : locks->records, request);
	if (conflict) {
		result->kind = conflict->kind;
		result->type = conflict->type;
		result->start = conflict->start;
		result->end = conflict->end;
		result->pid = conflict->kind == FS_LOCK_POSIX ? conflict->pid : -1;
	} else {
		result->type = FS_LOCK_NONE;
	}
	lock_release(&locks_lock);
	return 0;
}

static long request_check(const struct fs_file *file, struct fs_lock *request)
{
	u32 access = file->flags & FS_O_ACCMODE;

	if (file->kind == FS_KIND_PATH)
		return -EBADF;
	if (request->kind > FS_LOCK_FLOCK || request->command > FS_LOCK_SET_WAIT || request->type > FS_LOCK_NONE
	    || request->start > request->end || request->end > FS_LOCK_WHOLE_END)
		return -EINVAL;
	if (request->kind != FS_LOCK_POSIX)
		request->owner = file->handle;
	if (request->kind == FS_LOCK_FLOCK) {
		request->start = 0;
		request->end = FS_LOCK_WHOLE_END;
	} else if (request->command != FS_LOCK_TEST) {
		if ((request->type == FS_LOCK_READ && access == FS_O_WRONLY) || (request->type == FS_LOCK_WRITE && access == FS_O_RDONLY))
			return -EBADF;
	}
	return 0;
}

/* An operation on checked parameters. */
static long lock_serve(const struct rt_request *rq, struct fs_locks *locks, const struct fs_lock *request, u64 *first, u64 *second, u64 *third)
{
	struct fs_lock found;
	long result;

	if (request->command == FS_LOCK_TEST) {
		result = request_test(locks, request, &found);
		*first = fs_lock_pack(&found);
		*second = found.start;
		*third = found.end;
		return result;
	}
	result = request_run(locks, request, second);
	if (result != FS_LOCK_WAITS)
		return result;
	*first = pollword_handle(locks->word, rq);
	if (*first)
		return result;
	request_cancel(locks, request);
	return -ENOLCK;
}

long fs_op_lock(const struct rt_request *rq, u64 handle, u64 what, u64 owner, u64 start, u64 end, u64 *first, u64 *second, u64 *third)
{
	struct fs_lock request = fs_lock_unpack(what, owner, start, end);
	struct fs_file *file = fs_file_get(rq, handle);
	struct fs_locks *locks;
	long result;

	if (!file)
		return -EBADF;
	*first = *second = *third = 0;
	result = request_check(file, &request);
	if (!result) {
		locks = locks_of(file->inode);
		result = locks ? lock_serve(rq, locks, &request, first, second, third) : -ENOLCK;
	}
	fs_file_put(file);
	return result;
}

long fs_op_lock_cancel(const struct rt_request *rq, u64 handle, u64 what, u64 owner, u64 start, u64 end)
{
	struct fs_lock request = fs_lock_unpack(what, owner, start, end);
	struct fs_file *file = fs_file_get(rq, handle);

	if (!file)
		return -EBADF;
	if (file->inode->locks)
		request_cancel(file->inode->locks, &request);
	fs_file_put(file);
	return 0;
}

long fs_op_lock_drop(const struct rt_request *rq, u64 handle, u64 owner)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct fs_locks *locks;

	if (!file)
		return -EBADF;
	locks = file->inode->locks;
	if (locks) {
		lock_acquire(&locks_lock);
		if (fs_lock_owner_drop(locks, &locks->records, FS_LOCK_POSIX, owner))
			pollword_event(locks->word, 0);
		locks_leave(locks);
	}
	fs_file_put(file);
	return 0;
}

void fs_locks_drop_file(struct fs_file *file)
{
	struct fs_locks *locks = file->inode->locks;
	bool any;

	lock_acquire(&locks_lock);
	any = fs_lock_owner_drop(locks, &locks->records, FS_LOCK_OPEN, file->handle);
	any |= fs_lock_owner_drop(locks, &locks->flocks, FS_LOCK_FLOCK, file->handle);
	if (any)
		pollword_event(locks->word, 0);
	locks_leave(locks);
}

/* ---- Recovery ---------------------------------------------------------------------------------------------------------------- */

static long records_recover(const struct lock_record *record, bool flock)
{
	for (; record; record = record->next)
		if (!heap_claim(record, sizeof(*record), FS_CLAIMED_BYTES) || record->type >= FS_LOCK_NONE || record->start > record->end ||
		    record->end > FS_LOCK_WHOLE_END || (record->kind == FS_LOCK_FLOCK) != flock || record->kind > FS_LOCK_FLOCK)
			return fs_bad("a lock of a file");
	return 0;
}

long fs_locks_recover_inode(struct fs_locks *locks)
{
	if (!heap_claim(locks, sizeof(*locks), FS_CLAIMED_LOCKS) || !pollword_claim(locks->word))
		return fs_bad("the locks of a file");
	locks->spare_records = NULL;   /* what was spare is freed with all that nobody claims */
	locks->spare_waiters = NULL;
	locks->record_count = locks->waiter_count = 0;
	return records_recover(locks->records, false) || records_recover(locks->flocks, true) ? -EIO : 0;
}

/* Those of open files that are no more. */
static void orphans_drop(struct lock_record **at)
{
	while (*at) {
		if ((*at)->kind != FS_LOCK_POSIX && !fs_handle_lives((*at)->owner))
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
}

long fs_locks_recovered(void)
{
	struct lock_waiter **at, *waiter;
	struct fs_locks *locks;

	locks_lock = (struct rt_lock)RT_LOCK_INIT;
	for (at = &waiters; (waiter = *at);) {
		if (!heap_claim(waiter, sizeof(*waiter), FS_CLAIMED_BYTES))
			return fs_bad("who waits for a lock");
		if (heap_kind(waiter->locks) == FS_CLAIMED_LOCKS)
			at = &waiter->next;
		else
			*at = waiter->next;
	}
	for (locks = heap_next(NULL, FS_CLAIMED_LOCKS); locks; locks = heap_next(locks, FS_CLAIMED_LOCKS)) {
		orphans_drop(&locks->records);
		orphans_drop(&locks->flocks);
		pollword_event(locks->word, 0);   /* all who wait ask again */
	}
	return 0;
}
