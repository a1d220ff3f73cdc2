/* Saved state of threads: setting it up, switching it, registers of applications. */
#include <arch/context.h>
#include <arch/page.h>
#include <arch/selectors.h>
#include <tessera/errno.h>
#include "../../cpu.h"
#include "../../thread.h"
#include "../../domain.h"
#include "processor.h"
#include "trap.h"
#include "../../vspace.h"

/* Flags that programs see as Linux lets them set them: arithmetic, TF, DF, NT, AC, ID; interrupts are always on. */
#define FLAGS_SETTABLE 0x254dd5ul
/* Flags a preempted unit gets back: arithmetic, direction, AC (an IC1 unit may set it anyhow). No TF. */
#define FLAGS_UNIT 0x40cd5ul

extern char ic0_run[];

void arch_context_init_cpu(struct cpu *cpu)
{
	vector_close(cpu);
	cpu->arch.vector = ARCH_VECTOR_SAVED;
	cpu->vector_owner = VECTOR_NOBODY;
}

void arch_thread_init(struct thread *t, struct arch_vector *vector)
{
	__builtin_memset(&t->arch, 0, sizeof(t->arch));
	t->arch.vector = vector;
	t->arch.syscall = ~0ull;
	t->arch.user.cs = ARCH_SELECTOR_USER_CODE;
	t->arch.user.ss = ARCH_SELECTOR_USER_DATA;
	t->arch.user.rflags = ARCH_FLAGS_FIXED;
	t->attention = ATTENTION_BASES;
	if (vector) {
		vector->cpu = ~0u;
		vector_reset(vector->area);
	}
}

void arch_thread_continue(struct thread *to, const struct thread *from)
{
	to->arch.service = from->arch.service;
	vector_leave(arch_cpu());
}

void arch_enter_unit(struct thread *t, const struct domain *d, vaddr_t stack, const struct tk_request *request)
{
	struct arch_frame *f = &t->arch.service;

	if (arch_cpu()->arch.vector == ARCH_VECTOR_OPEN) /* the caller's, a unit with vector code */
		vector_close(arch_cpu());
	f->rflags = ARCH_FLAGS_FIXED;
	t->resume = RESUME_SERVICE;
	if (d->class == 0) {
		struct tk_request *place = (struct tk_request *)(round_down(stack, 16) - sizeof(*request));
		*place = *request;
		f->rdi = f->rsp = (u64)place;
		f->rax = d->entry;
		f->rip = (u64)ic0_run;
		f->cs = ARCH_SELECTOR_CORE_CODE;
		f->ss = ARCH_SELECTOR_CORE_DATA;
		return;
	}
	/* Other registers hold nothing of anybody's. */
	f->r15 = f->r14 = f->rbp = f->r11 = f->rax = f->rcx = f->rdx = f->vector = f->error = 0;
	f->rdi = request->args[0];
	f->rsi = request->args[1];
	f->r12 = request->args[2];
	f->r10 = request->args[3];
	f->r8 = request->args[4];
	f->r9 = request->args[5];
	f->r13 = request->op == ~0u ? ~0ull : request->interface ? request->interface | (u64)request->op << 16 : request->op;
	f->rbx = request->caller | (u64)request->thread << 32;
	f->rip = d->entry;
	f->rsp = round_down(stack, 16);
	f->cs = d->class == 1 ? ARCH_SELECTOR_UNIT_CODE : ARCH_SELECTOR_USER_CODE;
	f->ss = d->class == 1 ? ARCH_SELECTOR_UNIT_DATA : ARCH_SELECTOR_USER_DATA;
}

/* The thread's application leaves the processor, as entry code has it: who has this attention finds the vector unit closed, too. */
static void application_leave(struct thread *t)
{
	if (t->attention & ATTENTION_BASES)
		return;
	if (arch_cpu()->arch.vector == ARCH_VECTOR_OPEN)
		vector_close(arch_cpu());
	__asm__ volatile("rdfsbase %0" : "=r"(t->arch.fs_base));
	__asm__ volatile("swapgs; rdgsbase %0; swapgs" : "=r"(t->arch.gs_base));
	t->attention |= ATTENTION_BASES;
}

/* Data selectors are whatever the thread loaded; the next one must not see them, nor lose a base by them. Bases are saved. */
static void selectors_clear(void)
{
	u32 ds, es, fs, gs, none = 0;

	__asm__ volatile("movl %%ds, %0; movl %%es, %1; movl %%fs, %2; movl %%gs, %3" : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	if (likely(!(ds | es | fs | gs)))
		return;
	__asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs; swapgs; movl %0, %%gs; swapgs" : : "r"(none));
}

static void client_load(struct cpu *cpu, struct vspace *new)
{
	cpu->vspace = new;
	/* Relaxed: the load of CR3 waits for it, see arch_root_cpus. */
	__atomic_store_n(&cpu->arch.root, new ? new->root : arch_kernel_root, __ATOMIC_RELAXED);
	cr3_write(cpu->arch.root);
}

void arch_thread_switch(struct thread *from, struct thread *to)
{
	struct cpu *cpu = arch_cpu();
	struct vspace *old = cpu->vspace, *new = to->vspace;

	application_leave(from);
	selectors_clear();
	if (cpu->arch.vector != ARCH_VECTOR_SAVED)
		vector_leave(cpu);
	if (cpu->vector_owner == to->arch.vector && to->arch.vector->cpu != cpu->id)
		cpu->vector_owner = VECTOR_NOBODY; /* it ran elsewhere since */
	if (new != old)
		client_load(cpu, new);
}

void arch_client_load(struct thread *t)
{
	struct cpu *cpu = arch_cpu();

	if (t->vspace != cpu->vspace)
		client_load(cpu, t->vspace);
	t->client_root = t->vspace ? t->vspace->root : arch_kernel_root;
}

void arch_set_syscall_result(struct thread *t, u64 result) { t->arch.user.rax = result; }

/* ---- Registers of an application ------------------------------------------------------------------------------------------------------ */

long arch_regs_get(struct thread *t, struct tk_regs *regs)
{
	const struct arch_frame *f = &t->arch.user;
	/* SYSCALL takes rcx and r11, so entry code leaves them out of the frame; the number of the call it stores once, as such. */
	bool called = f->vector == ARCH_VECTOR_SYSCALL, answered = !called || t->arch.syscall == ~0ull;

	application_leave(t); /* the calling thread's own are still in the registers */
	*regs = (struct tk_regs){
		answered ? f->rax : t->arch.syscall, f->rbx, called ? f->rip : f->rcx, f->rdx, f->rsi, f->rdi, f->rbp, f->rsp, f->r8, f->r9, f->r10,
		called ? f->rflags : f->r11, f->r12, f->r13, f->r14, f->r15, f->rip, f->rflags, t->arch.fs_base, t->arch.gs_base, t->arch.syscall,
	};
	return 0;
}

static bool canonical(u64 address) { return (u64)((i64)(address << 16) >> 16) == address; }

long arch_regs_set(struct thread *t, const struct tk_regs *regs, u32 vector, vaddr_t client, u64 features)
{
	struct arch_frame *f = &t->arch.user;
	long error;

	/* Any canonical base: programs set what they like by instruction, and it gives them no right. */
	if (!canonical(regs->fs_base) || !canonical(regs->gs_base))
		return -EPERM;
	error = vector == TK_VECTOR_KEEP ? 0 : vector_change(t, vector, client, features);
	if (error)
		return error;
	/* Commit. An instruction pointer outside the user half is kept at the limit, where nothing is ever mapped: the thread faults there
	 * in user mode, never on the way out of the core. */
	f->rax = regs->rax; f->rbx = regs->rbx; f->rcx = regs->rcx; f->rdx = regs->rdx;
	f->rsi = regs->rsi; f->rdi = regs->rdi; f->rbp = regs->rbp; f->rsp = regs->rsp;
	f->r8 = regs->r8; f->r9 = regs->r9; f->r10 = regs->r10; f->r11 = regs->r11;
	f->r12 = regs->r12; f->r13 = regs->r13; f->r14 = regs->r14; f->r15 = regs->r15;
	f->rip = regs->rip < ARCH_USER_LIMIT ? regs->rip : ARCH_USER_LIMIT;
	f->rflags = (regs->rflags & FLAGS_SETTABLE) | ARCH_FLAGS_FIXED;
	f->cs = ARCH_SELECTOR_USER_CODE;
	f->ss = ARCH_SELECTOR_USER_DATA;
	f->vector = 0; /* leave by IRETQ: rcx and r11 are its own */
	t->arch.syscall = regs->orig_rax;
	application_leave(t);
	t->arch.fs_base = regs->fs_base;
	t->arch.gs_base = regs->gs_base;
	t->attention |= ATTENTION_RESULT;
	return 0;
}

u64 arch_unit_flags(u64 flags) { return (flags & FLAGS_UNIT) | ARCH_FLAGS_FIXED; }
