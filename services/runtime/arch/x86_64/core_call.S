/*
 * Calls of the core by SYSCALL. Every general register but rax, rsp (and for a gate rsi, rdx, r10) is lost there, so what the C
 * convention keeps is saved on the stack here. Numbers: enum tk_number of <tessera/call.h>.
 */

	.macro save_registers
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.endm

	.macro restore_registers
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	.endm

	.text
	.globl arch_core_call, arch_gate_call
	.hidden arch_core_call, arch_gate_call

/* long arch_core_call(u64 a, u64 b, u64 c, u64 d, u64 e, u64 number) */
	.type arch_core_call, @function
arch_core_call:
	save_registers
	movq %rcx, %r10
	movq %r9, %rax
	xorl %r9d, %r9d
	syscall
	restore_registers
	retq
	.size arch_core_call, . - arch_core_call

/* long arch_gate_call(struct tk_message *message, u64 head) */
	.type arch_gate_call, @function
arch_gate_call:
	save_registers
	pushq %rdi
	movq %rsi, %rax
	movq %rdi, %rbx
	movq 0(%rbx), %rdi
	movq 8(%rbx), %rsi
	movq 16(%rbx), %rdx
	movq 24(%rbx), %r10
	movq 32(%rbx), %r8
	movq 40(%rbx), %r9
	syscall
	popq %rbx
	movq %rsi, 0(%rbx)
	movq %rdx, 8(%rbx)
	movq %r10, 16(%rbx)
	restore_registers
	retq
	.size arch_gate_call, . - arch_gate_call

	.section .note.GNU-stack, "", @progbits
