/*
 * Structures and constants of the interface `fs`. Numbers that Linux programs also use (open flags, mode bits, AT_*, RESOLVE_*,
 * mount flags, lock types) have Linux's values, so that the shim hands them through. Handles are ids of fs, never 0.
 */
#ifndef FS_TYPES_H
#define FS_TYPES_H

#include <tessera/types.h>

#define FS_PATH_MAX 4096  /* bytes of a path with its NUL */
#define FS_NAME_MAX 255
#define FS_GROUPS_MAX 1024
#define FS_CWD 0ull       /* as a directory handle: the client's working directory */

/* ---- Files ---------------------------------------------------------------------------------------------------------------- */
enum fs_mode {
	FS_IFMT = 0170000, FS_IFSOCK = 0140000, FS_IFLNK = 0120000, FS_IFREG = 0100000, FS_IFBLK = 0060000,
	FS_IFDIR = 0040000, FS_IFCHR = 0020000, FS_IFIFO = 0010000,
	FS_ISUID = 04000, FS_ISGID = 02000, FS_ISVTX = 01000,
};
enum fs_open_flags {
	FS_O_RDONLY = 0, FS_O_WRONLY = 1, FS_O_RDWR = 2, FS_O_ACCMODE = 3,
	FS_O_CREAT = 0100, FS_O_EXCL = 0200, FS_O_NOCTTY = 0400, FS_O_TRUNC = 01000, FS_O_APPEND = 02000, FS_O_NONBLOCK = 04000,
	FS_O_DSYNC = 010000, FS_O_ASYNC = 020000, FS_O_DIRECT = 040000, FS_O_LARGEFILE = 0100000, FS_O_DIRECTORY = 0200000,
	FS_O_NOFOLLOW = 0400000, FS_O_NOATIME = 01000000, FS_O_CLOEXEC = 02000000, FS_O_SYNC = 04010000, FS_O_PATH = 010000000,
	FS_O_TMPFILE = 020200000,
	FS_O_EXECUTE = 1 << 30, /* not Linux's: opened to be run. Checks execute permission; no writer may be or come (ETXTBSY). */
};
enum fs_at_flags {
	FS_AT_SYMLINK_NOFOLLOW = 0x100,
	FS_AT_EACCESS = 0x200,      /* access */
	FS_AT_REMOVEDIR = 0x200,    /* unlink */
	FS_AT_SYMLINK_FOLLOW = 0x400,
	FS_AT_NO_AUTOMOUNT = 0x800,
	FS_AT_EMPTY_PATH = 0x1000,  /* an empty path names `directory` itself */
	FS_AT_TERMINALS = 0x20000,  /* not Linux's: makes or removes the node of a terminal, which programs can't */
	FS_AT_OPEN_FILE = 0x10000,  /* not Linux's: an f* call. The path is empty; acts on the open file `directory`, -EBADF for O_PATH */
};
enum fs_resolve {
	FS_RESOLVE_NO_XDEV = 1, FS_RESOLVE_NO_MAGICLINKS = 2, FS_RESOLVE_NO_SYMLINKS = 4, FS_RESOLVE_BENEATH = 8, FS_RESOLVE_IN_ROOT = 16,
	FS_RESOLVE_CACHED = 32,
};
enum fs_rename_flags { FS_RENAME_NOREPLACE = 1, FS_RENAME_EXCHANGE = 2, FS_RENAME_WHITEOUT = 4 };

/* Device numbers: major << 8 | minor below 256, wider ones in Linux's 64-bit dev_t layout. */
static inline u64 fs_device(u32 major, u32 minor)
{
	return (minor & 0xff) | (u64)(major & 0xfff) << 8 | (u64)(minor & ~0xffu) << 12 | (u64)(major & ~0xfffu) << 32;
}
static inline u32 fs_device_major(u64 device) { return (u32)(device >> 8 & 0xfff) | (u32)(device >> 32 & ~0xfffull); }
static inline u32 fs_device_minor(u64 device) { return (u32)(device & 0xff) | (u32)(device >> 12 & ~0xffull); }

/* Out word `info` of open: the file's mode in bits 31:0, what the shim has to do with it in bits 39:32. */
enum fs_kind {
	FS_KIND_FILE,        /* regular file or directory */
	FS_KIND_STREAM,      /* no offset: pipe, FIFO */
	FS_KIND_DEVICE,      /* a device that fs serves: null, zero, full, random, kmsg */
	FS_KIND_TERMINAL,    /* character device of tty: the shim opens fs_stat.device there and keeps this file for stat alone */
	FS_KIND_GENERATED,   /* procfs: no memory object behind it */
	FS_KIND_DESCRIPTORS, /* /proc/PID/fd or fdinfo: the shim lists it (position: as it likes) */
	FS_KIND_PATH,        /* O_PATH */
};
#define FS_INFO_MODE(info) ((u32)(info))
#define FS_INFO_KIND(info) ((u32)((info) >> 32) & 0xff)

/* /proc/PID/fd: only the shim knows descriptors. A walk that needs them answers -(FS_DESCRIPTORS_WANTED + pid); the shim tells them by
 * descriptors_note and makes the call again. */
#define FS_DESCRIPTORS_WANTED (1 << 24)
struct fs_descriptor {
	u64 file;        /* fs's handle; 0: a file without a file system */
	u64 position;
	i32 fd;
	u32 flags;       /* as F_GETFL, with O_CLOEXEC */
	char name[32];   /* of one without a file system, NUL-terminated: "anon_inode:[eventfd]" */
};
#define FS_INFO_PID(info) ((i32)((info) >> 40)) /* of open's info, with FS_KIND_DESCRIPTORS: whose they are */
#define FS_INFO_DEVICE(info) ((u32)((info) >> 40)) /* the same with FS_KIND_DEVICE: minor number, of major 1 */

struct fs_time { i64 seconds; u32 nanos; u32 reserved; };
struct fs_stat {
	u64 filesystem, inode;      /* st_dev, st_ino */
	u64 size, blocks;           /* blocks of 512 bytes */
	u64 device;                 /* st_rdev */
	u64 mount;                  /* id of the mount */
	struct fs_time accessed, modified, changed, created;
	u32 mode, links, uid, gid;
	u32 block_size;
	u32 attributes;             /* STATX_ATTR_*: 0x2000 mount root */
};
enum fs_stat_format { FS_STAT_LINUX, FS_STAT_LINUX_STATX }; /* abi/include/abi_stat.h */
struct fs_statfs {
	u64 type, block_size, blocks, blocks_free, blocks_available, files, files_free, id, name_max, fragment_size, flags;
};

/* ---- Requests: `at` operations name a file by client, directory and path -------------------------------------------------------- */
struct fs_open {
	u64 client, directory;
	u32 flags;     /* enum fs_open_flags */
	u32 mode;      /* of a created file, before the umask */
	u64 resolve;   /* enum fs_resolve */
};
struct fs_at {
	u64 client, directory;
	u32 flags;     /* enum fs_at_flags */
	u32 mode;      /* access: 4 2 1; stat_show_at: enum fs_stat_format; mkdir, mknod, chmod: mode bits (mknod: with the type) */
	u64 value;     /* mknod: device; truncate_at: size; chown: uid | gid << 32, ~0 in either half leaves it */
};
struct fs_pair { u64 client, from_directory, to_directory; u32 flags; u32 reserved; };
#define FS_TIME_NOW 0x3fffffff   /* in nanos, as UTIME_NOW */
#define FS_TIME_OMIT 0x3ffffffe
struct fs_times { struct fs_time accessed, modified; u32 both_now; u32 reserved; }; /* both_now: utimensat without times */

/* ---- Clients --------------------------------------------------------------------------------------------------------------- */
enum fs_client_flags { FS_CLIENT_SHARE = 1 }; /* client_fork: working directory, root and umask stay shared (CLONE_FS) */
struct fs_credentials {
	u32 uid, gid;             /* file-system ids: what permission checks use */
	u32 real_uid, real_gid;   /* access(2) */
	u64 capabilities;         /* effective set, bit = CAP_* */
	u64 permitted;            /* for access(2) of root's programs */
};
enum fs_capability {
	FS_CAP_CHOWN = 0, FS_CAP_DAC_OVERRIDE = 1, FS_CAP_DAC_READ_SEARCH = 2, FS_CAP_FOWNER = 3, FS_CAP_FSETID = 4, FS_CAP_LEASE = 28,
	FS_CAP_SYS_CHROOT = 18, FS_CAP_SYS_ADMIN = 21, FS_CAP_SYS_RESOURCE = 24, FS_CAP_MKNOD = 27,
};

/* ---- Pipes ------------------------------------------------------------------------------------------------------------------- */
#define FS_LEVEL_ENDED (1u << 16) /* in the level of a reading end: it has no writer, so a read never waits */
struct fs_pipe { u64 read_file, write_file; u64 read_word, write_word; }; /* files and their poll words' handles */
struct fs_kept { u64 words[4]; };  /* what `answer` gives back of a call's struct_out */

/* ---- Locks ------------------------------------------------------------------------------------------------------------------- */
enum fs_lock_kind {
	FS_LOCK_POSIX,  /* owner: the descriptor table's id */
	FS_LOCK_OPEN,   /* F_OFD_*: the owner is the open file */
	FS_LOCK_FLOCK,  /* flock(2): the whole file, the owner is the open file */
};
enum fs_lock_command { FS_LOCK_TEST, FS_LOCK_SET, FS_LOCK_SET_WAIT };
enum fs_lock_type { FS_LOCK_READ = 0, FS_LOCK_WRITE = 1, FS_LOCK_NONE = 2 }; /* F_RDLCK, F_WRLCK, F_UNLCK */
#define FS_LOCK_WAITS 1 /* result of SET_WAIT: the request is queued; wait until the word's sequence changes, then call again or lock_cancel */
struct fs_lock {
	u32 kind, command, type;
	i32 pid;          /* in: of the caller; out of TEST: of the holder, -1 for an open-file lock */
	u64 owner;        /* FS_LOCK_POSIX */
	u64 start, end;   /* bytes, end inclusive, ~0 >> 1 for the end of all files; the shim has applied whence */
};
/* Its first four members as one word, so that a request travels in registers. */
static inline u64 fs_lock_pack(const struct fs_lock *lock)
{
	return (lock->kind & 0xff) | (lock->command & 0xff) << 8 | (u64)(lock->type & 0xff) << 16 | (u64)(u32)lock->pid << 32;
}
static inline struct fs_lock fs_lock_unpack(u64 what, u64 owner, u64 start, u64 end)
{
	return (struct fs_lock){ what & 0xff, what >> 8 & 0xff, what >> 16 & 0xff, (i32)(what >> 32), owner, start, end };
}

/* ---- Mounts ------------------------------------------------------------------------------------------------------------------ */
enum fs_mount_flags {
	FS_MS_RDONLY = 1, FS_MS_NOSUID = 2, FS_MS_NODEV = 4, FS_MS_NOEXEC = 8, FS_MS_SYNCHRONOUS = 16, FS_MS_REMOUNT = 32, FS_MS_DIRSYNC = 128,
	FS_MS_NOSYMFOLLOW = 256, FS_MS_NOATIME = 1024, FS_MS_NODIRATIME = 2048, FS_MS_BIND = 4096, FS_MS_MOVE = 8192, FS_MS_REC = 16384,
	FS_MS_SILENT = 32768, FS_MS_RELATIME = 1 << 21, FS_MS_STRICTATIME = 1 << 24,
};
struct fs_mount {
	u64 client;
	u64 flags;
	char type[64];     /* NUL-terminated */
	char options[512];
};
enum fs_umount_flags { FS_MNT_FORCE = 1, FS_MNT_DETACH = 2, FS_MNT_EXPIRE = 4, FS_UMOUNT_NOFOLLOW = 8 };

/* ---- Directory records: readdir writes them to the application as getdents64 (or getdents) defines them ----------------------------- */
enum fs_dirent_format { FS_DIRENT_64, FS_DIRENT_OLD };

enum fs_seal { FS_SEAL_SEAL = 1, FS_SEAL_SHRINK = 2, FS_SEAL_GROW = 4, FS_SEAL_WRITE = 8, FS_SEAL_FUTURE_WRITE = 16 };
enum fs_memory_flags { FS_MFD_CLOEXEC = 1, FS_MFD_ALLOW_SEALING = 2 };
enum fs_node_name { FS_NAME_HOST, FS_NAME_DOMAIN };
enum fs_allocate_mode { FS_ALLOCATE_KEEP_SIZE = 1, FS_ALLOCATE_PUNCH_HOLE = 2, FS_ALLOCATE_ZERO_RANGE = 16 };

#endif
