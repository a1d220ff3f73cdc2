/*
 * Undo logs: sections that end at any store leave memory as it was before the outermost open one, but for what inner ones have done that
 * had ended; and logs that hold anything are refused or do what they may.
 */
#include "../harness.h"
#include <runtime_unit.h>
#include <undo.h>

enum { WORDS = 64, ROUNDS = 20000 };

static u64 memory[WORDS], outside[4];
static struct undo undo;
static struct undo_log log;

void unit_fail(const char *file, int line, const char *what)
{
	printf("Bail out! %s:%d: %s\n", file, line, what);
	abort();
}

static struct undo_area area(void)
{
	return (struct undo_area){ (u64)memory, (u64)(memory + WORDS) };
}

/* What memory must be if everything stopped now: by depth, what was there when the section began. Inner ones change what outer ones keep. */
static u64 expected[WORDS];
static bool owned[UNDO_DEPTH][WORDS]; /* by depth: words that only that section stores to, as with locks */

static void store(u32 depth)
{
	u32 at = (u32)(unit_random() % WORDS);
	u64 value = unit_random();
	u32 size = 1u << unit_random() % 4, offset = (u32)(unit_random() % 8) / size * size;

	for (u32 d = 0; d < UNDO_DEPTH; d++)
		if (d + 1 != depth && owned[d][at])
			return;
	if (depth) {
		owned[depth - 1][at] = true;
		undo_note(&undo, &log, (u64)&memory[at] + offset, size);
	}
	memcpy((char *)&memory[at] + offset, &value, size);
	if (!depth)
		expected[at] = memory[at];
}

static void section_end(void)
{
	u32 depth = undo.depth;

	CHECK(undo_end(&undo) == 0);
	for (u32 at = 0; at < WORDS; at++) {
		if (owned[depth - 1][at])
			expected[at] = memory[at];
		owned[depth - 1][at] = false;
	}
}

static void sections_are_taken_back(void)
{
	const struct undo_area areas = area();

	for (u32 round = 0; round < ROUNDS; round++) {
		switch (unit_random() % 8) {
		case 0:
			if (undo.depth < UNDO_DEPTH)
				undo_begin(&undo);
			break;
		case 1:
			if (undo.depth)
				section_end();
			break;
		case 2:
			if (unit_random() % 4 == 0) {
				CHECK(undo_take_back(&undo, &log, &areas, 1) == 0);
				CHECK(memcmp(memory, expected, sizeof(memory)) == 0 && undo.depth == 0 && undo.count == 0);
				memset(owned, 0, sizeof(owned));
			}
			break;
		default:
			store(undo.depth);
		}
	}
	CHECK(undo_take_back(&undo, &log, &areas, 1) == 0);
	CHECK(memcmp(memory, expected, sizeof(memory)) == 0);
}

/* Taking back may stop anywhere and begin again. */
static void taking_back_repeats(void)
{
	const struct undo_area areas = area();
	u64 before[WORDS];
	struct undo kept;

	memcpy(before, memory, sizeof(before));
	undo_begin(&undo);
	for (u32 i = 0; i < 100; i++) {
		u32 at = (u32)(unit_random() % WORDS);

		undo_note(&undo, &log, (u64)&memory[at], 8);
		memory[at] = unit_random();
	}
	kept = undo;
	CHECK(undo_take_back(&undo, &log, &areas, 1) == 0);
	for (u32 i = 0; i < 10; i++)
		memory[unit_random() % WORDS] ^= 0; /* nothing else may store meanwhile */
	undo = kept;
	CHECK(undo_take_back(&undo, &log, &areas, 1) == 0 && memcmp(memory, before, sizeof(before)) == 0);
}

static void too_much_is_refused(void)
{
	const struct undo_area areas = area();

	undo_begin(&undo);
	for (u32 i = 0; i <= UNDO_RECORDS; i++)
		undo_note(&undo, &log, (u64)&memory[0], 8);
	CHECK(undo_take_back(&undo, &log, &areas, 1) == -EIO);
	CHECK(undo_end(&undo) == 0); /* ended in time, it does no harm */
	CHECK(undo_take_back(&undo, &log, &areas, 1) == 0);
	undo_begin(&undo);
	for (u32 i = 0; i < UNDO_FREES; i++)
		CHECK(undo_free_later(&undo, &log, &memory[i]));
	CHECK(!undo_free_later(&undo, &log, memory) && undo_take_back(&undo, &log, &areas, 1) == -EIO);
	CHECK(undo_end(&undo) == UNDO_FREES);
	undo.frees = 0;
}

static void any_log_does_no_harm(void)
{
	const struct undo_area areas = area();
	u32 refused = 0;

	for (u32 round = 0; round < ROUNDS; round++) {
		u64 *words = (u64 *)&undo, *records = (u64 *)&log;

		for (u32 i = 0; i < sizeof(undo) / 8; i++)
			words[i] = unit_random() >> unit_random() % 64;
		undo.depth %= 12;
		undo.count %= UNDO_RECORDS + 100;
		undo.overflowed = unit_random() % 4 == 0;
		for (u32 i = 0; i < 8; i++) {
			u64 address = unit_random() % 2 ? (u64)&memory[unit_random() % WORDS] : unit_random();

			records[2 * i] = address << 8 | (unit_random() % 4 ? 8 : unit_random() % 256);
		}
		refused += undo_take_back(&undo, &log, &areas, 1) != 0;
	}
	CHECK(refused > ROUNDS / 2 && refused < ROUNDS);
	CHECK(outside[0] == 0 && outside[3] == 0);
}

TEST_MAIN(TEST(sections_are_taken_back), TEST(taking_back_repeats), TEST(too_much_is_refused), TEST(any_log_does_no_harm))
