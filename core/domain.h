/*
 * Domains: the run-time protection context of a unit. Static: made at boot from the manifest, never freed.
 * `generation` counts failures: a reply or an activation of an older generation is skipped.
 */
#ifndef CORE_DOMAIN_H
#define CORE_DOMAIN_H

#include <tessera/types.h>
#include <tessera/boot.h>
#include <tessera/object.h>
#include <arch/domain.h>
#include "frame.h"
#include "spinlock.h"
#include "list.h"

struct thread;
struct arch_vector;

struct gate {
	struct domain *domain;      /* NULL: no such gate */
	const u64 *ops;
	volatile u32 op_count;      /* 0 unless its unit runs: entry code looks at nothing else */
	u32 first;                  /* number of its first operation within the unit */
};
extern struct gate gates[TK_GATES_MAX];

#define UNIT_SEGMENTS_MAX 6
struct elf_program_header;
struct unit_segment { vaddr_t start; const struct elf_program_header *header; frame_t frame; u32 pages; bool kept; };

#define DOMAIN_FAILING 0u
struct domain {
	struct arch_domain arch;    /* first: entry code knows its offsets */
	u32 id;
	u32 class;
	u32 rights;
	u32 level;
	volatile u32 state;         /* enum tk_domain_state, or DOMAIN_FAILING: on its way to TK_DOMAIN_FAILED */
	volatile u32 generation;
	vaddr_t window;             /* base of its token window */
	vaddr_t private;            /* base of its private area */
	vaddr_t entry;
	vaddr_t stack_tops;         /* end of its first stack; the others are TK_STACK_STRIDE apart */
	u64 private_size;           /* bytes from private that may hold its memory: bounds of its pointers */
	paddr_t root;               /* page tables which hold its areas: IC2 its own, else the kernel's */
	volatile u64 stacks_free;   /* bit i: pool stack i is free */
	volatile u32 stack_waiting; /* threads that wait for one: a reply then takes the slow path */
	u32 stack_count;
	struct gate **gate_table;   /* by gate number: the gate if it may call it, else one without operations */
	struct thread *stack_users[64]; /* thread that holds pool stack i, NULL once it has left a failed domain; stale while the stack is free */
	struct arch_vector *vectors; /* of the calls on its stacks; NULL: it is built without vector code */
	struct spinlock lock;       /* guards what follows, and its page tables */
	struct list stack_waiters;
	u64 heap_pages;             /* mapped */
	struct unit_segment segments[UNIT_SEGMENTS_MAX]; /* of its image, for restarts */
	const struct elf_program_header *dynamic;        /* NULL: its image has no relocations */
	u32 segment_count, keeps;   /* keeps: it has a segment that restarts leave as it is, and so its heap and stacks */
	frame_t boot_frame;         /* its boot page */
	u32 restarts;
	struct tk_domain_page *page;/* exported page, core's address */
	frame_t frame;
	const struct tk_manifest_unit *unit;
	const struct frame_record *held; /* the records, moved so that their first word of holders is the one with its bit */
	u64 held_bit;
};

extern struct domain domains[TK_DOMAINS_MAX]; /* [0] is the core; id = index */
extern u32 domain_count;                      /* ids below it exist */

static inline void domain_number(struct domain *d, u32 id)
{
	d->id = id;
	d->held = (const struct frame_record *)((const u64 *)frame_record(0) + id / 64);
	d->held_bit = 1ull << (id % 64);
}
/* As frame_held_by. */
static inline bool domain_holds(const struct domain *d, u64 frame)
{
	return __atomic_load_n(&d->held[frame].holders[0], __ATOMIC_RELAXED) & d->held_bit;
}
static inline bool domain_may_call(const struct domain *d, u32 gate) { return d->unit->gates_allowed[gate / 64] >> (gate % 64) & 1; }
/* Its state has changed: its gates are open when it runs and closed when it does not, its page tells the state. */
void domain_show_state(struct domain *d);
/* [address, address + size) lies in memory that the domain itself may name in a request: its private area or window. */
bool domain_owns_range(const struct domain *d, vaddr_t address, u64 size);
u64 domain_page_flags(const struct domain *d, u64 access); /* of its pages; access: ARCH_PAGE_WRITE, ARCH_PAGE_EXECUTE */
/* Copies of requests from and to the calling unit's memory: 0 or -EFAULT. The running thread's top activation must be d's. */
long domain_copy_in(const struct domain *d, void *to, vaddr_t from, size_t size) must_check;
long domain_copy_out(const struct domain *d, vaddr_t to, const void *from, size_t size) must_check;

/* domain.c: boot */
void domain_load_all(void);
extern struct domain *abi_domain;   /* serves applications' system calls */
extern long (*abi_syscall)(u32 number, const u64 *args, u32 thread); /* its short way in, of class IC0 */
/* start.c: first entries of units, at boot in level order, later for a restart by the calling thread */
void start_prepare(void);           /* objects of boot memory, before it is sealed */
noreturn_fn void start_run(void);
long domain_restart(struct thread *t, struct domain *d);
long domain_end(struct domain *d, u32 state); /* as tk_domain_end */
void domain_started(struct thread *t, struct domain *d, long result);
void start_step(struct thread *t) __attribute__((noinline, cold));  /* the boot thread's next step */
void start_super_changed(void);     /* super has failed, or a thread has left it */
void start_thread_ended(const struct thread *t); /* any thread, only compared: a unit's own starts again if a restart waited for it */
/* unit.c: image, stacks and heap of an IC1 or IC2 unit */
void unit_load(struct domain *d);
void unit_reload(struct domain *d); /* pristine content of everything that it could write and does not keep; all stacks are free */
void unit_map_memory(struct domain *d); /* stacks and heap, of every class */

/* failure.c: ends a domain: its activations return errors to their callers, its gates answer -EAGAIN. */
void domain_fail(struct domain *d, u32 vector, u32 code, vaddr_t address, vaddr_t ip);

#endif
