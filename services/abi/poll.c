/*
 * poll and select: one look at each descriptor under the lock of their table; if none is ready, a wait on the one event word, or on a
 * set of watches, then a look again. A descriptor's file is held while its word is waited on.
 */
#include "poll.h"
#include "include/abi_fcntl.h"

#define POLL_ALWAYS (POLLERR | POLLHUP)

/* The thread's own set of watches, made at the first use. */
static struct watch_set *poll_watches(struct shim_thread *t)
{
	if (!t->watches)
		t->watches = watch_set_create();
	return t->watches;
}

/* Looks at all entries; the number of those with something to report. */
static u32 poll_scan(struct shim_thread *t, struct poll_entry *entries, u32 count)
{
	u32 ready = 0;

	for (u32 i = 0; i < count; i++) {
		struct poll_entry *e = &entries[i];

		e->revents = e->file ? (u16)(file_ready(t, e->file) & (e->events | POLL_ALWAYS)) : e->fd < 0 ? 0 : POLLNVAL;
		if (e->revents)
			ready++;
	}
	return ready;
}

static bool poll_moves(const struct poll_entry *entries, u32 count)
{
	for (u32 i = 0; i < count; i++)
		if (entries[i].file && entries[i].file->ops->moves)
			return true;
	return false;
}

/* Watches the words that are not watched yet: all at first, later those of files which have another one now. */
static long poll_watch(struct watch_set *set, struct poll_entry *entries, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		struct poll_entry *e = &entries[i];
		const volatile u32 *word = e->file ? file_event_word(e->file) : NULL;
		long result;

		if (word == e->word)
			continue;
		watch_set_remove(set, &e->place);
		e->word = NULL;
		if (!word)
			continue;
		result = watch_set_add(set, word, e, &e->place);
		if (result < 0)
			return result;
		e->word = word;
	}
	return 0;
}

static void notice_ignore(void *cookie, void *context)
{
	(void)cookie;
	(void)context;
}

/* Watches every word, then looks and waits until something is ready or the deadline. */
static long poll_wait_many(struct shim_thread *t, struct poll_entry *entries, u32 count, nanos_t deadline)
{
	struct watch_set *set = poll_watches(t);
	struct watch_place moves = { 0 };
	long result = set ? 0 : -ENOMEM;

	if (set && poll_moves(entries, count))
		result = watch_set_add(set, &file_moves, entries, &moves);
	while (result == 0) {
		result = poll_watch(set, entries, count);
		if (result < 0)
			break;
		u32 seen = __atomic_load_n(watch_set_word(set), __ATOMIC_ACQUIRE); /* before the notices and the scan */

		watch_set_take(set, notice_ignore, NULL);
		result = poll_scan(t, entries, count);
		if (result)
			break;
		result = shim_wait(t, watch_set_word(set), seen, deadline);
	}
	for (u32 i = 0; set && i < count; i++)
		watch_set_remove(set, &entries[i].place);
	if (set)
		watch_set_remove(set, &moves);
	return result;
}

/* The one word that all entries wait on; NULL with *several when there is more than one. */
static const volatile u32 *poll_single_word(struct poll_entry *entries, u32 count, bool *several)
{
	const volatile u32 *found = NULL;

	*several = false;
	for (u32 i = 0; i < count; i++) {
		const volatile u32 *word = entries[i].file ? file_event_word(entries[i].file) : NULL;

		if (!word || word == found)
			continue;
		if (found)
			*several = true;
		found = word;
	}
	return *several ? NULL : found;
}

/* The same for one word, which needs no watch. */
static long poll_wait_one(struct shim_thread *t, struct poll_entry *entries, u32 count, nanos_t deadline)
{
	static const volatile u32 never;
	bool several;
	long result = 0;

	while (result == 0) {
		u32 moves = __atomic_load_n(&file_moves, __ATOMIC_ACQUIRE), seen; /* before the words are read */
		const volatile u32 *word = poll_single_word(entries, count, &several); /* each time: a file may have another now */

		word = word ? word : &never;
		seen = __atomic_load_n(word, __ATOMIC_ACQUIRE); /* before the scan */
		result = poll_scan(t, entries, count);
		if (result)
			break;
		result = shim_wait(t, word, seen, deadline);
		if (result == -EIO && poll_moves(entries, count)) /* the word is gone, and another will come */
			result = shim_wait(t, &file_moves, moves, deadline);
	}
	return result;
}

long poll_entries(struct shim_thread *t, struct poll_entry *entries, u32 count, nanos_t deadline)
{
	bool several;
	long result;

	for (u32 i = 0; i < count; i++) {
		entries[i].file = entries[i].fd >= 0 ? file_get(t, entries[i].fd) : NULL;
		if (entries[i].file && unlikely(entries[i].file->flags & O_PATH)) {
			file_put(entries[i].file);
			entries[i].file = NULL;
		}
	}
	result = poll_scan(t, entries, count);
	if (result == 0 && deadline != 0) {
		(void)poll_single_word(entries, count, &several);
		if (several)
			result = poll_wait_many(t, entries, count, deadline);
		else
			result = poll_wait_one(t, entries, count, deadline);
		if (result == -ETIMEDOUT)
			result = 0;
	}
	for (u32 i = 0; i < count; i++)
		if (entries[i].file)
			file_put(entries[i].file);
	return result;
}

nanos_t deadline_after(nanos_t length)
{
	nanos_t now;

	if (length == 0)
		return 0;
	now = clock_monotonic();
	return length >= NANOS_NEVER - now ? NANOS_NEVER : now + length;
}

#define LOOK_ENTRIES 64u /* looked at in one hold of the table's lock */

/* Fills revents and counts those that have some; false: a file is to be asked, not only looked at. */
static bool descriptors_look(struct shim_fd_table *table, struct linux_pollfd *fds, u32 count, u32 *ready)
{
	bool looked = true;

	lock_acquire(&table->lock);
	for (u32 i = 0; i < count && looked; i++) {
		const struct shim_file *file;
		u32 level = 0;

		if (fds[i].fd >= 0) {
			file = (u32)fds[i].fd < table->capacity ? table->fds[fds[i].fd].file : NULL;
			file = file && !(file->flags & O_PATH) ? file : NULL; /* there is nothing to wait for in a place */
			looked = !file || !file->ops->ready;
			level = !file ? POLLNVAL : looked ? file_level(file) & ((u16)fds[i].events | POLL_ALWAYS) : 0;
		}
		fds[i].revents = (i16)level;
		*ready += level != 0;
	}
	lock_release(&table->lock);
	return looked;
}

/* The first look of a poll, in parts, from and to the application's array; -EAGAIN: a file is to be asked. */
static long poll_look(struct shim_thread *t, vaddr_t fds, u32 count)
{
	struct linux_pollfd own[LOOK_ENTRIES];
	u32 ready = 0, part;

	for (u32 done = 0; done < count; done += part, fds += part * sizeof(*own)) {
		part = count - done < LOOK_ENTRIES ? count - done : LOOK_ENTRIES;
		if (user_copy_in(own, fds, part * sizeof(*own)) < 0)
			return -EFAULT;
		if (!descriptors_look(t->process->files, own, part, &ready))
			return -EAGAIN;
		if (user_copy_out(fds, own, part * sizeof(*own)) < 0)
			return -EFAULT;
	}
	return ready;
}

/* A poll's two arrays: its own few entries serve most calls without the heap. */
#define ENTRIES_OWN 6u
struct poll_arrays {
	struct linux_pollfd *user;
	struct poll_entry *entries;
	struct linux_pollfd own_user[ENTRIES_OWN];
	struct poll_entry own_entries[ENTRIES_OWN];
};

static bool arrays_make(struct poll_arrays *arrays, u32 count)
{
	bool own = count <= ENTRIES_OWN;

	arrays->user = own ? arrays->own_user : heap_alloc(count * sizeof(*arrays->user));
	arrays->entries = own ? arrays->own_entries : heap_alloc(count * sizeof(*arrays->entries));
	return arrays->user && arrays->entries;
}

static void arrays_free(struct poll_arrays *arrays)
{
	if (arrays->user != arrays->own_user)
		heap_free(arrays->user);
	if (arrays->entries != arrays->own_entries)
		heap_free(arrays->entries);
}

/* Waits until something is ready, or asks the files that can't only be looked at. */
static long poll_wait(struct shim_thread *t, vaddr_t fds, u32 count, nanos_t deadline)
{
	struct poll_arrays arrays;
	long result = -ENOMEM;

	if (!arrays_make(&arrays, count))
		goto out;
	result = count ? user_copy_in(arrays.user, fds, count * sizeof(*arrays.user)) : 0;
	if (result < 0)
		goto out;
	for (u32 i = 0; i < count; i++)
		arrays.entries[i] = (struct poll_entry){ .fd = arrays.user[i].fd, .events = (u16)arrays.user[i].events };
	result = poll_entries(t, arrays.entries, count, deadline);
	for (u32 i = 0; i < count; i++)
		arrays.user[i].revents = (i16)arrays.entries[i].revents;
	if (count && result >= 0 && user_copy_out(fds, arrays.user, count * sizeof(*arrays.user)) < 0)
		result = -EFAULT;
out:
	arrays_free(&arrays);
	return result;
}

/* poll with a deadline: the work of poll, ppoll, and of a restarted poll. */
static long poll_descriptors(struct shim_thread *t, vaddr_t fds, u32 count, nanos_t deadline)
{
	long result;

	if (count > t->process->files_limit)
		return -EINVAL;
	result = poll_look(t, fds, count);
	if (result == -EAGAIN || (result == 0 && deadline != 0))
		result = poll_wait(t, fds, count, deadline);
	return result;
}

static long poll_restart(struct shim_thread *t, const u64 *a)
{
	long result = poll_descriptors(t, a[0], (u32)a[1], t->restart.deadline);

	return result == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : result;
}

long sys_poll(struct shim_thread *t, const u64 *a)
{
	i32 timeout = (i32)a[2];
	nanos_t deadline = timeout < 0 ? NANOS_NEVER : deadline_after((nanos_t)timeout * NANOS_IN_MILLI);
	long result = poll_descriptors(t, a[0], (u32)a[1], deadline);

	if (likely(result != -ERESTARTSYS))
		return result;
	t->restart.deadline = deadline;
	t->restart.args[0] = a[0];
	t->restart.args[1] = a[1];
	t->restart.call = poll_restart;
	return -ERESTART_RESTARTBLOCK;
}

long sys_ppoll(struct shim_thread *t, const u64 *a)
{
	nanos_t deadline = NANOS_NEVER;
	struct linux_timespec time;
	long result;

	if (a[2]) {
		result = timespec_get(a[2], &time);
		if (result < 0)
			return result;
		deadline = deadline_after(timespec_nanos(&time));
	}
	result = signal_mask_begin(t, a[3], a[4]);
	if (result < 0)
		return result;
	result = poll_descriptors(t, a[0], (u32)a[1], deadline);
	if (result == -ERESTARTSYS || (result == 0 && t->page->interrupt)) /* a signal that the mask lets in counts without a wait, too */
		result = -ERESTARTNOHAND;
	signal_mask_end(t, result);
	if (a[2])
		result = timeout_left_put(a[2], deadline, result);
	return result;
}

long timeout_left_put(vaddr_t to, nanos_t deadline, long result)
{
	nanos_t now;

	if (deadline == NANOS_NEVER || deadline == 0)
		return result; /* nothing was left, and nothing is */
	now = clock_monotonic();
	if (timespec_put(to, deadline > now ? (i64)(deadline - now) : 0) < 0 && result == -ERESTARTNOHAND)
		return -EINTR; /* a restart would wait anew */
	return result;
}
