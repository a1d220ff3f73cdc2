/*
 * Images of IC1 and IC2 units: static PIE ELF files embedded in the core's image, loaded at a random place of the unit's area.
 * They are trusted (part of the image): checks here are assertions that the composer did its work. ELF-64 Object File Format.
 */
#include "assert.h"
#include "copy.h"
#include "domain.h"
#include "frame.h"
#include <arch/cpu.h>
#include <arch/page.h>
#include <tessera/arch.h>
#include <elf64.h>

#define SEGMENT_KEEP 0x100000 /* among its flags: of a unit that keeps its state */
#define IMAGE_RANDOM_PAGES 0x40000ul /* 1 GiB of places */

static void map_pages(struct domain *d, vaddr_t start, frame_t frame, u64 pages, u64 flags)
{
	for (u64 i = 0; i < pages; i++)
		core_assert(arch_page_map(d->root, start + i * PAGE_SIZE, frame + (frame_t)i, flags) == 0);
}

static void segment_fill(const struct domain *d, const struct unit_segment *s)
{
	const struct elf_program_header *p = s->header;
	char *to = frame_address(s->frame);
	u64 skip = p->address & PAGE_MASK;

	__builtin_memset(to, 0, skip);
	__builtin_memcpy(to + skip, (const char *)d->unit->image + p->offset, p->file_size);
	__builtin_memset(to + skip + p->file_size, 0, s->pages * PAGE_SIZE - skip - p->file_size);
}

/* The core's address of a place in the image, by its link address; a spare word for one that is kept. */
static void *image_place(const struct domain *d, u64 base, u64 address)
{
	static u64 spare;

	for (u32 i = 0; i < d->segment_count; i++) {
		const struct unit_segment *s = &d->segments[i];
		u64 offset = base + address - s->start;
		if (base + address >= s->start && offset < s->pages * PAGE_SIZE)
			return s->kept ? (char *)&spare : (char *)frame_address(s->frame) + offset;
	}
	core_fail("a unit's image points outside itself");
}

static void relocate(const struct domain *d, u64 base)
{
	u64 table = 0, size = 0;

	for (const struct elf_dynamic *e = image_place(d, base, d->dynamic->address); e->tag; e++) {
		if (e->tag == ELF_TAG_RELA)
			table = e->value;
		else if (e->tag == ELF_TAG_RELA_SIZE)
			size = e->value;
	}
	for (u64 at = 0; at < size; at += sizeof(struct elf_relocation)) {
		const struct elf_relocation *r = image_place(d, base, table + at);
		core_assert((u32)r->info == ARCH_ELF_RELATIVE);
		*(u64 *)image_place(d, base, r->offset) = base + r->addend;
	}
}

static void image_fill(const struct domain *d, u64 base)
{
	for (u32 i = 0; i < d->segment_count; i++)
		if (!d->segments[i].kept)
			segment_fill(d, &d->segments[i]);
	if (d->dynamic)
		relocate(d, base);
}

void unit_load(struct domain *d)
{
	u64 base = (d->class == 2 ? ARCH_IC2_IMAGE_BASE : d->private + ARCH_UNIT_IMAGE) + arch_entropy() % IMAGE_RANDOM_PAGES * PAGE_SIZE;
	const struct elf_header *h = d->unit->image;
	const struct elf_program_header *p = (const void *)((const char *)h + h->program_offset);

	core_assert(d->unit->image_size >= sizeof(*h) && __builtin_memcmp(h->ident, ELF_IDENT, ELF_IDENT_SIZE) == 0);
	for (u32 i = 0; i < h->program_count; i++) {
		if (p[i].type == ELF_DYNAMIC)
			d->dynamic = &p[i];
		if (p[i].type != ELF_LOAD)
			continue;
		core_assert(d->segment_count < UNIT_SEGMENTS_MAX);
		struct unit_segment *s = &d->segments[d->segment_count++];
		s->header = &p[i];
		s->start = round_down(base + p[i].address, PAGE_SIZE);
		s->pages = (u32)((round_up(base + p[i].address + p[i].memory_size, PAGE_SIZE) - s->start) / PAGE_SIZE);
		s->frame = (frame_t)(frame_boot_alloc(s->pages) >> PAGE_SHIFT);
		u64 access = (p[i].flags & ELF_WRITE ? ARCH_PAGE_WRITE : 0) | (p[i].flags & ELF_EXECUTE ? ARCH_PAGE_EXECUTE : 0);
		core_assert(access != (ARCH_PAGE_WRITE | ARCH_PAGE_EXECUTE));
		map_pages(d, s->start, s->frame, s->pages, domain_page_flags(d, access));
	}
	d->entry = base + h->entry;
	image_fill(d, base);
	for (u32 i = 0; i < d->segment_count; i++) /* filled once */
		d->keeps |= d->segments[i].kept = d->segments[i].header->flags & SEGMENT_KEEP;
}

/* All stacks of the pool are free: nothing runs in the unit. */
static void stacks_return(struct domain *d)
{
	__builtin_memset(d->stack_users, 0, sizeof(d->stack_users));
	d->stacks_free = d->stack_count == 64 ? ~0ull : (1ull << d->stack_count) - 1;
}

void unit_map_memory(struct domain *d)
{
	u64 stack_pages = TK_STACK_SIZE / PAGE_SIZE;

	d->stack_tops = d->private + ARCH_UNIT_STACKS + TK_STACK_STRIDE;
	for (u32 i = 0; i < d->unit->stacks; i++)
		map_pages(d, d->stack_tops + i * TK_STACK_STRIDE - TK_STACK_SIZE, (frame_t)(frame_boot_alloc(stack_pages) >> PAGE_SHIFT),
			stack_pages, domain_page_flags(d, ARCH_PAGE_WRITE));
	d->stack_count = d->unit->stacks;
	stacks_return(d);
	if (d->unit->vector)
		d->vectors = frame_address((frame_t)(frame_boot_alloc(d->stack_count) >> PAGE_SHIFT));
	if (d->unit->heap_pages)
		map_pages(d, d->private + ARCH_UNIT_HEAP, (frame_t)(frame_boot_alloc(d->unit->heap_pages) >> PAGE_SHIFT),
			d->unit->heap_pages, domain_page_flags(d, ARCH_PAGE_WRITE));
	d->heap_pages = d->unit->heap_pages;
}

/* Writable pages of an area that are mapped are cleared; there are no holes below the first missing page. */
static void area_clear(struct domain *d, vaddr_t start, u64 pages)
{
	for (u64 i = 0; i < pages; i++) {
		u64 size = PAGE_SIZE;
		void *page = copy_unit_address(d, start + i * PAGE_SIZE, &size, true);
		if (page)
			arch_page_zero(page);
	}
}

void unit_reload(struct domain *d)
{
	stacks_return(d);
	image_fill(d, d->entry - ((const struct elf_header *)d->unit->image)->entry);
	for (u32 i = 0; i < d->stack_count && !d->keeps; i++)
		area_clear(d, d->stack_tops + i * TK_STACK_STRIDE - TK_STACK_SIZE, TK_STACK_SIZE / PAGE_SIZE);
	if (!d->keeps)
		area_clear(d, d->private + ARCH_UNIT_HEAP, d->heap_pages);
	/* What it grew to is its heap from the start now. */
	((struct tk_boot_info *)frame_address(d->boot_frame))->heap_pages = d->heap_pages;
}
