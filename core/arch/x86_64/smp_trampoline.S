/*
 * Where the other processors begin: real mode, at a page below 1 MiB to which smp.c copies this. The words at its end are filled before
 * each start. Nothing here needs relocation: addresses are ARCH_TRAMPOLINE + offset.
 */
#include <arch/layout.h>

#define AT(label) (ARCH_TRAMPOLINE + (label - smp_trampoline_start))
#define CR0_EARLY 0x80010033
#define EFER 0xc0000080

	.section .rodata.trampoline, "a"
	.balign 8
	.globl smp_trampoline_start, smp_trampoline_words, smp_trampoline_end
	.hidden smp_trampoline_start, smp_trampoline_words, smp_trampoline_end
smp_trampoline_start:
	.code16
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl AT(trampoline_gdt_pointer)
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $0x08, $AT(trampoline_protected)

	.code32
trampoline_protected:
	movw $0x18, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl AT(smp_trampoline_words), %eax
	movl %eax, %cr3
	movl $EFER, %ecx
	rdmsr
	orl $0x900, %eax
	wrmsr
	movl $CR0_EARLY, %eax
	movl %eax, %cr0
	ljmpl $0x10, $AT(trampoline_long)

	.code64
trampoline_long:
	movl $AT(smp_trampoline_words), %ebx
	movq 8(%rbx), %rsp
	movq 16(%rbx), %rdi
	xorl %ebp, %ebp
	call *24(%rbx)
	ud2

	.balign 8
trampoline_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff       /* 32-bit code */
	.quad 0x00af9b000000ffff       /* 64-bit code */
	.quad 0x00cf93000000ffff       /* data */
trampoline_gdt_pointer:
	.word . - trampoline_gdt - 1
	.long AT(trampoline_gdt)
	.balign 8
smp_trampoline_words:              /* struct smp_start */
	.quad 0, 0, 0, 0
smp_trampoline_end:
