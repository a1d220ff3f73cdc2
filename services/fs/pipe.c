/*
 * Pipes and FIFOs: a ring of pages. One reader and one writer at a time each hold a gate over their copies, and do not wait for
 * each other: the writer fills pages behind `tail`, the reader empties those before it. A write of up to PIPE_BUF bytes is one piece.
 */
#include "fs.h"
#include <fs_server.h>

#define PIPE_PAGES 16u
#define PIPE_PAGES_MAX 256u          /* pipe-max-size, 1 MiB */
#define PIPE_ATOMIC 4096u            /* PIPE_BUF */
#define SPARE_PAGES 2u
#define SEEN_READY (~0ull)           /* fs_file.seen: the other side was there */

#define READABLE 0x041u              /* POLLIN | POLLRDNORM */
#define WRITABLE 0x104u              /* POLLOUT | POLLWRNORM */
#define ERROR 0x008u
#define HANGUP 0x010u

struct fs_pipe_state {
	struct fs_gate reading, writing; /* order: reading, writing, lock */
	struct rt_lock lock;             /* guards all below; pages[] at or behind head are the reader's and writer's in turn */
	u64 head, tail;                  /* bytes read and written since the start */
	u32 page_count;
	u8 **pages;
	u8 *spare[SPARE_PAGES];
	u32 spare_count;
	u32 readers, writers;
	u64 reader_opens, writer_opens;
	struct tk_pollword *read_word, *write_word;
};

static void pipe_free(struct fs_pipe_state *pipe)
{
	u32 i;

	for (i = 0; pipe->pages && i < pipe->page_count; i++)
		heap_free(pipe->pages[i]);
	for (i = 0; i < pipe->spare_count; i++)
		heap_free(pipe->spare[i]);
	if (pipe->read_word)
		pollword_free(pipe->read_word);
	if (pipe->write_word)
		pollword_free(pipe->write_word);
	heap_free(pipe->pages);
	heap_free(pipe);
}

static struct fs_pipe_state *pipe_make(void)
{
	struct fs_pipe_state *pipe = heap_alloc(sizeof(*pipe));

	if (!pipe)
		return NULL;
	pipe->page_count = PIPE_PAGES;
	pipe->pages = heap_alloc(PIPE_PAGES * sizeof(*pipe->pages));
	pipe->read_word = pollword_alloc();
	pipe->write_word = pollword_alloc();
	if (pipe->pages && pipe->read_word && pipe->write_word)
		return pipe;
	pipe_free(pipe);
	return NULL;
}

/* A page is filled only when the reader has left it as a whole; an empty pipe starts on a new page. */
static u64 pipe_room(const struct fs_pipe_state *pipe)
{
	if (pipe->tail == pipe->head)
		return (u64)pipe->page_count * PAGE_SIZE;
	return round_down(pipe->head, PAGE_SIZE) + (u64)pipe->page_count * PAGE_SIZE - pipe->tail;
}

/* Tells both ends how it stands; lock is held. */
static void pipe_levels(struct fs_pipe_state *pipe)
{
	u32 read = (pipe->tail != pipe->head ? READABLE : 0) | (!pipe->writers && pipe->writer_opens ? HANGUP : 0);
	u32 write = (pipe_room(pipe) >= PIPE_ATOMIC ? WRITABLE : 0) | (pipe->readers ? 0 : ERROR);

	if (pipe->read_word->level != read)
		pollword_set(pipe->read_word, read);
	if (pipe->write_word->level != write)
		pollword_set(pipe->write_word, write);
}

static u8 **page_slot(struct fs_pipe_state *pipe, u64 position)
{
	return &pipe->pages[position / PAGE_SIZE % pipe->page_count];
}

/* The page at a position is read to its end: it becomes spare, or surplus for the caller to free; lock is held. */
static u8 *page_retire(struct fs_pipe_state *pipe, u64 position)
{
	u8 **slot = page_slot(pipe, position), *page = *slot;

	*slot = NULL;
	if (!page)
		return NULL;
	if (pipe->spare_count == SPARE_PAGES)
		return page;
	pipe->spare[pipe->spare_count++] = page;
	return NULL;
}

static long pipe_read(struct fs_file *file, struct fs_transfer *transfer)
{
	struct fs_pipe_state *pipe = file->inode->pipe;
	u64 done = 0, there, part = 0, moved = 0;
	bool ended;

	if (!transfer->size)
		return 0;
	fs_gate_exclusive(&pipe->reading);
	for (;;) {
		u64 at;
		u8 *page, *surplus;

		lock_acquire(&pipe->lock);
		at = pipe->head;
		there = pipe->tail - at;
		ended = !pipe->writers;
		page = *page_slot(pipe, at);
		lock_release(&pipe->lock);
		if (!there || done == transfer->size)
			break;
		part = PAGE_SIZE - (at & PAGE_MASK);
		part = part < there ? part : there;
		part = part < transfer->size - done ? part : transfer->size - done;
		moved = fs_transfer_put(transfer, done, page + (at & PAGE_MASK), part);
		done += moved;
		lock_acquire(&pipe->lock);
		pipe->head += moved;
		surplus = moved && !(pipe->head & PAGE_MASK) ? page_retire(pipe, at) : NULL;
		pipe_levels(pipe);
		lock_release(&pipe->lock);
		heap_free(surplus);
		if (moved < part)
			break;
	}
	fs_gate_release(&pipe->reading);
	if (done)
		return (long)done;
	if (moved < part)
		return -EFAULT;
	/* A FIFO without a writer yet is at its end, too. */
	return ended ? 0 : -EAGAIN;
}

/* A page for the writer at `tail`; only the writer adds pages. lock is not held. */
static u8 *page_for_write(struct fs_pipe_state *pipe, u64 tail)
{
	u8 **slot, *page;

	lock_acquire(&pipe->lock);
	slot = page_slot(pipe, tail);
	page = *slot;
	if (!page && pipe->spare_count)
		page = *slot = pipe->spare[--pipe->spare_count];
	lock_release(&pipe->lock);
	if (page)
		return page;
	page = heap_alloc(PAGE_SIZE);
	lock_acquire(&pipe->lock);
	*slot = page;
	lock_release(&pipe->lock);
	return page;
}

/* Copies one piece behind `tail`, without showing it yet. */
static long piece_write(struct fs_pipe_state *pipe, const struct fs_transfer *transfer, u64 done, u64 tail, u64 limit)
{
	u64 part = PAGE_SIZE - (tail & PAGE_MASK), moved;
	u8 *page = page_for_write(pipe, tail);

	if (!page)
		return -ENOMEM;
	part = part < limit ? part : limit;
	moved = fs_transfer_get(transfer, done, page + (tail & PAGE_MASK), part);
	return moved == part ? (long)part : -EFAULT;
}

static long pipe_write(struct fs_file *file, struct fs_transfer *transfer)
{
	struct fs_pipe_state *pipe = file->inode->pipe;
	u64 done = 0, tail, room, want;
	u8 *surplus = NULL;
	long result = 0;
	u32 announce;

	fs_gate_exclusive(&pipe->writing);
	lock_acquire(&pipe->lock);
	if (pipe->tail == pipe->head && (pipe->tail & PAGE_MASK)) {   /* no reader is copying: nothing is there */
		surplus = page_retire(pipe, pipe->tail);
		pipe->head = pipe->tail = round_up(pipe->tail, PAGE_SIZE);
	}
	room = pipe_room(pipe);
	tail = pipe->tail;
	if (!pipe->readers)
		result = -EPIPE;
	lock_release(&pipe->lock);
	heap_free(surplus);
	want = transfer->size < room ? transfer->size : room;
	if (!result && (want == 0 || (want < transfer->size && transfer->size <= PIPE_ATOMIC)))
		result = -EAGAIN;
	while (!result && done < want) {
		long moved = piece_write(pipe, transfer, done, tail, want - done);

		if (moved < 0) {
			result = moved;
			break;
		}
		done += (u64)moved;
		tail += (u64)moved;
		/* Small writes become visible at once as a whole, large ones page by page. */
		if (done == want || transfer->size > PIPE_ATOMIC) {
			lock_acquire(&pipe->lock);
			announce = pipe->read_word->level & READABLE;
			pipe->tail = tail;
			pipe_levels(pipe);
			/* Watchers of edges are told of every write. */
			if (announce && done == want)
				pollword_event(pipe->read_word, pipe->read_word->level);
			lock_release(&pipe->lock);
		}
	}
	fs_gate_release(&pipe->writing);
	/* A small write that failed half way leaves nothing. */
	if (result && transfer->size <= PIPE_ATOMIC)
		done = 0;
	return done ? (long)done : result;
}

/* One end was opened (step 1) or closed (-1); lock is held. */
static void ends_count(struct fs_pipe_state *pipe, u32 flags, i32 step)
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
		/* A reader that waits for a writer to open waits on its word. */
		if (pipe->readers && pipe->writers) {
			pollword_event(pipe->read_word, pipe->read_word->level);
			pollword_event(pipe->write_word, pipe->write_word->level);
		}
	}
	if (!pipe->readers && !pipe->writers)
		pipe->head = pipe->tail; /* what nobody read is gone */
	pipe_levels(pipe);
}

static void pipe_close(struct fs_file *file)
{
	struct fs_pipe_state *pipe = file->inode->pipe;

	lock_acquire(&pipe->lock);
	ends_count(pipe, file->flags, -1);
	lock_release(&pipe->lock);
}

static const struct fs_file_ops pipe_ops = { pipe_read, pipe_write, pipe_close };

static void pipe_inode_destroy(struct fs_inode *inode)
{
	if (inode->pipe)
		pipe_free(inode->pipe);
	__atomic_sub_fetch(&inode->super->inodes_used, 1, __ATOMIC_RELAXED); /* a counter */
}

/* The pipe of a FIFO is made at its first opening and lives as long as the inode. */
static long fifo_prepare(struct fs_inode *inode)
{
	struct fs_pipe_state *made;

	if (inode->pipe)
		return 0;
	made = pipe_make();
	if (!made)
		return -ENOMEM;
	lock_acquire(&inode->lock);
	if (!inode->pipe) {
		inode->pipe = made;
		made = NULL;
	}
	lock_release(&inode->lock);
	if (made)
		pipe_free(made);
	return 0;
}

static long fifo_open(struct fs_file *file)
{
	struct fs_pipe_state *pipe;
	u32 access = file->flags & FS_O_ACCMODE;
	long result = fifo_prepare(file->inode);

	if (result)
		return result;
	pipe = file->inode->pipe;
	if (access == FS_O_WRONLY && (file->flags & FS_O_NONBLOCK) && !pipe->readers)
		return -ENXIO;
	file->ops = &pipe_ops;
	file->word = access == FS_O_WRONLY ? pipe->write_word : pipe->read_word;
	lock_acquire(&pipe->lock);
	/* Who finds the other side open is through, though it may be gone before open_ready asks. */
	if (access == FS_O_RDONLY)
		file->seen = pipe->writers ? SEEN_READY : pipe->writer_opens;
	else
		file->seen = pipe->readers ? SEEN_READY : pipe->reader_opens;
	ends_count(pipe, file->flags, 1);
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
	if (file->ops == &pipe_ops && access != FS_O_RDWR) {
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

u64 fs_pipe_available(struct fs_file *file)
{
	struct fs_pipe_state *pipe = file->inode->pipe;
	u64 bytes;

	if (file->ops != &pipe_ops)
		return 0;
	lock_acquire(&pipe->lock);
	bytes = pipe->tail - pipe->head;
	lock_release(&pipe->lock);
	return bytes;
}

/* An open end of a new pipe. */
static long end_open(const struct rt_request *rq, struct fs_inode *inode, u32 access, struct fs_file **file)
{
	struct fs_pipe_state *pipe = inode->pipe;
	long result = fs_file_create(rq, (struct fs_place){ NULL, NULL }, inode, access, file);

	if (result)
		return result;
	(*file)->ops = &pipe_ops;
	(*file)->word = access == FS_O_RDONLY ? pipe->read_word : pipe->write_word;
	lock_acquire(&pipe->lock);
	ends_count(pipe, access, 1);
	lock_release(&pipe->lock);
	return 0;
}

long fs_op_pipe_create(const struct rt_request *rq, u64 client, struct fs_pipe *result)
{
	struct fs_client *c = fs_client_get(rq, client);
	struct fs_inode *inode;
	struct fs_file *reader = NULL, *writer = NULL;
	u64 info;
	long error;

	if (!c)
		return -EBADF;
	error = fs_tmpfs_inode(fs_pipe_super(), FS_IFIFO | 0600, 0, &inode);
	if (!error) {
		fs_gate_shared(&fs_tree);
		inode->uid = c->identity->ids.uid;
		inode->gid = c->identity->ids.gid;
		fs_gate_release(&fs_tree);
		inode->pipe = pipe_make();
		error = inode->pipe ? end_open(rq, inode, FS_O_RDONLY, &reader) : -ENOMEM;
		if (!error)
			error = end_open(rq, inode, FS_O_WRONLY, &writer);
		fs_inode_put(inode);
	}
	fs_client_put(c);
	if (!error)
		error = fs_file_answer(rq, reader, &result->read_file, &info, &result->read_word);
	if (!error) {
		error = fs_file_answer(rq, writer, &result->write_file, &info, &result->write_word);
		writer = NULL;
	}
	if (error && reader && fs_handle_close(reader->handle, rq->caller, FS_HANDLE_FILE))
		return -ENOMEM; /* fs_file_answer has closed it */
	if (error && writer && fs_handle_close(writer->handle, rq->caller, FS_HANDLE_FILE))
		return -ENOMEM;
	return error;
}

long fs_op_pipe_peek(const struct rt_request *rq, u64 handle, void *data, size_t data_capacity)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct fs_pipe_state *pipe;
	u64 done = 0, there, part;
	long result;

	if (!file)
		return -EBADF;
	if (file->ops != &pipe_ops || (file->flags & FS_O_ACCMODE) == FS_O_WRONLY) {
		result = file->ops == &pipe_ops ? -EBADF : -EINVAL;
		fs_file_put(file);
		return result;
	}
	pipe = file->inode->pipe;
	fs_gate_exclusive(&pipe->reading);
	lock_acquire(&pipe->lock);
	there = pipe->tail - pipe->head < data_capacity ? pipe->tail - pipe->head : data_capacity;
	for (; done < there; done += part) {
		u64 at = pipe->head + done;

		part = PAGE_SIZE - (at & PAGE_MASK) < there - done ? PAGE_SIZE - (at & PAGE_MASK) : there - done;
		memcpy((u8 *)data + done, *page_slot(pipe, at) + (at & PAGE_MASK), part);
	}
	result = there ? (long)there : pipe->writers ? -EAGAIN : 0;
	lock_release(&pipe->lock);
	fs_gate_release(&pipe->reading);
	fs_file_put(file);
	return result;
}

/* Moves the ring to one of another size; both gates are held, so no page is in use. */
static long pipe_resize(struct fs_pipe_state *pipe, u32 count)
{
	u8 **pages = heap_alloc(count * sizeof(*pages)), **old;
	u32 i, old_count;
	u64 first, last;

	if (!pages)
		return -ENOMEM;
	lock_acquire(&pipe->lock);
	first = pipe->head / PAGE_SIZE;
	last = (pipe->tail + PAGE_SIZE - 1) / PAGE_SIZE;
	if (last - first > count) {
		lock_release(&pipe->lock);
		heap_free(pages);
		return -EBUSY;
	}
	for (; first < last; first++) {
		pages[first % count] = pipe->pages[first % pipe->page_count];
		pipe->pages[first % pipe->page_count] = NULL;
	}
	old = pipe->pages;
	old_count = pipe->page_count;
	pipe->pages = pages;
	pipe->page_count = count;
	pipe_levels(pipe);
	lock_release(&pipe->lock);
	for (i = 0; i < old_count; i++)
		heap_free(old[i]);
	heap_free(old);
	return 0;
}

long fs_op_pipe_size(const struct rt_request *rq, u64 handle, u32 size)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct fs_pipe_state *pipe;
	u32 count = 1;
	long result = 0;

	if (!file)
		return -EBADF;
	if (file->ops != &pipe_ops) {
		fs_file_put(file);
		return -EBADF;
	}
	pipe = file->inode->pipe;
	while (count < PIPE_PAGES_MAX * 16 && count * PAGE_SIZE < size)
		count *= 2;
	if (size > 1u << 31)
		result = -EINVAL;
	else if (count > PIPE_PAGES_MAX)
		result = -EPERM;
	if (!result && size) {
		fs_gate_exclusive(&pipe->reading);
		fs_gate_exclusive(&pipe->writing);
		result = count == pipe->page_count ? 0 : pipe_resize(pipe, count);
		fs_gate_release(&pipe->writing);
		fs_gate_release(&pipe->reading);
	}
	if (!result)
		result = (long)(pipe->page_count * PAGE_SIZE);
	fs_file_put(file);
	return result;
}
