/* Translation look-aside buffers: local flushes, and shoot-down on other processors by the requests of tlb_request.h. */
#include <arch/page.h>
#include <arch/cpu.h>
#include "cpu.h"
#include "processor.h"
#include "tlb_request.h"

#define CR4_GLOBAL (1ull << 7)
#define KERNEL_HALF (1ull << 63)

static struct tlb_slot slots[CPUS_MAX];
/* By target: initiators whose request waits there; enum tlb_idle. */
static struct { u64 mask; u32 idle; } __attribute__((aligned(64))) pending[CPUS_MAX];

static void flush_all(bool kernel)
{
	u64 cr4 = cr4_read();

	if (kernel && cr4 & CR4_GLOBAL) {
		cr4_write(cr4 & ~CR4_GLOBAL);
		cr4_write(cr4);
	} else {
		cr3_write(cr3_read());
	}
}

static void slot_flush(const struct tlb_slot *slot)
{
	if (slot->pages > ARCH_TLB_LIST_MAX) {
		flush_all(slot->address & KERNEL_HALF);
		return;
	}
	for (u64 i = 0; i < slot->pages; i++)
		invlpg(slot->list ? slot->list[i] : slot->address + i * PAGE_SIZE);
}

void arch_tlb_flush_local(vaddr_t address, u64 pages)
{
	slot_flush(&(struct tlb_slot){ address, pages, NULL });
}

/*
 * Whoever loads a root says so first, and a load of CR3 waits for that store and flushes: who has not said it yet walks the tables as they
 * are now, who has said that it leaves uses its translations no more. The kernel's root is part of every other.
 */
u64 arch_root_cpus(paddr_t root)
{
	u64 mask = 0;

	if (root == arch_kernel_root)
		return ARCH_TLB_EVERYONE;
	/* Sequentially consistent: the tables were changed before. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (u32 id = 0; id < cpu_count; id++)
		if (cpus[id] && __atomic_load_n(&cpus[id]->arch.root, __ATOMIC_RELAXED) == root)
			mask |= 1ull << id;
	return mask;
}

void arch_tlb_serve(void)
{
	u64 *mask = &pending[arch_cpu()->id].mask;
	int initiator;

	while ((initiator = tlb_request_next(mask)) >= 0) {
		slot_flush(&slots[initiator]);
		tlb_request_acknowledge(mask, (u32)initiator);
	}
}

void arch_tlb_idle_enter(void) { tlb_idle_enter(&pending[arch_cpu()->id].idle); }

void arch_tlb_idle_leave(void)
{
	if (tlb_idle_leave(&pending[arch_cpu()->id].idle))
		flush_all(true);
}

/* A function of its own: who counts how long processors wait (tests/contention) knows it by its name. */
static __attribute__((noinline)) void answer_wait(u32 target, u32 self)
{
	while (!tlb_request_done(&pending[target].mask, self)) {
		arch_tlb_serve();
		arch_relax();
	}
}

static void shoot_down(u64 targets, const struct tlb_slot *request)
{
	u32 self = arch_cpu()->id;
	u64 asked = 0;

	slots[self] = *request;
	for (u32 id = 0; id < cpu_count; id++) {
		if (id == self || !(targets >> id & 1) || !cpus[id] || !cpus[id]->online)
			continue;
		if (tlb_idle_mark(&pending[id].idle))
			continue;
		asked |= 1ull << id;
		tlb_request_post(&pending[id].mask, self);
		arch_ipi_send(id, ARCH_IPI_TLB);
	}
	for (u32 id = 0; asked >> id; id++)
		if (asked >> id & 1)
			answer_wait(id, self);
}

static void flush(u64 cpu_mask, const struct tlb_slot *request)
{
	if (!request->pages)
		return;
	u64 self = cpu_count < 2 ? 1 : 1ull << arch_cpu()->id;
	if (cpu_mask & self)
		slot_flush(request);
	if (cpu_count > 1 && cpu_mask & ~self)
		shoot_down(cpu_mask & ~self, request);
}

void arch_tlb_flush(u64 cpu_mask, vaddr_t address, u64 pages)
{
	flush(cpu_mask, &(struct tlb_slot){ address, pages, NULL });
}

void arch_tlb_flush_list(u64 cpu_mask, const vaddr_t *list, u32 count)
{
	flush(cpu_mask, &(struct tlb_slot){ KERNEL_HALF, count, list });
}
