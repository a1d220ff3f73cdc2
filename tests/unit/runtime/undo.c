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

	CHECK(!undo_end(&undo));
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
	CHECK(undo_end(&undo)); /* ended in time, it does no harm */
	CHECK(undo_take_back(&undo, &log, &areas, 1) == 0 && !undo.overflowed);
	undo_begin(&undo);
	for (u32 i = 0; i < UNDO_FREES; i++)
		CHECK(undo_free_later(&undo, &log, &memory[i]));
	CHECK(!undo_free_later(&undo, &log, memory) && undo_take_back(&undo, &log, &areas, 1) == -EIO);
	CHECK(undo_end(&undo) && undo.frees == UNDO_FREES);
	undo.frees = undo.overflowed = 0;
}

/* ---- Long sections: the log gets pieces, each as large as all that it had --------------------------------------------------------------- */

enum { PIECES = 3, LONG = UNDO_RECORDS << PIECES };

static struct undo_record pieces[LONG];
static u64 field[LONG / 4];
static const struct undo_area long_areas[] = { { (u64)field, (u64)(field + countof(field)) }, { (u64)pieces, (u64)(pieces + LONG) } };

/* As the runtime does it: pieces are places in one array here, each where the records before it would end. */
static void long_note(u64 address, u64 size)
{
	size_t wanted;

	while ((wanted = undo_records_wanted(&undo, &log, size))) {
		CHECK(wanted == sizeof(pieces[0]) * UNDO_RECORDS << log.more_records.count);
		if (log.more_records.count == PIECES) {
			undo.starved = 1;
			CHECK(undo_records_wanted(&undo, &log, size) == 0);
			break;
		}
		undo_piece_add(&undo, &log.more_records, &pieces[UNDO_RECORDS << log.more_records.count]);
	}
	undo_note(&undo, &log, address, size);
}

/* Stores of all sizes to a field, at a depth, until the log is that long. */
static void long_store(u32 until)
{
	while (undo.count < until) {
		u64 size = unit_random() % 100 ? 8 : 1 + unit_random() % 999, at = unit_random() % (sizeof(field) - size);

		long_note((u64)field + at, size);
		for (u64 i = 0; i < size; i++)
			((u8 *)field)[at + i] = (u8)unit_random();
	}
}

static void long_start(void)
{
	undo = (struct undo){ 0 };
	log.more_records.count = log.more_frees.count = 0;
	for (u32 i = 0; i < countof(field); i++)
		field[i] = unit_random();
	undo_begin(&undo);
}

static void a_log_grows(void)
{
	static u64 before[countof(field)];

	for (u32 round = 0; round < 20; round++) {
		u32 until = (u32)(unit_random() % (LONG - UNDO_RESERVE - 200));

		long_start();
		memcpy(before, field, sizeof(before));
		long_store(until);
		CHECK(!undo.overflowed && undo.count >= until && (undo.count <= UNDO_RECORDS) >= (log.more_records.count == 0));
		CHECK(undo_take_back(&undo, &log, long_areas, countof(long_areas)) == 0);
		CHECK(memcmp(field, before, sizeof(before)) == 0 && !undo.grown);
	}
}

/* An inner section that ends in another piece than it began in; what it has done stays, what comes behind it in the outer one goes. */
static void sections_end_in_other_pieces(void)
{
	static u64 inner[countof(field)];

	long_start();
	undo_begin(&undo);
	long_store(UNDO_RECORDS * 3);
	CHECK(log.more_records.count == 2 && !undo_end(&undo) && undo.count == 0);
	memcpy(inner, field, sizeof(inner));
	long_store(UNDO_RECORDS + 10);
	CHECK(undo_take_back(&undo, &log, long_areas, countof(long_areas)) == 0);
	CHECK(memcmp(field, inner, sizeof(inner)) == 0);
}

/* There is an end: told when the section ends, refused when it is taken back. */
static void a_log_has_an_end(void)
{
	long_start();
	long_store(LONG - UNDO_RESERVE);
	CHECK(!undo.overflowed);
	long_store(LONG);
	long_note((u64)field, 8);
	CHECK(undo.overflowed && undo.count == LONG && undo_take_back(&undo, &log, long_areas, countof(long_areas)) == -EIO);
	CHECK(undo_end(&undo) && undo.overflowed && undo.grown && !undo.starved);
	undo.depth = UNDO_DEPTH - 1; /* no locks are left for the heap's */
	undo.count = UNDO_RECORDS - 1;
	log.more_records.count = 0;
	CHECK(undo_records_wanted(&undo, &log, 8) == 0);
	undo.depth--;
	CHECK(undo_records_wanted(&undo, &log, 8) != 0);
}

static void pieces_are_checked(void)
{
	void *const wrong[] = { NULL, (char *)pieces + 4, &pieces[LONG - 1], outside };

	for (u32 i = 0; i < countof(wrong); i++) {
		long_start();
		long_store(UNDO_RECORDS * 2);
		CHECK(log.more_records.count >= 1);
		log.more_records.piece[0] = wrong[i];
		CHECK(undo_take_back(&undo, &log, long_areas, countof(long_areas)) == -EIO);
	}
}

static void many_blocks_are_freed_later(void)
{
	static void *places[UNDO_FREES << PIECES];
	u32 count = (u32)countof(places);

	long_start();
	for (u32 i = 0; i < count; i++) {
		size_t wanted = undo_frees_wanted(&undo, &log);

		CHECK((wanted != 0) == (i == UNDO_FREES << log.more_frees.count));
		CHECK(!wanted || wanted == i * sizeof(void *));
		if (wanted)
			undo_piece_add(&undo, &log.more_frees, &places[i]);
		CHECK(undo_free_later(&undo, &log, &field[i]));
	}
	for (u32 i = 0; i < count; i++)
		CHECK(undo_freed(&log, i) == &field[i]);
	CHECK(!undo_free_later(&undo, &log, field) && undo.overflowed);
	CHECK(undo_end(&undo) && undo.frees == count && undo.grown);
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
		undo.count %= unit_random() % 2 ? UNDO_RECORDS + 100 : LONG;
		for (u32 i = 0; i < UNDO_PIECES; i++)
			log.more_records.piece[i] = unit_random() % 2 ? &memory[unit_random() % WORDS] : (void *)unit_random();
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

TEST_MAIN(TEST(sections_are_taken_back), TEST(taking_back_repeats), TEST(too_much_is_refused), TEST(a_log_grows),
	  TEST(sections_end_in_other_pieces), TEST(a_log_has_an_end), TEST(pieces_are_checked), TEST(many_blocks_are_freed_later),
	  TEST(any_log_does_no_harm))
