/* State of one processor. Reached through arch_cpu(); only its own processor writes it, but for the fields marked otherwise. */
#ifndef CORE_CPU_H
#define CORE_CPU_H

#include <tessera/types.h>
#include <arch/cpu.h>
#include "sched.h"
#include "wait.h"

#define CPUS_MAX 64

struct thread;
struct vspace;

struct cpu {
	struct arch_cpu arch;        /* first: entry code knows its offsets */
	u32 id;
	bool online;
	struct thread *current;      /* the thread whose state is loaded; the idle thread when nothing runs */
	struct thread *idle;
	struct vspace *vspace;       /* address space whose root (or a kernel-only root) is loaded */
	struct arch_vector *vector_owner; /* whose state is in the vector registers */
	/* Set: choose again, before leaving the core, or before the application goes on (entry code tests both at once). Others set them, too. */
	bool reschedule, reschedule_later;
	bool polling;                /* idle, and sees `reschedule` without an interrupt */
	u32 idles, poll_mask;        /* it polls when none of these bits is set in the number of times that it had nothing to do */
	nanos_t tick;                /* when it is looked at what the current thread does; NANOS_NEVER: there was none */
	bool yielding;               /* the current thread gave way: it goes behind its equals */
	struct run_queue queue;      /* locked by itself */
	struct timer_queue timers;   /* locked by itself */
};

extern u32 cpu_count;                   /* processors on line */
extern struct cpu *cpus[CPUS_MAX];

#endif
