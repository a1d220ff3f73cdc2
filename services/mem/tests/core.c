/* See core.h. One thread, so that locks only show who holds what. */
#include "core.h"
#include <string.h>
#include <sys/mman.h>

#define PAGES (1u << 16) /* entries of the page tables' hash map */
#define SPACES 4096u

struct record { u8 owner; bool object, table, private_part; u32 maps; u64 granted; };
struct entry { u32 space; u64 page; frame_t frame; u8 prot; bool cow, copy, used; };
struct space { vaddr_t token; frame_t frames[3]; struct tk_region_table *table; vaddr_t pool; u64 resident; u32 users; bool alive; };

static struct tk_boot_info boot;
const struct tk_boot_info *rt_boot = &boot;
static struct record records[FRAMES];
static bool online[FRAMES / SECTION];
static struct entry entries[PAGES];
static struct space spaces[SPACES];
static u32 short_percent, tables = 16, objects;
static vaddr_t client, pool_token;
static u64 locks_held;
u64 core_heap_refusals = ~0ull;

static void broken(const char *what)
{
	printf("Bail out! model of the core: %s\n", what);
	fflush(stdout);
	abort();
}
#define MUST(condition) ((condition) ? (void)0 : broken(#condition))

/* ---- The runtime ----------------------------------------------------------------------------------------------------------------- */

void lock_acquire(struct rt_lock *lock) { MUST(!lock->word); lock->word = THREAD; locks_held++; }
void lock_release(struct rt_lock *lock) { MUST(lock->word == THREAD); lock->word = 0; locks_held--; }
bool lock_try(struct rt_lock *lock) { return lock->word ? false : (lock->word = THREAD, true); }
bool lock_held(const struct rt_lock *lock) { return lock->word == THREAD; }
u32 rt_thread_id(void) { return THREAD; }
void *heap_alloc(size_t size)
{
	if (core_heap_refusals == ~0ull || core_heap_refusals--)
		return calloc(1, size);
	return NULL; /* one refusal: the count is ~0 again */
}
void *heap_resize(void *p, size_t size) { return realloc(p, size); }
void heap_free(void *p) { free(p); }
void random_bytes(void *to, size_t length) { for (size_t i = 0; i < length; i++) ((u8 *)to)[i] = (u8)unit_random(); }
void log_line(const char *format, ...) { (void)format; }
void unit_fail(const char *file, int line, const char *what) { printf("# %s:%d: %s\n", file, line, what); broken("unit_fail"); __builtin_unreachable(); }

/* ---- Frames ------------------------------------------------------------------------------------------------------------------------ */

static bool frame_free_of_use(frame_t frame) { return frame && frame < FRAMES && records[frame].owner == OWN_DOMAIN && !records[frame].object &&
	!records[frame].table && !records[frame].private_part && !records[frame].maps && !records[frame].granted; }

static bool stops_early(void) { return short_percent && unit_random() % 100 < short_percent; }

static void section_bring(u32 section, u32 kept)
{
	online[section] = true;
	for (u32 i = 0; i < SECTION; i++)
		records[section * SECTION + i].owner = i < kept ? 0 : OWN_DOMAIN;
}

long tk_memory_online(u32 section)
{
	if (section >= FRAMES / SECTION || online[section])
		return -ENODEV;
	section_bring(section, 8);
	return (long)(section * SECTION + 8);
}

long tk_reserve_fill(const frame_t *frames, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		MUST(frame_free_of_use(frames[i]));
		records[frames[i]].table = true;
	}
	tables += count;
	return (long)tables;
}

long tk_heap_map(u32 domain, u64 page, const frame_t *frames, u32 count)
{
	(void)page;
	for (u32 i = 0; i < count; i++) {
		MUST(frame_free_of_use(frames[i]));
		records[frames[i]].owner = (u8)(domain ? domain : OWN_DOMAIN);
		records[frames[i]].maps = 1;
	}
	return 0;
}

long tk_frames_give(frame_t first, u32 count, u32 domain)
{
	for (u32 i = 0; i < count; i++) {
		MUST(frame_free_of_use(first + i));
		records[first + i].owner = (u8)domain;
	}
	return 0;
}

long tk_grant(vaddr_t token, u32 domain, u32 mode)
{
	frame_t frame = frame_of_token(token);

	(void)mode;
	MUST(frame < FRAMES && records[frame].owner == OWN_DOMAIN && domain != OWN_DOMAIN);
	records[frame].granted |= 1ull << domain;
	return 0;
}

long tk_revoke(vaddr_t token, u32 domain)
{
	frame_t frame = frame_of_token(token);

	if (frame >= FRAMES || records[frame].owner != OWN_DOMAIN || records[frame].table || records[frame].private_part)
		return -EPERM;
	records[frame].granted &= domain == TK_EVERYONE ? 0 : ~(1ull << domain);
	return 0;
}

/* What is allowed of a page by a protection: as on the processor, all that is not nothing can be read. */
static u8 effective(u32 prot, bool cow) { return (u8)(prot & 7 ? (prot & (cow ? 5 : 7)) | TK_PROT_READ : 0); }

bool core_is_granted(frame_t frame, u32 domain) { return records[frame].granted >> domain & 1; }

/* A page table is wanted now and then. */
static bool table_take(void)
{
	if (!stops_early())
		return true;
	if (!tables)
		return false;
	tables--;
	return true;
}

/* ---- Objects --------------------------------------------------------------------------------------------------------------------------- */

static struct space *space_find(vaddr_t token)
{
	for (u32 i = 1; i < SPACES; i++)
		if (spaces[i].alive && spaces[i].token == token)
			return &spaces[i];
	broken("no such address space");
	return NULL;
}

u64 core_space(vaddr_t token) { return (u64)(space_find(token) - spaces); }
void core_client(vaddr_t token) { client = token; }
long tk_client_get(void) { return client ? (long)frame_of_token(client) : 0; }
u32 core_objects(void) { return objects; }

long tk_object_create(const struct tk_object_create *request)
{
	vaddr_t token = token_of_frame(request->frames[0]);
	u32 at = 1;

	for (u32 i = 0; i < request->frame_count; i++)
		MUST(frame_free_of_use(request->frames[i]));
	if (request->type == TK_OBJECT_VSPACE && !table_take())
		return -ENOMEM;
	for (u32 i = 0; i < request->frame_count; i++) {
		memset((void *)token_of_frame(request->frames[i]), 0, PAGE_SIZE);
		records[request->frames[i]].object = i == 0;
		records[request->frames[i]].private_part = i > 0;
	}
	objects++;
	if (request->type == TK_OBJECT_POOL) {
		pool_token = token;
		return (long)token;
	}
	while (spaces[at].alive)
		MUST(++at < SPACES);
	spaces[at] = (struct space){ .token = token, .table = (struct tk_region_table *)token, .alive = true };
	memcpy(spaces[at].frames, request->frames, sizeof(spaces[at].frames));
	return (long)token;
}

long tk_object_write(vaddr_t token, const struct tk_field_write *writes, u32 count)
{
	struct space *space = space_find(token);

	for (u32 i = 0; i < count; i++) {
		if (writes[i].field == TK_FIELD_VSPACE_POOL)
			space->pool = writes[i].value;
		else if (writes[i].field == TK_FIELD_VSPACE_TABLE)
			space->table = (struct tk_region_table *)token_of_frame((frame_t)writes[i].value);
		else
			MUST(writes[i].field == TK_FIELD_VSPACE_FAULTS && writes[i].value == OWN_DOMAIN);
	}
	return 0;
}

long tk_object_destroy(vaddr_t token)
{
	struct space *space = space_find(token);

	if (client == token)
		return -EBUSY;
	MUST(core_mapped(token) == 0);
	for (u32 i = 0; i < 3; i++)
		records[space->frames[i]] = (struct record){ .owner = OWN_DOMAIN };
	space->alive = false;
	objects--;
	return 0;
}

/* ---- Page tables -------------------------------------------------------------------------------------------------------------------- */

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
static struct entry *entry_mapped(u32 space, u64 page)
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

static void entry_set(struct space *space, u64 page, frame_t frame, u32 prot, bool cow, bool copy)
{
	static u32 sets;

	if (++sets % (PAGES / 2) == 0)
		entries_compact();
	*entry_find((u32)(space - spaces), page, true) = (struct entry){ (u32)(space - spaces), page, frame, (u8)prot, cow, copy, true };
	records[frame].maps++;
	space->resident++;
	space->table->resident = space->resident;
}

static frame_t entry_clear(struct space *space, struct entry *e)
{
	frame_t frame = e->frame;

	e->frame = FRAME_NONE;
	space->resident--;
	space->table->resident = space->resident;
	MUST(records[frame].maps);
	return --records[frame].maps ? FRAME_NONE : frame;
}

void core_tables_set(u32 count) { tables = count; }
void core_short(u32 percent) { short_percent = percent; }

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

long tk_wait(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset)
{
	(void)word, (void)expected, (void)deadline, (void)flags, (void)bitset;
	broken("nothing waits here");
	return 0;
}

u64 core_mapped(vaddr_t token) { return space_find(token)->resident; }

/* ---- Faults --------------------------------------------------------------------------------------------------------------------------- */

static const struct tk_region *region_find(const struct space *space, u64 address)
{
	const struct tk_region *regions = space->table->regions;

	MUST(!(space->table->generation & 1));
	for (u32 i = 0; i < space->table->count; i++)
		if (regions[i].start <= address && address < regions[i].end)
			return &regions[i];
	return NULL;
}

static bool allows(u8 prot, u32 access)
{
	if (access & TK_ACCESS_WRITE)
		return prot & TK_PROT_WRITE;
	return access & TK_ACCESS_EXECUTE ? prot & TK_PROT_EXECUTE : prot != 0;
}

static frame_t pool_take(void)
{
	struct tk_pool_page *pool = (struct tk_pool_page *)pool_token;
	frame_t frame;

	if (pool->head == pool->tail || pool->log_tail - pool->log_head >= TK_POOL_LOG_ENTRIES)
		return FRAME_NONE;
	frame = pool->entries[pool->head++ % TK_POOL_ENTRIES];
	MUST(frame_free_of_use(frame));
	for (u32 i = 0; i < PAGE_SIZE / 8; i++)
		MUST(((u64 *)token_of_frame(frame))[i] == 0);
	pool->log_tail++;
	return frame;
}

/* What the core does alone: true when it has. */
static bool fault_alone(struct space *space, u64 page, u32 access)
{
	const struct tk_region *region = region_find(space, page * PAGE_SIZE);
	struct entry *e = entry_mapped((u32)(space - spaces), page);
	frame_t frame;

	if (!region || !allows(region->prot, access) || stops_early())
		return false;
	if (!e) {
		frame = region->kind == TK_REGION_ANONYMOUS ? pool_take() : FRAME_NONE;
		if (frame)
			entry_set(space, page, frame, effective(region->prot, false), false, false);
		return frame;
	}
	if (!(access & TK_ACCESS_WRITE) || !e->cow || !(region->flags & TK_REGION_PRIVATE))
		return false;
	if (!e->copy && records[e->frame].maps == 1 && !records[e->frame].granted) {
		e->cow = false;
		e->prot = effective(region->prot, false);
		return true;
	}
	frame = pool_take();
	if (!frame)
		return false;
	memcpy((void *)token_of_frame(frame), (void *)token_of_frame(e->frame), PAGE_SIZE);
	MUST(e->copy || !entry_clear(space, e));
	if (e->frame)
		(void)entry_clear(space, e);
	entry_set(space, page, frame, effective(region->prot, false), false, false);
	return true;
}

long core_touch(vaddr_t token, u64 address, u32 access, int value)
{
	struct space *space = space_find(token);
	struct rt_request rq = { .caller = 0, .thread = THREAD };

	for (u32 tries = 0; tries < 8; tries++) {
		struct entry *e = entry_mapped((u32)(space - spaces), address / PAGE_SIZE);
		long result;

		if (e && allows(e->prot, access)) {
			u8 *byte = (u8 *)token_of_frame(e->frame) + (address & PAGE_MASK);

			if (value >= 0)
				*byte = (u8)value;
			return *byte;
		}
		if (fault_alone(space, address / PAGE_SIZE, access))
			continue;
		result = mem_upcall_fault(&rq, token, address, access);
		MUST(!locks_held);
		if (result)
			return result;
	}
	broken("a fault is served again and again");
	return 0;
}

void core_check(vaddr_t token)
{
	struct space *space = space_find(token);
	const struct tk_region *regions = space->table->regions;

	MUST(!locks_held);
	for (u32 i = 0; i < space->table->count; i++) {
		MUST(regions[i].start < regions[i].end && !((regions[i].start | regions[i].end) & PAGE_MASK));
		MUST(!i || regions[i - 1].end <= regions[i].start);
	}
	for (u32 i = 0; i < PAGES; i++) {
		const struct entry *e = &entries[i];
		const struct tk_region *region;

		if (!e->frame || e->space != space - spaces)
			continue;
		region = region_find(space, e->page * PAGE_SIZE);
		MUST(region && !(e->prot & ~effective(region->prot, false)));
		MUST(mem_frame_state(e->frame) == MEM_FRAME_ANONYMOUS || region->kind == TK_REGION_OBJECT);
		if (mem_frame_state(e->frame) != MEM_FRAME_ANONYMOUS && region->flags & TK_REGION_PRIVATE)
			MUST(e->cow && !(e->prot & TK_PROT_WRITE));
	}
}

/* ---- Start ------------------------------------------------------------------------------------------------------------------------------ */

void core_start(void)
{
	void *window = mmap(NULL, FRAMES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (rt_boot->magic)
		return;
	MUST(window != MAP_FAILED);
	memset(window, 0x5a, 4 * SECTION * PAGE_SIZE / 8);
	section_bring(0, 100);
	boot = (struct tk_boot_info){ .magic = TK_BOOT_MAGIC, .domain = OWN_DOMAIN, .window = (vaddr_t)window, .heap_limit = 1 << 20,
	                              .mem_domain = OWN_DOMAIN, .abi_domain = ABI_DOMAIN, .fs_domain = FS_DOMAIN,
	                              .memory_frames = FRAMES, .user_limit = 0x7ffffffff000, .range_count = 2,
	                              .section_count = FRAMES / SECTION, .section_frames = SECTION };
	boot.ranges[0] = (struct tk_boot_range){ 100, 900 };
	boot.ranges[1] = (struct tk_boot_range){ 1100, SECTION - 1100 };
	mem_init();
}
