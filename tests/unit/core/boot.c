/* Boot on machines with random memory maps: what is handed out is RAM, once; what is left is mem's; the rest comes on line later. Each
 * machine is a process of its own, because boot happens once. */
#include <sys/wait.h>
#include <unistd.h>
#include "world.h"
#include <arch/boot.h>

#define FRAMES_MAX (48u * FRAME_SECTION) /* 6 GiB */

static u8 owner_of[FRAMES_MAX];          /* what the test knows of a frame: */
enum { NOTHING, RAM, GIVEN, ARCHIVE };

static struct tk_boot_info info;

static void space_map(u64 address, u64 size)
{
	if (mmap((void *)address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != (void *)address)
		abort();
}

static void ram_add(frame_t first, frame_t end)
{
	if (first >= end || boot_facts.ram_count == BOOT_RAM_MAX)
		return;
	boot_facts.ram[boot_facts.ram_count++] = (struct boot_ram){ (u64)first * PAGE_SIZE, (u64)(end - first) * PAGE_SIZE };
	memset(owner_of + first, RAM, end - first);
}

/* RAM from 1 MiB on with holes; the archive stands in one of them. */
static void machine_make(void)
{
	frame_t at = 256, end = 8192 + (frame_t)(unit_random() % (FRAMES_MAX - 8192));
	bool archive = false;

	memset(&boot_facts, 0, sizeof(boot_facts));
	memset(owner_of, NOTHING, sizeof(owner_of));
	boot_facts.image_start = 128 * PAGE_SIZE;
	boot_facts.image_end = 200 * PAGE_SIZE;
	while (at < end) {
		frame_t size = (frame_t)(unit_random() % 3 ? unit_random() % (20 * FRAME_SECTION) : unit_random() % 3000) + 1;
		if (at == 256 && size < 6000)
			size = 6000;
		if (unit_random() & 1)
			size = (frame_t)round_up(at + size, FRAME_SECTION) - at;
		frame_t stop = at + size < end ? at + size : end;
		ram_add(at, stop);
		at = stop + 1 + (frame_t)(unit_random() % 5000);
		if (!archive && at < end) {
			boot_facts.archive = (u64)(stop + 1) * PAGE_SIZE;
			boot_facts.archive_size = (u64)(at - stop - 1) * PAGE_SIZE;
			archive = boot_facts.archive_size > 0;
			memset(owner_of + stop + 1, ARCHIVE, at - stop - 1);
		}
	}
}

static void take(u64 pages)
{
	paddr_t start = frame_boot_alloc(pages);

	for (u64 page = 0; page < pages; page++) {
		frame_t frame = (frame_t)(start / PAGE_SIZE + page);
		CHECK(frame < FRAMES_MAX && owner_of[frame] == RAM);
		owner_of[frame] = GIVEN;
		CHECK(*(u64 *)frame_address(frame) == 0);
		memset(frame_address(frame), 0xff, 64);
	}
}

static void domain_make(u32 id, u32 slot)
{
	domain_number(&domains[id], id);
	domains[id].class = 1;
	domains[id].root = arch_kernel_root;
	domains[id].window = ARCH_KERNEL_UNIT_WINDOW(slot);
	domains[id].arch.key = ARCH_KEY_UNIT(slot);
	domains[id].rights = TK_RIGHT_MEMORY;
}

static void ranges_check(void)
{
	for (u32 i = 0; i < info.range_count; i++)
		for (u64 f = info.ranges[i].first_frame; f < info.ranges[i].first_frame + info.ranges[i].count; f++) {
			const struct frame_record *r = frame_record((frame_t)f);
			CHECK(owner_of[f] == RAM && r->type == FRAME_USER && r->owner == WORLD_MEM && frame_held_only_by(r, WORLD_MEM));
			owner_of[f] = GIVEN;
		}
	for (u64 f = 0; f < frame_count; f++) {
		u32 type = frame_record((frame_t)f)->type;
		if (owner_of[f] == ARCHIVE)
			CHECK(type == FRAME_USER && frame_record((frame_t)f)->owner == WORLD_FS);
		else if (owner_of[f] == NOTHING)
			CHECK(type == FRAME_ABSENT || type == FRAME_CORE);
		else if (owner_of[f] == RAM) /* used for tables, or off line */
			CHECK(type != FRAME_USER && type != FRAME_OBJECT);
	}
}

/* Every other section is RAM throughout, or nobody gets it. */
static void sections_check(void)
{
	for (u32 s = 0; s < info.section_count + 2; s++) {
		frame_t first = s * FRAME_SECTION;
		long result = memory_online(WORLD_MEM, s);
		if (result < 0) {
			CHECK(result == -ENODEV || result == -EINVAL);
			continue;
		}
		CHECK((frame_t)result > first && (frame_t)result < first + 600);
		for (frame_t f = first; f < first + FRAME_SECTION; f++)
			CHECK(owner_of[f] == RAM);
		CHECK(arch_entry_frame(world_window(WORLD_MEM, (frame_t)result)) == (frame_t)result);
		CHECK(arch_entry_frame(world_window(WORLD_MEM, first + FRAME_SECTION - 1)) == first + FRAME_SECTION - 1);
		CHECK(world_window(WORLD_MEM, (frame_t)result - 1) == 0);
		const struct frame_record *records = frame_address(first);
		CHECK(records[0].type == FRAME_CORE && records[FRAME_SECTION - 1].type == FRAME_USER && records[result - first].owner == WORLD_MEM);
		CHECK(memory_online(WORLD_MEM, s) == -ENODEV);
		memset(owner_of + first, GIVEN, FRAME_SECTION);
	}
	u64 lost = 0;
	for (u64 f = 0; f < frame_count; f++)
		lost += owner_of[f] == RAM;
	CHECK(lost < 40 * FRAME_SECTION / 64); /* the core's own: records and tables, which the test did not take itself */
}

static void machine_boot(void)
{
	space_map(ARCH_PHYSMAP, (u64)FRAMES_MAX * PAGE_SIZE);
	space_map(ARCH_RECORDS, FRAMES_MAX * sizeof(struct frame_record));
	machine_make();
	arch_kernel_root = 0x64000;
	domain_count = 3;
	domain_make(WORLD_MEM, 1);
	domain_make(WORLD_FS, 2);
	frame_init();
	for (u32 i = 0; i < 80; i++)
		take(1 + unit_random() % 30);
	if (boot_facts.archive_size)
		frame_boot_give((frame_t)(boot_facts.archive / PAGE_SIZE), boot_facts.archive_size / PAGE_SIZE, WORLD_FS);
	frame_boot_seal(WORLD_MEM, &info);
	CHECK(frame_boot_table() == FRAME_NONE && reserve_count() > 50 && info.range_count > 0);
	ranges_check();
	sections_check();
}

static void random_machines(void)
{
	for (u32 round = 0; round < 30; round++) {
		int status = -1;
		unit_random();
		fflush(stdout);
		pid_t child = fork();
		if (child == 0) {
			for (u32 i = 0; i < round * 7; i++)
				unit_random();
			machine_boot();
			fflush(stdout);
			_exit(unit_failures != 0);
		}
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		if (unit_failures)
			return;
	}
}

TEST_MAIN(TEST(random_machines))
