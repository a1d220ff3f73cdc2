/* A system call out of the vDSO, for what it can't answer itself. */
#ifndef VDSO_CALL_H
#define VDSO_CALL_H

#include <tessera/types.h>

#define VDSO_CLOCK_GETTIME 228ul
#define VDSO_CLOCK_GETRES 229ul
#define VDSO_GETCPU 309ul

static inline long vdso_call(u64 number, u64 first, u64 second)
{
	register u64 third __asm__("rdx") = 0;
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second), "r"(third) : "rcx", "r11", "memory");
	return result;
}

#endif
