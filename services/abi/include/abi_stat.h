/* Linux x86_64: struct stat and statx from what fs knows of a file. Used by fs for its own files and by the shim for the others. */
#ifndef ABI_STAT_H
#define ABI_STAT_H

#include "abi_fs.h"
#include <fs/fs_types.h>

static inline struct linux_stat linux_stat_of(const struct fs_stat *from)
{
	struct linux_stat to; /* each member by itself, which is cheaper than zeroes first */

	to.st_dev = from->filesystem;
	to.st_ino = from->inode;
	to.st_nlink = from->links;
	to.st_mode = from->mode;
	to.st_uid = from->uid;
	to.st_gid = from->gid;
	to.pad = 0;
	to.st_rdev = from->device;
	to.st_size = (i64)from->size;
	to.st_blksize = from->block_size;
	to.st_blocks = (i64)from->blocks;
	to.st_atime = (u64)from->accessed.seconds;
	to.st_atime_nsec = from->accessed.nanos;
	to.st_mtime = (u64)from->modified.seconds;
	to.st_mtime_nsec = from->modified.nanos;
	to.st_ctime = (u64)from->changed.seconds;
	to.st_ctime_nsec = from->changed.nanos;
	to.unused[0] = to.unused[1] = to.unused[2] = 0;
	return to;
}

static inline struct linux_statx_time linux_statx_time_of(const struct fs_time *time)
{
	return (struct linux_statx_time){ time->seconds, time->nanos, 0 };
}

static inline struct linux_statx linux_statx_of(const struct fs_stat *from)
{
	return (struct linux_statx){
		.stx_mask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, .stx_blksize = from->block_size, .stx_attributes = from->attributes,
		.stx_nlink = from->links, .stx_uid = from->uid, .stx_gid = from->gid, .stx_mode = (u16)from->mode, .stx_ino = from->inode,
		.stx_size = from->size, .stx_blocks = from->blocks, .stx_attributes_mask = STATX_ATTR_MOUNT_ROOT,
		.stx_atime = linux_statx_time_of(&from->accessed), .stx_btime = linux_statx_time_of(&from->created),
		.stx_ctime = linux_statx_time_of(&from->changed), .stx_mtime = linux_statx_time_of(&from->modified),
		.stx_rdev_major = fs_device_major(from->device), .stx_rdev_minor = fs_device_minor(from->device),
		.stx_dev_major = fs_device_major(from->filesystem), .stx_dev_minor = fs_device_minor(from->filesystem),
		.stx_mnt_id = from->mount,
	};
}

static inline u64 linux_stat_size(u32 format)
{
	return format == FS_STAT_LINUX ? sizeof(struct linux_stat) : sizeof(struct linux_statx);
}

/* Writes the structure to the application by whatever copies out: user_copy_out. */
static inline long linux_stat_tell(const struct fs_stat *from, u32 format, u64 to, long (*copy_out)(u64 to, const void *bytes, size_t size))
{
	if (format == FS_STAT_LINUX) {
		struct linux_stat status = linux_stat_of(from);

		return copy_out(to, &status, sizeof(status));
	} else {
		struct linux_statx status = linux_statx_of(from);

		return copy_out(to, &status, sizeof(status));
	}
}

#endif
