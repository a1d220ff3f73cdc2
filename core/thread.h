/*
 * Threads. The private page of a thread object: only the core sees it. A thread runs on one processor at a time; its fields are
 * written by that processor, or under its run queue's lock while it does not run.
 */
#ifndef CORE_THREAD_H
#define CORE_THREAD_H

#include <tessera/types.h>
#include <tessera/call.h>
#include <tessera/object.h>
#include <arch/context.h>
#include "rbtree.h"
#include "list.h"
#include "wait.h"

struct domain;
struct vspace;

/* A byte range to copy back to the caller at reply, or a range of the client's memory that the callee may reach. */
struct bulk_out { vaddr_t from, to; u32 length; u32 fixed; };
struct client_range { vaddr_t start; u64 size; u32 access; u32 reserved; };

enum activation_kind {
	ACTIVATION_CALL,      /* from a unit: reply to return_ip. 0: entry code tests for it */
	ACTIVATION_SYSCALL,   /* from the application: the reply goes to its result register */
	ACTIVATION_EVENT,     /* exception or interrupt upcall: the reply resumes the application */
	ACTIVATION_FAULT,     /* upcall to mem: the reply decides whether the access is retried */
	ACTIVATION_MAIN,      /* the base of a unit's own thread */
	ACTIVATION_START,     /* first entry of a unit */
	ACTIVATION_ORPHAN,    /* its caller has left: the reply ends the thread */
	ACTIVATION_LOOKED = 1 << 8, /* and: it was found in this call before; the next call's entry clears it */
	ACTIVATION_TIMED = 1 << 10, /* and: its calls have a deadline, of the same index in the thread's `deadlines` */
	ACTIVATION_VECTOR = 1 << 9, /* and: it has a vector state, which ends with it: entry code leaves such a reply to C */
};
static inline u32 activation_kind(u32 kind) { return kind & (ACTIVATION_LOOKED - 1); }

/* One entry of a thread's chain of calls through domains: who was called, and where its caller goes on. */
struct activation {
	struct domain *domain;    /* callee */
	struct domain *caller;    /* NULL: an application or the core */
	u64 return_ip, return_sp; /* of a calling unit */
	u32 generation;           /* of the callee when it was entered */
	u32 reserved;
	u16 stack;                /* index in the callee's pool, or STACK_OF_THREAD. Entry code writes these eight bytes at once */
	u8 bulk_count, range_count;
	u32 kind;                 /* enum activation_kind */
	struct bulk_out bulk[2];
	struct client_range ranges[TK_RANGES_MAX];
	vaddr_t fault_address;    /* kind FAULT */
	u32 fault_access;
	u32 reserved2;
};
_Static_assert(sizeof(struct activation) == 160, "entry code");
#define STACK_OF_THREAD 0xffff

enum thread_state { THREAD_NEW, THREAD_RUNNABLE, THREAD_WAITING, THREAD_EXITED };
enum thread_resume {
	RESUME_USER,          /* application: arch.user, by IRETQ (or SYSRET when it came by SYSCALL and nothing changed) */
	RESUME_SERVICE,       /* preempted unit: arch.service */
	RESUME_CALL,          /* a unit that waits for a core call or a reply: resume_ip, resume_sp, results */
	RESUME_IDLE,
	RESUME_BOOT,          /* the boot thread, between two units */
	RESUME_RETRY,         /* a gate call that waited for a stack: pending_number, pending */
};
enum thread_attention {
	ATTENTION_BASES = 1,   /* the application's segment bases are in arch, not in the registers */
	ATTENTION_RESULT = 2,  /* registers were set: the system call's result is not written */
};

#define ACTIVATIONS_MAX 10
#define THREADS_MAX 8192

struct thread {
	struct arch_thread arch;  /* first: entry code knows its offsets */
	struct domain *domain;    /* in which it runs; NULL: the application (entry code tests for it) */
	struct activation *top;   /* activations + depth - 1; just below activations when it is in the application */
	struct tk_thread_page *page;  /* exported page, core's address */
	struct vspace *vspace;    /* client address space; NULL: none */
	paddr_t client_root;      /* its root, or the kernel's */
	vaddr_t stack_top;        /* of its stack in the abi unit */
	u64 resume_ip, resume_sp; /* RESUME_CALL */
	u64 result, outs[TK_OUTS_MAX];
	u32 id;                   /* dense, from 1; unique among existing threads */
	u32 state;                /* enum thread_state */
	u32 resume;               /* enum thread_resume */
	u32 attention;            /* enum thread_attention: what the return to user mode must do first */
	volatile u32 on_cpu;      /* its state is still in a processor's registers: nobody else may run it */
	frame_t frame;            /* exported page */
	u64 badge;                /* id << 32, as units are told it */
	u32 owner;                /* domain */
	bool application;
	bool parked;              /* its call parked it: the result comes with the wake, which may come before the call has ended */
	u32 main_argument;        /* of a unit's own thread */
	/* Scheduling: under the run queue's lock of `cpu`. */
	u32 cpu;
	u32 policy, priority, weight; /* fair: priority 0 */
	u64 affinity;
	u64 virtual_time;         /* fair class: weighted run time, ns */
	u64 virtual_deadline;
	nanos_t slice_end;
	nanos_t accounted;        /* until when its time is accounted */
	bool queued;
	u32 queued_priority;      /* of the list it stands in; 0: the fair tree */
	u32 lent_priority;        /* highest priority lent by waiters on its locks */
	struct rb_node run_node;
	struct list run_link;
	/* Waiting: under the wait bucket's lock. */
	struct {
		struct list link;
		u64 space, address;   /* the key */
		u32 bitset, flags;
		struct timer timer;
		u32 serial;           /* counts waits: a late timer must not end the next one */
		struct wait_bucket *volatile bucket; /* NULL: not waiting */
	} wait;
	u64 exit_space, exit_address; /* key of the word to wake after it ended */
	struct list stack_link;  /* waits for a stack of stack_domain */
	struct domain *stack_domain;
	u32 pending_number;
	u64 pending[TK_ARGS_MAX]; /* RESUME_RETRY */
	struct activation activations[ACTIVATIONS_MAX] __attribute__((aligned(64)));
	volatile u32 expiring;    /* timer interrupts that are about to end its wait or look at it: it must not be destroyed meanwhile */
	volatile u32 lives;       /* 0: not started, or gone; else 1, and one for itself and each orphan of it that has not ended */
	/* detach.c */
	struct thread *origin;    /* of an orphan: whose calls it finishes */
	struct spinlock look_lock; /* who plans the next look; taken before a timer queue's */
	struct timer look;
	nanos_t deadline;         /* the earliest of these; it may be over, and its call, too */
	nanos_t deadlines[ACTIVATIONS_MAX]; /* of the calls that an activation makes */
	volatile bool dying;      /* was told to end */
	bool fatal;               /* it faulted in a unit, and has not left it yet */
	volatile bool starting;   /* runs the start of a unit */
	volatile bool look_due, look_waited; /* a look was made at it, and ended a wait */
	u32 looks, looks_waiting; /* that found it where it was */
};
_Static_assert(sizeof(struct thread) <= PAGE_SIZE, "the private part is one page");

/* The range lies in one that the activation's interface declared, for all of this access (enum tk_access). */
static inline bool activation_holds_range(const struct activation *a, vaddr_t start, u64 size, u32 access)
{
	for (u32 i = 0; i < a->range_count; i++) {
		const struct client_range *r = &a->ranges[i];
		if ((r->access & access) == access && start >= r->start && size <= r->size && start - r->start <= r->size - size)
			return true;
	}
	return false;
}
static inline bool thread_in_application(const struct thread *t) { return t->domain == NULL; }

/* thread.c */
/* The private part, cleared before; its exported page, its vector state or NULL. */
void thread_init(struct thread *t, struct tk_thread_page *page, struct arch_vector *vector);
long thread_create(u32 caller, const struct tk_object_create *request) must_check;
long thread_destroy(void *thread) must_check;
long thread_renew(void *thread, u32 caller, vaddr_t vspace) must_check; /* as tk_object_renew */
long thread_start(struct thread *t);
/* The current thread ends; sched_switch chooses another. exit_word was set by tk_thread_exit. */
void thread_exit_current(struct thread *t);
/* Priority inheritance for the thread on a stack of d: its address / TK_STACK_STRIDE, from a lock word, so it may be anything. */
void thread_lend(const struct domain *d, u32 stack, u32 priority);
long thread_interrupt(struct thread *t, u32 bits);
/* A thread of the core or of a unit, from boot memory. */
struct thread *thread_create_boot(void);
/* The processor has left the thread: its state is in memory now. Called by sched_switch. */
void thread_left(struct thread *t);

/* activation.c */
/* Enters `domain` with an upcall of the core; -EAGAIN if it is not running, -ENOMEM if too deep. Thread t is current or new. */
long activation_upcall(struct thread *t, struct domain *domain, u32 kind, const struct tk_request *request) must_check;
/* Ends the top activation with a result and sets how the thread goes on. */
void activation_reply(struct thread *t, u64 result, const u64 *outs);
/* Ends every activation above and including the deepest one in a failed generation; the caller of that one gets -EIO. */
void activation_unwind(struct thread *t);
/* The activation in which an application's system calls are served, as entry code expects it. */
void activation_base_reset(struct thread *t);
/* The thread's base activation ends without a reply: it exits. */
void activation_leave(struct thread *t);
/* Ends the activation `from` and those above for this thread, with a result for its caller; an orphan finishes them. */
void activation_abandon(struct thread *t, struct activation *from, long result);
/* The result of the call that the thread has made, or waits to make; no out words. */
void call_answer(struct thread *t, long result);
/* Takes a thread from those that wait for a stack: true if it was among them. */
bool stack_wait_end(struct thread *t);
/* A stack of d became free, or d failed, while threads wait for one: the first of them tries again. */
void stack_waiter_wake(struct domain *d);
/* A gate call that the fast path of entry.S did not do: marshalled parameters, errors, waiting for a stack. */
void gate_call_slow(struct thread *t, u32 number, const u64 *args);
/* trap.c: the application's access failed for good: tells the shim. */
void trap_raise_fault(struct thread *t, vaddr_t address, u32 access, long error);

#endif
