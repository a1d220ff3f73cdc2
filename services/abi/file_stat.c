/* stat and its relatives. */
#include "file.h"
#include "include/abi_stat.h"
#include <fs_client.h>

long file_stat_get(struct shim_thread *t, struct shim_file *file, struct fs_stat *status)
{
	if (file->ops->stat)
		return file->ops->stat(t, file, status);
	/* What has no file system behind it: Linux's anonymous inode. */
	memset(status, 0, sizeof(*status));
	status->filesystem = fs_device(0, 14);
	status->inode = 1;
	status->mode = 0600;
	status->links = 1;
	status->block_size = PAGE_SIZE;
	return 0;
}

/* fs writes what it knows itself; for files that it does not serve the shim does. */
static long stat_open(struct shim_thread *t, i32 fd, vaddr_t to, u32 format)
{
	struct file_use use = file_use_begin(t, fd);
	struct fs_stat status;
	long result;

	if (!use.file)
		return -EBADF;
	if (use.file->ops->stat == file_object_stat) {
		result = fs_stat_show(use.file->handle, to, linux_stat_size(format), format);
	} else {
		result = file_stat_get(t, use.file, &status);
		if (result >= 0)
			result = linux_stat_tell(&status, format, to, user_copy_out);
	}
	file_use_end(use);
	return result;
}

#define STAT_FLAGS ((u32)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))

/* What flags, an application's path and a directory name; an empty path with AT_EMPTY_PATH is the descriptor, whatever it is. */
static long stat_name(struct shim_thread *t, i32 directory, vaddr_t path, u32 flags, vaddr_t to, u32 format)
{
	struct file_target target;
	char first = 1;
	long result;

	if ((flags & AT_EMPTY_PATH) && directory != AT_FDCWD) {
		result = user_copy_in(&first, path, 1);
		if (result < 0)
			return result;
		if (!first)
			return stat_open(t, directory, to, format);
	}
	result = file_target_get(t, &target, directory, path, flags & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
	if (result < 0)
		return result;
	target.at.mode = format;
	result = file_call(t, fs_stat_show_at(&target.at, target.path.text, target.path.size, to, linux_stat_size(format)));
	file_target_put(&target);
	return result;
}

long sys_stat(struct shim_thread *t, const u64 *a)
{
	return stat_name(t, AT_FDCWD, a[0], 0, a[1], FS_STAT_LINUX);
}

long sys_lstat(struct shim_thread *t, const u64 *a)
{
	return stat_name(t, AT_FDCWD, a[0], AT_SYMLINK_NOFOLLOW, a[1], FS_STAT_LINUX);
}

long sys_newfstatat(struct shim_thread *t, const u64 *a)
{
	return (u32)a[3] & ~STAT_FLAGS ? -EINVAL : stat_name(t, (i32)a[0], a[1], (u32)a[3], a[2], FS_STAT_LINUX);
}

long sys_fstat(struct shim_thread *t, const u64 *a)
{
	return stat_open(t, (i32)a[0], a[1], FS_STAT_LINUX);
}

long sys_statx(struct shim_thread *t, const u64 *a)
{
	u32 flags = (u32)a[2], mask = (u32)a[3];

	if ((mask & STATX_RESERVED) || (flags & STATX_SYNC_FLAGS) == STATX_SYNC_FLAGS || flags & ~(STAT_FLAGS | STATX_SYNC_FLAGS))
		return -EINVAL;
	return stat_name(t, (i32)a[0], a[1], flags, a[4], FS_STAT_LINUX_STATX);
}

static long statfs_target(struct shim_thread *t, struct file_target *target, vaddr_t to)
{
	struct fs_statfs from;
	struct linux_statfs status;
	long result = file_call(t, fs_statfs(&target->at, target->path.text, target->path.size, &from));

	if (result < 0)
		return result;
	status = (struct linux_statfs){
		.f_type = (i64)from.type, .f_bsize = (i64)from.block_size, .f_blocks = from.blocks, .f_bfree = from.blocks_free,
		.f_bavail = from.blocks_available, .f_files = from.files, .f_ffree = from.files_free,
		.f_fsid = { (i32)from.id, (i32)(from.id >> 32) }, .f_namelen = (i64)from.name_max, .f_frsize = (i64)from.fragment_size,
		.f_flags = (i64)from.flags,
	};
	return user_copy_out(to, &status, sizeof(status));
}

long sys_statfs(struct shim_thread *t, const u64 *a)
{
	struct file_target target;
	long result = file_target_get(t, &target, AT_FDCWD, a[0], 0);

	if (result < 0)
		return result;
	result = statfs_target(t, &target, a[1]);
	file_target_put(&target);
	return result;
}

/* Linux's file system of anonymous inodes. */
static long statfs_anonymous(struct shim_thread *t, i32 fd, vaddr_t to)
{
	struct linux_statfs status = { .f_type = 0x09041934, .f_bsize = PAGE_SIZE, .f_namelen = 255, .f_frsize = PAGE_SIZE, .f_flags = 0x20 };
	struct shim_file *file = file_get(t, fd);
	bool anonymous = file && !file->ops->stat;

	if (file)
		file_put(file);
	return anonymous ? user_copy_out(to, &status, sizeof(status)) : -EBADF;
}

long sys_fstatfs(struct shim_thread *t, const u64 *a)
{
	struct file_target target;
	long result = file_target_open(t, &target, (i32)a[0]);

	if (result == -EBADF)
		return statfs_anonymous(t, (i32)a[0], a[1]);
	if (result < 0)
		return result;
	target.at.flags = FS_AT_EMPTY_PATH; /* O_PATH files too */
	result = statfs_target(t, &target, a[1]);
	file_target_put(&target);
	return result;
}
