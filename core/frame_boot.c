/*
 * Boot: the first allocator, which hands out RAM from the bottom, records for the sections that are on line from the start, and what is
 * left to mem. A section is on line at boot when it is needed, or when it is not RAM throughout, so that all others are simple.
 */
#include "frame.h"
#include "token.h"
#include "domain.h"
#include "assert.h"
#include <arch/boot.h>
#include <arch/page.h>

#define BOOT_RAM_WANTED (112ull << 20) /* bytes in sections on line at boot, if there are so many */
#define BOOT_TABLES 96u                /* page tables in the reserve when mem takes over */

static struct boot_ram free_ram[BOOT_RAM_MAX]; /* what the allocator may still give, on line or not */
static u32 free_count;
static u64 boot_sections[(1ull << 27) / FRAME_SECTION / 64]; /* bit: on line at boot */
static bool records_ready, sealed;

static bool section_at_boot(u64 section) { return boot_sections[section / 64] >> (section % 64) & 1; }

static void sections_choose(paddr_t start, paddr_t end)
{
	for (u64 s = (start >> PAGE_SHIFT) / FRAME_SECTION; start < end && s <= ((end - 1) >> PAGE_SHIFT) / FRAME_SECTION; s++)
		boot_sections[s / 64] |= 1ull << (s % 64);
}

/* The part of a free range that lies in sections on line: its size from the start, 0 if the first section is off line. */
static u64 online_size(const struct boot_ram *r)
{
	u64 size = 0, section_bytes = FRAME_SECTION * PAGE_SIZE;

	while (size < r->size && section_at_boot((r->start + size) / section_bytes))
		size = round_down(r->start + size, section_bytes) + section_bytes - r->start;
	return size < r->size ? size : r->size;
}

u64 frame_boot_bytes(void)
{
	u64 bytes = 0;

	for (u32 i = 0; i < boot_facts.ram_count; i++)
		bytes += boot_facts.ram[i].size;
	return bytes;
}

paddr_t frame_boot_alloc(u64 pages)
{
	core_assert(!sealed);
	for (u32 i = 0; i < free_count; i++) {
		struct boot_ram *r = &free_ram[i];
		if (online_size(r) < pages * PAGE_SIZE)
			continue;
		paddr_t start = r->start;
		r->start += pages * PAGE_SIZE;
		r->size -= pages * PAGE_SIZE;
		for (u64 page = 0; page < pages; page++)
			arch_page_zero(frame_address((frame_t)(start >> PAGE_SHIFT) + (frame_t)page));
		return start;
	}
	core_fail("not enough memory to start");
}

frame_t frame_boot_table(void)
{
	if (sealed)
		return FRAME_NONE;
	frame_t frame = (frame_t)(frame_boot_alloc(1) >> PAGE_SHIFT);
	if (records_ready)
		frame_retype(frame, FRAME_TABLE, 0, 0);
	return frame;
}

/* Sections that the core, the image and the archive need, irregular ones, and then enough RAM from the bottom. */
static void sections_select(void)
{
	const struct boot_facts *f = &boot_facts;
	u64 wanted = BOOT_RAM_WANTED, section_bytes = FRAME_SECTION * PAGE_SIZE;

	sections_choose(0, 1);
	sections_choose(f->image_start, f->image_end);
	sections_choose(f->archive, f->archive + f->archive_size);
	for (u32 i = 0; i < f->ram_count; i++) {
		paddr_t start = f->ram[i].start, end = start + f->ram[i].size;
		u64 size = f->ram[i].size < wanted ? f->ram[i].size : wanted;
		sections_choose(start, start + size);
		wanted -= size;
		if (start % section_bytes)
			sections_choose(start, start + 1);
		if (end % section_bytes)
			sections_choose(end - 1, end);
	}
}

void frame_init(void)
{
	const struct boot_facts *f = &boot_facts;

	core_assert(f->ram_count > 0);
	for (; free_count < f->ram_count; free_count++)
		free_ram[free_count] = f->ram[free_count];
	u64 top = f->ram[f->ram_count - 1].start + f->ram[f->ram_count - 1].size;
	if (f->archive && f->archive + f->archive_size > top)
		top = round_up(f->archive + f->archive_size, PAGE_SIZE);
	if (f->image_end > top)
		top = round_up(f->image_end, PAGE_SIZE);
	core_assert(top >> PAGE_SHIFT <= countof(boot_sections) * 64 * FRAME_SECTION);
	sections_select();
	frame_dead = (frame_t)(frame_boot_alloc(1) >> PAGE_SHIFT);
	section_space_init(top >> PAGE_SHIFT);
	for (u64 s = 0; s * FRAME_SECTION < top >> PAGE_SHIFT; s++)
		if (section_at_boot(s))
			section_boot_online(s);
	/* From now on allocations have records. */
	records_ready = true;
	frame_count = top >> PAGE_SHIFT;
	frame_retype(frame_dead, FRAME_SHARED, 0, 0);
}

void frame_boot_give(frame_t first, u64 count, u32 domain)
{
	for (u64 i = 0; i < count; i++) {
		struct frame_record *record = frame_record(first + (frame_t)i);
		record->type = FRAME_USER;
		record->owner = (u8)domain;
	}
	window_map_range(&domains[domain], first, count);
}

void frame_boot_seal(u32 mem_domain, struct tk_boot_info *info)
{
	/* Window tables for what is left: one for each GiB touched and two edges a range. */
	u32 tables = BOOT_TABLES + 4 * free_count;

	for (u32 i = 0; i < tables; i++)
		reserve_return(frame_boot_table());
	sealed = true;
	info->range_count = 0;
	for (u32 i = 0; i < free_count; i++) {
		struct boot_ram *r = &free_ram[i];
		while (r->size) {
			u64 size = online_size(r), section_bytes = FRAME_SECTION * PAGE_SIZE;
			if (size && info->range_count < TK_BOOT_RANGES_MAX) {
				frame_t first = (frame_t)(r->start >> PAGE_SHIFT);
				frame_boot_give(first, size >> PAGE_SHIFT, mem_domain);
				info->ranges[info->range_count++] = (struct tk_boot_range){ first, size >> PAGE_SHIFT };
			}
			if (!size) /* whole sections that are off line */
				size = round_down(r->start, section_bytes) + section_bytes - r->start;
			size = size < r->size ? size : r->size;
			r->start += size;
			r->size -= size;
		}
	}
	info->section_frames = FRAME_SECTION;
	info->section_count = (u32)((frame_count + FRAME_SECTION - 1) / FRAME_SECTION);
}

bool section_is_ram(u64 section)
{
	const struct boot_facts *f = &boot_facts;
	paddr_t start = section * FRAME_SECTION * PAGE_SIZE, end = start + FRAME_SECTION * PAGE_SIZE;

	for (u32 i = 0; i < f->ram_count; i++)
		if (f->ram[i].start <= start && f->ram[i].start + f->ram[i].size >= end)
			return !section_at_boot(section);
	return false;
}
