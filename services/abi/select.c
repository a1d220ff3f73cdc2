/* select and pselect6: bit sets of descriptors over poll_entries. */
#include "poll.h"

#define SELECT_IN (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define SELECT_OUT (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)
#define SELECT_EXCEPT POLLPRI

static const u16 select_bits[3] = { SELECT_IN, SELECT_OUT, SELECT_EXCEPT };

struct select_sets {
	u32 limit;          /* descriptors below it are looked at */
	u32 words;          /* of each set */
	u64 *bits;          /* three sets, one after the other */
	vaddr_t user[3];    /* 0: not asked */
};

static u64 *set_word(struct select_sets *s, u32 set, u32 fd)
{
	return &s->bits[set * s->words + fd / 64];
}

static long sets_read(struct select_sets *s)
{
	for (u32 i = 0; i < 3; i++) {
		if (s->user[i] && s->words && user_copy_in(set_word(s, i, 0), s->user[i], s->words * sizeof(u64)) < 0)
			return -EFAULT;
	}
	return 0;
}

static u16 sets_events(struct select_sets *s, u32 fd)
{
	u16 events = 0;

	for (u32 i = 0; i < 3; i++)
		if (*set_word(s, i, fd) >> fd % 64 & 1)
			events |= select_bits[i];
	return events;
}

/* Makes poll entries of all descriptors that a set names; their number, or -EBADF when one is not open. */
static long sets_entries(struct shim_thread *t, struct select_sets *s, struct poll_entry *entries)
{
	u32 count = 0;

	for (u32 fd = 0; fd < s->limit; fd++) {
		u16 events = sets_events(s, fd);

		if (!events)
			continue;
		if (fd_flags_get(t, (i32)fd) < 0)
			return -EBADF;
		entries[count++] = (struct poll_entry){ .fd = (i32)fd, .events = events };
	}
	return count;
}

/* Turns what is ready into bits and writes the sets; the number of bits. */
static long sets_answer(struct select_sets *s, const struct poll_entry *entries, u32 count)
{
	long bits = 0;

	for (u32 i = 0; i < count; i++) {
		u32 fd = (u32)entries[i].fd;

		for (u32 set = 0; set < 3; set++) {
			u64 *word = set_word(s, set, fd), bit = 1ull << fd % 64;

			if (!(*word & bit))
				continue;
			if (entries[i].revents & select_bits[set])
				bits++;
			else
				*word &= ~bit;
		}
	}
	for (u32 set = 0; set < 3; set++) {
		/* Bits at and above the limit in the last word are not descriptors. */
		if (s->limit % 64)
			*set_word(s, set, s->limit - 1) &= (1ull << s->limit % 64) - 1;
		if (s->user[set] && s->words && user_copy_out(s->user[set], set_word(s, set, 0), s->words * sizeof(u64)) < 0)
			return -EFAULT;
	}
	return bits;
}

/* The work of all forms; -ERESTARTNOHAND when a signal came. */
static long select_descriptors(struct shim_thread *t, const u64 *a, nanos_t deadline)
{
	struct select_sets s = { .user = { a[1], a[2], a[3] } };
	struct poll_entry *entries;
	i32 limit = (i32)a[0];
	long result = -ENOMEM, count;

	if (limit < 0)
		return -EINVAL;
	s.limit = (u32)limit > t->process->files->capacity ? t->process->files->capacity : (u32)limit;
	s.words = (u32)(round_up(s.limit, 64) / 64);
	s.bits = heap_alloc(3 * s.words * sizeof(u64) + sizeof(u64));
	entries = heap_alloc((s.limit + 1) * sizeof(*entries));
	if (!s.bits || !entries)
		goto out;
	result = sets_read(&s);
	if (result < 0)
		goto out;
	count = result = sets_entries(t, &s, entries);
	if (result < 0)
		goto out;
	result = poll_entries(t, entries, (u32)count, deadline);
	if (result >= 0)
		result = sets_answer(&s, entries, (u32)count);
	else if (result == -ERESTARTSYS)
		result = -ERESTARTNOHAND;
out:
	heap_free(s.bits);
	heap_free(entries);
	return result;
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
	if (!a[4] || deadline == NANOS_NEVER)
		return result;
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
	signal_mask_end(t, result);
	return a[4] ? timeout_left_put(a[4], deadline, result) : result;
}
