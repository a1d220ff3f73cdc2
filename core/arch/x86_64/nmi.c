/*
 * What comes at any time: NMI and machine checks, also within the stubs of entry.S, exit.S and vectors.S. On a stack of the core the
 * hardware's frame is true and what was interrupted goes on. On the entry stack of an IC1 unit nothing is true but the registers, since
 * the unit writes there: whatever the frame says, the unit goes on at its own privilege, where a look at the stubs says that it would be.
 */
#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/selectors.h>
#include <arch/time.h>
#include <arch/vectors.h>
#include "../../cpu.h"
#include "../../domain.h"
#include "../../log.h"
#include "apic.h"
#include "processor.h"
#include "stubs.h"
#include "trap.h"

#define REPORT_NANOS 1000000000ull
#define SYSCALL_SIZE 2

/* vectors.S: places relative to the fields themselves. */
struct stub { i32 begin, end; u32 place; };
extern const struct stub stubs[], stubs_end[];
extern const char vector_stubs[];
#define VECTOR_STUBS 256
#define VECTOR_STUB_SIZE 32
_Static_assert(sizeof(struct stub) == 12, "entry code");

/* Of each processor, written by itself: how many came, how many of them the log told, and when. */
static struct { volatile u32 nmis, machine_checks; u32 told; nanos_t told_at; } seen[CPUS_MAX];

static u64 place_of(const i32 *field) { return (u64)field + (u64)(i64)*field; }

static u32 stub_at(u64 ip)
{
	for (const struct stub *s = stubs; s < stubs_end; s++)
		if (ip >= place_of(&s->begin) && ip < place_of(&s->end))
			return s->place;
	return STUB_NONE;
}

static void take_return(struct arch_frame *f, const struct arch_return *to)
{
	f->rip = to->rip;
	f->rsp = to->rsp;
	f->rflags = to->rflags;
	f->rax = f->rcx = f->rdx = 0;
}

/*
 * A stub of vectors.S was interrupted: its own frame tells the unit's state, as far as the stub has pushed it. A fault comes again; a trap
 * does not, so its vector is told, which the unit can only forge to its own harm.
 */
static u32 take_vector(struct arch_frame *f, const u64 *end)
{
	u64 words = ((u64)end - f->rsp) / 8, stub = (f->rip - (u64)vector_stubs) / VECTOR_STUB_SIZE;
	u64 vector = stub < VECTOR_STUBS ? stub : f->rdi;
	u64 *const registers[] = { &f->rdi, &f->rsi, &f->rdx, &f->rcx, &f->rax };

	if (words < 5 || words > 12)
		return ARCH_VECTOR_SPURIOUS;
	for (u32 i = 0; i < countof(registers); i++)
		if (words >= 8 + i)
			*registers[i] = end[-8 - (i64)i];
	f->rip = end[-5];
	f->rflags = end[-3];
	f->rsp = end[-2];
	return vector == VECTOR_DEBUG || vector == VECTOR_BREAKPOINT || vector == VECTOR_OVERFLOW ? (u32)vector : ARCH_VECTOR_SPURIOUS;
}

/* The frame becomes the state in which the unit is, or would be next; the vector that is still to be handled. */
static u32 unit_state_take(const struct domain *d, struct arch_frame *f)
{
	const struct arch_crossing *crossing = &arch_cpu()->arch.entry->units[d->arch.slot];
	const u64 *end = (const u64 *)crossing->rsp0;

	switch (stub_at(f->rip)) {
	case STUB_VECTOR:
		return take_vector(f, end);
	case STUB_CALL: /* as if SYSCALL were not done yet */
		f->rip = f->rcx - SYSCALL_SIZE;
		f->rflags = ARCH_FLAGS_FIXED;
		break;
	case STUB_CALL_SAVED:
		f->rip = f->rbp - SYSCALL_SIZE;
		f->rflags = ARCH_FLAGS_FIXED;
		break;
	case STUB_ENTER: /* as if IRETQ were done */
		take_return(f, &crossing->enter);
		break;
	case STUB_BACK:
		take_return(f, &crossing->back);
		break;
	case STUB_RESUME:
		take_return(f, &crossing->back);
		f->rax = end[-1];
		f->rcx = end[-2];
		f->rdx = end[-3];
	}
	return ARCH_VECTOR_SPURIOUS;
}

/* Clears what the banks say (Intel SDM volume 3, 15.3.2); true when the processor can go on where it was. */
static bool machine_check_harmless(void)
{
	bool good = msr_read(MSR_MACHINE_CHECK_STATUS) & MACHINE_CHECK_RESTARTABLE;
	u32 banks = msr_read(MSR_MACHINE_CHECK_CAPABILITIES) & 0xff;

	for (u32 i = 0; i < banks; i++) {
		u64 status = msr_read(MSR_MACHINE_CHECK_BANK + 4 * i);
		if (!(status & BANK_VALID))
			continue;
		good &= !(status & (BANK_CONTEXT_CORRUPT | BANK_ACTION_REQUIRED));
		msr_write(MSR_MACHINE_CHECK_BANK + 4 * i, 0);
	}
	msr_write(MSR_MACHINE_CHECK_STATUS, 0);
	return good;
}

/* Counts it, or stops the machine. Takes no lock and touches nothing that can fault. */
static void arrived(const struct arch_frame *f, u32 vector)
{
	u32 id = arch_cpu()->id;

	if (vector == VECTOR_NMI)
		seen[id].nmis++;
	else if (vector == VECTOR_MACHINE_CHECK && machine_check_harmless())
		seen[id].machine_checks++;
	else
		trap_fatal(f, vector);
	apic_interrupt_self(); /* whose handler tells the log */
}

void trap_any_time(struct arch_frame *f, u32 vector)
{
	/* One in the other: the first one's frame was on top of this stack and is gone. */
	if (arch_cpu()->arch.fatal_stack - f->rsp < ARCH_ENTRY_FATAL_SIZE)
		trap_fatal(f, vector);
	arrived(f, vector);
}

/* The processor holds further NMIs back until an IRETQ. */
static void nmi_end(void)
{
	u64 stack;

	__asm__ volatile("movq %%rsp, %0; pushq %1; pushq %0; pushfq; pushq %2; leaq 1f(%%rip), %0; pushq %0; iretq; 1:"
			 : "=&r"(stack) : "i"(ARCH_SELECTOR_CORE_DATA), "i"(ARCH_SELECTOR_CORE_CODE) : "memory", "cc");
}

u32 trap_any_time_in_unit(const struct domain *d, struct arch_frame *f, u32 vector)
{
	arrived(f, vector);
	vector = unit_state_take(d, f);
	nmi_end();
	/* An interrupt whose stub was interrupted has been accepted and would never come again. The processor says so, not the frame. */
	u32 accepted = apic_in_service();
	return accepted ? accepted : vector;
}

void nmi_report(void)
{
	u32 id = arch_cpu()->id, count = seen[id].nmis + seen[id].machine_checks;
	nanos_t now = arch_nanos();

	if (count == seen[id].told || (seen[id].told && now - seen[id].told_at < REPORT_NANOS))
		return;
	seen[id].told = count;
	seen[id].told_at = now;
	core_log("processor %u: %u NMIs, %u machine checks so far", id, seen[id].nmis, seen[id].machine_checks);
}
