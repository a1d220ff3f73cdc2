/*
 * Tokens in every interleaving of two and three processors: core/grant.c, window.c, token.c, object.c, frame.c, page.c and tlb.c
 * themselves. Holders load and store through translation buffers. Always: a frame that became something else is reached by nobody, and
 * one that was taken away only while the operation that takes it has it pinned. At rest: windows, holder bits and counts agree.
 */
#include <tessera/errno.h>
#include "machine.h"
#include "../../harness.h"

#define A (FRAME_FIRST)        /* a user frame, or the exported page of an object */
#define B (FRAME_FIRST + 1)    /* the object's private part */
#define ALIVE 0x6a6a6a6aul

/* What the scripts know of each other: which domain has lost frame A for good, what calls answered. */
static struct { u64 revoked[MACHINE_DOMAINS]; i64 result[PROCESSORS_MAX]; } kept;

/* ---- The object of the tests: a private part that says whether it lives ---------------------------------------------------------- */

long watch_table_create(u32 caller, const struct tk_object_create *request)
{
	(void)caller;
	interleave_store(frame_address(request->frames[1]), ALIVE);
	return 0;
}

long watch_table_destroy(void *object)
{
	interleave_store(object, 0);
	return 0;
}

void wait_cancel_object(frame_t frame, u32 domain) { (void)frame, (void)domain; }

/* The lists of frames are the test's own. */
long domain_copy_in(const struct domain *d, void *to, vaddr_t from, size_t size)
{
	(void)d;
	__builtin_memcpy(to, (const void *)from, size);
	return 0;
}

/* ---- Worlds ---------------------------------------------------------------------------------------------------------------------- */

static void world(u32 processors)
{
	machine_create(processors);
	__builtin_memset(&kept, 0, sizeof(kept));
	interleave_keep(&kept, sizeof(kept));
}

static void frame_world(void)
{
	world(3);
	CHECK(token_grant(OWNER, machine_token(OWNER, A), HOLDER, TK_MODE_WRITE) == 0);
	CHECK(token_grant(OWNER, machine_token(OWNER, A), GUEST, TK_MODE_READ) == 0);
}

/* 0: the object is there; its token, an address in the kernel's half, is negative as a long. */
static long object_make(void)
{
	const struct tk_object_create request = { .type = TK_OBJECT_WATCHES, .frame_count = 2, .frames = { A, B } };
	long result = object_create(OWNER, &request);

	return (vaddr_t)result == machine_token(OWNER, A) ? 0 : result;
}

static void object_world(void)
{
	world(3);
	CHECK(object_make() == 0);
	CHECK(token_grant(OWNER, machine_token(OWNER, A), HOLDER, TK_MODE_READ) == 0);
}

static void plain_world(void) { world(3); }

/* ---- Scripts --------------------------------------------------------------------------------------------------------------------- */

static void lost(u32 domain) { kept.revoked[domain] = true; }

static void revoke_everyone(void)
{
	EXPECT(token_revoke(OWNER, machine_token(OWNER, A), TK_EVERYONE) == 0);
	lost(HOLDER);
	lost(GUEST);
}

static void revoke_holder(void)
{
	EXPECT(token_revoke(OWNER, machine_token(OWNER, A), HOLDER) == 0);
	lost(HOLDER);
}

static void revoke_guest(void)
{
	EXPECT(token_revoke(OWNER, machine_token(OWNER, A), GUEST) == 0);
	lost(GUEST);
}

static void revoke_only(void) { kept.result[interleave_self()] = token_revoke(OWNER, machine_token(OWNER, A), HOLDER); }
static void grant_read(void) { kept.result[interleave_self()] = token_grant(OWNER, machine_token(OWNER, A), HOLDER, TK_MODE_READ); }
static void grant_guest(void) { kept.result[interleave_self()] = token_grant(OWNER, machine_token(OWNER, A), GUEST, TK_MODE_READ); }

/* What a unit reaches through its window is the frame, the dead page or nothing; once it was taken, not the frame. */
static void use(u32 domain, frame_t frame, bool write)
{
	bool gone = frame == A && kept.revoked[domain];
	frame_t reached = machine_access(domain, frame, write);

	EXPECT(reached == FRAME_NONE || reached == frame || (reached == frame_dead && !write));
	EXPECT(!gone || reached != frame);
}

static void holder_uses(void)
{
	use(HOLDER, A, true);
	use(HOLDER, A, false);
}
static void guest_uses(void)
{
	machine_root_load(GUEST);
	use(GUEST, A, false);
	machine_root_load(OWNER);
}
static void guest_uses_twice(void)
{
	guest_uses();
	guest_uses();
}
static void owner_uses_a(void) { use(OWNER, A, true); }
static void owner_uses_b(void) { use(OWNER, B, true); }

static void destroy(void)
{
	long result = object_destroy(OWNER, machine_token(OWNER, A));

	kept.result[interleave_self()] = result;
	EXPECT(result == 0 || result == -EBUSY);
	if (result == 0)
		lost(HOLDER);
}

/* An operation on the object: what is pinned lives. */
static void holder_pins(void)
{
	bool gone = kept.revoked[HOLDER];
	const u64 *object = token_pin(&domains[HOLDER], machine_token(HOLDER, A), TK_OBJECT_WATCHES);

	if (!object)
		return;
	EXPECT(!gone);
	EXPECT(interleave_load(object) == ALIVE);
	EXPECT(interleave_load(object) == ALIVE);
	token_unpin(&domains[HOLDER], machine_token(HOLDER, A));
}

static void give_a(void) { kept.result[interleave_self()] = frames_give(OWNER, A, 1, HOLDER); }
static void give_b(void) { kept.result[interleave_self()] = frames_give(OWNER, B, 1, HOLDER); }
static void create(void) { kept.result[interleave_self()] = object_make(); }
static void fill_reserve(void)
{
	static const frame_t frames[] = { B };

	kept.result[interleave_self()] = reserve_fill(OWNER, (vaddr_t)frames, 1);
}

/* Of two operations that each want frame B for themselves, at most one had it. */
static void one_won(void)
{
	machine_rest_check();
	EXPECT(!(kept.result[0] >= 0 && kept.result[1] >= 0));
}

/* A destroyed object's frames are its owner's, and who held it does not hold them. */
static void destroyed_or_busy(void)
{
	machine_rest_check();
	if (kept.result[0] == 0)
		EXPECT(frame_record(A)->type == FRAME_USER && frame_record(B)->type == FRAME_USER && !frame_held_by(frame_record(A), HOLDER));
	else
		EXPECT(frame_record(A)->type == FRAME_OBJECT);
}

static const struct interleave tests[] = {
	{ "revoke from all, two holders use it", 3, false, frame_world, { revoke_everyone, holder_uses, guest_uses },
		machine_translations_check, machine_rest_check },
	{ "revoke from all, a holder in its own root comes and goes", 3, false, frame_world, { revoke_everyone, guest_uses_twice, guest_uses },
		machine_translations_check, machine_rest_check },
	{ "revoke from one that comes and goes", 3, false, frame_world, { revoke_guest, guest_uses_twice, holder_uses },
		machine_translations_check, machine_rest_check },
	{ "revoke, and a grant of the same at once", 3, false, frame_world, { revoke_only, grant_read, holder_uses },
		machine_translations_check, machine_rest_check },
	{ "revoke from one and from all at once", 3, false, frame_world, { revoke_everyone, revoke_only, holder_uses },
		machine_translations_check, machine_rest_check },
	{ "destroy, pin and use", 3, false, object_world, { destroy, holder_pins, holder_uses }, machine_translations_check, destroyed_or_busy },
	{ "revoke, pin and use", 3, false, object_world, { revoke_holder, holder_pins, holder_uses }, machine_translations_check, machine_rest_check },
	{ "destroy against grant", 3, false, object_world, { destroy, grant_guest, guest_uses }, machine_translations_check, destroyed_or_busy },
	{ "destroy against revoke", 3, false, object_world, { destroy, revoke_only, holder_uses }, machine_translations_check, destroyed_or_busy },
	{ "give against grant", 3, false, plain_world, { give_a, grant_guest, owner_uses_a }, machine_translations_check, machine_rest_check },
	{ "create against give", 3, false, plain_world, { create, give_b, owner_uses_b }, machine_translations_check, one_won },
	{ "page table against give", 3, false, plain_world, { fill_reserve, give_b, owner_uses_b }, machine_translations_check, one_won },
};

static void tokens_in_every_order(void) { CHECK(interleave_explore_all(tests, countof(tests), false)); }
static void tokens_with_delayed_stores(void) { CHECK(interleave_explore_all(tests, countof(tests), true)); }

TEST_MAIN(TEST(tokens_in_every_order), TEST(tokens_with_delayed_stores))
