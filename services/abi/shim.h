/*
 * The shim's own structures: one thread and one process record for each Linux task, the descriptor table, open files.
 * Handlers are `long sys_<name>(struct shim_thread *t, const u64 *a)`: a[0..5] the system call's arguments; result 0.. or -errno.
 * A handler that waits uses shim_wait or shim_wait_word, and holds no lock then. -ERESTART* below never reach the application.
 */
#ifndef ABI_SHIM_H
#define ABI_SHIM_H

#include <runtime.h>

/* Results that ask the signal path to restart the call (same meaning as in Linux, never seen by the application). */
#define ERESTARTSYS 512          /* restart if no handler runs or SA_RESTART, else -EINTR */
#define ERESTARTNOINTR 513       /* always restart */
#define ERESTARTNOHAND 514       /* restart only if no handler runs, else -EINTR */
#define ERESTART_RESTARTBLOCK 516 /* as NOHAND, but restarted through restart_syscall with shim_thread.restart */

struct shim_process;
struct shim_file;

struct shim_thread {
	struct shim_process *process;
	u32 thread;                 /* core thread id (key of the table) */
	i32 tid;                    /* Linux id */
	vaddr_t token;              /* core thread object */
	struct tk_thread_page *page;/* its exported page: interrupt word */
	vaddr_t clear_child_tid, robust_list;
	u64 saved_mask;             /* sigsuspend, ppoll, pselect, epoll_pwait: mask to put back when the handler's frame is made */
	bool saved_mask_valid;
	struct { nanos_t deadline; u64 args[6]; long (*call)(struct shim_thread *, const u64 *); } restart;
	bool exiting;
};

struct shim_process {
	struct rt_lock lock;        /* guards the pointers and counts below */
	u32 threads;
	i32 pid;
	u64 space;                  /* mem's handle of the address space */
	vaddr_t space_token;        /* core token of it, for tk_client_set */
	u64 fs_client;              /* fs's handle: cwd, root, umask, credentials (shared under CLONE_FS) */
	struct shim_fd_table *files;
	struct shim_process *vfork_parent_waits; /* unused unless vfork */
};

/* One open file description. Created with one reference; operations are called without any lock held. */
struct shim_file_ops {
	const char *name;
	long (*read)(struct shim_thread *, struct shim_file *, vaddr_t to, u64 size, i64 offset);   /* offset -1: at and moving f->offset */
	long (*write)(struct shim_thread *, struct shim_file *, vaddr_t from, u64 size, i64 offset);
	long (*seek)(struct shim_thread *, struct shim_file *, i64 offset, u32 whence);
	long (*ioctl)(struct shim_thread *, struct shim_file *, u32 command, u64 argument);
	long (*stat)(struct shim_thread *, struct shim_file *, void *fs_stat); /* struct fs_stat of services/fs/fs_types.h */
	const struct tk_pollword *(*pollword)(struct shim_file *);             /* NULL: always ready */
	void (*close)(struct shim_file *);                                     /* last reference gone */
};
struct shim_file {
	const struct shim_file_ops *ops;
	volatile u32 references;
	volatile u32 flags;         /* O_ACCMODE, O_APPEND, O_NONBLOCK, ... as fcntl(F_GETFL) shows them */
	u64 handle;                 /* the service's handle (fs file, tty, ...) */
	const struct tk_pollword *pollword;
	struct rt_lock position_lock;
	i64 offset;
	void *data;                 /* eventfd, epoll, ...: the shim's own object */
};
struct shim_fd { struct shim_file *file; bool close_on_exec; };
struct shim_fd_table {
	struct rt_lock lock;
	volatile u32 references;
	u32 capacity;               /* entries of fds */
	u32 next;                   /* no free descriptor below it */
	struct shim_fd *fds;
};

/* fd.c */
struct shim_file *file_create(const struct shim_file_ops *ops, u32 flags, u64 handle) must_check; /* NULL: out of memory */
struct shim_file *file_get(struct shim_thread *t, i32 fd) must_check;  /* takes a reference; NULL: EBADF */
void file_hold(struct shim_file *file);
void file_put(struct shim_file *file);
long fd_install(struct shim_thread *t, struct shim_file *file, u32 open_flags, i32 lowest) must_check; /* takes over the reference; O_CLOEXEC looked at */
struct shim_fd_table *fd_table_create(void) must_check;
struct shim_fd_table *fd_table_copy(struct shim_fd_table *from) must_check;
void fd_table_put(struct shim_fd_table *table);
void fd_table_close_on_exec(struct shim_thread *t);

/* thread.c */
struct shim_thread *shim_thread_current(void);
struct shim_thread *shim_thread_create(struct shim_process *process, u32 thread, i32 tid, vaddr_t token) must_check;
void shim_thread_destroy(struct shim_thread *t);
struct shim_process *shim_process_create(i32 pid, u64 space, vaddr_t space_token) must_check;

/* wait.c */
/* Waits until word->sequence differs from `seen` or the deadline: 0, -ETIMEDOUT, or -ERESTARTSYS when interrupted. */
long shim_wait_word(struct shim_thread *t, const struct tk_pollword *word, u32 seen, nanos_t deadline);
/* Runs `attempt` until it does not answer -EAGAIN, waiting on the file's poll word in between; O_NONBLOCK returns -EAGAIN. */
long shim_wait_file(struct shim_thread *t, struct shim_file *file, u32 events, long (*attempt)(void *), void *context);

/* signal.c: called by the dispatcher before it returns to user mode while the interrupt word is set. result: of the call, or 0 with
 * in_call false (interrupt or exception). May change registers, stop, or end the thread. */
void signals_deliver(struct shim_thread *t, long result, bool in_call);
/* exception.c: sends the signal of an exception to the calling thread. */
void exception_signal(struct shim_thread *t, const struct tk_request *request);

/* table.c: generated from services/abi/syscalls.tbl: number, name, handler or nothing (-ENOSYS, logged once). */
typedef long (*shim_handler)(struct shim_thread *, const u64 *);
extern const shim_handler syscall_table[];
extern const char *const syscall_names[];
extern const u32 syscall_count;

#endif
