/* See machine.h. What of the core is not explored has stand-ins here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "machine.h"
#include "assert.h"
#include "engine.h"
#include "soft_processor.h"
#include <arch/time.h>

bool machine_ipis;
static u32 ipis[PROCESSORS_MAX];
static struct cpu storage[PROCESSORS_MAX];
struct cpu *cpus[CPUS_MAX];
u32 cpu_count;
bool arch_has_keys = true;
paddr_t arch_kernel_root;

/* A translation that a processor keeps: of a frame's place in a domain's window. */
struct translation { u32 domain; frame_t frame; arch_entry_t entry; };
#define TRANSLATIONS 4u
static struct translation translations[PROCESSORS_MAX][TRANSLATIONS];

static u32 acts_as[PROCESSORS_MAX];
static nanos_t time;

struct cpu *interleave_cpu(void) { return &storage[running < 0 ? 0 : acts_as[running]]; }
nanos_t interleave_now(void) { return time; }
void machine_time_set(nanos_t now) { time = now; }
void machine_act_as(u32 cpu) { acts_as[interleave_self()] = cpu; }

void arch_ipi_send(u32 cpu, u32 reason)
{
	(void)reason;
	if (machine_ipis)
		__atomic_store_n(&ipis[cpu], 1, __ATOMIC_SEQ_CST);
}

bool machine_ipi_take(void)
{
	u32 *ipi = &ipis[interleave_self()];

	return __atomic_load_n(ipi, __ATOMIC_RELAXED) && __atomic_exchange_n(ipi, 0, __ATOMIC_ACQUIRE);
}

void core_panic(const char *format, ...)
{
	interleave_expect(false, format);
	for (;;)
		interleave_relax();
}

void spin_wait(struct spinlock *lock)
{
	u32 free;

	do {
		arch_tlb_serve();
		interleave_relax();
		free = 0;
	} while (!__atomic_compare_exchange_n(&lock->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
}

/* ---- Translation buffers --------------------------------------------------------------------------------------------------------- */

void cr3_write(u64 root)
{
	(void)root;
	for (u32 i = 0; i < TRANSLATIONS; i++)
		translations[interleave_self()][i] = (struct translation){ 0 };
}

void invlpg(vaddr_t address)
{
	for (u32 i = 0; i < TRANSLATIONS; i++) {
		struct translation *t = &translations[interleave_self()][i];
		if (t->entry && machine_token(t->domain, t->frame) == address)
			*t = (struct translation){ 0 };
	}
}

void machine_root_load(u32 domain)
{
	__atomic_store_n(&interleave_cpu()->arch.root, domains[domain].root, __ATOMIC_RELAXED);
	interleave_relax();
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* MOV to CR3 serialises: Intel SDM vol. 3A, 9.3 */
	cr3_write(domains[domain].root);
}

/* The kernel's windows are in every root. */
static bool in_root(const struct cpu *cpu, u32 domain)
{
	return domains[domain].root == arch_kernel_root || cpu->arch.root == domains[domain].root;
}

/* The walk of a processor: it notes the access in the entry before it keeps the translation. */
static arch_entry_t entry_load(arch_entry_t *entry)
{
	arch_entry_t seen = __atomic_load_n(entry, __ATOMIC_RELAXED);

	while (arch_entry_present(seen) && !arch_entry_accessed(seen))
		if (__atomic_compare_exchange_n(entry, &seen, seen | ARCH_PAGE_ACCESSED, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			seen |= ARCH_PAGE_ACCESSED;
	return seen;
}

static struct translation *translation_find(u32 domain, frame_t frame)
{
	struct translation *free = NULL;

	for (u32 i = 0; i < TRANSLATIONS; i++) {
		struct translation *t = &translations[interleave_self()][i];
		if (t->entry && t->domain == domain && t->frame == frame)
			return t;
		if (!t->entry)
			free = t;
	}
	return free;
}

frame_t machine_translate(u32 domain, frame_t frame, bool write)
{
	struct translation *t = translation_find(domain, frame);
	interleave_expect(in_root(interleave_cpu(), domain), "a unit runs in its own root");
	if (!t->entry || (write && !arch_entry_writable(t->entry))) {
		bool large = false;
		arch_entry_t *entry = arch_page_walk(domains[domain].root, machine_token(domain, frame), false, &large);
		arch_entry_t seen = entry ? entry_load(entry) : 0;
		*t = (struct translation){ 0 };
		if (arch_entry_present(seen))
			*t = (struct translation){ domain, frame, seen };
	}
	return t->entry && (!write || arch_entry_writable(t->entry)) ? arch_entry_frame(t->entry) : FRAME_NONE;
}

frame_t machine_access(u32 domain, frame_t frame, bool write)
{
	arch_tlb_serve();
	interleave_relax();
	return machine_translate(domain, frame, write);
}

void machine_translations_check(void)
{
	for (u32 cpu = 0; cpu < cpu_count; cpu++)
		for (u32 i = 0; i < TRANSLATIONS; i++) {
			const struct translation *t = &translations[cpu][i];
			frame_t frame = arch_entry_frame(t->entry);
			/* What a processor that is about to load another root still keeps is not used. */
			if (!t->entry || frame == frame_dead || !in_root(&storage[cpu], t->domain))
				continue;
			const struct frame_record *r = frame_record(frame);
			/* Stale ones live only while an operation keeps the frame what it is. */
			interleave_expect(r->type == FRAME_USER || r->type == FRAME_OBJECT, "a frame that is something else is reached");
			interleave_expect(frame_held_by(r, t->domain) || r->pins, "a frame is reached by who does not hold it");
		}
}

/* ---- Stand-ins ------------------------------------------------------------------------------------------------------------------ */

/* Of a page's content the explorations use the beginning. */
void arch_page_zero(void *to) { memset(to, 0, 64); }
void arch_root_init(paddr_t root) { (void)root; }
frame_t frame_boot_table(void) { return FRAME_NONE; }

/* ---- The world ------------------------------------------------------------------------------------------------------------------ */

static void memory_at(u64 address, u64 size)
{
	munmap((void *)address, size);
	if (mmap((void *)address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != (void *)address) {
		printf("Bail out! no memory\n");
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
	d->state = TK_DOMAIN_RUNNING;
	d->generation = 1;
	list_init(&d->stack_waiters);
}

static void windows_make(void)
{
	for (u32 i = 0; i < FRAMES_OWNED; i++) {
		frame_t frame = FRAME_FIRST + i;
		frame_retype(frame, FRAME_USER, OWNER, 0);
		/* The tables of all windows are there; what needs new ones is tested elsewhere. */
		if (window_prepare(&domains[HOLDER], &frame, 1) || window_prepare(&domains[GUEST], &frame, 1) || window_map(&domains[OWNER], frame, true))
			abort();
	}
}

void machine_create(u32 count)
{
	while (frame_count && reserve_take(true) != FRAME_NONE)
		; /* of the world before */
	memory_at(ARCH_PHYSMAP, MACHINE_FRAMES * PAGE_SIZE);
	memory_at(ARCH_RECORDS, round_up(MACHINE_FRAMES * sizeof(struct frame_record), PAGE_SIZE));
	memset(translations, 0, sizeof(translations));
	frame_count = MACHINE_FRAMES;
	cpu_count = count;
	domain_count = MACHINE_DOMAINS;
	memset(ipis, 0, sizeof(ipis));
	time = 1000;
	for (u32 i = 0; i < count; i++) {
		memset(&storage[i], 0, sizeof(storage[i]));
		storage[i].id = i;
		storage[i].online = true;
		storage[i].arch.root = 2 * PAGE_SIZE;
		cpus[i] = &storage[i];
		acts_as[i] = i;
	}
	frame_dead = 1;
	frame_retype(frame_dead, FRAME_SHARED, 0, 0);
	arch_kernel_root = 2 * PAGE_SIZE;
	frame_retype(2, FRAME_CORE, 0, 0);
	frame_retype(3, FRAME_CORE, 0, 0);
	for (frame_t f = 8; f < 64; f++) {
		frame_retype(f, FRAME_TABLE, 0, 0);
		reserve_return(f);
	}
	domain_make(OWNER, 1, 1, arch_kernel_root);
	domain_make(HOLDER, 1, 2, arch_kernel_root);
	domain_make(GUEST, 2, 0, 3 * PAGE_SIZE);
	domains[OWNER].rights = TK_RIGHT_MEMORY | TK_RIGHT_THREADS;
	windows_make();
}

static void window_check(u32 domain, frame_t frame)
{
	const struct frame_record *r = frame_record(frame);
	const arch_entry_t *e = arch_page_walk(domains[domain].root, machine_token(domain, frame), false, NULL);
	bool held = frame_held_by(r, domain);

	interleave_expect(!held || (e && arch_entry_present(*e) && arch_entry_frame(*e) == frame), "a holder's window shows the frame");
	interleave_expect(held || !e || !*e || (arch_entry_frame(*e) == frame_dead && !arch_entry_writable(*e)), "others' windows do not");
	interleave_expect(!held || r->type == FRAME_USER || r->type == FRAME_OBJECT, "only user frames and objects are held");
}

void machine_rest_check(void)
{
	for (frame_t frame = FRAME_FIRST; frame < FRAME_FIRST + FRAMES_OWNED; frame++) {
		const struct frame_record *r = frame_record(frame);
		for (u32 d = 1; d < MACHINE_DOMAINS; d++)
			window_check(d, frame);
		interleave_expect(r->pins == 0 && !(r->flags & FRAME_CLAIMED), "nothing is pinned or claimed at rest");
		interleave_expect(r->type != FRAME_USER || r->map_count || frame_held_by(r, r->owner), "the owner holds what is mapped nowhere");
	}
}
