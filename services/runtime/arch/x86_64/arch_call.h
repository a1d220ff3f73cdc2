/*
 * How a unit enters the core on x86_64, and leaves a call (register convention: <tessera/arch.h>). All is inline: words go from where
 * they are into their registers, and the compiler keeps across a call only what it needs.
 */
#ifndef ARCH_CALL_H
#define ARCH_CALL_H

#include <tessera/types.h>
#include <tessera/call.h>

/* Words 3 to 5 of a call travel in registers that have no constraint letter. */
#define ARCH_HIGH_WORDS(d, e, f) \
	register u64 high0 __asm__("r10") = (d); register u64 high1 __asm__("r8") = (e); register u64 high2 __asm__("r9") = (f)
/* What a crossing loses beside the words. rbp may be a frame pointer, which no clobber list can name: it goes over the stack. */
#define ARCH_LOST "rcx", "rbx", "r11", "r12", "r13", "r14", "r15", "memory", "cc"
#define ARCH_CROSS(instruction) "pushq %%rbp\n\t" instruction "\n\tpopq %%rbp"

#define ARCH_GATE_CALL(instruction, message, head) ({ \
	long result_ = (long)(head); \
	u64 *words_ = (message)->args; \
	ARCH_HIGH_WORDS(words_[3], words_[4], words_[5]); \
	__asm__ volatile(ARCH_CROSS(instruction) \
		: "+a"(result_), "+D"(words_[0]), "+S"(words_[1]), "+d"(words_[2]), "+r"(high0), "+r"(high1), "+r"(high2) : : ARCH_LOST); \
	words_[0] = words_[1]; \
	words_[1] = words_[2]; \
	words_[2] = high0; \
	result_; \
})

/* A call of a gate: head is TK_CALL | gate << 8 | op << 16; the first three words of the message become the reply's. */
static inline __attribute__((always_inline)) long arch_gate_call(struct tk_message *message, u64 head)
{
	return ARCH_GATE_CALL("syscall", message, head);
}

/* The same from a unit of class IC0. */
static inline __attribute__((always_inline)) long arch_gate_call_direct(struct tk_message *message, u64 head)
{
	return ARCH_GATE_CALL("call ic0_gate_call", message, head);
}

/* A call of the core with at most five arguments; the result. */
static inline __attribute__((always_inline)) long arch_core_call(u64 a, u64 b, u64 c, u64 d, u64 e, u64 number)
{
	ARCH_HIGH_WORDS(d, e, 0);
	__asm__ volatile(ARCH_CROSS("syscall") : "+a"(number), "+D"(a), "+S"(b), "+d"(c), "+r"(high0), "+r"(high1), "+r"(high2) : : ARCH_LOST);
	return (long)number;
}

/* Ends the current call with a result and its words. */
static inline noreturn_fn __attribute__((always_inline)) void arch_reply(long result, const u64 *outs)
{
	register u64 third __asm__("r10") = outs[2];

	__asm__ volatile("syscall" : : "a"(TK_REPLY), "D"(result), "S"(outs[0]), "d"(outs[1]), "r"(third) : "memory");
	__builtin_unreachable();
}

/* An address on the stack in use. */
static inline u64 arch_stack_address(void)
{
	u64 address;

	__asm__("movq %%rsp, %0" : "=r"(address));
	return address;
}

#endif
