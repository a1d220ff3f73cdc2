/*
 * Entry by PVH (Xen's x86/HVM direct boot ABI) and by Multiboot 2 (GRUB): 32-bit protected mode, paging off, EBX = what the loader says.
 * Builds the early page tables (identity map of the first 4 GiB) and calls start_early at the image's
 * physical address.
 */

#define CR0_EARLY 0x80010033     /* PG WP NE ET MP PE */
#define CR4_PAE 0x20
#define EFER 0xc0000080
#define EFER_EARLY 0x900         /* LME NXE */
#define ENTRY_TABLE 0x3          /* present, writable */
#define ENTRY_LARGE 0x83         /* 2 MiB */
#define MULTIBOOT_HEADER 0xe85250d6
#define MULTIBOOT_TAG_ADDRESS 2
#define MULTIBOOT_TAG_ENTRY 3
#define MULTIBOOT_TAG_ALIGN 6    /* modules begin at pages */

	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 8, 18
	.asciz "Xen"
	.quad pvh_entry_physical

	.section .multiboot, "a"
	.balign 8
	.globl multiboot_header
	.hidden multiboot_header
multiboot_header:
	.long MULTIBOOT_HEADER, 0, multiboot_header_end - multiboot_header
	.long -(MULTIBOOT_HEADER + (multiboot_header_end - multiboot_header)) & 0xffffffff
	/* GRUB takes no position-independent ELF: it loads the file as it lies, which is as the segments lie in memory. */
	.word MULTIBOOT_TAG_ADDRESS, 0
	.long 24, multiboot_header_physical, image_physical, image_file_end_physical, image_end_physical
	.balign 8
	.word MULTIBOOT_TAG_ENTRY, 0
	.long 12, multiboot_entry_physical
	.balign 8
	.word MULTIBOOT_TAG_ALIGN, 0
	.long 8
	.word 0, 0
	.long 8
multiboot_header_end:

	.section .boot.text, "ax"
	.code32
	.globl pvh_start, multiboot_start
	.hidden pvh_start, multiboot_start
multiboot_start:
	movl $pvh_entry_physical, %ebp
	incl boot_by_multiboot - pvh_start(%ebp)
pvh_start:
	cli
	cld
	movl %ebx, %esi
	movl $pvh_entry_physical, %ebp /* where pvh_start is: the image is never moved in physical memory */
	leal boot_stack_top - pvh_start(%ebp), %esp

	/* Long mode and no-execute, or nothing. */
	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	jb unsupported
	movl $0x80000001, %eax
	cpuid
	testl $(1 << 29), %edx
	jz unsupported
	testl $(1 << 20), %edx
	jz unsupported

	/* Four page directories of 2 MiB pages, identity. */
	leal boot_directories - pvh_start(%ebp), %edi
	movl $ENTRY_LARGE, %eax
	movl $2048, %ecx
2:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	decl %ecx
	jnz 2b
	/* The page-directory-pointer table. */
	leal boot_directories - pvh_start + ENTRY_TABLE(%ebp), %eax
	leal boot_pointers - pvh_start(%ebp), %edi
	movl $4, %ecx
3:	movl %eax, (%edi)
	addl $4096, %eax
	addl $8, %edi
	decl %ecx
	jnz 3b
	leal boot_root - pvh_start(%ebp), %edi
	leal boot_pointers - pvh_start + ENTRY_TABLE(%ebp), %eax
	movl %eax, (%edi)

	movl %cr4, %eax
	orl $CR4_PAE, %eax
	movl %eax, %cr4
	movl %edi, %cr3
	movl $EFER, %ecx
	rdmsr
	orl $EFER_EARLY, %eax
	wrmsr
	movl $CR0_EARLY, %eax
	movl %eax, %cr0

	leal boot_gdt - pvh_start(%ebp), %eax
	pushl %eax
	pushw $(boot_gdt_end - boot_gdt - 1)
	lgdt (%esp)
	addl $6, %esp
	leal 4f - pvh_start(%ebp), %eax
	pushl $0x08
	pushl %eax
	lret

	.code64
4:	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	leaq boot_stack_top(%rip), %rsp
	movl %esi, %edi
	movl boot_by_multiboot(%rip), %esi
	xorl %ebp, %ebp
	call start_early
	ud2

	.code32
unsupported:
	leal unsupported_text - pvh_start(%ebp), %esi
5:	lodsb
	testb %al, %al
	jz 6f
	movw $0x3f8, %dx
	outb %al, %dx
	outb %al, $0xe9
	jmp 5b
6:	hlt
	jmp 6b
unsupported_text:
	.asciz "tessera: panic: the processor lacks 64-bit mode or no-execute pages\n"

	/* void start_leave(u64 root, void *stack, void (*next)(void)): to the final tables and stack. */
	.code64
	.globl start_leave
	.hidden start_leave
start_leave:
	movq %rsi, %rsp
	movq %rdi, %cr3
	xorl %ebp, %ebp
	call *%rdx
	ud2

	.section .rodata.boot, "a"
	.balign 8
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff       /* 64-bit code */
	.quad 0x00cf93000000ffff       /* data */
boot_gdt_end:

	.section .bss.boot, "aw", @nobits
	.balign 4096
	.globl boot_root
	.hidden boot_root
boot_root:        .skip 4096
boot_pointers:    .skip 4096
boot_directories: .skip 4 * 4096
boot_stack:       .skip 8192
	.globl boot_stack_top
	.hidden boot_stack_top
boot_stack_top:
boot_by_multiboot: .skip 8
