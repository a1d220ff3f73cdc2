/*
 * The core's calls, the same in every isolation class: services/runtime implements each tk_ function by SYSCALL (IC1, IC2) or by
 * a direct call (IC0). Results are 0 or more, or a negated error of errno.h. Tokens are addresses in the caller's token window.
 * Pointers in requests point into the caller's own private area or window; the core copies each once, checks, then commits.
 */
#ifndef TESSERA_CALL_H
#define TESSERA_CALL_H

#include <tessera/types.h>

/* The calls that functions of C serve, in the order of their numbers: CALL(NUMBER, name) for each. */
#define TK_CALLS(CALL) \
	CALL(WAIT, wait) CALL(WAKE, wake) CALL(REQUEUE, requeue) CALL(WATCH, watch) CALL(UNWATCH, unwatch) \
	CALL(COPY_IN, copy_in) CALL(COPY_OUT, copy_out) CALL(CLIENT_SET, client_set) CALL(OBJECT_CREATE, object_create) \
	CALL(OBJECT_DESTROY, object_destroy) CALL(OBJECT_WRITE, object_write) CALL(GRANT, grant) CALL(REVOKE, revoke) \
	CALL(FRAMES_GIVE, frames_give) CALL(RESERVE_FILL, reserve_fill) CALL(MEMORY_ONLINE, memory_online) \
	CALL(HEAP_MAP, heap_map) CALL(MAP, map) CALL(UNMAP, unmap) CALL(PROTECT, protect) CALL(SHARE, share) CALL(MOVE, move) \
	CALL(QUERY, query) CALL(THREAD_START, thread_start) CALL(THREAD_EXIT, thread_exit) \
	CALL(THREAD_INTERRUPT, thread_interrupt) CALL(THREAD_REGS_GET, thread_regs_get) \
	CALL(THREAD_REGS_SET, thread_regs_set) CALL(YIELD, yield) CALL(PORT_READ, port_read) CALL(PORT_WRITE, port_write) \
	CALL(IRQ_BIND, irq_bind) CALL(IRQ_ACK, irq_ack) CALL(DOMAIN_RESTART, domain_restart) CALL(LOG, log) \
	CALL(POWER, power) CALL(CLIENT_GET, client_get) CALL(DOMAIN_END, domain_end) CALL(OBJECT_RENEW, object_renew) \
	CALL(FRAMES_RECLAIM, frames_reclaim) CALL(CALL_DEADLINE, call_deadline)
#define TK_NUMBER(number, name) TK_##number,
enum tk_number {
	TK_REPLY,            /* end the current activation */
	TK_CALL,             /* call a gate */
	TK_CALLS(TK_NUMBER)
	TK_CALL_COUNT
};

/* Rights of a domain, from the profile (`rights = [...]`). A call that needs a right answers -EPERM without it. */
enum tk_right {
	TK_RIGHT_MEMORY = 1 << 0,   /* online memory, fill the reserve, map application memory, heaps of other units, pools */
	TK_RIGHT_THREADS = 1 << 1,  /* create, start, schedule threads */
	TK_RIGHT_CLIENTS = 1 << 2,  /* acts_for_clients: name another client, registers of threads */
	TK_RIGHT_DOMAINS = 1 << 3,  /* restart domains */
	TK_RIGHT_POWER = 1 << 4,    /* power off and reset */
};

/* ---- Gates: tk_call(gate, op, ...) --------------------------------------------------------------------------------------- */

#define TK_ARGS_MAX 6      /* words beside the operation number */
#define TK_OUTS_MAX 3      /* words of a reply beside the result */
#define TK_DOMAINS_MAX 128 /* domains; 0 is the core itself */
#define TK_GATES_MAX 256
#define TK_STACK_SIZE (16 * 1024ul)   /* one service stack: four pages, at the top of a stride */
#define TK_STACK_STRIDE (64 * 1024ul) /* distance of service stacks: the base of a stack is its address rounded down to this */
#define TK_BULK_MAX 4096ul            /* bytes of one copied parameter at most */

struct tk_message {
	u64 args[TK_ARGS_MAX]; /* in: words; out: args[0..2] are the reply's out words */
};

/* How the core treats the words of an operation: up to four marshalled parameters, each a pair of words (address, length). */
enum tk_param_kind {
	TK_PARAM_NONE,
	TK_PARAM_IN,        /* bytes copied to the callee's stack before it is entered */
	TK_PARAM_OUT,       /* bytes copied back: as many as the result says, never more than the length */
	TK_PARAM_OUT_FIXED, /* all of the length copied back when the result is not an error */
	TK_PARAM_APP_IN,    /* a range of the client's memory which the callee may read */
	TK_PARAM_APP_OUT,   /* ... may write */
	TK_PARAM_APP_INOUT, /* ... may read and write */
};
/* One parameter in 16 bits: kind in 2:0, index of its first word in 5:3, maximum length / 16 in 15:6 (ranges ignore it). */
#define TK_PARAM(kind, word, max) ((u64)(kind) | (u64)(word) << 3 | (u64)(((max) + 15) / 16) << 6)
#define TK_OP(p0, p1, p2, p3) ((u64)(p0) | (u64)(p1) << 16 | (u64)(p2) << 32 | (u64)(p3) << 48)
#define TK_RANGES_MAX 2 /* client ranges of one activation */

/* What a unit's entry receives. `caller` is the badge: the calling domain, told by the core. thread is told by the core. */
struct tk_request {
	u64 args[TK_ARGS_MAX];
	u32 interface; /* TK_INTERFACE_CORE, or 0: another unit calls */
	u32 op;        /* another unit: number of the operation, counted through the unit's interfaces in their order */
	u32 caller;    /* domain id; 0: the core (upcalls of TK_INTERFACE_CORE) */
	u32 thread;    /* thread id: dense from 1, unique among existing threads, used again after tk_object_destroy */
};

/*
 * The interface by which the core calls a unit: index TK_INTERFACE_CORE in its entry.
 * args: SYSCALL (number in args[0] low 32 bits is not enough: see below), EXCEPTION, INTERRUPT and FAULT.
 */
#define TK_INTERFACE_CORE 0xffff
enum tk_upcall {
	TK_UPCALL_MAIN,      /* a thread of the unit's own starts: args[0] its index in the unit. Must not return. */
	TK_UPCALL_SYSCALL,   /* application system call: args[0..5] the six arguments; the number is in `interface_data`, tk_request.op
	                        holds TK_UPCALL_SYSCALL | number << 8 (number clipped to 24 bits, ~0 if larger). Result: the system call's. */
	TK_UPCALL_EXCEPTION, /* application fault: args[0] enum tk_exception, args[1] address, args[2] error detail, args[3] ip */
	TK_UPCALL_INTERRUPT, /* the interrupt word is set on the way to user mode; the result is ignored */
	TK_UPCALL_FAULT,     /* to `mem`: args[0] vspace token, args[1] address, args[2] enum tk_access. 0: retry; else -EFAULT,
	                        -EACCES (protection) or -EIO (no such page: SIGBUS), -ENOMEM, which the core reports as an exception */
};
enum tk_exception {
	TK_EXCEPTION_MAPPING,    /* nothing mapped there */
	TK_EXCEPTION_PROTECTION, /* mapped, but not for this access */
	TK_EXCEPTION_BUS,        /* mapped, but no page behind it */
	TK_EXCEPTION_MEMORY,     /* out of memory */
	TK_EXCEPTION_DIVIDE,
	TK_EXCEPTION_FLOAT,      /* x87 or SIMD arithmetic: args[2] the flags that are set and not masked, with TK_FLOAT_SIMD for the latter */
	TK_EXCEPTION_ILLEGAL,
	TK_EXCEPTION_BREAKPOINT,
	TK_EXCEPTION_DEBUG,
	TK_EXCEPTION_GENERAL,    /* general protection: no address */
	TK_EXCEPTION_ALIGNMENT,
	TK_EXCEPTION_OVERFLOW,
	TK_EXCEPTION_BOUND,
};
#define TK_FLOAT_SIMD (1ull << 32)
enum tk_access { TK_ACCESS_READ = 1, TK_ACCESS_WRITE = 2, TK_ACCESS_EXECUTE = 4 };

/* Call operation op of a gate. message->args are the words, and become the reply's. -TK_ECLOSED: the unit is being restarted.
 * -TK_ELOST: it died while it served this call. -TK_EFATAL: it died by a fault in this call. (Of an essential unit these are -EAGAIN and
 * -EIO, until the machine is reset.) -EIO: it stays down.
 * -EPERM: the gate is not this domain's. -ENOSYS: no such operation. */
long tk_call(u32 gate, u32 op, struct tk_message *message) must_check;

/*
 * A deadline for the calls of gates that this activation makes from now on: absolute monotonic, NANOS_NEVER for none. Each activation has its
 * own, which ends with it. A call that has not ended then, and does not within some 25 ms of running either, is left: it answers -ETIMEDOUT, what
 * it did lies with the callee, and the callee has some seconds to end it before it has failed as hung. Calls into class IC0 are not left.
 * 0 · -EBUSY: in the start of a unit, or in a call that its caller has left already.
 */
long tk_call_deadline(nanos_t when);

/* ---- Waiting ------------------------------------------------------------------------------------------------------------ */

enum tk_wait_flags {
	TK_WAIT_KILLABLE = 1 << 0, /* only TK_INTERRUPT_KILL ends the wait, not the other bits of the interrupt word */
	TK_WAIT_CLIENT = 1 << 1,   /* the word is in the client's address space (right CLIENTS), private to it */
	TK_WAIT_SHARED = 1 << 2,   /* with CLIENT: keyed by (object, offset) of the region */
	TK_WAIT_LOCK = 1 << 3,     /* the word's low 30 bits are the owner's stack (address / TK_STACK_STRIDE): lend this priority */
	TK_WAIT_NEVER_INTERRUPTED = 1 << 4, /* short waits of locks: the interrupt word is not looked at */
};
/* Parks the thread while *word == expected and no interrupt is pending. deadline: absolute monotonic, or NANOS_NEVER.
 * 0 woken (look at the word again: it may be for no reason) · -EAGAIN the word differs · -EINTR interrupt word · -ETIMEDOUT · -EFAULT no such word · -ECANCELED word went away
 * -EBUSY: with SHARED, mem is changing the region table (also from tk_wake and tk_requeue): yield, and call again */
long tk_wait(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset);
/* Wakes at most count waiters whose bitset meets this one; the number woken. TK_WAIT_LOCK: the calling thread gives back the priority
 * that it was lent. */
long tk_wake(const volatile u32 *word, u32 count, u32 flags, u32 bitset);
/* If *word == expected (checked when flags has bit 31): wakes `wake`, moves up to `move` more to `to`. The number woken and moved. */
#define TK_REQUEUE_COMPARE (1u << 31)
struct tk_requeue {
	const volatile u32 *word;
	const volatile u32 *to;
	u32 expected, wake, move, flags;
};
long tk_requeue(const struct tk_requeue *request);

/* A poll word: written by its owner alone, in a page which others hold read-only. Wait on `sequence`. */
struct tk_pollword {
	volatile u32 level;    /* POLL* bits that hold now */
	volatile u32 sequence; /* counts every event */
};
/* A watch binds a poll word to a ready queue of the watcher: each tk_wake on the word's `sequence` puts `cookie` into the queue
 * (once until the watcher takes it) and wakes the queue's `tail`. Watches live in a watch-table object of the watcher.
 * `sequence` may be the tail of another table of the watcher (sets of more than one table, nested epoll): the core's own wake of a
 * tail fires the watches on it too, at most TK_WATCH_DEPTH tables deep; what is deeper is not told. */
#define TK_WATCH_DEPTH 6
long tk_watch(vaddr_t table, u32 index, const volatile u32 *sequence, u64 cookie) must_check;
long tk_unwatch(vaddr_t table, u32 index);

/* ---- The client's memory ------------------------------------------------------------------------------------------------ */

/* Copies within the ranges that the activation's interface declared (everything for right CLIENTS). Return the bytes done: less
 * than length when a page is missing (then user_fault_in of the runtime and retry) or the address is bad; -EPERM outside ranges. */
long tk_copy_in(void *to, vaddr_t from, size_t length) must_check;
long tk_copy_out(vaddr_t to, const void *from, size_t length) must_check;
/* The rest of this activation, and the thread's application afterwards, use this address space (right CLIENTS).
 * vspace 0: none. */
long tk_client_set(vaddr_t vspace) must_check;
/* Frame of the exported page of the calling thread's client address space, 0: none (right MEMORY). */
long tk_client_get(void) must_check;

/* ---- Objects and tokens -------------------------------------------------------------------------------------------------- */

enum tk_object_type {
	TK_OBJECT_NONE,
	TK_OBJECT_VSPACE,
	TK_OBJECT_THREAD,
	TK_OBJECT_POOL,
	TK_OBJECT_WATCHES,
	TK_OBJECT_DOMAIN,
	TK_OBJECT_IRQ,
	TK_OBJECT_PORTS,
	TK_OBJECT_TYPES
};
#define TK_OBJECT_FRAMES_MAX 16
struct tk_object_create {
	u32 type;
	u32 frame_count;                     /* frames given, all owned by the caller, mapped nowhere but in its window */
	frame_t frames[TK_OBJECT_FRAMES_MAX];/* [0] exported page, [1] private page; vspace: [2] root table;
	                                        thread: [2..] vector state (tk_boot_info.vector_frames), then TK_STACK_SIZE / PAGE_SIZE
	                                        frames of stack in the domain `abi` for an application's thread */
	vaddr_t vspace;                      /* thread: token of its address space, 0 for a unit's own thread */
	u64 argument;                        /* unit's own thread: index handed to TK_UPCALL_MAIN */
};
/* Turns frames into an object owned by the caller; result: its token (an address in the caller's window). */
long tk_object_create(const struct tk_object_create *request) must_check;
/* Ends the object: waiters are woken, holders see the dead page, its frames are the caller's again (user type, content undefined).
 * A thread must have exited (else -EBUSY); a vspace must be empty of mappings (else -EBUSY). */
long tk_object_destroy(vaddr_t token);
/* Makes an object as good as new without giving its frames back; its token, its holders and its settings stay. A thread of an application
 * that has exited (else -EBUSY): one that is not started, with its id, for the address space that `argument` is the token of. A vspace: it
 * must be empty of mappings and without users (else -EBUSY); argument 0. */
long tk_object_renew(vaddr_t token, u64 argument) must_check;

/* Verified vector write: fields of an object that a domain may read but only change through the core. */
enum tk_field {
	TK_FIELD_THREAD_POLICY,   /* enum tk_policy | priority or weight << 8 */
	TK_FIELD_THREAD_AFFINITY, /* bit mask of processors, low 64 */
	TK_FIELD_VSPACE_POOL,     /* token of the pool which serves its faults */
	TK_FIELD_VSPACE_TABLE,    /* first frame | log2 of page count << 32: a larger region table, contiguous frames of the caller */
	TK_FIELD_VSPACE_FAULTS,   /* gate-less: domain id which serves TK_UPCALL_FAULT */
	TK_FIELD_COUNT
};
enum tk_policy { TK_POLICY_FAIR, TK_POLICY_FIFO, TK_POLICY_ROUND_ROBIN };
struct tk_field_write { u32 field; u32 reserved; u64 value; };
long tk_object_write(vaddr_t token, const struct tk_field_write *writes, u32 count) must_check;

enum tk_mode { TK_MODE_READ, TK_MODE_WRITE };
/* Maps the page of an object, or a user frame, which the caller owns into another domain's window. */
long tk_grant(vaddr_t token, u32 domain, u32 mode) must_check;
/* Unmaps it there (TK_EVERYONE: in every holder but the owner); the holder's address shows the dead page of zeros from now on. */
#define TK_EVERYONE (~0u)
long tk_revoke(vaddr_t token, u32 domain);
/* Hands owned user frames (512 at most), mapped by no application, to another domain: they move from one window to the other.
 * -EBUSY: it has failed or was stopped. */
long tk_frames_give(frame_t first, u32 count, u32 domain) must_check;
/* Takes a frame from a unit that has failed or was stopped, and from all to which it was granted; an object ends, and its other frames can be
 * taken then (right MEMORY). -EBUSY: the unit runs, or the object can't end. -EPERM: not that unit's, or mapped: of its heap. */
long tk_frames_reclaim(u32 domain, frame_t frame) must_check;

/* ---- Memory (right MEMORY) ------------------------------------------------------------------------------------------------ */

/* Gives frames to the core's reserve of page tables; the result is how many it holds now (count 0: only asks). */
long tk_reserve_fill(const frame_t *frames, u32 count) must_check;
/* Brings a section of memory (boot info) under records: its frames are the caller's. Result: the first frame that is usable.
 * Section n is the frames from n * section_frames up to the next section or the end of memory. */
long tk_memory_online(u32 section) must_check;
/* Maps owned frames into the heap of a unit (0: the caller's own), at `page` pages above its heap base; they become that unit's. */
long tk_heap_map(u32 domain, u64 page, const frame_t *frames, u32 count) must_check;

enum tk_prot {
	TK_PROT_READ = 1, TK_PROT_WRITE = 2, TK_PROT_EXECUTE = 4,
	TK_PROT_COW = 8,  /* with WRITE: mapped read-only, a write copies. A frame that tk_map maps so belongs to a memory object: while
	                     it has mappings a write in such a mapping always copies, even when its map count is 1. */
};
struct tk_map {
	vaddr_t vspace;
	vaddr_t address;
	u32 count;              /* 512 at most */
	u32 prot;
	const frame_t *frames;  /* FRAME_NONE entries are skipped; pages already mapped are skipped */
};
/* Maps user frames which the caller owns. The number of entries gone through: less than count if the reserve ran out. */
long tk_map(const struct tk_map *request) must_check;
struct tk_unmap {
	vaddr_t vspace;
	vaddr_t address;
	u64 pages;
	frame_t *freed;  /* frames whose last mapping this removed */
	u32 capacity;    /* entries of freed */
	u32 freed_count; /* out */
	u64 done;        /* out: pages gone through; call again for the rest */
};
long tk_unmap(struct tk_unmap *request) must_check;
/* Changes what is mapped; the number of pages gone through (bounded a call). Adding WRITE to a frame which is mapped elsewhere or was
 * mapped with COW sets COW instead if prot has TK_PROT_COW (private memory). prot 0 keeps the frames, out of reach. */
long tk_protect(vaddr_t vspace, vaddr_t address, u64 pages, u32 prot) must_check;
/* Maps into `to` what `from` has at the same addresses; cow: both sides lose write permission until they copy. Pages gone through. */
struct tk_share { vaddr_t from, to; vaddr_t address; u64 pages; u32 cow; u32 reserved; };
long tk_share(const struct tk_share *request) must_check;
/* Moves mappings within one address space, to where nothing is mapped (mremap). Pages gone through. */
struct tk_move { vaddr_t vspace; vaddr_t from, to; u64 pages; };
long tk_move(const struct tk_move *request) must_check;
/* What is mapped at a page: frame number | enum tk_prot << 32 | dirty << 40 | accessed << 41; -ENOENT. */
long tk_query(vaddr_t vspace, vaddr_t address) must_check;

/* ---- Threads ------------------------------------------------------------------------------------------------------------ */

struct tk_regs;   /* <tessera/arch.h> */
enum tk_interrupt { TK_INTERRUPT_SIGNAL = 1, TK_INTERRUPT_KILL = 2, TK_INTERRUPT_STOP = 4 };
/* Sets bits of the thread's interrupt word and makes it notice: ends an interruptible wait, leaves user mode. */
long tk_thread_interrupt(vaddr_t thread, u32 bits);
long tk_thread_start(vaddr_t thread) must_check;
/* Ends the calling thread (an application's thread from its shim, a unit's own thread). It sets *word to 1 and wakes it, so that
 * the owner of the object learns that it may be destroyed; word may be NULL. Does not return. */
noreturn_fn void tk_thread_exit(volatile u32 *word);
/* Application registers of a thread that is in its shim, stopped or not yet started (thread 0: the calling thread).
 * Setting checks: user selectors, masked flags, canonical addresses. After a thread in a system call sets its own registers, the
 * call's result is not written over rax. */
long tk_thread_regs_get(vaddr_t thread, struct tk_regs *regs) must_check;
/* What becomes of the vector state when registers are set. Only TK_VECTOR_KEEP and _COPY are for another thread than the calling one.
 * `client` is an address of its memory, where a state has the processor's XSAVE layout (features: the components to be loaded, the others
 * become initial) or, _LEGACY, FXSAVE's. -EFAULT: memory that can't be reached now (mem's fault_in, and again), or a state
 * that is none; then nothing was set, but a state that can't be loaded leaves the initial one. */
enum tk_vector {
	TK_VECTOR_KEEP,
	TK_VECTOR_RESET,       /* the initial state */
	TK_VECTOR_SAVE,        /* written to client memory, then initial; bytes 464 to 511 and all but the first 8 of the header are kept */
	TK_VECTOR_LOAD,
	TK_VECTOR_LOAD_LEGACY,
	TK_VECTOR_COPY,        /* the calling thread's, for another one */
};
long tk_thread_regs_set(vaddr_t thread, const struct tk_regs *regs, enum tk_vector vector, vaddr_t client, u64 features) must_check;
long tk_yield(void);

/* ---- Devices ------------------------------------------------------------------------------------------------------------- */

/* Register at `offset` of a port range; width 1, 2 or 4 bytes. */
long tk_port_read(vaddr_t ports, u32 offset, u32 width) must_check;
long tk_port_write(vaddr_t ports, u32 offset, u32 width, u32 value);
/* Each interrupt adds one to *word, wakes it and masks the line until tk_irq_ack. */
long tk_irq_bind(vaddr_t irq, volatile u32 *word) must_check;
long tk_irq_ack(vaddr_t irq);

/* ---- System -------------------------------------------------------------------------------------------------------------- */

/* Loads the pristine image of a failed unit and opens its gates again (right DOMAINS). */
long tk_domain_restart(vaddr_t domain) must_check;
/* Ends a unit that runs as if it had failed by itself (state TK_DOMAIN_FAILED), or lets one that has failed stay down for good
 * (TK_DOMAIN_STOPPED): calls of it then answer -EIO (right DOMAINS). -EBUSY: it is in another state. */
long tk_domain_end(vaddr_t domain, u32 state) must_check;
/* Writes a line to the core's log (serial until a unit owns the console, then only the report channel). 256 bytes at most. */
long tk_log(const char *text, size_t length);
enum tk_power { TK_POWER_OFF, TK_POWER_RESET, TK_POWER_PANIC };
/* status: 0 to 255, reported to the machine's launcher. */
long tk_power(u32 how, u32 status);

#endif
