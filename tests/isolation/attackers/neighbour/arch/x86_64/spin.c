/* A loop with the secret in the registers. */
#include "secret.h"

void secret_spin(void)
{
	u64 count = 20000;

	__asm__ volatile("movq %1, %%rax; movq %%rax, %%rcx; movq %%rax, %%rdx; movq %%rax, %%rsi; movq %%rax, %%rdi; movq %%rax, %%r8;"
			 "movq %%rax, %%r9; movq %%rax, %%r10; movq %%rax, %%r11; 1: decq %0; jnz 1b"
			 : "+b"(count) : "r"(SECRET) : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc");
}
