/*
 * The entry of a unit of class IC1 or IC2 (convention: <tessera/arch.h>). A call goes to its operation through the generated table,
 * with its words in registers; the core has checked the number against the gate. What the core itself asks for comes as a struct
 * tk_request. Both end with TK_REPLY.
 */

	.equ STACK_STRIDE, 0x10000
	.equ STACK_SIZE, 0x4000
	.equ INTERFACE_CORE, 0xffff
	.equ TK_REPLY, 0

	.equ UNIT_COPY, 64           /* ARCH_UNIT_COPY and ARCH_UNIT_COPY_FAULT */
	.equ UNIT_COPY_FAULT, 16
	.equ FLAG_ACCESS, 0x40000    /* EFLAGS.AC: user pages can be reached (SMAP), which any privilege level may set */

	.section .text.unit_entry, "ax", @progbits

	.macro ACCESS operation, mask
	pushfq
	\operation $\mask, (%rsp)
	popfq
	.endm

	/* int arch_client_copy(to, from, size): 0 when done; else nothing is known of what was copied. */
	.balign 128
	.globl arch_client_copy
	.type arch_client_copy, @function
arch_client_copy:
	movl %edx, %eax
	movq %rdx, %rcx
	shrq $3, %rcx
	andl $7, %eax
	ACCESS orl, FLAG_ACCESS
	jmp 1f
	.org arch_client_copy + 128 - UNIT_COPY
1:	rep movsq
	movl %eax, %ecx
	rep movsb
	ACCESS andl, ~FLAG_ACCESS
	xorl %eax, %eax
	ret
	.org arch_client_copy + 128 - UNIT_COPY_FAULT
	ACCESS andl, ~FLAG_ACCESS    /* the core goes on here: <tessera/arch.h> */
	orl $-1, %eax
	ret
	.org arch_client_copy + 128
	.size arch_client_copy, . - arch_client_copy

	.globl unit_entry
	.type unit_entry, @function
unit_entry:
	/* struct rt_request at the lowest address of this stack, whose end rsp may be */
	leaq -1(%rsp), %rcx
	andq $-STACK_STRIDE, %rcx
	movq %rbx, STACK_STRIDE - STACK_SIZE(%rcx)
	cmpq $INTERFACE_CORE, %r13
	jae unit_entry_core
	movq %r12, %rdx              /* the third and the fourth argument in C */
	movq %r10, %rcx
	leaq unit_entries(%rip), %r11
	callq *(%r11,%r13,8)
	ud2

unit_entry_core:
	subq $64, %rsp
	movq %rdi, 0(%rsp)
	movq %rsi, 8(%rsp)
	movq %r12, 16(%rsp)
	movq %r10, 24(%rsp)
	movq %r8, 32(%rsp)
	movq %r9, 40(%rsp)
	movl $INTERFACE_CORE, 48(%rsp)
	movq %r13, %rcx
	shrq $16, %rcx
	movl %ecx, 52(%rsp)          /* op */
	movq %rbx, 56(%rsp)          /* caller, thread */
	cmpq $-1, %r13
	jne 1f
	callq runtime_guard_set      /* the start: rdi is the boot page */
1:
	movq %rsp, %rdi
	callq unit_dispatch
	movq 0(%rsp), %rdi
	xorl %esi, %esi
	xorl %r12d, %r12d
	xorl %r10d, %r10d
	movl $TK_REPLY, %ebx
	syscall
	ud2
	.size unit_entry, . - unit_entry

	.section .note.GNU-stack, "", @progbits
