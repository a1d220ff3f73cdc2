/* Zeroing of a page: by quad-words, which counts least in emulation and is what processors do fast for a whole page. */
#ifndef ARCH_ZERO_H
#define ARCH_ZERO_H

#include <tessera/types.h>

static inline void arch_page_zero(void *page)
{
	u64 words = PAGE_SIZE / sizeof(u64);
	__asm__ volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0ul) : "memory");
}

#endif
