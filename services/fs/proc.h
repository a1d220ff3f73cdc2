/*
 * procfs inside fs. Static entries stand in the tree of names; what belongs to a process is made by lookups and passes away
 * with its last use (passing names). Texts are made when a file is read at its start.
 */
#ifndef FS_PROC_H
#define FS_PROC_H

#include "fs.h"
#include <proc/proc_types.h>

struct fs_proc_entry {
	const char *name;            /* static ones: path below the root */
	u32 mode;                    /* with the type */
	long (*show)(struct fs_text *text, const struct fs_inode *inode);
	long (*store)(const struct fs_inode *inode, char *text, size_t size);  /* NUL-terminated; NULL: it takes nothing */
	long (*link)(const struct fs_inode *inode, char *text, size_t capacity);
	long (*follow)(const struct fs_inode *inode, struct fs_place *place);  /* takes references */
	u64 argument;
	bool traced;                 /* is opened by who may trace the process alone */
	const struct fs_inode_ops *ops;    /* instead of those that its mode and functions imply */
};
extern const struct fs_proc_entry fs_proc_static[];
extern const u32 fs_proc_static_count;
extern const struct fs_proc_entry fs_sysfs_static[];
extern const u32 fs_sysfs_static_count;
extern const struct fs_proc_entry fs_proc_task[];
extern const u32 fs_proc_task_count;

bool fs_proc_entry_own(const struct fs_proc_entry *entry); /* one of proc.c's own */
i32 fs_proc_number(const char *text, u32 length);   /* a decimal number without leading zeros, or -1 */
bool fs_proc_may_trace(const struct fs_identity *who, const struct fs_inode *inode);
/* A name for a process or something of it. The inode is taken over. */
long fs_proc_passing_name(struct fs_name *directory, const char *text, u32 length, struct fs_inode *inode, struct fs_name **found) must_check;
struct fs_inode *fs_proc_inode(struct fs_super *super, const struct fs_proc_entry *entry, u64 number) must_check;
/* The facts of a task, on the heap: free them. NULL: gone, or no memory. */
struct proc_info *fs_proc_info(i32 tid, bool process) must_check;
extern const struct fs_inode_ops fs_proc_task_directory_ops, fs_proc_threads_directory_ops, fs_proc_root_ops;
extern const struct fs_file_ops fs_proc_file_operations;
extern const struct fs_inode_ops fs_proc_descriptors_ops, fs_proc_descriptor_infos_ops;
extern const struct fs_inode_ops fs_proc_file_ops, fs_proc_link_ops, fs_proc_magic_ops, fs_proc_directory_ops;
void fs_proc_mounts_show(struct fs_text *text, struct fs_place root);
void fs_proc_mountinfo_show(struct fs_text *text, struct fs_place root);
long fs_proc_status_show(struct fs_text *text, const struct fs_inode *inode);
long fs_proc_stat_show(struct fs_text *text, const struct fs_inode *inode);
long fs_proc_statm_show(struct fs_text *text, const struct fs_inode *inode);
long fs_proc_maps_show(struct fs_text *text, const struct fs_inode *inode);
long fs_proc_auxv_show(struct fs_text *text, const struct fs_inode *inode);
long fs_proc_memory_show(struct fs_text *text, const struct fs_inode *inode);   /* cmdline, environ: entry->argument */
long fs_proc_limits_show(struct fs_text *text, const struct fs_inode *inode);
long fs_proc_cpuinfo_show(struct fs_text *text, const struct fs_inode *inode);

/* Places of a task, with references; the first two need fs_tree. */
long fs_proc_client_place(i32 tid, bool root, struct fs_place *place) must_check;
long fs_proc_exe_place(i32 tid, struct fs_place *place) must_check;
long fs_proc_with_root(i32 tid, struct fs_text *text, void (*show)(struct fs_text *, struct fs_place)) must_check;
void fs_proc_umask_add(struct fs_text *text, u64 handle);

#define FS_PROC_TICK 10000000ull   /* ns of a clock tick, USER_HZ 100 */

#endif
