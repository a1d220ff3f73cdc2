/*
 * The recount of every frame, at power-off when the command line has `audit`: all address spaces, heaps and windows are walked, and what is
 * mapped is taken off the records. What is left in a record, or was not in it, is a mistake of the core. The machine ends after it, so the
 * records may be used up; other processors have been stopped outside the core.
 */
#include "audit.h"
#include "cpu.h"
#include "domain.h"
#include "frame.h"
#include "log.h"
#include "token.h"
#include "vspace.h"
#include <arch/page.h>
#include <arch/time.h>
#include <tessera/arch.h>

#define REPORTS_MAX 20
#define STOP_NANOS 2000000000ull

struct audit { u64 mapped, held, frames[FRAME_SHARED + 1], mistakes; };

static void report(struct audit *a, frame_t frame, const char *what)
{
	const struct frame_record *r = frame_record(frame);

	if (a->mistakes++ < REPORTS_MAX)
		core_log("audit: frame 0x%x type %u owner %u map count %u pins %u: %s", frame, r->type, r->owner, r->map_count, r->pins, what);
}

static void mapping_take(struct audit *a, frame_t frame)
{
	struct frame_record *r = frame_record(frame);

	a->mapped++;
	if (r->type != FRAME_USER)
		report(a, frame, "mapped, but not a user frame");
	else if (r->map_count == 0)
		report(a, frame, "mapped more often than counted");
	else
		r->map_count--;
}

static void mappings_walk(struct audit *a, paddr_t root, vaddr_t start, vaddr_t end)
{
	for (vaddr_t at = arch_page_next(root, start, end); at < end; at = arch_page_next(root, at + PAGE_SIZE, end)) {
		const arch_entry_t *entry = arch_page_walk(root, at, false, NULL);
		/* What a unit has from the start is of boot memory, whose mappings are not counted. */
		if (entry && *entry && frame_record(arch_entry_frame(*entry))->type != FRAME_CORE)
			mapping_take(a, arch_entry_frame(*entry));
	}
}

static void holder_take(struct audit *a, const struct domain *d, frame_t frame)
{
	struct frame_record *r = frame_record(frame);
	u64 bit = 1ull << (d->id % 64), *word = &r->holders[d->id / 64];

	a->held++;
	if (!(*word & bit))
		report(a, frame, "in a window whose domain does not hold it");
	*word &= ~bit;
}

static void window_walk(struct audit *a, const struct domain *d)
{
	vaddr_t end = d->window + frame_count * PAGE_SIZE;

	for (vaddr_t at = d->window; at < end;) {
		bool large = false;
		vaddr_t table_end = round_down(at, ARCH_LARGE_PAGES * PAGE_SIZE) + ARCH_LARGE_PAGES * PAGE_SIZE;
		const arch_entry_t *entry = arch_page_walk(d->root, at, false, &large);
		if (entry == NULL) {
			at = table_end;
			continue;
		}
		frame_t own = (frame_t)((at - d->window) >> PAGE_SHIFT);
		if (large)
			for (; at < table_end && at < end; at += PAGE_SIZE)
				holder_take(a, d, own++);
		else {
			if (*entry && arch_entry_frame(*entry) == own)
				holder_take(a, d, own);
			else if (*entry && arch_entry_frame(*entry) != frame_dead)
				report(a, own, "its place in a window shows another frame");
			at += PAGE_SIZE;
		}
	}
}

/* What an object has claimed for as long as it likes: the region table of a space, the frames that a pool has stashed. */
static void claim_take(struct audit *a, frame_t frame)
{
	if (frame_record(frame)->pins != 1)
		report(a, frame, "claimed by an object, but not pinned once");
	frame_record(frame)->pins = 0;
}

static void objects_walk(struct audit *a)
{
	for (frame_t frame = 1; frame < frame_count; frame++) {
		const struct frame_record *r = frame_record(frame);
		if (r->type != FRAME_OBJECT)
			continue;
		if (r->object_type == TK_OBJECT_VSPACE) {
			const struct vspace *space = r->object;
			mappings_walk(a, space->root, 0, ARCH_USER_LIMIT);
			for (u32 i = 0; i < space->table_frames; i++)
				claim_take(a, space->table_first + i);
		} else if (r->object_type == TK_OBJECT_POOL) {
			const struct pool *pool = r->object;
			for (frame_t stashed = pool->stash; stashed != FRAME_NONE; stashed = frame_record(stashed)->link)
				claim_take(a, stashed);
		}
	}
}

static void records_check(struct audit *a)
{
	for (frame_t frame = 1; frame < frame_count; frame++) {
		const struct frame_record *r = frame_record(frame);
		if (r->type > FRAME_SHARED) {
			report(a, frame, "unknown type");
			continue;
		}
		a->frames[r->type]++;
		if (r->type == FRAME_USER && r->map_count)
			report(a, frame, "counted more often than mapped");
		if (r->pins)
			report(a, frame, "still pinned");
		if (r->holders[0] | r->holders[1])
			report(a, frame, "held by a domain whose window does not show it");
	}
}

/* Processors take an interrupt only outside the core, so what the core does elsewhere is complete when they have stopped. */
static void processors_stop(void)
{
	nanos_t limit = arch_nanos() + STOP_NANOS;

	for (u32 i = 0; i < cpu_count; i++) {
		if (cpus[i] == arch_cpu())
			continue;
		arch_ipi_send(i, ARCH_IPI_STOP);
		/* Acquire: what it wrote before it stopped is seen. */
		while (__atomic_load_n(&cpus[i]->online, __ATOMIC_ACQUIRE) && arch_nanos() < limit)
			arch_tlb_serve();
	}
}

bool audit_run(void)
{
	static struct audit a;

	processors_stop();
	objects_walk(&a);
	for (u32 i = 1; i < domain_count; i++) {
		const struct domain *d = &domains[i];
		mappings_walk(&a, d->root, d->private + ARCH_UNIT_HEAP, d->private + ARCH_UNIT_HEAP + d->heap_pages * PAGE_SIZE);
		window_walk(&a, d);
	}
	records_check(&a);
	core_log("audit: %lu mapped, %lu held; frames: core %lu, user %lu, table %lu, object %lu, private %lu; %lu mistakes", a.mapped, a.held,
		a.frames[FRAME_CORE], a.frames[FRAME_USER], a.frames[FRAME_TABLE], a.frames[FRAME_OBJECT], a.frames[FRAME_PRIVATE], a.mistakes);
	return a.mistakes == 0;
}
