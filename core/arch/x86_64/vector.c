/*
 * Vector state (x87, SSE, AVX, ...): in the registers from a thread's first use until another thread's; saved when its thread leaves
 * the processor. CR0.TS is set (cpu.arch.vector_off) whenever the registers are not the running application's own.
 */
#include <arch/context.h>
#include <tessera/errno.h>
#include "../../cpu.h"
#include "../../thread.h"
#include "../../domain.h"
#include "processor.h"
#include "trap.h"

u32 arch_vector_size;
u64 arch_vector_features;

#define HEADER 512          /* XSAVE header (SDM volume 1, 13.4.2) */
#define MXCSR_OFFSET 24
#define MXCSR_INITIAL 0x1f80u
#define CONTROL_INITIAL 0x37fu
#define CR0_TASK_SWITCHED 8ull

static void vector_store(u8 *area)
{
	u32 low = (u32)arch_vector_features, high = (u32)(arch_vector_features >> 32);
	__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(low), "d"(high) : "memory");
}

static void vector_load(const u8 *area)
{
	u32 low = (u32)arch_vector_features, high = (u32)(arch_vector_features >> 32);
	__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(low), "d"(high) : "memory");
}

static void vector_open(struct cpu *cpu)
{
	__asm__ volatile("clts");
	cpu->arch.vector_off = 0;
}

void vector_close(struct cpu *cpu)
{
	cr0_write(cr0_read() | CR0_TASK_SWITCHED);
	cpu->arch.vector_off = 1;
}

/* The initial state: control words set, every component in its initial configuration. */
void vector_reset(u8 *area)
{
	__builtin_memset(area, 0, arch_vector_size);
	*(u16 *)area = CONTROL_INITIAL;
	*(u32 *)(area + MXCSR_OFFSET) = MXCSR_INITIAL;
}

void arch_vector_save(struct thread *t)
{
	struct cpu *cpu = arch_cpu();
	bool off = cpu->arch.vector_off;

	if (cpu->vector_owner != t || !t->arch.vector_live)
		return;
	vector_open(cpu);
	vector_store(t->arch.vector);
	t->arch.vector_live = !off;
	if (off)
		vector_close(cpu);
}

/* #NM of an application: its state comes into the registers. False: it has none. */
bool vector_first_use(struct thread *t)
{
	struct cpu *cpu = arch_cpu();

	if (t->arch.vector == NULL)
		return false;
	vector_open(cpu);
	if (cpu->vector_owner != t || t->arch.vector_cpu != cpu->id)
		vector_load(t->arch.vector);
	cpu->vector_owner = t;
	t->arch.vector_cpu = cpu->id;
	t->arch.vector_live = 1;
	return true;
}

/* The registers no longer hold t's state: memory does. */
static void vector_forget(struct thread *t)
{
	struct cpu *cpu = arch_cpu();

	arch_vector_save(t);
	t->arch.vector_cpu = ~0u;
	t->arch.vector_live = 0;
	if (cpu->vector_owner == t) {
		cpu->vector_owner = NULL;
		if (!cpu->arch.vector_off)
			vector_close(cpu);
	}
}

long arch_vector_get(struct thread *t, const struct domain *caller, vaddr_t to, size_t size)
{
	if (t->arch.vector == NULL)
		return -EINVAL;
	if (size > arch_vector_size)
		size = arch_vector_size;
	arch_vector_save(t);
	long error = domain_copy_out(caller, to, t->arch.vector, size);
	return error ? error : (long)size;
}

long arch_vector_set(struct thread *t, const struct domain *caller, vaddr_t from, size_t size)
{
	u8 *area = t->arch.vector;
	u64 header[8];
	u32 mxcsr;

	if (area == NULL)
		return -EINVAL;
	if (size == 0) {
		vector_forget(t);
		vector_reset(area);
		return 0;
	}
	if (size < HEADER + sizeof(header) || size > arch_vector_size)
		return -EINVAL;
	long error = domain_copy_in(caller, header, from + HEADER, sizeof(header));
	if (error)
		return error;
	error = domain_copy_in(caller, &mxcsr, from + MXCSR_OFFSET, sizeof(mxcsr));
	if (error)
		return error;
	if (header[0] & ~arch_vector_features || mxcsr & ~0xffffu)
		return -EINVAL;
	vector_forget(t);
	/* Commit. Bytes come from the unit as they are, but for the header and MXCSR, which were checked: they are written from the copy. */
	error = domain_copy_in(caller, area, from, size);
	__builtin_memset(area + HEADER, 0, sizeof(header));
	*(u64 *)(area + HEADER) = error ? 0 : header[0];
	*(u32 *)(area + MXCSR_OFFSET) = error ? MXCSR_INITIAL : mxcsr;
	return error ? error : (long)size;
}
