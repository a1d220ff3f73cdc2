/* See core.h: page tables as a map. */
#include "core_model.h"
#include <string.h>

struct entry entries[PAGES];

/* What is allowed of a page by a protection: as on the processor, all that is not nothing can be read. */
u8 effective(u32 prot, bool cow) { return (u8)(prot & 7 ? (prot & (cow ? 5 : 7)) | TK_PROT_READ : 0); }

static struct entry *entry_find(u32 space, u64 page, bool create)
{
	u64 at = (page * 0x9e3779b97f4a7c15ull + space * 0xc2b2ae3d27d4eb4full) >> 48;

	for (u32 tries = 0; tries < PAGES; tries++, at++) {
		struct entry *e = &entries[at % PAGES];

		if (e->used && e->space == space && e->page == page)
			return e;
		if (!e->used)
			return create ? e : NULL;
	}
	broken("the map is full");
	return NULL;
}

/* Entries stay used, with no frame, so that searches go on past them; a full map is cleaned. */
struct entry *entry_mapped(u32 space, u64 page)
{
	struct entry *e = entry_find(space, page, false);

	return e && e->frame ? e : NULL;
}

static void entries_compact(void)
{
	static struct entry copy[PAGES];
	u32 count = 0;

	for (u32 i = 0; i < PAGES; i++)
		if (entries[i].used && entries[i].frame)
			copy[count++] = entries[i];
	memset(entries, 0, sizeof(entries));
	for (u32 i = 0; i < count; i++)
		*entry_find(copy[i].space, copy[i].page, true) = copy[i];
}

void entry_set(struct space *space, u64 page, frame_t frame, u32 prot, bool cow, bool copy)
{
	static u32 sets;

	if (++sets % (PAGES / 2) == 0)
		entries_compact();
	*entry_find((u32)(space - spaces), page, true) = (struct entry){ (u32)(space - spaces), page, frame, (u8)prot, cow, copy, true };
	records[frame].maps++;
	space->resident++;
	space->table->resident = space->resident;
}

frame_t entry_clear(struct space *space, struct entry *e)
{
	frame_t frame = e->frame;

	e->frame = FRAME_NONE;
	space->resident--;
	space->table->resident = space->resident;
	MUST(records[frame].maps);
	return --records[frame].maps ? FRAME_NONE : frame;
}

long tk_map(const struct tk_map *request)
{
	struct space *space = space_find(request->vspace);
	u32 done = 0;

	MUST(request->count && request->count <= 512 && !(request->address & PAGE_MASK));
	for (; done < request->count; done++) {
		u64 page = request->address / PAGE_SIZE + done;
		frame_t frame = request->frames[done];

		if (!table_take() || (done && stops_early()))
			break;
		if (!frame || entry_mapped((u32)(space - spaces), page))
			continue;
		MUST(frame < FRAMES && records[frame].owner == OWN_DOMAIN && !records[frame].object && !records[frame].table);
		MUST(mem_frame_state(frame) >= MEM_FRAME_ANONYMOUS && mem_frame_state(frame) <= MEM_FRAME_LENT);
		entry_set(space, page, frame, effective(request->prot, request->prot & TK_PROT_COW), request->prot & TK_PROT_COW,
		          request->prot & TK_PROT_COW);
	}
	return done;
}

/* How many pages from `first` on have nothing mapped, of a range too large to look at each; 0 in a small one. */
static u64 pages_skipped(const struct space *space, u64 first, u64 pages)
{
	u64 lowest = first + pages;

	if (pages <= PAGES)
		return 0;
	for (u32 i = 0; i < PAGES; i++)
		if (entries[i].frame && entries[i].space == space - spaces && entries[i].page >= first && entries[i].page < lowest)
			lowest = entries[i].page;
	return lowest - first;
}

long tk_unmap(struct tk_unmap *request)
{
	struct space *space = space_find(request->vspace);
	u64 first = request->address / PAGE_SIZE;

	MUST(request->pages && request->capacity);
	request->freed_count = 0;
	request->done = pages_skipped(space, first, request->pages);
	for (u32 budget = 0; request->done < request->pages && request->freed_count < request->capacity && budget < 4096; budget++) {
		struct entry *e = entry_mapped((u32)(space - spaces), first + request->done);
		frame_t freed = e ? entry_clear(space, e) : FRAME_NONE;

		if (freed)
			request->freed[request->freed_count++] = freed;
		request->done++;
		if (stops_early())
			break;
	}
	return 0;
}

long tk_protect(vaddr_t vspace, vaddr_t address, u64 pages, u32 prot)
{
	struct space *space = space_find(vspace);

	MUST(pages);
	for (u64 i = pages_skipped(space, address / PAGE_SIZE, pages), last = i + PAGES; i < pages; i++) {
		struct entry *e = entry_mapped((u32)(space - spaces), address / PAGE_SIZE + i);

		if (i == last)
			return (long)i;

		if (e) {
			e->cow |= e->copy || (prot & TK_PROT_COW && records[e->frame].maps > 1);
			e->prot = effective(prot, e->cow);
		}
		if (stops_early())
			return (long)(i + 1);
	}
	return (long)pages;
}

long tk_share(const struct tk_share *request)
{
	struct space *from = space_find(request->from), *to = space_find(request->to);
	u64 i, last;

	MUST(request->cow);
	for (i = pages_skipped(from, request->address / PAGE_SIZE, request->pages), last = i + PAGES; i < request->pages; i++) {
		u64 page = request->address / PAGE_SIZE + i;
		struct entry *e = entry_mapped((u32)(from - spaces), page), old;

		if (!table_take() || (i && stops_early()) || i == last)
			break;
		if (!e)
			continue;
		e->cow = true;
		e->prot &= 5;
		old = *e;
		entry_set(to, page, old.frame, old.prot, true, old.copy);
	}
	return i ? (long)i : -ENOMEM;
}

long tk_move(const struct tk_move *request)
{
	struct space *space = space_find(request->vspace);
	u64 i, last;

	for (i = pages_skipped(space, request->from / PAGE_SIZE, request->pages), last = i + PAGES; i < request->pages; i++) {
		struct entry *e = entry_mapped((u32)(space - spaces), request->from / PAGE_SIZE + i), old;

		if (!table_take() || (i && stops_early()) || i == last)
			break;
		if (!e)
			continue;
		MUST(!entry_mapped((u32)(space - spaces), request->to / PAGE_SIZE + i));
		old = *e;
		e->frame = FRAME_NONE;
		records[old.frame].maps--;
		space->resident--;
		entry_set(space, request->to / PAGE_SIZE + i, old.frame, old.prot, old.cow, old.copy);
	}
	return i ? (long)i : -ENOMEM;
}

long tk_query(vaddr_t vspace, vaddr_t address)
{
	struct space *space = space_find(vspace);
	struct entry *e = entry_mapped((u32)(space - spaces), address / PAGE_SIZE);

	MUST(!(address & PAGE_MASK));
	if (!e)
		return -ENOENT;
	return (long)(e->frame | (u64)e->prot << 32 | (u64)(e->cow ? TK_PROT_COW : 0) << 32);
}

u64 core_mapped(vaddr_t token) { return space_find(token)->resident; }
