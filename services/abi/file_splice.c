/* splice, tee and vmsplice. Data goes through a page of the shim's; what is taken from a pipe is first copied, and read once it is out. */
#include "file.h"
#include "include/abi_poll.h"
#include <fs_client.h>
#include <proc_client.h>

#define SPLICE_NONBLOCK 2u
#define SPLICE_FLAGS 15u

struct splice {
	struct shim_thread *thread;
	struct shim_file *from, *to;
	vaddr_t in_at, out_at;   /* where the offsets stand, 0: the files' own */
	u64 in, out;
	u32 flags;
	bool keep;               /* tee: what was copied stays in the pipe */
	u8 *page;
};

static bool is_pipe(const struct shim_file *file)
{
	return file->ops == &file_stream_ops;
}

/* Waits for a pipe unless the call or the file does not want to. */
static long pipe_wait(struct splice *s, struct shim_file *file, u32 seen)
{
	if ((s->flags & SPLICE_NONBLOCK) || (file->flags & O_NONBLOCK))
		return -EAGAIN;
	return shim_wait_word(s->thread, file->pollword, seen, NANOS_NEVER);
}

static u32 sequence(const struct shim_file *file)
{
	return file->pollword ? __atomic_load_n(&file->pollword->sequence, __ATOMIC_ACQUIRE) : 0; /* before the attempt looks */
}

static long page_get(struct splice *s, u64 size)
{
	for (;;) {
		u32 seen = sequence(s->from);
		long result = is_pipe(s->from) ? fs_pipe_peek(s->from->handle, s->page, size) : fs_read_bytes(s->from->handle, s->page, size, s->in);

		if (result != -EAGAIN)
			return result;
		result = pipe_wait(s, s->from, seen);
		if (result < 0)
			return result;
	}
}

static long page_put(struct splice *s, u64 size)
{
	for (;;) {
		u32 seen = sequence(s->to);
		u64 end;
		long result = fs_write_bytes(s->to->handle, s->page, size, s->out, 0, &end);

		if (result == -EPIPE && proc_signal_self(SIGPIPE, 0) < 0)
			return -EIO;
		if (result > 0)
			s->out = end;
		if (result != -EAGAIN)
			return result;
		result = pipe_wait(s, s->to, seen);
		if (result < 0)
			return result;
	}
}

/* One page at most: a call that moved something does not wait for more. */
static long splice_once(struct splice *s, u64 size)
{
	long result = page_get(s, size < PAGE_SIZE ? size : PAGE_SIZE);

	if (result <= 0)
		return result;
	result = page_put(s, (u64)result);
	if (result <= 0)
		return result;
	s->in += (u64)result;
	if (is_pipe(s->from) && !s->keep && fs_read_bytes(s->from->handle, s->page, (u64)result, 0) < 0)
		return -EIO;
	return result;
}

static long offsets_get(struct splice *s)
{
	long result = 0;

	if ((is_pipe(s->from) && s->in_at) || (is_pipe(s->to) && s->out_at))
		return -ESPIPE;
	s->in = (u64)s->from->offset;
	s->out = (u64)s->to->offset;
	if (s->in_at)
		result = user_copy_in(&s->in, s->in_at, sizeof(s->in));
	if (result >= 0 && s->out_at)
		result = user_copy_in(&s->out, s->out_at, sizeof(s->out));
	return result;
}

static long offset_put(struct shim_file *file, vaddr_t at, u64 offset)
{
	if (is_pipe(file))
		return 0;
	if (at)
		return user_copy_out(at, &offset, sizeof(offset));
	lock_acquire(&file->position_lock);
	file->offset = (i64)offset;
	lock_release(&file->position_lock);
	return 0;
}

static long splice_check(const struct splice *s)
{
	if (!file_readable(s->from) || !file_writable(s->to))
		return -EBADF;
	if (!is_pipe(s->from) && !is_pipe(s->to))
		return -EINVAL;
	if ((!is_pipe(s->from) && s->from->ops != &file_data_ops) || (!is_pipe(s->to) && s->to->ops != &file_data_ops))
		return -EINVAL; /* terminals and the like */
	return s->to->flags & O_APPEND || (i64)s->in < 0 || (i64)s->out < 0 ? -EINVAL : 0;
}

/* The same pipe on both sides would wait for itself. */
static long same_pipe(const struct splice *s)
{
	struct fs_stat from, to;

	if (!is_pipe(s->from) || !is_pipe(s->to))
		return 0;
	if (file_stat_get(s->thread, s->from, &from) < 0 || file_stat_get(s->thread, s->to, &to) < 0)
		return -EIO;
	return from.inode == to.inode && from.filesystem == to.filesystem ? -EINVAL : 0;
}

static long splice_run(struct splice *s, u64 size)
{
	u64 done = 0;
	long result = s->from && s->to ? offsets_get(s) : -EBADF;

	if (result >= 0)
		result = splice_check(s);
	if (result >= 0)
		result = same_pipe(s);
	if (result < 0)
		return result;
	s->page = heap_alloc(PAGE_SIZE);
	if (!s->page)
		return -ENOMEM;
	while (done < size) {
		result = splice_once(s, size - done);
		if (result <= 0)
			break;
		done += (u64)result;
		if (s->keep || is_pipe(s->from))
			break;   /* what is next in the pipe may not be there yet */
	}
	heap_free(s->page);
	if (!done)
		return result;
	result = offset_put(s->from, s->in_at, s->in);
	if (result >= 0)
		result = offset_put(s->to, s->out_at, s->out);
	return result < 0 ? result : (long)done;
}

static void splice_put(struct splice *s)
{
	if (s->from)
		file_put(s->from);
	if (s->to)
		file_put(s->to);
}

long sys_splice(struct shim_thread *t, const u64 *a)
{
	struct splice s = { .thread = t, .in_at = a[1], .out_at = a[3], .flags = (u32)a[5] };
	long result;

	if (a[4] == 0)
		return 0;
	if (s.flags & ~SPLICE_FLAGS)
		return -EINVAL;
	s.from = file_get(t, (i32)a[0]);
	s.to = file_get(t, (i32)a[2]);
	result = splice_run(&s, a[4] < TRANSFER_MAX ? a[4] : TRANSFER_MAX);
	splice_put(&s);
	return result;
}

long sys_tee(struct shim_thread *t, const u64 *a)
{
	struct splice s = { .thread = t, .flags = (u32)a[3], .keep = true };
	long result;

	if (s.flags & ~SPLICE_FLAGS)
		return -EINVAL;
	if (a[2] == 0)
		return 0;
	s.from = file_get(t, (i32)a[0]);
	s.to = file_get(t, (i32)a[1]);
	if (s.from && s.to && (!is_pipe(s.from) || !is_pipe(s.to)))
		result = file_readable(s.from) && file_writable(s.to) ? -EINVAL : -EBADF;
	else
		result = splice_run(&s, a[2]);
	splice_put(&s);
	return result;
}

/* Memory into a pipe is a write of it, and out of one a read: pages are not handed over. */
long sys_vmsplice(struct shim_thread *t, const u64 *a)
{
	struct shim_file *file;
	bool writes, waits;

	if ((u32)a[3] & ~SPLICE_FLAGS)
		return -EINVAL;
	file = file_get(t, (i32)a[0]);
	if (!file)
		return -EBADF;
	writes = file_writable(file);
	if (!is_pipe(file)) {
		file_put(file);
		return -EBADF;
	}
	waits = !(file_ready(t, file) & (writes ? POLLOUT | POLLERR : POLLIN | POLLHUP));
	file_put(file);
	if (a[2] && waits && ((u32)a[3] & SPLICE_NONBLOCK))
		return -EAGAIN;
	return writes ? sys_writev(t, a) : sys_readv(t, a);
}
