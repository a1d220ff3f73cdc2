/* Attacks by instructions and processor state of x86_64. */
#include <arch/layout.h>
#include "raider.h"

/* ---- Instructions that must end the unit -------------------------------------------------------------------------------------- */

#define X(identifier, name, code) \
	static void instruction_##identifier(void) \
	{ \
		__asm__ volatile(code : : : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "memory", "cc"); \
	}
INSTRUCTIONS(X)
#undef X

static void (*const instructions[])(void) = {
#define X(identifier, name, code) [INSTRUCTION_##identifier] = instruction_##identifier,
	INSTRUCTIONS(X)
#undef X
};

long attack_instruction(u64 index)
{
	if (index >= INSTRUCTION_COUNT)
		return -EINVAL;
	instructions[index]();
	return 1;
}

/* ---- Hostile state before a call of the core -------------------------------------------------------------------------------------- */

static u64 state_stack;

/* tk_yield in that state; the instructions before leave rbx alone. */
#define X(identifier, name, before, after) \
	static __attribute__((noinline)) u64 state_##identifier(void) \
	{ \
		u64 result; \
		__asm__ volatile("pushq %%rbx; pushq %%rbp; pushq %%r12; pushq %%r13; pushq %%r14; pushq %%r15; movq %%rsp, %1;" \
				 "movl %2, %%ebx; xorl %%edi, %%edi; xorl %%esi, %%esi; xorl %%r12d, %%r12d;" before "; syscall;" \
				 "movq %1, %%rsp; " after "; popq %%r15; popq %%r14; popq %%r13; popq %%r12; popq %%rbp; popq %%rbx" \
				 : "=&D"(result), "+m"(state_stack) : "i"(TK_YIELD) \
				 : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc"); \
		return result; \
	}
STATES(X)
#undef X

static u64 (*const states[])(void) = {
#define X(identifier, name, before, after) [STATE_##identifier] = state_##identifier,
	STATES(X)
#undef X
};

u32 privilege(void)
{
	u32 selector;
	__asm__ volatile("movl %%cs, %0" : "=r"(selector));
	return selector & 3;
}

static u64 flags_read(void)
{
	u64 flags;
	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	return flags;
}

long attack_state(u64 index, u64 *detail)
{
	u32 before = privilege();

	if (index >= STATE_COUNT)
		return -EINVAL;
	*detail = states[index]();
	u64 flags = flags_read();

	if (flags & 0x254500) /* TF, DF, NT, AC, ID, VIP: the core gives back its own flags */
		*detail = flags;
	return *detail != 0 || privilege() != before;
}

/* POPF must leave IF and IOPL as they are. */
long attack_flags(u64 *detail)
{
	__asm__ volatile("pushfq; xorq $0x3200, (%%rsp); popfq" : : : "memory", "cc");
	*detail = flags_read();
	return (*detail & 0x3200) != 0x200;
}

/* Registers as useful to whoever wants to misuse an instruction of the core as possible. */
long attack_execute(u64 address)
{
	static u64 frame[64] __attribute__((aligned(64)));
	static u64 target, middle;

	target = address;
	middle = (u64)(frame + 32);
	for (u32 i = 0; i < countof(frame); i++)
		frame[i] = (u64)frame;
	__asm__ volatile("movq %0, %%r15; movq %1, %%r14; movl $0x6e1, %%ecx; xorl %%eax, %%eax; xorl %%edx, %%edx; movq %%r14, %%rbx;"
			 "movq %%r14, %%rsi; movq %%r14, %%rdi; movq %%r14, %%r8; movq %%r14, %%r9; movq %%r14, %%r10; movq %%r14, %%r11;"
			 "movq %%r14, %%r12; movq %%r14, %%r13; wrgsbase %%r14; pushq %%r14; pushq %%r14; pushq %%r14; pushq %%r14; jmp *%%r15"
			 : : "m"(target), "m"(middle)
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	return 1;
}

/* ---- What a call leaves in registers ------------------------------------------------------------------------------------------------ */

__attribute__((noinline)) void registers_after(u64 number, u64 first, u64 second, u64 third, u64 after[REGISTERS])
{
	__asm__ volatile("pushq %%rbx; pushq %%rbp; pushq %4; movq %0, %%rbx; movq %3, %%r12; xorl %%r10d, %%r10d; xorl %%r8d, %%r8d;"
			 "xorl %%r9d, %%r9d; syscall;"
			 "xchgq %%rax, (%%rsp); movq %%rbx, 8(%%rax); movq %%rcx, 16(%%rax); movq %%rdx, 24(%%rax); movq %%rsi, 32(%%rax);"
			 "movq %%rdi, 40(%%rax); movq %%rbp, 48(%%rax); movq %%r8, 56(%%rax); movq %%r9, 64(%%rax); movq %%r10, 72(%%rax);"
			 "movq %%r11, 80(%%rax); movq %%r12, 88(%%rax); movq %%r13, 96(%%rax); movq %%r14, 104(%%rax); movq %%r15, 112(%%rax);"
			 "popq %%rcx; movq %%rcx, 0(%%rax); popq %%rbp; popq %%rbx"
			 : "+a"(number), "+D"(first), "+S"(second), "+d"(third), "+c"(after)
			 : : "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}
