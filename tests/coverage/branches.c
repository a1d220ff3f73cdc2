/*
 * A QEMU plugin that remembers which ways the conditional jumps of the kernel's image went, on all processors. Argument: out=FOLDER. At
 * the machine's end it writes there, in a file of its own, "image PATH" (QEMU's -kernel or -cdrom), a line "block START" for each
 * piece of code that ran and "jump ADDRESS TAKEN PASSED" (0 or 1) for each conditional jump at the end of one.
 */
#include "../../bench/plugin/qemu_plugin.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

#define IMAGE_BASE 0xffffffff80000000u
#define IMAGE_SPACE 0x40000000u            /* where the slide can put it */
#define IMAGE_PHYSICAL 0x200000u           /* where it runs until it has moved */
#define IMAGE_MAX 0x1000000u
#define PROCESSORS 64

struct block {
	struct block *next;
	uint64_t start, end, jump, target;   /* jump: address of a conditional one at the end, or 0 */
	volatile bool ran, taken, passed;    /* only ever set: processors need no lock for them */
};

static struct block *blocks;               /* the translator calls one at a time */
static struct block *last[PROCESSORS];
static const char *folder;
static volatile bool moved;                /* from here on low addresses are programs' */

static bool is_high(uint64_t address) { return address >= IMAGE_BASE && address - IMAGE_BASE < IMAGE_SPACE; }
static bool is_early(uint64_t address) { return !moved && address >= IMAGE_PHYSICAL && address - IMAGE_PHYSICAL < IMAGE_MAX; }
static uint64_t linked(uint64_t address) { return is_high(address) ? address : address - IMAGE_PHYSICAL + IMAGE_BASE; }

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

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *end = qemu_plugin_tb_get_insn(tb, count - 1);
	uint64_t start = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));

	(void)id;
	if (!is_high(start) && !is_early(start))
		return;
	struct block *block = calloc(1, sizeof(*block));
	if (block == NULL)
		return;
	block->start = start;
	block->end = qemu_plugin_insn_vaddr(end) + qemu_plugin_insn_size(end);
	jump_decode(block, end);
	block->next = blocks;
	blocks = block;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, block);
}

/* The argument behind -kernel or -cdrom of this QEMU. */
static void image_write(FILE *out)
{
	static char words[1 << 16];
	FILE *in = fopen("/proc/self/cmdline", "r");
	size_t size = in ? fread(words, 1, sizeof(words) - 1, in) : 0;

	if (in)
		fclose(in);
	for (size_t at = 0; at < size; at += strlen(words + at) + 1)
		if (strcmp(words + at, "-kernel") == 0 || strcmp(words + at, "-cdrom") == 0)
			fprintf(out, "image %s\n", words + at + strlen(words + at) + 1);
}

static void ended(qemu_plugin_id_t id, void *data)
{
	char path[4096];
	FILE *out;

	(void)id;
	(void)data;
	snprintf(path, sizeof(path), "%s/%d.trace", folder, (int)getpid());
	out = fopen(path, "w");
	if (out == NULL)
		return;
	image_write(out);
	for (struct block *block = blocks; block; block = block->next) {
		if (block->ran)
			fprintf(out, "block %lx\n", linked(block->start));
		if (block->ran && block->jump)
			fprintf(out, "jump %lx %d %d\n", linked(block->jump), block->taken, block->passed);
	}
	fclose(out);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "out=", 4) == 0)
			folder = argv[i] + 4;
	if (!folder) {
		fprintf(stderr, "branches: no output: out=FOLDER\n");
		return -1;
	}
	folder = strdup(folder);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
