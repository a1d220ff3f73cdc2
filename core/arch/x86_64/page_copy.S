/* Clearing and copying of a page. rdi: page to write, rsi: page to read, both aligned. The copy is one string instruction of quad-words,
 * the clearing plain stores: each is the quicker one on an emulator, and good on processors. */

	.text
	.globl arch_page_zero
	.hidden arch_page_zero
	.type arch_page_zero, @function
arch_page_zero:
	lea 4096(%rdi), %rdx
	xor %eax, %eax
	.balign 16
1:
	.set offset, 0
	.rept 32
	mov %rax, offset(%rdi)
	.set offset, offset + 8
	.endr
	add $256, %rdi
	cmp %rdx, %rdi
	jne 1b
	ret
	.size arch_page_zero, . - arch_page_zero

	.globl arch_page_copy
	.hidden arch_page_copy
	.type arch_page_copy, @function
arch_page_copy:
	mov $512, %ecx
	rep movsq
	ret
	.size arch_page_copy, . - arch_page_copy

	.section .note.GNU-stack, "", @progbits
