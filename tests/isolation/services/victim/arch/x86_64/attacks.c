/* Attacks by instructions of x86_64. */
#include <runtime.h>
#include "attacks.h"

#define MSR_PKRS 0x6e1

void attack_code_return(u8 *code)
{
	code[0] = 0xc3;
}

long attack_privileged(u32 kind, u64 address)
{
	switch (kind) {
	case ATTACK_INTERRUPTS_OFF:
		__asm__ volatile("cli");
		return 0;
	case ATTACK_HALT:
		__asm__ volatile("hlt");
		return 0;
	case ATTACK_PORT:
		__asm__ volatile("outb %%al, %%dx" : : "a"(0), "d"(0x80));
		return 0;
	case ATTACK_REGISTER:
		__asm__ volatile("wrmsr" : : "a"(0), "d"(0), "c"(MSR_PKRS));
		return 0;
	case ATTACK_ROOT:
		__asm__ volatile("movq %0, %%cr3" : : "r"(address));
		return 0;
	case ATTACK_SWAP:
		__asm__ volatile("swapgs");
		return 0;
	case ATTACK_STACK_POINTER:
		__asm__ volatile("movq %0, %%rsp\n\tpushq %%rax" : : "r"(address) : "memory");
		return 0;
	default:
		return -EINVAL;
	}
}
