/* Assembly macros of a crossing between the core and a unit; see entry.S, exit.S and vectors.S. Clobbers are named with each. */
#ifndef CROSSING_H
#define CROSSING_H

#define MSR_PKRS 0x6e1
#define CALLED ACTIVATION_SIZE              /* the activation behind the top one */

/* On entry from an IC1 unit: the core's memory comes into reach. "keys": the key register (rax, rcx, rdx); "roots": CR3 (rax). */
.macro OPEN_CORE way
	.ifc \way, keys
	xorl %eax, %eax
	xorl %edx, %edx
	movl $MSR_PKRS, %ecx
	wrmsr
	.else
	movq %gs:ENTRY_CORE_ROOT, %rax
	movq %rax, %cr3
	.endif
.endm

/* The same where both come. */
.macro OPEN_CORE_EITHER
	cmpq $0, %gs:ENTRY_CORE_ROOT
	jne 101f
	OPEN_CORE keys
	jmp 102f
101:	OPEN_CORE roots
102:
.endm

/* From here on NMI, #MC and #DF come on a stack of the core. rax. */
.macro FATAL_STACK_SET
	movq %gs:CPU_FATAL_STACK, %rax
	movq %rax, %gs:ENTRY_IST1
.endm

/* rsp: the crossing record of IC1 unit r15 in this processor's entry page. */
.macro CROSSING_FIND
	movq %gs:CPU_ENTRY, %rsp
	addq DOMAIN_CROSSING(%r15), %rsp
.endm

/*
 * The last steps into an IC1 unit. rsp: its crossing record; all registers are the unit's but for rax, rcx, rdx and those of `zero`,
 * the first of which serves as a zero. `frame`: offset of the return frame. Between the labels an NMI comes on the unit's own entry
 * stack and is handled as if IRETQ were done (nmi.c), so nothing there depends on what a register holds.
 */
.macro CROSSING_LEAVE way, name, frame, zero:vararg
	movq CROSSING_RSP0(%rsp), %rdx
	movq %rdx, %gs:ENTRY_RSP0
	movq CROSSING_IST1(%rsp), %rdx
	movq CROSSING_CLOSE(%rsp), %rax
	.ifc \way, roots
	movq %gs:CPU_ROOT, %rcx
	movq %rcx, %gs:ENTRY_CORE_ROOT
	.endif
	.if \frame
	addq $\frame, %rsp
	.endif
	ZERO \zero
	movq %rdx, %gs:ENTRY_IST1
.globl \name\()_begin, \name\()_end
\name\()_begin:
	.ifc \way, keys
	xorl %edx, %edx
	movl $MSR_PKRS, %ecx
	wrmsr
	.else
	movq %rax, %cr3
	ZERO ecx, edx
	.endif
	ZERO eax
	swapgs
	wrgsbase %rax
	wrfsbase %rax
	iretq
\name\()_end:
.endm

/*
 * What the application has in the processor leaves it once until it runs again: its segment bases are kept, and the vector unit is closed,
 * since a unit must not find it open. rcx thread; rax.
 */
.macro APPLICATION_LEAVE
	testl $1, THREAD_ATTENTION(%rcx)    /* ATTENTION_BASES */
	jz 103f
104:
.subsection 1
103:	rdfsbase %rax
	movq %rax, THREAD_FS_BASE(%rcx)
	swapgs
	rdgsbase %rax
	swapgs
	movq %rax, THREAD_GS_BASE(%rcx)
	orl $1, THREAD_ATTENTION(%rcx)
	cmpb $ARCH_VECTOR_OPEN, %gs:CPU_VECTOR
	jne 104b
	movq %cr0, %rax
	orq $8, %rax
	movq %rax, %cr0
	movb $ARCH_VECTOR_CLOSED, %gs:CPU_VECTOR
	jmp 104b
.subsection 0
.endm

.macro LOAD_ROOT register
	movq \register, %gs:CPU_ROOT
	movq \register, %cr3
.endm

/* The root at this place is loaded if it is not. rax. */
.macro ROOT_NEED root:vararg
	movq \root, %rax
	cmpq %gs:CPU_ROOT, %rax
	je 105f
	LOAD_ROOT %rax
105:
.endm

/* IC1 and IC0 units run over their client's address space, and an IC1 unit in its own root returns to it. */
.macro CLIENT_ROOT_NEED thread=rcx
	ROOT_NEED THREAD_CLIENT_ROOT(%\thread)
.endm

/* Segment bases of a unit that is left to by other ways than CROSSING_LEAVE. `zero` holds 0. */
.macro BASES_ZERO zero
	wrgsbase %\zero
	wrfsbase %\zero
.endm

/* A free stack of r15, the unit of gate r14, for thread rcx: its index in rdx; the thread's top activation in rax. */
.macro STACK_TAKE otherwise
	movq THREAD_TOP(%rcx), %rax
	leaq ACTIVATIONS_LAST(%rcx), %rdx
	cmpq %rdx, %rax
	jae \otherwise
	movq GATE_DOMAIN(%r14), %r15
106:	tzcntq DOMAIN_STACKS_FREE(%r15), %rdx
	jc \otherwise
	lock btrq %rdx, DOMAIN_STACKS_FREE(%r15) /* taking a stack is one atomic bit: whoever clears it owns it */
	jnc 106b
	movq %rcx, DOMAIN_STACK_USERS(%r15,%rdx,8)
.endm

/*
 * Pushes the activation of operation r13d of gate r14, whose return address and stack are written; then what the unit's entry gets:
 * r13 number, rbx caller | thread << 32, rdx its stack. rbp, r11.
 */
.macro ACTIVATION_PUSH closed
	movq THREAD_DOMAIN(%rcx), %rbp
	movq %r15, CALLED+ACTIVATION_DOMAIN(%rax)
	movq %rbp, CALLED+ACTIVATION_CALLER(%rax)
	movl DOMAIN_GENERATION(%r15), %r11d
	cmpl GATE_OP_COUNT(%r14), %r13d     /* gates close before the generation ends: this one is of a unit that runs */
	jae \closed
	movl %r11d, CALLED+ACTIVATION_GENERATION(%rax)
	movq %rdx, CALLED+ACTIVATION_STACK(%rax) /* index below 64: bulk and range counts, and the kind, become 0 (ACTIVATION_CALL) */
	addq $ACTIVATION_SIZE, THREAD_TOP(%rcx)
	movq %r15, THREAD_DOMAIN(%rcx)
	addl GATE_FIRST(%r14), %r13d
	shlq $16, %rdx                      /* TK_STACK_STRIDE */
	addq DOMAIN_STACK_TOPS(%r15), %rdx
	movl DOMAIN_ID(%rbp), %ebx
	orq THREAD_BADGE(%rcx), %rbx        /* id << 32 */
.endm

.macro PUSH registers:vararg
	.irp register, \registers
	pushq %\register
	.endr
.endm
.macro POP registers:vararg
	.irp register, \registers
	popq %\register
	.endr
.endm

/* Six words of a call, the first lowest. */
.macro PUSH_WORDS third, fourth
	PUSH r9, r8, \fourth, \third, rsi, rdi
.endm

/* struct arch_frame below its vector, in two parts. */
.macro PUSH_LOW
	PUSH rsi, rdx, rcx, rax
.endm
.macro PUSH_HIGH
	PUSH r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
.endm
.macro POP_HIGH
	POP r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8
.endm
.macro POP_REGISTERS
	POP_HIGH
	POP rax, rcx, rdx, rsi, rdi
.endm

/* Registers of an application that a function of C may change, but for rax, rcx and r11: to or from its frame at rsp. */
.macro movq_store register, offset
	movq %\register, \offset(%rsp)
.endm
.macro movq_load register, offset
	movq \offset(%rsp), %\register
.endm
.macro USER_REGISTERS move
	\move rdi, FRAME_RDI
	\move rsi, FRAME_RSI
	\move rdx, FRAME_RDX
	\move r8, FRAME_R8
	\move r9, FRAME_R9
	\move r10, FRAME_R10
	\move rbx, FRAME_RBX
.endm

.macro ZERO registers:vararg
	.irp register, \registers
	xorl %\register, %\register
	.endr
.endm

/* The last steps into an IC2 unit r15. rcx thread; registers that hold `ip` and `sp`; all others are the unit's but for those of `zero`. rax. */
.macro IC2_LEAVE ip, sp, zero:vararg
	ROOT_NEED DOMAIN_ROOT(%r15)
	leaq THREAD_SERVICE_END(%rcx), %rax
	movq %rax, %gs:ENTRY_RSP0
	movq \sp, %rsp
	movq \ip, %rcx
	movl $0x202, %r11d
	ZERO \zero
	swapgs
	BASES_ZERO rbp
	sysretq
.endm

#endif
