/*
 * What entry code must know of structures. The build compiles this file alone and makes <arch/offsets.h> of the values in the
 * compiler's output: nothing of it is linked.
 */
#include <stddef.h>
#include <arch/selectors.h>
#include <tessera/arch.h>
#include "cpu.h"
#include "domain.h"
#include "thread.h"

#define VALUE(name, value) __asm__ volatile("# offset " #name " %c0" : : "i"(value))
#define ENTRY(name, member) VALUE(ENTRY_##name, offsetof(struct arch_entry_page, member))
#define CROSSING(name, member) VALUE(CROSSING_##name, offsetof(struct arch_crossing, member))
#define CPU(name, member) VALUE(CPU_##name, ARCH_ENTRY_CPU + offsetof(struct cpu, member)) /* GS points to the entry page */
#define FRAME(name, member) VALUE(FRAME_##name, offsetof(struct arch_frame, member))
#define THREAD(name, member) VALUE(THREAD_##name, offsetof(struct thread, member))
#define ACTIVATION(name, member) VALUE(ACTIVATION_##name, offsetof(struct activation, member))
#define DOMAIN(name, member) VALUE(DOMAIN_##name, offsetof(struct domain, member))
#define GATE(name, member) VALUE(GATE_##name, offsetof(struct gate, member))

/* Entry code writes these together, and takes the kinds of a parameter as numbers that follow each other. */
_Static_assert(offsetof(struct activation, bulk_count) == offsetof(struct activation, stack) + 2
	&& offsetof(struct activation, range_count) == offsetof(struct activation, stack) + 3
	&& offsetof(struct activation, kind) == offsetof(struct activation, stack) + 4, "one store of 64 bits");
_Static_assert(offsetof(struct cpu, reschedule_later) == offsetof(struct cpu, reschedule) + 1, "entry code tests both at once");
_Static_assert(ARCH_GATE_SIZE == sizeof(struct gate), "callers of class IC0");
_Static_assert(TK_PARAM_APP_OUT == TK_PARAM_APP_IN + 1 && TK_PARAM_APP_INOUT == TK_PARAM_APP_IN + 2, "see ONE_RANGE");

void arch_offsets(void);
void arch_offsets(void)
{
	ENTRY(CORE_ROOT, core_root);
	ENTRY(RSP0, tss[ARCH_TSS_RSP0]);
	ENTRY(IST1, tss[ARCH_TSS_IST1]);
	CROSSING(ENTER_SP, enter.rsp);
	CROSSING(CLOSE, close);
	CROSSING(RSP0, rsp0);
	CROSSING(IST1, ist1);
	CROSSING(BACK, back);
	CROSSING(BACK_IP, back.rip);
	CROSSING(BACK_FLAGS, back.rflags);
	CROSSING(BACK_SP, back.rsp);
	CPU(ENTRY_PAGE, arch.entry);
	CPU(CORE_STACK, arch.core_stack);
	CPU(SCRATCH, arch.scratch);
	CPU(ROOT, arch.root);
	CPU(FATAL_STACK, arch.fatal_stack);
	CPU(VECTOR_OFF, arch.vector_off);
	CPU(CURRENT, current);
	CPU(VECTOR_OWNER, vector_owner);
	CPU(RESCHEDULE, reschedule);
	VALUE(FRAME_SIZE, sizeof(struct arch_frame));
	FRAME(R15, r15);
	FRAME(R14, r14);
	FRAME(R13, r13);
	FRAME(R12, r12);
	FRAME(RBP, rbp);
	FRAME(RBX, rbx);
	FRAME(R10, r10);
	FRAME(R9, r9);
	FRAME(R8, r8);
	FRAME(RAX, rax);
	FRAME(RDX, rdx);
	FRAME(RSI, rsi);
	FRAME(RDI, rdi);
	FRAME(VECTOR, vector);
	FRAME(RIP, rip);
	FRAME(RFLAGS, rflags);
	FRAME(RSP, rsp);
	THREAD(USER, arch.user);
	VALUE(THREAD_USER_END, offsetof(struct thread, arch.user) + sizeof(struct arch_frame));
	THREAD(SERVICE, arch.service);
	VALUE(THREAD_SERVICE_END, offsetof(struct thread, arch.service) + sizeof(struct arch_frame));
	THREAD(FS_BASE, arch.fs_base);
	THREAD(GS_BASE, arch.gs_base);
	THREAD(SYSCALL, arch.syscall);
	THREAD(VECTOR_LIVE, arch.vector_live);
	THREAD(DOMAIN, domain);
	THREAD(TOP, top);
	THREAD(PAGE, page);
	THREAD(CLIENT_ROOT, client_root);
	THREAD(STACK_TOP, stack_top);
	THREAD(RESUME_IP, resume_ip);
	THREAD(RESUME_SP, resume_sp);
	THREAD(RESULT, result);
	THREAD(OUTS, outs);
	THREAD(ID, id);
	THREAD(BADGE, badge);
	THREAD(RESUME, resume);
	THREAD(ATTENTION, attention);
	THREAD(ACTIVATIONS, activations);
	VALUE(ACTIVATIONS_LAST, offsetof(struct thread, activations[ACTIVATIONS_MAX - 1]));
	VALUE(ACTIVATION_SIZE, sizeof(struct activation));
	ACTIVATION(DOMAIN, domain);
	ACTIVATION(CALLER, caller);
	ACTIVATION(RETURN_IP, return_ip);
	ACTIVATION(RETURN_SP, return_sp);
	ACTIVATION(GENERATION, generation);
	ACTIVATION(STACK, stack);
	ACTIVATION(RANGES, ranges);
	VALUE(RIGHT_CLIENTS, TK_RIGHT_CLIENTS);
	VALUE(ONE_RANGE, TK_PARAM(TK_PARAM_APP_IN, 1, 0));
	DOMAIN(CROSSING, arch.crossing);
	DOMAIN(WAY, arch.way);
	DOMAIN(ROOT, arch.root);
	DOMAIN(ID, id);
	DOMAIN(RIGHTS, rights);
	DOMAIN(STATE, state);
	DOMAIN(GENERATION, generation);
	DOMAIN(ENTRY, entry);
	DOMAIN(STACK_TOPS, stack_tops);
	DOMAIN(STACKS_FREE, stacks_free);
	DOMAIN(STACK_WAITING, stack_waiting);
	DOMAIN(GATE_TABLE, gate_table);
	DOMAIN(STACK_USERS, stack_users);
	VALUE(GATE_SIZE, sizeof(struct gate));
	GATE(DOMAIN, domain);
	GATE(OPS, ops);
	GATE(OP_COUNT, op_count);
	GATE(FIRST, first);
}
