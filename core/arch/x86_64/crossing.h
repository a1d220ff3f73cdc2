/* Assembly macros of a crossing between the core and a unit; see entry.S, exit.S and vectors.S. Clobbers are named with each. */
#ifndef CROSSING_H
#define CROSSING_H

#define MSR_PKRS 0x6e1

/* On entry from an IC1 unit: opens the core's memory. With keys: the key register (rax, rcx, rdx); else the core's root (rax). */
.macro OPEN_CORE
	cmpq $0, %gs:ENTRY_CORE_ROOT
	jne 101f
	xorl %eax, %eax
	xorl %edx, %edx
	movl $MSR_PKRS, %ecx
	wrmsr
102:
.subsection 1
101:	movq %gs:ENTRY_CORE_ROOT, %rax
	movq %rax, %cr3
	jmp 102b
.subsection 0
.endm

/* On the way into an IC1 unit: r15 domain; rsp becomes the return frame; then core memory is out of reach. rax, rcx, rdx. */
.macro CLOSE_CORE
	movq %gs:CPU_ENTRY_PAGE, %rsp
	addq $ENTRY_RETURN_FRAME, %rsp
	cmpq $0, DOMAIN_ROOT(%r15)
	jne 101f
	movl DOMAIN_KEY_RIGHTS(%r15), %eax
	xorl %edx, %edx
	movl $MSR_PKRS, %ecx
	wrmsr
102:
.subsection 1
101:	movq %gs:CPU_ROOT, %rax
	movq %rax, %gs:ENTRY_CORE_ROOT
	movq DOMAIN_ROOT(%r15), %rax
	movq %rax, %cr3
	jmp 102b
.subsection 0
.endm

/* The same when all registers but rax, rcx and rdx hold the unit's values: rights and root stand in the entry page. */
.macro CLOSE_CORE_FROM_PAGE
	movq %gs:CPU_ENTRY_PAGE, %rsp
	addq $ENTRY_RETURN_FRAME, %rsp
	cmpq $0, %gs:ENTRY_CLOSE_ROOT
	jne 101f
	movl %gs:ENTRY_CLOSE_RIGHTS, %eax
	xorl %edx, %edx
	movl $MSR_PKRS, %ecx
	wrmsr
102:
.subsection 1
101:	movq %gs:CPU_ROOT, %rax
	movq %rax, %gs:ENTRY_CORE_ROOT
	movq %gs:ENTRY_CLOSE_ROOT, %rax
	movq %rax, %cr3
	jmp 102b
.subsection 0
.endm

/* The application's segment bases leave the registers once until it runs again. rbx thread; r11. */
.macro SAVE_BASES
	testl $1, THREAD_ATTENTION(%rbx)
	jnz 103f
	rdfsbase %r11
	movq %r11, THREAD_FS_BASE(%rbx)
	swapgs
	rdgsbase %r11
	swapgs
	movq %r11, THREAD_GS_BASE(%rbx)
	orl $1, THREAD_ATTENTION(%rbx)
103:
.endm

/* A unit finds the vector unit closed. r11. */
.macro VECTOR_OFF
	cmpb $0, %gs:CPU_VECTOR_OFF
	jne 104f
	movq %cr0, %r11
	orq $8, %r11
	movq %r11, %cr0
	movb $1, %gs:CPU_VECTOR_OFF
104:
.endm

.macro LOAD_ROOT register
	movq \register, %gs:CPU_ROOT
	movq \register, %cr3
.endm

/* IC1 units run over their client's address space. rbx thread; r11. */
.macro LOAD_CLIENT_ROOT
	movq THREAD_CLIENT_ROOT(%rbx), %r11
	cmpq %gs:CPU_ROOT, %r11
	je 105f
	LOAD_ROOT %r11
105:
.endm

/* Tells the entry stubs and the processor that IC1 unit r15 runs: origin, entry stacks with its key. r11, r12. */
.macro SET_UNIT_STACKS
	movq DOMAIN_ORIGIN(%r15), %r11
	movq %r11, %gs:ENTRY_ORIGIN
	shlq $20, %r11                      /* 64 * ARCH_ENTRY_STACK_STRIDE */
	addq %gs:CPU_UNIT_STACKS, %r11
	addq $0x800, %r11
	movq %r11, %gs:ENTRY_IST1
	addq $0x800, %r11
	movq %r11, %gs:ENTRY_RSP0
.endm

/* Six words of a call, the first lowest. */
.macro PUSH_WORDS
	.irp register, r9, r8, r10, rdx, rsi, rdi
	pushq %\register
	.endr
.endm

/* struct arch_frame below its vector, in two parts. */
.macro PUSH_LOW
	.irp register, rsi, rdx, rcx, rax
	pushq %\register
	.endr
.endm
.macro PUSH_HIGH
	.irp register, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	pushq %\register
	.endr
.endm
.macro POP_HIGH
	.irp register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8
	popq %\register
	.endr
.endm
.macro POP_REGISTERS
	POP_HIGH
	.irp register, rax, rcx, rdx, rsi, rdi
	popq %\register
	.endr
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

/* Nothing of the core or of a callee stays in registers that a caller may look at. rcx is the macro user's. */
.macro CLEAR_REST
	ZERO ebx, ebp, edi, r8d, r9d, r11d, r12d, r13d, r14d, r15d
.endm

#endif
