/* x86_64 part of the core's public ABI: registers of an application, where a unit's areas lie, how a unit enters the core. */
#ifndef TESSERA_ARCH_H
#define TESSERA_ARCH_H

#include <tessera/types.h>

/* Application registers as tk_thread_regs_get/set move them. */
struct tk_regs {
	u64 rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rip, rflags;
	u64 fs_base, gs_base;
	u64 orig_rax;   /* number of the system call it is in, ~0 if none */
};
_Static_assert(sizeof(struct tk_regs) == 21 * 8, "ABI");

/*
 * Unit to core (IC1 and IC2): SYSCALL with
 *   rbx  enum tk_number; for TK_CALL: TK_CALL | gate << 8 | op << 16
 *   rdi, rsi, r12, r10, r8, r9   arguments; for TK_CALL the six words; for TK_REPLY: result, out words 0 to 2
 * Back: rdi result; for TK_CALL rsi, r12, r10 the out words. Every other general register is lost (rsp is kept): the unit's own
 * stub saves what it needs on its stack, so the core keeps only instruction and stack pointer of a caller.
 *
 * Core to unit: entered at its entry with
 *   rdi, rsi, r12, r10, r8, r9   the six words (bulk parameters point into the callee's stack, above rsp)
 *   r13  number of the operation: interfaces of the unit in their order, each with its operations; of the core:
 *        TK_INTERFACE_CORE | enum tk_upcall and what goes with it << 16.  rbx  caller | thread << 32
 *   rsp  16-byte aligned, below the bulk parameters; the other registers hold nothing of anybody's.
 * No word travels in rax, rcx or rdx, which WRMSR and SYSCALL need on the way.
 * The first entry ever of a unit is its start, once, before any gate opens: rdi = address of struct tk_boot_info,
 * r13 = ~0; it ends with TK_REPLY.
 * IC0 units: the same values in a struct tk_request on the callee's stack, by a plain call.
 *
 * IC1: instructions from ARCH_UNIT_COPY to ARCH_UNIT_COPY_FAULT bytes before a unit's entry may touch its client's memory. A fault in
 * them that the core can't serve goes on ARCH_UNIT_COPY_FAULT bytes before the entry.
 */
#define ARCH_UNIT_COPY 64ul
#define ARCH_UNIT_COPY_FAULT 16ul
#define ARCH_GATE_SIZE 24                /* struct gate of the core, in whose array a caller of class IC0 finds its gate */
#define ARCH_IC2_IMAGE_BASE 0x0000550000000000ul
#define ARCH_IC2_WINDOW 0x0000400000000000ul
#define ARCH_IC2_PRIVATE 0x0000600000000000ul
#define ARCH_KERNEL_UNIT_PRIVATE(slot) (0xffff880000000000ul + (u64)(slot) * 0x10000000000ul) /* IC0 and IC1: two PML4 slots a unit */
#define ARCH_KERNEL_UNIT_WINDOW(slot) (ARCH_KERNEL_UNIT_PRIVATE(slot) + 0x8000000000ul)
#define ARCH_UNIT_IMAGE 0x0ul            /* offsets in the private area */
#define ARCH_UNIT_STACKS 0x1000000000ul
#define ARCH_UNIT_HEAP 0x2000000000ul
#define ARCH_UNIT_BOOT 0x3000000000ul
#define ARCH_UNIT_CLOCK 0x3000001000ul
#define ARCH_UNIT_HEAP_PAGES 0x1000000ul /* 64 GiB of address space */
#define ARCH_ELF_MACHINE 62              /* of applications: EM_X86_64 */
#define ARCH_ELF_RELATIVE 8u             /* relocation by where the image lies: R_X86_64_RELATIVE */
#define ARCH_USER_LIMIT 0x00007ffffffff000ul

#endif
