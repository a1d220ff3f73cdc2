/* sendfile and copy_file_range: from a regular file to a regular file or a pipe, through a page of the shim's. */
#include "file.h"
#include <fs_client.h>
#include <proc_client.h>

struct send {
	struct shim_file *from, *to;
	u64 in, out;         /* offsets; out counts for regular files alone */
	u8 *page;
};

/* 0 for a regular file, else copy_file_range's error. */
static long regular_check(struct shim_thread *t, struct shim_file *file)
{
	struct fs_stat status;

	if (file->ops != &file_data_ops || file_stat_get(t, file, &status) < 0)
		return -EINVAL;
	return (status.mode & FS_IFMT) == FS_IFREG ? 0 : (status.mode & FS_IFMT) == FS_IFDIR ? -EISDIR : -EINVAL;
}

/* Writes a piece; a pipe is waited for. The bytes written, which may be fewer. */
static long piece_write(struct shim_thread *t, struct send *send, const u8 *bytes, u64 size)
{
	for (;;) {
		u32 seen = send->to->pollword ? __atomic_load_n(&send->to->pollword->sequence, __ATOMIC_ACQUIRE) : 0; /* before the attempt */
		u64 end;
		long result = fs_write_bytes(send->to->handle, bytes, size, send->out, send->to->flags & O_APPEND, &end);

		if (result == -EPIPE && proc_signal_self(SIGPIPE, 0) < 0)
			return -EIO;
		if (result > 0)
			send->out = end;
		if (result != -EAGAIN || (send->to->flags & O_NONBLOCK) || !send->to->pollword)
			return result;
		result = shim_wait_word(t, send->to->pollword, seen, NANOS_NEVER);
		if (result < 0)
			return result;
	}
}

static long pieces_send(struct shim_thread *t, struct send *send, u64 size)
{
	u64 done = 0;
	long result = 0;

	while (done < size) {
		u64 part = size - done < PAGE_SIZE ? size - done : PAGE_SIZE;
		long got = fs_read_bytes(send->from->handle, send->page, part, send->in);

		if (got <= 0) {
			result = got;
			break;
		}
		part = (u64)got;
		result = file_size_limit(t, send->to, send->out, &part);
		if (result >= 0)
			result = piece_write(t, send, send->page, part);
		if (result <= 0)
			break;
		send->in += (u64)result;
		done += (u64)result;
	}
	return done ? (long)done : result;
}

/* The offset at an application address, or the file's own position. */
static long offset_get(struct shim_file *file, vaddr_t from, u64 *offset)
{
	long result = 0;

	*offset = (u64)file->offset;
	if (from)
		result = user_copy_in(offset, from, sizeof(*offset));
	return result;
}

static long offset_set(struct shim_file *file, vaddr_t to, u64 offset)
{
	if (to)
		return user_copy_out(to, &offset, sizeof(offset));
	lock_acquire(&file->position_lock);
	file->offset = (i64)offset;
	lock_release(&file->position_lock);
	return 0;
}

/* Runs with the offsets in `send`, and tells where they ended. */
static long send_run(struct shim_thread *t, struct send *send, vaddr_t in, vaddr_t out, u64 size)
{
	long result, told;

	send->page = heap_alloc(PAGE_SIZE);
	if (!send->page)
		return -ENOMEM;
	result = pieces_send(t, send, size < TRANSFER_MAX ? size : TRANSFER_MAX);
	heap_free(send->page);
	if (result <= 0)
		return result;
	told = offset_set(send->from, in, send->in);
	if (told >= 0 && (out || send->to->ops == &file_data_ops))
		told = offset_set(send->to, out, send->out);
	return told < 0 ? told : result;
}

static void send_put(struct send *send)
{
	if (send->from)
		file_put(send->from);
	if (send->to)
		file_put(send->to);
}

/* In Linux's order: what is read, then what is written, then whether the two fit. */
static long sendfile_check(const struct send *send, bool at_offset, u64 size)
{
	if (!send->from || !file_readable(send->from))
		return -EBADF;
	if (at_offset && !send->from->ops->seek)
		return -ESPIPE;
	if ((i64)size < 0 || (i64)send->in < 0 || size > INT64_MAX - send->in)
		return -EINVAL;
	if (!send->to || !file_writable(send->to))
		return -EBADF;
	if (send->from->ops != &file_data_ops || (send->to->flags & O_APPEND))
		return -EINVAL;
	/* Terminals and the like: programs fall back to read and write. */
	return send->to->ops != &file_data_ops && send->to->ops != &file_stream_ops ? -EINVAL : 0;
}

long sys_sendfile(struct shim_thread *t, const u64 *a)
{
	struct send send = { .to = file_get(t, (i32)a[0]), .from = file_get(t, (i32)a[1]) };
	long result = a[2] ? user_copy_in(&send.in, a[2], sizeof(send.in)) : 0;

	if (result >= 0 && !a[2] && send.from)
		send.in = (u64)send.from->offset;
	if (result >= 0)
		result = sendfile_check(&send, a[2] != 0, a[3]);
	if (result >= 0) {
		send.out = (u64)send.to->offset;
		result = send_run(t, &send, a[2], 0, a[3]);
	}
	send_put(&send);
	return result;
}

/* What copy_file_range asks of its files, in Linux's order; cuts the size at the end of the file that is read. */
static long copy_check(struct shim_thread *t, const struct send *send, u64 *size)
{
	long source = regular_check(t, send->from), target = regular_check(t, send->to);
	struct fs_stat from, to;

	if (source < 0 || target < 0)
		return source == -EISDIR || target == -EISDIR ? -EISDIR : -EINVAL;
	if (!file_readable(send->from) || !file_writable(send->to) || (send->to->flags & O_APPEND))
		return -EBADF;
	if (file_stat_get(t, send->from, &from) < 0 || file_stat_get(t, send->to, &to) < 0)
		return -EIO;
	if (from.filesystem != to.filesystem)
		return -EXDEV;
	if (send->in + *size < send->in || send->out + *size < send->out)
		return -EOVERFLOW;
	if (*size > (send->in < from.size ? from.size - send->in : 0))
		*size = send->in < from.size ? from.size - send->in : 0;
	/* One file twice: the ranges must not meet. */
	if (from.inode == to.inode && send->in < send->out + *size && send->out < send->in + *size)
		return -EINVAL;
	return (i64)send->in < 0 || (i64)send->out < 0 ? -EINVAL : 0;
}

long sys_copy_file_range(struct shim_thread *t, const u64 *a)
{
	struct send send = { .from = file_get(t, (i32)a[0]), .to = file_get(t, (i32)a[2]) };
	u64 size = a[4];
	long result = !send.to || !send.from ? -EBADF : offset_get(send.from, a[1], &send.in);

	if (result >= 0)
		result = offset_get(send.to, a[3], &send.out);
	if (result >= 0)
		result = (u32)a[5] ? -EINVAL : copy_check(t, &send, &size);
	if (result >= 0 && size)
		result = send_run(t, &send, a[1], a[3], size);
	send_put(&send);
	return result;
}
