/* x86_64: makes handlers' frames and takes them back (rt_sigreturn). Layout and rules are those of Linux's signal.c and fpu/signal.c. */
#include "frame.h"
#include <mem_client.h>
#include <tessera/arch.h>

#define RED_ZONE 128
#define USER_CODE 0x33
#define USER_STACK 0x2b
#define FLAGS_CLEARED (1ull << 8 | 1ull << 10 | 1ull << 16) /* TF, DF, RF */
#define VECTOR_ALIGNMENT 64ull

static void registers_show(const struct shim_thread *t, const struct tk_regs *regs, struct signal_registers *to)
{
	*to = (struct signal_registers){
		.r8 = regs->r8, .r9 = regs->r9, .r10 = regs->r10, .r11 = regs->r11, .r12 = regs->r12, .r13 = regs->r13,
		.r14 = regs->r14, .r15 = regs->r15, .rdi = regs->rdi, .rsi = regs->rsi, .rbp = regs->rbp, .rbx = regs->rbx,
		.rdx = regs->rdx, .rax = regs->rax, .rcx = regs->rcx, .rsp = regs->rsp, .rip = regs->rip, .rflags = regs->rflags,
		.cs = USER_CODE, .ss = USER_STACK, .error = t->fault.error, .trap = t->fault.trap, .fault_address = t->fault.address,
	};
}

static void registers_take(const struct signal_registers *from, struct tk_regs *regs)
{
	regs->r8 = from->r8;
	regs->r9 = from->r9;
	regs->r10 = from->r10;
	regs->r11 = from->r11;
	regs->r12 = from->r12;
	regs->r13 = from->r13;
	regs->r14 = from->r14;
	regs->r15 = from->r15;
	regs->rdi = from->rdi;
	regs->rsi = from->rsi;
	regs->rbp = from->rbp;
	regs->rbx = from->rbx;
	regs->rdx = from->rdx;
	regs->rax = from->rax;
	regs->rcx = from->rcx;
	regs->rsp = from->rsp;
	regs->rip = from->rip;
	regs->rflags = from->rflags;
	regs->orig_rax = ~0ull;
}

#define FAULTS_MAX 16 /* another thread may take the pages away again, or the state is one that the processor refuses */

/* Sets registers, and vector state in the application's memory, whose pages are brought in. */
static long registers_set(const struct tk_regs *regs, enum tk_vector how, vaddr_t vector, u64 features)
{
	u32 access = how == TK_VECTOR_SAVE ? TK_ACCESS_WRITE : TK_ACCESS_READ;
	long error = tk_thread_regs_set(0, regs, how, vector, features);

	for (u32 faults = 0; error == -EFAULT && faults < FAULTS_MAX; faults++) {
		if (mem_fault_in(vector, rt_boot->vector_size, access) < 0)
			break;
		error = tk_thread_regs_set(0, regs, how, vector, features);
	}
	return error;
}

/* Linux's notes in the vector state that goes there, and the part of its header that the processor does not write. */
static long vector_note(vaddr_t vector)
{
	const size_t size = rt_boot->vector_size;
	const struct {
		struct vector_note note;
		u64 header[VECTOR_HEADER_SIZE / sizeof(u64)];
	} notes = {
		.note = { .magic = FRAME_MAGIC_FIRST, .whole_size = (u32)(size + FRAME_MAGIC_SIZE),
			  .features = rt_boot->vector_features, .state_size = (u32)size },
	};
	const u32 last = FRAME_MAGIC_LAST;
	long error = user_copy_out(vector + VECTOR_NOTE_OFFSET, &notes, sizeof(notes));

	return error < 0 ? error : user_copy_out(vector + size, &last, sizeof(last));
}

/* How a state is to be loaded: if it is one of ours in full with its features, else only its legacy part counts. */
static long vector_noted(vaddr_t vector, u64 *features)
{
	struct vector_note note;
	u32 last;

	if (!vector)
		return TK_VECTOR_RESET;
	if (user_copy_in(&note, vector + VECTOR_NOTE_OFFSET, sizeof(note)) < 0)
		return -EFAULT;
	if (note.magic != FRAME_MAGIC_FIRST || note.state_size < VECTOR_LEGACY_SIZE + VECTOR_HEADER_SIZE ||
	    note.state_size > rt_boot->vector_size || note.state_size > note.whole_size)
		return TK_VECTOR_LOAD_LEGACY;
	if (user_copy_in(&last, vector + note.state_size, sizeof(last)) < 0)
		return -EFAULT;
	*features = note.features;
	return last == FRAME_MAGIC_LAST ? TK_VECTOR_LOAD : TK_VECTOR_LOAD_LEGACY;
}

/* Where the frame goes: below the red zone or on the alternate stack; 0: there is no room. */
static vaddr_t frame_place(const struct shim_thread *t, const struct tk_regs *regs, u64 flags, vaddr_t *vector)
{
	bool active = shim_on_altstack(t, regs->rsp), enter = false;
	u64 stack = regs->rsp - RED_ZONE;

	if (flags & PROC_SA_ONSTACK && t->altstack.size && !active) {
		stack = t->altstack.base + t->altstack.size;
		enter = true;
	}
	*vector = (stack - rt_boot->vector_size - FRAME_MAGIC_SIZE) & ~(VECTOR_ALIGNMENT - 1);
	stack = ((*vector - sizeof(struct signal_frame)) & ~15ull) - 8;
	/* A frame that leaves the alternate stack would be written over who knows what. */
	if ((active || enter) && (stack <= t->altstack.base || stack - t->altstack.base > t->altstack.size))
		return 0;
	return stack;
}

static void context_fill(const struct shim_thread *t, const struct tk_regs *regs, struct signal_context *context)
{
	context->flags = CONTEXT_VECTOR | CONTEXT_STACK_SEGMENT | CONTEXT_STRICT_STACK;
	context->link = 0;
	context->stack = (struct linux_stack){
		.base = t->altstack.base, .size = t->altstack.size,
		.flags = (i32)(t->altstack.size ? (shim_on_altstack(t, regs->rsp) ? SS_ONSTACK : 0) | t->altstack.flags : SS_DISABLE),
	};
	registers_show(t, regs, &context->registers);
}

static void handler_enter(struct tk_regs *regs, const struct proc_delivery *delivery, vaddr_t frame)
{
	regs->rdi = (u64)delivery->info.signal;
	regs->rsi = frame + offsetof(struct signal_frame, info);
	regs->rdx = frame + offsetof(struct signal_frame, context);
	regs->rax = 0;
	regs->rip = delivery->action.handler;
	regs->rsp = frame;
	regs->rflags &= ~FLAGS_CLEARED;
	regs->orig_rax = ~0ull;
}

long shim_frame_make(struct shim_thread *t, struct tk_regs *regs, const struct proc_delivery *delivery, u64 mask)
{
	struct signal_frame frame; /* every byte of it is written: it goes to the application */
	vaddr_t vector, at = frame_place(t, regs, delivery->action.flags, &vector);
	long error;

	if (!at || !(delivery->action.flags & PROC_SA_RESTORER))
		return -EFAULT;
	frame.return_address = delivery->action.restorer;
	context_fill(t, regs, &frame.context);
	frame.context.registers.vector = vector;
	frame.context.registers.old_mask = mask;
	frame.context.mask = mask;
	memcpy(frame.info, &delivery->info, sizeof(delivery->info));
	memset(frame.info + sizeof(delivery->info), 0, sizeof(frame.info) - sizeof(delivery->info));
	error = vector_note(vector);
	if (error >= 0)
		error = user_copy_out(at, &frame, sizeof(frame));
	if (error < 0)
		return error;
	handler_enter(regs, delivery, at);
	error = registers_set(regs, TK_VECTOR_SAVE, vector, 0); /* handlers start with the initial state */
	if (error < 0) {
		registers_take(&frame.context.registers, regs);
		return error;
	}
	if (t->altstack.flags & SS_AUTODISARM)
		memset(&t->altstack, 0, sizeof(t->altstack));
	return 0;
}

/* Registers with which the processor could not go back to the program: it faults, as it does for Linux. */
static bool return_faults(const struct signal_registers *registers)
{
	return (registers->cs | 3) != USER_CODE || (registers->ss | 3) != USER_STACK || (u64)((i64)registers->rip << 16 >> 16) != registers->rip;
}

/* 1: the frame was taken, and the way back faults. */
static long frame_take(struct shim_thread *t, struct tk_regs *regs)
{
	struct signal_context context;
	u64 old, features = 0;
	long how, error = user_copy_in(&context, regs->rsp - sizeof(u64) + offsetof(struct signal_frame, context), sizeof(context));

	if (error >= 0)
		error = proc_signal_mask(PROC_MASK_SET, context.mask, &old);
	if (error < 0)
		return error;
	how = vector_noted(context.registers.vector, &features);
	if (how < 0)
		return how;
	registers_take(&context.registers, regs);
	error = registers_set(regs, (enum tk_vector)how, context.registers.vector, features);
	if (error < 0)
		return error;
	(void)!shim_altstack_set(t, &context.stack, shim_on_altstack(t, regs->rsp)); /* what can't be set stays */
	return return_faults(&context.registers);
}

/* The frame is none, or what it holds faults on the way back. */
static long frame_refuse(struct shim_thread *t)
{
	return signals_act(t, shim_signal_force(t, SIGSEGV, PROC_SI_KERNEL, 0), 0, true);
}

long sys_rt_sigreturn(struct shim_thread *t, const u64 *a)
{
	struct tk_regs regs;
	long faults;

	(void)a;
	if (tk_thread_regs_get(0, &regs) < 0)
		shim_thread_end(t, SIGKILL);
	faults = frame_take(t, &regs);
	if (faults < 0)
		return frame_refuse(t);
	t->restart.call = NULL;
	if (!faults)
		return (long)regs.rax;
	t->fault.trap = 13;
	t->fault.error = 0;
	return frame_refuse(t);
}
