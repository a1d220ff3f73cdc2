/* Attacks on the entry stacks of this unit, which it can write from any processor, and a look at the entry pages. */
#include <arch/layout.h>
#include <arch/selectors.h>
#include <tessera/arch.h>
#include "raider.h"
#include "raider_server.h"

#define CPUS_LOOKED_AT 4u
#define FRAME_WORDS 24u
#define NOWHERE 0x0001000000000000ull /* not canonical */

/* Unit slot of an IC1 unit by its private area; 0 for IC2, which has no entry stacks. */
static u64 slot_own(void)
{
	if (rt_boot->heap < ARCH_PHYSMAP)
		return 0;
	return (rt_boot->heap - ARCH_KERNEL_UNIT_PRIVATE(0)) / (ARCH_KERNEL_UNIT_PRIVATE(1) - ARCH_KERNEL_UNIT_PRIVATE(0));
}

static u32 processors(void) { return rt_boot->processors < CPUS_LOOKED_AT ? rt_boot->processors : CPUS_LOOKED_AT; }

/* Ring 0 selectors, I/O privilege and the core's addresses into each word where the processor may have pushed a frame. */
static void frame_rewrite(volatile u64 *end, enum rewriting kind, u32 round)
{
	static const u64 values[] = { ARCH_SELECTOR_CORE_CODE, ARCH_SELECTOR_CORE_DATA, 0x3202, ARCH_IMAGE, ARCH_ENTRY + ARCH_ENTRY_STACK_TOP,
		ARCH_ENTRY, NOWHERE, 0, ~0ull };

	if (kind == REWRITE_NOWHERE) {
		end[-5] = NOWHERE;
		return;
	}
	end[-1] = ARCH_SELECTOR_CORE_DATA;
	end[-4] = ARCH_SELECTOR_CORE_CODE;
	end[-3] |= 0x3000;
	if (kind == REWRITE_RIGHTS)
		return;
	end[-2] = ARCH_ENTRY + ARCH_ENTRY_STACK_TOP;
	for (u32 word = 5; word < FRAME_WORDS; word++)
		end[-(int)word] = values[(word + round) % countof(values)];
}

void frames_rewrite(enum rewriting kind)
{
	static u32 round;
	u64 slot = slot_own();

	round++;
	for (u32 id = 0; slot && id < processors(); id++) {
		u64 page = ARCH_ENTRY_STACKS + (slot * 64 + id) * ARCH_ENTRY_STACK_STRIDE;

		frame_rewrite((volatile u64 *)(page + 0x1000), kind, round);
		frame_rewrite((volatile u64 *)(page + 0x800), kind, round);
	}
}

/* Each part of the stubs in turn, with stacks of the core, of this unit and of nobody; the frame of the interrupted stub is forged, too. */
void nmi_frames_forge(u64 entry_text)
{
	static const u64 offsets[] = { 0xfe8, 0xfd8, 0xfb8, 0xfa0, 0x7d8, 0 };
	static u64 round;
	u64 slot = slot_own();

	round += 7;
	for (u32 id = 0; slot && id < processors(); id++) {
		u64 page = ARCH_ENTRY_STACKS + (slot * 64 + id) * ARCH_ENTRY_STACK_STRIDE;
		volatile u64 *nmi = (volatile u64 *)(page + 0x800);

		nmi[-5] = round_down(entry_text, PAGE_SIZE) + round % (6 * PAGE_SIZE);
		nmi[-4] = ARCH_SELECTOR_CORE_CODE;
		nmi[-3] = 0x3202;
		nmi[-2] = round & 1 ? page + offsets[round / 2 % countof(offsets)] : ARCH_ENTRY + ARCH_ENTRY_STACK_TOP - 64;
		nmi[-1] = ARCH_SELECTOR_CORE_DATA;
		if (round & 2)
			frame_rewrite((volatile u64 *)(page + 0x1000), REWRITE_ALL, (u32)round);
	}
}

bool registers_seen(u64 secret, u64 *where)
{
	if (!slot_own())
		return false;
	for (u32 id = 0; id < processors(); id++) {
		const volatile u64 *page = (const volatile u64 *)(ARCH_ENTRY + id * ARCH_ENTRY_STRIDE);

		for (u32 word = 0; word < PAGE_SIZE / 8; word++) {
			if ((page[word] & ~0xffffull) != secret)
				continue;
			*where = (u64)&page[word];
			return true;
		}
	}
	return false;
}

void secret_hold(u64 secret)
{
	u64 count = 20000;

	__asm__ volatile("movq %1, %%rax; movq %%rax, %%rcx; movq %%rax, %%rdx; 1: decq %0; jnz 1b"
			 : "+b"(count) : "S"(secret) : "rax", "rcx", "rdx", "cc");
}

bool flags_own(void)
{
	u64 flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	return (flags & 0x7200) == 0x200; /* NT, IOPL, IF */
}

u64 bases_after_call(u64 base)
{
	u64 fs, gs;

	__asm__ volatile("wrfsbase %0; wrgsbase %0" : : "r"(base));
	(void)tk_irq_ack(0); /* refused: no other thread runs in between, whose bases are none */
	__asm__ volatile("rdfsbase %0; rdgsbase %1" : "=r"(fs), "=r"(gs));
	return fs | gs;
}

/* Nothing but the words of the call, rbx, the caller, and r13, a small number, is used on the way here (unit_entry). */
__attribute__((naked)) long raider_op_entered(const struct rt_request *rq, u64 *seen)
{
	__asm__("movq %r13, %rax; shrq $8, %rax; orq %rbp, %rax; orq %r12, %rax; orq %r14, %rax; orq %r15, %rax; movq %rax, (%rsi); xorl %eax, %eax; retq");
}

void accomplice_reply(void)
{
	__asm__ volatile("syscall" : : "b"(TK_REPLY), "D"(1), "S"(2) : "rcx", "r11", "memory");
	__builtin_trap();
}
