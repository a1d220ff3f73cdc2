/*
 * A QEMU plugin that counts the instructions of the kernel's image by block of code, and those that processors spend waiting for each
 * other by who waits. Any number of processors; the image lies where it is linked (nokaslr). Arguments: out=FILE, spin=ADDRESS of each function
 * that waits. Writes a line "block START INSTRUCTIONS" for each block and "spin RETURN TIMES INSTRUCTIONS" for each place that called one.
 */
#include "../../bench/plugin/qemu_plugin.h"
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

#define IMAGE_BASE 0xffffffff80000000u
#define PROCESSORS 16
#define SPINS 4
#define HOLDER_STOPPED 10000 /* instructions: nobody is awaited for so long, unless the host has stopped that processor */

struct block {
	struct block *next;
	uint64_t start, end, size;           /* addresses, instructions */
	bool spin;                           /* a function that waits begins here */
	uint64_t runs[PROCESSORS];           /* each processor counts for itself */
	uint64_t spins[PROCESSORS], waited[PROCESSORS]; /* of the waits that its end called for: times, instructions */
};

static struct block *blocks;
static struct { struct block *last, *waiting; uint64_t waited; } processors[PROCESSORS];
static uint64_t spins[SPINS];
static int spin_count;
static FILE *out;

/* Interrupts are off in the core, so a wait ends where its caller goes on. */
static void executed(unsigned int vcpu, void *data)
{
	unsigned int p = vcpu % PROCESSORS;
	struct block *block = data, *waiting = processors[p].waiting;

	block->runs[p]++;
	if (waiting && block->start == waiting->end)
		processors[p].waiting = waiting = NULL;
	if (block->spin && !waiting && processors[p].last) {
		processors[p].waiting = waiting = processors[p].last;
		processors[p].waited = 0;
		waiting->spins[p]++;
	}
	if (waiting) {
		waiting->waited[p] += block->size;
		processors[p].waited += block->size;
		if (processors[p].waited > HOLDER_STOPPED)
			sched_yield(); /* a host with fewer processors than the machine lets the other go on */
	}
	processors[p].last = block;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *end = qemu_plugin_tb_get_insn(tb, count - 1);
	uint64_t start = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
	struct block *block;

	(void)id;
	if (start < IMAGE_BASE || !(block = calloc(1, sizeof(*block))))
		return;
	block->start = start;
	block->end = qemu_plugin_insn_vaddr(end) + qemu_plugin_insn_size(end);
	block->size = count;
	for (int i = 0; i < spin_count; i++)
		block->spin |= start == spins[i];
	block->next = blocks;
	blocks = block;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void ended(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	for (struct block *block = blocks; block; block = block->next) {
		uint64_t runs = 0, spins = 0, waited = 0;
		for (int p = 0; p < PROCESSORS; p++) {
			runs += block->runs[p];
			spins += block->spins[p];
			waited += block->waited[p];
		}
		fprintf(out, "block %lx %lu\n", block->start, runs * block->size);
		if (spins)
			fprintf(out, "spin %lx %lu %lu\n", block->end, spins, waited);
	}
	fclose(out);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0)
			out = fopen(argv[i] + 4, "w");
		else if (strncmp(argv[i], "spin=", 5) == 0 && spin_count < SPINS)
			spins[spin_count++] = strtoull(argv[i] + 5, NULL, 0);
	}
	if (!out || !spin_count) {
		fprintf(stderr, "spins: out=FILE and spin=ADDRESS are needed\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
