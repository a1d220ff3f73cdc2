/* A program in machine code, and registers that no program may have. */
#include <tessera/arch.h>
#include "usurper.h"

/* 1: movaps xmm0, xmm0; mov rdi, DATA; mov ecx, PAGES; 2: inc byte [rdi]; add rdi, 4096; dec ecx; jnz 2; jmp 1 */
const u8 application_code[] = { 0x0f, 0x28, 0xc0, 0x48, 0xc7, 0xc7, 0x00, 0x00, 0x00, 0x10, 0xb9, APPLICATION_PAGES, 0x00, 0x00, 0x00,
	0xfe, 0x07, 0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, 0xff, 0xc9, 0x75, 0xf3, 0xeb, 0xe2 };
const u32 application_code_size = sizeof(application_code);

void application_registers(struct tk_regs *regs)
{
	*regs = (struct tk_regs){ .rip = APPLICATION_CODE, .rsp = APPLICATION_DATA + PAGE_SIZE, .rflags = 0x202, .orig_rax = ~0ull };
}

static const u64 hostile_words[] = { 0xffffffff80000000, 0xfffffe0000000000, 0x800000000000, 0x7ffffffffffe, 0xffff7fffffffffff,
	0x7770000000000000, 0, ~0ull };
#define WORDS (sizeof(hostile_words) / sizeof(hostile_words[0]))

u32 hostile_registers(u32 index, struct tk_regs *regs)
{
	u64 word = hostile_words[index % WORDS];

	application_registers(regs);
	regs->rflags = ~0ull;
	regs->rcx = regs->r11 = regs->rsp = word;
	if (index / WORDS == 0)
		regs->rip = word;
	if (index / WORDS == 1)
		regs->fs_base = word;
	if (index / WORDS == 2)
		regs->gs_base = word;
	return 3 * WORDS;
}

static bool canonical(u64 address) { return (u64)((i64)(address << 16) >> 16) == address; }

/* Bases may be anything canonical: a program can set them so by itself. */
bool registers_safe(const struct tk_regs *regs)
{
	return regs->rip < 1ul << 47 && !(regs->rflags & 0x3f000 & ~0x4000ul & ~0x10000ul) && regs->rflags & 0x200 && canonical(regs->fs_base) &&
	       canonical(regs->gs_base);
}

/* XSAVE area: MXCSR at 24, header at 512 (SDM volume 1, 13.4). */
bool vector_state_hostile(u32 index, u8 *state, u32 size)
{
	if (index >= 8)
		return false;
	memset(state, index < 4 ? 0 : 0xff, size);
	*(u32 *)(state + 24) = index & 1 ? 0xffffffff : 0x1f80;
	*(u64 *)(state + 512) = index & 2 ? ~0ull : 3;
	*(u64 *)(state + 520) = index & 4 ? 1ull << 63 : 0; /* the compacted form, which XRSTOR takes only for known components */
	return true;
}
