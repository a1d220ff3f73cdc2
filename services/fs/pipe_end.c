/* The ends of pipes: FIFOs are opened by name, a pipe has both ends from its start. */
#include "pipe.h"
#include <fs_server.h>

#define SEEN_READY (~0ull)           /* fs_file.seen: the other side was there */

/* One end was opened (step 1) or closed (-1); lock is held. */
void fs_pipe_ends_count(struct fs_pipe_state *pipe, u32 flags, i32 step)
{
	u32 access = flags & FS_O_ACCMODE;
	bool reads = access != FS_O_WRONLY, writes = access != FS_O_RDONLY;

	if (reads)
		pipe->readers += (u32)step;
	if (writes)
		pipe->writers += (u32)step;
	if (step > 0) {
		pipe->reader_opens += reads;
		pipe->writer_opens += writes;
		/* Who waits for the first of the other side to open waits on its own word. */
		if (writes && pipe->writers == 1 && pipe->readers)
			pollword_event(pipe->read_word, pipe->read_word->level);
		if (reads && pipe->readers == 1 && pipe->writers)
			pollword_event(pipe->write_word, pipe->write_word->level);
	}
	if (!pipe->readers && !pipe->writers) {
		pipe->head = pipe->tail; /* what nobody read is gone, */
		pipe->reader_opens = pipe->writer_opens = 0; /* and who opens it next has not lost a writer */
	}
	fs_pipe_levels(pipe);
}

static void pipe_inode_destroy(struct fs_inode *inode)
{
	if (inode->pipe)
		fs_pipe_free(inode->pipe);
	__atomic_sub_fetch(&inode->super->inodes_used, 1, __ATOMIC_RELAXED); /* a counter */
}

/* The pipe of a FIFO is made at its first opening and lives as long as the inode. */
static long fifo_prepare(struct fs_inode *inode)
{
	struct fs_pipe_state *made;

	if (inode->pipe)
		return 0;
	made = fs_pipe_make();
	if (!made)
		return -ENOMEM;
	lock_acquire(&inode->lock);
	if (!inode->pipe) {
		inode->pipe = made;
		made = NULL;
	}
	lock_release(&inode->lock);
	if (made)
		fs_pipe_free(made);
	return 0;
}

static long fifo_open(struct fs_file *file)
{
	bool unnamed = file->inode->super == fs_pipe_super(); /* opened again by /proc/PID/fd */
	struct fs_pipe_state *pipe;
	u32 access = file->flags & FS_O_ACCMODE;
	long result = fifo_prepare(file->inode);

	if (result)
		return result;
	pipe = file->inode->pipe;
	if (access == FS_O_WRONLY && (file->flags & FS_O_NONBLOCK) && !pipe->readers && !unnamed)
		return -ENXIO;
	file->ops = &fs_pipe_ops;
	file->word = access == FS_O_WRONLY ? pipe->write_word : pipe->read_word;
	lock_acquire(&pipe->lock);
	/* Who finds the other side open is through, though it may be gone before open_ready asks; unnamed pipes are never waited for. */
	if (unnamed)
		file->seen = SEEN_READY;
	else if (access == FS_O_RDONLY)
		file->seen = pipe->writers ? SEEN_READY : pipe->writer_opens;
	else
		file->seen = pipe->readers ? SEEN_READY : pipe->reader_opens;
	fs_pipe_ends_count(pipe, file->flags, 1);
	lock_release(&pipe->lock);
	return 0;
}

const struct fs_inode_ops fs_fifo_ops = { .kind = FS_KIND_STREAM, .open = fifo_open, .destroy = pipe_inode_destroy };

long fs_op_open_ready(const struct rt_request *rq, u64 handle)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct fs_pipe_state *pipe;
	u32 access;
	long result = 0;

	if (!file)
		return -EBADF;
	access = file->flags & FS_O_ACCMODE;
	if (file->ops == &fs_pipe_ops && access != FS_O_RDWR) {
		pipe = file->inode->pipe;
		lock_acquire(&pipe->lock);
		if (access == FS_O_RDONLY)
			result = pipe->writers || pipe->writer_opens != file->seen ? 0 : -EAGAIN;
		else
			result = pipe->readers || pipe->reader_opens != file->seen ? 0 : -EAGAIN;
		lock_release(&pipe->lock);
	}
	fs_file_put(file);
	return result;
}

/* An open end of a new pipe. */
static long end_open(const struct rt_request *rq, struct fs_inode *inode, u32 access, struct fs_file **file)
{
	struct fs_pipe_state *pipe = inode->pipe;
	long result = fs_file_create(rq, (struct fs_place){ NULL, NULL }, inode, access, file);

	if (result)
		return result;
	(*file)->ops = &fs_pipe_ops;
	(*file)->word = access == FS_O_RDONLY ? pipe->read_word : pipe->write_word;
	lock_acquire(&pipe->lock);
	fs_pipe_ends_count(pipe, access, 1);
	lock_release(&pipe->lock);
	return 0;
}

long fs_op_pipe_create(const struct rt_request *rq, u64 client, struct fs_pipe *result)
{
	struct fs_client *c = fs_client_get(rq, client);
	struct fs_inode *inode;
	struct fs_file *reader = NULL, *writer = NULL;
	long error;

	if (!c)
		return -EBADF;
	error = fs_tmpfs_inode(fs_pipe_super(), FS_IFIFO | 0600, 0, &inode);
	if (!error) {
		fs_gate_shared(&fs_tree);
		inode->uid = c->identity->ids.uid;
		inode->gid = c->identity->ids.gid;
		fs_gate_release(&fs_tree);
		inode->pipe = fs_pipe_make();
		error = inode->pipe ? end_open(rq, inode, FS_O_RDONLY, &reader) : -ENOMEM;
		if (!error)
			error = end_open(rq, inode, FS_O_WRONLY, &writer);
		fs_inode_put(inode);
	}
	fs_client_put(c);
	if (!error) {
		*result = (struct fs_pipe){ .read_file = reader->handle, .write_file = writer->handle };
		error = fs_file_word(rq, reader, &result->read_word);
	}
	if (!error) {
		error = fs_file_word(rq, writer, &result->write_word);
		writer = NULL;
	}
	if (!error)
		stable_commit_made(&(struct stable_result){ .kept_size = sizeof(*result) }, result);
	if (error && reader && fs_handle_close(reader->handle, rq->caller, FS_HANDLE_FILE))
		return -ENOMEM; /* fs_file_word has closed it */
	if (error && writer && fs_handle_close(writer->handle, rq->caller, FS_HANDLE_FILE))
		return -ENOMEM;
	return error;
}
