/* Interrupts and exceptions after entry code has saved the frame: page faults, upcalls to the shim, failures of units, devices. */
#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/page.h>
#include <arch/time.h>
#include <arch/vectors.h>
#include <tessera/errno.h>
#include "../../assert.h"
#include "../../cpu.h"
#include "../../domain.h"
#include "../../log.h"
#include "../../sched.h"
#include "../../thread.h"
#include "../../vspace.h"
#include "../../wait.h"
#include "processor.h"
#include "trap.h"

enum { VECTOR_DIVIDE = 0, VECTOR_BOUND = 5,
	VECTOR_ILLEGAL = 6, VECTOR_NO_VECTOR_UNIT = 7, VECTOR_SEGMENT = 11, VECTOR_STACK = 12,
	VECTOR_GENERAL = 13, VECTOR_PAGE = 14, VECTOR_X87 = 16, VECTOR_ALIGNMENT = 17, VECTOR_SIMD = 19 };
enum { PAGE_ERROR_WRITE = 2, PAGE_ERROR_EXECUTE = 16, PAGE_ERROR_KEY = 32 };

extern char arch_copy_start[], arch_copy_bytes[], arch_copy_end[], arch_copy_fault[], arch_copy_fault_bytes[];
extern char ic0_copy_start[], ic0_copy_end[], ic0_copy_fault[];
extern char arch_load_start[], arch_load_end[], arch_load_fault[];

/* ---- The application ---------------------------------------------------------------------------------------------------------------- */

/* Enters the shim (or `mem`); if that can't be, the thread waits or ends: the instruction runs again otherwise. */
static void upcall(struct thread *t, struct domain *d, u32 kind, u32 op, const u64 args[4])
{
	struct tk_request request = { .args = { args[0], args[1], args[2], args[3] }, .interface = TK_INTERFACE_CORE, .op = op,
		.thread = t->id };
	long error = activation_upcall(t, d, kind, &request);

	if (error == 0 || error == -EBUSY) /* entered, or parked until a stack is free */
		return;
	if (error == -EAGAIN) { /* the unit is being restarted: let it */
		sched_yield();
		return;
	}
	core_log("thread %u ends: its %s can't be entered (%ld)", t->id, d->page->name, error);
	thread_exit_current(t);
}

static void exception_raise(struct thread *t, enum tk_exception exception, u64 address, u64 detail)
{
	const u64 args[4] = { exception, address, detail, t->arch.user.rip };

	t->arch.syscall = ~0ull;
	upcall(t, abi_domain, ACTIVATION_EVENT, TK_UPCALL_EXCEPTION, args);
}

void trap_raise_fault(struct thread *t, vaddr_t address, u32 access, long error)
{
	enum tk_exception exception = TK_EXCEPTION_MAPPING;

	if (error == -EACCES)
		exception = TK_EXCEPTION_PROTECTION;
	else if (error == -EIO)
		exception = TK_EXCEPTION_BUS;
	else if (error == -ENOMEM)
		exception = TK_EXCEPTION_MEMORY;
	exception_raise(t, exception, address, access);
}

static void application_page_fault(struct thread *t, const struct arch_frame *f)
{
	u64 address = cr2_read();
	u32 access = f->error & PAGE_ERROR_EXECUTE ? TK_ACCESS_EXECUTE : f->error & PAGE_ERROR_WRITE ? TK_ACCESS_WRITE : TK_ACCESS_READ;

	if (t->vspace == NULL || address >= ARCH_USER_LIMIT) {
		trap_raise_fault(t, address, access, -EFAULT);
		return;
	}
	enum fault_outcome outcome = vspace_fault(t->vspace, address, access);
	if (likely(outcome == FAULT_SERVED))
		return;
	if (outcome == FAULT_REFUSED) {
		trap_raise_fault(t, address, access, -EACCES);
		return;
	}
	const u64 args[4] = { domains[t->vspace->fault_domain].window + (u64)t->vspace->id * PAGE_SIZE, address, access, 0 };
	upcall(t, &domains[t->vspace->fault_domain], ACTIVATION_FAULT, TK_UPCALL_FAULT, args);
	if (t->domain) {
		t->top->fault_address = address;
		t->top->fault_access = access;
	}
}

/* Arithmetic exceptions that are flagged and not masked. */
#define FLOAT_FLAGS 0x3f
#define SIMD_MASK_SHIFT 7

static u32 simd_status(void)
{
	u32 value;
	__asm__ volatile("stmxcsr %0" : "=m"(value));
	return value & ~(value >> SIMD_MASK_SHIFT) & FLOAT_FLAGS;
}

static u16 x87_status(void)
{
	u16 status, control;
	__asm__ volatile("fnstsw %0; fnstcw %1" : "=a"(status), "=m"(control));
	return status & ~control & FLOAT_FLAGS;
}

static void application_exception(struct thread *t, const struct arch_frame *f, u32 vector)
{
	static const struct { u8 exception; bool at_ip; } kinds[32] = {
		[VECTOR_DIVIDE] = { TK_EXCEPTION_DIVIDE, true }, [VECTOR_DEBUG] = { TK_EXCEPTION_DEBUG, true },
		[VECTOR_BREAKPOINT] = { TK_EXCEPTION_BREAKPOINT, false }, [VECTOR_OVERFLOW] = { TK_EXCEPTION_OVERFLOW, false },
		[VECTOR_BOUND] = { TK_EXCEPTION_BOUND, false }, [VECTOR_ILLEGAL] = { TK_EXCEPTION_ILLEGAL, true },
		[VECTOR_X87] = { TK_EXCEPTION_FLOAT, true }, [VECTOR_SIMD] = { TK_EXCEPTION_FLOAT, true },
		[VECTOR_ALIGNMENT] = { TK_EXCEPTION_ALIGNMENT, false },
	};

	if (vector == VECTOR_PAGE) {
		application_page_fault(t, f);
	} else if (vector == VECTOR_NO_VECTOR_UNIT) {
		if (!vector_first_use(t))
			exception_raise(t, TK_EXCEPTION_ILLEGAL, f->rip, 0);
	} else if (kinds[vector].exception) {
		u64 detail = vector == VECTOR_X87 ? x87_status() : vector == VECTOR_SIMD ? simd_status() | TK_FLOAT_SIMD : 0;
		exception_raise(t, kinds[vector].exception, kinds[vector].at_ip ? f->rip : 0, detail);
	} else {
		exception_raise(t, TK_EXCEPTION_GENERAL, 0, f->error);
	}
}

/* ---- From outside the core ---------------------------------------------------------------------------------------------------------------- */

static void interrupt(u32 vector)
{
	if (vector == ARCH_VECTOR_TIMER) {
		arch_irq_end();
		arch_timer_fired();
		timer_arrived();
	} else if (vector == ARCH_VECTOR_IPI) {
		arch_irq_end();
		nmi_report();
		ipi_arrived();
	} else if (vector != ARCH_VECTOR_SPURIOUS) {
		u32 line = arch_irq_line(vector);
		if (line == ~0u)
			return;
		arch_irq_mask(line);
		arch_irq_end();
		irq_arrived(line);
	}
}

/* IC0 and IC1 units copy user memory themselves: a page that can be served is, what else they can't reach the core's own copy refuses. */
static bool copy_fault_served(struct thread *t, struct arch_frame *f, u32 vector)
{
	const struct domain *d = t->domain;
	u64 start = d->class ? d->entry - ARCH_UNIT_COPY : (u64)ic0_copy_start, address = cr2_read();
	u64 fault = d->class ? d->entry - ARCH_UNIT_COPY_FAULT : (u64)ic0_copy_fault;

	if (d->class > 1 || f->rip < start || f->rip >= (d->class ? fault : (u64)ic0_copy_end))
		return false;
	if (vector != VECTOR_PAGE || f->error & PAGE_ERROR_KEY || t->vspace == NULL || address >= ARCH_USER_LIMIT ||
	    vspace_fault(t->vspace, address, f->error & PAGE_ERROR_WRITE ? TK_ACCESS_WRITE : TK_ACCESS_READ) != FAULT_SERVED)
		f->rip = fault;
	return true;
}

static __attribute__((noinline)) void unit_interrupted(struct thread *t, struct arch_frame *f, u32 vector)
{
	struct domain *d = t->domain;

	t->resume = RESUME_SERVICE;
	if (d->class != 0) {
		if (vector == VECTOR_NMI || vector == VECTOR_MACHINE_CHECK || vector == VECTOR_DOUBLE_FAULT)
			vector = trap_any_time_in_unit(d, f, vector);
		f->rflags = arch_unit_flags(f->rflags);
	}
	if (vector >= 32) {
		interrupt(vector);
		/* What an entry stack said is the unit's own affair, but it must not fault on the way back. */
		if (d->class == 0 || (i64)(f->rip << 16) >> 16 == (i64)f->rip)
			return;
		vector = VECTOR_GENERAL;
	}
	if ((vector == VECTOR_PAGE || vector == VECTOR_GENERAL) && copy_fault_served(t, f, vector))
		return;
	if (vector == VECTOR_NO_VECTOR_UNIT && vector_first_use(t))
		return;
	t->fatal = true;
	domain_fail(d, vector, (u32)f->error, vector == VECTOR_PAGE ? cr2_read() : 0, f->rip);
}

void trap_from_outside(struct thread *t, struct arch_frame *f, u32 vector)
{
	f->vector = 0;
	if (t->domain)
		return unit_interrupted(t, f, vector);
	t->resume = RESUME_USER;
	if (vector < 32)
		application_exception(t, f, vector);
	else
		interrupt(vector);
}

/* An application's system call while the shim is being restarted: the instruction runs again. */
void trap_syscall_without_shim(struct thread *t)
{
	t->arch.user.rip -= 2;
	t->arch.user.rax = t->arch.syscall;
	t->arch.user.vector = 0;
	t->resume = RESUME_USER;
	sched_yield();
}

/* ---- From the core itself --------------------------------------------------------------------------------------------------------------------- */

void trap_from_core(struct arch_frame *f, u32 vector)
{
	const bool access = vector == VECTOR_PAGE || vector == VECTOR_GENERAL;
	char *ip = (char *)f->rip;

	if (vector >= 32 && arch_cpu()->current == arch_cpu()->idle) {
		arch_cpu()->polling = false; /* the next switch, whose queue lock orders it, looks at the queue anyhow */
		arch_tlb_idle_leave();
		interrupt(vector);
		arch_resume();
	}
	if (access && ip >= arch_copy_start && ip < arch_copy_bytes)
		f->rip = (u64)arch_copy_fault;
	else if (access && ip >= arch_copy_bytes && ip < arch_copy_end)
		f->rip = (u64)arch_copy_fault_bytes;
	else if (access && ip >= arch_load_start && ip < arch_load_end)
		f->rip = (u64)arch_load_fault;
	else
		trap_fatal(f, vector);
}

void trap_fatal(const struct arch_frame *f, u32 vector)
{
	core_log("core: vector %u error 0x%lx at 0x%lx stack 0x%lx address 0x%lx", vector, f->error, f->rip, f->rsp, cr2_read());
	core_panic("exception %u in the core", vector);
}
