/* pipe and pipe2. */
#include "file.h"
#include <fs_client.h>

static struct shim_file *end_create(u64 handle, u64 word, u32 flags)
{
	struct shim_file *file = file_create(&file_stream_ops, flags, handle);

	if (file)
		file->pollword = pollword_of_handle(word);
	else if (fs_close(handle) < 0)
		log_line("abi: fs does not know a pipe that it made");
	return file;
}

/* Descriptors for both ends; takes the files over. */
static long ends_install(struct shim_thread *t, struct shim_file *reader, struct shim_file *writer, u32 flags, i32 fds[2])
{
	long result = fd_install(t, reader, flags, 0);

	if (result < 0) {
		file_put(writer);
		return result;
	}
	fds[0] = (i32)result;
	result = fd_install(t, writer, flags, 0);
	if (result < 0) {
		fd_close(t, fds[0]);
		return result;
	}
	fds[1] = (i32)result;
	return 0;
}

static long pipe_call(struct shim_thread *t, vaddr_t to, u32 flags)
{
	struct shim_file *reader, *writer;
	struct fs_pipe pipe;
	i32 fds[2];
	long result;

	/* O_NOTIFICATION_PIPE, the bit of O_EXCL, is not there. */
	/* O_DIRECT is a pipe of packets: there are none here. */
	if (flags & ~(u32)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	result = fs_pipe_create(t->process->fs_client, &pipe);
	if (result < 0)
		return result;
	reader = end_create(pipe.read_file, pipe.read_word, O_RDONLY | (flags & O_NONBLOCK));
	writer = end_create(pipe.write_file, pipe.write_word, O_WRONLY | (flags & O_NONBLOCK));
	if (!reader || !writer) {
		if (reader)
			file_put(reader);
		if (writer)
			file_put(writer);
		return -ENOMEM;
	}
	result = ends_install(t, reader, writer, flags, fds);
	if (result < 0)
		return result;
	result = user_copy_out(to, fds, sizeof(fds));
	if (result < 0) {
		fd_close(t, fds[0]);
		fd_close(t, fds[1]);
	}
	return result;
}

long sys_pipe(struct shim_thread *t, const u64 *a)
{
	return pipe_call(t, a[0], 0);
}

long sys_pipe2(struct shim_thread *t, const u64 *a)
{
	return pipe_call(t, a[0], (u32)a[1]);
}
