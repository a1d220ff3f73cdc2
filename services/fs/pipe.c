/*
 * The data of pipes and FIFOs: a ring of pages. One reader and one writer at a time each hold a gate over their copies, and do not
 * wait for each other: the writer fills pages behind `tail`, the reader empties those before it. A write of up to PIPE_BUF bytes is
 * one piece.
 */
#include "pipe.h"
#include <fs_server.h>

#define PIPE_PAGES 16u
#define PIPE_PAGES_MAX 256u          /* pipe-max-size, 1 MiB */
#define PIPE_ATOMIC 4096u            /* PIPE_BUF */

void fs_pipe_free(struct fs_pipe_state *pipe)
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

struct fs_pipe_state *fs_pipe_make(void)
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
	fs_pipe_free(pipe);
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
void fs_pipe_levels(struct fs_pipe_state *pipe)
{
	u32 read = (pipe->tail != pipe->head ? PIPE_READABLE : 0) | (!pipe->writers && pipe->writer_opens ? PIPE_HANGUP : 0);
	u32 write = (pipe_room(pipe) >= PIPE_ATOMIC ? PIPE_WRITABLE : 0) | (pipe->readers ? 0 : PIPE_ERROR);

	/* No one looks at the word of an end that nobody has open. */
	if (pipe->readers && pipe->read_word->level != read)
		pollword_set(pipe->read_word, read);
	if (pipe->writers && pipe->write_word->level != write)
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
	if (pipe->spare_count == PIPE_SPARE_PAGES)
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
		fs_pipe_levels(pipe);
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
			announce = pipe->read_word->level & PIPE_READABLE;
			pipe->tail = tail;
			fs_pipe_levels(pipe);
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

static void pipe_close(struct fs_file *file)
{
	struct fs_pipe_state *pipe = file->inode->pipe;

	lock_acquire(&pipe->lock);
	fs_pipe_ends_count(pipe, file->flags, -1);
	lock_release(&pipe->lock);
}

const struct fs_file_ops fs_pipe_ops = { pipe_read, pipe_write, pipe_close };

u64 fs_pipe_available(struct fs_file *file)
{
	struct fs_pipe_state *pipe = file->inode->pipe;
	u64 bytes;

	if (file->ops != &fs_pipe_ops)
		return 0;
	lock_acquire(&pipe->lock);
	bytes = pipe->tail - pipe->head;
	lock_release(&pipe->lock);
	return bytes;
}

long fs_op_pipe_peek(const struct rt_request *rq, u64 handle, void *data, size_t data_capacity)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct fs_pipe_state *pipe;
	u64 done = 0, there, part;
	long result;

	if (!file)
		return -EBADF;
	if (file->ops != &fs_pipe_ops || (file->flags & FS_O_ACCMODE) == FS_O_WRONLY) {
		result = file->ops == &fs_pipe_ops ? -EBADF : -EINVAL;
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
	fs_pipe_levels(pipe);
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
	if (file->ops != &fs_pipe_ops) {
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
