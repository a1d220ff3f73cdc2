/*
 * Files of the file system in the shim: what the file_*.c share. Names and handles that an application gave become a
 * struct file_target, for the `at` operations of fs.
 */
#ifndef ABI_FILE_H
#define ABI_FILE_H

#include "shim.h"
#include "include/abi_fcntl.h"
#include "include/abi_fs.h"
#include <fs/fs_types.h>

#define TRANSFER_MAX 0x7ffff000ull  /* bytes of one call */

/* A path copied from the application; short ones need no memory. */
struct file_path {
	char *text;
	size_t size;      /* with the NUL */
	char own[200];
};
long file_path_get(struct file_path *path, vaddr_t from) must_check;
void file_path_put(struct file_path *path);

struct file_target {
	struct fs_at at;
	struct file_path path;
	struct shim_file *file;   /* of a directory descriptor that is used, or of the open file itself */
};
/* A path relative to a directory descriptor. flags: FS_AT_*. */
long file_target_get(struct shim_thread *t, struct file_target *target, i32 directory, vaddr_t path, u32 flags) must_check;
/* The open file itself: the f* calls. -EBADF also for files without a file system. */
long file_target_open(struct shim_thread *t, struct file_target *target, i32 fd) must_check;
void file_target_put(struct file_target *target);
/* fs's handle for a directory descriptor and an already copied path: 0 and a reference in *file (NULL: not needed). */
long file_directory_get(struct shim_thread *t, i32 directory, const struct file_path *path, u64 *handle, struct shim_file **file) must_check;

/* file_object.c: the files themselves */
extern const struct shim_file_ops file_data_ops, file_stream_ops, file_path_ops;
u64 file_object_handle(struct shim_file *file);   /* operations of files whose handle is fs's */
long file_object_stat(struct shim_thread *t, struct shim_file *file, void *status);
void file_object_close(struct shim_file *file);
/* Makes the open file of a handle that fs_open answered; the handle is closed on failure. */
long file_from_handle(struct shim_thread *t, u64 handle, u64 info, u64 pollword, u32 flags, struct shim_file **file) must_check;
/* Opens and installs nothing: a new open file with one reference. */
long file_open_at(struct shim_thread *t, const struct fs_open *request, const void *path, size_t size, struct shim_file **file) must_check;
u64 file_fs_handle(struct shim_file *file);   /* 0: none */

/* file_descriptors.c: /proc/PID/fd. A call of fs that walks a path is made through file_call: when fs asks for the descriptors of a
 * process, they are told and the call is made again. */
bool file_descriptors_told(struct shim_thread *t, long result, u32 *tries);
#define file_call(t, call) ({ \
	u32 tries_ = 0; \
	long result_; \
	do \
		result_ = (call); \
	while (unlikely(result_ <= -FS_DESCRIPTORS_WANTED) && file_descriptors_told(t, result_, &tries_)); \
	result_ <= -FS_DESCRIPTORS_WANTED ? -ENOENT : result_; })
extern const struct shim_file_ops file_descriptors_ops;
long file_descriptors_list(struct shim_file *file, vaddr_t to, u64 size, u32 format) must_check; /* getdents */

/* file_rw.c */
struct file_vector { struct linux_iovec *segments; u32 count; u64 total; struct linux_iovec own[8]; };
long file_data_read(struct shim_thread *t, struct shim_file *file, vaddr_t to, u64 size, i64 offset);
long file_data_write(struct shim_thread *t, struct shim_file *file, vaddr_t from, u64 size, i64 offset);
bool file_readable(const struct shim_file *file);
bool file_writable(const struct shim_file *file);
/* Cuts a write at RLIMIT_FSIZE; -EFBIG and SIGXFSZ when nothing is left. */
long file_size_limit(struct shim_thread *t, const struct shim_file *file, u64 offset, u64 *size) must_check;

/* file_device.c: the memory devices. The open file's data names the device; NULL: another one. */
void *file_device_data(u64 info);
long file_device_read(struct shim_file *file, vaddr_t to, u64 size) must_check;
long file_device_write(const struct shim_file *file, u64 size) must_check;
long file_device_ioctl(const struct shim_file *file, u32 command, vaddr_t argument) must_check;
bool file_device_is_zero(const struct shim_file *file); /* mapping it is mapping nothing */

/* file_stat.c */
long file_stat_get(struct shim_thread *t, struct shim_file *file, struct fs_stat *status) must_check;

/* file_lock.c */
void file_locks_flush(struct shim_file *file, struct shim_fd_table *table);
long file_lock_command(struct shim_thread *t, struct shim_file *file, u32 command, vaddr_t argument);

#endif
