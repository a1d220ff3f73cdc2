/* The core's calls for IC0 units: plain functions that enter the core as a unit's SYSCALL does. */
#include <arch/offsets.h>
#include <arch/layout.h>
#include "user_access.h"
#include "crossing.h"

#define COPY_DIRECT_MAX 4096                /* interrupts are off meanwhile */

.section .entry.text, "ax"

/* ---- IC0: the core's calls as plain functions -------------------------------------------------------------------------------------------------- */
ic0_call: /* eax number, arguments as C has them */
	PUSH rbx, rbp, r12, r13, r14, r15
	cli
	movq %gs:CPU_CURRENT, %rbx
	leaq 1f(%rip), %r11
	movq %r11, THREAD_RESUME_IP(%rbx)
	movq %rsp, THREAD_RESUME_SP(%rbx)
	movl $2, THREAD_RESUME(%rbx)        /* RESUME_CALL */
	movq %gs:CPU_CORE_STACK, %rsp
	PUSH_WORDS rdx, rcx
	movl %eax, %esi
	jmp core_call_run
1:	movq %rdi, %rax
	POP r15, r14, r13, r12, rbp, rbx
	ret

/* Functions of the calls whose numbers follow each other. */
.macro IC0_CALLS first, names:vararg
	.set number, \first
	.irp name, \names
.globl \name
.type \name, @function
\name:
	movl $number, %eax
	jmp ic0_call
	.set number, number + 1
	.endr
.endm
	IC0_CALLS 2, tk_wait, tk_wake, tk_requeue, tk_watch, tk_unwatch
	IC0_CALLS 9, tk_client_set, tk_object_create, tk_object_destroy, tk_object_write, tk_grant, tk_revoke, tk_frames_give
	IC0_CALLS 16, tk_reserve_fill, tk_memory_online, tk_heap_map, tk_map, tk_unmap, tk_protect, tk_share, tk_move, tk_query
	IC0_CALLS 25, tk_thread_start, tk_thread_exit, tk_thread_interrupt, tk_thread_regs_get, tk_thread_regs_set
	IC0_CALLS 30, tk_yield, tk_port_read, tk_port_write, tk_irq_bind, tk_irq_ack
	IC0_CALLS 35, tk_domain_restart, tk_log, tk_power, tk_client_get, tk_domain_end, tk_object_renew, tk_frames_reclaim, tk_call_deadline

/*
 * Copies of the client's memory, whose address space is loaded while an IC0 unit runs: small ones are done at once. A fault, and what
 * the look at the range leaves open, is for the core's own copy: trap_from_outside goes on at ic0_copy_fault.
 */
.macro IC0_COPY name number client own
.globl \name
.type \name, @function
\name:
	movl $\number, %r11d
	movabsq $(1 << 47) - 4096 - COPY_DIRECT_MAX, %rax /* ARCH_USER_LIMIT, less the longest copy */
	cmpq %rax, \client
	ja ic0_copy_call
	movabsq $ARCH_KERNEL_HALF, %rax
	cmpq %rax, \own
	jb ic0_copy_call
	jmp ic0_copy
.endm
	IC0_COPY tk_copy_in, 7, %rsi, %rdi
	IC0_COPY tk_copy_out, 8, %rdi, %rsi

ic0_copy_call:
	movl %r11d, %eax
	jmp ic0_call

ic0_copy: /* rdi to, rsi from, rdx size, r11 number of the call */
	cmpq $COPY_DIRECT_MAX, %rdx
	ja ic0_copy_call
	movq %rdi, %r8
	movq %rsi, %r9
	movq %rdx, %rax
	movl %edx, %ecx
	shrl $3, %ecx
	andl $7, %edx
	cli                                 /* nothing else runs with the user's pages open */
	USER_ACCESS_OPEN
.globl ic0_copy_start
ic0_copy_start:
	rep movsq
	movl %edx, %ecx
	rep movsb
.globl ic0_copy_end
ic0_copy_end:
	USER_ACCESS_CLOSE
	sti
	ret
.globl ic0_copy_fault
ic0_copy_fault: /* with the registers of the fault */
	USER_ACCESS_CLOSE
	movq %r8, %rdi
	movq %r9, %rsi
	movq %rax, %rdx
	sti
	jmp ic0_copy_call

/* A gate call: its number in rbx, words in their registers, as a unit's SYSCALL has them; so do they come back. */
.globl ic0_gate_call
.type ic0_gate_call, @function
ic0_gate_call:
	cli
	movq %gs:CPU_CURRENT, %rcx
	popq %rbp
	movq %rsp, %r11
	jmp gate_call

/* A buffer of an IC0 unit goes to the stack rdx of a unit that it calls: its word becomes its place there. rax, rcx, r11, r14. */
.macro BUFFER_IN address, length
	movq %rdi, %r11
	movq %rsi, %r14
	movq \length, %rax
	subq %rax, %rdx
	andq $-16, %rdx
	movq \address, %rsi
	movq %rdx, %rdi
	movl %eax, %ecx
	shrl $3, %ecx
	rep movsq
	movl %eax, %ecx
	andl $7, %ecx
	rep movsb
	movq %r11, %rdi
	movq %r14, %rsi
	movq %rdx, \address
.endm

/*
 * A call by a gate that was chosen when it was linked (ic0_gate_call_plain), with buffers that go in, from the first word on (bl: 0 one,
 * 1 two, 3 three), or two and a range of the client's memory (bh: enum tk_access). They lie in class IC0's memory, which is all mapped,
 * and are as long as the caller's own code lets them be.
 */
.globl ic0_gate_call_in
.type ic0_gate_call_in, @function
ic0_gate_call_in:
	cli
	movq %gs:CPU_CURRENT, %rcx
	movq GATE_DOMAIN(%r14), %r15
	cmpl $ARCH_WAY_USER, DOMAIN_WAY(%r15)
	je ic0_gate_call_slow               /* its stack is out of reach */
	STACK_TAKE ic0_gate_call_slow
	popq CALLED+ACTIVATION_RETURN_IP(%rax)
	movq %rsp, CALLED+ACTIVATION_RETURN_SP(%rax)
	pushq %rbx
	ACTIVATION_PUSH ic0_gate_call_closed
	popq %rbp
	BUFFER_IN %rdi, %rsi
	testb $1, %bpl
	jz 1f
	BUFFER_IN %r12, %r10
	testb $2, %bpl
	jz 1f
	BUFFER_IN %r8, %r9
1:	movq %gs:CPU_CURRENT, %rcx
	shrl $8, %ebp
	jz 2f
	movq THREAD_TOP(%rcx), %rax
	movq %r8, ACTIVATION_RANGES(%rax)
	movq %r9, ACTIVATION_RANGES+8(%rax)
	movl %ebp, ACTIVATION_RANGES+16(%rax)
	movb $1, ACTIVATION_STACK+3(%rax)   /* range_count */
2:	jmp enter_unit

.section .note.GNU-stack, "", @progbits
