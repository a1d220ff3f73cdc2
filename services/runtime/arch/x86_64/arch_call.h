/*
 * How a unit enters the core on x86_64, and leaves a call (register convention: <tessera/arch.h>). All is inline: words go from where
 * they are into their registers, and the compiler keeps across a call only what it needs.
 */
#ifndef ARCH_CALL_H
#define ARCH_CALL_H

#include <tessera/types.h>
#include <tessera/call.h>
#include <tessera/arch.h>

/* Words 2 to 5 of a call travel in registers that have no constraint letter. */
#define ARCH_HIGH_WORDS(c, d, e, f) \
	register u64 high0 __asm__("r12") = (c); register u64 high1 __asm__("r10") = (d); \
	register u64 high2 __asm__("r8") = (e); register u64 high3 __asm__("r9") = (f)
/* What a crossing loses beside the words. rbp may be a frame pointer, which no clobber list can name: it goes over the stack. */
#define ARCH_LOST "rax", "rcx", "rdx", "r11", "r13", "r14", "r15", "memory", "cc"
#define ARCH_CROSS(instruction) "pushq %%rbp\n\t" instruction "\n\tpopq %%rbp"
#define ARCH_WORDS "+D"(first_), "+S"(second_), "+r"(high0), "+r"(high1), "+r"(high2), "+r"(high3)

/* A call of a gate: the first three words of the message become the reply's. */
#define ARCH_GATE_CALL(instruction, message, number, ...) ({ \
	u64 *words_ = (message)->args, first_ = words_[0], second_ = words_[1], number_ = (number); \
	ARCH_HIGH_WORDS(words_[2], words_[3], words_[4], words_[5]); \
	__asm__ volatile(ARCH_CROSS(instruction) : "+b"(number_), ARCH_WORDS : __VA_ARGS__ : ARCH_LOST); \
	words_[0] = second_; \
	words_[1] = high0; \
	words_[2] = high1; \
	(long)first_; \
})

/* head is TK_CALL | gate << 8 | op << 16. */
static inline __attribute__((always_inline)) long arch_gate_call(struct tk_message *message, u64 head)
{
	return ARCH_GATE_CALL("syscall", message, head);
}

/* The same from a unit of class IC0. */
static inline __attribute__((always_inline)) long arch_gate_call_direct(struct tk_message *message, u64 head)
{
	return ARCH_GATE_CALL("call ic0_gate_call", message, head);
}

/* The same for a gate and an operation that are constants. */
#define ARCH_GATE_CALL_LINKED(function, message, gate, op, shape) \
	ARCH_GATE_CALL("leaq gates+%c[place](%%rip), %%r14\n\tmovl %[number], %%r13d\n\tcall " function, message, shape, \
		[place] "i"((gate) * ARCH_GATE_SIZE), [number] "i"(op))
/* Its words are no more than words. */
#define arch_gate_call_plain(message, gate, op) ARCH_GATE_CALL_LINKED("ic0_gate_call_plain", message, gate, op, 0)
/* Its first words are one to three buffers that go in; behind two, a range of the client's memory may follow (range: enum tk_access). */
#define arch_gate_call_in(message, gate, op, buffers, range) \
	ARCH_GATE_CALL_LINKED("ic0_gate_call_in", message, gate, op, ((1 << (buffers)) - 1) >> 1 | (range) << 8)

/* A call of the core with at most five arguments; the result. */
static inline __attribute__((always_inline)) long arch_core_call(u64 first_, u64 second_, u64 c, u64 d, u64 e, u64 number)
{
	ARCH_HIGH_WORDS(c, d, e, 0);
	__asm__ volatile(ARCH_CROSS("syscall") : "+b"(number), ARCH_WORDS : : ARCH_LOST);
	return (long)first_;
}

/* Ends the current call with a result and its words. */
static inline noreturn_fn __attribute__((always_inline)) void arch_reply(long result, const u64 *outs)
{
	register u64 second __asm__("r12") = outs[1];
	register u64 third __asm__("r10") = outs[2];

	/* It never comes back. To a compiler that knew, the operation before it would be a cold call, not worth to be inlined. */
	__asm__ volatile("syscall" : : "b"(TK_REPLY), "D"(result), "S"(outs[0]), "r"(second), "r"(third) : "memory");
	for (;;)
		__asm__ volatile("ud2");
}

/* An address on the stack in use. */
static inline u64 arch_stack_address(void)
{
	u64 address;

	__asm__("movq %%rsp, %0" : "=r"(address));
	return address;
}

#endif
