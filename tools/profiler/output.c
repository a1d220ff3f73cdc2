/* The sums: code seen, programs, the tree of calls, and instructions of each piece of code at each node. All numbered from 0. */
#include "profile.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CODE_BYTES 48
#define CODES_MAX (1u << 20)
#define NODES_MAX (1u << 22)
#define PROGRAMS_MAX 1024
#define EMPTY 0

struct code { uint64_t start; uint8_t size, bytes[CODE_BYTES]; };
struct node { uint32_t parent, code; };
struct sum { uint64_t key, instructions, runs, calls; };

static struct code *codes;
static uint32_t code_count, *code_table;
static char *programs[PROGRAMS_MAX];
static uint32_t program_count;
static struct node *nodes;          /* nodes 0 to PROGRAMS_MAX - 1 are the roots of the programs */
static uint32_t node_count = PROGRAMS_MAX;
static uint32_t *node_table;
static struct sum *sums;            /* open addressing, by node and code */
static uint32_t sum_count;

static void *table_make(size_t count, size_t size)
{
	void *table = calloc(count, size);

	if (!table) {
		fprintf(stderr, "tessera profile: no memory\n");
		exit(1);
	}
	return table;
}

static void limit(uint32_t count, uint32_t maximum, const char *what)
{
	if (count < maximum)
		return;
	fprintf(stderr, "tessera profile: too many %s: a shorter run, please\n", what);
	exit(1);
}

static uint32_t hash(uint64_t a, uint64_t b)
{
	uint64_t mixed = (a + b * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;

	return (uint32_t)(mixed >> 32);
}

uint32_t code_number(uint64_t start, const uint8_t *bytes, size_t size)
{
	uint8_t kept = size < CODE_BYTES ? (uint8_t)size : CODE_BYTES;
	uint64_t first = 0;

	if (!codes) {
		codes = table_make(CODES_MAX, sizeof(*codes));
		code_table = table_make(CODES_MAX * 2, sizeof(*code_table));
	}
	memcpy(&first, bytes, kept < sizeof(first) ? kept : sizeof(first));
	uint32_t at = hash(start, first) % (CODES_MAX * 2);

	for (; code_table[at] != EMPTY; at = (at + 1) % (CODES_MAX * 2)) {
		const struct code *code = &codes[code_table[at] - 1];
		uint8_t common = code->size < kept ? code->size : kept;

		if (code->start == start && memcmp(code->bytes, bytes, common) == 0)
			return code_table[at] - 1;
	}
	limit(code_count, CODES_MAX - 1, "pieces of code");
	codes[code_count].start = start;
	codes[code_count].size = kept;
	memcpy(codes[code_count].bytes, bytes, kept);
	code_table[at] = ++code_count;
	return code_count - 1;
}

uint32_t program_number(const char *name)
{
	for (uint32_t i = 0; i < program_count; i++)
		if (strcmp(programs[i], name) == 0)
			return i;
	limit(program_count, PROGRAMS_MAX, "programs");
	programs[program_count] = strdup(name);
	return program_count++;
}

const char *program_name(uint32_t program)
{
	return programs[program];
}

uint32_t node_root(uint32_t program)
{
	return program;
}

uint32_t node_child(uint32_t node, uint32_t code)
{
	if (!nodes) {
		nodes = table_make(NODES_MAX, sizeof(*nodes));
		node_table = table_make((size_t)NODES_MAX * 2, sizeof(*node_table));
	}
	uint32_t at = hash(node, code) % (NODES_MAX * 2);

	for (; node_table[at] != EMPTY; at = (at + 1) % (NODES_MAX * 2))
		if (nodes[node_table[at]].parent == node && nodes[node_table[at]].code == code)
			return node_table[at];
	limit(node_count, NODES_MAX - 1, "chains of calls");
	nodes[node_count] = (struct node){ node, code };
	node_table[at] = node_count;
	return node_count++;
}

void account(uint32_t node, uint32_t code, uint64_t instructions, bool called)
{
	uint64_t key = ((uint64_t)node << 32 | code) + 1;

	if (!sums)
		sums = table_make(NODES_MAX, sizeof(*sums));
	uint32_t at = hash(node, code) % NODES_MAX;

	while (sums[at].key != EMPTY && sums[at].key != key)
		at = (at + 1) % NODES_MAX;
	if (sums[at].key == EMPTY) {
		limit(sum_count++, NODES_MAX - 1, "chains of calls");
		sums[at].key = key;
	}
	sums[at].instructions += instructions;
	sums[at].runs++;
	sums[at].calls += called;
}

/* Lines: program NUMBER NAME; code NUMBER START BYTES; node NUMBER PARENT CODE; sum NODE CODE INSTRUCTIONS RUNS CALLS. */
void output_write(FILE *out)
{
	for (uint32_t i = 0; i < program_count; i++)
		fprintf(out, "program %u %s\n", i, programs[i]);
	for (uint32_t i = 0; i < code_count; i++) {
		fprintf(out, "code %u %" PRIx64 " ", i, codes[i].start);
		for (uint32_t k = 0; k < codes[i].size; k++)
			fprintf(out, "%02x", codes[i].bytes[k]);
		fputc('\n', out);
	}
	for (uint32_t i = PROGRAMS_MAX; i < node_count; i++)
		fprintf(out, "node %u %u %u\n", i, nodes[i].parent, nodes[i].code);
	for (uint32_t i = 0; sums && i < NODES_MAX; i++)
		if (sums[i].key != EMPTY)
			fprintf(out, "sum %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", (sums[i].key - 1) >> 32,
				(sums[i].key - 1) & 0xffffffff, sums[i].instructions, sums[i].runs, sums[i].calls);
}
