/*
 * The shim's own structures: one thread and one process record for each Linux task, the descriptor table, open files.
 * Handlers are `long sys_<name>(struct shim_thread *t, const u64 *a)`: a[0..5] the system call's arguments; result 0.. or -errno.
 * A handler that waits uses shim_wait or shim_wait_word, and holds no lock then. -ERESTART* below never reach the application.
 */
#ifndef ABI_SHIM_H
#define ABI_SHIM_H

#include <runtime.h>
#include "syscalls.h"      /* generated: prototypes of all sys_ handlers, SYSCALL_<name> numbers */

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
	struct { vaddr_t base; u64 size; u32 flags; } altstack; /* of signal handlers */
	struct { u64 trap, error, address; } fault;              /* the last exception, for signal frames */
	struct watch_set *watches;  /* for poll and select of more than one word; made at the first use */
};

struct shim_process {
	struct rt_lock lock;        /* guards the pointers and counts below */
	u32 threads;
	u32 running;                /* threads that have not begun to end */
	i32 pid;
	u64 space;                  /* mem's handle of the address space */
	vaddr_t space_token;        /* core token of it, for tk_client_set */
	volatile u32 *space_users;  /* processes that share the space (CLONE_VM) */
	struct shim_program *program; /* process.h: the file that it runs */
	u32 personality;
	u64 fs_client;              /* fs's handle: cwd, root, umask, credentials (shared under CLONE_FS) */
	struct shim_fd_table *files; /* changed by shim_process_files_set alone once the process is in the list */
	struct shim_process *next, *previous; /* thread.c: all processes */
	volatile u64 file_size_cut; /* ~RLIMIT_FSIZE's soft limit (0: none): like files_limit, and copied at fork */
	const struct tk_pollword *signal_word; /* counts signals sent to it; signalfd.c, made at the first use */
	struct rt_lock actions_lock; /* guards these two: signal_action.c */
	struct shim_actions *actions;
	bool actions_shared;        /* with other processes: none are kept */
	volatile u32 files_limit;   /* RLIMIT_NOFILE's soft limit: whoever changes it by setrlimit or prlimit writes it here too */
};

/* One open file description. Created with one reference; operations are called without any lock held. */
struct shim_file_ops {
	const char *name;
	bool moves;                                                            /* its event word may be replaced by another: file_moved */
	long (*read)(struct shim_thread *, struct shim_file *, vaddr_t to, u64 size, i64 offset);   /* offset -1: at and moving f->offset */
	long (*write)(struct shim_thread *, struct shim_file *, vaddr_t from, u64 size, i64 offset);
	long (*seek)(struct shim_thread *, struct shim_file *, i64 offset, u32 whence);
	long (*ioctl)(struct shim_thread *, struct shim_file *, u32 command, u64 argument);
	long (*stat)(struct shim_thread *, struct shim_file *, void *fs_stat); /* struct fs_stat of services/fs/fs_types.h */
	const volatile u32 *(*event_word)(struct shim_file *);                 /* instead of file->pollword's sequence; both NULL: always ready */
	u32 (*ready)(struct shim_thread *, struct shim_file *);                /* POLL bits now; NULL: the level of the poll word */
	void (*flush)(struct shim_file *, struct shim_fd_table *);             /* a descriptor of this table was closed: record locks */
	/* mmap: mem's object behind the file, held for the caller; *object 0: private memory of zeros. write: shared and writable.
	 * NULL: -ENODEV. */
	long (*map)(struct shim_thread *, struct shim_file *, bool write, u64 *object);
	u64 (*fs_handle)(struct shim_file *);                                  /* fs's handle of the file or node: fchmod, *at calls; NULL: none */
	void (*close)(struct shim_file *);                                     /* last reference gone */
};
/* A NULL operation means: read, write, ioctl -EINVAL, -EINVAL, -ENOTTY; seek -ESPIPE. close must be there; stat NULL: a file without
 * a file system behind it (anon_inode). ioctl: the shim itself serves FIONBIO, FIOASYNC, FIOCLEX, FIONCLEX before. */
struct shim_file {
	const struct shim_file_ops *ops;
	volatile u32 references;
	volatile u32 flags;         /* O_ACCMODE, O_APPEND, O_NONBLOCK, ... as fcntl(F_GETFL) shows them */
	u64 handle;                 /* the service's handle (fs file, tty, ...) */
	const struct tk_pollword *pollword;
	struct rt_lock position_lock;
	i64 offset;
	void *data;                 /* eventfd, epoll, ...: the shim's own object */
	i32 owner;                  /* F_SETOWN */
	u32 owner_kind, owner_signal;
	struct epoll_item *epoll_items; /* of epoll.c: sets that hold this file */
};
struct shim_fd { struct shim_file *file; bool close_on_exec; };
struct shim_fd_table {
	struct rt_lock lock;
	volatile u32 references;
	u32 capacity;               /* entries of fds */
	u32 next;                   /* no free descriptor below it */
	volatile u64 lock_owner;    /* file_lock.c: owner of record locks; 0: none was ever taken */
	struct shim_fd *fds;
};

/* fd.c */
struct shim_file *file_create(const struct shim_file_ops *ops, u32 flags, u64 handle) must_check; /* NULL: out of memory */
struct shim_file *file_get(struct shim_thread *t, i32 fd) must_check;  /* takes a reference; NULL: EBADF */
void file_hold(struct shim_file *file);
void file_put(struct shim_file *file);
/* A file for the time of one call: without a reference while nobody but the calling thread can close its descriptor. */
struct file_use { struct shim_file *file; bool held; };
struct file_use file_use_begin(struct shim_thread *t, i32 fd) must_check;   /* file NULL: EBADF, and nothing to end */
void file_use_end(struct file_use use);
long fd_install(struct shim_thread *t, struct shim_file *file, u32 open_flags, i32 lowest) must_check; /* takes over the reference; O_CLOEXEC looked at */
struct shim_fd_table *fd_table_create(void) must_check;
struct shim_fd_table *fd_table_copy(struct shim_fd_table *from) must_check;
void fd_table_put(struct shim_fd_table *table);
void fd_table_close_on_exec(struct shim_thread *t);
long fd_close(struct shim_thread *t, i32 fd);
long fd_duplicate(struct shim_thread *t, i32 fd, i32 lowest, bool close_on_exec) must_check; /* F_DUPFD and F_DUPFD_CLOEXEC */
long fd_flags_get(struct shim_thread *t, i32 fd) must_check;                 /* F_GETFD */
long fd_flags_set(struct shim_thread *t, i32 fd, u32 flags) must_check;      /* F_SETFD */
/* Puts a file at a certain descriptor, closing what was there; takes over the reference. -EBADF: at or above the limit. */
long fd_replace(struct shim_thread *t, struct shim_file *file, i32 fd, u32 open_flags) must_check;
void fd_table_hold(struct shim_fd_table *table);               /* CLONE_FILES */
long fd_table_unshare(struct shim_thread *t) must_check;       /* unshare(CLONE_FILES), and exec before fd_table_close_on_exec */
/* The first open descriptor at or above `from`, or -1: for listing (/proc/PID/fd). */
i32 fd_next(struct shim_fd_table *table, i32 from);

/* memory.c: `map` of the file system's files. */
long file_map_fs(struct shim_thread *t, struct shim_file *file, bool write, u64 *object);

/* futex.c: what a thread leaves in its address space when it ends or executes another program: robust locks, clear_child_tid. */
void shim_futex_exit(struct shim_thread *t);

/* epoll.c: the last reference of a file is gone: it leaves every epoll set. */
void epoll_file_closed(struct shim_file *file);
/* The file has another event word now: the sets that hold it watch that. */
void epoll_file_moved(struct shim_file *file);

/* watch.c: many poll words waited for at once; watch.h has the rest. */
struct watch_set;
void watch_set_destroy(struct watch_set *set);   /* NULL is fine */

/* device.c: opens a character device that is not the file system's (terminals), for file_open.c. fs_file: the node's own handle,
 * for fstat and /proc; the new file owns it and closes it by the file system's close. -ENXIO: no such device. */
long device_open(struct shim_thread *t, u32 device_major, u32 device_minor, u32 flags, u64 fs_file, struct shim_file **file) must_check;

/* thread.c */
struct shim_thread *shim_thread_current(void);
struct shim_thread *shim_thread_create(struct shim_process *process, u32 thread, i32 tid, vaddr_t token) must_check;
void shim_thread_destroy(struct shim_thread *t);   /* by the thread itself, as the last thing before tk_thread_exit, or before its start */
struct shim_process *shim_process_create(i32 pid, u64 space, vaddr_t space_token) must_check; /* files NULL, limit of 1024 files */
struct shim_fd_table *shim_process_files_set(struct shim_process *process, struct shim_fd_table *files); /* the old one */
struct shim_fd_table *shim_process_files(i32 pid) must_check;   /* of any process, with a reference; NULL: none */
void shim_process_put(struct shim_process *process);  /* drops one of `threads`; at the last: its files and the record itself */
struct shim_thread *shim_thread_find(u32 thread);     /* NULL: no such thread; the caller must know that it can't end meanwhile */

/* wait.c */
/* Waits until *word differs from `expected`, a wake, or the deadline: 0, -ETIMEDOUT, or -ERESTARTSYS when interrupted. */
long shim_wait(struct shim_thread *t, const volatile u32 *word, u32 expected, nanos_t deadline);
/* Waits until word->sequence differs from `seen` or the deadline: 0, -ETIMEDOUT, or -ERESTARTSYS when interrupted. */
long shim_wait_word(struct shim_thread *t, const struct tk_pollword *word, u32 seen, nanos_t deadline);
/* Runs `attempt` until it does not answer -EAGAIN, waiting on the file's poll word in between; O_NONBLOCK returns -EAGAIN. */
long shim_wait_file(struct shim_thread *t, struct shim_file *file, long (*attempt)(void *), void *context);
/* The file has another event word now, as when its service was restarted: whoever waits for it waits for that. */
void file_moved(struct shim_file *file);
extern volatile u32 file_moves;   /* counts them, and is woken */
const volatile u32 *file_event_word(struct shim_file *file);          /* counts its events; NULL: always ready */
u32 file_ready(struct shim_thread *t, struct shim_file *file);        /* POLL bits that hold now */
u32 file_level(const struct shim_file *file);                         /* the same where ops->ready is NULL: a load */
/* ppoll, pselect, epoll_pwait: sets the application's mask for the wait (set 0: nothing); end puts it back unless a signal ended
 * the wait (-EINTR, -ERESTART*): then signals_deliver does, from saved_mask, which it clears. */
long signal_mask_begin(struct shim_thread *t, vaddr_t set, u64 size) must_check;
void signal_mask_end(struct shim_thread *t, long result);

/* signal.c: called by the dispatcher before it returns to user mode while the interrupt word is set, and after a call that answered
 * -ERESTART*. result: of the call, or 0 with in_call false (interrupt or exception). May change registers, stop, or end the thread.
 * Returns the value for the application's rax when in_call: -EINTR, what a restarted call needs there, or rax of the registers that
 * it has set (a signal frame). sys_rt_sigreturn returns the rax that it restored, and sets orig_rax to ~0: then nothing restarts. */
long signals_deliver(struct shim_thread *t, long result, bool in_call);
/* The same, where proc has already said what to do first (enum proc_verdict, or an error). */
long signals_act(struct shim_thread *t, long verdict, long result, bool in_call);
/* exception.c: sends the signal of an exception to the calling thread. The verdict. */
long exception_signal(struct shim_thread *t, const struct tk_request *request);

/* init.c: makes process 1 and starts it; called once, on a thread of the unit's own. */
void shim_start_init(void);

/* vdso.c: maps the vDSO and its data into the process; the address for AT_SYSINFO_EHDR, 0 if there is none. */
vaddr_t shim_vdso_map(struct shim_process *process);

/* table.c: generated from services/abi/syscalls.tbl: number, name, handler or nothing (-ENOSYS, logged once). */
typedef long (*shim_handler)(struct shim_thread *, const u64 *);
extern const shim_handler syscall_table[];
extern const char *const syscall_names[];
extern const u32 syscall_count;

#endif
