/* Making, removing and moving names; links' texts; access. */
#include "file.h"
#include <fs_client.h>

static long access_call(struct shim_thread *t, i32 directory, vaddr_t path, u32 mode, u32 flags)
{
	struct file_target target;
	long result;

	if ((mode & ~7u) || (flags & ~(u32)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	result = file_target_get(t, &target, directory, path, flags);
	if (result < 0)
		return result;
	target.at.mode = mode;
	result = file_call(t, fs_access(&target.at, target.path.text, target.path.size));
	file_target_put(&target);
	return result;
}

long sys_access(struct shim_thread *t, const u64 *a)
{
	return access_call(t, AT_FDCWD, a[0], (u32)a[1], 0);
}

long sys_faccessat(struct shim_thread *t, const u64 *a)
{
	return access_call(t, (i32)a[0], a[1], (u32)a[2], 0);
}

long sys_faccessat2(struct shim_thread *t, const u64 *a)
{
	return access_call(t, (i32)a[0], a[1], (u32)a[2], (u32)a[3]);
}

static long readlink_call(struct shim_thread *t, i32 directory, vaddr_t path, vaddr_t to, i32 size)
{
	struct file_target target;
	u8 *text;
	long result;

	if (size <= 0)
		return -EINVAL;
	result = file_target_get(t, &target, directory, path, FS_AT_EMPTY_PATH);
	if (result < 0)
		return result;
	/* An empty path is for an O_PATH descriptor of a link alone; without a descriptor it names nothing. */
	if (!target.path.text[0] && directory == AT_FDCWD)
		result = -ENOENT;
	text = result < 0 ? NULL : heap_alloc(PATH_MAX);
	if (text) {
		result = file_call(t, fs_readlink(&target.at, target.path.text, target.path.size, text, size < (i32)PATH_MAX ? (size_t)size : PATH_MAX));
		if (result > 0) {
			long copied = user_copy_out(to, text, (size_t)result);

			result = copied < 0 ? copied : result;
		}
		heap_free(text);
	} else if (result >= 0) {
		result = -ENOMEM;
	}
	file_target_put(&target);
	return result;
}

long sys_readlink(struct shim_thread *t, const u64 *a)
{
	return readlink_call(t, AT_FDCWD, a[0], a[1], (i32)a[2]);
}

long sys_readlinkat(struct shim_thread *t, const u64 *a)
{
	return readlink_call(t, (i32)a[0], a[1], a[2], (i32)a[3]);
}

/* An operation of fs on a struct fs_at and a path. */
typedef long (*name_call)(const struct fs_at *at, const void *path, size_t path_size);

static long name_run(struct shim_thread *t, i32 directory, vaddr_t path, const struct fs_at *values, name_call call)
{
	struct file_target target;
	long result = file_target_get(t, &target, directory, path, values->flags);

	if (result < 0)
		return result;
	target.at.mode = values->mode;
	target.at.value = values->value;
	result = file_call(t, call(&target.at, target.path.text, target.path.size));
	file_target_put(&target);
	return result;
}

static long mkdir_call(struct shim_thread *t, i32 directory, vaddr_t path, u32 mode)
{
	return name_run(t, directory, path, &(struct fs_at){ .mode = mode }, fs_mkdir);
}

long sys_mkdir(struct shim_thread *t, const u64 *a)
{
	return mkdir_call(t, AT_FDCWD, a[0], (u32)a[1]);
}

long sys_mkdirat(struct shim_thread *t, const u64 *a)
{
	return mkdir_call(t, (i32)a[0], a[1], (u32)a[2]);
}

/* Linux's 32-bit device numbers are those of dev_t's low half. */
static long mknod_call(struct shim_thread *t, i32 directory, vaddr_t path, u32 mode, u32 device)
{
	return name_run(t, directory, path, &(struct fs_at){ .mode = mode & 0xffff, .value = device }, fs_mknod);
}

long sys_mknod(struct shim_thread *t, const u64 *a)
{
	return mknod_call(t, AT_FDCWD, a[0], (u32)a[1], (u32)a[2]);
}

long sys_mknodat(struct shim_thread *t, const u64 *a)
{
	return mknod_call(t, (i32)a[0], a[1], (u32)a[2], (u32)a[3]);
}

static long unlink_call(struct shim_thread *t, i32 directory, vaddr_t path, u32 flags)
{
	return name_run(t, directory, path, &(struct fs_at){ .flags = flags }, fs_unlink);
}

long sys_unlink(struct shim_thread *t, const u64 *a)
{
	return unlink_call(t, AT_FDCWD, a[0], 0);
}

long sys_rmdir(struct shim_thread *t, const u64 *a)
{
	return unlink_call(t, AT_FDCWD, a[0], FS_AT_REMOVEDIR);
}

long sys_unlinkat(struct shim_thread *t, const u64 *a)
{
	if ((u32)a[2] & ~(u32)AT_REMOVEDIR)
		return -EINVAL;
	return unlink_call(t, (i32)a[0], a[1], (u32)a[2]);
}

static long symlink_call(struct shim_thread *t, vaddr_t text, i32 directory, vaddr_t path)
{
	struct file_target *target = heap_alloc(sizeof(*target));
	struct file_path link;
	long result = target ? file_path_get(&link, text) : -ENOMEM;

	if (result >= 0) {
		result = file_target_get(t, target, directory, path, 0);
		if (result >= 0) {
			result = fs_symlink(&target->at, target->path.text, target->path.size, link.text, link.size);
			file_target_put(target);
		}
		file_path_put(&link);
	}
	heap_free(target);
	return result;
}

long sys_symlink(struct shim_thread *t, const u64 *a)
{
	return symlink_call(t, a[0], AT_FDCWD, a[1]);
}

long sys_symlinkat(struct shim_thread *t, const u64 *a)
{
	return symlink_call(t, a[0], (i32)a[1], a[2]);
}

typedef long (*pair_call)(const struct fs_pair *pair, const void *from, size_t from_size, const void *to, size_t to_size);

/* a: directory and path of the source, then of the target. */
static long pair_run(struct shim_thread *t, const u64 a[4], u32 flags, pair_call call)
{
	struct file_target *targets = heap_alloc(2 * sizeof(*targets));
	struct fs_pair pair = { .client = t->process->fs_client, .flags = flags };
	long result = targets ? file_target_get(t, &targets[0], (i32)a[0], a[1], 0) : -ENOMEM;

	if (result >= 0) {
		result = file_target_get(t, &targets[1], (i32)a[2], a[3], 0);
		if (result >= 0) {
			pair.from_directory = targets[0].at.directory;
			pair.to_directory = targets[1].at.directory;
			result = file_call(t, call(&pair, targets[0].path.text, targets[0].path.size, targets[1].path.text, targets[1].path.size));
			file_target_put(&targets[1]);
		}
		file_target_put(&targets[0]);
	}
	heap_free(targets);
	return result;
}

static long pair_here(struct shim_thread *t, const u64 *a, pair_call call)
{
	return pair_run(t, (u64[4]){ (u64)AT_FDCWD, a[0], (u64)AT_FDCWD, a[1] }, 0, call);
}

long sys_link(struct shim_thread *t, const u64 *a)
{
	return pair_here(t, a, fs_link);
}

long sys_linkat(struct shim_thread *t, const u64 *a)
{
	if ((u32)a[4] & ~(u32)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return pair_run(t, a, (u32)a[4], fs_link);
}

long sys_rename(struct shim_thread *t, const u64 *a)
{
	return pair_here(t, a, fs_rename);
}

long sys_renameat(struct shim_thread *t, const u64 *a)
{
	return pair_run(t, a, 0, fs_rename);
}

long sys_renameat2(struct shim_thread *t, const u64 *a)
{
	return (u32)a[4] & ~RENAME_FLAGS ? -EINVAL : pair_run(t, a, (u32)a[4], fs_rename);
}
