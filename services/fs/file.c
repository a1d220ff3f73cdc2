/* Open files: their life, reading and writing. */
#include "fs.h"
#include <fs_server.h>

#define TRANSFER_MAX 0x7ffff000ull  /* of one call, as in Linux */

struct fs_file *fs_file_get(const struct rt_request *rq, u64 handle)
{
	return fs_handle_get(handle, rq->caller, FS_HANDLE_FILE);
}

void fs_file_put(struct fs_file *file)
{
	fs_handle_put(file->handle);
}

long fs_file_create(const struct rt_request *rq, struct fs_place place, struct fs_inode *inode, u32 flags, struct fs_file **file)
{
	struct fs_file *made = heap_alloc(sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->owner = rq->caller;
	made->flags = flags;
	made->kind = flags & FS_O_PATH ? FS_KIND_PATH : inode->ops->kind;
	made->ops = flags & FS_O_PATH ? NULL : inode->ops->file;
	made->inode = inode;
	fs_inode_hold(inode);
	made->place = place;
	if (place.name)
		fs_place_hold(place);
	made->handle = fs_handle_create(rq->caller, FS_HANDLE_FILE, made);
	if (!made->handle) {
		fs_file_destroy(made);
		return fs_handle_refusal();
	}
	*file = made;
	return 0;
}

void fs_file_mount_count(struct fs_file *file, i32 step)
{
	if (file->counted && !(file->flags & FS_O_EXECUTE) && file->place.mount)
		__atomic_add_fetch(&file->place.mount->writers, (u32)step, __ATOMIC_RELAXED); /* a counter */
}

void fs_file_destroy(struct fs_file *file)
{
	if (file->ops && file->ops->close)
		file->ops->close(file);
	if (file->inode->locks)
		fs_locks_drop_file(file);
	if (file->counted) {
		lock_acquire(&file->inode->lock);
		file->inode->writers += file->flags & FS_O_EXECUTE ? 1 : -1;
		lock_release(&file->inode->lock);
		fs_file_mount_count(file, -1);
	}
	if (file->cursor)
		fs_name_put(file->cursor);
	fs_text_free(&file->text);
	fs_inode_put(file->inode);
	if (file->place.name)
		fs_place_put(file->place);
	heap_free(file);
}

u64 fs_file_information(const struct fs_file *file)
{
	u64 info = file->inode->mode | (u64)file->kind << 32;

	if (file->kind == FS_KIND_DESCRIPTORS)
		info |= (u64)(u32)file->inode->generated.pid << 40;
	if (file->kind == FS_KIND_DEVICE)
		info |= (u64)fs_device_minor(file->inode->device) << 40;
	return info;
}

long fs_file_word(const struct rt_request *rq, struct fs_file *file, u64 *word)
{
	*word = file->word ? pollword_handle(file->word, rq) : 0;
	if (!file->word || *word)
		return 0;
	return fs_handle_close(file->handle, file->owner, FS_HANDLE_FILE) ? -EBADF : -ENOMEM;
}

long fs_file_answer(const struct rt_request *rq, struct fs_file *file, u64 *handle, u64 *info, u64 *pollword)
{
	struct stable_result is = { .outs = { file->handle, fs_file_information(file) } };
	long result = fs_file_word(rq, file, &is.outs[2]);

	if (result)
		return result;
	stable_commit_made(&is, NULL);
	*handle = is.outs[0];
	*info = is.outs[1];
	if (pollword)
		*pollword = is.outs[2];
	return 0;
}

static bool may_read(const struct fs_file *file)
{
	u32 access = file->flags & FS_O_ACCMODE;

	return file->kind != FS_KIND_PATH && (access == FS_O_RDONLY || access == FS_O_RDWR);
}

static bool may_write(const struct fs_file *file)
{
	u32 access = file->flags & FS_O_ACCMODE;

	return file->kind != FS_KIND_PATH && (access == FS_O_WRONLY || access == FS_O_RDWR);
}

static long file_read(const struct rt_request *rq, u64 handle, struct fs_transfer *transfer)
{
	struct fs_file *file = fs_file_get(rq, handle);
	long result;

	if (!file)
		return -EBADF;
	if (transfer->size > TRANSFER_MAX)
		transfer->size = TRANSFER_MAX;
	if (!may_read(file))
		result = -EBADF;
	else if (fs_is_directory(file->inode))
		result = -EISDIR;
	else if (!file->ops || !file->ops->read || transfer->offset > FS_OFFSET_MAX)
		result = -EINVAL;
	else
		result = file->ops->read(file, transfer);
	fs_file_put(file);
	return result;
}

static long file_write(const struct rt_request *rq, u64 handle, struct fs_transfer *transfer)
{
	struct fs_file *file = fs_file_get(rq, handle);
	long result;

	if (!file)
		return -EBADF;
	if (transfer->size > TRANSFER_MAX)
		transfer->size = TRANSFER_MAX;
	transfer->end = transfer->offset;
	if (!may_write(file))
		result = -EBADF;
	else if (!file->ops || !file->ops->write || transfer->offset > FS_OFFSET_MAX)
		result = -EINVAL;
	else
		result = transfer->size ? file->ops->write(file, transfer) : 0;
	fs_file_put(file);
	return result;
}

long fs_op_read(const struct rt_request *rq, u64 file, vaddr_t data, u64 data_size, u64 offset)
{
	struct fs_transfer transfer = { .user = data, .size = data_size, .offset = offset };

	return file_read(rq, file, &transfer);
}

long fs_op_write(const struct rt_request *rq, u64 file, vaddr_t data, u64 data_size, u64 offset, u32 flags, u64 *end)
{
	struct fs_transfer transfer = { .user = data, .size = data_size, .offset = offset, .flags = flags };
	long result = file_write(rq, file, &transfer);

	*end = transfer.end;
	return result;
}

long fs_op_read_bytes(const struct rt_request *rq, u64 file, void *data, size_t data_capacity, u64 offset)
{
	struct fs_transfer transfer = { .bytes = data, .size = data_capacity, .offset = offset };

	return data ? file_read(rq, file, &transfer) : -EFAULT;
}

long fs_op_write_bytes(const struct rt_request *rq, u64 file, const void *data, size_t data_size, u64 offset, u32 flags, u64 *end)
{
	/* The transfer only reads its bytes in a write. */
	struct fs_transfer transfer = { .bytes = (u8 *)(uintptr_t)data, .size = data_size, .offset = offset, .flags = flags };
	long result = data ? file_write(rq, file, &transfer) : -EFAULT;

	*end = transfer.end;
	return result;
}

long fs_op_close(const struct rt_request *rq, u64 file)
{
	long result = fs_handle_close(file, rq->caller, FS_HANDLE_FILE);

	fs_supers_reap();
	return result;
}

long fs_op_flags_set(const struct rt_request *rq, u64 handle, u32 flags)
{
	struct fs_file *file = fs_file_get(rq, handle);

	if (!file)
		return -EBADF;
	lock_acquire(&file->lock);
	file->flags = (file->flags & ~(u32)(FS_O_APPEND | FS_O_NOATIME)) | (flags & (FS_O_APPEND | FS_O_NOATIME));
	lock_release(&file->lock);
	fs_file_put(file);
	return 0;
}

long fs_op_pollword(const struct rt_request *rq, u64 handle, u64 *pollword)
{
	struct fs_file *file = fs_file_get(rq, handle);
	long result = 0;

	if (!file)
		return -EBADF;
	*pollword = file->word ? pollword_handle(file->word, rq) : 0;
	if (file->word && !*pollword)
		result = -ENOMEM;
	fs_file_put(file);
	return result;
}

long fs_op_available(const struct rt_request *rq, u64 handle, u64 offset, u64 *bytes)
{
	struct fs_file *file = fs_file_get(rq, handle);
	long result = 0;

	if (!file)
		return -EBADF;
	if (file->kind == FS_KIND_STREAM)
		*bytes = fs_pipe_available(file);
	else if (fs_inode_type(file->inode) == FS_IFREG && file->kind != FS_KIND_PATH)
		*bytes = file->inode->size > offset ? file->inode->size - offset : 0;
	else
		result = -ENOTTY;
	fs_file_put(file);
	return result;
}
