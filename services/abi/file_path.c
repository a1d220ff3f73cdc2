/* Paths and directory descriptors of applications. The order of errors is Linux's: first the path, then the descriptor. */
#include "file.h"

long file_path_get(struct file_path *path, vaddr_t from)
{
	long length = user_copy_string(path->own, from, sizeof(path->own));

	path->text = path->own;
	if (length == -ENAMETOOLONG) {
		path->text = heap_alloc(PATH_MAX);
		if (!path->text)
			return -ENOMEM;
		length = user_copy_string(path->text, from, PATH_MAX);
		if (length < 0)
			file_path_put(path);
	}
	if (length < 0)
		return length;
	path->size = (size_t)length + 1;
	return 0;
}

void file_path_put(struct file_path *path)
{
	if (path->text != path->own)
		heap_free(path->text);
	path->text = path->own;
}

u64 file_fs_handle(struct shim_file *file)
{
	return file->ops->fs_handle ? file->ops->fs_handle(file) : 0;
}

long file_directory_get(struct shim_thread *t, i32 directory, const struct file_path *path, u64 *handle, struct shim_file **file)
{
	*file = NULL;
	*handle = FS_CWD;
	if (directory == AT_FDCWD || path->text[0] == '/')
		return 0;
	*file = file_get(t, directory);
	if (!*file)
		return -EBADF;
	*handle = file_fs_handle(*file);
	if (*handle)
		return 0;
	file_put(*file);
	*file = NULL;
	return -ENOTDIR;
}

long file_target_get(struct shim_thread *t, struct file_target *target, i32 directory, vaddr_t path, u32 flags)
{
	long result;

	target->at = (struct fs_at){ .client = t->process->fs_client, .flags = flags };
	target->file = NULL;
	result = file_path_get(&target->path, path);
	if (result < 0)
		return result;
	result = file_directory_get(t, directory, &target->path, &target->at.directory, &target->file);
	if (result < 0)
		file_path_put(&target->path);
	return result;
}

long file_target_open(struct shim_thread *t, struct file_target *target, i32 fd)
{
	target->at = (struct fs_at){ .client = t->process->fs_client, .flags = FS_AT_OPEN_FILE };
	target->path.text = target->path.own;
	target->path.own[0] = 0;
	target->path.size = 1;
	target->file = file_get(t, fd);
	if (!target->file)
		return -EBADF;
	target->at.directory = file_fs_handle(target->file);
	if (target->at.directory)
		return 0;
	file_put(target->file);
	return -EBADF;
}

void file_target_put(struct file_target *target)
{
	file_path_put(&target->path);
	if (target->file)
		file_put(target->file);
}
