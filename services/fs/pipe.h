/* What pipe.c and pipe_end.c share: the state of a pipe, and what its ends do to it. */
#ifndef FS_PIPE_H
#define FS_PIPE_H

#include "fs.h"

#define PIPE_READABLE 0x041u         /* POLLIN | POLLRDNORM */
#define PIPE_WRITABLE 0x104u         /* POLLOUT | POLLWRNORM */
#define PIPE_ERROR 0x008u
#define PIPE_HANGUP 0x010u

struct fs_pipe_state {
	struct fs_gate reading, writing; /* order: reading, writing, lock */
	u8 *ring;                        /* these two are changed with both gates held; NULL and 0 until the first write */
	u32 ring_size;                   /* a power of two pages, at most `capacity` */
	struct rt_lock lock;             /* guards all below */
	u64 head, tail;                  /* bytes read and written since the pipe was empty */
	u32 capacity;                    /* bytes, a power of two pages; written with both gates held, too */
	u32 readers, writers;
	u64 reader_opens, writer_opens;
	struct tk_pollword *read_word, *write_word;
};

struct fs_pipe_state *fs_pipe_make(void) must_check;   /* NULL: out of memory */
void fs_pipe_free(struct fs_pipe_state *pipe);
void fs_pipe_levels(struct fs_pipe_state *pipe);       /* tells both ends how it stands; lock is held */
void fs_pipe_ends_count(struct fs_pipe_state *pipe, u32 flags, i32 step); /* an end was opened (1) or closed (-1); lock is held */
extern const struct fs_file_ops fs_pipe_ops;

#endif
