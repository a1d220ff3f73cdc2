/* Mode, owner, times and size. */
#include "file.h"
#include "include/abi_time.h"
#include <fs_client.h>
#include <proc_client.h>

static long chmod_call(struct shim_thread *t, i32 directory, vaddr_t path, u32 mode)
{
	struct file_target target;
	long result = file_target_get(t, &target, directory, path, 0);

	if (result < 0)
		return result;
	target.at.mode = mode;
	result = file_call(t, fs_chmod(&target.at, target.path.text, target.path.size));
	file_target_put(&target);
	return result;
}

long sys_chmod(struct shim_thread *t, const u64 *a)
{
	return chmod_call(t, AT_FDCWD, a[0], (u32)a[1]);
}

long sys_fchmodat(struct shim_thread *t, const u64 *a)
{
	return chmod_call(t, (i32)a[0], a[1], (u32)a[2]);
}

long sys_fchmod(struct shim_thread *t, const u64 *a)
{
	struct file_target target;
	long result = file_target_open(t, &target, (i32)a[0]);

	if (result < 0)
		return result;
	target.at.mode = (u32)a[1];
	result = file_call(t, fs_chmod(&target.at, target.path.text, target.path.size));
	file_target_put(&target);
	return result;
}

static long chown_call(struct shim_thread *t, i32 directory, vaddr_t path, u64 owner, u32 flags)
{
	struct file_target target;
	long result;

	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	result = file_target_get(t, &target, directory, path, flags);
	if (result < 0)
		return result;
	target.at.value = owner;
	result = file_call(t, fs_chown(&target.at, target.path.text, target.path.size));
	file_target_put(&target);
	return result;
}

static u64 owner_of(u64 uid, u64 gid)
{
	return (u32)uid | gid << 32;
}

long sys_chown(struct shim_thread *t, const u64 *a)
{
	return chown_call(t, AT_FDCWD, a[0], owner_of(a[1], a[2]), 0);
}

long sys_lchown(struct shim_thread *t, const u64 *a)
{
	return chown_call(t, AT_FDCWD, a[0], owner_of(a[1], a[2]), AT_SYMLINK_NOFOLLOW);
}

long sys_fchownat(struct shim_thread *t, const u64 *a)
{
	return chown_call(t, (i32)a[0], a[1], owner_of(a[2], a[3]), (u32)a[4]);
}

long sys_fchown(struct shim_thread *t, const u64 *a)
{
	struct file_target target;
	long result = file_target_open(t, &target, (i32)a[0]);

	if (result < 0)
		return result;
	target.at.value = owner_of(a[1], a[2]);
	result = file_call(t, fs_chown(&target.at, target.path.text, target.path.size));
	file_target_put(&target);
	return result;
}

/* ---- Times ------------------------------------------------------------------------------------------------------------------- */

/* path 0: the open file `directory` itself. */
static long times_set(struct shim_thread *t, i32 directory, vaddr_t path, const struct fs_times *times, u32 flags)
{
	struct file_target target;
	long result = path || directory == AT_FDCWD ? file_target_get(t, &target, directory, path, flags) : file_target_open(t, &target, directory);

	if (result < 0)
		return result;
	result = file_call(t, fs_utimes(&target.at, target.path.text, target.path.size, times));
	file_target_put(&target);
	return result;
}

static bool nanos_valid(i64 nanos)
{
	return (u64)nanos < (u64)NANOS_IN_SECOND || nanos == FS_TIME_NOW || nanos == FS_TIME_OMIT;
}

long sys_utimensat(struct shim_thread *t, const u64 *a)
{
	struct fs_times times = { .both_now = 1 };
	struct linux_timespec given[2];
	u32 flags = (u32)a[3];

	if (a[2]) {
		long result = user_copy_in(given, a[2], sizeof(given));

		if (result < 0)
			return result;
		/* Nothing to do is done before anything is looked at. */
		if (given[0].tv_nsec == FS_TIME_OMIT && given[1].tv_nsec == FS_TIME_OMIT)
			return 0;
		if (!nanos_valid(given[0].tv_nsec) || !nanos_valid(given[1].tv_nsec))
			return -EINVAL;
		times = (struct fs_times){
			.accessed = { given[0].tv_sec, (u32)given[0].tv_nsec, 0 }, .modified = { given[1].tv_sec, (u32)given[1].tv_nsec, 0 }
		};
	}
	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) || (!a[1] && flags && (i32)a[0] != AT_FDCWD))
		return -EINVAL;
	return times_set(t, (i32)a[0], a[1], &times, flags);
}

/* Two struct timeval, or now. */
static long utimes_call(struct shim_thread *t, i32 directory, vaddr_t path, vaddr_t from)
{
	struct fs_times times = { .both_now = 1 };
	struct linux_timeval given[2];

	if (from) {
		long result = user_copy_in(given, from, sizeof(given));

		if (result < 0)
			return result;
		if ((u64)given[0].tv_usec >= 1000000 || (u64)given[1].tv_usec >= 1000000)
			return -EINVAL;
		times = (struct fs_times){
			.accessed = { given[0].tv_sec, (u32)given[0].tv_usec * 1000, 0 }, .modified = { given[1].tv_sec, (u32)given[1].tv_usec * 1000, 0 }
		};
	}
	return times_set(t, directory, path, &times, 0);
}

long sys_utimes(struct shim_thread *t, const u64 *a)
{
	return utimes_call(t, AT_FDCWD, a[0], a[1]);
}

long sys_futimesat(struct shim_thread *t, const u64 *a)
{
	return utimes_call(t, (i32)a[0], a[1], a[2]);
}

long sys_utime(struct shim_thread *t, const u64 *a)
{
	struct fs_times times = { .both_now = 1 };
	struct linux_utimbuf given;

	if (a[1]) {
		long result = user_copy_in(&given, a[1], sizeof(given));

		if (result < 0)
			return result;
		times = (struct fs_times){ .accessed = { given.actime, 0, 0 }, .modified = { given.modtime, 0, 0 } };
	}
	return times_set(t, AT_FDCWD, a[0], &times, 0);
}

/* ---- Size -------------------------------------------------------------------------------------------------------------------- */

/* Growing beyond RLIMIT_FSIZE is refused, shrinking never. */
static long size_check(struct shim_thread *t, i64 size)
{
	long result;

	if (size < 0)
		return -EINVAL;
	if ((u64)size <= ~t->process->file_size_cut)
		return 0;
	result = proc_signal_self(SIGXFSZ, 0);
	return result < 0 ? result : -EFBIG;
}

long sys_truncate(struct shim_thread *t, const u64 *a)
{
	struct file_target target;
	long result = size_check(t, (i64)a[1]);

	if (result < 0)
		return result;
	result = file_target_get(t, &target, AT_FDCWD, a[0], 0);
	if (result < 0)
		return result;
	target.at.value = a[1];
	result = file_call(t, fs_truncate_at(&target.at, target.path.text, target.path.size));
	file_target_put(&target);
	return result;
}

/* The handle of a file of the file system that an operation on content needs. */
static long data_get(struct shim_thread *t, i32 fd, struct shim_file **file)
{
	*file = file_get(t, fd);
	if (!*file)
		return -EBADF;
	if (!((*file)->flags & O_PATH))
		return 0;
	file_put(*file);
	return -EBADF;
}

long sys_ftruncate(struct shim_thread *t, const u64 *a)
{
	struct shim_file *file;
	long result;

	if ((i64)a[1] < 0)
		return -EINVAL;
	result = data_get(t, (i32)a[0], &file);
	if (result < 0)
		return result;
	result = file->ops == &file_data_ops ? size_check(t, (i64)a[1]) : -EINVAL;
	if (result >= 0)
		result = fs_truncate(file->handle, a[1]);
	file_put(file);
	return result;
}

long sys_fallocate(struct shim_thread *t, const u64 *a)
{
	struct shim_file *file;
	u64 offset = a[2], size = a[3], end;
	long result = data_get(t, (i32)a[0], &file);

	if (result < 0)
		return result;
	if ((i64)offset < 0 || (i64)size <= 0)
		result = -EINVAL;
	else if (!file_writable(file))
		result = -EBADF;
	else if (file->ops == &file_stream_ops)
		result = -ESPIPE;
	else if (file->ops != &file_data_ops)
		result = -ENODEV;
	else if (__builtin_add_overflow(offset, size, &end) || (i64)end < 0)
		result = -EFBIG;
	else if (!((u32)a[1] & FS_ALLOCATE_KEEP_SIZE))
		result = size_check(t, (i64)end);
	if (result >= 0)
		result = fs_allocate(file->handle, (u32)a[1], offset, size);
	file_put(file);
	return result;
}
