/* Directories: listing, working directory, root, umask. */
#include "file.h"
#include <fs_client.h>
#include <proc_client.h>

static long getdents_call(struct shim_thread *t, const u64 *a, u32 format)
{
	struct shim_file *file = file_get(t, (i32)a[0]);
	u64 next;
	long result;

	if (!file)
		return -EBADF;
	if (file->ops == &file_descriptors_ops) {
		result = file_descriptors_list(file, a[1], (u32)a[2], format);
		file_put(file);
		return result;
	}
	if ((file->flags & O_PATH) || file->ops != &file_data_ops) {
		result = file->flags & O_PATH ? -EBADF : -ENOTDIR;
		file_put(file);
		return result;
	}
	lock_acquire(&file->position_lock);
	result = fs_readdir(file->handle, a[1], (u32)a[2], (u64)file->offset, format, &next);
	if (result >= 0)
		file->offset = (i64)next;
	lock_release(&file->position_lock);
	file_put(file);
	return result;
}

long sys_getdents(struct shim_thread *t, const u64 *a)
{
	return getdents_call(t, a, FS_DIRENT_OLD);
}

long sys_getdents64(struct shim_thread *t, const u64 *a)
{
	return getdents_call(t, a, FS_DIRENT_64);
}

long sys_getcwd(struct shim_thread *t, const u64 *a)
{
	char *path = heap_alloc(PATH_MAX);
	long result, copied;

	if (!path)
		return -ENOMEM;
	result = fs_getcwd(t->process->fs_client, path, PATH_MAX);
	if (result > 0 && (u64)result > a[1])
		result = -ERANGE;
	if (result > 0) {
		copied = user_copy_out(a[0], path, (size_t)result);
		result = copied < 0 ? copied : result;
	}
	heap_free(path);
	return result;
}

/* Makes the directory that the first argument names the client's working directory or root, by the operation of fs for it. */
static long directory_change(struct shim_thread *t, const u64 *a, long (*change)(const struct fs_at *, const void *, size_t))
{
	struct file_target target;
	long result = file_target_get(t, &target, AT_FDCWD, a[0], 0);

	if (result < 0)
		return result;
	result = file_call(t, change(&target.at, target.path.text, target.path.size));
	file_target_put(&target);
	return result;
}

long sys_chdir(struct shim_thread *t, const u64 *a)
{
	return directory_change(t, a, fs_chdir);
}

long sys_fchdir(struct shim_thread *t, const u64 *a)
{
	struct shim_file *file = file_get(t, (i32)a[0]);
	struct fs_at at = { .client = t->process->fs_client, .flags = FS_AT_EMPTY_PATH };
	long result;

	if (!file)
		return -EBADF;
	at.directory = file_fs_handle(file);   /* O_PATH files too */
	result = at.directory ? fs_chdir(&at, "", 1) : -ENOTDIR;
	file_put(file);
	return result;
}

long sys_chroot(struct shim_thread *t, const u64 *a)
{
	return directory_change(t, a, fs_chroot);
}

long sys_umask(struct shim_thread *t, const u64 *a)
{
	return fs_umask_set(t->process->fs_client, (u32)a[0]);
}
