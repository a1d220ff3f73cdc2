/* Architecture contract: the processor itself. Everything here runs with interrupts off unless it says otherwise. */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <tessera/types.h>
#include <arch/layout.h>

/* What IRETQ reads. */
struct arch_return { u64 rip, cs, rflags, rsp, ss; };
/* How a processor enters one IC1 unit: constant but for `back` and the stack of `enter`. */
struct arch_crossing {
	struct arch_return enter;    /* a call of it: its entry */
	u64 close;                   /* what closes the core while it runs: IA32_PKRS with protection keys, else CR3 */
	u64 rsp0, ist1;              /* the ends of its entry stacks */
	struct arch_return back;     /* it goes on where it was */
	u64 reserved[3];
};
/* Readable while an IC1 unit runs; written only by the core. The first page of a processor's entry area. */
struct arch_entry_page {
	u64 core_root;         /* CR3 to load on entry from an IC1 unit by switched page tables; 0 with protection keys */
	u64 gdt[16] __attribute__((aligned(64)));
	u8 tss[128] __attribute__((aligned(64)));  /* 104 used; at a fixed place in the page, so it never crosses one */
	struct arch_crossing units[ARCH_UNITS_MAX] __attribute__((aligned(64))); /* by unit slot */
};

/* First member of struct cpu, at GS + ARCH_ENTRY_CPU. Offsets are generated for assembly by offsets.c. */
struct arch_cpu {
	struct arch_entry_page *entry;
	u64 core_stack;        /* top */
	u64 scratch;
	u32 apic_id;
	u32 processor;         /* = cpu.id */
	u64 root;              /* CR3 now loaded */
	volatile u32 ipi;      /* written by others: pending IPI reasons */
	u64 fatal_stack;       /* IST1 while no IC1 unit runs */
	u8 vector;             /* ARCH_VECTOR_ of layout.h: what the vector registers are */
	nanos_t timer;         /* for when its timer is set; NANOS_NEVER: not set */
};

struct cpu;
static inline struct cpu *arch_cpu(void)
{
	struct cpu *cpu;
	/* The entry page's address is at gs:0x1000 (arch_cpu.entry); struct cpu follows one page above. */
	__asm__("mov %%gs:0x1000, %0" : "=r"(cpu));
	return (struct cpu *)((char *)cpu + ARCH_ENTRY_CPU);
}

static inline void arch_relax(void) { __asm__ volatile("pause"); }
/* Waits for an interrupt with interrupts on for exactly that instruction (idle loop). */
void arch_cpu_idle(void);
void arch_cpu_poll(void);          /* lets an interrupt in that waits, in a loop of the idle thread */
noreturn_fn void arch_cpu_halt(void);
void arch_cpu_features_init(void); /* CR4, EFER, PAT, XCR0, PKRS, SYSCALL MSRs of this processor */

extern bool arch_has_keys;         /* supervisor protection keys are used */

/* Random 64 bits for boot-time seeds (RDRAND if present, else counter jitter: said in the log). */
u64 arch_entropy(void);

/* IPI reasons */
enum arch_ipi { ARCH_IPI_RESCHEDULE = 1, ARCH_IPI_TLB = 2, ARCH_IPI_STOP = 4 };
void arch_ipi_send(u32 cpu, u32 reason);

#endif
