/*
 * What proc's operations carry. Numbers of signals, resources, scheduling policies and wait options are those of Linux.
 * Times are nanoseconds. Thread and process ids are Linux numbers from 1; 0 means the calling task where an operation says so.
 */
#ifndef PROC_TYPES_H
#define PROC_TYPES_H

#include <tessera/types.h>

/* ---- Signals --------------------------------------------------------------------------------------------------------------- */
#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGILL 4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGBUS 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGUSR1 10
#define SIGSEGV 11
#define SIGUSR2 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGSTKFLT 16
#define SIGCHLD 17
#define SIGCONT 18
#define SIGSTOP 19
#define SIGTSTP 20
#define SIGTTIN 21
#define SIGTTOU 22
#define SIGURG 23
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGWINCH 28
#define SIGIO 29
#define SIGPWR 30
#define SIGSYS 31
#define PROC_SIGNALS 64
#define PROC_SIGNAL_REALTIME 32 /* first that queues */
#define PROC_SIGNAL_BIT(signal) (1ull << ((signal) - 1))
#define PROC_SIGNALS_UNBLOCKABLE (PROC_SIGNAL_BIT(SIGKILL) | PROC_SIGNAL_BIT(SIGSTOP))

#define PROC_HANDLER_DEFAULT 0ull
#define PROC_HANDLER_IGNORE 1ull
enum proc_action_flags {
	PROC_SA_NOCLDSTOP = 1,
	PROC_SA_NOCLDWAIT = 2,
	PROC_SA_SIGINFO = 4,
	PROC_SA_RESTORER = 0x04000000,
	PROC_SA_ONSTACK = 0x08000000,
	PROC_SA_RESTART = 0x10000000,
	PROC_SA_NODEFER = 0x40000000,
};
#define PROC_SA_RESETHAND 0x80000000u
#define PROC_SA_ALL (PROC_SA_NOCLDSTOP | PROC_SA_NOCLDWAIT | PROC_SA_SIGINFO | PROC_SA_RESTORER | PROC_SA_ONSTACK | PROC_SA_RESTART | \
		     PROC_SA_NODEFER | PROC_SA_RESETHAND | 0x00000800ull /* SA_EXPOSE_TAGBITS */)

/* siginfo si_code values that the services make. */
enum proc_signal_code {
	PROC_SI_USER = 0,
	PROC_SI_KERNEL = 0x80,
	PROC_SI_QUEUE = -1,
	PROC_SI_TIMER = -2,
	PROC_SI_TKILL = -6,
	PROC_CLD_EXITED = 1,
	PROC_CLD_KILLED = 2,
	PROC_CLD_DUMPED = 3,
	PROC_CLD_STOPPED = 5,
	PROC_CLD_CONTINUED = 6,
};

/* The first 48 bytes of Linux's siginfo_t: all that it carries; the rest of the 128 bytes is zero. */
struct proc_siginfo {
	i32 signal, error, code, reserved;
	union {
		struct { i32 pid; u32 uid; u64 value; } sender;                 /* kill, tgkill, sigqueue */
		struct { i32 timer, overrun; u64 value; i32 private_id; } timer;
		struct { i32 pid; u32 uid; i32 status; i32 pad; i64 user_ticks, system_ticks; } child;
		struct { u64 address; u64 detail; u64 upper; } fault;
		struct { i64 band; i32 fd; } poll;
		struct { u64 address; i32 number; u32 architecture; } call;     /* SIGSYS */
		u64 words[4];
	};
};
_Static_assert(sizeof(struct proc_siginfo) == 48, "ABI");

struct proc_action {
	u64 handler; /* PROC_HANDLER_* or an address */
	u64 flags;
	u64 restorer;
	u64 mask;
};
_Static_assert(sizeof(struct proc_action) == 32, "ABI");

enum proc_mask_how { PROC_MASK_BLOCK, PROC_MASK_UNBLOCK, PROC_MASK_SET, PROC_MASK_QUERY };

/* What a thread does on its way to user mode (signal_take). */
enum proc_verdict {
	PROC_VERDICT_NONE,    /* nothing left to do */
	PROC_VERDICT_HANDLER, /* run delivery.action for delivery.info; the mask is changed already */
	PROC_VERDICT_STOP,    /* wait while shared->stopped is delivery.stop_value (killable), then ask again */
	PROC_VERDICT_EXIT,    /* end the thread with delivery.status */
};
struct proc_delivery {
	u32 verdict;
	i32 status;           /* wait status: exit code << 8, or signal number */
	u32 stop_value;
	u32 reserved;
	u64 old_mask;         /* mask for the handler's frame */
	struct proc_action action;
	struct proc_siginfo info;
};

enum proc_target {
	PROC_TARGET_KILL,   /* id as kill(2) reads it */
	PROC_TARGET_THREAD, /* thread id, of thread group `group` unless that is -1 */
	PROC_TARGET_QUEUED, /* with either, by or: info is the sender's own (rt_sigqueueinfo), else proc fills in the sender */
};

/*
 * What proc and the shim share of each thread: the start of owner_data of its page. proc writes, the shim waits.
 * event counts what a thread may wait for in its own calls: child changed, vfork child done, awaited signal, siblings gone.
 */
struct proc_thread_shared {
	volatile u32 event;
	volatile u32 stopped; /* odd while its process is stopped */
	volatile u32 parent;  /* process number of its parent, 0 none: getppid reads it */
	struct proc_delivery delivery; /* what signal_take has found; stands until the thread asks again */
};

/* ---- Processes --------------------------------------------------------------------------------------------------------------- */
enum proc_create_flags {
	PROC_CREATE_THREAD = 1,         /* in the calling process (CLONE_THREAD; implies SIGHAND) */
	PROC_CREATE_SIGHAND = 2,        /* shares the signal dispositions */
	PROC_CREATE_VFORK = 4,          /* the caller waits with vfork_check */
	PROC_CREATE_PARENT = 8,         /* sibling of the caller */
	PROC_CREATE_CLEAR_SIGHAND = 16, /* handlers back to default, ignored stay */
};
struct proc_create {
	u32 flags;
	u32 exit_signal;     /* to the parent, 0 none */
	frame_t space_frame; /* core object of its address space */
	u32 reserved;
	u64 space;           /* mem's handle, for procfs */
	u64 fs_client;       /* of a new process, for procfs */
	i32 set_tid;         /* wanted id, 0 any */
	u32 reserved2;
};
struct proc_created {
	i32 tid, pid;
	u32 thread;           /* core thread id */
	frame_t thread_frame; /* token_of_frame: its object in the shim's window, page read-write */
};

#define PROC_NAME_SIZE 16
struct proc_exec {
	u64 space;               /* mem's handle of the new address space */
	frame_t space_frame;
	u32 secure_uid_set;      /* 1: the file is set-user-id to `uid`; 2: set-group-id to `gid` (bits) */
	u32 uid, gid;
	u64 exe;                 /* fs's handle of the program, for procfs; returned when replaced */
	u64 arguments_start, arguments_end, environment_start, environment_end;
	u64 stack_start, code_start, code_end, data_start, data_end;
	char name[PROC_NAME_SIZE];
};

/* Result of exec_commit: AT_SECURE is to be set; the credentials are others now. */
enum proc_exec_result { PROC_EXEC_SECURE = 1, PROC_EXEC_CREDENTIALS = 2 };

/* Result of image_map. */
enum proc_image_flags {
	PROC_IMAGE_INTERPRETER = 1, /* interpreter_offset and _size name the path in the file */
	PROC_IMAGE_STACK_EXEC = 2,  /* wants an executable stack */
	PROC_IMAGE_DYNAMIC = 4,     /* ET_DYN */
};
enum proc_image_request { PROC_IMAGE_PROGRAM, PROC_IMAGE_LOADER, PROC_IMAGE_CHECK /* only fills info, maps nothing */ };
struct proc_image_map {
	u64 space;       /* mem's handle */
	u64 object;      /* mem's object of the file */
	u64 file_size;
	u64 base;        /* where a position-independent program goes, 0: mem chooses */
	u32 request;     /* enum proc_image_request */
	u32 reserved;
};
#define PROC_IMAGE_ZEROS 4
struct proc_image {
	u64 entry, bias;             /* entry point, load bias */
	u64 headers;                 /* address of the program headers (AT_PHDR) */
	u32 header_count, flags;     /* enum proc_image_flags */
	u64 interpreter_offset, interpreter_size;
	u64 start, end;              /* lowest and highest mapped address, page-aligned */
	u64 code_start, code_end, data_start, data_end;
	u64 break_start;             /* end of the bss, not rounded */
	struct { u64 address, size; } zero[PROC_IMAGE_ZEROS]; /* the caller fills these with zeros (bss part of file pages) */
};
/* First bytes handed to image_map: the ELF header, then the program headers at once. */
#define PROC_IMAGE_HEADERS_MAX 72
#define PROC_IMAGE_HEAD_SIZE 4096

/* waitid's idtype */
enum proc_wait_kind { PROC_WAIT_ALL, PROC_WAIT_PID, PROC_WAIT_GROUP };
enum proc_wait_options {
	PROC_WNOHANG = 1,
	PROC_WSTOPPED = 2, /* WUNTRACED */
	PROC_WEXITED = 4,
	PROC_WCONTINUED = 8,
	PROC_WNOWAIT = 0x01000000,
	PROC_WNOTHREAD = 0x20000000,
	PROC_WALL = 0x40000000,
};
#define PROC_WCLONE 0x80000000u

struct proc_usage {
	u64 user_nanos, system_nanos;
	u64 faults_minor, faults_major;
	u64 switches_voluntary, switches_forced;
	u64 resident_peak;          /* KiB */
	u64 blocks_in, blocks_out;
};
struct proc_wait_result {
	i32 pid;
	u32 uid;
	i32 status;  /* as wait4 shows it */
	i32 code;    /* PROC_CLD_* */
	i32 value;   /* waitid's si_status: exit code or signal */
	i32 reserved;
	struct proc_usage usage;
};

/* What `answer` gives back of a call's struct_out: its first bytes. */
struct proc_kept { u64 words[22]; };

/* ---- Credentials ------------------------------------------------------------------------------------------------------------- */
#define PROC_GROUPS_MAX 1024
#define PROC_CAPABILITIES_ALL 0x1ffffffffffull
struct proc_credentials {
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u64 permitted, effective, inheritable, bounding, ambient;
	u32 group_count;    /* read them with groups_get */
	u32 secure_bits;
};
enum proc_capability {
	PROC_CAP_CHOWN, PROC_CAP_DAC_OVERRIDE, PROC_CAP_DAC_READ_SEARCH, PROC_CAP_FOWNER, PROC_CAP_FSETID, PROC_CAP_KILL,
	PROC_CAP_SETGID, PROC_CAP_SETUID, PROC_CAP_SETPCAP, PROC_CAP_IPC_OWNER = 15, PROC_CAP_SYS_PTRACE = 19, PROC_CAP_SYS_ADMIN = 21,
	PROC_CAP_SYS_BOOT = 22, PROC_CAP_SYS_NICE = 23, PROC_CAP_SYS_RESOURCE = 24, PROC_CAP_SYS_TIME = 25,
	PROC_CAP_SYS_TTY_CONFIG = 26, PROC_CAP_LAST = 40,
};
enum proc_ids_set {
	PROC_SET_UID, PROC_SET_REUID, PROC_SET_RESUID, PROC_SET_FSUID,
	PROC_SET_GID, PROC_SET_REGID, PROC_SET_RESGID, PROC_SET_FSGID,
};

/* ---- Limits, scheduling, timers ---------------------------------------------------------------------------------------------- */
enum proc_resource {
	PROC_LIMIT_CPU, PROC_LIMIT_FSIZE, PROC_LIMIT_DATA, PROC_LIMIT_STACK, PROC_LIMIT_CORE, PROC_LIMIT_RSS, PROC_LIMIT_NPROC,
	PROC_LIMIT_NOFILE, PROC_LIMIT_MEMLOCK, PROC_LIMIT_AS, PROC_LIMIT_LOCKS, PROC_LIMIT_SIGPENDING, PROC_LIMIT_MSGQUEUE,
	PROC_LIMIT_NICE, PROC_LIMIT_RTPRIO, PROC_LIMIT_RTTIME, PROC_LIMITS
};
#define PROC_LIMIT_INFINITY (~0ull)
#define PROC_LIMIT_SET 0x10000u /* with the resource: also change it */
struct proc_limit { u64 soft, hard; };

/* Linux policies: 0 other, 1 fifo, 2 round robin, 3 batch, 5 idle; with a nice value and a real-time priority. */
struct proc_schedule {
	u32 policy;
	i32 nice;
	u32 priority;
	u32 reset_on_fork;
};
#define PROC_SCHEDULE_KEEP_NICE 0x80000000u /* with policy in schedule_set: leave the nice value */
enum proc_priority_which { PROC_PRIORITY_PROCESS, PROC_PRIORITY_GROUP, PROC_PRIORITY_USER };

enum proc_itimer { PROC_ITIMER_REAL, PROC_ITIMER_VIRTUAL, PROC_ITIMER_PROF };
#define PROC_TIMER_CHANGE 0x10000u   /* with the itimer: also change it */
struct proc_interval { u64 value, interval; }; /* value 0: off */
enum proc_timer_notify { PROC_NOTIFY_SIGNAL, PROC_NOTIFY_NONE, PROC_NOTIFY_THREAD_ID = 4 };
struct proc_timer_event {
	u64 value;          /* sigev_value */
	i32 signal;
	i32 notify;         /* enum proc_timer_notify */
	i32 tid;            /* with THREAD_ID */
	u32 has_event;      /* 0: SIGALRM with the timer's id as value */
};
#define PROC_TIMER_ABSOLUTE 1u
#define PROC_TIMERS_MAX 65536

/* prctl options that proc keeps (option_get, option_set). */
enum proc_option {
	PROC_OPTION_DEATH_SIGNAL, PROC_OPTION_DUMPABLE, PROC_OPTION_KEEP_CAPS, PROC_OPTION_SUBREAPER, PROC_OPTION_NO_NEW_PRIVILEGES,
	PROC_OPTION_SECURE_BITS, PROC_OPTION_BOUNDING_DROP, PROC_OPTION_BOUNDING_READ, PROC_OPTION_AMBIENT, PROC_OPTION_TIMER_SLACK,
	PROC_OPTION_UMASK /* only kept for procfs */,
};

/* ---- For procfs -------------------------------------------------------------------------------------------------------------- */
/* oom_score_adj: PROC_OOM_NEVER is never chosen when memory is gone, PROC_OOM_FIRST counts as all of memory. */
enum proc_oom { PROC_OOM_NEVER = -1000, PROC_OOM_FIRST = 1000 };
/* How bad it is that a process has so many pages of `total`, as Linux counts (oom_badness). */
static inline i64 proc_oom_points(u64 pages, i32 adjust, u64 total)
{
	return (i64)pages + adjust * (i64)(total / 1000);
}

struct proc_info {
	i32 pid, tid, parent, group, session;
	u64 terminal;              /* tty's handle, 0 none */
	i32 terminal_group;        /* its foreground group, -1 none */
	u32 thread_count;
	char name[PROC_NAME_SIZE];
	char state;                /* R S D T Z X */
	u8 dumpable, no_new_privileges, exiting;
	i32 nice;
	u32 policy, priority;
	u32 processor;
	u32 exit_signal;
	i32 exit_status;
	i32 oom_adjust;            /* oom_score_adj */
	u32 pending_count, pending_limit;
	struct proc_credentials credentials;
	u64 pending, pending_shared, blocked, ignored, caught;
	nanos_t start;             /* monotonic */
	struct proc_usage usage;   /* of the thread, or of the process when asked for by its pid as a process */
	struct proc_usage children;
	struct proc_limit limits[PROC_LIMITS];
	u64 space, exe;            /* mem's and fs's handles as the shim gave them */
	u64 fs_client;             /* as the shim gave it: cwd and root for procfs */
	u64 arguments_start, arguments_end, environment_start, environment_end;
	u64 stack_start, code_start, code_end, data_start, data_end;
};
struct proc_system {
	u64 forks, switches;       /* since boot */
	u64 user_nanos, system_nanos;
	u32 running, blocked, threads, processes;
	i32 last_pid;
	u32 load[3];               /* 1, 5, 15 minutes, fixed point << 11 */
	nanos_t boot_realtime;     /* ns since 1970 */
};

/* ---- System V semaphores ------------------------------------------------------------------------------------------------------ */
#define PROC_SEMAPHORES_MAX 32000u       /* of a set: SEMMSL */
#define PROC_SEMAPHORE_SETS 32000u       /* SEMMNI */
#define PROC_SEMAPHORE_OPERATIONS 500u   /* SEMOPM */
#define PROC_SEMAPHORE_VALUE_MAX 32767   /* SEMVMX */
#define PROC_SEMAPHORE_WAITS 1           /* result of operate: wait until the word's sequence changes, then call again or semaphore_forget */
enum proc_semaphore_flags { PROC_SEMAPHORE_CREATE = 01000, PROC_SEMAPHORE_EXCLUSIVE = 02000, PROC_SEMAPHORE_NO_WAIT = 04000, PROC_SEMAPHORE_UNDO = 010000 };
enum proc_semaphore_value { PROC_SEMAPHORE_VALUE, PROC_SEMAPHORE_PID, PROC_SEMAPHORE_WAIT_MORE, PROC_SEMAPHORE_WAIT_ZERO, PROC_SEMAPHORE_SET };
enum proc_semaphore_how { PROC_SEMAPHORE_BY_ID, PROC_SEMAPHORE_BY_PLACE, PROC_SEMAPHORE_BY_PLACE_ANY };
struct proc_semaphore_operation { u16 number; i16 change, flags; }; /* as struct sembuf */
struct proc_semaphore_set {
	i32 id, key;
	u32 uid, gid, creator_uid, creator_gid, mode, sequence, count, reserved;
	i64 operation_time, change_time; /* s since 1970 */
};

#endif
