/*
 * Record locks (of descriptor tables or open files) and flock locks. Each file's locks are a short list sorted by start; one lock
 * guards them all, since finding deadlocks looks at every waiting owner.
 */
#include "fs.h"
#include <fs_server.h>

#define WHOLE_END FS_OFFSET_MAX
#define WAITERS_SEARCHED 10   /* as Linux: a longer chain is not taken for a deadlock */

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
struct fs_locks {
	struct lock_record *records, *flocks;
	struct tk_pollword *word; /* counts up when locks are dropped */
};
static struct rt_lock locks_lock = RT_LOCK_INIT; /* guards everything in this file */
static struct lock_waiter *waiters;

static void records_free(struct lock_record *record)
{
	while (record) {
		struct lock_record *next = record->next;

		heap_free(record);
		record = next;
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
	while (gone) {
		waiter = gone;
		gone = waiter->next;
		heap_free(waiter);
	}
	records_free(locks->records);
	records_free(locks->flocks);
	if (locks->word)
		pollword_free(locks->word);
	heap_free(locks);
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

static bool same_owner(const struct lock_record *record, const struct fs_lock *request)
{
	return record->owner == request->owner && record->kind == request->kind;
}

static const struct lock_record *conflict_find(const struct lock_record *record, const struct fs_lock *request)
{
	for (; record; record = record->next)
		if (!same_owner(record, request) && record->start <= request->end && record->end >= request->start
		    && (record->type == FS_LOCK_WRITE || request->type == FS_LOCK_WRITE))
			return record;
	return NULL;
}

static u32 records_of(const struct lock_record *record, const struct fs_lock *request)
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
 * joined. spare are two records for the new lock and for a cut in the middle; those used are NULL after. Dropped ones go to *gone.
 */
static void range_set(struct lock_record **list, const struct fs_lock *request, struct lock_record *spare[2], struct lock_record **gone)
{
	u64 start = request->start, end = request->end;
	struct lock_record **at = list, *record;

	while ((record = *at)) {
		bool touches = record->start <= (end == WHOLE_END ? end : end + 1) && record->end + 1 >= start;
		bool overlaps = record->start <= request->end && record->end >= request->start;

		if (!same_owner(record, request) || !(overlaps || (touches && record->type == request->type))) {
			at = &record->next;
			continue;
		}
		if (record->type == request->type) {   /* joined */
			start = record->start < start ? record->start : start;
			end = record->end > end ? record->end : end;
		} else if (record->start < request->start && record->end > request->end) {   /* cut in the middle */
			struct lock_record *rest = spare[1];

			spare[1] = NULL;
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
		record->next = *gone;
		*gone = record;
	}
	if (request->type == FS_LOCK_NONE)
		return;
	record = spare[0];
	spare[0] = NULL;
	*record = (struct lock_record){ NULL, start, end, request->owner, request->kind, request->type, request->pid };
	record_insert(list, record);
}

/* The owner for whose record lock another owner waits now. */
static bool blocker_find(u64 owner, u64 *blocker)
{
	const struct lock_waiter *waiter;

	for (waiter = waiters; waiter; waiter = waiter->next) {
		const struct lock_record *conflict;

		if (waiter->request.owner != owner)
			continue;
		conflict = conflict_find(waiter->locks->records, &waiter->request);
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
static struct lock_waiter *waiter_take(struct fs_locks *locks, const struct fs_lock *request)
{
	struct lock_waiter **at, *waiter;

	for (at = &waiters; (waiter = *at); at = &waiter->next) {
		const struct fs_lock *other = &waiter->request;

		if (waiter->locks != locks || other->owner != request->owner || other->type != request->type
		    || other->start != request->start || other->end != request->end)
			continue;
		*at = waiter->next;
		return waiter;
	}
	return NULL;
}

/* What one request needs and leaves, so that nothing is allocated or freed under the lock. */
struct lock_memory { struct lock_record *spare[2]; struct lock_waiter *waiter; struct lock_record *gone; };

static long request_commit(struct fs_locks *locks, const struct fs_lock *request, struct lock_memory *memory)
{
	struct lock_record **list = request->kind == FS_LOCK_FLOCK ? &locks->flocks : &locks->records;
	const struct lock_record *conflict = request->type == FS_LOCK_NONE ? NULL : conflict_find(*list, request);
	bool posix = request->kind == FS_LOCK_POSIX;
	struct lock_waiter *old = posix ? waiter_take(locks, request) : NULL;
	u32 before;

	if (old) {
		heap_free(memory->waiter);
		memory->waiter = old;
	}
	if (conflict) {
		if (request->command != FS_LOCK_SET_WAIT || !posix || conflict->kind != FS_LOCK_POSIX)
			return -EAGAIN;
		if (deadlock_found(request->owner, conflict->owner))
			return -EDEADLK;
		*memory->waiter = (struct lock_waiter){ waiters, locks, *request };
		waiters = memory->waiter;
		memory->waiter = NULL;
		return -EAGAIN;
	}
	before = records_of(*list, request);
	range_set(list, request, memory->spare, &memory->gone);
	if (before) /* something was dropped or became weaker */
		pollword_event(locks->word, 0);
	return 0;
}

static long request_run(struct fs_locks *locks, const struct fs_lock *request)
{
	struct lock_memory memory = { { heap_alloc(sizeof(struct lock_record)), heap_alloc(sizeof(struct lock_record)) },
		heap_alloc(sizeof(struct lock_waiter)), NULL };
	long result = -ENOLCK;

	if (memory.spare[0] && memory.spare[1] && memory.waiter) {
		lock_acquire(&locks_lock);
		result = request_commit(locks, request, &memory);
		lock_release(&locks_lock);
	}
	heap_free(memory.spare[0]);
	heap_free(memory.spare[1]);
	heap_free(memory.waiter);
	records_free(memory.gone);
	return result;
}

static long request_test(struct fs_locks *locks, const struct fs_lock *request, struct fs_lock *result)
{
	const struct lock_record *conflict;

	*result = *request;
	lock_acquire(&locks_lock);
	conflict = conflict_find(request->kind == FS_LOCK_FLOCK ? locks->flocks : locks->records, request);
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
	    || request->start > request->end || request->end > WHOLE_END)
		return -EINVAL;
	if (request->kind != FS_LOCK_POSIX)
		request->owner = file->handle;
	if (request->kind == FS_LOCK_FLOCK) {
		request->start = 0;
		request->end = WHOLE_END;
	} else if (request->command != FS_LOCK_TEST) {
		if ((request->type == FS_LOCK_READ && access == FS_O_WRONLY) || (request->type == FS_LOCK_WRITE && access == FS_O_RDONLY))
			return -EBADF;
	}
	return 0;
}

long fs_op_lock(const struct rt_request *rq, u64 handle, const struct fs_lock *request, struct fs_lock *result)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct fs_lock wanted = *request;
	struct fs_locks *locks;
	long error;

	if (!file)
		return -EBADF;
	*result = wanted;
	error = request_check(file, &wanted);
	if (!error) {
		locks = locks_of(file->inode);
		if (!locks)
			error = -ENOLCK;
		else if (wanted.command == FS_LOCK_TEST)
			error = request_test(locks, &wanted, result);
		else
			error = request_run(locks, &wanted);
	}
	fs_file_put(file);
	return error;
}

long fs_op_lock_word(const struct rt_request *rq, u64 handle, u64 *pollword)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct fs_locks *locks;

	if (!file)
		return -EBADF;
	locks = locks_of(file->inode);
	*pollword = locks ? pollword_handle(locks->word, rq) : 0;
	fs_file_put(file);
	return *pollword ? 0 : -ENOMEM;
}

long fs_op_lock_cancel(const struct rt_request *rq, u64 handle, const struct fs_lock *request)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct lock_waiter *waiter = NULL;

	if (!file)
		return -EBADF;
	if (file->inode->locks) {
		lock_acquire(&locks_lock);
		waiter = waiter_take(file->inode->locks, request);
		lock_release(&locks_lock);
	}
	heap_free(waiter);
	fs_file_put(file);
	return 0;
}

/* Drops all locks of an owner from one list; true if there were any. */
static bool owner_drop(struct lock_record **at, u32 kind, u64 owner, struct lock_record **gone)
{
	struct lock_record *record;
	bool any = false;

	while ((record = *at)) {
		if (record->kind != kind || record->owner != owner) {
			at = &record->next;
			continue;
		}
		*at = record->next;
		record->next = *gone;
		*gone = record;
		any = true;
	}
	return any;
}

long fs_op_lock_drop(const struct rt_request *rq, u64 handle, u64 owner)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct lock_record *gone = NULL;

	if (!file)
		return -EBADF;
	if (file->inode->locks) {
		lock_acquire(&locks_lock);
		if (owner_drop(&file->inode->locks->records, FS_LOCK_POSIX, owner, &gone))
			pollword_event(file->inode->locks->word, 0);
		lock_release(&locks_lock);
	}
	records_free(gone);
	fs_file_put(file);
	return 0;
}

void fs_locks_drop_file(struct fs_file *file)
{
	struct fs_locks *locks = file->inode->locks;
	struct lock_record *gone = NULL;
	bool any;

	lock_acquire(&locks_lock);
	any = owner_drop(&locks->records, FS_LOCK_OPEN, file->handle, &gone);
	any |= owner_drop(&locks->flocks, FS_LOCK_FLOCK, file->handle, &gone);
	if (any)
		pollword_event(locks->word, 0);
	lock_release(&locks_lock);
	records_free(gone);
}
