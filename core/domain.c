/* Domains of the manifest: made once at boot, with their areas, windows, boot pages and first tokens. */
#include "domain.h"
#include "assert.h"
#include "cpu.h"
#include "frame.h"
#include "irq.h"
#include "log.h"
#include "option.h"
#include "thread.h"
#include "token.h"
#include "wait.h"
#include <arch/boot.h>
#include <arch/context.h>
#include <arch/cpu.h>
#include <arch/page.h>
#include <arch/time.h>
#include <tessera/arch.h>

struct domain domains[TK_DOMAINS_MAX];
struct gate gates[TK_GATES_MAX];
u32 domain_count = 1;
struct domain *abi_domain;
long (*abi_syscall)(u32 number, const u64 *args, u32 thread);
static frame_t clock_frame;
static u32 ports_count;

static struct tk_boot_info *boot_page(const struct domain *d) { return frame_address(d->boot_frame); }

static frame_t boot_frame(void) { return (frame_t)(frame_boot_alloc(1) >> PAGE_SHIFT); }

/* ---- Protection -------------------------------------------------------------------------------------------------------------------------- */

static void protection_init(struct domain *d, const struct tk_manifest_unit *unit)
{
	u32 slot = d->class == 1 ? unit->key + 1u : 0;

	core_assert(slot < ARCH_UNITS_MAX - 2);
	struct arch_area area = arch_area_of(d->class, slot);
	d->private = area.private;
	d->window = area.window;
	d->private_size = area.size;
	if (option_given("layout"))
		core_log("layout: unit %s private 0x%lx window 0x%lx", unit->name, d->private, d->window);
	d->root = arch_kernel_root;
	if (d->class == 2) {
		d->root = d->arch.root = frame_boot_alloc(1);
		arch_root_init(d->root);
		return;
	}
	d->arch.slot = slot;
	if (d->class == 0)
		return;
	if (arch_has_keys)
		d->arch.key = ARCH_KEY_UNIT(slot);
	else
		d->arch.root = frame_boot_alloc(1);
}

/* ---- What a unit is told ------------------------------------------------------------------------------------------------------------------ */

static void boot_token_add(struct domain *d, u32 type, u32 data, frame_t frame, bool write)
{
	struct tk_boot_info *info = boot_page(d);

	core_assert(info->token_count < TK_BOOT_TOKENS_MAX);
	core_assert(window_map(d, frame, write) == 0);
	info->tokens[info->token_count++] = (struct tk_boot_token){ type, data, d->window + (u64)frame * PAGE_SIZE };
}

static void devices_add(struct domain *d)
{
	for (u32 i = 0; i < d->unit->port_count; i++) {
		const struct tk_manifest_ports *p = &d->unit->ports[i];
		core_assert(ports_count < PORTS_MAX);
		struct ports_object *ports = &ports_objects[ports_count++];
		frame_t frame = boot_frame();
		*ports = (struct ports_object){ p->first, p->count };
		object_adopt(frame, ports, TK_OBJECT_PORTS, d->id);
		boot_token_add(d, TK_OBJECT_PORTS, p->first, frame, false);
	}
	for (u32 i = 0; i < d->unit->irq_count; i++) {
		u32 line = d->unit->irqs[i];
		core_assert(line < IRQ_LINES && irq_objects[line].line == 0);
		frame_t frame = boot_frame();
		irq_objects[line].line = line;
		object_adopt(frame, &irq_objects[line], TK_OBJECT_IRQ, d->id);
		boot_token_add(d, TK_OBJECT_IRQ, line, frame, false);
	}
}

static void boot_page_fill(const struct domain *d)
{
	const struct tk_manifest *m = &boot_manifest;
	struct tk_boot_info *info = boot_page(d);

	*info = (struct tk_boot_info){
		.magic = TK_BOOT_MAGIC, .domain = d->id, .processors = cpu_count, .window = d->window,
		.heap = d->private + ARCH_UNIT_HEAP, .heap_pages = d->heap_pages, .heap_limit = ARCH_UNIT_HEAP_PAGES,
		.stacks = d->private + ARCH_UNIT_STACKS, .stack_count = d->stack_count,
		.clock = d->private + ARCH_UNIT_CLOCK, .clock_frame = clock_frame,
		.mem_domain = m->mem_domain, .fs_domain = m->fs_domain, .abi_domain = m->abi_domain, .super_domain = m->super_domain,
		.vector_frames = (arch_vector_size + PAGE_SIZE - 1) / PAGE_SIZE, .vector_size = arch_vector_size,
		.vector_features = arch_vector_features, .memory_frames = frame_boot_bytes() / PAGE_SIZE,
		.user_limit = ARCH_USER_LIMIT, .client_mapped = d->class == 1 && d->arch.root == 0,
	};
	for (u32 i = 0; i < sizeof(info->seed); i += 8) {
		u64 random = arch_entropy();
		__builtin_memcpy(info->seed + i, &random, 8);
	}
	__builtin_memcpy(info->command_line, boot_facts.command_line, sizeof(info->command_line));
}

static void clock_init(void)
{
	clock_frame = boot_frame();
	struct tk_clock_page *clock = frame_address(clock_frame);
	*clock = (struct tk_clock_page){
		.counter_base = arch_counter_base, .multiplier = arch_counter_multiplier, .shift = arch_counter_shift,
		.counter_hertz = arch_counter_hertz,
	};
}

/* ---- One domain --------------------------------------------------------------------------------------------------------------------------------- */

static void domain_init(const struct tk_manifest_unit *unit)
{
	struct domain *d = &domains[unit->domain];

	core_assert(unit->domain > 0 && unit->domain < TK_DOMAINS_MAX && d->unit == NULL);
	d->unit = unit;
	domain_number(d, unit->domain);
	d->class = unit->class;
	d->rights = unit->rights;
	d->level = unit->level;
	d->generation = 1;
	list_init(&d->stack_waiters);
	protection_init(d, unit);
	if (d->class == 0)
		d->entry = (vaddr_t)unit->entry;
	else
		unit_load(d);
	unit_map_memory(d);
	d->boot_frame = boot_frame();
	boot_page_fill(d);
	u64 flags = domain_page_flags(d, 0);
	core_assert(arch_page_map(d->root, d->private + ARCH_UNIT_BOOT, d->boot_frame, flags) == 0);
	core_assert(arch_page_map(d->root, d->private + ARCH_UNIT_CLOCK, clock_frame, flags) == 0);
	d->frame = boot_frame();
	d->page = frame_address(d->frame);
	*d->page = (struct tk_domain_page){ .state = TK_DOMAIN_RESTARTING, .generation = 1, .id = d->id, .class = d->class,
		.recovery = unit->recovery, .restart_limit = unit->restarts.limit, .restart_window = unit->restarts.window,
		.when_exhausted = unit->restarts.exhausted };
	for (u32 i = 0; unit->name[i] && i < sizeof(d->page->name) - 1; i++)
		d->page->name[i] = unit->name[i];
	d->state = TK_DOMAIN_RESTARTING;
	for (u32 i = 0, first = 0; i < unit->interface_count; first += unit->interfaces[i++].op_count) {
		const struct tk_manifest_interface *in = &unit->interfaces[i];
		core_assert(in->gate < TK_GATES_MAX && gates[in->gate].domain == NULL && first + in->op_count < TK_INTERFACE_CORE);
		gates[in->gate] = (struct gate){ d, in->ops, 0, first };
	}
	if (domain_count <= d->id)
		domain_count = d->id + 1;
}

void domain_show_state(struct domain *d)
{
	static struct spinlock lock; /* not the domain's: who spins for that one may be in a call of the domain */

	spin_lock(&lock);
	/* Acquire: read with the lock, so that the last of those who change it shows the last state. */
	u32 state = __atomic_load_n(&d->state, __ATOMIC_ACQUIRE), count = state == TK_DOMAIN_RUNNING ? ~0u : 0;
	for (u32 i = 0; i < d->unit->interface_count; i++) {
		const struct tk_manifest_interface *in = &d->unit->interfaces[i];
		/* Release: what the gate leads to is complete. */
		__atomic_store_n(&gates[in->gate].op_count, in->op_count & count, __ATOMIC_RELEASE);
	}
	if (state != DOMAIN_FAILING)
		d->page->state = state;
	spin_unlock(&lock);
	wait_wake_key(wait_key_of_object(d->frame, offsetof(struct tk_domain_page, state)), ~0u, ~0u);
}

static void gate_table_init(struct domain *d)
{
	static struct gate denied;

	d->gate_table = frame_address(boot_frame());
	/* Calls of a unit with vector code are made by C, which closes the vector unit. */
	for (u32 gate = 0; gate < TK_GATES_MAX; gate++)
		d->gate_table[gate] = domain_may_call(d, gate) && gates[gate].domain && !d->vectors ? &gates[gate] : &denied;
}

/* What needs all domains: tokens of each other. */
static void domain_connect(struct domain *d)
{
	arch_domain_init(d);
	gate_table_init(d);
	devices_add(d);
	object_adopt(d->frame, d, TK_OBJECT_DOMAIN, 0);
	for (u32 i = 1; i < domain_count; i++)
		if (domains[i].rights & TK_RIGHT_DOMAINS)
			boot_token_add(&domains[i], TK_OBJECT_DOMAIN, d->id, d->frame, false);
}

static void archive_give(void)
{
	struct tk_boot_info *info = boot_page(&domains[boot_manifest.fs_domain]);
	u64 pages = round_up(boot_facts.archive_size, PAGE_SIZE) / PAGE_SIZE;

	if (boot_facts.archive_size == 0)
		return;
	frame_boot_give((frame_t)(boot_facts.archive >> PAGE_SHIFT), pages, boot_manifest.fs_domain);
	info->initial = (struct tk_boot_range){ boot_facts.archive >> PAGE_SHIFT, pages };
	info->initial_size = boot_facts.archive_size;
}

void domain_load_all(void)
{
	const struct tk_manifest *m = &boot_manifest;

	clock_init();
	for (u32 i = 0; i < m->unit_count; i++)
		domain_init(&m->units[i]);
	abi_domain = &domains[m->abi_domain];
	abi_syscall = abi_domain->unit->syscall;
	for (u32 i = 1; i < domain_count; i++)
		domain_connect(&domains[i]);
	core_assert(window_map(abi_domain, clock_frame, true) == 0);
	archive_give();
	start_prepare();
	frame_boot_seal(m->mem_domain, boot_page(&domains[m->mem_domain]));
}
