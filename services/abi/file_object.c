/* Open files of the file system: regular files and directories, pipes and FIFOs, and O_PATH files. */
#include "file.h"
#include "include/abi_ioctl.h"
#include "include/abi_poll.h"
#include <fs_client.h>
#include <proc_client.h>

struct stream_call { struct shim_file *file; vaddr_t at; u64 size, done; };

static void handle_close(u64 handle)
{
	if (fs_close(handle) < 0)
		log_line("abi: fs does not know a file that was open");
}

void file_object_close(struct shim_file *file)
{
	handle_close(file->handle);
}

u64 file_object_handle(struct shim_file *file)
{
	return file->handle;
}

long file_object_stat(struct shim_thread *t, struct shim_file *file, void *status)
{
	(void)t;
	return fs_stat(file->handle, status);
}

/* ---- Regular files, directories, devices that fs serves ---------------------------------------------------------------------- */

static long position_of(struct shim_file *file, i64 offset, u32 whence, i64 *position)
{
	u64 found = 0;
	long result;

	switch (whence) {
	case SEEK_SET:
		*position = offset;
		break;
	case SEEK_CUR:
		if (__builtin_add_overflow(file->offset, offset, position))
			return -EINVAL;
		break;
	case SEEK_END: case SEEK_DATA: case SEEK_HOLE:
		result = fs_seek(file->handle, offset, whence, &found);
		*position = (i64)found;
		return result;
	default:
		return -EINVAL;
	}
	return *position < 0 ? -EINVAL : 0;
}

static long data_seek(struct shim_thread *t, struct shim_file *file, i64 offset, u32 whence)
{
	i64 position;
	long result;

	(void)t;
	if (file->data)
		return 0; /* there is no place in a memory device */
	lock_acquire(&file->position_lock);
	result = position_of(file, offset, whence, &position);
	if (result >= 0) {
		file->offset = position;
		result = position;
	}
	lock_release(&file->position_lock);
	return result;
}

static long available_tell(struct shim_file *file, vaddr_t to)
{
	u64 bytes;
	i32 value;
	long result = fs_available(file->handle, (u64)file->offset, &bytes);

	if (result < 0)
		return result;
	value = bytes > INT32_MAX ? INT32_MAX : (i32)bytes;
	return user_copy_out(to, &value, sizeof(value));
}

static long data_ioctl(struct shim_thread *t, struct shim_file *file, u32 command, u64 argument)
{
	i32 block = PAGE_SIZE;

	(void)t;
	if (file->data)
		return file_device_ioctl(file, command, argument);
	switch (command) {
	case FIONREAD:
		return available_tell(file, argument);
	case FIGETBSZ:
		return user_copy_out(argument, &block, sizeof(block));
	default:
		return -ENOTTY;
	}
}

const struct shim_file_ops file_data_ops = {
	.name = "file", .read = file_data_read, .write = file_data_write, .seek = data_seek, .ioctl = data_ioctl, .stat = file_object_stat,
	.flush = file_locks_flush, .map = file_map_fs, .fs_handle = file_object_handle, .close = file_object_close,
};

/* ---- Pipes and FIFOs --------------------------------------------------------------------------------------------------------- */

/* The level says that a read would wait: fs need not be asked. */
static bool stream_is_empty(const struct shim_file *file)
{
	return file->pollword && !(file->pollword->level & (POLLIN | POLLHUP | POLLERR | FS_LEVEL_ENDED));
}

static long stream_read_attempt(void *context)
{
	struct stream_call *call = context;

	if (stream_is_empty(call->file) && call->size)
		return -EAGAIN;
	return fs_read(call->file->handle, call->at, call->size, 0);
}

static long stream_read(struct shim_thread *t, struct shim_file *file, vaddr_t to, u64 size, i64 offset)
{
	struct stream_call call = { file, to, size, 0 };

	return offset == -1 ? shim_wait_file(t, file, stream_read_attempt, &call) : -ESPIPE;
}

/* Goes on until all is written, or an error; what was written before counts. */
static long stream_write_attempt(void *context)
{
	struct stream_call *call = context;
	u64 end;

	for (;;) {
		long result = fs_write(call->file->handle, call->at + call->done, call->size - call->done, 0, 0, &end);

		if (result == -EPIPE && proc_signal_self(SIGPIPE, 0) < 0)
			return -EIO;
		if (result < 0)
			return result;
		call->done += (u64)result;
		if (call->done >= call->size)
			return (long)call->done;
	}
}

static long stream_write(struct shim_thread *t, struct shim_file *file, vaddr_t from, u64 size, i64 offset)
{
	struct stream_call call = { file, from, size, 0 };
	long result;

	if (offset != -1)
		return -ESPIPE;
	result = shim_wait_file(t, file, stream_write_attempt, &call);
	return result < 0 && call.done ? (long)call.done : result;
}

static long stream_ioctl(struct shim_thread *t, struct shim_file *file, u32 command, u64 argument)
{
	(void)t;
	return command == FIONREAD ? available_tell(file, argument) : -ENOTTY;
}

const struct shim_file_ops file_stream_ops = {
	.name = "pipe", .read = stream_read, .write = stream_write, .ioctl = stream_ioctl, .stat = file_object_stat,
	.flush = file_locks_flush, .fs_handle = file_object_handle, .close = file_object_close,
};

/* ---- O_PATH ------------------------------------------------------------------------------------------------------------------ */

static long path_read(struct shim_thread *t, struct shim_file *file, vaddr_t to, u64 size, i64 offset)
{
	(void)t, (void)file, (void)to, (void)size, (void)offset;
	return -EBADF;
}

static long path_seek(struct shim_thread *t, struct shim_file *file, i64 offset, u32 whence)
{
	(void)t, (void)file, (void)offset, (void)whence;
	return -EBADF;
}

static long path_ioctl(struct shim_thread *t, struct shim_file *file, u32 command, u64 argument)
{
	(void)t, (void)file, (void)command, (void)argument;
	return -EBADF;
}

static long path_map(struct shim_thread *t, struct shim_file *file, bool write, u64 *object)
{
	(void)t, (void)file, (void)write, (void)object;
	return -EBADF;
}

const struct shim_file_ops file_path_ops = {
	.name = "path", .read = path_read, .write = path_read, .seek = path_seek, .ioctl = path_ioctl, .stat = file_object_stat,
	.map = path_map, .fs_handle = file_object_handle, .close = file_object_close,
};

/* ---- Making them ------------------------------------------------------------------------------------------------------------- */

struct ready_call { u64 handle; };

static long ready_attempt(void *context)
{
	return fs_open_ready(((struct ready_call *)context)->handle);
}

static long terminal_from_handle(struct shim_thread *t, u64 handle, u32 flags, struct shim_file **file)
{
	struct fs_stat status;
	long result = fs_stat(handle, &status);

	if (result >= 0)
		result = device_open(t, fs_device_major(status.device), fs_device_minor(status.device), flags, handle, file);
	return result;
}

static long stream_from_handle(struct shim_thread *t, struct shim_file *file, u64 pollword)
{
	struct ready_call call = { file->handle };
	u32 flags = file->flags;
	long result;

	file->pollword = pollword_of_handle(pollword);
	if (flags & O_NONBLOCK)
		return 0;
	result = shim_wait_file(t, file, ready_attempt, &call);
	return result;
}

long file_from_handle(struct shim_thread *t, u64 handle, u64 info, u64 pollword, u32 flags, struct shim_file **file)
{
	static const struct shim_file_ops *const ops[] = {
		[FS_KIND_FILE] = &file_data_ops, [FS_KIND_STREAM] = &file_stream_ops, [FS_KIND_DEVICE] = &file_data_ops,
		[FS_KIND_GENERATED] = &file_data_ops, [FS_KIND_DESCRIPTORS] = &file_descriptors_ops, [FS_KIND_PATH] = &file_path_ops,
	};
	u32 kind = FS_INFO_KIND(info);
	struct shim_file *made;
	long result = -ENXIO;

	if (kind == FS_KIND_TERMINAL) {
		result = terminal_from_handle(t, handle, flags, file);
		if (result < 0)
			handle_close(handle);
		return result;
	}
	made = kind < countof(ops) && ops[kind] ? file_create(ops[kind], flags, handle) : NULL;
	if (!made) {
		handle_close(handle);
		return -ENOMEM;
	}
	if (kind == FS_KIND_DESCRIPTORS)
		made->data = (void *)(uintptr_t)FS_INFO_PID(info); /* whose they are */
	else if (kind == FS_KIND_DEVICE)
		made->data = file_device_data(info);
	result = kind == FS_KIND_STREAM ? stream_from_handle(t, made, pollword) : 0;
	if (result < 0) {
		file_put(made);
		return result;
	}
	*file = made;
	return 0;
}

long file_open_at(struct shim_thread *t, const struct fs_open *request, const void *path, size_t size, struct shim_file **file)
{
	u64 handle, info, word;
	u32 flags = request->flags;
	long result = file_call(t, fs_open(request, path, size, &handle, &info, &word));

	if (result < 0)
		return result;
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	return file_from_handle(t, handle, info, word, flags, file);
}
