/* A hostile unit with rights: what it owns, and the attacks that are single requests. */
#include <mem_client.h>
#include <tessera/arch.h>
#include "usurper_server.h"
#include "usurper.h"

struct estate estate;
volatile bool accomplice_works;
static u64 calls, random_state;
static u8 inherited[PAGE_SIZE]; /* frames of former lives, a bit each */
static bool told;               /* of them */

void usurper_init(void)
{
}

void usurper_main(u32 index)
{
	static volatile u32 never;

	for (;;) {
		if (index == 1 && accomplice_works)
			registers_set_often();
		(void)tk_wait(&never, 0, clock_monotonic() + 5000000, 0, ~0u);
	}
}

u64 random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* ---- What it owns --------------------------------------------------------------------------------------------------------------- */

frame_t frame_next(void)
{
	return estate.used < estate.frame_count ? estate.frames[estate.used++] : FRAME_NONE;
}

bool frame_own(u64 frame)
{
	for (u32 i = 0; i < estate.frame_count; i++)
		if (estate.frames[i] == frame)
			return true;
	return frame / 8 < sizeof(inherited) && inherited[frame / 8] >> frame % 8 & 1;
}

static long object_make(u32 type, u32 frames, vaddr_t space)
{
	struct tk_object_create create = { .type = type, .frame_count = frames, .vspace = space };

	for (u32 i = 0; i < frames; i++)
		create.frames[i] = frame_next();
	return tk_object_create(&create);
}

static void tables_fill(void)
{
	struct tk_region_table *table = (struct tk_region_table *)estate.space;
	struct tk_pool_page *pool = (struct tk_pool_page *)estate.pool;

	table->regions[0] = (struct tk_region){ APPLICATION_CODE, APPLICATION_CODE + PAGE_SIZE, TK_PROT_READ | TK_PROT_EXECUTE, TK_REGION_OBJECT,
		0, 0, 0, 0, 0 };
	table->regions[1] = (struct tk_region){ APPLICATION_DATA, APPLICATION_DATA + APPLICATION_PAGES * PAGE_SIZE, TK_PROT_READ | TK_PROT_WRITE,
		TK_REGION_ANONYMOUS, TK_REGION_PRIVATE, 0, 0, 0, 0 };
	table->count = 2;
	table->generation = (table->generation | 1) + 1;
	for (u32 i = 0; i < TK_POOL_ENTRIES; i++)
		pool->entries[i] = estate.frames[FRAMES / 2 + i % (FRAMES / 2)];
	pool->tail = pool->head + TK_POOL_ENTRIES;
	pool->log_head = pool->log_tail;
}

bool estate_make(void)
{
	if (estate.thread) {
		tables_fill();
		return true;
	}
	while (estate.frame_count < FRAMES) {
		u64 frame;

		if (mem_frames_alloc(0, &frame) < 0)
			return false;
		estate.frames[estate.frame_count++] = (frame_t)frame;
	}
	long space = object_make(TK_OBJECT_VSPACE, 3, 0), pool = object_make(TK_OBJECT_POOL, 2, 0);

	if (RESULT_ERROR(space) || RESULT_ERROR(pool))
		return false;
	estate.space = (vaddr_t)space;
	estate.pool = (vaddr_t)pool;
	const struct tk_field_write write = { TK_FIELD_VSPACE_POOL, 0, estate.pool };

	if (tk_object_write(estate.space, &write, 1))
		return false;
	tables_fill();
	frame_t code = frame_next();
	const struct tk_map map = { estate.space, APPLICATION_CODE, 1, TK_PROT_READ | TK_PROT_EXECUTE, &code };

	memcpy((void *)token_of_frame(code), application_code, application_code_size);
	if (tk_map(&map) != 1)
		return false;
	long thread = object_make(TK_OBJECT_THREAD, 2 + rt_boot->vector_frames + TK_STACK_SIZE / PAGE_SIZE, estate.space);

	if (RESULT_ERROR(thread))
		return false;
	estate.thread = (vaddr_t)thread;
	return true;
}

bool mappings_own(u64 *detail)
{
	for (u64 page = 0; page < 2 * APPLICATION_PAGES; page++) {
		long entry = tk_query(estate.space, APPLICATION_DATA + page * PAGE_SIZE);

		*detail = (u64)entry;
		if (entry >= 0 && !frame_own((u64)entry & 0xffffffff))
			return false;
	}
	*detail = 0;
	return true;
}

long usurper_upcall_fault(const struct rt_request *rq, vaddr_t vspace, vaddr_t address, u32 access)
{
	static volatile u32 never;

	(void)rq, (void)vspace, (void)address, (void)access;
	usurp_vector_in_upcall();
	(void)tk_wait(&never, 0, clock_monotonic() + 200000, 0, ~0u);
	return 0; /* again, until somebody can serve it */
}

/* ---- Single requests ------------------------------------------------------------------------------------------------------------------ */

static bool refused(long result, u64 *detail)
{
	*detail = (u64)result;
	return RESULT_ERROR(result);
}

/* The third frame of a request with two was once taken without a look. */
static long thread_frames(u64 *detail)
{
	struct tk_object_create create = { .type = TK_OBJECT_THREAD, .frame_count = 2, .vspace = estate.space };
	static const frame_t others[] = { 0x200, 0x201, 1, 0xffffffff, 0x100000, 0 };

	create.frames[0] = frame_next();
	create.frames[1] = frame_next();
	for (u32 i = 0; i < countof(others); i++) {
		for (u32 k = 2; k < TK_OBJECT_FRAMES_MAX; k++)
			create.frames[k] = others[i];
		for (u32 count = 0; count <= TK_OBJECT_FRAMES_MAX + 1; count++) {
			create.frame_count = count;
			if (!refused(tk_object_create(&create), detail))
				return 1;
		}
	}
	create.frame_count = 2;
	create.vspace = estate.pool; /* not an address space */
	return !refused(tk_object_create(&create), detail);
}

static long foreign_frames(u64 *detail)
{
	struct tk_object_create create = { .type = TK_OBJECT_POOL, .frame_count = 2 };

	for (u64 f = 0; f < rt_boot->memory_frames + 4096; f += 1 + f % 29) {
		frame_t frame = (frame_t)f;
		const struct tk_map map = { estate.space, APPLICATION_DATA + (APPLICATION_PAGES + 1) * PAGE_SIZE, 1, TK_PROT_READ, &frame };
		const struct tk_field_write write = { TK_FIELD_VSPACE_TABLE, 0, frame };

		if (frame_own(frame))
			continue;
		create.frames[0] = estate.frames[FRAMES - 1];
		create.frames[1] = frame;
		if (!refused(tk_frames_give(frame, 1, 1), detail) || !refused(tk_object_create(&create), detail) ||
		    !refused(tk_heap_map(0, rt_boot->heap_pages, &frame, 1), detail) || !refused(tk_reserve_fill(&frame, 1), detail) ||
		    (frame && (!refused(tk_map(&map), detail) || !refused(tk_object_write(estate.space, &write, 1), detail))))
			return 1;
	}
	return 0;
}

static long kernel_addresses(u64 *detail)
{
	static const u64 addresses[] = { 0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xfffffe0000000000, 0xffffffff80000000,
		0xfffffffffffff000, 1, 0x400001 };
	frame_t frame = estate.frames[FRAMES - 1], freed[4];

	for (u32 i = 0; i < countof(addresses); i++) {
		u64 at = addresses[i];
		const struct tk_map map = { estate.space, at, 1, TK_PROT_READ | TK_PROT_WRITE, &frame };
		const struct tk_move move = { estate.space, APPLICATION_DATA, at, 1 }, back = { estate.space, at, APPLICATION_DATA, 1 };
		struct tk_unmap unmap = { .vspace = estate.space, .address = at, .pages = 1, .freed = freed, .capacity = 4 };

		if (!refused(tk_map(&map), detail) || !refused(tk_move(&move), detail) || !refused(tk_move(&back), detail) ||
		    !refused(tk_unmap(&unmap), detail) || !refused(tk_protect(estate.space, at, 1, TK_PROT_READ), detail) ||
		    !refused(tk_query(estate.space, at), detail))
			return 1;
		unmap.address = APPLICATION_DATA;
		unmap.freed = (frame_t *)at; /* the core would write there */
		if (at >> 47 && !refused(tk_unmap(&unmap), detail)) /* lower ones may be its own */
			return 1;
		unmap.pages = ~0ull;
		unmap.freed = freed;
		if (!refused(tk_unmap(&unmap), detail) || !refused(tk_protect(estate.space, 0x1000, ~0ull >> 12, 1), detail))
			return 1;
	}
	return 0;
}

static long heaps(u64 *detail)
{
	frame_t frame = estate.frames[FRAMES - 1];
	static const u64 pages[] = { 0x10000, 0xffffff, 0x1000000, 1ull << 40, ~0ull };

	for (u32 domain = 0; domain < TK_DOMAINS_MAX + 2; domain++)
		for (u32 i = 0; i < countof(pages); i++)
			if (!refused(tk_heap_map(domain, pages[i], &frame, 1), detail))
				return 1;
	return !refused(tk_heap_map(1, 0, &frame, 1), detail); /* where there is a page already */
}

static long fields(u64 *detail)
{
	const vaddr_t objects[] = { estate.space, estate.pool, estate.thread };
	const struct tk_field_write back[] = { { TK_FIELD_VSPACE_POOL, 0, estate.pool }, { TK_FIELD_VSPACE_TABLE, 0, 0 } };

	if (tk_object_write(estate.space, back, 2))
		return -EIO; /* nothing was tried: another attack has had them */
	for (u32 i = 0; i < 3000; i++) {
		struct tk_field_write write = { (u32)(random_next() % (TK_FIELD_COUNT + 2)), 0, random_next() >> random_next() % 64 };

		if (write.field == TK_FIELD_VSPACE_FAULTS)
			write.value = TK_DOMAINS_MAX + write.value % 1000; /* another unit's faults are its owner's affair */
		if (write.field == TK_FIELD_THREAD_POLICY && (write.value & 0xff) != TK_POLICY_FAIR)
			write.value |= 0xff00000000;
		(void)tk_object_write(objects[i % 3], &write, 1);
	}
	*detail = (u64)tk_object_write(estate.space, back, 2);
	return *detail != 0;
}

static long online(u64 *detail)
{
	for (u32 section = 0; section < 4096; section += 1 + section / 16)
		if ((u64)section * rt_boot->section_frames < rt_boot->memory_frames && !refused(tk_memory_online(section), detail))
			return 1;
	return !refused(tk_memory_online(~0u), detail);
}

/* ---- By number ---------------------------------------------------------------------------------------------------------------------------- */

long usurper_op_life(const struct rt_request *rq, u64 *count)
{
	(void)rq;
	*count = ++calls;
	return 0;
}

long usurper_op_frames(const struct rt_request *rq, void *bits, size_t capacity)
{
	(void)rq;
	if (!estate_make())
		return -ENOMEM;
	memset(bits, 0, capacity);
	for (u32 i = 0; i < estate.frame_count; i++)
		if (estate.frames[i] / 8 < capacity)
			((u8 *)bits)[estate.frames[i] / 8] |= (u8)(1 << estate.frames[i] % 8);
	return (long)capacity;
}

long usurper_op_inherit(const struct rt_request *rq, const void *bits, size_t size)
{
	(void)rq;
	memcpy(inherited, bits, size < sizeof(inherited) ? size : sizeof(inherited));
	told = true;
	return 0;
}

long usurper_op_attack(const struct rt_request *rq, u32 kind, u64 seed, u64 *detail)
{
	(void)rq;
	*detail = 0;
	random_state = seed * 0x9e3779b97f4a7c15ull | 1;
	if (!told)
		return -EAGAIN;
	if (!estate_make())
		return -ENOMEM;
	switch (kind) {
	case USURPATION_thread_frames:
		return thread_frames(detail);
	case USURPATION_foreign_frames:
		return foreign_frames(detail);
	case USURPATION_kernel_addresses:
		return kernel_addresses(detail);
	case USURPATION_registers:
		return usurp_registers(detail);
	case USURPATION_vector_state:
		return usurp_vector(detail);
	case USURPATION_heaps:
		return heaps(detail);
	case USURPATION_fields:
		return fields(detail);
	case USURPATION_memory_online:
		return online(detail);
	case USURPATION_client_limits:
		return usurp_client_limits(detail);
	case USURPATION_declared:
		return usurp_declared(detail);
	case USURPATION_region_table:
		return usurp_scribble(true, false, detail);
	case USURPATION_pool:
		return usurp_scribble(false, true, detail);
	case USURPATION_both:
		return usurp_scribble(true, true, detail);
	case USURPATION_registers_race:
		return usurp_registers_race(detail);
	case USURPATION_random:
		return usurp_random(detail);
	case USURPATION_COUNT:
		__builtin_trap(); /* the next life has all that it needs again */
	default:
		return -EINVAL;
	}
}
