/* The core's calls for IC0 units: plain functions that enter the core as a unit's SYSCALL does. */
#include <arch/offsets.h>
#include <arch/layout.h>
#include <arch/selectors.h>
#include "crossing.h"

.section .entry.text, "ax"

/* ---- IC0: the core's calls as plain functions -------------------------------------------------------------------------------------------------- */
ic0_call:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rcx, %r10
	cli
	movq %gs:CPU_CURRENT, %rbx
	leaq 1f(%rip), %r12
	movq %rsp, %r13
	movq %gs:CPU_CORE_STACK, %rsp
	jmp unit_call
1:	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

.macro IC0_CALL name number
.globl \name
.type \name, @function
\name:
	movl $\number, %eax
	jmp ic0_call
.endm
	IC0_CALL tk_wait, 2
	IC0_CALL tk_wake, 3
	IC0_CALL tk_requeue, 4
	IC0_CALL tk_watch, 5
	IC0_CALL tk_unwatch, 6
	IC0_CALL tk_copy_in, 7
	IC0_CALL tk_copy_out, 8
	IC0_CALL tk_client_set, 9
	IC0_CALL tk_object_create, 10
	IC0_CALL tk_object_destroy, 11
	IC0_CALL tk_object_write, 12
	IC0_CALL tk_grant, 13
	IC0_CALL tk_revoke, 14
	IC0_CALL tk_frames_give, 15
	IC0_CALL tk_reserve_fill, 16
	IC0_CALL tk_memory_online, 17
	IC0_CALL tk_heap_map, 18
	IC0_CALL tk_map, 19
	IC0_CALL tk_unmap, 20
	IC0_CALL tk_protect, 21
	IC0_CALL tk_share, 22
	IC0_CALL tk_move, 23
	IC0_CALL tk_query, 24
	IC0_CALL tk_thread_start, 25
	IC0_CALL tk_thread_exit, 26
	IC0_CALL tk_thread_interrupt, 27
	IC0_CALL tk_thread_regs_get, 28
	IC0_CALL tk_thread_regs_set, 29
	IC0_CALL tk_thread_vector_get, 30
	IC0_CALL tk_thread_vector_set, 31
	IC0_CALL tk_yield, 32
	IC0_CALL tk_port_read, 33
	IC0_CALL tk_port_write, 34
	IC0_CALL tk_irq_bind, 35
	IC0_CALL tk_irq_ack, 36
	IC0_CALL tk_domain_restart, 37
	IC0_CALL tk_log, 38
	IC0_CALL tk_power, 39
	IC0_CALL tk_client_get, 40

/* A gate call: head in rax, words in their registers, as a unit's SYSCALL has them; so do they come back. */
.globl ic0_gate_call
.type ic0_gate_call, @function
ic0_gate_call:
	cli
	movq %gs:CPU_CURRENT, %rbx
	popq %r12
	movq %rsp, %r13
	jmp gate_call

.section .note.GNU-stack, "", @progbits
