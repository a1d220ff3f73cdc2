/*
 * The entry of a unit of class IC1 or IC2: registers become a struct tk_request on the stack, the generated dispatcher runs it,
 * its result goes back with TK_REPLY (number 0). The convention stands in <tessera/arch.h>.
 */

	.equ STACK_STRIDE, 0x10000
	.equ STACK_SIZE, 0x4000
	.equ TK_REPLY, 0

	.section .text.unit_entry, "ax", @progbits
	.globl unit_entry
	.type unit_entry, @function
unit_entry:
	subq $64, %rsp
	movq %rdi, 0(%rsp)
	movq %rsi, 8(%rsp)
	movq %rdx, 16(%rsp)
	movq %r10, 24(%rsp)
	movq %r8, 32(%rsp)
	movq %r9, 40(%rsp)
	movzwl %ax, %ecx
	movl %ecx, 48(%rsp)          /* interface */
	movq %rax, %rcx
	shrq $16, %rcx
	movl %ecx, 52(%rsp)          /* op */
	movq %rbx, 56(%rsp)          /* caller, thread */

	/* struct runtime_stack_base at the lowest address of this stack */
	movq %rsp, %rcx
	andq $-STACK_STRIDE, %rcx
	movq %rbx, STACK_STRIDE - STACK_SIZE(%rcx)

	cmpq $-1, %rax
	jne 1f
	callq runtime_guard_set      /* the start: rdi is the boot page */
1:
	movq %rsp, %rdi
	callq unit_dispatch
	movq 0(%rsp), %rdi
	movq 8(%rsp), %rsi
	movq 16(%rsp), %rdx
	movq 24(%rsp), %r10
	movl $TK_REPLY, %eax
	syscall
	ud2
	.size unit_entry, . - unit_entry

	.section .note.GNU-stack, "", @progbits
