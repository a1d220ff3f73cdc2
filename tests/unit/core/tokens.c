/* Tokens: grants, revocations, gifts and objects at random, with windows and records compared after every few steps. */
#include "world.h"

#define FIRST 2000u
#define COUNT 200u

static vaddr_t token_of(u32 domain, frame_t frame) { return domains[domain].window + frame * PAGE_SIZE; }
static frame_t pick(void) { return unit_random() % 50 ? FIRST + (frame_t)(unit_random() % COUNT) : (frame_t)unit_random(); }
static u32 pick_domain(void) { return (u32)(unit_random() % (WORLD_DOMAINS + 1)); }

static bool valid(u32 domain) { return domain > 0 && domain < WORLD_DOMAINS; }

/* An owned frame that nobody else holds, no application maps and no object uses. */
static bool is_free(frame_t frame, u32 owner)
{
	return frame < WORLD_FRAMES && frame_record(frame)->type == FRAME_USER && frame_record(frame)->owner == owner &&
	       frame_record(frame)->map_count == 0 && frame_held_only_by(frame_record(frame), owner);
}

static bool is_owned(frame_t frame, u32 owner)
{
	if (frame >= WORLD_FRAMES)
		return false;
	const struct frame_record *r = frame_record(frame);
	return r->owner == owner && (r->type == FRAME_USER || r->type == FRAME_OBJECT) && frame_held_by(r, owner);
}

static void do_grant(u32 caller)
{
	frame_t frame = pick();
	u32 to = pick_domain(), mode = (u32)(unit_random() % 3);
	bool good = valid(to) && to != caller && mode <= TK_MODE_WRITE && is_owned(frame, caller);

	CHECK((token_grant(caller, token_of(caller, frame), to, mode) == 0) == good);
	if (good)
		CHECK(frame_held_by(frame_record(frame), to) && arch_entry_writable(world_window(to, frame)) == (mode == TK_MODE_WRITE));
}

static void do_revoke(u32 caller)
{
	frame_t frame = pick();
	u32 from = unit_random() & 1 ? TK_EVERYONE : pick_domain();
	bool good = (from == TK_EVERYONE || (valid(from) && from != caller)) && is_owned(frame, caller);

	CHECK((token_revoke(caller, token_of(caller, frame), from) == 0) == good);
	if (!good)
		return;
	for (u32 d = 1; d < WORLD_DOMAINS; d++)
		if (d != caller && (from == TK_EVERYONE || d == from)) {
			arch_entry_t e = world_window(d, frame);
			CHECK(!frame_held_by(frame_record(frame), d));
			CHECK(!e || (arch_entry_frame(e) == frame_dead && arch_entry_present(e) && !arch_entry_writable(e)));
		}
}

static void do_give(u32 caller)
{
	frame_t frame = pick();
	u32 to = pick_domain(), count = (u32)(unit_random() % 4);
	bool good = valid(to) && to != caller && count > 0;

	for (u32 i = 0; good && i < count; i++)
		good = is_free(frame + i, caller);
	CHECK((frames_give(caller, frame, count, to) == 0) == good);
	for (u32 i = 0; good && i < count; i++)
		CHECK(is_free(frame + i, to) && world_window(caller, frame + i) == 0 && arch_entry_writable(world_window(to, frame + i)));
}

static void do_create(u32 caller)
{
	static const u32 types[] = { TK_OBJECT_VSPACE, TK_OBJECT_THREAD, TK_OBJECT_POOL, TK_OBJECT_WATCHES, TK_OBJECT_DOMAIN, 77 };
	struct tk_object_create create = { .type = types[unit_random() % 6], .frame_count = (u32)(unit_random() % 5) };
	bool good = create.type == TK_OBJECT_WATCHES ? create.frame_count == 2
	          : create.type == TK_OBJECT_POOL ? create.frame_count == 2 && caller == WORLD_MEM
	          : create.type == TK_OBJECT_VSPACE ? create.frame_count == 3 && caller == WORLD_MEM
	          : create.type == TK_OBJECT_THREAD ? create.frame_count >= 2 && caller == WORLD_MEM : false;

	for (u32 i = 0; i < create.frame_count; i++) {
		create.frames[i] = pick();
		good = good && is_free(create.frames[i], caller);
		for (u32 j = 0; j < i; j++)
			good = good && create.frames[i] != create.frames[j];
		if (is_free(create.frames[i], caller))
			memset(frame_address(create.frames[i]), 0xaa, PAGE_SIZE);
	}
	if (create.type == TK_OBJECT_THREAD && unit_random() & 1)
		create.argument = (u64)-EAGAIN; /* its own create function refuses */
	long token = object_create(caller, &create);
	bool made = token == (long)token_of(caller, create.frames[0]);
	CHECK(made == (good && !create.argument));
	if (good && !made)
		for (u32 i = 0; i < create.frame_count; i++)
			CHECK(is_free(create.frames[i], caller));
	if (!made)
		return;
	CHECK(token_resolve(&domains[caller], (vaddr_t)token, create.type) == frame_address(create.frames[1]));
	CHECK(token_resolve(&domains[caller], (vaddr_t)token, create.type + 1) == NULL);
	for (u32 i = 1; i < create.frame_count; i++)
		CHECK(world_window(caller, create.frames[i]) == 0 && frame_record(create.frames[i])->type == FRAME_PRIVATE);
}

static void do_destroy(u32 caller)
{
	frame_t frame = pick(), private[3] = { 0 };
	bool good = is_owned(frame, caller) && frame_record(frame)->type == FRAME_OBJECT;

	for (u32 i = 0; good && i < 3; i++)
		private[i] = i ? frame_record(private[i - 1])->link : frame_of_address(frame_record(frame)->object);
	CHECK((object_destroy(caller, token_of(caller, frame)) == 0) == good);
	if (!good)
		return;
	CHECK(is_free(frame, caller));
	for (u32 i = 0; i < 3 && private[i] != frame; i++) {
		CHECK(is_free(private[i], caller));
		for (u32 word = 0; word < PAGE_SIZE / 8; word++)
			CHECK(((u64 *)frame_address(private[i]))[word] == 0);
	}
}

static void do_heap(u32 caller)
{
	frame_t frames[2] = { pick(), pick() };
	u32 to = pick_domain(), target = to ? to : caller;
	bool good = caller == WORLD_MEM && (to == 0 || valid(to)) && is_free(frames[0], caller) && is_free(frames[1], caller) && frames[0] != frames[1];

	u64 page = target < WORLD_DOMAINS ? domains[target].heap_pages : 0;

	if (unit_random() % 20)
		return; /* what goes into a heap stays there */
	CHECK(heap_map(caller, to, page + 1, (vaddr_t)frames, 2) < 0); /* no holes */
	CHECK((heap_map(caller, to, page, (vaddr_t)frames, 2) == 0) == good);
	if (!good)
		return;
	for (u32 i = 0; i < 2; i++) {
		const arch_entry_t *e = arch_page_walk(domains[target].root, domains[target].private + ARCH_UNIT_HEAP + (page + i) * PAGE_SIZE, false, NULL);
		CHECK(e && arch_entry_frame(*e) == frames[i] && arch_entry_writable(*e));
		CHECK(frame_record(frames[i])->owner == target && frame_record(frames[i])->map_count == 1 && world_window(caller, frames[i]) == 0);
	}
	CHECK(heap_map(caller, to, page, (vaddr_t)frames, 1) < 0 && domains[target].heap_pages == page + 2);
}

static void do_reserve(u32 caller)
{
	frame_t frame = pick();
	bool good = is_free(frame, caller) && caller == WORLD_MEM;

	if (unit_random() % 20)
		return;
	CHECK((reserve_fill(caller, (vaddr_t)&frame, 1) >= 0) == good);
	if (good)
		CHECK(frame_record(frame)->type == FRAME_TABLE && world_window(caller, frame) == 0);
}

static void random_operations(void)
{
	static void (*const operations[])(u32) = { do_grant, do_grant, do_revoke, do_give, do_give, do_create, do_create, do_destroy, do_heap, do_reserve };

	for (u32 round = 0; round < 6; round++) {
		world_create(round & 1);
		for (u32 step = 0; step < 15000; step++) {
			u32 caller = unit_random() & 1 ? WORLD_MEM : 1 + (u32)(unit_random() % (WORLD_DOMAINS - 1));
			operations[unit_random() % countof(operations)](caller);
			if (step % 3000 == 0)
				world_check();
			if (unit_failures)
				return;
		}
		world_check();
	}
}

/* Frames of as many large pages as there are frames: each costs a table before it is one, and only one is left. */
static void reserve_from_large_pages(void)
{
	frame_t frames[10];

	world_create(true);
	for (u32 i = 0; i < 10; i++)
		frames[i] = WORLD_USER_FIRST + i * ARCH_LARGE_PAGES + 3;
	while (reserve_count() > 1)
		(void)reserve_take(true);
	CHECK(reserve_fill(WORLD_MEM, (vaddr_t)frames, 10) == 1);
	for (u32 i = 0; i < 10; i++)
		frames[i]++;
	CHECK(reserve_fill(WORLD_MEM, (vaddr_t)frames, 10) == 11);
	CHECK(reserve_fill(WORLD_FS, (vaddr_t)frames, 1) == -EPERM && reserve_fill(WORLD_MEM, (vaddr_t)frames, 1) == -EPERM);
	world_check();
}

static void pins_forbid(void)
{
	struct tk_object_create create = { .type = TK_OBJECT_WATCHES, .frame_count = 2, .frames = { 2000, 2001 } };

	world_create(true);
	vaddr_t token = (vaddr_t)object_create(WORLD_MEM, &create);
	CHECK(token_grant(WORLD_MEM, token, WORLD_FS, TK_MODE_READ) == 0);
	CHECK(token_pin(&domains[WORLD_FS], token, TK_OBJECT_WATCHES) == NULL); /* an address in another's window */
	vaddr_t lent = token_of(WORLD_FS, 2000);
	CHECK(token_pin(&domains[WORLD_FS], lent, TK_OBJECT_WATCHES) == frame_address(2001));
	CHECK(object_destroy(WORLD_MEM, token) == -EBUSY);
	CHECK(object_destroy(WORLD_FS, lent) == -EPERM);
	CHECK(token_grant(WORLD_FS, lent, WORLD_ABI, TK_MODE_READ) == -EPERM);
	token_unpin(&domains[WORLD_FS], lent);
	CHECK(token_revoke(WORLD_MEM, token, WORLD_FS) == 0);
	CHECK(token_pin(&domains[WORLD_FS], lent, TK_OBJECT_WATCHES) == NULL);
	CHECK(object_destroy(WORLD_MEM, token) == 0);
	world_check();
}

/* Each way to resolve a token asks for the type that the operation needs. */
static void types_are_told_apart(void)
{
	struct tk_object_create create = { .type = TK_OBJECT_WATCHES, .frame_count = 2, .frames = { 2000, 2001 } };
	const struct tk_field_write write = { TK_FIELD_VSPACE_POOL, 0, 0 };

	world_create(true);
	vaddr_t token = (vaddr_t)object_create(WORLD_MEM, &create);
	for (u32 type = 0; type < TK_OBJECT_TYPES; type++) {
		void *object = token_pin(&domains[WORLD_MEM], token, type);
		CHECK((object != NULL) == (type == TK_OBJECT_WATCHES));
		CHECK((token_resolve(&domains[WORLD_MEM], token, type) != NULL) == (type == TK_OBJECT_WATCHES));
		if (object)
			token_unpin(&domains[WORLD_MEM], token);
	}
	CHECK(token_pin(&domains[WORLD_MEM], token_of(WORLD_MEM, 2005), TK_OBJECT_NONE) == NULL); /* a frame, and no object */
	CHECK(object_write(WORLD_MEM, token, &write, 1) == -EINVAL && object_write(WORLD_MEM, token_of(WORLD_MEM, 2005), &write, 1) == -EINVAL);
	CHECK(vspace_query(WORLD_MEM, token, PAGE_SIZE) == -EINVAL);
	CHECK(object_destroy(WORLD_MEM, token) == 0);
	world_check();
}

/* Who owns a page but sees it read-only, as the ports and lines of its profile, can't let others write it. */
static void read_only_stays(void)
{
	world_create(true);
	CHECK(window_map(&domains[WORLD_MEM], 2000, false) == 0);
	CHECK(token_grant(WORLD_MEM, token_of(WORLD_MEM, 2000), WORLD_FS, TK_MODE_WRITE) == -EACCES && !world_window(WORLD_FS, 2000));
	CHECK(token_grant(WORLD_MEM, token_of(WORLD_MEM, 2000), WORLD_FS, TK_MODE_READ) == 0);
	CHECK(!arch_entry_writable(world_window(WORLD_FS, 2000)));
	CHECK(token_revoke(WORLD_MEM, token_of(WORLD_MEM, 2000), WORLD_FS) == 0);
	world_check();
}

/* Of a unit that has ended the memory service takes everything but its heap, and nothing while it runs. */
static void frames_of_the_ended(void)
{
	struct tk_object_create create = { .type = TK_OBJECT_WATCHES, .frame_count = 2, .frames = { 2000, 2001 } };
	frame_t heap = 2004;

	world_create(true);
	CHECK(frames_give(WORLD_MEM, 2000, 4, WORLD_FS) == 0 && heap_map(WORLD_MEM, WORLD_FS, domains[WORLD_FS].heap_pages, (vaddr_t)&heap, 1) == 0);
	vaddr_t token = (vaddr_t)object_create(WORLD_FS, &create);
	CHECK(token == token_of(WORLD_FS, 2000) && token_grant(WORLD_FS, token_of(WORLD_FS, 2002), WORLD_ABI, TK_MODE_WRITE) == 0);
	domains[WORLD_FS].state = TK_DOMAIN_RUNNING;
	CHECK(frames_reclaim(WORLD_MEM, WORLD_FS, 2002) == -EBUSY && frames_reclaim(WORLD_ABI, WORLD_FS, 2002) == -EPERM);
	domains[WORLD_FS].state = TK_DOMAIN_RESTARTING;
	CHECK(frames_reclaim(WORLD_MEM, WORLD_FS, 2002) == -EBUSY);
	CHECK(frames_give(WORLD_MEM, 2006, 1, WORLD_FS) == 0);
	domains[WORLD_FS].state = TK_DOMAIN_FAILED;
	CHECK(frames_give(WORLD_MEM, 2007, 1, WORLD_FS) == -EBUSY && is_free(2007, WORLD_MEM));
	CHECK(frames_reclaim(WORLD_MEM, WORLD_FS, 2006) == 0);
	CHECK(frames_reclaim(WORLD_ABI, WORLD_FS, 2002) == -EPERM && frames_reclaim(WORLD_MEM, WORLD_FS, 2001) == -EPERM);
	CHECK(frames_reclaim(WORLD_MEM, WORLD_FS, 2000) == 0 && frames_reclaim(WORLD_MEM, WORLD_FS, 2001) == 0);
	CHECK(frames_reclaim(WORLD_MEM, WORLD_FS, 2002) == 0 && !frame_held_by(frame_record(2002), WORLD_ABI));
	CHECK(frames_reclaim(WORLD_MEM, WORLD_FS, 2002) < 0 && frames_reclaim(WORLD_MEM, WORLD_FS, 2004) == -EPERM);
	CHECK(frames_reclaim(WORLD_MEM, WORLD_MEM, 2005) == -EINVAL && frames_reclaim(WORLD_MEM, 0, 2005) == -EINVAL);
	CHECK(frames_reclaim(WORLD_MEM, 200, 2005) == -EINVAL && frames_reclaim(WORLD_MEM, ~0u, 2005) == -EINVAL);
	CHECK(frames_reclaim(WORLD_MEM, WORLD_FS, ~0u) == -EINVAL && frames_reclaim(WORLD_MEM, WORLD_FS, WORLD_FRAMES) == -EINVAL);
	domains[WORLD_FS].state = TK_DOMAIN_STOPPED;
	CHECK(frames_give(WORLD_MEM, 2007, 1, WORLD_FS) == -EBUSY);
	CHECK(frames_reclaim(WORLD_MEM, WORLD_FS, 2003) == 0 && frames_reclaim(WORLD_MEM, WORLD_ABI, 2003) == -EBUSY);
	for (frame_t frame = 2000; frame < 2004; frame++)
		CHECK(is_free(frame, WORLD_MEM) && world_window(WORLD_FS, frame) == 0);
	world_check();
}

static void region_table_is_kept(void)
{
	struct tk_object_create create = { .type = TK_OBJECT_VSPACE, .frame_count = 3, .frames = { 2000, 2001, 2002 } };
	struct tk_field_write write = { TK_FIELD_VSPACE_TABLE, 0, 2010 | 2ull << 32 };
	frame_t frame = 2012;

	world_create(true);
	vaddr_t token = (vaddr_t)object_create(WORLD_MEM, &create);
	CHECK(object_write(WORLD_MEM, token, &write, 1) == 0);
	const struct vspace *space = token_resolve(&domains[WORLD_MEM], token, TK_OBJECT_VSPACE);
	CHECK(space->table == frame_address(2010) && space->table_capacity > 3 * TK_REGIONS_IN_PAGE);
	CHECK(reserve_fill(WORLD_MEM, (vaddr_t)&frame, 1) == -EPERM);
	CHECK(frames_give(WORLD_MEM, 2012, 1, WORLD_FS) == -EPERM);
	struct tk_map map = { token, 0x10000, 1, 3, &frame };
	CHECK(vspace_map(WORLD_MEM, &map) == -EPERM);
	write.value = 2009 | 1ull << 32;
	CHECK(object_write(WORLD_MEM, token, &write, 1) == -EPERM);
	write.value = ~0u | 3ull << 32;
	CHECK(object_write(WORLD_MEM, token, &write, 1) < 0);
	write.value = 2010 | 63ull << 32;
	CHECK(object_write(WORLD_MEM, token, &write, 1) < 0);
	write.value = 0;
	CHECK(object_write(WORLD_MEM, token, &write, 1) == 0 && space->table == frame_address(2000));
	CHECK(frames_give(WORLD_MEM, 2012, 1, WORLD_FS) == 0);
	CHECK(object_destroy(WORLD_MEM, token) == 0);
	world_check();
}

/* An object is renewed by its owner alone, when nobody uses it, and stays what it was: its token, its holders, its settings. */
static void spaces_are_renewed(void)
{
	struct tk_object_create create = { .type = TK_OBJECT_VSPACE, .frame_count = 3, .frames = { 2000, 2001, 2002 } };
	frame_t frame = 2012;

	world_create(true);
	vaddr_t token = (vaddr_t)object_create(WORLD_MEM, &create);
	CHECK(token_grant(WORLD_MEM, token, WORLD_ABI, TK_MODE_READ) == 0);
	struct tk_map map = { token, 0x10000, 1, 3, &frame };
	CHECK(vspace_map(WORLD_MEM, &map) == 1);
	CHECK(object_renew(WORLD_MEM, token, 0) == -EBUSY);
	frame_t freed[2];
	struct tk_unmap unmap = { .vspace = token, .address = 0x10000, .pages = 1, .freed = freed, .capacity = 2 };
	CHECK(vspace_unmap(WORLD_MEM, &unmap) == 0 && unmap.done == 1);
	struct vspace *space = token_pin(&domains[WORLD_MEM], token, TK_OBJECT_VSPACE);
	CHECK(space && object_renew(WORLD_MEM, token, 0) == -EBUSY);
	space->references++;
	token_unpin(&domains[WORLD_MEM], token);
	CHECK(object_renew(WORLD_MEM, token, 0) == -EBUSY);
	space->references--;
	CHECK(object_renew(WORLD_ABI, token_of(WORLD_ABI, 2000), 0) == -EPERM);
	CHECK(object_renew(WORLD_MEM, token, 1) == -EINVAL);
	CHECK(object_renew(WORLD_MEM, token + PAGE_SIZE, 0) < 0 && object_renew(WORLD_MEM, token + 1, 0) == -EINVAL);
	CHECK(object_renew(WORLD_MEM, token, 0) == 0);
	CHECK(token_resolve(&domains[WORLD_MEM], token, TK_OBJECT_VSPACE) == space);
	CHECK(token_resolve(&domains[WORLD_ABI], token_of(WORLD_ABI, 2000), TK_OBJECT_VSPACE) == space);
	CHECK(vspace_map(WORLD_MEM, &map) == 1 && vspace_unmap(WORLD_MEM, &unmap) == 0);
	CHECK(object_destroy(WORLD_MEM, token) == 0 && object_renew(WORLD_MEM, token, 0) == -EPERM);
	world_check();
}

TEST_MAIN(TEST(random_operations), TEST(reserve_from_large_pages), TEST(pins_forbid), TEST(types_are_told_apart), TEST(read_only_stays),
          TEST(frames_of_the_ended), TEST(region_table_is_kept), TEST(spaces_are_renewed))
