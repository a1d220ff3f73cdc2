/*
 * Entry to the core: system calls of applications, calls and replies of units. The way back: exit.S; interrupts and exceptions: vectors.S.
 * Register conventions: <tessera/arch.h>. See docs/isolation.md for why each step is where it is.
 *
 * While an IC1 unit runs, memory of the core can't be reached until its key is opened (or, without keys, until the core's root is
 * loaded): such an entry works in registers and in the entry page, which is readable then.
 */
#include <arch/offsets.h>
#include <arch/layout.h>
#include <arch/selectors.h>
#include "crossing.h"

.section .entry.text, "ax"

/* ---- SYSCALL: from an application, an IC2 unit or an IC1 unit --------------------------------------------------------------------- */
.globl syscall_entry
.balign 64
syscall_entry:
	swapgs
	cmpq $0, %gs:ENTRY_ORIGIN
	jne syscall_from_ic1
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
	PUSH_WORDS
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
	testl $2, THREAD_ATTENTION(%rbx)    /* ATTENTION_RESULT */
	jnz 1f
syscall_return:
	movq %rax, FRAME_RAX(%rbx)
	jmp return_to_user
1:	movq %rax, %rdi
	ZERO esi, edx, r10d
	movq %gs:CPU_CORE_STACK, %rsp
	jmp unit_reply_slow

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
	movq THREAD_STACK_TOP(%rbx), %rcx
	movq THREAD_BADGE(%rbx), %rbp
	cmpl $0xfffffe, %eax
	ja 2f
1:	shll $8, %eax                       /* TK_UPCALL_SYSCALL | number << 8 */
	orl $1, %eax
	shlq $16, %rax
	orq $0xffff, %rax                   /* TK_INTERFACE_CORE */
	jmp enter_unit
2:	movl $0xffffff, %eax
	jmp 1b

syscall_without_shim:
	movq %gs:CPU_CORE_STACK, %rsp
	movq %rbx, %rdi
	call trap_syscall_without_shim
	jmp arch_resume

syscall_from_ic2:
	movq %rsp, %rbx
	movq %rcx, %r12
	movq %gs:CPU_SCRATCH, %r13
	movq %gs:CPU_CORE_STACK, %rsp
	jmp unit_call

syscall_from_ic1:
	movq %rcx, %r12
	movq %rsp, %r13
	movq %rax, %r14
	movq %rdx, %r15
	OPEN_CORE
	movq %r14, %rax
	movq %r15, %rdx
	movq $0, %gs:ENTRY_ORIGIN
	movq %gs:CPU_FATAL_STACK, %rcx
	movq %rcx, %gs:ENTRY_IST1
	movq %gs:CPU_CURRENT, %rbx
	movq %gs:CPU_CORE_STACK, %rsp

/* ---- A unit's call: rbx thread, rax number, r12 return ip, r13 return sp, arguments in rdi rsi rdx r10 r8 r9 ---------------------------- */
.globl unit_call
unit_call:
	cmpb $1, %al                        /* TK_CALL */
	jb unit_reply                       /* TK_REPLY */
	je gate_call
	movq %r12, THREAD_RESUME_IP(%rbx)
	movq %r13, THREAD_RESUME_SP(%rbx)
	movl $2, THREAD_RESUME(%rbx)        /* RESUME_CALL */
	PUSH_WORDS
	movq %rbx, %rdi
	movzbl %al, %esi
	movq %rsp, %rdx
	call core_call
	cmpb $0, %gs:CPU_RESCHEDULE
	jne 1f
	ZERO esi, edx, r10d
	jmp return_to_unit_of_thread
1:	movq %rax, %rsi
	movq %rbx, %rdi
	call core_call_finish
	jmp arch_resume

/*
 * A gate: the fast path has no marshalled parameter, or one range of the client's memory in words 1 and 2 (reads and writes), and
 * finds a free stack at once; all else is done by gate_call_slow in C.
 */
.globl gate_call
gate_call:
	movzbl %ah, %ecx
	movq THREAD_DOMAIN(%rbx), %rbp
	movq DOMAIN_GATE_TABLE(%rbp), %r14
	movq (%r14,%rcx,8), %r14            /* a gate that this domain may call, else one without operations */
	movl %eax, %r11d
	shrl $16, %r11d
	cmpl GATE_OP_COUNT(%r14), %r11d     /* 0 while its unit does not run */
	jae gate_call_slow_path
	movq GATE_OPS(%r14), %rcx
	movq (%rcx,%r11,8), %rcx
	testq %rcx, %rcx
	jne gate_call_parameters
gate_call_fast:
	movq GATE_DOMAIN(%r14), %r15
	movq THREAD_TOP(%rbx), %rsp         /* no memory of the core stack is in use: rsp is a free register here */
	addq $ACTIVATION_SIZE, %rsp
	leaq ACTIVATIONS_LIMIT(%rbx), %rcx
	cmpq %rcx, %rsp
	jae gate_call_slow_path
1:	tzcntq DOMAIN_STACKS_FREE(%r15), %rcx
	jc gate_call_slow_path
	lock btrq %rcx, DOMAIN_STACKS_FREE(%r15) /* taking a stack is one atomic bit: whoever clears it owns it */
	jnc 1b
	movq %rbx, DOMAIN_STACK_USERS(%r15,%rcx,8)
	movq %r15, ACTIVATION_DOMAIN(%rsp)
	movq %rbp, ACTIVATION_CALLER(%rsp)
	movq %r12, ACTIVATION_RETURN_IP(%rsp)
	movq %r13, ACTIVATION_RETURN_SP(%rsp)
	movl DOMAIN_GENERATION(%r15), %r12d
	cmpl GATE_OP_COUNT(%r14), %r11d     /* gates close before the generation ends: this one is of a unit that runs */
	jae gate_call_closed
	movl %r12d, ACTIVATION_GENERATION(%rsp)
	movq %rcx, ACTIVATION_STACK(%rsp)   /* index below 64: bulk and range counts, and the kind, become 0 (ACTIVATION_CALL) */
	movq GATE_OPS(%r14), %r13
	cmpl $0, (%r13,%r11,8)
	jne gate_call_range
gate_call_ready:
	movq %rsp, THREAD_TOP(%rbx)
	movq %r15, THREAD_DOMAIN(%rbx)
	shlq $16, %rcx                      /* TK_STACK_STRIDE */
	addq DOMAIN_STACK_TOPS(%r15), %rcx
	movl GATE_FIRST(%r14), %eax
	addl %r11d, %eax
	movl DOMAIN_ID(%rbp), %ebp
	orq THREAD_BADGE(%rbx), %rbp        /* id << 32 */

/*
 * Enters a unit: rbx thread, r15 domain, rcx stack top, rax operation, rbp caller | thread << 32, words in
 * rdi rsi rdx r10 r8 r9.
 */
enter_unit:
	cmpl $1, DOMAIN_CLASS(%r15)
	je enter_ic1
	ja enter_ic2

enter_ic0:
	leaq -64(%rcx), %rsp                /* struct tk_request */
	movq %rdi, 0(%rsp)
	movq %rsi, 8(%rsp)
	movq %rdx, 16(%rsp)
	movq %r10, 24(%rsp)
	movq %r8, 32(%rsp)
	movq %r9, 40(%rsp)
	movl $0, 48(%rsp)
	movl %eax, 52(%rsp)
	movq %rbp, 56(%rsp)
	movq THREAD_CLIENT_ROOT(%rbx), %rax
	cmpq %gs:CPU_ROOT, %rax
	jne 1f
2:	movq %rsp, %rdi
	movq DOMAIN_ENTRY(%r15), %rax
.globl ic0_run
ic0_run: /* also where a thread starts that was set to enter an IC0 unit: rax entry, rdi = rsp request */
	sti
	call *%rax
	cli
	movq %gs:CPU_CURRENT, %rbx
	movq 0(%rsp), %rdi
	movq 8(%rsp), %rsi
	movq 16(%rsp), %rdx
	movq 24(%rsp), %r10
	movq %gs:CPU_CORE_STACK, %rsp
	jmp unit_reply
1:	LOAD_ROOT %rax
	jmp 2b

enter_ic1:
	SAVE_BASES
	VECTOR_OFF
	LOAD_CLIENT_ROOT
	movq DOMAIN_ENTRY(%r15), %r11
	movq %r11, %gs:ENTRY_RETURN_IP
	movq %rcx, %gs:ENTRY_RETURN_SP
	movq $0x202, %gs:ENTRY_RETURN_FLAGS
	SET_UNIT_STACKS
	movq %rax, %r11
	movq %rdx, %r12
	movq %rbp, %rbx
	CLOSE_CORE
	movq %r11, %rax
	movq %r12, %rdx
	swapgs
	xorl %ecx, %ecx
	wrgsbase %rcx
	wrfsbase %rcx
	ZERO ebp, r11d, r12d, r13d, r14d, r15d
	iretq

enter_ic2:
	SAVE_BASES
	VECTOR_OFF
	movq DOMAIN_ROOT(%r15), %r11
	cmpq %gs:CPU_ROOT, %r11
	je 1f
	LOAD_ROOT %r11
1:	leaq THREAD_SERVICE_END(%rbx), %r11
	movq %r11, %gs:ENTRY_RSP0
	movq %rcx, %rsp
	movq DOMAIN_ENTRY(%r15), %rcx
	movl $0x202, %r11d
	movq %rbp, %rbx
	swapgs
	xorl %ebp, %ebp
	wrgsbase %rbp
	wrfsbase %rbp
	ZERO r12d, r13d, r14d, r15d
	sysretq

/* What a unit that acts for clients may name of their memory is checked when it is copied. */
gate_call_parameters:
	subq $ONE_RANGE, %rcx
	cmpq $2, %rcx
	ja gate_call_slow_path
	testl $RIGHT_CLIENTS, DOMAIN_RIGHTS(%rbp)
	jne gate_call_fast
	jmp gate_call_slow_path
gate_call_range:
	movl (%r13,%r11,8), %r13d
	subl $(ONE_RANGE - 1), %r13d        /* enum tk_access: 1 read, 2 write, 3 both */
	movl %r13d, ACTIVATION_RANGES+16(%rsp)
	movq %rsi, ACTIVATION_RANGES(%rsp)
	movq %rdx, ACTIVATION_RANGES+8(%rsp)
	movb $1, ACTIVATION_STACK+3(%rsp)   /* range_count */
	jmp gate_call_ready

gate_call_closed:
	movq $0, DOMAIN_STACK_USERS(%r15,%rcx,8)
	lock btsq %rcx, DOMAIN_STACKS_FREE(%r15)
	movq ACTIVATION_RETURN_IP(%rsp), %r12
gate_call_slow_path:
	movq %gs:CPU_CORE_STACK, %rsp
	movq %r12, THREAD_RESUME_IP(%rbx)
	movq %r13, THREAD_RESUME_SP(%rbx)
	movl $2, THREAD_RESUME(%rbx)
	PUSH_WORDS
	movq %rbx, %rdi
	movl %eax, %esi
	movq %rsp, %rdx
	call gate_call_slow
	jmp arch_resume

/* ---- A unit's reply: rbx thread, rdi result, rsi rdx r10 out words ------------------------------------------------------------------------ */
unit_reply:
	movq THREAD_TOP(%rbx), %rcx
	movq ACTIVATION_DOMAIN(%rcx), %rbp
	movl DOMAIN_GENERATION(%rbp), %eax
	cmpl ACTIVATION_GENERATION(%rcx), %eax
	jne unit_reply_slow
	movq ACTIVATION_STACK(%rcx), %rax
	btrq $24, %rax                      /* one range or none */
	cmpq $63, %rax                      /* a call from a unit, on a stack of the pool, with nothing to copy back */
	ja unit_reply_upcall
	movq ACTIVATION_CALLER(%rcx), %r15
	movl ACTIVATION_GENERATION-ACTIVATION_SIZE(%rcx), %r8d
	cmpl DOMAIN_GENERATION(%r15), %r8d  /* the caller's own activation is below */
	jne unit_reply_slow
	movq $0, DOMAIN_STACK_USERS(%rbp,%rax,8) /* nobody looks at a thread that may be gone */
	lock btsq %rax, DOMAIN_STACKS_FREE(%rbp) /* gives the stack back; a full barrier, so the test below sees a new waiter */
	cmpl $0, DOMAIN_STACK_WAITING(%rbp)
	jne unit_reply_wake
1:	movq ACTIVATION_RETURN_IP(%rcx), %r12
	movq ACTIVATION_RETURN_SP(%rcx), %r13
	subq $ACTIVATION_SIZE, %rcx
	movq %rcx, THREAD_TOP(%rbx)
	movq %r15, THREAD_DOMAIN(%rbx)
	movq %rdi, %rax
	jmp return_to_unit
unit_reply_wake:
	pushq %rcx
	pushq %rdi
	pushq %rsi
	pushq %rdx
	pushq %r10
	pushq %r11
	movq %rbp, %rdi
	call stack_waiter_wake
	popq %r11
	popq %r10
	popq %rdx
	popq %rsi
	popq %rdi
	popq %rcx
	jmp 1b

unit_reply_upcall:
	movabsq $0x10000ffff, %r8           /* ACTIVATION_SYSCALL on the thread's stack */
	cmpq %r8, %rax
	jne unit_reply_slow
	testl $2, THREAD_ATTENTION(%rbx)    /* ATTENTION_RESULT */
	jnz unit_reply_slow
	movq %rdi, FRAME_RAX(%rbx)
	jmp return_to_user

unit_reply_slow:
	pushq %r10
	pushq %rdx
	pushq %rsi
	movq %rdi, %rsi
	movq %rbx, %rdi
	movq %rsp, %rdx
	call activation_reply
	jmp arch_resume

.section .note.GNU-stack, "", @progbits
