/*
 * Watches in every interleaving: core/watch.c and wait.c themselves, with a consumer of the ready queue as services/abi/watch.c is one. No
 * event is lost; a table that ends is not touched any more; what an owner may do to its own queue makes no more work than is bounded.
 */
#include <stddef.h>
#include <tessera/errno.h>
#include "threads.h"
#include "wait.h"
#include "../../harness.h"

#define TABLE (FRAME_FIRST)        /* the watch table's exported page */
#define PRIVATE (FRAME_FIRST + 1)
#define WORDS (FRAME_FIRST + 2)    /* a page of words */
#define LAST 2u                    /* value after which a word does not change */

static struct { u64 clears, wakes; } kept;
static bool looks_first;           /* a broken consumer: it looks at the word, then arms again */

static void world(void)
{
	const struct tk_object_create request = { .type = TK_OBJECT_WATCHES, .frame_count = 2, .frames = { TABLE, PRIVATE } };

	machine_create(3);
	threads_create(3, OWNER);
	wait_init();
	__builtin_memset(&kept, 0, sizeof(kept));
	interleave_keep(&kept, sizeof(kept));
	CHECK((vaddr_t)object_create(OWNER, &request) == machine_token(OWNER, TABLE));
}

/* ---- The consumer ------------------------------------------------------------------------------------------------------------------- */

static vaddr_t word_at(u32 word) { return machine_token(OWNER, WORDS) + 64 * word; }
static u32 word_value(u32 word) { return word_load(OWNER, WORDS, 64 * word); }
static void watch(u32 index, vaddr_t word) { EXPECT(watch_set(&threads[0], machine_token(OWNER, TABLE), index, word, index) == 0); }
static void unwatch(u32 index) { EXPECT(watch_clear(&threads[0], machine_token(OWNER, TABLE), index) == 0); }
static void arm_again(u32 index) { byte_store(OWNER, TABLE, (u32)offsetof(struct tk_watch_page, queued) + index, 0); }

/* Takes what the queue shows, or waits for more. */
static void queue_take(u32 *head, u32 *values)
{
	u32 tail = word_load(OWNER, TABLE, offsetof(struct tk_watch_page, tail));

	if (*head == tail) {
		(void)word_wait(machine_token(OWNER, TABLE) + offsetof(struct tk_watch_page, tail), tail, 0, NANOS_NEVER);
		return;
	}
	const char *page = frame_address(TABLE);
	u32 at = *head % TK_READY_ENTRIES, cookie = (u32)interleave_load((const u64 *)(page + offsetof(struct tk_watch_page, ready)) + at);
	(*head)++;
	EXPECT(cookie < 2);
	if (looks_first)
		values[cookie] = word_value(cookie);
	arm_again(cookie);
	if (!looks_first)
		values[cookie] = word_value(cookie);
}

static void consume(u32 words)
{
	u32 head = 0, values[2] = { LAST, LAST };

	for (u32 i = 0; i < words; i++)
		values[i] = word_value(i); /* armed before */
	while (values[0] != LAST || values[1] != LAST)
		queue_take(&head, values);
}

static void consume_one(void)
{
	watch(0, word_at(0));
	consume(1);
}

static void consume_two(void)
{
	watch(0, word_at(0));
	watch(1, word_at(1));
	consume(2);
}

/* The watch is bound to another word first, and taken away once. */
static void consume_bound_again(void)
{
	watch(0, word_at(1));
	watch(0, word_at(0));
	unwatch(0);
	watch(0, word_at(0));
	consume(1);
}

/* ---- The others ----------------------------------------------------------------------------------------------------------------------- */

static void change(u32 word, u32 value)
{
	word_store(OWNER, WORDS, 64 * word, value);
	kept.wakes++;
	word_wake(word_at(word), ~0u);
}
static void produce(void)
{
	change(0, 1);
	change(0, LAST);
}
static void produce_first(void) { change(0, LAST); }
static void produce_second(void) { change(1, LAST); }
static void produce_both(void)
{
	produce_second();
	produce_first();
}

/* A table whose own tail is watched by it, as an owner may set it up. */
static void watch_self(void)
{
	watch(0, word_at(0));
	watch(1, machine_token(OWNER, TABLE) + offsetof(struct tk_watch_page, tail));
}
static void self_world(void)
{
	world();
	watch_self();
}
static void clear_marks(void)
{
	for (u32 i = 0; i < 2 + TK_WATCH_DEPTH; i++) {
		arm_again(1);
		kept.clears++;
	}
}
/* Each wake puts a cookie for each watch; a cleared mark allows one more. */
static void work_is_bounded(void)
{
	const struct tk_watch_page *page = frame_address(TABLE);

	EXPECT(page->tail <= 2 + kept.clears && page->tail <= kept.wakes * (1 + TK_WATCH_DEPTH));
}

static void watched_world(void)
{
	world();
	watch(0, word_at(0));
}
static void destroy(void) { EXPECT(object_destroy(OWNER, machine_token(OWNER, TABLE)) == 0); }
static void destroyed_for_good(void)
{
	const u64 *private = frame_address(PRIVATE);

	for (u32 i = 0; i < 8; i++)
		EXPECT(private[i] == 0);
	EXPECT(frame_record(PRIVATE)->type == FRAME_USER);
}

static const struct interleave tests[] = {
	{ "watch", 2, false, world, { consume_one, produce }, NULL, NULL },
	{ "two words", 3, true, world, { consume_two, produce_first, produce_second }, NULL, NULL },
	{ "bound again", 2, false, world, { consume_bound_again, produce_both }, NULL, NULL },
	{ "destroyed", 3, false, watched_world, { destroy, produce_first, produce_second }, NULL, destroyed_for_good },
	{ "marks cleared, a table that watches itself", 2, false, self_world, { clear_marks, produce_first }, work_is_bounded, NULL },
};

static void watches_in_every_order(void) { CHECK(interleave_explore_all(tests, countof(tests), false)); }
static void watches_with_delayed_stores(void) { CHECK(interleave_explore_all(tests, countof(tests), true)); }
static void a_consumer_that_looks_first_loses_an_event(void)
{
	looks_first = true;
	CHECK(!interleave_explore(&tests[0], false));
	looks_first = false;
}

TEST_MAIN(TEST(watches_in_every_order), TEST(watches_with_delayed_stores), TEST(a_consumer_that_looks_first_loses_an_event))
