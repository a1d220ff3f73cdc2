/* eventfd: a counter; its poll word tells when it can be read or added to. */
#include "shim.h"
#include "include/abi_fcntl.h"
#include "include/abi_poll.h"

struct event_counter {
	struct rt_lock lock;
	u64 count;
	bool semaphore;
	struct tk_pollword *word;
	bool writer_waits; /* a write found no room since the last read */
};
/* A read or write; fits shim_wait_file. */
struct event_call { struct event_counter *counter; u64 value; };

/* The lock is held. Every write is an event: edge-triggered readers want to know of each. A read is none to them: it is one only to writers
 * that found no room, or when the counter was full. */
static void counter_changed(struct event_counter *c, bool added)
{
	u32 level = 0;

	if (c->count > 0)
		level |= POLLIN;
	if (c->count < UINT64_MAX - 1)
		level |= POLLOUT;
	if (added || c->writer_waits)
		pollword_event(c->word, level);
	else
		pollword_set(c->word, level);
	if (!added)
		c->writer_waits = false;
}

static long counter_take(void *context)
{
	struct event_call *call = context;
	struct event_counter *c = call->counter;
	long result = -EAGAIN;

	lock_acquire(&c->lock);
	if (c->count) {
		call->value = c->semaphore ? 1 : c->count;
		c->count -= call->value;
		counter_changed(c, false);
		result = 0;
	}
	lock_release(&c->lock);
	return result;
}

static long counter_add(void *context)
{
	struct event_call *call = context;
	struct event_counter *c = call->counter;
	long result = -EAGAIN;

	lock_acquire(&c->lock);
	if (UINT64_MAX - c->count > call->value) {
		c->count += call->value;
		counter_changed(c, true);
		result = 0;
	} else {
		c->writer_waits = true;
	}
	lock_release(&c->lock);
	return result;
}

static long event_read(struct shim_thread *t, struct shim_file *file, vaddr_t to, u64 size, i64 offset)
{
	struct event_call call = { .counter = file->data };
	long result;

	if (offset >= 0)
		return -ESPIPE;
	if (size < sizeof(call.value))
		return -EINVAL;
	result = shim_wait_file(t, file, counter_take, &call);
	if (result < 0)
		return result;
	result = user_copy_out(to, &call.value, sizeof(call.value));
	return result < 0 ? result : (long)sizeof(call.value);
}

static long event_write(struct shim_thread *t, struct shim_file *file, vaddr_t from, u64 size, i64 offset)
{
	struct event_call call = { .counter = file->data };
	long result;

	if (offset >= 0)
		return -ESPIPE;
	if (size < sizeof(call.value))
		return -EINVAL;
	result = user_copy_in(&call.value, from, sizeof(call.value));
	if (result < 0)
		return result;
	if (call.value == UINT64_MAX)
		return -EINVAL;
	result = shim_wait_file(t, file, counter_add, &call);
	return result < 0 ? result : (long)sizeof(call.value);
}

static void event_close(struct shim_file *file)
{
	struct event_counter *c = file->data;

	pollword_free(c->word);
	heap_free(c);
}

static const struct shim_file_ops event_ops = {
	.name = "anon_inode:[eventfd]",
	.read = event_read,
	.write = event_write,
	.close = event_close,
};

static long eventfd_make(struct shim_thread *t, u32 initial, u32 flags)
{
	struct event_counter *c;
	struct shim_file *file;

	if (flags & ~(u32)(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC))
		return -EINVAL;
	c = heap_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->word = pollword_alloc();
	file = c->word ? file_create(&event_ops, O_RDWR | (flags & EFD_NONBLOCK), 0) : NULL;
	if (!file) {
		if (c->word)
			pollword_free(c->word);
		heap_free(c);
		return -ENOMEM;
	}
	c->count = initial;
	c->semaphore = flags & EFD_SEMAPHORE;
	file->data = c;
	file->pollword = c->word;
	lock_acquire(&c->lock);
	counter_changed(c, true);
	lock_release(&c->lock);
	return fd_install(t, file, flags, 0);
}

long sys_eventfd(struct shim_thread *t, const u64 *a)
{
	return eventfd_make(t, (u32)a[0], 0);
}

long sys_eventfd2(struct shim_thread *t, const u64 *a)
{
	return eventfd_make(t, (u32)a[0], (u32)a[1]);
}
