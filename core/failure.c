/* The end of a domain by its own fault: callers get errors, its gates answer -EAGAIN until it is restarted. */
#include "assert.h"
#include "cpu.h"
#include "domain.h"
#include "log.h"
#include "thread.h"
#include "wait.h"
#include <arch/cpu.h>
#include <tessera/errno.h>

/* Threads that wait inside the domain, or for one of its stacks, come out. */
static void release_threads(struct domain *d)
{
	for (u32 i = 0; i < d->stack_count; i++) {
		struct thread *t = d->stack_users[i];
		if (!(d->stacks_free >> i & 1) && t && t->domain == d)
			wait_cancel(t, 0, -ECANCELED);
	}
	while (d->stack_waiting)
		stack_waiter_wake(d);
}

void domain_fail(struct domain *d, u32 vector, u32 code, vaddr_t address, vaddr_t ip)
{
	struct cpu *here = arch_cpu();
	u32 running = TK_DOMAIN_RUNNING, restarting = TK_DOMAIN_RESTARTING;

	if (vector == TK_FAULT_HUNG)
		core_log("unit %s failed: it hangs, %s", d->page->name, code ? "waiting" : "running");
	else
		core_log("unit %s failed: vector %u error 0x%x address 0x%lx ip 0x%lx", d->page->name, vector, code, address, ip);
	if (d->class == 0)
		core_fail("a unit of class IC0 failed");
	/* The first fault ends it; threads that fault in it meanwhile only unwind. It is not restarted before all that follows is done. */
	if (!__atomic_compare_exchange_n(&d->state, &running, DOMAIN_FAILING, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
		&& !__atomic_compare_exchange_n(&d->state, &restarting, DOMAIN_FAILING, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	domain_show_state(d);
	__atomic_fetch_add(&d->generation, 1, __ATOMIC_SEQ_CST);
	d->page->fault_vector = vector;
	d->page->fault_code = code;
	d->page->fault_address = address;
	d->page->fault_ip = ip;
	d->page->generation = d->generation;
	release_threads(d);
	/* Processors that run in it come into the core and unwind on their way out. */
	for (u32 i = 0; i < cpu_count; i++)
		if (i != here->id)
			arch_ipi_send(i, ARCH_IPI_RESCHEDULE);
	__atomic_store_n(&d->state, TK_DOMAIN_FAILED, __ATOMIC_RELEASE);
	domain_show_state(d);
	if (d->id == boot_manifest.super_domain)
		start_super_changed();
}
