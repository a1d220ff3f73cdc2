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
#include "spinlock.h"

struct domain;
struct vspace;

#define ACTIVATIONS_MAX 10

/* A byte range to copy back at reply. */
struct bulk_out { vaddr_t from, to; u32 length; u32 fixed; };
struct client_range { vaddr_t start; u64 size; u32 access; u32 reserved; };

/* One entry of a thread's chain of calls through domains: who was called, and where its caller goes on. */
struct activation {
	u16 domain;               /* callee */
	u16 stack;                /* index in the callee's pool, or STACK_OF_THREAD */
	u32 generation;           /* of the callee when it was entered */
	u32 caller;               /* domain of the caller, 0: an application or the core */
	u32 caller_generation;
	u64 return_ip, return_sp; /* of a calling unit */
	u32 kind;                 /* enum activation_kind */
	u8 bulk_count, range_count;
	u16 upcall;
	struct bulk_out bulk[2];
	struct client_range ranges[TK_RANGES_MAX];
	struct vspace *client;    /* the thread's client when it was entered */
	struct vspace *fault_space; /* kind FAULT: what to retry, pinned */
	vaddr_t fault_address;
	u32 fault_access;
	u32 reserved;
};
enum activation_kind {
	ACTIVATION_CALL,      /* from a unit: reply to return_ip */
	ACTIVATION_SYSCALL,   /* from the application: reply goes to its result register */
	ACTIVATION_EVENT,     /* exception or interrupt upcall: reply resumes the application's frame */
	ACTIVATION_FAULT,     /* upcall to mem: reply decides whether the access is retried */
	ACTIVATION_MAIN,      /* the base of a unit's own thread */
	ACTIVATION_START,     /* first entry of a unit */
};
#define STACK_OF_THREAD 0xffff

enum thread_state { THREAD_NEW, THREAD_RUNNABLE, THREAD_WAITING, THREAD_EXITED };
enum thread_resume {
	RESUME_USER,          /* application: arch.user, by IRETQ (or SYSRET when it came by SYSCALL and nothing changed) */
	RESUME_SERVICE,       /* preempted unit: arch.service */
	RESUME_CALL,          /* a unit that waits for a core call or a reply: resume_ip, resume_sp, results */
	RESUME_ENTER,         /* to be entered at its unit's entry: arch.enter */
	RESUME_IDLE,
};

struct thread {
	struct arch_thread arch;  /* first: entry code knows its offsets */
	u32 id;
	u32 state;                /* enum thread_state */
	u32 resume;               /* enum thread_resume */
	u32 depth;                /* activations in use */
	u64 resume_ip, resume_sp; /* RESUME_CALL */
	u64 result, outs[TK_OUTS_MAX];
	struct vspace *vspace;    /* client address space; NULL: none */
	struct tk_thread_page *page;  /* exported page, core's address */
	frame_t frame;            /* exported page */
	u32 owner;                /* domain */
	bool application;
	bool kill;                /* detach: ends when it next leaves a service */
	u16 stack_index;          /* slot of its stack in the abi unit */
	/* Scheduling: under the run queue's lock of `cpu`. */
	u32 cpu;
	u32 policy, priority, weight;
	u64 affinity;
	u64 virtual_time;         /* fair class: weighted run time, ns */
	u64 virtual_deadline;
	nanos_t slice_end;
	nanos_t accounted;        /* until when its time is accounted */
	bool queued;
	u32 lent_priority;        /* highest priority lent by waiters on its locks */
	struct rb_node run_node;
	struct list_node run_link;
	/* Waiting: under the wait bucket's lock. */
	struct {
		struct list_node link;
		u64 space, address;   /* the key */
		u32 bitset, flags;
		nanos_t deadline;
		struct rb_node timer_node;
		u32 timer_cpu;
		bool armed;           /* in a timer queue */
		struct wait_bucket *volatile bucket; /* NULL: not waiting */
	} wait;
	struct list_node domain_link; /* of own threads of a unit */
	struct activation activations[ACTIVATIONS_MAX];
};
_Static_assert(sizeof(struct thread) <= PAGE_SIZE, "the private part is one page");

static inline struct activation *thread_top(struct thread *t) { return t->depth ? &t->activations[t->depth - 1] : NULL; }

/* thread.c */
long thread_create(u32 caller, const struct tk_object_create *request) must_check;
long thread_destroy(struct thread *t, u32 caller);
long thread_start(struct thread *t);
struct thread *thread_of_id(u32 id);

#endif
