/* Linux x86_64: structures and constants of file calls. */
#ifndef ABI_FS_H
#define ABI_FS_H

#include <tessera/types.h>

struct linux_stat {
	u64 st_dev, st_ino, st_nlink;
	u32 st_mode, st_uid, st_gid, pad;
	u64 st_rdev;
	i64 st_size, st_blksize, st_blocks;
	u64 st_atime, st_atime_nsec, st_mtime, st_mtime_nsec, st_ctime, st_ctime_nsec;
	i64 unused[3];
};
_Static_assert(sizeof(struct linux_stat) == 144, "ABI");

struct linux_statx_time { i64 tv_sec; u32 tv_nsec; i32 reserved; };
struct linux_statx {
	u32 stx_mask, stx_blksize;
	u64 stx_attributes;
	u32 stx_nlink, stx_uid, stx_gid;
	u16 stx_mode, spare0;
	u64 stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	struct linux_statx_time stx_atime, stx_btime, stx_ctime, stx_mtime;
	u32 stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
	u64 stx_mnt_id;
	u64 spare[13];
};
_Static_assert(sizeof(struct linux_statx) == 256, "ABI");
#define STATX_BASIC_STATS 0x7ffu
#define STATX_BTIME 0x800u
#define STATX_MNT_ID 0x1000u
#define STATX_RESERVED 0x80000000u
#define STATX_ATTR_MOUNT_ROOT 0x2000u

struct linux_statfs {
	i64 f_type, f_bsize;
	u64 f_blocks, f_bfree, f_bavail, f_files, f_ffree;
	i32 f_fsid[2];
	i64 f_namelen, f_frsize, f_flags, f_spare[4];
};
_Static_assert(sizeof(struct linux_statfs) == 120, "ABI");

struct linux_iovec { u64 iov_base, iov_len; };
#define IOV_MAX 1024u
#define RWF_HIPRI 1u
#define RWF_DSYNC 2u
#define RWF_SYNC 4u
#define RWF_NOWAIT 8u
#define RWF_APPEND 16u

struct linux_open_how { u64 flags, mode, resolve; };
#define OPEN_HOW_SIZE_FIRST 24

struct linux_flock {
	i16 l_type, l_whence;
	i64 l_start, l_len;
	i32 l_pid;
};
_Static_assert(sizeof(struct linux_flock) == 32, "ABI");
struct linux_f_owner_ex { i32 type, pid; };
#define LOCK_SH 1u
#define LOCK_EX 2u
#define LOCK_NB 4u
#define LOCK_UN 8u
#define LOCK_MAND 32u

struct linux_utimbuf { i64 actime, modtime; };

#define PATH_MAX 4096u
#define RENAME_FLAGS 7u
#define STATX_SYNC_FLAGS 0x6000u
#define FIGETBSZ 2u
#define FALLOC_FL_COLLAPSE_RANGE 8u
#define SYNC_FILE_RANGE_FLAGS 7u
#define XATTR_NAME_MAX 255u

#endif
