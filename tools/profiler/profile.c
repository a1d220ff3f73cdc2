/*
 * A QEMU plugin that counts every instruction of a machine with one processor where it runs: by program, chain of calls and piece of
 * code. Counting begins when a program other than the launcher's first process comes to user mode. The core's record of the current
 * thread is read from the guest's memory, so nothing in the guest knows of it. Arguments: see `settings`.
 */
#include "profile.h"
#include "../../bench/plugin/qemu_plugin.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

#define KERNEL_HALF (1ul << 63)
#define FIRST_PROCESS ".tessera-init"
#define ENTRY_STRIDE 0x10000u

/* Addresses and offsets of the core's image, in numbers as strtoull reads them; `out` and `memory` are words. */
static struct { uint64_t memory_size, stubs, current, client_root, domain, physmap; } settings;
static const struct { const char *name; uint64_t *value; } setting_names[] = {
	{ "memory_size", &settings.memory_size }, { "stubs", &settings.stubs }, { "current", &settings.current },
	{ "client_root", &settings.client_root }, { "domain", &settings.domain }, { "physmap", &settings.physmap },
};
static FILE *out;

static uint64_t executed, cr3, pkrs, modes; /* since power-on; added to by the translated code itself */
static uint64_t cr3_before, pkrs_before, modes_before;
static bool counting;
static uint64_t current_at;                 /* physical address of the processor's current thread, once seen */

static uint64_t thread_field(uint64_t thread, uint64_t offset)
{
	uint64_t value = 0;

	if (thread >= settings.physmap && !guest_word(thread - settings.physmap + offset, &value))
		return 0;
	return value;
}

static void counting_begin(void)
{
	counting = true;
	cr3_before = cr3;
	pkrs_before = pkrs;
	modes_before = modes;
}

/* The thread is in its program again, where nothing was expected to return: has another program taken its place? */
static void program_look(struct context *context)
{
	uint64_t root = thread_field(context->thread, settings.client_root);
	char name[64];

	if (!guest_program_name(root, name, sizeof(name)))
		return;
	uint32_t program = program_number(name);

	if (program != context->program || root != context->root)
		stack_restart(context, program);
	context->root = root;
	if (!counting && strcmp(name, FIRST_PROCESS) != 0)
		counting_begin();
}

static void block_executed(unsigned int vcpu, void *data)
{
	static const struct block *last;
	static struct context *context;
	static bool last_in_program, last_called;
	static uint64_t last_executed;
	const struct block *block = data;
	uint64_t thread = 0;

	(void)vcpu;
	if (!current_at || !guest_word(current_at, &thread))
		return;
	if (counting)
		account(context->node, last->code, executed - last_executed, last_called);
	last_executed = executed;
	bool in_program = block->start < KERNEL_HALF && thread_field(thread, settings.domain) == 0;

	last_called = false;
	if (context && context->thread == thread) {
		last_called = last->ending == ENDS_CALL && !block->stub;
		if (stack_follow(context, last, block, last_in_program, in_program))
			program_look(context);
	} else {
		context = context_of(thread);
	}
	last = block;
	last_in_program = in_program;
}

static void current_accessed(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	(void)vcpu, (void)data;
	if (!current_at && address % ENTRY_STRIDE == settings.current)
		current_at = qemu_plugin_hwaddr_phys_addr(qemu_plugin_get_hwaddr(info, address));
}

static void add(struct qemu_plugin_insn *insn, uint64_t *counter)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, counter, 1);
}

static bool bytes_are(const uint8_t *bytes, size_t size, const char *expected, size_t length)
{
	return size >= length && memcmp(bytes, expected, length) == 0;
}

static void instruction_watch(struct qemu_plugin_insn *insn, const uint8_t *b, size_t size)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	uint32_t displacement = 0;

	add(insn, &executed);
	if (bytes_are(b, size, "\x0f\x30", 2))
		add(insn, &pkrs);
	else if (size >= 3 && b[size - 3] == 0x0f && b[size - 2] == 0x22 && (b[size - 1] & 0x38) == 0x18)
		add(insn, &cr3);
	else if (bytes_are(b, size, "\x0f\x05", 2) || bytes_are(b, size, "\x48\x0f\x07", 3) || bytes_are(b, size, "\x48\xcf", 2))
		add(insn, &modes);
	if (address < KERNEL_HALF)
		return;
	if (size >= 8 && b[0] == 0x65)
		memcpy(&displacement, b + size - sizeof(displacement), sizeof(displacement));
	if (displacement && displacement == settings.current)
		qemu_plugin_register_vcpu_mem_cb(insn, current_accessed, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
}

static enum ending ending_of(const uint8_t *b, size_t size)
{
	while (size > 1 && ((*b & 0xf0) == 0x40 || *b == 0xf2 || *b == 0xf3 || *b == 0x66 || *b == 0x3e)) {
		b++;
		size--;
	}
	if (*b == 0xe8 || (size > 1 && *b == 0xff && (b[1] & 0x38) == 0x10))
		return ENDS_CALL;
	if (*b == 0xc3 || *b == 0xc2)
		return ENDS_RETURN;
	if (bytes_are(b, size, "\x0f\x05", 2))
		return ENDS_SYSCALL;
	if (bytes_are(b, size, "\x0f\x07", 2) || *b == 0xcf)
		return ENDS_TO_UNIT_OR_USER;
	return ENDS_OTHERWISE;
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb), total = 0;
	struct block *block = calloc(1, sizeof(*block));
	uint8_t bytes[64];

	(void)id;
	if (!block)
		abort();
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *data = qemu_plugin_insn_data(insn);
		size_t size = qemu_plugin_insn_size(insn);

		instruction_watch(insn, data, size);
		if (total + size <= sizeof(bytes))
			memcpy(bytes + total, data, size);
		total += size;
		block->end = qemu_plugin_insn_vaddr(insn) + size;
		block->ending = ending_of(data, size);
	}
	block->start = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
	block->stub = settings.stubs && block->start - settings.stubs < 256 * 32 && (block->start - settings.stubs) % 32 == 0;
	block->code = code_number(block->start, bytes, total < sizeof(bytes) ? total : sizeof(bytes));
	if (block->stub)
		add(qemu_plugin_tb_get_insn(tb, 0), &modes);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_executed, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void ended(qemu_plugin_id_t id, void *data)
{
	(void)id, (void)data;
	output_write(out);
	fprintf(out, "switches %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", cr3 - cr3_before, pkrs - pkrs_before, modes - modes_before);
	fclose(out);
}

static bool argument_read(const char *word, const char **memory)
{
	const char *value = strchr(word, '=');

	if (!value++)
		return false;
	if (strncmp(word, "out=", 4) == 0)
		return (out = fopen(value, "w")) != NULL;
	if (strncmp(word, "memory=", 7) == 0) {
		*memory = value;
		return true;
	}
	for (size_t i = 0; i < sizeof(setting_names) / sizeof(*setting_names); i++)
		if (strncmp(word, setting_names[i].name, strlen(setting_names[i].name)) == 0 && word[strlen(setting_names[i].name)] == '=') {
			*setting_names[i].value = strtoull(value, NULL, 0);
			return true;
		}
	return false;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv);
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
	const char *memory = NULL;

	(void)info;
	for (int i = 0; i < argc; i++)
		if (!argument_read(argv[i], &memory)) {
			fprintf(stderr, "tessera profile: the plugin does not know %s\n", argv[i]);
			return -1;
		}
	if (!out || !memory || !guest_open(memory, settings.memory_size)) {
		fprintf(stderr, "tessera profile: the plugin needs out= and memory=\n");
		return -1;
	}
	program_number("[services]");
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
