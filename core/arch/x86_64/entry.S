/*
 * Entry to the core: system calls of applications, calls and replies of units. The way back: exit.S; interrupts and exceptions: vectors.S.
 * Register conventions: <tessera/arch.h>. See docs/isolation.md for why each step is where it is.
 *
 * While an IC1 unit runs, memory of the core can't be reached until its key is opened (or, without keys, until the core's root is
 * loaded): such an entry works in registers and in the entry page, which is readable then.
 */
#include <arch/offsets.h>
#include <arch/layout.h>
#include "crossing.h"

.section .entry.text, "ax"

/* ---- SYSCALL: from an application, an IC2 unit or an IC1 unit --------------------------------------------------------------------- */

/*
 * IST1 tells who runs: it points to an entry stack while an IC1 unit does. Up to the label _opened an NMI from an IC1 unit comes on that
 * entry stack and is handled as if SYSCALL were not done yet, with the address in rcx, behind the label _saved in rbp (nmi.c).
 */
.macro SYSCALL_ENTRY way, other
.globl syscall_entry_\way, syscall_\way\()_saved, syscall_\way\()_opened
.balign 64
syscall_entry_\way:
	swapgs
	testb $ARCH_ENTRY_STACK_MARK, %gs:ENTRY_IST1+4
	jz \other
	movq %rcx, %rbp
syscall_\way\()_saved:
	OPEN_CORE \way
	FATAL_STACK_SET
syscall_\way\()_opened:
	movq %gs:CPU_CURRENT, %rcx
	cmpb $1, %bl                        /* TK_CALL */
	jb unit_reply_from_ic1              /* TK_REPLY */
	movq %rsp, %r11
	movq %gs:CPU_CORE_STACK, %rsp
	je gate_call
	jmp core_call_from_unit
.endm

	SYSCALL_ENTRY roots, syscall_not_from_ic1
	SYSCALL_ENTRY keys, syscall_not_from_ic1

syscall_not_from_ic1:
	movq %rsp, %gs:CPU_SCRATCH
	movq %gs:CPU_CURRENT, %rsp
	cmpq $0, THREAD_DOMAIN(%rsp)
	jne syscall_from_ic2

	/* An application: its registers go to the thread's user frame. What is not written: arch_regs_get. */
	movq %rcx, FRAME_RIP(%rsp)
	movq %r11, FRAME_RFLAGS(%rsp)
	movq $0x100, FRAME_VECTOR(%rsp)     /* ARCH_VECTOR_SYSCALL */
	USER_REGISTERS movq_store
	movq %rbp, FRAME_RBP(%rsp)
	movq %r12, FRAME_R12(%rsp)
	movq %r13, FRAME_R13(%rsp)
	movq %r14, FRAME_R14(%rsp)
	movq %r15, FRAME_R15(%rsp)
	movq %rsp, %rbx                     /* struct thread: its user frame is its first member */
	movq %gs:CPU_SCRATCH, %rcx
	movq %rcx, FRAME_RSP(%rbx)
	movq %rax, THREAD_SYSCALL(%rbx)
	movq abi_domain(%rip), %rcx
	cmpq $0, abi_syscall(%rip)
	je syscall_by_entry

	/* The shim is IC0, which can't fail: its activation, the thread's first, stands ready (activation_base_reset). */
	addq $ACTIVATION_SIZE, THREAD_TOP(%rbx)
	movq %rcx, THREAD_DOMAIN(%rbx)
	movq THREAD_STACK_TOP(%rbx), %rsp
	PUSH_WORDS rdx, r10
	movl %eax, %edi
	movq %rsp, %rsi
	movl THREAD_ID(%rbx), %edx
	sti
	call *abi_syscall(%rip)
	cli
	/*
	 * Without attention no unit of another class was entered, no other thread ran here and nobody set registers: bases, root and RSP0
	 * are still the application's, and so are the registers that a function keeps. rbx is one that the shim keeps, too.
	 */
	cmpl $0, THREAD_ATTENTION(%rbx)
	jne syscall_attention
	movq THREAD_PAGE(%rbx), %rcx
	cmpl $0, (%rcx)                     /* interrupt word */
	jne syscall_return
	cmpw $0, %gs:CPU_RESCHEDULE         /* now or later */
	jne syscall_return
	subq $ACTIVATION_SIZE, THREAD_TOP(%rbx)
	movq $0, THREAD_DOMAIN(%rbx)
	movq %rbx, %rsp
	USER_REGISTERS movq_load
	movq FRAME_RIP(%rsp), %rcx
	movq FRAME_RFLAGS(%rsp), %r11
	movq FRAME_RSP(%rsp), %rsp
	swapgs
	sysretq

syscall_attention:
	btrl $1, THREAD_ATTENTION(%rbx)     /* ATTENTION_RESULT: its registers are set */
	jc return_to_user
syscall_return:
	movq %rax, FRAME_RAX(%rbx)
	jmp return_to_user

syscall_by_entry:
	movq %rcx, %r15
	leaq THREAD_ACTIVATIONS(%rbx), %r14
	movl DOMAIN_GENERATION(%r15), %ecx  /* before the state, which changes first when it fails */
	cmpl $1, DOMAIN_STATE(%r15)         /* TK_DOMAIN_RUNNING */
	jne syscall_without_shim
	movq %r15, ACTIVATION_DOMAIN(%r14)
	movl %ecx, ACTIVATION_GENERATION(%r14)
	movabsq $0x10000ffff, %rcx          /* STACK_OF_THREAD, no bulk, no ranges, ACTIVATION_SYSCALL */
	movq %rcx, ACTIVATION_STACK(%r14)
	movq %r14, THREAD_TOP(%rbx)
	movq %r15, THREAD_DOMAIN(%rbx)
	movq %rdx, %r12
	movq THREAD_STACK_TOP(%rbx), %rdx
	movq %rbx, %rcx
	movq THREAD_BADGE(%rbx), %rbx
	cmpl $0xfffffe, %eax
	ja 2f
1:	shll $8, %eax                       /* TK_UPCALL_SYSCALL | number << 8 */
	orl $1, %eax
	shlq $16, %rax
	orq $0xffff, %rax                   /* TK_INTERFACE_CORE */
	movq %rax, %r13
	jmp enter_unit
2:	movl $0xffffff, %eax
	jmp 1b

syscall_without_shim:
	movq %gs:CPU_CORE_STACK, %rsp
	movq %rbx, %rdi
	call trap_syscall_without_shim
	jmp arch_resume

syscall_from_ic2:
	movq %rcx, %rbp
	movq %rsp, %rcx
	movq %gs:CPU_SCRATCH, %r11
	movq %gs:CPU_CORE_STACK, %rsp
	cmpb $1, %bl
	jb unit_reply
	je gate_call

/* ---- A unit's call of the core: rcx thread, rbx number, rbp return ip, r11 return sp, words in rdi rsi r12 r10 r8 r9 ---------------------- */
core_call_from_unit:
	movq %rbp, THREAD_RESUME_IP(%rcx)
	movq %r11, THREAD_RESUME_SP(%rcx)
	movl $2, THREAD_RESUME(%rcx)        /* RESUME_CALL */
	PUSH_WORDS r12, r10
	movzbl %bl, %esi
	movq %rcx, %rbx
.globl core_call_run
core_call_run: /* rbx thread, esi number, rsp words */
	movq %rbx, %rdi
	movq %rsp, %rdx
	call core_call
	cmpb $0, %gs:CPU_RESCHEDULE
	jne 1f
	movq %rax, %rdi
	ZERO esi, r12d, r10d
	jmp return_to_unit_of_thread
1:	movq %rax, %rsi
	movq %rbx, %rdi
	call core_call_finish
	jmp arch_resume

/* ---- A unit's call of a gate. tests/unit/core/interleave/entry.c follows it, and unit_reply ------------------------------------------------- */

/*
 * Any gate of the caller's: rcx thread, rbx number, rbp return ip, r11 return sp, words. The fast path has no marshalled parameter, or
 * one range of the client's memory in words 1 and 2 (reads and writes), and finds a free stack at once; all else is done in C.
 */
.globl gate_call
gate_call:
	movq THREAD_DOMAIN(%rcx), %rdx
	movq DOMAIN_GATE_TABLE(%rdx), %r14
	movzbl %bh, %eax
	movq (%r14,%rax,8), %r14            /* a gate that this domain may call, else one without operations */
	movl %ebx, %r13d
	shrl $16, %r13d
	cmpl GATE_OP_COUNT(%r14), %r13d     /* 0 while its unit does not run */
	jae gate_call_slow_path
	movq GATE_OPS(%r14), %rax
	movq (%rax,%r13,8), %rax
	testq %rax, %rax
	jne gate_call_range
	STACK_TAKE gate_call_slow_path
	movq %rbp, CALLED+ACTIVATION_RETURN_IP(%rax)
	movq %r11, CALLED+ACTIVATION_RETURN_SP(%rax)
	ACTIVATION_PUSH gate_call_closed
	cmpl $ARCH_WAY_USER, DOMAIN_WAY(%r15)
	je enter_ic2
	CLIENT_ROOT_NEED                    /* the caller may be IC2 */

/* rcx thread, r15 domain, rdx stack top, r13 number, rbx caller | thread << 32, words; the client's root is loaded, or the way is IC2. */
.globl enter_unit
enter_unit:
	cmpl $ARCH_WAY_KEYS, DOMAIN_WAY(%r15)
	jne enter_unit_other
enter_ic1:
	APPLICATION_LEAVE
	CROSSING_FIND
	movq %rdx, CROSSING_ENTER_SP(%rsp)
	CROSSING_LEAVE keys, enter_keys, 0, ebp, r11d, r14d, r15d

/* The same for a caller of class IC0 and a gate that was chosen when it was linked, of an operation without marshalled parameters: r14
 * gate, r13 operation, words; the caller's address on its stack. */
.globl ic0_gate_call_plain
.type ic0_gate_call_plain, @function
ic0_gate_call_plain:
	cli
	movq %gs:CPU_CURRENT, %rcx
	STACK_TAKE ic0_gate_call_slow
	popq CALLED+ACTIVATION_RETURN_IP(%rax)
	movq %rsp, CALLED+ACTIVATION_RETURN_SP(%rax)
	ACTIVATION_PUSH ic0_gate_call_closed
	cmpl $ARCH_WAY_KEYS, DOMAIN_WAY(%r15)
	je enter_ic1
enter_unit_other:
	cmpl $ARCH_WAY_USER, DOMAIN_WAY(%r15)
	ja enter_ic1_roots
	je enter_ic2

enter_ic0:
	movq %rdx, %rsp                     /* struct tk_request, from its end */
	pushq %rbx
	shlq $32, %r13
	pushq %r13
	PUSH_WORDS r12, r10
	movq %rsp, %rdi
	movq DOMAIN_ENTRY(%r15), %rax
.globl ic0_run
ic0_run: /* also where a thread starts that was set to enter an IC0 unit: rax entry, rdi = rsp request */
	sti
	call *%rax
	cli
	movq %gs:CPU_CURRENT, %rcx
	movq 0(%rsp), %rdi
	movq 8(%rsp), %rsi
	movq 16(%rsp), %r12
	movq 24(%rsp), %r10
	movq %gs:CPU_CORE_STACK, %rsp
	jmp unit_reply

enter_ic1_roots:
	APPLICATION_LEAVE
	CROSSING_FIND
	movq %rdx, CROSSING_ENTER_SP(%rsp)
	CROSSING_LEAVE roots, enter_roots, 0, ebp, r11d, r14d, r15d

enter_ic2:
	APPLICATION_LEAVE
	IC2_LEAVE DOMAIN_ENTRY(%r15), %rdx, eax, edx, ebp, r14d, r15d

/* What a unit that acts for clients may name of their memory is checked when it is copied. */
gate_call_range:
	subq $ONE_RANGE, %rax
	cmpq $2, %rax
	ja gate_call_slow_path
	testl $RIGHT_CLIENTS, DOMAIN_RIGHTS(%rdx)
	jz gate_call_slow_path
	STACK_TAKE gate_call_slow_path
	movq %rbp, CALLED+ACTIVATION_RETURN_IP(%rax)
	movq %r11, CALLED+ACTIVATION_RETURN_SP(%rax)
	movq %rsi, CALLED+ACTIVATION_RANGES(%rax)
	movq %r12, CALLED+ACTIVATION_RANGES+8(%rax)
	movq GATE_OPS(%r14), %r11
	movl (%r11,%r13,8), %r11d
	subl $(ONE_RANGE - 1), %r11d        /* enum tk_access: 1 read, 2 write, 3 both */
	movl %r11d, CALLED+ACTIVATION_RANGES+16(%rax)
	ACTIVATION_PUSH gate_call_closed
	movb $1, CALLED+ACTIVATION_STACK+3(%rax) /* range_count */
	cmpl $ARCH_WAY_USER, DOMAIN_WAY(%r15)
	je enter_ic2
	CLIENT_ROOT_NEED
	jmp enter_unit

.macro STACK_RETURN
	movq $0, DOMAIN_STACK_USERS(%r15,%rdx,8)
	lock btsq %rdx, DOMAIN_STACKS_FREE(%r15)
	movq CALLED+ACTIVATION_RETURN_IP(%rax), %rbp
	movq CALLED+ACTIVATION_RETURN_SP(%rax), %r11
.endm
.globl ic0_gate_call_slow
ic0_gate_call_slow:
	popq %rbp
	movq %rsp, %r11
	jmp ic0_gate_number
.globl ic0_gate_call_closed
ic0_gate_call_closed:
	STACK_RETURN
ic0_gate_number: /* TK_CALL | gate << 8 | operation << 16, as gate_call has it */
	leaq gates(%rip), %rax
	subq %rax, %r14
	movq %r14, %rax
	xorl %edx, %edx
	movl $GATE_SIZE, %r14d
	divl %r14d
	shll $8, %eax
	shll $16, %r13d
	leal 1(%rax,%r13), %ebx
	jmp gate_call_slow_path

gate_call_closed:
	STACK_RETURN
gate_call_slow_path:
	movq %gs:CPU_CORE_STACK, %rsp
	movq %rbp, THREAD_RESUME_IP(%rcx)
	movq %r11, THREAD_RESUME_SP(%rcx)
	movl $2, THREAD_RESUME(%rcx)
	PUSH_WORDS r12, r10
	movq %rcx, %rdi
	movl %ebx, %esi
	movq %rsp, %rdx
	call gate_call_slow
	jmp arch_resume

/* ---- A unit's reply: rcx thread, rdi result, rsi r12 r10 out words ------------------------------------------------------------------------ */

/* The top activation rax of thread rcx, its unit r15, the stack rdx that it holds. */
.macro REPLY_CHECK
	movq THREAD_TOP(%rcx), %rax
	movq ACTIVATION_DOMAIN(%rax), %r15
	movl DOMAIN_GENERATION(%r15), %edx
	cmpl ACTIVATION_GENERATION(%rax), %edx
	jne unit_reply_slow
	movq ACTIVATION_STACK(%rax), %rdx
	btrq $24, %rdx                      /* one range or none */
	cmpq $63, %rdx                      /* a call from a unit, on a stack of the pool, with nothing to copy back */
	ja unit_reply_upcall
	movq ACTIVATION_CALLER(%rax), %r14
.endm

/* The activation ends: its stack goes back, the thread runs in its caller r14. */
.macro ACTIVATION_POP
	movq $0, DOMAIN_STACK_USERS(%r15,%rdx,8) /* nobody looks at a thread that may be gone */
	lock btsq %rdx, DOMAIN_STACKS_FREE(%r15) /* gives the stack back; a full barrier, so the test below sees a new waiter */
	cmpl $0, DOMAIN_STACK_WAITING(%r15)
	jne 107f
108:	subq $ACTIVATION_SIZE, THREAD_TOP(%rcx)
	movq %r14, THREAD_DOMAIN(%rcx)
.subsection 1
107:	leaq 108b(%rip), %rbp
	jmp unit_reply_wake
.subsection 0
.endm

unit_reply_from_ic1: /* with the client's root, in which IC0 goes on, too */
	movq %gs:CPU_CORE_STACK, %rsp
	REPLY_CHECK
	cmpl $ARCH_WAY_CORE, DOMAIN_WAY(%r14)
	jne unit_reply_to_unit
	ACTIVATION_POP
unit_reply_to_ic0:
	movq ACTIVATION_RETURN_SP(%rax), %rsp
	sti
	jmp *ACTIVATION_RETURN_IP(%rax)

unit_reply:
	REPLY_CHECK
	cmpl $ARCH_WAY_CORE, DOMAIN_WAY(%r14)
	jne unit_reply_to_unit
	ACTIVATION_POP
	movq %rax, %rdx
	CLIENT_ROOT_NEED
	movq %rdx, %rax
	jmp unit_reply_to_ic0

unit_reply_to_unit:
	movl ACTIVATION_GENERATION-ACTIVATION_SIZE(%rax), %r8d
	cmpl DOMAIN_GENERATION(%r14), %r8d  /* the caller's own activation is below */
	jne unit_reply_slow
	ACTIVATION_POP
	movq ACTIVATION_RETURN_IP(%rax), %rbp
	movq ACTIVATION_RETURN_SP(%rax), %r11
	movq %r14, %r15
	jmp return_to_unit

unit_reply_wake: /* rbp: where to go on */
	PUSH rax, rcx, rdi, rsi, r10
	movq %r15, %rdi
	call stack_waiter_wake
	POP r10, rsi, rdi, rcx, rax
	jmp *%rbp

unit_reply_upcall:
	movq %rdx, %rbx
	shrq $32, %rbx
	decl %ebx                           /* 0 ACTIVATION_SYSCALL, 1 ACTIVATION_EVENT */
	cmpl $1, %ebx
	ja unit_reply_slow
	cmpw $0xffff, %dx                   /* STACK_OF_THREAD */
	jne unit_reply_slow
	movl $1, ACTIVATION_STACK+4(%rax)   /* ACTIVATION_SYSCALL, as activation_base_reset has it */
	btrl $1, THREAD_ATTENTION(%rcx)     /* ATTENTION_RESULT: its registers are set */
	jc 1f
	testl %ebx, %ebx
	jnz 1f
	movq %rdi, FRAME_RAX(%rcx)
1:	movq %rcx, %rbx
	jmp return_to_user

unit_reply_slow:
	PUSH r10, r12, rsi
	movq %rdi, %rsi
	movq %rcx, %rdi
	movq %rsp, %rdx
	call activation_reply
	jmp arch_resume

.section .note.GNU-stack, "", @progbits
