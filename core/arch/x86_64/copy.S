/* size_t arch_copy(to, from, size): quad-words, then the last bytes. A fault inside ends it: trap_from_core jumps to arch_copy_fault. */
#include "user_access.h"

.text
.globl arch_copy
.type arch_copy, @function
arch_copy:
	USER_ACCESS_OPEN
	movq %rdx, %rcx
	shrq $3, %rcx
	andl $7, %edx
.globl arch_copy_start
arch_copy_start:
	rep movsq
	movl %edx, %ecx
.globl arch_copy_bytes
arch_copy_bytes:
	rep movsb
.globl arch_copy_end
arch_copy_end:
	USER_ACCESS_CLOSE
	xorl %eax, %eax
	ret

/* In the quad-word part rcx counts quad-words and rdx holds the bytes behind them; in the byte part rcx counts bytes. */
.globl arch_copy_fault
arch_copy_fault:
	USER_ACCESS_CLOSE
	leaq (%rdx,%rcx,8), %rax
	ret
.globl arch_copy_fault_bytes
arch_copy_fault_bytes:
	USER_ACCESS_CLOSE
	movq %rcx, %rax
	ret

/* long vector_client_...(address, features): XSAVE and its relatives in the client's memory. */
.macro VECTOR_CLIENT name, instruction
.globl \name
.type \name, @function
\name:
	movl %esi, %eax
	movq %rsi, %rdx
	shrq $32, %rdx
	USER_ACCESS_OPEN
	\instruction (%rdi)
	USER_ACCESS_CLOSE
	xorl %eax, %eax
	ret
.endm

/* long arch_load_word(address): 32 bits, or -EFAULT */
.globl arch_load_word
.type arch_load_word, @function
arch_load_word:
	USER_ACCESS_OPEN
.globl arch_load_start
arch_load_start:
	movl (%rdi), %eax
	USER_ACCESS_CLOSE
	ret
	VECTOR_CLIENT vector_client_save, xsave64
	VECTOR_CLIENT vector_client_load, xrstor64
	VECTOR_CLIENT vector_client_load_legacy, fxrstor64
.globl arch_load_end
arch_load_end:
.globl arch_load_fault
arch_load_fault:
	USER_ACCESS_CLOSE
	movq $-14, %rax                     /* -EFAULT */
	ret

.section .note.GNU-stack, "", @progbits
