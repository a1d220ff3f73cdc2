/*
 * Interrupts and exceptions. Where an entry came from is told by the stack that the processor chose: an entry stack (an IC1 unit ran),
 * a thread's frame (user mode), or the stack that was in use (IC0 or the core itself). An entry stack can be written by its unit
 * from another processor, so nothing on it is believed: the vector travels in a register, selectors and flags are forced.
 */
#include "user_access.h"
#include <arch/offsets.h>
#include <arch/layout.h>
#include <arch/selectors.h>
#include "crossing.h"
#include "stubs.h"

#define REGION_ENTRY_STACKS 0x3fffff9   /* ARCH_ENTRY_STACKS >> 38: it and the other are moved within these 256 GiB */
#define REGION_ENTRY 0x3fffff8          /* ARCH_ENTRY >> 38 */

.section .entry.text, "ax"

.set vector, 0
.globl vector_stubs
.balign 32
vector_stubs:
.rept 256
	.balign 32
	.if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21 /* the processor pushes no error code */
	pushq $0
	.endif
	pushq $vector
	pushq %rdi
	movl $vector, %edi
	.if vector == 2 || vector == 8 || vector == 18
	jmp vector_any_time
	.else
	jmp vector_common
	.endif
	.set vector, vector + 1
.endr

/* Up to the label vector_opened an NMI from an IC1 unit comes on the unit's entry stack, like what it interrupts; see nmi.c. */

/* After PUSH_LOW: offset of the hardware's words. */
#define LOW_CS 64

vector_common:
	PUSH_LOW
	cld
	movq %rsp, %rax
	shrq $38, %rax
	cmpq $REGION_ENTRY_STACKS, %rax
	je vector_from_ic1
	testb $3, LOW_CS(%rsp)
	jz vector_from_core
	USER_ACCESS_CLOSE
	swapgs
	PUSH_HIGH
	movq %rsp, %rsi
vector_outside: /* rsi frame, within the current thread; edi vector */
	movl %edi, %edx
	movq %gs:CPU_CURRENT, %rdi
	movq %gs:CPU_CORE_STACK, %rsp
	call trap_from_outside
	jmp arch_resume

vector_from_ic1:
	USER_ACCESS_CLOSE
	swapgs
vector_from_ic1_open:
	OPEN_CORE_EITHER
	FATAL_STACK_SET
.globl vector_opened
vector_opened:
	movq %gs:CPU_CURRENT, %rax
	leaq THREAD_SERVICE(%rax), %rsi
	.set offset, FRAME_R15
	.irp register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8
	movq %\register, offset(%rsi)
	.set offset, offset + 8
	.endr
	/* Each word of the entry stack is read once: rax, rcx, rdx, rsi, rdi. */
	.rept 5
	popq offset(%rsi)
	.set offset, offset + 8
	.endr
	movl %edi, %eax
	movq %rax, 120(%rsi)                /* vector: from the stub, not from the stack */
	addq $8, %rsp
	popq 128(%rsi)                      /* error code: only reported */
	popq 136(%rsi)                      /* rip */
	addq $8, %rsp
	movq $ARCH_SELECTOR_UNIT_CODE, 144(%rsi)
	popq 152(%rsi)                      /* flags: masked in trap_from_outside */
	popq 160(%rsi)                      /* rsp */
	movq $ARCH_SELECTOR_UNIT_DATA, 168(%rsi)
	jmp vector_outside

vector_from_core:
	PUSH_HIGH
	movq %rsp, %rsi
	movq %rsp, %rax
	shrq $38, %rax
	cmpq $REGION_ENTRY, %rax
	je 1f
	/* An IC0 unit was interrupted on its own stack, perhaps as it copied user memory: its frame moves to the thread. */
	USER_ACCESS_CLOSE
	movl %edi, %edx
	movq %gs:CPU_CURRENT, %rdi
	addq $THREAD_SERVICE, %rdi
	movq %rdi, %rax
	movl $FRAME_SIZE / 8, %ecx
	rep movsq
	movq %rax, %rsi
	movl %edx, %edi
	jmp vector_outside
1:	/* The core itself: a copy with a fix-up, or the idle loop. */
	movl %edi, %esi
	movq %rsp, %rdi
	call trap_from_core
	POP_REGISTERS
	addq $16, %rsp
	iretq

/*
 * NMI, #MC, #DF: they come at any time, so GS, keys and root are unknown. GS comes from the stack's address. On an entry stack an IC1 unit
 * ran, or a stub just before or behind it: that is an entry from the unit. On the core's own stack keys and root are the core's, and the
 * frame is true: what was interrupted goes on, with the base of GS that it had.
 */
vector_any_time:
	PUSH_LOW
	cld
	USER_ACCESS_CLOSE
	movq %rsp, %rax
	movq %rsp, %rcx
	shrq $38, %rcx
	cmpq $REGION_ENTRY_STACKS, %rcx
	jne 1f
	shrq $14, %rax                      /* ARCH_ENTRY_STACK_STRIDE: processor in the low six bits */
	andl $63, %eax
	shlq $16, %rax
	MOVED ARCH_ENTRY, %rcx
	addq %rcx, %rax
	wrgsbase %rax
	jmp vector_from_ic1_open
1:	PUSH_HIGH
	rdgsbase %rbx
	andq $~0xffff, %rax                 /* ARCH_ENTRY_STRIDE */
	wrgsbase %rax
	movl %edi, %esi
	movq %rsp, %rdi
	call trap_any_time
	wrgsbase %rbx
	POP_REGISTERS
	addq $16, %rsp
	iretq

/* Where a stub of an IC1 unit can be interrupted, and what that means: struct stub in nmi.c. */
.section .rodata, "a"
.balign 4
.globl stubs, stubs_end
.macro STUB begin, end, place
	.long \begin - ., \end - ., \place
.endm
stubs:
	STUB vector_stubs, vector_opened, STUB_VECTOR
	STUB syscall_entry_keys, syscall_keys_saved, STUB_CALL
	STUB syscall_keys_saved, syscall_keys_opened, STUB_CALL_SAVED
	STUB syscall_entry_roots, syscall_roots_saved, STUB_CALL
	STUB syscall_roots_saved, syscall_roots_opened, STUB_CALL_SAVED
	STUB enter_keys_begin, enter_keys_end, STUB_ENTER
	STUB enter_roots_begin, enter_roots_end, STUB_ENTER
	STUB return_keys_begin, return_keys_end, STUB_BACK
	STUB return_roots_begin, return_roots_end, STUB_BACK
	STUB resume_ic1_begin, resume_ic1_end, STUB_RESUME
stubs_end:

.section .note.GNU-stack, "", @progbits
