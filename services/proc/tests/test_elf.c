/* The ELF reader against good headers, known bad ones, and random damage. */
#include <string.h>
#include "fake.h"
#include "elf.h"

#define LIMIT 0x7ffffffff000ull
static u8 head[4096];

static void put(size_t at, u64 value, size_t size)
{
	memcpy(head + at, &value, size);
}

static void segment(u32 index, u32 type, u32 flags, u64 offset, u64 address, u64 file_size, u64 size)
{
	size_t at = 64 + index * 56;

	put(at, type, 4);
	put(at + 4, flags, 4);
	put(at + 8, offset, 8);
	put(at + 16, address, 8);
	put(at + 32, file_size, 8);
	put(at + 40, size, 8);
	put(at + 48, 0x1000, 8);
}

/* A dynamic program: text, data with bss, interpreter, stack note. */
static size_t good(u16 type)
{
	memset(head, 0, sizeof(head));
	memcpy(head, "\177ELF\2\1\1", 7);
	put(16, type, 2);
	put(18, 62, 2);
	put(24, 0x401080, 8);
	put(32, 64, 8);
	put(54, 56, 2);
	put(56, 4, 2);
	segment(0, 1, 5, 0, 0x400000, 0x2345, 0x2345);
	segment(1, 1, 6, 0x2e00, 0x403e00, 0x300, 0x1500);
	segment(2, 3, 4, 0x300, 0x400300, 0x1c, 0x1c);
	segment(3, 0x6474e551, 6, 0, 0, 0, 0);
	return 64 + 4 * 56;
}

static long read_it(size_t size, struct elf_program *program)
{
	return elf_read(head, size, LIMIT, program);
}

static void good_program_is_read(void)
{
	struct elf_program program;
	size_t size = good(3);

	CHECK(read_it(size, &program) == 0);
	CHECK(program.dynamic && program.segment_count == 2 && program.low == 0x400000 && program.high == 0x406000);
	CHECK(program.image.entry == 0x401080 && program.image.headers == 0x400040 && program.image.header_count == 4);
	CHECK(program.image.flags == (PROC_IMAGE_INTERPRETER | PROC_IMAGE_DYNAMIC));
	CHECK(program.image.interpreter_offset == 0x300 && program.image.interpreter_size == 0x1c);
	CHECK(program.image.break_start == 0x403e00 + 0x1500);
	CHECK(program.segments[1].prot == (TK_PROT_READ | TK_PROT_WRITE));
}

static void bad_headers_are_refused(void)
{
	static const struct { size_t at; u64 value; size_t size; long result; } bad[] = {
		{ 0, 0, 1, -ENOEXEC }, { 4, 1, 1, -ENOEXEC }, { 16, 1, 2, -ENOEXEC }, { 18, 183, 2, -ENOEXEC }, { 54, 55, 2, -ENOEXEC },
		{ 56, 0, 2, -ENOEXEC }, { 56, 73, 2, -ENOEXEC }, { 56, 5, 2, -ENOEXEC },
		{ 64 + 16, 0x400001, 8, -EINVAL },              /* not congruent */
		{ 64 + 40, 0x100, 8, -EINVAL },                 /* more in the file than in memory */
		{ 64 + 40, ~0ull, 8, -EINVAL }, { 64 + 16, LIMIT, 8, -EINVAL }, { 64 + 16, LIMIT - 0x1000, 8, -EINVAL },
		{ 64 + 8, ~0xfffull, 8, -EINVAL },
		{ 64 + 2 * 56 + 32, 1, 8, -ENOEXEC }, { 64 + 2 * 56 + 32, 5000, 8, -ENOEXEC },
	};

	for (u32 i = 0; i < countof(bad); i++) {
		struct elf_program program;
		size_t size = good(2);

		put(bad[i].at, bad[i].value, bad[i].size);
		CHECK(read_it(size, &program) == bad[i].result);
	}
}

static void short_heads_are_refused(void)
{
	struct elf_program program;
	size_t size = good(2);

	for (size_t cut = 0; cut < size; cut++) {
		u8 *exact = malloc(cut ? cut : 1);

		memcpy(exact, head, cut);
		CHECK(elf_read(exact, cut, LIMIT, &program) == -ENOEXEC);
		free(exact);
	}
}

static void damage_never_leaves_the_bounds(void)
{
	struct proc_image_map request = { .space = 1, .object = 2, .file_size = 0x10000, .base = 0x555555554000 };

	fake_first();
	for (u32 round = 0; round < 200000; round++) {
		struct elf_program program;
		struct proc_image image;
		size_t size = good(2 + round % 2);
		u64 count = 1 + unit_random() % 6;

		while (count--)
			head[unit_random() % 2 ? unit_random() % size : 64 + unit_random() % (size - 64)] ^= (u8)(1u << unit_random() % 8);
		if (unit_random() % 4 == 0)
			put(unit_random() % (size - 8), unit_random() >> unit_random() % 64, 8);
		if (read_it(size, &program) < 0)
			continue;
		CHECK(program.segment_count && program.segment_count <= PROC_IMAGE_HEADERS_MAX);
		CHECK(program.low < program.high && program.high <= LIMIT);
		for (u32 i = 0; i < program.segment_count; i++) {
			const struct elf_segment *s = &program.segments[i];

			CHECK(s->file_size <= s->size && s->address >= program.low && s->address + s->size <= program.high);
			CHECK(!((s->address ^ s->offset) & PAGE_MASK));
		}
		request.request = PROC_IMAGE_PROGRAM;
		CHECK(proc_op_image_map(&(struct rt_request){ .caller = 1 }, &request, head, size, &image) <= 0);
	}
}

TEST_MAIN(TEST(good_program_is_read), TEST(bad_headers_are_refused), TEST(short_heads_are_refused), TEST(damage_never_leaves_the_bounds))
