/*
 * The way out of the core: back to a unit, to the application, and to whatever the current thread was doing when it stopped.
 * See entry.S for the way in.
 */
#include <arch/offsets.h>
#include <arch/layout.h>
#include <arch/selectors.h>
#include "crossing.h"

.section .entry.text, "ax"

/* ---- Back to a unit: rbx thread; rax result, rsi rdx r10 out words -------------------------------------------------------------------------- */
.globl return_to_unit_of_thread
return_to_unit_of_thread:
	movq THREAD_DOMAIN(%rbx), %r15
	movq THREAD_RESUME_IP(%rbx), %r12
	movq THREAD_RESUME_SP(%rbx), %r13
.globl return_to_unit
return_to_unit: /* r15 domain, r12 ip, r13 sp */
	cmpl $1, DOMAIN_CLASS(%r15)
	je return_to_ic1
	ja return_to_ic2
	movq THREAD_CLIENT_ROOT(%rbx), %rcx
	cmpq %gs:CPU_ROOT, %rcx
	jne 1f
2:	movq %r13, %rsp
	sti
	jmp *%r12
1:	LOAD_ROOT %rcx
	jmp 2b

return_to_ic1:
	SAVE_BASES
	VECTOR_OFF
	LOAD_CLIENT_ROOT
	movq %r12, %gs:ENTRY_RETURN_IP
	movq %r13, %gs:ENTRY_RETURN_SP
	movq $0x202, %gs:ENTRY_RETURN_FLAGS
	SET_UNIT_STACKS
	movq %rax, %r11
	movq %rdx, %r12
	CLOSE_CORE
	movq %r11, %rax
	movq %r12, %rdx
	swapgs
	xorl %ecx, %ecx
	wrgsbase %rcx
	wrfsbase %rcx
	CLEAR_REST
	iretq

return_to_ic2:
	SAVE_BASES
	VECTOR_OFF
	movq DOMAIN_ROOT(%r15), %r11
	cmpq %gs:CPU_ROOT, %r11
	je 1f
	LOAD_ROOT %r11
1:	leaq THREAD_SERVICE_END(%rbx), %r11
	movq %r11, %gs:ENTRY_RSP0
	movq %r13, %rsp
	movq %r12, %rcx
	swapgs
	xorl %r11d, %r11d
	wrgsbase %r11
	wrfsbase %r11
	CLEAR_REST
	movl $0x202, %r11d
	sysretq

/* ---- Back to the application: rbx thread, its user frame complete ---------------------------------------------------------------------------- */
.globl return_to_user
return_to_user:
	movq THREAD_PAGE(%rbx), %rcx
	cmpl $0, (%rcx)                     /* interrupt word */
	jne return_to_user_slow
	cmpw $0, %gs:CPU_RESCHEDULE         /* now or later */
	jne return_to_user_slow
	cmpl $0, THREAD_ATTENTION(%rbx)
	je return_to_user_same              /* bases, root and RSP0 are still its own: see syscall_entry */
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
	cmpb $0, %gs:CPU_VECTOR_OFF
	jne return_to_user_vector
3:	movq THREAD_CLIENT_ROOT(%rbx), %rcx
	cmpq %gs:CPU_ROOT, %rcx
	jne return_to_user_root
4:	leaq THREAD_USER_END(%rbx), %rcx
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

return_to_user_root:
	LOAD_ROOT %rcx
	jmp 4b

return_to_user_vector: /* the vector unit opens again if this thread's state is still in it; else its first use brings the state */
	cmpq %gs:CPU_VECTOR_OWNER, %rbx
	jne 3b
	clts
	movb $0, %gs:CPU_VECTOR_OFF
	movl $1, THREAD_VECTOR_LIVE(%rbx)
	jmp 3b

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
	movq THREAD_RESULT(%rbx), %rax
	movq THREAD_OUTS(%rbx), %rsi
	movq THREAD_OUTS+8(%rbx), %rdx
	movq THREAD_OUTS+16(%rbx), %r10
	jmp return_to_unit_of_thread

resume_idle:
	call cpu_idle_prepare
	sti
	hlt
	cli
	jmp arch_resume

/* A preempted unit, or one about to be entered: its service frame. Selectors and flags were forced when the frame was made. */
resume_service:
	movq THREAD_DOMAIN(%rbx), %r15
	cmpl $1, DOMAIN_CLASS(%r15)
	je resume_service_ic1
	ja resume_service_ic2
	movq THREAD_CLIENT_ROOT(%rbx), %rcx
	cmpq %gs:CPU_ROOT, %rcx
	jne 1f
2:	leaq THREAD_SERVICE(%rbx), %rsp
	POP_REGISTERS
	addq $16, %rsp
	iretq
1:	LOAD_ROOT %rcx
	jmp 2b

resume_service_ic2:
	SAVE_BASES
	VECTOR_OFF
	movq DOMAIN_ROOT(%r15), %r11
	cmpq %gs:CPU_ROOT, %r11
	je 1f
	LOAD_ROOT %r11
1:	leaq THREAD_SERVICE_END(%rbx), %r11
	movq %r11, %gs:ENTRY_RSP0
	leaq THREAD_SERVICE(%rbx), %rsp
	swapgs
	xorl %eax, %eax
	wrgsbase %rax
	wrfsbase %rax
	POP_REGISTERS
	addq $16, %rsp
	iretq

resume_service_ic1: /* the frame goes through the return frame; its last three registers through the unit's own entry stack */
	SAVE_BASES
	VECTOR_OFF
	LOAD_CLIENT_ROOT
	SET_UNIT_STACKS
	leaq THREAD_SERVICE(%rbx), %rsi
	movq FRAME_RIP(%rsi), %rax
	movq %rax, %gs:ENTRY_RETURN_IP
	movq FRAME_RIP+16(%rsi), %rax
	movq %rax, %gs:ENTRY_RETURN_FLAGS
	movq FRAME_RIP+24(%rsi), %rax
	movq %rax, %gs:ENTRY_RETURN_SP
	movq FRAME_RAX(%rsi), %rax          /* r11: end of the entry stack, see SET_UNIT_STACKS */
	movq %rax, -8(%r11)
	movq FRAME_RAX+8(%rsi), %rax
	movq %rax, -16(%r11)
	movq FRAME_RAX+16(%rsi), %rax
	movq %rax, -24(%r11)
	swapgs
	xorl %eax, %eax
	wrgsbase %rax
	wrfsbase %rax
	swapgs
	leaq THREAD_SERVICE(%rbx), %rsp
	movq DOMAIN_KEY_RIGHTS(%r15), %rax
	movq %rax, %gs:ENTRY_CLOSE_RIGHTS
	movq DOMAIN_ROOT(%r15), %rax
	movq %rax, %gs:ENTRY_CLOSE_ROOT
	POP_HIGH
	addq $24, %rsp                      /* rax, rcx, rdx */
	popq %rsi
	popq %rdi
	CLOSE_CORE_FROM_PAGE
	movq %gs:ENTRY_RSP0, %rdx
	movq -8(%rdx), %rax
	movq -16(%rdx), %rcx
	movq -24(%rdx), %rdx
	swapgs
	iretq

.section .note.GNU-stack, "", @progbits
