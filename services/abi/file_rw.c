/* read, write and their relatives. */
#include "file.h"
#include <fs_client.h>
#include <proc_client.h>

bool file_readable(const struct shim_file *file)
{
	u32 access = file->flags & O_ACCMODE;

	return !(file->flags & O_PATH) && (access == O_RDONLY || access == O_RDWR);
}

bool file_writable(const struct shim_file *file)
{
	u32 access = file->flags & O_ACCMODE;

	return !(file->flags & O_PATH) && (access == O_WRONLY || access == O_RDWR);
}

static bool range_valid(vaddr_t at, u64 size)
{
	return size <= rt_boot->user_limit && at <= rt_boot->user_limit - size;
}

long file_size_limit(struct shim_thread *t, const struct shim_file *file, u64 offset, u64 *size)
{
	u64 limit = ~t->process->file_size_cut;
	struct fs_stat status;
	long result;

	if (likely(limit == ~0ull))
		return 0;
	result = fs_stat(file->handle, &status);
	if (result < 0)
		return result;
	if ((status.mode & FS_IFMT) != FS_IFREG)
		return 0;
	if (file->flags & O_APPEND)
		offset = status.size;
	if (offset >= limit) {
		result = *size ? proc_signal_self(SIGXFSZ, 0) : 0;
		return result < 0 ? result : *size ? -EFBIG : 0;
	}
	if (*size > limit - offset)
		*size = limit - offset;
	return 0;
}

/* One range from an offset on, which moves. */
static long data_range(struct shim_file *file, vaddr_t at, u64 size, u64 *offset, bool write)
{
	u64 end;
	long result;

	if (!write) {
		result = fs_read(file->handle, at, size, *offset);
		end = *offset + (u64)result;
	} else {
		result = fs_write(file->handle, at, size, *offset, file->flags & O_APPEND, &end);
	}
	if (result > 0)
		*offset = end;
	return result;
}

/* All segments from one offset on; *offset moves. */
static long segments_transfer(struct shim_thread *t, struct shim_file *file, const struct file_vector *vector, u64 *offset, bool write)
{
	u64 done = 0, limit = vector->total < TRANSFER_MAX ? vector->total : TRANSFER_MAX;
	long result = write ? file_size_limit(t, file, *offset, &limit) : 0;
	u32 i;

	for (i = 0; result >= 0 && i < vector->count; i++) {
		u64 size = vector->segments[i].iov_len < limit - done ? vector->segments[i].iov_len : limit - done;

		result = data_range(file, vector->segments[i].iov_base, size, offset, write);
		if (result > 0)
			done += (u64)result;
		if (result < (long)size)
			break;
	}
	return done ? (long)done : result;
}

/* Whoever shares the open file waits: reads and writes at its position are one after the other. A single reference is the caller's
 * descriptor, which nobody else can use (file_use_begin). */
static bool position_begin(struct shim_file *file)
{
	if (likely(file->references == 1))
		return false;
	lock_acquire(&file->position_lock);
	return true;
}

static void position_end(struct shim_file *file, bool locked)
{
	if (unlikely(locked))
		lock_release(&file->position_lock);
}

static long file_data_vector(struct shim_thread *t, struct shim_file *file, const struct file_vector *vector, i64 offset, bool write)
{
	u64 at = (u64)offset;
	bool locked;
	long result;

	if (offset != -1)
		return segments_transfer(t, file, vector, &at, write);
	locked = position_begin(file);
	at = (u64)file->offset;
	result = segments_transfer(t, file, vector, &at, write);
	if (result > 0)
		file->offset = (i64)at;
	position_end(file, locked);
	return result;
}

long file_data_read(struct shim_thread *t, struct shim_file *file, vaddr_t to, u64 size, i64 offset)
{
	u64 at = (u64)offset;
	bool locked;
	long result;

	(void)t;
	if (unlikely(file->data))
		return file_device_read(file, to, size);
	if (offset != -1)
		return data_range(file, to, size, &at, false);
	locked = position_begin(file);
	result = data_range(file, to, size, (u64 *)&file->offset, false);
	position_end(file, locked);
	return result;
}

static long data_write_at(struct shim_thread *t, struct shim_file *file, vaddr_t from, u64 size, u64 *offset)
{
	long result = file_size_limit(t, file, *offset, &size);

	return result < 0 ? result : data_range(file, from, size, offset, true);
}

long file_data_write(struct shim_thread *t, struct shim_file *file, vaddr_t from, u64 size, i64 offset)
{
	u64 at = (u64)offset;
	bool locked;
	long result;

	if (unlikely(file->data))
		return file_device_write(file, size);
	if (offset != -1)
		return data_write_at(t, file, from, size, &at);
	locked = position_begin(file);
	result = data_write_at(t, file, from, size, (u64 *)&file->offset);
	position_end(file, locked);
	return result;
}

/* One range. offset -1: at the file's position. */
static long range_transfer(struct shim_thread *t, struct shim_file *file, vaddr_t at, u64 size, i64 offset, bool write)
{
	if (write ? !file_writable(file) : !file_readable(file))
		return -EBADF;
	if (write ? !file->ops->write : !file->ops->read)
		return -EINVAL;
	if (!range_valid(at, size))
		return -EFAULT;
	if (size > TRANSFER_MAX)
		size = TRANSFER_MAX;
	return write ? file->ops->write(t, file, at, size, offset) : file->ops->read(t, file, at, size, offset);
}

static long call_transfer(struct shim_thread *t, i32 fd, vaddr_t at, u64 size, bool write)
{
	struct file_use use = file_use_begin(t, fd);
	long result;

	if (!use.file)
		return -EBADF;
	result = range_transfer(t, use.file, at, size, -1, write);
	file_use_end(use);
	return result;
}

long sys_read(struct shim_thread *t, const u64 *a)
{
	return call_transfer(t, (i32)a[0], a[1], a[2], false);
}

long sys_write(struct shim_thread *t, const u64 *a)
{
	return call_transfer(t, (i32)a[0], a[1], a[2], true);
}

/* The file of a call at an explicit offset. */
static long positioned_get(struct shim_thread *t, i32 fd, i64 offset, struct file_use *use)
{
	if (offset < 0)
		return -EINVAL;
	*use = file_use_begin(t, fd);
	if (!use->file)
		return -EBADF;
	if (use->file->ops->seek)
		return 0;
	file_use_end(*use);
	return -ESPIPE;
}

static long call_positioned(struct shim_thread *t, const u64 *a, bool write)
{
	struct file_use use;
	long result = positioned_get(t, (i32)a[0], (i64)a[3], &use);

	if (result < 0)
		return result;
	result = a[2] <= INT64_MAX && a[2] > INT64_MAX - a[3] ? -EINVAL : 0;
	if (result >= 0 || !(write ? file_writable(use.file) : file_readable(use.file)) || !range_valid(a[1], a[2]))
		result = range_transfer(t, use.file, a[1], a[2], (i64)a[3], write);
	file_use_end(use);
	return result;
}

long sys_pread64(struct shim_thread *t, const u64 *a)
{
	return call_positioned(t, a, false);
}

long sys_pwrite64(struct shim_thread *t, const u64 *a)
{
	return call_positioned(t, a, true);
}

/* ---- Vectors ----------------------------------------------------------------------------------------------------------------- */

#define VECTOR_WRITE (1ull << 32) /* beside flags of preadv2 and pwritev2 */

static void vector_put(struct file_vector *vector)
{
	if (vector->segments != vector->own)
		heap_free(vector->segments);
}

static long vector_check(struct file_vector *vector)
{
	u32 i;

	vector->total = 0;
	for (i = 0; i < vector->count; i++) {
		struct linux_iovec *segment = &vector->segments[i];

		if ((i64)segment->iov_len < 0)
			return -EINVAL;
		if (!range_valid(segment->iov_base, segment->iov_len))
			return -EFAULT;
		if (segment->iov_len > TRANSFER_MAX - vector->total)
			segment->iov_len = TRANSFER_MAX - vector->total;
		vector->total += segment->iov_len;
	}
	return 0;
}

static long vector_get(struct file_vector *vector, vaddr_t from, u64 count)
{
	long result;

	if (count > IOV_MAX)
		return -EINVAL;
	vector->count = (u32)count;
	vector->segments = vector->own;
	if (count > countof(vector->own)) {
		vector->segments = heap_alloc(count * sizeof(struct linux_iovec));
		if (!vector->segments)
			return -ENOMEM;
	}
	result = count ? user_copy_in(vector->segments, from, count * sizeof(struct linux_iovec)) : 0;
	if (result >= 0)
		result = vector_check(vector);
	if (result < 0)
		vector_put(vector);
	return result;
}

/* Small writes to a pipe are one piece, however many segments they have. */
static long vector_write_whole(struct shim_thread *t, struct shim_file *file, const struct file_vector *vector, u8 *bytes)
{
	u64 done = 0, end;
	u32 i;
	long result;

	for (i = 0; i < vector->count; i++) {
		result = user_copy_in(bytes + done, vector->segments[i].iov_base, vector->segments[i].iov_len);
		if (result < 0)
			return result;
		done += vector->segments[i].iov_len;
	}
	for (;;) {
		u32 seen = file->pollword ? file->pollword->sequence : 0;

		result = fs_write_bytes(file->handle, bytes, done, 0, 0, &end);
		if (result == -EPIPE && proc_signal_self(SIGPIPE, 0) < 0)
			return -EIO;
		if (result != -EAGAIN || (file->flags & O_NONBLOCK) || !file->pollword)
			return result;
		result = shim_wait_word(t, file->pollword, seen, NANOS_NEVER);
		if (result < 0)
			return result;
	}
}

/* Files that know no vectors: segment by segment, until one is short or a read would wait. */
static long vector_each(struct shim_thread *t, struct shim_file *file, const struct file_vector *vector, bool write)
{
	u64 done = 0;
	long result = 0;
	u32 i;

	for (i = 0; i < vector->count; i++) {
		u64 size = vector->segments[i].iov_len;

		if (!size)
			continue;
		if (done && !write && file_event_word(file) && !(file_ready(t, file) & 1))
			break;
		result = range_transfer(t, file, vector->segments[i].iov_base, size, -1, write);
		if (result > 0)
			done += (u64)result;
		if (result < (long)size)
			break;
	}
	return done ? (long)done : result;
}

static long vector_transfer(struct shim_thread *t, struct shim_file *file, const struct file_vector *vector, i64 offset, bool write)
{
	u8 *bytes;
	long result;

	if (write ? !file_writable(file) : !file_readable(file))
		return -EBADF;
	if (file->ops == &file_data_ops)
		return file_data_vector(t, file, vector, offset, write);
	if (offset != -1)
		return -ESPIPE;
	if (write && file->ops == &file_stream_ops && vector->count > 1 && vector->total <= PAGE_SIZE && vector->total) {
		bytes = heap_alloc(vector->total);
		result = bytes ? vector_write_whole(t, file, vector, bytes) : -ENOMEM;
		heap_free(bytes);
		return result;
	}
	return vector_each(t, file, vector, write);
}

/* Of the flags, those that only hurry or persist mean nothing for files in memory; the others are not served. */
#define RWF_SERVED (RWF_HIPRI | RWF_DSYNC | RWF_SYNC)

/* In Linux's order: the vector itself, then what the file is good for, then what is asked of it. */
static long vector_run(struct shim_thread *t, struct shim_file *file, const struct file_vector *vector, i64 offset, u64 mode)
{
	bool write = mode & VECTOR_WRITE;

	if (write ? !file_writable(file) : !file_readable(file))
		return -EBADF;
	if (write ? !file->ops->write : !file->ops->read)
		return -EINVAL;
	if (!vector->total)
		return 0;
	if (offset > 0 && (u64)vector->total > INT64_MAX - (u64)offset)
		return -EINVAL;
	if (mode & ~(VECTOR_WRITE | RWF_SERVED))
		return -EOPNOTSUPP;
	return vector_transfer(t, file, vector, offset, write);
}

/* offset -1: at the position; anything else below 0 is the caller's error. mode: RWF flags and VECTOR_WRITE. */
static long call_vector(struct shim_thread *t, const u64 *a, i64 offset, u64 mode)
{
	struct file_vector vector;
	struct file_use use;
	long result;

	if (offset == -1) {
		use = file_use_begin(t, (i32)a[0]);
		result = use.file ? 0 : -EBADF;
	} else {
		result = positioned_get(t, (i32)a[0], offset, &use);
	}
	if (result < 0)
		return result;
	result = vector_get(&vector, a[1], a[2]);
	if (result >= 0) {
		result = vector_run(t, use.file, &vector, offset, mode);
		vector_put(&vector);
	}
	file_use_end(use);
	return result;
}

long sys_readv(struct shim_thread *t, const u64 *a)
{
	return call_vector(t, a, -1, 0);
}

long sys_writev(struct shim_thread *t, const u64 *a)
{
	return call_vector(t, a, -1, VECTOR_WRITE);
}

long sys_preadv(struct shim_thread *t, const u64 *a)
{
	return (i64)a[3] < 0 ? -EINVAL : call_vector(t, a, (i64)a[3], 0);
}

long sys_pwritev(struct shim_thread *t, const u64 *a)
{
	return (i64)a[3] < 0 ? -EINVAL : call_vector(t, a, (i64)a[3], VECTOR_WRITE);
}

long sys_preadv2(struct shim_thread *t, const u64 *a)
{
	return (i64)a[3] < -1 ? -EINVAL : call_vector(t, a, (i64)a[3], (u32)a[5]);
}

long sys_pwritev2(struct shim_thread *t, const u64 *a)
{
	return (i64)a[3] < -1 ? -EINVAL : call_vector(t, a, (i64)a[3], (u32)a[5] | VECTOR_WRITE);
}

/* Linux's anonymous files keep a position of 0 that no call moves, but for those that are neither read nor polled by themselves. */
static bool seek_does_nothing(const struct shim_file *file)
{
	return !file->ops->stat && (file->ops->read || file->ops->ready);
}

long sys_lseek(struct shim_thread *t, const u64 *a)
{
	struct file_use use = file_use_begin(t, (i32)a[0]);
	u32 whence = (u32)a[2];
	long result;

	if (!use.file)
		return -EBADF;
	if (whence > SEEK_HOLE)
		result = -EINVAL;
	else
		result = use.file->ops->seek ? use.file->ops->seek(t, use.file, (i64)a[1], whence) : seek_does_nothing(use.file) ? 0 : -ESPIPE;
	file_use_end(use);
	return result;
}
