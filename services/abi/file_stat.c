/* stat and its relatives. */
#include "file.h"
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

static long stat_tell(const struct fs_stat *from, vaddr_t to)
{
	struct linux_stat status = {
		.st_dev = from->filesystem, .st_ino = from->inode, .st_nlink = from->links, .st_mode = from->mode, .st_uid = from->uid,
		.st_gid = from->gid, .st_rdev = from->device, .st_size = (i64)from->size, .st_blksize = from->block_size,
		.st_blocks = (i64)from->blocks, .st_atime = (u64)from->accessed.seconds, .st_atime_nsec = from->accessed.nanos,
		.st_mtime = (u64)from->modified.seconds, .st_mtime_nsec = from->modified.nanos, .st_ctime = (u64)from->changed.seconds,
		.st_ctime_nsec = from->changed.nanos,
	};

	return user_copy_out(to, &status, sizeof(status));
}

static struct linux_statx_time statx_time(const struct fs_time *time)
{
	return (struct linux_statx_time){ time->seconds, time->nanos, 0 };
}

static long statx_tell(const struct fs_stat *from, vaddr_t to)
{
	struct linux_statx status = {
		.stx_mask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, .stx_blksize = from->block_size, .stx_attributes = from->attributes,
		.stx_nlink = from->links, .stx_uid = from->uid, .stx_gid = from->gid, .stx_mode = (u16)from->mode, .stx_ino = from->inode,
		.stx_size = from->size, .stx_blocks = from->blocks, .stx_attributes_mask = STATX_ATTR_MOUNT_ROOT,
		.stx_atime = statx_time(&from->accessed), .stx_btime = statx_time(&from->created), .stx_ctime = statx_time(&from->changed),
		.stx_mtime = statx_time(&from->modified), .stx_rdev_major = fs_device_major(from->device),
		.stx_rdev_minor = fs_device_minor(from->device), .stx_dev_major = fs_device_major(from->filesystem),
		.stx_dev_minor = fs_device_minor(from->filesystem), .stx_mnt_id = from->mount,
	};

	return user_copy_out(to, &status, sizeof(status));
}

static long stat_open(struct shim_thread *t, i32 fd, struct fs_stat *status)
{
	struct file_use use = file_use_begin(t, fd);
	long result;

	if (!use.file)
		return -EBADF;
	result = file_stat_get(t, use.file, status);
	file_use_end(use);
	return result;
}

/* An empty path with AT_EMPTY_PATH names the descriptor, whatever it is. */
static long stat_at(struct shim_thread *t, i32 directory, vaddr_t path, u32 flags, struct fs_stat *status)
{
	struct file_target target;
	char first = 1;
	long result;

	if ((flags & AT_EMPTY_PATH) && directory != AT_FDCWD) {
		result = user_copy_in(&first, path, 1);
		if (result < 0)
			return result;
		if (!first)
			return stat_open(t, directory, status);
	}
	result = file_target_get(t, &target, directory, path, flags & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
	if (result < 0)
		return result;
	result = file_call(t, fs_stat_at(&target.at, target.path.text, target.path.size, status));
	file_target_put(&target);
	return result;
}

static long stat_call(struct shim_thread *t, i32 directory, vaddr_t path, u32 flags, vaddr_t to)
{
	struct fs_stat status;
	long result;

	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	result = stat_at(t, directory, path, flags, &status);
	return result < 0 ? result : stat_tell(&status, to);
}

long sys_stat(struct shim_thread *t, const u64 *a)
{
	return stat_call(t, AT_FDCWD, a[0], 0, a[1]);
}

long sys_lstat(struct shim_thread *t, const u64 *a)
{
	return stat_call(t, AT_FDCWD, a[0], AT_SYMLINK_NOFOLLOW, a[1]);
}

long sys_newfstatat(struct shim_thread *t, const u64 *a)
{
	return stat_call(t, (i32)a[0], a[1], (u32)a[3], a[2]);
}

long sys_fstat(struct shim_thread *t, const u64 *a)
{
	struct fs_stat status;
	long result = stat_open(t, (i32)a[0], &status);

	return result < 0 ? result : stat_tell(&status, a[1]);
}

long sys_statx(struct shim_thread *t, const u64 *a)
{
	u32 flags = (u32)a[2], mask = (u32)a[3];
	struct fs_stat status;
	long result;

	if ((mask & STATX_RESERVED) || (flags & STATX_SYNC_FLAGS) == STATX_SYNC_FLAGS)
		return -EINVAL;
	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | STATX_SYNC_FLAGS))
		return -EINVAL;
	result = stat_at(t, (i32)a[0], a[1], flags, &status);
	return result < 0 ? result : statx_tell(&status, a[4]);
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

long sys_fstatfs(struct shim_thread *t, const u64 *a)
{
	struct file_target target;
	long result = file_target_open(t, &target, (i32)a[0]);

	if (result < 0)
		return result;
	target.at.flags = FS_AT_EMPTY_PATH; /* O_PATH files too */
	result = statfs_target(t, &target, a[1]);
	file_target_put(&target);
	return result;
}
