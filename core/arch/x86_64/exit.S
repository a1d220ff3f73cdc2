/*
 * The way out of the core: back to a unit, to the application, and to whatever the current thread was doing when it stopped.
 * See entry.S for the way in.
 */
#include <arch/offsets.h>
#include <arch/layout.h>
#include "crossing.h"

.section .entry.text, "ax"

/* ---- Back to a unit: rcx thread; rdi result, rsi r12 r10 out words -------------------------------------------------------------------------- */
.globl return_to_unit_of_thread
return_to_unit_of_thread: /* rbx thread */
	movq %rbx, %rcx
	movq THREAD_DOMAIN(%rbx), %r15
	movq THREAD_RESUME_IP(%rbx), %rbp
	movq THREAD_RESUME_SP(%rbx), %r11
/* r15 domain, rbp ip, r11 sp. IC1 and IC2 units come here from the core alone, so their application has left the processor. */
.globl return_to_unit
return_to_unit:
	cmpl $ARCH_WAY_USER, DOMAIN_WAY(%r15)
	je return_to_ic2
	CLIENT_ROOT_NEED
	cmpl $ARCH_WAY_KEYS, DOMAIN_WAY(%r15)
	jb return_to_ic0
	CROSSING_FIND
	movq %rbp, CROSSING_BACK_IP(%rsp)
	movq %r11, CROSSING_BACK_SP(%rsp)
	movq $0x202, CROSSING_BACK_FLAGS(%rsp)
	cmpl $ARCH_WAY_KEYS, DOMAIN_WAY(%r15)
	jne return_to_ic1_roots
	CROSSING_LEAVE keys, return_keys, CROSSING_BACK, ebx, ebp, r8d, r9d, r11d, r13d, r14d, r15d
return_to_ic1_roots:
	CROSSING_LEAVE roots, return_roots, CROSSING_BACK, ebx, ebp, r8d, r9d, r11d, r13d, r14d, r15d

return_to_ic0:
	movq %r11, %rsp
	sti
	jmp *%rbp

return_to_ic2:
	IC2_LEAVE %rbp, %r11, eax, ebx, edx, ebp, r8d, r9d, r13d, r14d, r15d

/* ---- Back to the application: rbx thread, its user frame complete ---------------------------------------------------------------------------- */
.globl return_to_user
return_to_user:
	movq THREAD_PAGE(%rbx), %rcx
	cmpl $0, (%rcx)                     /* interrupt word */
	jne return_to_user_slow
	cmpw $0, %gs:CPU_RESCHEDULE         /* now or later */
	jne return_to_user_slow
	cmpl $0, THREAD_ATTENTION(%rbx)
	je return_to_user_same              /* bases, root and RSP0 are still its own: see syscall_not_from_ic1 */
return_to_user_attention:
	cmpl $1, THREAD_ATTENTION(%rbx)     /* ATTENTION_BASES alone */
	jne return_to_user_slow
	movq THREAD_FS_BASE(%rbx), %rcx
	wrfsbase %rcx
	movq THREAD_GS_BASE(%rbx), %rcx
	swapgs
	wrgsbase %rcx
	swapgs
	movl $0, THREAD_ATTENTION(%rbx)
return_to_user_now:
	movq THREAD_VECTOR(%rbx), %rcx
	cmpq %gs:CPU_VECTOR_OWNER, %rcx
	jne 3f                              /* its first use brings its state */
	clts
	movb $ARCH_VECTOR_OPEN, %gs:CPU_VECTOR
3:	CLIENT_ROOT_NEED rbx
	leaq THREAD_USER_END(%rbx), %rcx
	movq %rcx, %gs:ENTRY_RSP0
return_to_user_same:
	leaq THREAD_ACTIVATIONS-ACTIVATION_SIZE(%rbx), %rcx
	movq %rcx, THREAD_TOP(%rbx)
	movq $0, THREAD_DOMAIN(%rbx)
	movq %rbx, %rsp
	cmpl $0x100, FRAME_VECTOR(%rsp)     /* came by SYSCALL, and nobody set its registers since */
	POP_REGISTERS
	jne 5f
	movq FRAME_RIP-FRAME_VECTOR(%rsp), %rcx
	movq FRAME_RFLAGS-FRAME_VECTOR(%rsp), %r11
	movq FRAME_RSP-FRAME_VECTOR(%rsp), %rsp
	swapgs
	sysretq
5:	addq $16, %rsp
	swapgs
.globl return_to_user_iretq
return_to_user_iretq:
	iretq

return_to_user_slow:
	movq %gs:CPU_CORE_STACK, %rsp
	movq %rbx, %rdi
	call resume_user_prepare            /* may start an upcall, choose another thread */
	testq %rax, %rax
	jz arch_resume
	cmpl $0, THREAD_ATTENTION(%rbx)
	je return_to_user_now
	jmp return_to_user_attention

/* ---- Leaves the core to the current thread, whatever it was doing ---------------------------------------------------------------------------- */
.globl arch_resume
arch_resume:
	movq %gs:CPU_CORE_STACK, %rsp
	call resume_prepare
	movq %gs:CPU_CURRENT, %rbx
	movl THREAD_RESUME(%rbx), %eax
	testl %eax, %eax
	jz return_to_user
	cmpl $2, %eax
	jb resume_service
	ja resume_idle
	movq THREAD_RESULT(%rbx), %rdi
	movq THREAD_OUTS(%rbx), %rsi
	movq THREAD_OUTS+8(%rbx), %r12
	movq THREAD_OUTS+16(%rbx), %r10
	jmp return_to_unit_of_thread

resume_idle:
	call cpu_idle
	jmp arch_resume

/* A preempted unit, or one about to be entered: its service frame. Selectors and flags were forced when the frame was made. */
resume_service:
	movq THREAD_DOMAIN(%rbx), %r15
	leaq THREAD_SERVICE(%rbx), %rdi
	cmpl $ARCH_WAY_CORE, DOMAIN_WAY(%r15)
	je resume_service_ic0
	movq %rbx, %rcx
	APPLICATION_LEAVE
	swapgs
	xorl %eax, %eax
	BASES_ZERO rax
	swapgs
	cmpl $ARCH_WAY_USER, DOMAIN_WAY(%r15)
	jne resume_service_ic1
	ROOT_NEED DOMAIN_ROOT(%r15)
	leaq THREAD_SERVICE_END(%rbx), %rax
	movq %rax, %gs:ENTRY_RSP0
	movq %rdi, %rsp
	POP_REGISTERS
	addq $16, %rsp
	swapgs
	iretq

resume_service_ic0:
	CLIENT_ROOT_NEED rbx
	movq %rdi, %rsp
	POP_REGISTERS
	addq $16, %rsp
	iretq

resume_service_ic1: /* the frame goes through the crossing record; its registers rax, rcx and rdx through the unit's own entry stack */
	CLIENT_ROOT_NEED rbx
	CROSSING_FIND
	movq CROSSING_RSP0(%rsp), %rdx
	movq %rdx, %gs:ENTRY_RSP0
	.irp word, 0, 8, 16
	movq FRAME_RAX+\word(%rdi), %rax
	movq %rax, -8-\word(%rdx)
	.endr
	movq FRAME_RIP(%rdi), %rax
	movq %rax, CROSSING_BACK_IP(%rsp)
	movq FRAME_RFLAGS(%rdi), %rax
	movq %rax, CROSSING_BACK_FLAGS(%rsp)
	movq FRAME_RSP(%rdi), %rax
	movq %rax, CROSSING_BACK_SP(%rsp)
	movl DOMAIN_WAY(%r15), %ecx
	cmpl $ARCH_WAY_KEYS, %ecx
	je 3f
	movq %gs:CPU_ROOT, %rax
	movq %rax, %gs:ENTRY_CORE_ROOT
3:	movq %rsp, %rdx
	movq %rdi, %rsp
	POP_HIGH
	addq $24, %rsp                      /* rax, rcx, rdx */
	popq %rsi
	popq %rdi
	leaq CROSSING_BACK(%rdx), %rsp
	movq CROSSING_CLOSE-CROSSING_BACK(%rsp), %rax
	movq CROSSING_IST1-CROSSING_BACK(%rsp), %rdx
	cmpl $ARCH_WAY_KEYS, %ecx
	movq %rdx, %gs:ENTRY_IST1
.globl resume_ic1_begin, resume_ic1_end
resume_ic1_begin:
	jne 1f
	xorl %edx, %edx
	movl $MSR_PKRS, %ecx
	wrmsr
2:	movq CROSSING_RSP0-CROSSING_BACK(%rsp), %rdx
	movq -8(%rdx), %rax
	movq -16(%rdx), %rcx
	movq -24(%rdx), %rdx
	swapgs
	iretq
1:	movq %rax, %cr3
	jmp 2b
resume_ic1_end:

.section .note.GNU-stack, "", @progbits
