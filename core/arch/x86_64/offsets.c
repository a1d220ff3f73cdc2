/*
 * What entry code must know of structures. The build compiles this file alone and makes <arch/offsets.h> of the values in the
 * compiler's output, names in capitals: nothing of it is linked.
 */
#include <stddef.h>
#include <arch/selectors.h>
#include <tessera/arch.h>
#include "cpu.h"
#include "domain.h"
#include "thread.h"

#define VALUE(name, value) __asm__ volatile("# offset " #name " %c0" : : "i"(value))
/* PREFIX_MEMBER for each of up to 20 members: its offset in a structure that begins at `base`. */
#define MEMBERS(...) REPEAT(REPEAT(REPEAT(REPEAT(MEMBER(__VA_ARGS__)))))
#define REPEAT(...) AGAIN(AGAIN(AGAIN(AGAIN(__VA_ARGS__))))
#define AGAIN(...) __VA_ARGS__
#define MEMBER(prefix, base, type, member, ...) \
	VALUE(prefix##_##member, (base) + offsetof(type, member)); \
	__VA_OPT__(MEMBER_NEXT NOTHING () (prefix, base, type, __VA_ARGS__))
#define MEMBER_NEXT() MEMBER
#define NOTHING

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
	MEMBERS(ENTRY, 0, struct arch_entry_page, core_root)
	VALUE(ENTRY_RSP0, offsetof(struct arch_entry_page, tss[ARCH_TSS_RSP0]));
	VALUE(ENTRY_IST1, offsetof(struct arch_entry_page, tss[ARCH_TSS_IST1]));
	MEMBERS(CROSSING, 0, struct arch_crossing, close, rsp0, ist1, back)
	VALUE(CROSSING_ENTER_SP, offsetof(struct arch_crossing, enter.rsp));
	VALUE(CROSSING_BACK_IP, offsetof(struct arch_crossing, back.rip));
	VALUE(CROSSING_BACK_FLAGS, offsetof(struct arch_crossing, back.rflags));
	VALUE(CROSSING_BACK_SP, offsetof(struct arch_crossing, back.rsp));
	/* GS points to the entry page. */
	MEMBERS(CPU, ARCH_ENTRY_CPU + offsetof(struct cpu, arch), struct arch_cpu, entry, core_stack, scratch, root, fatal_stack, vector)
	MEMBERS(CPU, ARCH_ENTRY_CPU, struct cpu, current, vector_owner, reschedule)
	VALUE(FRAME_SIZE, sizeof(struct arch_frame));
	MEMBERS(FRAME, 0, struct arch_frame, r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rax, rdx, rsi, rdi, vector, rip, rflags, rsp)
	MEMBERS(THREAD, offsetof(struct thread, arch), struct arch_thread, service, fs_base, gs_base, syscall, vector)
	VALUE(THREAD_USER_END, offsetof(struct thread, arch.user) + sizeof(struct arch_frame));
	VALUE(THREAD_SERVICE_END, offsetof(struct thread, arch.service) + sizeof(struct arch_frame));
	MEMBERS(THREAD, 0, struct thread, domain, top, page, client_root, stack_top, resume_ip, resume_sp, result, outs, id, badge, resume,
		attention, activations)
	VALUE(ACTIVATIONS_LAST, offsetof(struct thread, activations[ACTIVATIONS_MAX - 1]));
	VALUE(ACTIVATION_SIZE, sizeof(struct activation));
	MEMBERS(ACTIVATION, 0, struct activation, domain, caller, return_ip, return_sp, generation, stack, ranges)
	VALUE(RIGHT_CLIENTS, TK_RIGHT_CLIENTS);
	VALUE(ONE_RANGE, TK_PARAM(TK_PARAM_APP_IN, 1, 0));
	MEMBERS(DOMAIN, offsetof(struct domain, arch), struct arch_domain, crossing, way, root)
	MEMBERS(DOMAIN, 0, struct domain, id, rights, state, generation, entry, stack_tops, stacks_free, stack_waiting, gate_table, stack_users)
	VALUE(GATE_SIZE, sizeof(struct gate));
	MEMBERS(GATE, 0, struct gate, domain, ops, op_count, first)
}
