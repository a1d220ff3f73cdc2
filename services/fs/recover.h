/*
 * Recovery of what fs has kept over its failure (docs/recovery.md): all that can be reached is claimed and checked, references are counted
 * anew, locks are open, and what nobody reaches is freed. Nothing is looked into before it was claimed, so nothing is claimed twice but
 * by counting, nothing recurses, and every list ends. Each function answers 0, or -EIO after a line when something can't be.
 */
#ifndef FS_RECOVER_H
#define FS_RECOVER_H

#include "pipe.h"

enum fs_claimed {
	FS_CLAIMED_NAME = HEAP_KINDS,
	FS_CLAIMED_LISTED,   /* a name that stands in its directory */
	FS_CLAIMED_INODE,
	FS_CLAIMED_WRITTEN,  /* an inode whose content was being changed */
	FS_CLAIMED_FILE, FS_CLAIMED_CLIENT, FS_CLAIMED_DIRECTORIES, FS_CLAIMED_IDENTITY, FS_CLAIMED_SUPER, FS_CLAIMED_MOUNT,
	FS_CLAIMED_STACKED,  /* a mount that was seen at its point */
	FS_CLAIMED_PIPE, FS_CLAIMED_LOCKS, FS_CLAIMED_BYTES,
};

/* recover.c */
long fs_recover(void) must_check;
long fs_bad(const char *what);                       /* says it; -EIO */
bool fs_is_bool(const bool *value);                  /* what stands there is one of the two */
bool fs_claim_text(const char *text, size_t size) must_check;  /* a block that holds a string of less than size bytes and its NUL */
long fs_recover_name(struct fs_name *name) must_check;         /* these count a reference */
long fs_recover_inode(struct fs_inode *inode) must_check;
long fs_recover_super(struct fs_super *super, bool mounted) must_check; /* mounted: else it is of an inode */
long fs_recover_place(struct fs_place place) must_check;
static inline bool fs_claimed_inode(const struct fs_inode *inode)
{
	return heap_kind(inode) == FS_CLAIMED_INODE || heap_kind(inode) == FS_CLAIMED_WRITTEN;
}

/* recover_file.c */
long fs_recover_client(struct fs_client *client, u64 handle) must_check;
long fs_recover_file(struct fs_file *file, u64 handle, u32 owner) must_check;
long fs_recover_pipe(struct fs_pipe_state *pipe) must_check;
void fs_pipes_recovered(void);                       /* when all open files are known */

/* What only these files can see. */
bool fs_gate_recover(struct fs_gate *gate);          /* gate.c; true: it was held exclusive */
long fs_names_recover(void) must_check;              /* name.c: when all names are known: their links, and the table */
long fs_handles_recover(void) must_check;            /* handle.c */
bool fs_handle_lives(u64 handle);
long fs_mounts_recover(void) must_check;             /* mount.c */
long fs_mount_recover(struct fs_mounted *mount, bool hidden) must_check; /* one that is in no list; counts a reference */
bool fs_mounts_stacked(void);                        /* all that have a point were seen there */
bool fs_type_known(const struct fs_type *type);
long fs_memory_recover(void) must_check;             /* memory_file.c, tmpfs.c, proc.c: their instances */
long fs_tmpfs_recover(void) must_check;
long fs_proc_recover(void) must_check;
void fs_proc_static_recover(void);                   /* proc_static.c */
long fs_proc_inode_recover(struct fs_inode *inode) must_check;
long fs_proc_descriptor_recover(struct fs_inode *inode) must_check; /* 1: it is none */
long fs_locks_recover_inode(struct fs_locks *locks) must_check; /* lock.c */
long fs_locks_recovered(void) must_check;            /* when all open files are known */
long fs_objects_recover(void) must_check;            /* tmpfs_data.c: against mem's */
void fs_start_recover(void);                         /* start.c */
const struct fs_inode_ops *fs_tmpfs_ops(u32 mode);
extern const struct fs_type fs_pipefs_type;
extern const struct fs_file_ops fs_memory_device_ops;

#endif
