/*
 * What the generic core asks of a machine, as a list: there is no such machine, so each function stops the core, which only a port that
 * was started without being finished could reach. A new port begins as a copy of this folder.
 */
#include <arch/boot.h>
#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/domain.h>
#include <arch/irq.h>
#include <arch/page.h>
#include <arch/time.h>
#include "assert.h"
#include "cpu.h"
#include "thread.h"

#pragma clang diagnostic ignored "-Wunused-parameter" /* nothing here has a use for them */
#define NOT_PORTED core_fail("not ported")

struct boot_facts boot_facts;
paddr_t arch_kernel_root;
bool arch_has_keys;
u32 arch_vector_size;
u64 arch_vector_features;
u64 arch_counter_base, arch_counter_hertz;
u32 arch_counter_multiplier, arch_counter_shift;

/* boot.h */
void arch_boot_platform(void) { NOT_PORTED; }
void arch_smp_start(void) { NOT_PORTED; }
void arch_console_write(const char *text, size_t length) { } /* core_fail itself comes here */
void arch_console_share(bool uart) { }
noreturn_fn void arch_power(u32 how, u32 status) { arch_cpu_halt(); }

/* context.h */
noreturn_fn void arch_resume(void) { NOT_PORTED; }
void arch_enter_unit(struct thread *t, const struct domain *d, vaddr_t stack_top, const struct tk_request *request) { NOT_PORTED; }
void arch_thread_init(struct thread *t, struct arch_vector *vector) { NOT_PORTED; }
void arch_thread_continue(struct thread *to, const struct thread *from) { NOT_PORTED; }
void arch_thread_switch(struct thread *from, struct thread *to) { NOT_PORTED; }
long arch_regs_get(struct thread *t, struct tk_regs *regs) { NOT_PORTED; }
long arch_regs_set(struct thread *t, const struct tk_regs *regs, u32 vector, vaddr_t client, u64 features) { NOT_PORTED; }
void arch_vector_end(struct arch_vector *v) { NOT_PORTED; }
size_t arch_copy(vaddr_t to, vaddr_t from, size_t size) { NOT_PORTED; }
long arch_load_word(vaddr_t address) { NOT_PORTED; }
void arch_client_load(struct thread *t) { NOT_PORTED; }
void arch_set_syscall_result(struct thread *t, u64 result) { NOT_PORTED; }
void arch_context_init_cpu(struct cpu *cpu) { NOT_PORTED; }
void trap_raise_fault(struct thread *t, vaddr_t address, u32 access, long error) { NOT_PORTED; }

/* cpu.h */
struct cpu *arch_cpu(void) { return cpus[0]; }
void arch_relax(void) { }
void arch_cpu_idle(void) { NOT_PORTED; }
void arch_cpu_poll(void) { NOT_PORTED; }
noreturn_fn void arch_cpu_halt(void)
{
	for (volatile bool stopped = true; stopped;)
		;
	__builtin_unreachable();
}
u64 arch_entropy(void) { NOT_PORTED; }
void arch_ipi_send(u32 cpu, u32 reason) { NOT_PORTED; }

/* domain.h */
void arch_domain_init(struct domain *d) { NOT_PORTED; }

/* irq.h */
void arch_irq_init(void) { NOT_PORTED; }
void arch_irq_mask(u32 line) { NOT_PORTED; }
void arch_irq_unmask(u32 line) { NOT_PORTED; }
u32 arch_port_read(u16 port, u32 width) { NOT_PORTED; }
void arch_port_write(u16 port, u32 width, u32 value) { NOT_PORTED; }

/* page.h: what walks tables */
arch_entry_t *arch_page_walk(paddr_t root, vaddr_t address, bool create, bool *large_out) { NOT_PORTED; }
long arch_page_map(paddr_t root, vaddr_t address, frame_t frame, u64 flags) { NOT_PORTED; }
long arch_page_map_large(paddr_t root, vaddr_t address, frame_t frame, u64 flags) { NOT_PORTED; }
arch_entry_t arch_page_unmap(paddr_t root, vaddr_t address) { NOT_PORTED; }
vaddr_t arch_page_next(paddr_t root, vaddr_t address, vaddr_t end) { NOT_PORTED; }
frame_t arch_page_table_get(paddr_t root, vaddr_t address) { NOT_PORTED; }
long arch_page_table_set(paddr_t root, vaddr_t address, frame_t table) { NOT_PORTED; }
void arch_root_init(paddr_t root) { NOT_PORTED; }
struct arch_area arch_area_of(u32 class, u32 slot) { NOT_PORTED; }
void arch_root_trim(paddr_t root, vaddr_t start, vaddr_t end, frame_t *chain) { NOT_PORTED; }
u64 arch_root_cpus(paddr_t root) { NOT_PORTED; }
void arch_tlb_flush(u64 cpu_mask, vaddr_t address, u64 pages) { NOT_PORTED; }
void arch_tlb_flush_list(u64 cpu_mask, const vaddr_t *list, u32 count) { NOT_PORTED; }
void arch_tlb_flush_local(vaddr_t address, u64 pages) { NOT_PORTED; }
void arch_tlb_serve(void) { NOT_PORTED; }
void arch_tlb_idle_enter(void) { NOT_PORTED; }
void arch_tlb_idle_leave(void) { NOT_PORTED; }

/* time.h */
u64 arch_counter(void) { NOT_PORTED; }
nanos_t arch_nanos(void) { NOT_PORTED; }
void arch_time_init(void) { NOT_PORTED; }
void arch_timer_init(void) { NOT_PORTED; }
void arch_timer_set(nanos_t deadline) { NOT_PORTED; }
void arch_timer_fired(void) { NOT_PORTED; }
