/* Size and content of open files beyond reading and writing: truncation, allocation, holes, objects. */
#include "fs.h"
#include <fs_server.h>
#include <mem_client.h>
#include <mem/mem_types.h>

/* An open regular file of tmpfs that may be written, or the error for it. */
static long writable_get(const struct rt_request *rq, u64 handle, struct fs_file **file)
{
	u32 access;

	*file = fs_file_get(rq, handle);
	if (!*file)
		return -EBADF;
	access = (*file)->flags & FS_O_ACCMODE;
	if ((*file)->kind != FS_KIND_PATH && (access == FS_O_WRONLY || access == FS_O_RDWR))
		return 0;
	fs_file_put(*file);
	return -EBADF;
}

static long inode_resize(struct fs_inode *inode, u64 size)
{
	long result;

	fs_gate_exclusive(&inode->io);
	if ((size < inode->size && (inode->data.seals & FS_SEAL_SHRINK)) || (size > inode->size && (inode->data.seals & FS_SEAL_GROW)))
		result = -EPERM;
	else
		result = fs_tmpfs_resize(inode, size);
	fs_gate_release(&inode->io);
	if (!result)
		fs_inode_touch(inode, true, true);
	return result;
}

long fs_op_truncate(const struct rt_request *rq, u64 handle, u64 size)
{
	struct fs_file *file;
	long result;

	if (size > FS_OFFSET_MAX)
		return -EINVAL;
	file = fs_file_get(rq, handle);
	if (!file)
		return -EBADF;
	if (file->kind == FS_KIND_PATH)
		result = -EBADF;
	else if (!fs_file_is_data(file) || (file->flags & FS_O_ACCMODE) == FS_O_RDONLY)
		result = -EINVAL; /* not open for writing, as ftruncate(2) has it */
	else
		result = inode_resize(file->inode, size);
	if (!result && !file->keeps_privileges)
		fs_inode_drop_privileges(file->inode);
	fs_file_put(file);
	return result;
}

long fs_op_truncate_at(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size)
{
	struct fs_inode *inode = NULL;
	struct fs_walk walk;
	bool drop = false;
	long result;

	if (at->value > FS_OFFSET_MAX)
		return -EINVAL;
	result = fs_walk_begin(&walk, rq, at->client, at->directory, FS_WALK_FOLLOW);
	if (result)
		return result;
	result = fs_walk_path(&walk, path, path_size);
	fs_gate_shared(&fs_tree);
	if (!result)
		result = fs_walk_run(&walk);
	if (!result && fs_inode_type(walk.inode) != FS_IFREG)
		result = fs_is_directory(walk.inode) ? -EISDIR : -EINVAL;
	if (!result)
		result = fs_place_writable(walk.at);
	if (!result)
		result = fs_permission(walk.who, walk.inode, FS_MAY_WRITE);
	if (!result && walk.inode->ops->kind != FS_KIND_FILE)
		result = -EPERM;
	if (!result && walk.inode->writers < 0)
		result = -ETXTBSY;
	if (!result) {
		inode = walk.inode;
		fs_inode_hold(inode);
		drop = !fs_capable(walk.who, FS_CAP_FSETID);
	}
	fs_walk_unlock(&walk);
	if (inode) {
		result = inode_resize(inode, at->value);
		if (!result && drop)
			fs_inode_drop_privileges(inode);
		fs_inode_put(inode);
	}
	fs_walk_end(&walk);
	return result;
}

/* Makes zeros of a range: whole pages become holes. io is held exclusive. */
static long range_punch(struct fs_inode *inode, u64 from, u64 to)
{
	u64 first = round_up(from, PAGE_SIZE), last;

	if (to > inode->size)
		to = round_up(inode->size, PAGE_SIZE);
	if (from >= to || !inode->data.object)
		return 0;
	last = round_down(to, PAGE_SIZE);
	if (first > last)   /* within one page */
		return fs_tmpfs_zero(inode, from, to);
	return fs_tmpfs_punch(inode, from, first, last, to);
}

static long allocate_locked(struct fs_inode *inode, u32 mode, u64 offset, u64 length)
{
	u64 end = offset + length;
	long result = 0;

	if (mode & FS_ALLOCATE_PUNCH_HOLE)
		return inode->data.seals & (FS_SEAL_WRITE | FS_SEAL_FUTURE_WRITE) ? -EPERM : range_punch(inode, offset, end);
	if (end > inode->size && (inode->data.seals & FS_SEAL_GROW))
		return -EPERM;
	/* Pages behind the end are not kept in reserve: a mapping would reach them. */
	if (mode & FS_ALLOCATE_KEEP_SIZE)
		end = end < inode->size ? end : inode->size;
	if (offset < end)
		result = fs_tmpfs_reserve(inode, offset, end);
	if (!result && end > inode->size)
		result = fs_tmpfs_resize(inode, end);
	return result;
}

long fs_op_allocate(const struct rt_request *rq, u64 handle, u32 mode, u64 offset, u64 length)
{
	struct fs_file *file;
	long result;

	if (offset > FS_OFFSET_MAX || length > FS_OFFSET_MAX || length == 0)
		return -EINVAL;
	if (mode != 0 && mode != FS_ALLOCATE_KEEP_SIZE && mode != (FS_ALLOCATE_PUNCH_HOLE | FS_ALLOCATE_KEEP_SIZE))
		return -EOPNOTSUPP;
	result = writable_get(rq, handle, &file);
	if (result)
		return result;
	if (file->kind == FS_KIND_STREAM)
		result = -ESPIPE;
	else if (!fs_file_is_data(file))
		result = -ENODEV;
	else if (offset + length > FS_OFFSET_MAX - PAGE_SIZE)
		result = -EFBIG;
	if (!result) {
		fs_gate_exclusive(&file->inode->io);
		result = allocate_locked(file->inode, mode, offset, length);
		fs_gate_release(&file->inode->io);
		if (!result)
			fs_inode_touch(file->inode, mode & FS_ALLOCATE_PUNCH_HOLE, true);
	}
	fs_file_put(file);
	return result;
}

enum { SEEK_FROM_END = 2, SEEK_TO_DATA = 3, SEEK_TO_HOLE = 4 };

/* The next data or hole at or behind an offset; io is held. */
static long data_seek(struct fs_inode *inode, u64 offset, u32 whence, u64 *position)
{
	u64 found = 0;
	long result;

	if (offset >= inode->size)
		return -ENXIO;
	if (!inode->data.object) {
		*position = offset;
		return whence == SEEK_TO_HOLE ? 0 : -ENXIO;
	}
	result = mem_object_seek(inode->data.object, offset / PAGE_SIZE, whence == SEEK_TO_DATA ? MEM_SEEK_DATA : MEM_SEEK_HOLE, &found);
	if (result)
		return result;
	*position = found * PAGE_SIZE < offset ? offset : found * PAGE_SIZE;
	if (*position >= inode->size) {
		if (whence == SEEK_TO_DATA)
			return -ENXIO;
		*position = inode->size;
	}
	return 0;
}

long fs_op_seek(const struct rt_request *rq, u64 handle, i64 offset, u32 whence, u64 *position)
{
	struct fs_file *file = fs_file_get(rq, handle);
	i64 size;
	long result = 0;

	if (!file)
		return -EBADF;
	size = fs_file_is_data(file) ? (i64)file->inode->size : 0;
	if (file->kind == FS_KIND_PATH) {
		result = -EBADF;
	} else if (file->kind == FS_KIND_STREAM) {
		result = -ESPIPE;
	} else if (whence == SEEK_FROM_END) {
		if (file->kind == FS_KIND_GENERATED || (fs_is_directory(file->inode) && !file->inode->super->type->fixed) || __builtin_add_overflow(size, offset, &size) || size < 0)
			result = -EINVAL;
		*position = (u64)size;
	} else if ((whence == SEEK_TO_DATA || whence == SEEK_TO_HOLE) && fs_file_is_data(file)) {
		fs_gate_shared(&file->inode->io);
		result = offset < 0 ? -ENXIO : data_seek(file->inode, (u64)offset, whence, position);
		fs_gate_release(&file->inode->io);
	} else {
		result = -EINVAL;
	}
	fs_file_put(file);
	return result;
}

long fs_op_sync(const struct rt_request *rq, u64 handle)
{
	struct fs_file *file = fs_file_get(rq, handle);
	long result;

	if (!file)
		return -EBADF;
	/* All content is in memory: nothing is left to write. */
	result = file->kind == FS_KIND_PATH ? -EBADF : file->kind == FS_KIND_FILE ? 0 : -EINVAL;
	fs_file_put(file);
	return result;
}

long fs_op_object(const struct rt_request *rq, u64 handle, u32 write, u64 *object, u64 *size)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct fs_inode *inode;
	long result = 0;

	if (!file)
		return -EBADF;
	inode = file->inode;
	if (!fs_file_is_data(file)) {
		result = file->kind == FS_KIND_PATH ? -EBADF : -ENODEV;
	} else if (file->place.mount && (file->place.mount->flags & FS_MS_NOEXEC) && (file->flags & FS_O_EXECUTE)) {
		result = -EACCES;
	} else {
		fs_gate_exclusive(&inode->io);
		if (write && (inode->data.seals & (FS_SEAL_WRITE | FS_SEAL_FUTURE_WRITE)))
			result = -EPERM;
		if (!result)
			result = fs_tmpfs_object(inode);
		if (!result)
			result = mem_object_hold(inode->data.object);
		*object = inode->data.object;
		*size = inode->size;
		fs_gate_release(&inode->io);
		if (!result)
			fs_inode_accessed(file->place, inode, file->flags);
	}
	fs_file_put(file);
	return result;
}

long fs_op_path_of(const struct rt_request *rq, u64 client, u64 handle, void *path, size_t path_capacity)
{
	struct fs_client *c = fs_client_get(rq, client);
	struct fs_file *file = c ? fs_file_get(rq, handle) : NULL;
	char *buffer, *text = NULL;
	long result = file ? -ENOMEM : -EBADF;

	buffer = file ? heap_alloc(FS_PATH_MAX) : NULL;
	if (buffer) {
		fs_gate_shared(&fs_tree);
		result = fs_place_show(file->place, file->inode, c->directories->root, buffer, &text);
		fs_gate_release(&fs_tree);
		if (result > 0 && (size_t)result > path_capacity)
			result = -ENAMETOOLONG;
		if (result > 0)
			memcpy(path, text, (size_t)result);
		heap_free(buffer);
	}
	if (file)
		fs_file_put(file);
	if (c)
		fs_client_put(c);
	return result;
}
