/*
 * The data of pipes and FIFOs: a ring of bytes that grows with what it has to hold, up to the pipe's capacity. One reader and one writer at a
 * time each hold a gate over their copies, and do not wait for each other: the writer fills behind `tail`, the reader empties up to
 * it. Who changes the ring itself holds both gates. A write of up to PIPE_BUF bytes is one piece.
 */
#include "pipe.h"
#include <fs_server.h>

#define PIPE_PAGES 16u
#define PIPE_PAGES_MAX 256u          /* pipe-max-size, 1 MiB */
#define PIPE_ATOMIC 4096u            /* PIPE_BUF */
#define RING_GROWTH 4u

void fs_pipe_free(struct fs_pipe_state *pipe)
{
	if (pipe->read_word)
		pollword_free(pipe->read_word);
	if (pipe->write_word)
		pollword_free(pipe->write_word);
	heap_free(pipe->ring);
	heap_free(pipe);
}

struct fs_pipe_state *fs_pipe_make(void)
{
	struct fs_pipe_state *pipe = heap_alloc(sizeof(*pipe));

	if (!pipe)
		return NULL;
	pipe->capacity = PIPE_PAGES * PAGE_SIZE;
	pipe->read_word = pollword_alloc();
	pipe->write_word = pollword_alloc();
	if (pipe->read_word && pipe->write_word)
		return pipe;
	fs_pipe_free(pipe);
	return NULL;
}

/* Bytes from the start of the reader's page on: a page is filled again only when the reader has left it as a whole. */
static u64 pipe_held(const struct fs_pipe_state *pipe)
{
	return pipe->tail == pipe->head ? 0 : pipe->tail - round_down(pipe->head, PAGE_SIZE);
}

/* Tells both ends how it stands; lock is held. */
void fs_pipe_levels(struct fs_pipe_state *pipe)
{
	u32 read = (pipe->tail != pipe->head ? PIPE_READABLE : 0) |
		(pipe->writers ? 0 : FS_LEVEL_ENDED | (pipe->writer_opens ? PIPE_HANGUP : 0));
	u32 write = (pipe->capacity - pipe_held(pipe) >= PIPE_ATOMIC ? PIPE_WRITABLE : 0) | (pipe->readers ? 0 : PIPE_ERROR);

	/* No one looks at the word of an end that nobody has open. */
	if (pipe->readers && pipe->read_word->level != read)
		pollword_set(pipe->read_word, read);
	if (pipe->writers && pipe->write_word->level != write)
		pollword_set(pipe->write_word, write);
}

/* The place of a position in the ring, and how many bytes of a piece lie there in one run. */
static u8 *ring_run(const struct fs_pipe_state *pipe, u64 position, u64 limit, u64 *run)
{
	u64 offset = position & (pipe->ring_size - 1);

	*run = pipe->ring_size - offset < limit ? pipe->ring_size - offset : limit;
	return pipe->ring + offset;
}

static long pipe_read(struct fs_file *file, struct fs_transfer *transfer)
{
	struct fs_pipe_state *pipe = file->inode->pipe;
	u64 done = 0, at, want, run = 0, moved = 0;
	bool ended;

	if (!transfer->size)
		return 0;
	fs_gate_exclusive(&pipe->reading);
	lock_acquire(&pipe->lock);
	at = pipe->head;
	want = pipe->tail - at < transfer->size ? pipe->tail - at : transfer->size;
	ended = !pipe->writers;
	lock_release(&pipe->lock);
	while (done < want && moved == run) {
		const u8 *from = ring_run(pipe, at + done, want - done, &run);

		moved = fs_transfer_put(transfer, done, from, run);
		done += moved;
	}
	if (done) {
		lock_acquire(&pipe->lock);
		pipe->head += done;
		fs_pipe_levels(pipe);
		stable_commit((long)done, 0);
		lock_release(&pipe->lock);
	}
	fs_gate_release(&pipe->reading);
	if (done)
		return (long)done;
	if (want)
		return -EFAULT;
	/* A FIFO without a writer yet is at its end, too. */
	return ended ? 0 : -EAGAIN;
}

/* Copies what the pipe holds to a new ring, of which nobody knows yet. */
static void ring_copy(const struct fs_pipe_state *pipe, u8 *ring, u32 size)
{
	u64 at = round_down(pipe->head, PAGE_SIZE), run;

	for (; pipe->tail != pipe->head && at < pipe->tail; at += PAGE_SIZE)
		unnoted_copy(ring + (at & (size - 1)), ring_run(pipe, at, PAGE_SIZE, &run), PAGE_SIZE);
}

/* Gives the pipe a ring of another size, in which what it holds has room; both gates are held. */
static long ring_resize(struct fs_pipe_state *pipe, u32 size)
{
	u8 *ring = heap_alloc(size), *old = pipe->ring;

	if (!ring)
		return -ENOMEM;
	ring_copy(pipe, ring, size);
	pipe->ring = ring;
	pipe->ring_size = size;
	heap_free(old);
	return 0;
}

/* Makes the ring large enough; no gate is held. Others may have come first, or have filled it again. */
static long ring_grow(struct fs_pipe_state *pipe, u64 needed)
{
	u32 size = PAGE_SIZE;
	long result = 0;

	fs_gate_exclusive(&pipe->reading);
	fs_gate_exclusive(&pipe->writing);
	while (size < pipe->capacity && (size < needed || size < pipe->ring_size * RING_GROWTH))
		size *= 2;
	if (pipe->ring_size < needed && needed <= size)
		result = ring_resize(pipe, size);
	fs_gate_release(&pipe->writing);
	fs_gate_release(&pipe->reading);
	return result;
}

/* Takes the writers' gate. want: bytes that may be written behind *tail now, for which the ring has room. */
static long write_begin(struct fs_pipe_state *pipe, u64 size, u64 *tail, u64 *want)
{
	u64 held;

	for (;;) {
		long result = 0;

		fs_gate_exclusive(&pipe->writing);
		lock_acquire(&pipe->lock);
		if (pipe->tail == pipe->head)   /* no reader is copying: nothing is there */
			pipe->head = pipe->tail = 0;
		held = pipe_held(pipe);
		*tail = pipe->tail;
		if (!pipe->readers)
			result = -EPIPE;
		lock_release(&pipe->lock);
		*want = size < pipe->capacity - held ? size : pipe->capacity - held;
		if (!result && (*want == 0 || (*want < size && size <= PIPE_ATOMIC)))
			result = -EAGAIN;
		if (result || likely(held + *want <= pipe->ring_size))
			return result;
		fs_gate_release(&pipe->writing);
		result = ring_grow(pipe, held + *want);
		if (result) {
			fs_gate_exclusive(&pipe->writing);
			return result;
		}
	}
}

/* Shows what was written; watchers of edges are told of every write. */
static void write_end(struct fs_pipe_state *pipe, u64 done, u64 end)
{
	bool announced;

	lock_acquire(&pipe->lock);
	announced = pipe->read_word->level & PIPE_READABLE;
	pipe->tail += done;
	fs_pipe_levels(pipe);
	stable_commit((long)done, end);
	if (announced)
		pollword_event(pipe->read_word, pipe->read_word->level);
	lock_release(&pipe->lock);
}

static long pipe_write(struct fs_file *file, struct fs_transfer *transfer)
{
	struct fs_pipe_state *pipe = file->inode->pipe;
	u64 done = 0, tail, want = 0, run = 0, moved = 0;
	long result = write_begin(pipe, transfer->size, &tail, &want);

	while (!result && done < want && moved == run) {
		u8 *to = ring_run(pipe, tail + done, want - done, &run);

		moved = fs_transfer_get(transfer, done, to, run);
		done += moved;
	}
	/* A small write that failed half way leaves nothing. */
	if (moved < run && transfer->size <= PIPE_ATOMIC)
		done = 0;
	if (done)
		write_end(pipe, done, transfer->end);
	fs_gate_release(&pipe->writing);
	return done ? (long)done : moved < run ? -EFAULT : result;
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
		const u8 *from = ring_run(pipe, pipe->head + done, there - done, &part);

		memcpy((u8 *)data + done, from, part);
	}
	result = there ? (long)there : pipe->writers ? -EAGAIN : 0;
	lock_release(&pipe->lock);
	fs_gate_release(&pipe->reading);
	fs_file_put(file);
	return result;
}

/* Sets how much the pipe may hold; both gates are held. */
static long capacity_set(struct fs_pipe_state *pipe, u32 capacity)
{
	long result;

	if (round_up(pipe_held(pipe), PAGE_SIZE) > capacity)
		return -EBUSY;
	result = pipe->ring_size > capacity ? ring_resize(pipe, capacity) : 0;
	if (result)
		return result;
	lock_acquire(&pipe->lock);
	pipe->capacity = capacity;
	fs_pipe_levels(pipe);
	lock_release(&pipe->lock);
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
		result = capacity_set(pipe, count * (u32)PAGE_SIZE);
		fs_gate_release(&pipe->writing);
		fs_gate_release(&pipe->reading);
	}
	if (!result)
		result = (long)pipe->capacity;
	fs_file_put(file);
	return result;
}
