/* select and pselect6: bit sets of descriptors over poll_entries. */
#include "poll.h"

#define SELECT_IN (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define SELECT_OUT (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)
#define SELECT_EXCEPT POLLPRI

static const u16 select_bits[3] = { SELECT_IN, SELECT_OUT, SELECT_EXCEPT };

#define SETS 3u
#define WORDS_OWN 16u   /* of a set, without the heap: 1,024 descriptors */

struct select_sets {
	u32 limit;          /* descriptors below it are looked at */
	u32 words;          /* of each set */
	u64 *bits;          /* what is asked: three sets, one after the other */
	u64 *ready;         /* what is ready of it, in the same way */
	vaddr_t user[SETS]; /* 0: not asked */
	u64 own[2 * SETS * WORDS_OWN];
};

static u64 *set_word(struct select_sets *s, u32 set, u32 word)
{
	return &s->bits[set * s->words + word];
}

static bool sets_make(struct select_sets *s)
{
	u32 words = SETS * s->words;

	s->bits = s->words <= WORDS_OWN ? s->own : heap_alloc(2 * words * sizeof(u64));
	s->ready = s->bits + words;
	return s->bits != NULL;
}

/* Bits at and above the limit in the last word are not descriptors. */
static long sets_read(struct select_sets *s)
{
	u64 last = s->limit % 64 ? (1ull << s->limit % 64) - 1 : ~0ull;

	for (u32 i = 0; i < SETS && s->words; i++) {
		if (!s->user[i])
			memset(set_word(s, i, 0), 0, s->words * sizeof(u64));
		else if (user_copy_in(set_word(s, i, 0), s->user[i], s->words * sizeof(u64)) < 0)
			return -EFAULT;
		*set_word(s, i, s->words - 1) &= last;
	}
	return 0;
}

static long sets_write(const struct select_sets *s)
{
	for (u32 i = 0; i < SETS && s->words; i++)
		if (s->user[i] && user_copy_out(s->user[i], s->ready + i * s->words, s->words * sizeof(u64)) < 0)
			return -EFAULT;
	return 0;
}

/* Adds to three ready words the bit of a descriptor, in those sets that its level speaks to. */
static inline void level_note(u64 *ready, u64 bit, u32 level)
{
	for (u32 i = 0; i < SETS; i++)
		ready[i] |= level & select_bits[i] ? bit : 0;
}

/* Keeps what is asked for of one ready word in each set; the number of its bits. */
static u32 word_keep(struct select_sets *s, u32 word, const u64 *ready)
{
	u32 bits = 0;

	for (u32 i = 0; i < SETS; i++) {
		u64 kept = ready[i] & *set_word(s, i, word);

		s->ready[i * s->words + word] = kept;
		bits += kept ? (u32)__builtin_popcountll(kept) : 0;
	}
	return bits;
}

/* One look under the table's lock: the number of bits that are ready, -EBADF, or -EAGAIN: a file is to be asked, not only looked at. */
static long sets_look(struct shim_fd_table *table, struct select_sets *s)
{
	long result = 0;

	lock_acquire(&table->lock);
	for (u32 word = 0; word < s->words && result >= 0; word++) {
		u64 left = *set_word(s, 0, word) | *set_word(s, 1, word) | *set_word(s, 2, word), ready[SETS] = { 0 };

		for (; left; left &= left - 1) {
			const struct shim_file *file = table->fds[word * 64 + (u32)__builtin_ctzll(left)].file;

			if (unlikely(!file || file->ops->ready)) {
				result = file ? -EAGAIN : -EBADF;
				break;
			}
			level_note(ready, left & -left, file_level(file));
		}
		if (result >= 0)
			result += word_keep(s, word, ready);
	}
	lock_release(&table->lock);
	return result;
}

/* Makes poll entries of all descriptors that a set names; their number, or -EBADF when one is not open. */
static long sets_entries(struct shim_thread *t, struct select_sets *s, struct poll_entry *entries)
{
	u32 count = 0;

	for (u32 fd = 0; fd < s->limit; fd++) {
		u16 events = 0;

		for (u32 i = 0; i < SETS; i++)
			if (*set_word(s, i, fd / 64) >> fd % 64 & 1)
				events |= select_bits[i];
		if (!events)
			continue;
		if (fd_flags_get(t, (i32)fd) < 0)
			return -EBADF;
		entries[count++] = (struct poll_entry){ .fd = (i32)fd, .events = events };
	}
	return count;
}

/* Waits until something is ready, or asks the files that can't only be looked at; the number of bits. */
static long select_wait(struct shim_thread *t, struct select_sets *s, nanos_t deadline)
{
	struct poll_entry *entries = heap_alloc((s->limit + 1) * sizeof(*entries));
	long count = entries ? sets_entries(t, s, entries) : -ENOMEM, result = count;
	u32 i = 0, bits = 0;

	if (result >= 0)
		result = poll_entries(t, entries, (u32)count, deadline);
	for (u32 word = 0; word < s->words && result >= 0; word++) {
		u64 ready[SETS] = { 0 };

		for (; i < count && (u32)entries[i].fd / 64 == word; i++)
			level_note(ready, 1ull << entries[i].fd % 64, entries[i].revents);
		bits += word_keep(s, word, ready);
	}
	heap_free(entries);
	return result < 0 ? result : bits;
}

/* The work of all forms; -ERESTARTNOHAND when a signal came. */
static long select_descriptors(struct shim_thread *t, const u64 *a, nanos_t deadline)
{
	struct shim_fd_table *table = t->process->files;
	struct select_sets s; /* what is used of it is written first */
	i32 limit = (i32)a[0];
	long result;

	if (limit < 0)
		return -EINVAL;
	s.limit = (u32)limit > table->capacity ? table->capacity : (u32)limit;
	s.words = (s.limit + 63) / 64;
	memcpy(s.user, a + 1, sizeof(s.user));
	if (!sets_make(&s))
		return -ENOMEM;
	result = sets_read(&s);
	if (result >= 0)
		result = sets_look(table, &s);
	if (result == -EAGAIN || (result == 0 && deadline != 0))
		result = select_wait(t, &s, deadline);
	if (result >= 0 && sets_write(&s) < 0)
		result = -EFAULT;
	if (s.bits != s.own)
		heap_free(s.bits);
	return result == -ERESTARTSYS ? -ERESTARTNOHAND : result;
}

long sys_select(struct shim_thread *t, const u64 *a)
{
	nanos_t deadline = NANOS_NEVER, now;
	struct linux_timeval time;
	long result;

	if (a[4]) {
		result = user_copy_in(&time, a[4], sizeof(time));
		if (result < 0)
			return result;
		if (time.tv_sec < 0 || time.tv_usec < 0)
			return -EINVAL;
		if (time.tv_sec < INT64_MAX / NANOS_IN_SECOND / 2)
			deadline = deadline_after((nanos_t)time.tv_sec * NANOS_IN_SECOND + (nanos_t)time.tv_usec * NANOS_IN_MICRO);
	}
	result = select_descriptors(t, a, deadline);
	if (!a[4] || deadline == NANOS_NEVER || deadline == 0)
		return result; /* like Linux, a timeout of nothing is not written back */
	now = clock_monotonic();
	now = deadline > now ? deadline - now : 0;
	time = (struct linux_timeval){ (i64)now / NANOS_IN_SECOND, (i64)now % NANOS_IN_SECOND / NANOS_IN_MICRO };
	if (user_copy_out(a[4], &time, sizeof(time)) < 0 && result == -ERESTARTNOHAND)
		return -EINTR;
	return result;
}

long sys_pselect6(struct shim_thread *t, const u64 *a)
{
	struct { u64 set, size; } mask = { 0, 0 };
	nanos_t deadline = NANOS_NEVER;
	struct linux_timespec time;
	long result;

	if (a[5]) {
		result = user_copy_in(&mask, a[5], sizeof(mask));
		if (result < 0)
			return result;
	}
	if (a[4]) {
		result = timespec_get(a[4], &time);
		if (result < 0)
			return result;
		deadline = deadline_after(timespec_nanos(&time));
	}
	result = signal_mask_begin(t, mask.set, mask.size);
	if (result < 0)
		return result;
	result = select_descriptors(t, a, deadline);
	if (result == 0 && t->page->interrupt) /* a signal that the mask lets in counts without a wait, too */
		result = -ERESTARTNOHAND;
	signal_mask_end(t, result);
	return a[4] ? timeout_left_put(a[4], deadline, result) : result;
}
