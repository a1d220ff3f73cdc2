/*
 * A QEMU plugin that counts, between marks of the guest (bench/marker.h): instructions, writes of CR3 and of IA32_PKRS, and switches of
 * the processor's mode. One processor. Arguments: out=FILE, stubs=ADDRESS (256 interrupt stubs of 32 bytes: an entry by interrupt or
 * exception), exits=1 (each SYSRETQ and IRETQ counts as two switches and nothing else does: needs no knowledge of the kernel). Writes a
 * line "row kind instructions cr3 pkrs modes" for each mark. WRMSR counts as PKRS: boot apart, nothing else is written with it but the timer.
 */
#include "qemu_plugin.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

static uint64_t instructions, cr3, pkrs, modes;
static uint64_t stubs;
static bool exits;                /* switches are counted at the ways out, each with the way in */
static FILE *out;

static void marked(unsigned int vcpu, void *data)
{
	uint32_t mark = (uint32_t)(uintptr_t)data;

	(void)vcpu;
	fprintf(out, "%u %u %lu %lu %lu %lu\n", mark >> 4 & 0xfff, mark & 15, instructions, cr3, pkrs, modes);
	fflush(out);
}

static void add_times(struct qemu_plugin_insn *insn, uint64_t *counter, uint64_t times)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, counter, times);
}

static void add(struct qemu_plugin_insn *insn, uint64_t *counter)
{
	add_times(insn, counter, 1);
}

static void classify(struct qemu_plugin_insn *insn)
{
	const uint8_t *b = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn);
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	uint32_t mark;

	add(insn, &instructions);
	if (stubs && address >= stubs && address < stubs + 256 * 32 && (address - stubs) % 32 == 0)
		add(insn, &modes);
	if (size == 2 && b[0] == 0x0f && b[1] == 0x30)
		add(insn, &pkrs);
	else if (size >= 3 && b[size - 3] == 0x0f && b[size - 2] == 0x22 && (b[size - 1] & 0x38) == 0x18)
		add(insn, &cr3);
	else if (size == 2 && b[0] == 0x0f && b[1] == 0x05)                         /* SYSCALL */
		add_times(insn, &modes, !exits);
	else if (size == 3 && b[0] == 0x48 && b[1] == 0x0f && b[2] == 0x07)         /* SYSRETQ */
		add_times(insn, &modes, exits ? 2 : 1);
	else if (size == 2 && b[0] == 0x48 && b[1] == 0xcf)                         /* IRETQ */
		add_times(insn, &modes, exits ? 2 : 1);
	else if (size == 7 && b[0] == 0x0f && b[1] == 0x1f && b[2] == 0x80) {
		memcpy(&mark, b + 3, sizeof(mark));
		if (mark >> 16 == 0x7e55)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)mark);
	}
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
		classify(qemu_plugin_tb_get_insn(tb, i));
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0)
			out = fopen(argv[i] + 4, "w");
		else if (strncmp(argv[i], "stubs=", 6) == 0)
			stubs = strtoull(argv[i] + 6, NULL, 0);
		else if (strncmp(argv[i], "exits=", 6) == 0)
			exits = argv[i][6] == '1';
	}
	if (!out) {
		fprintf(stderr, "count: no output: out=FILE\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
