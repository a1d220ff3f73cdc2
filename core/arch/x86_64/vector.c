/*
 * Vector state (x87, SSE, AVX, ...): in the registers from its owner's first use until another's; saved when its thread leaves the
 * processor. Owners are applications' threads and calls of units with vector code. CR0.TS is set whenever the registers are not those
 * of who runs (cpu.arch.vector). A unit's call has a state from its first use (ACTIVATION_VECTOR) until it ends.
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

#define HEADER_END 576      /* legacy area and XSAVE header (SDM volume 1, 13.4.2) */
#define MXCSR_INITIAL 0x1f80u
#define CONTROL_INITIAL 0x37fu
#define CR0_TASK_SWITCHED 8ull

/* copy.S: in the client's memory, with faults caught: 0 or -EFAULT. */
long vector_client_save(vaddr_t to, u64 features);
long vector_client_load(vaddr_t from, u64 features);
long vector_client_load_legacy(vaddr_t from, u64 ignored);

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
	cpu->arch.vector = ARCH_VECTOR_OPEN;
}

void vector_close(struct cpu *cpu)
{
	cr0_write(cr0_read() | CR0_TASK_SWITCHED);
	cpu->arch.vector = ARCH_VECTOR_CLOSED;
}

/* The initial state: control words set, every component in its initial configuration. */
static const struct { u16 control; u16 none[11]; u32 mxcsr; u8 rest[HEADER_END - 28]; } initial __attribute__((aligned(64))) = {
	.control = CONTROL_INITIAL, .mxcsr = MXCSR_INITIAL,
};

void vector_reset(u8 *area)
{
	__builtin_memset(area, 0, arch_vector_size);
	__builtin_memcpy(area, &initial, sizeof(initial));
}

/* Memory has what is in the registers. */
static void vector_save(struct cpu *cpu)
{
	bool open = cpu->arch.vector == ARCH_VECTOR_OPEN;

	if (cpu->arch.vector == ARCH_VECTOR_SAVED)
		return;
	vector_open(cpu);
	vector_store(cpu->vector_owner->area);
	if (!open) {
		vector_close(cpu);
		cpu->arch.vector = ARCH_VECTOR_SAVED;
	}
}

void vector_leave(struct cpu *cpu)
{
	if (cpu->arch.vector == ARCH_VECTOR_OPEN)
		vector_close(cpu);
	vector_save(cpu);
}

static void vector_take(struct cpu *cpu, struct arch_vector *v)
{
	bool saved = cpu->arch.vector == ARCH_VECTOR_SAVED;

	vector_open(cpu);
	if (cpu->vector_owner != v || v->cpu != cpu->id) {
		if (!saved)
			vector_store(cpu->vector_owner->area);
		vector_load(v->area);
	}
	cpu->vector_owner = v;
	v->cpu = cpu->id;
}

/* #NM: the state of the application, or of a unit's call, which begins clean, comes into the registers. False: it has none. */
bool vector_first_use(struct thread *t)
{
	struct arch_vector *v = t->arch.vector;

	if (t->domain) {
		if (t->domain->vectors == NULL)
			return false;
		v = t->domain->vectors + t->top->stack;
		if (!(t->top->kind & ACTIVATION_VECTOR)) {
			t->top->kind |= ACTIVATION_VECTOR;
			v->cpu = ~0u;
			vector_reset(v->area);
		}
	}
	if (v)
		vector_take(arch_cpu(), v);
	return v;
}

void arch_vector_end(struct arch_vector *v)
{
	struct cpu *cpu = arch_cpu();

	v->cpu = ~0u;
	if (cpu->vector_owner != v)
		return;
	cpu->vector_owner = VECTOR_NOBODY;
	if (cpu->arch.vector == ARCH_VECTOR_OPEN)
		vector_close(cpu);
	cpu->arch.vector = ARCH_VECTOR_SAVED;
}

/* A thread that does not run gets the state that the calling one has now. */
static long vector_copy(struct thread *to, struct thread *from)
{
	if (to == from || to->arch.vector == NULL || from->arch.vector == NULL)
		return -EINVAL;
	if (arch_cpu()->vector_owner == from->arch.vector)
		vector_save(arch_cpu());
	__builtin_memcpy(to->arch.vector->area, from->arch.vector->area, arch_vector_size);
	to->arch.vector->cpu = ~0u;
	return 0;
}

/* The processor checks what it loads: a state that it refuses is an error like a page that is not there, and leaves the initial state. */
long vector_change(struct thread *t, u32 how, vaddr_t client, u64 features)
{
	struct cpu *cpu = arch_cpu();
	bool open = cpu->arch.vector == ARCH_VECTOR_OPEN && cpu->vector_owner == t->arch.vector;
	long error = 0;

	if (how == TK_VECTOR_COPY)
		return vector_copy(t, cpu->current);
	if (t != cpu->current || how > TK_VECTOR_COPY || client > ARCH_USER_LIMIT - arch_vector_size || t->arch.vector == NULL)
		return -EINVAL;
	vector_take(cpu, t->arch.vector);
	if (cpu->arch.root != t->client_root) { /* the caller is IC2 */
		cpu->arch.root = t->client_root;
		cr3_write(cpu->arch.root);
	}
	if (how == TK_VECTOR_SAVE)
		error = vector_client_save(client, arch_vector_features);
	if (!error)
		vector_load((const u8 *)&initial);
	if (how == TK_VECTOR_LOAD)
		error = vector_client_load(client, features & arch_vector_features);
	if (how == TK_VECTOR_LOAD_LEGACY)
		error = vector_client_load_legacy(client, 0);
	if (error && how != TK_VECTOR_SAVE)
		vector_load((const u8 *)&initial);
	if (!open)
		vector_close(cpu);
	return error;
}
