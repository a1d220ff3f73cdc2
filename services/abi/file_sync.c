/* fsync and its relatives, and advice about access. Everything is in memory: they check their arguments as Linux does. */
#include "file.h"
#include <fs_client.h>

#define ADVICE_LAST 5u /* POSIX_FADV_NOREUSE */

static long sync_call(struct shim_thread *t, i32 fd)
{
	struct shim_file *file = file_get(t, fd);
	u64 handle;
	long result;

	if (!file)
		return -EBADF;
	handle = file_fs_handle(file);
	result = file->flags & O_PATH ? -EBADF : handle ? fs_sync(handle) : -EINVAL;
	file_put(file);
	return result;
}

long sys_fsync(struct shim_thread *t, const u64 *a)
{
	return sync_call(t, (i32)a[0]);
}

long sys_fdatasync(struct shim_thread *t, const u64 *a)
{
	return sync_call(t, (i32)a[0]);
}

long sys_sync(struct shim_thread *t, const u64 *a)
{
	(void)t;
	(void)a;
	return 0;
}

/* Whether a descriptor is open for more than its path. */
static long open_check(struct shim_thread *t, i32 fd)
{
	struct shim_file *file = file_get(t, fd);
	long result;

	if (!file)
		return -EBADF;
	result = file->flags & O_PATH ? -EBADF : file->ops == &file_stream_ops ? -ESPIPE : 0;
	file_put(file);
	return result;
}

long sys_syncfs(struct shim_thread *t, const u64 *a)
{
	long result = open_check(t, (i32)a[0]);

	return result == -ESPIPE ? 0 : result;
}

long sys_sync_file_range(struct shim_thread *t, const u64 *a)
{
	i64 offset = (i64)a[1], size = (i64)a[2], end;

	if ((u32)a[3] & ~SYNC_FILE_RANGE_FLAGS || offset < 0 || size < 0 || __builtin_add_overflow(offset, size, &end))
		return -EINVAL;
	return open_check(t, (i32)a[0]);
}

long sys_fadvise64(struct shim_thread *t, const u64 *a)
{
	long result = open_check(t, (i32)a[0]);

	if (result < 0)
		return result;
	return (i64)a[2] < 0 || (u32)a[3] > ADVICE_LAST ? -EINVAL : 0;
}

long sys_readahead(struct shim_thread *t, const u64 *a)
{
	struct shim_file *file = file_get(t, (i32)a[0]);
	struct fs_stat status;
	long result;

	if (!file)
		return -EBADF;
	if (!file_readable(file))
		result = -EBADF;
	else if (file->ops != &file_data_ops || file_stat_get(t, file, &status) < 0 || (status.mode & FS_IFMT) != FS_IFREG)
		result = -EINVAL;
	else
		result = 0;
	file_put(file);
	return result;
}
