/* Every wait of the shim for an event passes here; no lock is held then. */
#include "shim.h"
#include "include/abi_fcntl.h"
#include "include/abi_poll.h"
#include <proc_client.h>

long shim_wait(struct shim_thread *t, const volatile u32 *word, u32 expected, nanos_t deadline)
{
	long result;

	if (t->exiting)
		return -ERESTARTSYS;
	result = tk_wait(word, expected, deadline, 0, ~0u);
	if (result == -EAGAIN || result >= 0)
		return 0;
	if (result == -EINTR)
		return -ERESTARTSYS;
	if (result == -ETIMEDOUT)
		return result;
	return -EIO; /* the word's owner is gone */
}

volatile u32 file_moves;

void file_moved(struct shim_file *file)
{
	epoll_file_moved(file);
	__atomic_fetch_add(&file_moves, 1, __ATOMIC_RELEASE); /* the file has its new word */
	(void)tk_wake(&file_moves, ~0u, 0, ~0u);
}

long shim_wait_word(struct shim_thread *t, const struct tk_pollword *word, u32 seen, nanos_t deadline)
{
	return shim_wait(t, &word->sequence, seen, deadline);
}

const volatile u32 *file_event_word(struct shim_file *file)
{
	if (file->ops->event_word)
		return file->ops->event_word(file);
	return file->pollword ? &file->pollword->sequence : NULL;
}

/* Levels name data as POLLIN and POLLOUT; programs may ask by the other names of the same. What is above is between shim and service. */
static u32 level_names(u32 level)
{
	level &= 0xffff;
	_Static_assert(POLLRDNORM == POLLIN << 6 && POLLWRNORM == POLLOUT << 6, "one shift for both");
	return level | (level & (POLLIN | POLLOUT)) << 6;
}

u32 file_level(const struct shim_file *file)
{
	if (!file->pollword)
		return level_names(POLL_READABLE | POLL_WRITABLE); /* what has nothing to wait for */
	return level_names(__atomic_load_n(&file->pollword->level, __ATOMIC_ACQUIRE)); /* before the data that it speaks of */
}

u32 file_ready(struct shim_thread *t, struct shim_file *file)
{
	return file->ops->ready ? level_names(file->ops->ready(t, file)) : file_level(file);
}

long shim_wait_file(struct shim_thread *t, struct shim_file *file, long (*attempt)(void *), void *context)
{
	const volatile u32 *word = file_event_word(file);
	long result;

	for (;;) {
		u32 seen = word ? __atomic_load_n(word, __ATOMIC_ACQUIRE) : 0; /* before the attempt looks */
		result = attempt(context);
		if (result != -EAGAIN || file->flags & O_NONBLOCK || !word)
			return result;
		result = shim_wait(t, word, seen, NANOS_NEVER);
		if (result < 0)
			return result;
	}
}

long signal_mask_begin(struct shim_thread *t, vaddr_t set, u64 size)
{
	u64 mask, old;
	long result;

	if (!set)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	result = user_copy_in(&mask, set, sizeof(mask));
	if (result < 0)
		return result;
	result = proc_signal_mask(PROC_MASK_SET, mask, &old);
	if (result < 0)
		return result;
	t->saved_mask = old;
	t->saved_mask_valid = true;
	return 0;
}

void signal_mask_end(struct shim_thread *t, long result)
{
	u64 old;

	/* After an interrupted wait the mask stays until the handler's frame is made or no handler runs. */
	if (!t->saved_mask_valid || result == -ERESTARTNOHAND || result == -ERESTARTSYS || result == -EINTR)
		return;
	t->saved_mask_valid = false;
	(void)proc_signal_mask(PROC_MASK_SET, t->saved_mask, &old);
}
