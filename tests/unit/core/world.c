/* See world.h. */
#include <sched.h>
#include "world.h"
#include "assert.h"
#include "cpu.h"
#include "sched.h"
#include "thread.h"
#include "wait.h"
#include <arch/boot.h>
#include <arch/cpu.h>

struct domain domains[TK_DOMAINS_MAX];
u32 domain_count;
struct cpu *cpus[CPUS_MAX];
u32 cpu_count = 1;
bool arch_has_keys = true;
paddr_t arch_kernel_root;
struct boot_facts boot_facts;
u64 world_flushes, world_wakes;
bool world_parallel;
volatile bool world_waits;

/* ---- Stand-ins ------------------------------------------------------------------------------------------------------------------ */

void core_panic(const char *format, ...)
{
	printf("Bail out! core_panic: %s\n", format);
	abort();
}
void spin_wait(struct spinlock *lock)
{
	u32 free = 1;

	world_waits = true;
	while (world_parallel && free) {
		sched_yield();
		free = 0;
		if (__atomic_compare_exchange_n(&lock->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
	}
	printf("Bail out! lock %p taken twice\n", (void *)lock);
	abort();
}
void arch_tlb_serve(void) { }
u64 arch_root_cpus(paddr_t root) { (void)root; return ARCH_TLB_EVERYONE; }
void arch_tlb_flush(u64 cpu_mask, vaddr_t address, u64 pages)
{
	(void)cpu_mask, (void)address, (void)pages;
	__atomic_add_fetch(&world_flushes, 1, __ATOMIC_RELAXED);
}
void arch_tlb_flush_list(u64 cpu_mask, const vaddr_t *list, u32 count)
{
	(void)list;
	arch_tlb_flush(cpu_mask, 0, count);
}
void arch_tlb_flush_local(vaddr_t address, u64 pages) { arch_tlb_flush(1, address, pages); }
void arch_page_zero(void *to) { memset(to, 0, PAGE_SIZE); }
void arch_page_copy(void *to, const void *from) { memcpy(to, from, PAGE_SIZE); }
void arch_root_init(paddr_t root) { (void)root; }
bool domain_owns_range(const struct domain *d, vaddr_t address, u64 size)
{
	(void)d, (void)size;
	return address >= PAGE_SIZE;
}
long domain_copy_in(const struct domain *d, void *to, vaddr_t from, size_t size)
{
	if (!domain_owns_range(d, from, size))
		return -EFAULT;
	memcpy(to, (const void *)from, size);
	return 0;
}
long domain_copy_out(const struct domain *d, vaddr_t to, const void *from, size_t size)
{
	if (!domain_owns_range(d, to, size))
		return -EFAULT;
	memcpy((void *)to, from, size);
	return 0;
}
void wait_cancel_object(frame_t frame, u32 domain) { (void)frame, (void)domain; }
long wait_wake_key(struct wait_key key, u32 count, u32 bitset)
{
	(void)key, (void)count, (void)bitset;
	__atomic_add_fetch(&world_wakes, 1, __ATOMIC_RELAXED);
	return 0;
}
long watch_table_create(u32 caller, const struct tk_object_create *request)
{
	(void)caller, (void)request;
	return 0;
}
long watch_table_destroy(void *object)
{
	(void)object;
	return 0;
}
long thread_create(u32 caller, const struct tk_object_create *request)
{
	(void)caller;
	return request->argument; /* a test's failure */
}
long thread_destroy(void *thread)
{
	(void)thread;
	return 0;
}
long thread_renew(void *thread, u32 caller, vaddr_t vspace)
{
	(void)thread, (void)caller, (void)vspace;
	return 0;
}
long sched_set_policy(struct thread *t, u64 value) { (void)t; return value > 100 ? -EINVAL : 0; }
long sched_set_affinity(struct thread *t, u64 mask) { (void)t; return mask ? 0 : -EINVAL; }

/* ---- The world ------------------------------------------------------------------------------------------------------------------ */

static void map_at(u64 address, u64 size)
{
	munmap((void *)address, size);
	if (mmap((void *)address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != (void *)address) {
		printf("Bail out! no memory at %lx\n", (unsigned long)address);
		exit(1);
	}
}

static void domain_make(u32 id, u32 class, u64 slot, paddr_t root)
{
	struct domain *d = &domains[id];

	memset(d, 0, sizeof(*d));
	domain_number(d, id);
	d->class = class;
	d->root = root;
	d->window = class == 2 ? ARCH_IC2_WINDOW : ARCH_KERNEL_UNIT_WINDOW(slot);
	d->private = class == 2 ? ARCH_IC2_PRIVATE : ARCH_KERNEL_UNIT_PRIVATE(slot);
	d->arch.key = class == 2 ? 0 : ARCH_KEY_UNIT((u32)slot);
}

void world_create(bool large)
{
	while (reserve_take(true) != FRAME_NONE)
		; /* of the world before */
	map_at(ARCH_PHYSMAP, WORLD_FRAMES * PAGE_SIZE);
	map_at(ARCH_RECORDS, round_up(WORLD_FRAMES * sizeof(struct frame_record), PAGE_SIZE));
	frame_count = WORLD_FRAMES;
	domain_count = WORLD_DOMAINS;
	frame_dead = 1;
	frame_retype(frame_dead, FRAME_SHARED, 0, 0);
	arch_kernel_root = 2 * PAGE_SIZE;
	frame_retype(2, FRAME_CORE, 0, 0);
	frame_retype(3, FRAME_CORE, 0, 0);
	for (frame_t f = 8; f < 512; f++) {
		frame_retype(f, FRAME_TABLE, 0, 0);
		reserve_return(f);
	}
	domain_make(WORLD_MEM, 1, 1, arch_kernel_root);
	domain_make(WORLD_FS, 1, 2, arch_kernel_root);
	domain_make(WORLD_ABI, 2, 0, 3 * PAGE_SIZE);
	domains[WORLD_MEM].rights = TK_RIGHT_MEMORY | TK_RIGHT_THREADS;
	for (frame_t f = WORLD_USER_FIRST; f < WORLD_FRAMES; f++) {
		frame_retype(f, FRAME_USER, WORLD_MEM, 0);
		if (!large && window_map(&domains[WORLD_MEM], f, true))
			abort();
	}
	if (large)
		window_map_range(&domains[WORLD_MEM], WORLD_USER_FIRST, WORLD_FRAMES - WORLD_USER_FIRST);
}

arch_entry_t world_window(u32 domain, frame_t frame)
{
	bool large = false;
	const arch_entry_t *e = arch_page_walk(domains[domain].root, domains[domain].window + frame * PAGE_SIZE, false, &large);

	if (!e || !*e)
		return 0;
	return large ? *e + (frame % ARCH_LARGE_PAGES) * PAGE_SIZE : *e;
}

u32 world_tables(void)
{
	u32 count = 0;

	for (frame_t f = 0; f < WORLD_FRAMES; f++)
		count += frame_record(f)->type == FRAME_TABLE;
	return count;
}

static void window_check(u32 domain, frame_t frame)
{
	const struct frame_record *r = frame_record(frame);
	arch_entry_t e = world_window(domain, frame);
	bool held = frame_held_by(r, domain);

	if (held)
		CHECK(arch_entry_present(e) && arch_entry_frame(e) == frame);
	else
		CHECK(!e || (arch_entry_frame(e) == frame_dead && !arch_entry_writable(e)));
	if (held)
		CHECK(r->type == FRAME_USER || r->type == FRAME_OBJECT);
	if (e)
		CHECK(!!(arch_entry_flags(e) & ARCH_PAGE_USER) == (domains[domain].class == 2) && !(arch_entry_flags(e) & ARCH_PAGE_EXECUTE));
}

void world_check(void)
{
	for (frame_t f = 4; f < WORLD_FRAMES; f++) {
		const struct frame_record *r = frame_record(f);
		for (u32 d = 1; d < WORLD_DOMAINS; d++)
			window_check(d, f);
		CHECK(r->pins == 0 && !(r->flags & FRAME_CLAIMED));
		if (r->type == FRAME_USER && !r->map_count)
			CHECK(frame_held_by(r, r->owner));
	}
}
