/* See core.h: the runtime, frames and objects. One thread, so that locks only show who holds what. */
#include "core_model.h"
#include <string.h>
#include <sys/mman.h>

static struct tk_boot_info boot;
const struct tk_boot_info *rt_boot = &boot;
struct record records[FRAMES];
static bool online[FRAMES / SECTION];
struct space spaces[SPACES];
vaddr_t pool_token;
u64 locks_held;
static u32 short_percent, tables = 16, objects;
static vaddr_t client;
u64 core_heap_refusals = ~0ull;
void (*core_meanwhile)(frame_t frame);

void broken(const char *what)
{
	printf("Bail out! model of the core: %s\n", what);
	fflush(stdout);
	abort();
}

/* ---- The runtime ----------------------------------------------------------------------------------------------------------------- */

void lock_acquire(struct rt_lock *lock) { MUST(!lock->word); lock->word = THREAD; locks_held++; }
void lock_release(struct rt_lock *lock) { MUST(lock->word == THREAD); lock->word = 0; locks_held--; }
bool lock_try(struct rt_lock *lock) { return lock->word ? false : (lock->word = THREAD, true); }
bool lock_held(const struct rt_lock *lock) { return lock->word == THREAD; }
u32 rt_thread_id(void) { return THREAD; }
u32 rt_stack_number(void) { return THREAD; }
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

bool frame_free_of_use(frame_t frame) { return frame && frame < FRAMES && records[frame].owner == OWN_DOMAIN && !records[frame].object &&
	!records[frame].table && !records[frame].private_part && !records[frame].maps && !records[frame].granted; }

bool stops_early(void) { return short_percent && unit_random() % 100 < short_percent; }

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

static void meanwhile(frame_t frame)
{
	if (core_meanwhile && !locks_held)
		core_meanwhile(frame);
}

long tk_heap_map(u32 domain, u64 page, const frame_t *frames, u32 count)
{
	(void)page;
	for (u32 i = 0; i < count; i++) {
		meanwhile(frames[i]);
		MUST(frame_free_of_use(frames[i]));
		records[frames[i]].owner = (u8)(domain ? domain : OWN_DOMAIN);
		records[frames[i]].maps = 1;
	}
	return 0;
}

long tk_frames_give(frame_t first, u32 count, u32 domain)
{
	for (u32 i = 0; i < count; i++) {
		meanwhile(first + i);
		MUST(frame_free_of_use(first + i));
		records[first + i].owner = (u8)domain;
	}
	return 0;
}

/* Units of the model have always failed. */
long tk_frames_reclaim(u32 domain, frame_t frame)
{
	if (frame >= FRAMES || records[frame].owner != domain || records[frame].maps || domain == OWN_DOMAIN)
		return -EPERM;
	records[frame].owner = OWN_DOMAIN;
	records[frame].granted = 0;
	meanwhile(frame);
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

bool core_is_granted(frame_t frame, u32 domain) { return records[frame].granted >> domain & 1; }

/* A page table is wanted now and then. */
bool table_take(void)
{
	if (!stops_early())
		return true;
	if (!tables)
		return false;
	tables--;
	return true;
}

void core_tables_set(u32 count) { tables = count; }
void core_short(u32 percent) { short_percent = percent; }

/* ---- Objects --------------------------------------------------------------------------------------------------------------------------- */

struct space *space_find(vaddr_t token)
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

long tk_object_renew(vaddr_t token, u64 argument)
{
	(void)space_find(token);
	if (client == token)
		return -EBUSY;
	MUST(core_mapped(token) == 0 && !argument);
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

long tk_wait(const volatile u32 *word, u32 expected, nanos_t deadline, u32 flags, u32 bitset)
{
	(void)word, (void)expected, (void)deadline, (void)flags, (void)bitset;
	broken("nothing waits here");
	return 0;
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
