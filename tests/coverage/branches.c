/*
 * A QEMU plugin that remembers which ways the conditional jumps of the kernel's image went, on all processors. Argument: out=FOLDER. It
 * keeps what it sees in a file of its own there, mapped, so that nothing is lost when the machine is killed: `struct header`, then its
 * blocks. tests/coverage/run.py reads it.
 */
#include "../../bench/plugin/qemu_plugin.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

#define IMAGE_BASE 0xffffffff80000000u
#define IMAGE_SPACE 0x40000000u            /* where the slide can put it */
#define IMAGE_PHYSICAL 0x200000u           /* where it runs until it has moved */
#define IMAGE_MAX 0x1000000u
#define PROCESSORS 64
#define BLOCKS (1u << 18)
#define BUCKETS (1u << 14)

struct header {
	char image[4088];                       /* path that QEMU was given by -kernel or -cdrom */
	uint64_t count;                         /* of blocks */
};

struct block {
	uint64_t start, end;
	uint64_t jump, target;                  /* jump: address of a conditional one at the end, or 0 */
	volatile uint8_t ran, taken, passed;    /* only ever set: processors need no lock for them */
};

_Static_assert(sizeof(struct header) == 4096 && sizeof(struct block) == 40, "run.py reads them");

static struct header *header;
static struct block *blocks;
static uint32_t *next, buckets[BUCKETS];   /* lists of blocks by their start: index + 1 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *last[PROCESSORS];
static volatile bool moved;                /* from here on low addresses are programs' */

static bool is_high(uint64_t address) { return address >= IMAGE_BASE && address - IMAGE_BASE < IMAGE_SPACE; }
static bool is_early(uint64_t address) { return !moved && address >= IMAGE_PHYSICAL && address - IMAGE_PHYSICAL < IMAGE_MAX; }

/* A conditional jump's way is told by where the processor goes on; an interrupt in between tells nothing. */
static void executed(unsigned int vcpu, void *data)
{
	struct block *block = data, *before = last[vcpu % PROCESSORS];

	block->ran = true;
	if (is_high(block->start) && !moved)
		moved = true;
	if (before && before->jump) {
		if (block->start == before->target)
			before->taken = true;
		else if (block->start == before->end)
			before->passed = true;
	}
	last[vcpu % PROCESSORS] = block;
}

static void jump_decode(struct block *block, struct qemu_plugin_insn *insn)
{
	const uint8_t *bytes = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn);
	int32_t distance;

	if (size == 2 && (bytes[0] & 0xf0) == 0x70) {
		distance = (int8_t)bytes[1];
	} else if (size == 6 && bytes[0] == 0x0f && (bytes[1] & 0xf0) == 0x80) {
		memcpy(&distance, bytes + 2, sizeof(distance));
	} else {
		return;
	}
	block->jump = qemu_plugin_insn_vaddr(insn);
	block->target = block->end + (uint64_t)(int64_t)distance;
}

/* The block with these ends, a new one if it was not seen before; NULL: there are too many. */
static struct block *block_of(const struct block *wanted)
{
	uint32_t *bucket = &buckets[(wanted->start >> 2 ^ wanted->start >> 16) % BUCKETS], index;
	struct block *block = NULL;

	pthread_mutex_lock(&lock);
	for (index = *bucket; index; index = next[index - 1])
		if (memcmp(&blocks[index - 1], wanted, offsetof(struct block, ran)) == 0)
			break;
	if (index == 0 && header->count < BLOCKS) {
		blocks[header->count] = *wanted;
		next[header->count] = *bucket;
		*bucket = index = (uint32_t)++header->count;
	}
	if (index)
		block = &blocks[index - 1];
	pthread_mutex_unlock(&lock);
	return block;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *end = qemu_plugin_tb_get_insn(tb, count - 1);
	struct block found = { .start = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0)) };

	(void)id;
	if (!is_high(found.start) && !is_early(found.start))
		return;
	found.end = qemu_plugin_insn_vaddr(end) + qemu_plugin_insn_size(end);
	jump_decode(&found, end);
	struct block *block = block_of(&found);
	if (block)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, block);
}

/* The argument behind -kernel or -cdrom of this QEMU. */
static void image_name(char *image, size_t room)
{
	static char words[1 << 16], path[4096];
	FILE *in = fopen("/proc/self/cmdline", "r");
	size_t size = in ? fread(words, 1, sizeof(words) - 1, in) : 0;

	if (in)
		fclose(in);
	for (size_t at = 0; at < size; at += strlen(words + at) + 1)
		if ((strcmp(words + at, "-kernel") == 0 || strcmp(words + at, "-cdrom") == 0) && realpath(words + at + strlen(words + at) + 1, path))
			snprintf(image, room, "%s", path);
}

/* Maps a new file in the folder. */
static bool trace_open(const char *folder)
{
	size_t size = sizeof(struct header) + BLOCKS * sizeof(struct block);
	struct timespec now;
	char path[4096];

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(path, sizeof(path), "%s/%d-%ld%09ld.trace", folder, (int)getpid(), (long)now.tv_sec, now.tv_nsec);
	int file = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
	if (file < 0 || ftruncate(file, (off_t)size) != 0)
		return false;
	header = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	next = calloc(BLOCKS, sizeof(*next));
	if (header == MAP_FAILED || next == NULL)
		return false;
	blocks = (struct block *)(header + 1);
	image_name(header->image, sizeof(header->image));
	return true;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
	const char *folder = NULL;

	(void)info;
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "out=", 4) == 0)
			folder = argv[i] + 4;
	if (!folder || !trace_open(folder)) {
		fprintf(stderr, "branches: no output: out=FOLDER\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
