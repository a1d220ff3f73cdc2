/*
 * What the core refuses to the unit that owns all memory, and what it does for it: <tessera/call.h>, call by call. The unit has every right
 * for it, so the calls get as far as their own checks.
 */
#include "mem_server.h"
#include "frames.h"
#include <tap.h>

#define AT 0x40000000ul
#define TABLE_BYTES (512 * PAGE_SIZE)   /* that one page table covers */
#define NO_TOKEN (rt_boot->window)      /* of frame 0, which is the core's */
#define NOWHERE 0xffff7ffffffff000ul     /* no unit's address */
#define NO_FRAME (~0u)
#define NOBODY 120u                     /* a domain that there is not */

u32 tap_failures;
static vaddr_t space, given; /* an address space; an object that the tester holds, too */

static bool is_error(long result) { return result < 0 && result > -4096; }

static long object_try(u32 type, u32 count, vaddr_t of_space, u64 argument)
{
	struct tk_object_create r = { .type = type, .frame_count = count, .vspace = of_space, .argument = argument };

	for (u32 i = 0; i < count && i < TK_OBJECT_FRAMES_MAX; i++)
		r.frames[i] = frame_take();
	return tk_object_create(&r);
}

static vaddr_t object_make(u32 type, u32 count, vaddr_t of_space)
{
	long token = object_try(type, count, of_space, 0);

	CHECK(!is_error(token));
	return (vaddr_t)token;
}

static long field_write(vaddr_t token, u32 field, u64 value)
{
	return tk_object_write(token, &(struct tk_field_write){ field, 0, value }, 1);
}

static long map(vaddr_t where, u32 count, u32 prot, const frame_t *frames)
{
	return tk_map(&(struct tk_map){ space, where, count, prot, frames });
}

static long unmap(vaddr_t where, u64 pages, u32 capacity, u32 *freed)
{
	static frame_t frames[1024];
	struct tk_unmap r = { .vspace = space, .address = where, .pages = pages, .freed = frames, .capacity = capacity };
	long error = tk_unmap(&r);

	if (freed)
		*freed = r.freed_count;
	return error ? error : (long)r.done;
}

static void objects_are_made_of_own_frames(void)
{
	struct tk_object_create r = { .type = TK_OBJECT_VSPACE, .frame_count = 3 };
	frame_t frame = frame_take();

	CHECK(object_try(TK_OBJECT_NONE, 3, 0, 0) == -EINVAL && object_try(TK_OBJECT_TYPES, 3, 0, 0) == -EINVAL);
	CHECK(object_try(TK_OBJECT_DOMAIN, 3, 0, 0) == -EINVAL && object_try(TK_OBJECT_VSPACE, 2, 0, 0) == -EINVAL);
	CHECK(object_try(TK_OBJECT_VSPACE, 4, 0, 0) == -EINVAL);
	CHECK(tk_object_create(&r) == -EPERM); /* frame 0 */
	for (u32 i = 0; i < 3; i++)
		r.frames[i] = frame;
	CHECK(tk_object_create(&r) == -EPERM);
	r.frames[1] = FRAME_NONE;
	CHECK(tk_object_create(&r) == -EPERM);
	r.frames[1] = frame_take();
	r.frames[2] = frame_take();
	*(u64 *)token_of_frame(frame) = 1; /* what was refused is still the caller's */
	long token = tk_object_create(&r);

	CHECK(!is_error(token) && tk_object_create(&r) == -EPERM && tk_object_destroy((vaddr_t)token) == 0);
	CHECK(tk_object_destroy((vaddr_t)token) == -EPERM && tk_object_destroy(NO_TOKEN) == -EINVAL && tk_object_destroy(5) == -EINVAL);
	CHECK(tk_object_renew(NO_TOKEN, 0) == -EINVAL && tk_object_renew((vaddr_t)token, 0) == -EPERM);
	for (u32 i = 0; i < 3; i++)
		CHECK(*(u64 *)token_of_frame(r.frames[i]) == 0);
}

static void threads_are_made_whole(void)
{
	u32 whole = 2 + rt_boot->vector_frames + TK_STACK_SIZE / PAGE_SIZE;

	CHECK(object_try(TK_OBJECT_THREAD, 3, 0, 0) == -EINVAL && object_try(TK_OBJECT_THREAD, 2, space, 0) == -EINVAL);
	CHECK(object_try(TK_OBJECT_THREAD, 2, 0, 1ul << 32) == -EINVAL && object_try(TK_OBJECT_THREAD, whole, NO_TOKEN, 0) == -EINVAL);
	vaddr_t own = object_make(TK_OBJECT_THREAD, 2, 0), user = object_make(TK_OBJECT_THREAD, whole, space);

	CHECK(tk_object_renew(own, 0) == -EBUSY && tk_object_renew(user, space) == -EBUSY); /* one is no program's, one did not end */
	CHECK(tk_thread_interrupt(user, 1u << 7) == -EINVAL && tk_thread_interrupt(user, TK_INTERRUPT_SIGNAL) == 0);
	CHECK(tk_thread_interrupt(NO_TOKEN, 1) == -EINVAL && tk_thread_start(space) == -EINVAL);
	CHECK(tk_object_destroy(space) == -EBUSY); /* the thread's */
	CHECK(tk_object_destroy(own) == 0 && tk_object_destroy(user) == 0);
}

static void policies_have_bounds(void)
{
	static const struct { u64 policy, parameter; bool good; } tries[] = {
		{ TK_POLICY_FAIR, 0, false }, { TK_POLICY_FAIR, 1, true }, { TK_POLICY_FAIR, 1ul << 30, false }, { TK_POLICY_FIFO, 0, false },
		{ TK_POLICY_FIFO, 99, true }, { TK_POLICY_FIFO, 100, false }, { TK_POLICY_ROUND_ROBIN, 1, true }, { TK_POLICY_ROUND_ROBIN, 100, false },
		{ TK_POLICY_ROUND_ROBIN + 1, 1, false }, { TK_POLICY_FAIR, 1024, true },
	};
	vaddr_t thread = object_make(TK_OBJECT_THREAD, 2, 0);

	for (u32 i = 0; i < countof(tries); i++)
		CHECK(field_write(thread, TK_FIELD_THREAD_POLICY, tries[i].policy | tries[i].parameter << 8) == (tries[i].good ? 0 : -EINVAL));
	CHECK(field_write(thread, TK_FIELD_THREAD_AFFINITY, 0) == -EINVAL && field_write(thread, TK_FIELD_THREAD_AFFINITY, 1) == 0);
	CHECK(field_write(thread, TK_FIELD_THREAD_AFFINITY, ~0ul << rt_boot->processors) == -EINVAL);
	CHECK(field_write(thread, TK_FIELD_THREAD_AFFINITY, 1ul << (rt_boot->processors - 1)) == 0);
	CHECK(field_write(thread, TK_FIELD_VSPACE_FAULTS, 1) == -EINVAL && tk_object_destroy(thread) == 0);
}

/* A table of two frames of which the second is another's. */
static u64 frames_pair(bool own)
{
	frame_t first = frame_take(), second = frame_take();

	while (second != first + 1) {
		first = second;
		second = frame_take();
	}
	if (!own)
		CHECK(tk_frames_give(second, 1, rt_boot->abi_domain) == 0);
	return first | 1ul << 32;
}

static void settings_are_checked(void)
{
	vaddr_t pool = object_make(TK_OBJECT_POOL, 2, 0), other = object_make(TK_OBJECT_POOL, 2, 0);
	struct tk_field_write writes[9] = { { TK_FIELD_VSPACE_FAULTS, 0, rt_boot->domain }, { TK_FIELD_COUNT, 0, 0 } };
	u64 table = frames_pair(true), order = 1ul << 32;

	CHECK(tk_object_write(space, writes, 2) == -ENOSYS && tk_object_write(space, writes, 9) == -EINVAL);
	CHECK(tk_object_write(space, (void *)NOWHERE, 1) == -EFAULT && tk_object_write(NO_TOKEN, writes, 0) == -EINVAL && tk_object_write(space, writes, 0) == 0);
	CHECK(field_write(space, TK_FIELD_THREAD_POLICY, 1 << 8) == -EINVAL);
	CHECK(field_write(space, TK_FIELD_VSPACE_FAULTS, 0) == -EINVAL && field_write(space, TK_FIELD_VSPACE_FAULTS, NOBODY) == -EINVAL);
	CHECK(field_write(space, TK_FIELD_VSPACE_POOL, NO_TOKEN) == -EINVAL && field_write(space, TK_FIELD_VSPACE_POOL, space) == -EINVAL);
	CHECK(field_write(space, TK_FIELD_VSPACE_POOL, pool) == 0 && tk_object_destroy(pool) == -EBUSY);
	CHECK(field_write(space, TK_FIELD_VSPACE_POOL, other) == 0 && tk_object_destroy(pool) == 0 && tk_object_renew(other, 0) == -EINVAL);
	CHECK(field_write(space, TK_FIELD_VSPACE_TABLE, (u64)(u32)table | 11 * order) == -EINVAL);
	CHECK(field_write(space, TK_FIELD_VSPACE_TABLE, 0xfffffffe | order) == -EINVAL && field_write(space, TK_FIELD_VSPACE_TABLE, 1) == -EPERM);
	CHECK(field_write(space, TK_FIELD_VSPACE_TABLE, frames_pair(false)) == -EPERM);
	CHECK(field_write(space, TK_FIELD_VSPACE_TABLE, table) == 0 && field_write(space, TK_FIELD_VSPACE_TABLE, table) == -EPERM);
	CHECK(tk_grant(token_of_frame((frame_t)table), rt_boot->abi_domain, TK_MODE_READ) == -EPERM); /* while it holds regions */
	CHECK(field_write(space, TK_FIELD_VSPACE_TABLE, FRAME_NONE) == 0);
	CHECK(tk_grant(token_of_frame((frame_t)table), rt_boot->abi_domain, TK_MODE_READ) == 0);
	CHECK(tk_revoke(token_of_frame((frame_t)table), TK_EVERYONE) == 0);
}

static void pages_are_mapped_in_bounds(void)
{
	frame_t frames[4] = { frame_take(), FRAME_NONE, frame_take(), frame_take() }, foreign = 1;
	u64 limit = rt_boot->user_limit;
	u32 freed = 0;

	CHECK(map(AT + 1, 1, TK_PROT_READ, frames) == -EINVAL && map(AT, 0, TK_PROT_READ, frames) == -EINVAL && map(AT, 513, 1, frames) == -EINVAL);
	CHECK(map(AT, 1, 16, frames) == -EINVAL && map(limit, 1, 1, frames) == -EINVAL && map(limit - PAGE_SIZE, 2, 1, frames) == -EINVAL);
	CHECK(map(AT, 1, 1, (const frame_t *)NOWHERE) == -EFAULT && tk_map(&(struct tk_map){ NO_TOKEN, AT, 1, 1, frames }) == -EINVAL);
	CHECK(map(AT, 1, 1, &foreign) == -EPERM && map(AT + TABLE_BYTES - 2 * PAGE_SIZE, 4, TK_PROT_READ | TK_PROT_WRITE, frames) == 4);
	CHECK(tk_query(space, AT + TABLE_BYTES - 2 * PAGE_SIZE) == (long)(frames[0] | 3ul << 32) && tk_query(space, AT + TABLE_BYTES - PAGE_SIZE) == -ENOENT);
	CHECK(tk_query(space, AT + 2 * TABLE_BYTES) == -ENOENT && tk_query(space, limit) == -EINVAL && tk_query(NO_TOKEN, AT) == -EINVAL);
	CHECK(tk_protect(space, AT, 1, 16) == -EINVAL && tk_protect(space, AT + 1, 1, 1) == -EINVAL && tk_protect(NO_TOKEN, AT, 1, 1) == -EINVAL);
	CHECK(tk_protect(space, AT, 2 * TABLE_BYTES / PAGE_SIZE, TK_PROT_READ) == 2 * TABLE_BYTES / PAGE_SIZE);
	CHECK(tk_protect(space, AT, 2 * TABLE_BYTES / PAGE_SIZE, 0) == 2 * TABLE_BYTES / PAGE_SIZE);
	CHECK(tk_query(space, AT + TABLE_BYTES) == (long)frames[2]);
	CHECK(tk_object_renew(space, 1) == -EINVAL && tk_object_renew(space, 0) == -EBUSY && tk_object_destroy(space) == -EBUSY);
	CHECK(unmap(AT + 1, 1, 8, NULL) == -EINVAL && unmap(AT, 1, 0, NULL) == -EINVAL);
	CHECK(tk_unmap(&(struct tk_unmap){ space, AT, 1, (frame_t *)NOWHERE, 1, 0, 0 }) == -EFAULT);
	CHECK(tk_unmap(&(struct tk_unmap){ NO_TOKEN, AT, 1, frames, 1, 0, 0 }) == -EINVAL);
	CHECK(unmap(AT, 2 * TABLE_BYTES / PAGE_SIZE, 1, &freed) == TABLE_BYTES / PAGE_SIZE - 1 && freed == 1);
	CHECK(unmap(AT, 2 * TABLE_BYTES / PAGE_SIZE, 1024, &freed) == 2 * TABLE_BYTES / PAGE_SIZE && freed == 2 && tk_object_renew(space, 0) == 0);
}

static void pages_move_to_free_places(void)
{
	frame_t frames[3] = { frame_take(), frame_take(), frame_take() };
	vaddr_t to = AT + 8 * TABLE_BYTES;

	CHECK(map(AT, 3, TK_PROT_READ | TK_PROT_WRITE, frames) == 3);
	CHECK(tk_move(&(struct tk_move){ space, AT, AT + PAGE_SIZE, 2 }) == -EINVAL && tk_move(&(struct tk_move){ space, AT + PAGE_SIZE, AT, 2 }) == -EINVAL);
	CHECK(tk_move(&(struct tk_move){ space, AT + 1, to, 2 }) == -EINVAL && tk_move(&(struct tk_move){ space, AT, to + 1, 2 }) == -EINVAL);
	CHECK(tk_move(&(struct tk_move){ NO_TOKEN, AT, to, 2 }) == -EINVAL && tk_move(&(struct tk_move){ space, to, AT + TABLE_BYTES, 9 }) == 9);
	CHECK(tk_move(&(struct tk_move){ space, AT + 2 * PAGE_SIZE, to + PAGE_SIZE, 1 }) == 1);
	CHECK(tk_move(&(struct tk_move){ space, AT, to, 2 }) == 1); /* the second place is taken */
	CHECK(tk_move(&(struct tk_move){ space, AT + PAGE_SIZE, to + PAGE_SIZE, 1 }) == -EEXIST);
	CHECK(tk_query(space, to) == (long)(frames[0] | 3ul << 32) && tk_query(space, AT) == -ENOENT && tk_query(space, AT + PAGE_SIZE) > 0);
	CHECK(unmap(AT, 1, 8, NULL) == 1 && unmap(AT + PAGE_SIZE, 16 * TABLE_BYTES / PAGE_SIZE, 8, NULL) > 0 && tk_object_renew(space, 0) == 0);
}

static void pages_are_shared_between_spaces(void)
{
	vaddr_t other = object_make(TK_OBJECT_VSPACE, 3, 0);
	frame_t frames[2] = { frame_take(), frame_take() };
	struct tk_share r = { space, other, AT, 2, 1, 0 };

	CHECK(map(AT, 2, TK_PROT_READ | TK_PROT_WRITE, frames) == 2);
	CHECK(tk_share(&(struct tk_share){ space, space, AT, 1, 0, 0 }) == -EINVAL && tk_share(&(struct tk_share){ space, other, AT, 0, 0, 0 }) == -EINVAL);
	CHECK(tk_share(&(struct tk_share){ NO_TOKEN, other, AT, 1, 0, 0 }) == -EINVAL && tk_share(&(struct tk_share){ space, NO_TOKEN, AT, 1, 0, 0 }) == -EINVAL);
	CHECK(tk_share(&(struct tk_share){ space, other, AT, 1, 0, 0 }) == 1 && tk_query(other, AT) == (long)(frames[0] | 3ul << 32));
	CHECK(tk_share(&r) == 2 && tk_query(other, AT) == (long)(frames[0] | 3ul << 32)); /* what is there stays */
	CHECK(tk_query(other, AT + PAGE_SIZE) == (long)(frames[1] | 9ul << 32) && tk_query(space, AT + PAGE_SIZE) == tk_query(other, AT + PAGE_SIZE));
	CHECK(tk_protect(space, AT, 1, TK_PROT_READ | TK_PROT_WRITE | TK_PROT_COW) == 1 && tk_query(space, AT) == (long)(frames[0] | 9ul << 32));
	CHECK(unmap(AT, 2, 8, NULL) == 2 && tk_object_renew(space, 0) == 0);
	CHECK(tk_unmap(&(struct tk_unmap){ other, AT, 2, frames, 2, 0, 0 }) == 0 && tk_object_destroy(other) == 0);
}

#define BATCH 512u      /* pages and page tables that a call goes through at most: VSPACE_BATCH, VSPACE_TABLES */
#define TABLES 32u
#define MANY 600u
#define SPARSE (TABLES + 8u)
#define ENOUGH (4u * SPARSE)            /* page tables */

static long share_all(vaddr_t other, u64 pages) { return tk_share(&(struct tk_share){ space, other, AT, pages, 0, 0 }); }
static long move_all(vaddr_t from, vaddr_t to, u64 pages) { return tk_move(&(struct tk_move){ space, from, to, pages }); }

/* Unmaps all from AT on, in both spaces. */
static void all_unmap(vaddr_t other)
{
	u64 pages = rt_boot->user_limit / PAGE_SIZE - AT / PAGE_SIZE;
	static frame_t frames[BATCH];

	while (tk_object_renew(space, 0) == -EBUSY)
		CHECK(unmap(AT, pages, BATCH, NULL) > 0);
	while (other && tk_object_renew(other, 0) == -EBUSY)
		CHECK(tk_unmap(&(struct tk_unmap){ other, AT, pages, frames, BATCH, 0, 0 }) == 0);
}

/* A call over many pages, or many page tables, ends in between and says how far it came. */
static void calls_are_bounded(void)
{
	static frame_t frames[MANY];
	vaddr_t other = object_make(TK_OBJECT_VSPACE, 3, 0), to = AT + 0x1000000000;
	u64 sparse = SPARSE * TABLE_BYTES / PAGE_SIZE, done;

	for (u32 i = 0; i < ENOUGH; i++)
		frames[i] = frame_take();
	CHECK(tk_reserve_fill(frames, ENOUGH) >= (long)ENOUGH);
	for (u32 i = 0; i < MANY; i++)
		frames[i] = i ? frames[0] : frame_take();
	CHECK(map(AT, BATCH, 3, frames) == BATCH && map(AT + BATCH * PAGE_SIZE, MANY - BATCH, 3, frames) == MANY - BATCH);
	CHECK(tk_protect(space, AT, MANY, 1) == BATCH && share_all(other, MANY) == BATCH && move_all(AT, to, MANY) == BATCH);
	CHECK(move_all(AT, to, MANY) == MANY && unmap(to, MANY, MANY, NULL) == BATCH && unmap(to, MANY, MANY, NULL) == MANY);
	all_unmap(other);
	for (u32 i = 0; i < SPARSE; i++)
		CHECK(map(AT + i * TABLE_BYTES, 1, 3, frames) == 1);
	CHECK(tk_protect(space, AT, sparse, 1) < (long)sparse && share_all(other, sparse) < (long)sparse);
	done = (u64)move_all(AT, to, sparse);
	CHECK(done < sparse && move_all(AT + done * PAGE_SIZE, to + done * PAGE_SIZE, sparse - done) == (long)(sparse - done));
	CHECK(tk_query(space, to + (SPARSE - 1) * TABLE_BYTES) > 0 && unmap(to, sparse, MANY, NULL) < (long)sparse);
	all_unmap(other);
	CHECK(tk_object_destroy(other) == 0);
}

/* Page tables for all that is asked are not there: each call says so, and leaves nothing half done. */
static void calls_end_without_page_tables(void)
{
	vaddr_t other = object_make(TK_OBJECT_VSPACE, 3, 0), far = AT + 0x4000000000;
	frame_t frame = frame_take(), last = (frame_t)(rt_boot->ranges[rt_boot->range_count - 1].first_frame + rt_boot->ranges[rt_boot->range_count - 1].count - 1);
	u32 count = 0;

	while (map(AT + count * TABLE_BYTES, 1, 3, &frame) == 1)
		count++;
	CHECK(count > 0 && map(far, 1, 3, &frame) == 0 && share_all(other, 1) == -ENOMEM && move_all(AT, far, 1) == -ENOMEM);
	CHECK(tk_grant(token_of_frame(last), rt_boot->abi_domain, TK_MODE_READ) == -ENOMEM && tk_frames_give(last, 1, rt_boot->abi_domain) == -ENOMEM);
	CHECK(tk_query(space, AT) == (long)(frame | 3ul << 32) && tk_query(other, AT) == -ENOENT);
	*(u64 *)token_of_frame(last) = 1;
	all_unmap(other);
	CHECK(map(far, 1, 3, &frame) == 1 && tk_frames_give(last, 1, rt_boot->abi_domain) == 0);
	all_unmap(other);
	CHECK(tk_object_destroy(other) == 0);
}

static void frames_are_given_and_granted_by_their_owner(void)
{
	u32 self = rt_boot->domain, abi = rt_boot->abi_domain;
	frame_t frame = frame_take(), more[1] = { 1 };
	vaddr_t token = token_of_frame(frame);

	CHECK(tk_grant(token, 0, 0) == -EINVAL && tk_grant(token, NOBODY, 0) == -EINVAL && tk_grant(token, self, 0) == -EINVAL && tk_grant(token, abi, 2) == -EINVAL);
	CHECK(tk_grant(NO_TOKEN, abi, 0) == -EPERM && tk_revoke(NO_TOKEN, abi) == -EPERM && tk_revoke(token, 0) == -EINVAL && tk_revoke(token, self) == -EINVAL);
	CHECK(tk_revoke(token, abi) == 0 && tk_grant(token, abi, TK_MODE_WRITE) == 0 && tk_grant(token, abi, TK_MODE_READ) == 0 && tk_revoke(token, abi) == 0);
	CHECK(tk_frames_give(frame, 0, abi) == -EINVAL && tk_frames_give(frame, 513, abi) == -EINVAL && tk_frames_give(NO_FRAME, 1, abi) == -EINVAL);
	CHECK(tk_frames_give(frame, 1, self) == -EINVAL && tk_frames_give(frame, 1, NOBODY) == -EINVAL && tk_frames_give(1, 1, abi) == -EPERM);
	CHECK(tk_frames_reclaim(0, frame) == -EINVAL && tk_frames_reclaim(NOBODY, frame) == -EINVAL && tk_frames_reclaim(self, frame) == -EINVAL);
	CHECK(tk_frames_reclaim(abi, NO_FRAME) == -EINVAL && tk_frames_reclaim(abi, frame) == -EBUSY);
	CHECK(tk_heap_map(NOBODY, 0, &frame, 1) == -EINVAL && tk_heap_map(0, 0, &frame, 0) == -EINVAL && tk_heap_map(0, 1ul << 40, &frame, 1) == -EINVAL);
	CHECK(tk_heap_map(0, rt_boot->heap_limit - 1, &frame, 2) == -EINVAL && tk_heap_map(0, 0, &frame, 513) == -E2BIG);
	CHECK(tk_heap_map(0, 0, (const frame_t *)NOWHERE, 1) == -EFAULT && tk_heap_map(0, rt_boot->heap_limit - 1, &frame, 1) == -EINVAL);
	CHECK(tk_heap_map(0, 0, &frame, 1) == -ENOMEM && tk_heap_map(0, 0, more, 1) == -EPERM);
	long kept = tk_reserve_fill(NULL, 0);

	CHECK(kept > 0 && tk_reserve_fill(&frame, 257) == -E2BIG && tk_reserve_fill((const frame_t *)NOWHERE, 1) == -EFAULT && tk_reserve_fill(more, 1) == -EPERM);
	CHECK(tk_reserve_fill(&frame, 1) == kept + 1 && tk_grant(token, abi, 0) == -EPERM);
}

static void memory_comes_on_line_once(void)
{
	CHECK(tk_memory_online(~0u) == -EINVAL && tk_memory_online(rt_boot->section_count + 4096) == -EINVAL && tk_memory_online(0) == -ENODEV);
	for (u32 section = 0; section < rt_boot->section_count; section++) {
		long first = tk_memory_online(section);

		if (first == -ENODEV)
			continue;
		CHECK(first > 0 && tk_memory_online(section) == -ENODEV);
		*(u64 *)token_of_frame((frame_t)first) = 1;
		CHECK(tk_frames_give((frame_t)first, 1, rt_boot->abi_domain) == 0);
	}
}

static void poll_tables_are_checked(void)
{
	static volatile u32 word;
	vaddr_t table = object_make(TK_OBJECT_WATCHES, 2, 0);
	volatile struct tk_watch_page *page = (struct tk_watch_page *)table;

	CHECK(tk_watch(table, TK_WATCHES_IN_TABLE, &word, 1) == -EINVAL && tk_watch(table, 0, (u32 *)NOWHERE, 1) == -EFAULT && tk_watch(space, 0, &word, 1) == -EINVAL);
	CHECK(tk_watch(table, 0, (u32 *)((u64)&word + 1), 1) == -EINVAL && tk_unwatch(table, TK_WATCHES_IN_TABLE) == -EINVAL && tk_unwatch(space, 0) == -EINVAL);
	CHECK(tk_watch(table, 0, &word, 7) == 0 && tk_watch(table, 0, &word, 8) == 0 && tk_wake(&word, 1, 0, ~0u) == 0);
	CHECK(page->tail == 1 && page->ready[0] == 8 && tk_wake(&word + 1, 1, 0, ~0u) == 0 && page->tail == 1);
	CHECK(tk_unwatch(table, 0) == 0 && tk_unwatch(table, 0) == 0 && tk_object_destroy(table) == 0);
}

#define CHAIN (TK_WATCH_DEPTH + 2u)
#define CROWD 18u                       /* tables that one wake fills: more than it wakes the watchers of */

/* Tables that watch each other's tails, and many that watch one word. */
static void wakes_are_passed_on_in_bounds(void)
{
	static volatile u32 word, crowded;
	struct tk_watch_page *tables[CROWD];

	for (u32 i = 0; i < CROWD; i++) {
		tables[i] = (struct tk_watch_page *)object_make(TK_OBJECT_WATCHES, 2, 0);
		if (i < CHAIN)
			CHECK(tk_watch((vaddr_t)tables[i], 0, i ? &tables[i - 1]->tail : &word, i) == 0);
		CHECK(tk_watch((vaddr_t)tables[i], 1, &crowded, 100 + i) == 0);
	}
	CHECK(tk_wake(&word, 1, 0, ~0u) == 0);
	for (u32 i = 0; i < CROWD; i++)
		CHECK(tables[i]->tail == (i < TK_WATCH_DEPTH));
	CHECK(tk_wake(&crowded, 1, 0, ~0u) == 0);
	for (u32 i = 0; i < CROWD; i++)
		CHECK(tables[i]->queued[1] && tables[i]->tail > (i < TK_WATCH_DEPTH) && tk_object_destroy((vaddr_t)tables[i]) == 0);
}

static const struct { const char *name; void (*run)(void); } rules[] = {
	{ "objects are made of one's own frames", objects_are_made_of_own_frames },
	{ "threads are made whole", threads_are_made_whole },
	{ "policies have bounds", policies_have_bounds },
	{ "settings of address spaces are checked", settings_are_checked },
	{ "pages are mapped in bounds", pages_are_mapped_in_bounds },
	{ "pages move to free places", pages_move_to_free_places },
	{ "pages are shared between spaces", pages_are_shared_between_spaces },
	{ "calls are bounded", calls_are_bounded },
	{ "calls end without page tables", calls_end_without_page_tables },
	{ "frames are given and granted by their owner", frames_are_given_and_granted_by_their_owner },
	{ "memory comes on line once", memory_comes_on_line_once },
	{ "poll tables are checked", poll_tables_are_checked },
	{ "wakes are passed on in bounds", wakes_are_passed_on_in_bounds },
};

long mem_op_rule(const struct rt_request *rq, u32 number)
{
	(void)rq;
	if (number >= countof(rules))
		return -ENOENT;
	if (number == 0)
		space = object_make(TK_OBJECT_VSPACE, 3, 0);
	tap_failures = 0;
	rules[number].run();
	if (tap_failures)
		log_line("# rule: %s", rules[number].name);
	return (long)tap_failures;
}

long mem_op_lend(const struct rt_request *rq, u32 what, u64 *frame)
{
	u32 whole = 2 + rt_boot->vector_frames + TK_STACK_SIZE / PAGE_SIZE;

	given = what == TK_OBJECT_THREAD ? object_make(TK_OBJECT_THREAD, whole, space) : object_make(TK_OBJECT_VSPACE, 3, 0);
	*frame = (given - rt_boot->window) / PAGE_SIZE;
	return tk_grant(given, rq->caller, TK_MODE_READ);
}

long mem_op_take_back(const struct rt_request *rq)
{
	(void)rq;
	return tk_object_destroy(given);
}

long mem_op_renew(const struct rt_request *rq, u32 good)
{
	(void)rq;
	return tk_object_renew(given, good ? space : NO_TOKEN);
}

long mem_op_withdraw(const struct rt_request *rq)
{
	return tk_revoke(given, rq->caller);
}
