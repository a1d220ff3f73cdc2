/*
 * The search: from each state, each processor makes its next step, depth first; a state that was seen is not gone into again. All steps
 * are kept, to find at last the states from which the scripts can't end. A processor is a stack; a state is the stacks in use, the
 * cells that were written, what stores wait in buffers, and what the test keeps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "engine.h"

#define STATES_MAX (1u << 22)
#define TABLE_SIZE (1u << 23)
#define DEPTH_MAX 20000u
#define SNAPSHOT_BYTES (1ul << 31)
#define WALKS 400u             /* at random, to learn which memory is shared */
#define KEPT_MAX 8u

struct processor processors[PROCESSORS_MAX];
int running = -1;
u64 interleave_states, interleave_ends;

static const struct interleave *test;
static void *search_stack;
static struct { u8 *memory; size_t size; } kept[KEPT_MAX];
static u32 kept_count;
static const char *broken;     /* the first expectation that was */

/* A node of the search: a snapshot in the arena, and the choices that were tried. */
struct node { u8 *snapshot; u32 state, next, cells, choice; u64 place, address; };
static struct node nodes[DEPTH_MAX];
static u32 depth;
static u8 *arena, *arena_end;

static struct { u64 hash; u32 state; u32 reserved; } *table;
static struct { u32 from, to; } *edges;
static u32 edge_count, edges_max;
static u8 *good;               /* by state: from it the scripts can end */

/* ---- Processors ------------------------------------------------------------------------------------------------------------------ */

void stack_switch(void **from, void *to);
__asm__(".text\n.globl stack_switch\nstack_switch:\n"
	"push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
	"mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
	"pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n");

static u8 *stack_end(u32 id) { return (u8 *)STACK_BASE + (id + 1) * STACK_SIZE; }

u32 interleave_self(void) { return (u32)running; }

void processor_pause(u64 address, u64 place)
{
	struct processor *p = &processors[running];

	p->place = place;
	p->place_address = address;
	stack_switch(&p->stack, search_stack);
}

void interleave_relax(void)
{
	if (running >= 0)
		processor_pause(0, (u64)__builtin_return_address(0));
}

void interleave_expect(bool expectation, const char *what)
{
	if (!expectation && !broken)
		broken = what;
}

void interleave_keep(void *memory, size_t size)
{
	if (kept_count == KEPT_MAX || size % 8) {
		printf("Bail out! too much to keep, or not words\n");
		exit(1);
	}
	kept[kept_count].memory = memory;
	kept[kept_count++].size = size;
}

void arch_tlb_serve(void);

static void processor_main(void)
{
	test->script[running]();
	processors[running].finished = true;
	for (;;) {
		arch_tlb_serve();
		interleave_relax();
	}
}

static void processor_begin(u32 id)
{
	u64 *top = (u64 *)stack_end(id);

	__builtin_memset(stack_end(id) - STACK_SIZE, 0, STACK_SIZE);
	*--top = 0;
	*--top = (u64)processor_main;
	top -= 6;
	processors[id] = (struct processor){ .stack = top };
}

static void stack_hash(u32 id)
{
	const u64 *from = processors[id].stack;

	processors[id].stack_hash = hash_words(id, from, (size_t)((const u64 *)stack_end(id) - from));
}

/* ---- Steps -------------------------------------------------------------------------------------------------------------------------- */

/* Choices below the number of processors: its next step. Above: its oldest store becomes visible. False: there is no such step. */
static bool step(u32 choice)
{
	if (choice >= test->processors) {
		struct processor *p = &processors[choice - test->processors];
		if (!p->delayed_count)
			return false;
		memory_drain(p);
	} else {
		running = (int)choice;
		memory_enter();
		stack_switch(&search_stack, processors[choice].stack);
		memory_leave();
		running = -1;
		stack_hash(choice);
	}
	if (test->always)
		test->always();
	return true;
}

static u32 choices(void) { return test->processors * (delayed_stores ? 2 : 1); }

static bool all_ended(void)
{
	for (u32 id = 0; id < test->processors; id++)
		if (!processors[id].finished || processors[id].delayed_count)
			return false;
	return true;
}

/* ---- States ------------------------------------------------------------------------------------------------------------------------ */

static u64 state_hash(void)
{
	u64 hash = memory_hash();

	for (u32 i = 0; i < kept_count; i++)
		hash = hash_words(hash, (const u64 *)kept[i].memory, kept[i].size / 8);
	for (u32 id = 0; id < test->processors; id++) {
		const struct processor *p = &processors[id];
		hash = hash_words(hash, &p->stack_hash, 1) + p->finished;
		for (u32 i = 0; i < p->delayed_count; i++)
			hash = hash_words(hash, &p->delayed[i].address, 2) + p->delayed[i].size;
	}
	return hash | 1;
}

static u8 *save_bytes(u8 *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size / 8; i++)
		((u64 *)to)[i] = ((const u64 *)from)[i];
	return to + size;
}

static void node_push(u32 state)
{
	struct node *n = &nodes[depth];
	u8 *to = depth ? arena_end : arena;

	if (++depth == DEPTH_MAX || to + (1ul << 20) > arena + SNAPSHOT_BYTES) {
		printf("Bail out! %s: deeper than the search can go\n", test->name);
		exit(1);
	}
	*n = (struct node){ .snapshot = to, .state = state, .cells = memory_cells() };
	memory_save((u64 *)to);
	to = save_bytes(to + memory_cells() * 8, processors, sizeof(processors));
	for (u32 i = 0; i < kept_count; i++)
		to = save_bytes(to, kept[i].memory, kept[i].size);
	for (u32 id = 0; id < test->processors; id++)
		to = save_bytes(to, processors[id].stack, (size_t)(stack_end(id) - (u8 *)processors[id].stack));
	arena_end = to;
}

static void node_restore(const struct node *n)
{
	const u8 *from = n->snapshot + n->cells * 8;

	memory_restore((const u64 *)n->snapshot, n->cells);
	save_bytes((u8 *)processors, from, sizeof(processors));
	from += sizeof(processors);
	for (u32 i = 0; i < kept_count; from += kept[i++].size)
		save_bytes(kept[i].memory, from, kept[i].size);
	for (u32 id = 0; id < test->processors; id++) {
		size_t size = (size_t)(stack_end(id) - (u8 *)processors[id].stack);
		save_bytes(processors[id].stack, from, size);
		from += size;
	}
}

/* The number of the present state; *new: it was not seen before. */
static u32 state_visit(bool *new)
{
	u64 hash = state_hash();
	u32 at = (u32)(hash >> 20) % TABLE_SIZE;

	while (table[at].hash && table[at].hash != hash)
		at = (at + 1) % TABLE_SIZE;
	*new = !table[at].hash;
	if (*new) {
		if (interleave_states == STATES_MAX) {
			printf("Bail out! %s: more states than the table holds\n", test->name);
			exit(1);
		}
		table[at].hash = hash;
		table[at].state = (u32)interleave_states++;
		good[table[at].state] = all_ended();
	}
	return table[at].state;
}

static void edge_add(u32 from, u32 to)
{
	if (edge_count == edges_max) {
		edges_max = edges_max ? 2 * edges_max : 1u << 16;
		edges = realloc(edges, edges_max * sizeof(*edges));
	}
	edges[edge_count].from = from;
	edges[edge_count++].to = to;
}

/* States from which no way leads to an end: in a deadlock, or where processors only wait for each other. */
static u32 hopeless_count(void)
{
	bool changed = true;
	u32 hopeless = 0;

	while (changed) { /* later states are found from earlier ones: backwards, few rounds are needed */
		changed = false;
		for (u32 i = edge_count; i-- > 0;)
			if (good[edges[i].to] && !good[edges[i].from])
				good[edges[i].from] = changed = true;
	}
	for (u32 i = 0; i < interleave_states; i++)
		hopeless += !good[i];
	return hopeless;
}

/* ---- The search ------------------------------------------------------------------------------------------------------------------------ */

static void way_print(void)
{
	printf("# %s: not %s, by these steps (processor: place, memory):\n", test->name, broken);
	for (u32 i = 0; i < depth; i++)
		printf("#   %u%s: 0x%lx 0x%lx\n", nodes[i].choice % test->processors, nodes[i].choice >= test->processors ? " store" : "",
			(unsigned long)nodes[i].place, (unsigned long)nodes[i].address);
}

static void state_enter(void)
{
	bool new;
	u32 state = state_visit(&new);

	if (depth)
		edge_add(nodes[depth - 1].state, state);
	if (!new)
		return;
	if (all_ended()) {
		interleave_ends++;
		if (test->finally)
			test->finally();
	}
	if (!broken)
		node_push(state);
}

static void search(void)
{
	state_enter();
	while (depth && !broken && !memory_restart) {
		struct node *n = &nodes[depth - 1];
		if (n->next == choices()) {
			arena_end = n->snapshot;
			depth--;
			continue;
		}
		node_restore(n);
		n->choice = n->next++;
		n->place = processors[n->choice % test->processors].place;
		n->address = processors[n->choice % test->processors].place_address;
		if (step(n->choice) && !broken)
			state_enter();
	}
	if (broken)
		way_print();
	depth = 0;
}

static void walk(void)
{
	static u64 random;

	for (u32 i = 0; i < DEPTH_MAX && !all_ended() && !broken; i++) {
		random = random * 6364136223846793005ul + 1442695040888963407ul;
		step((u32)(random >> 33) % choices());
	}
}

static void tables_clear(void)
{
	interleave_states = interleave_ends = 0;
	edge_count = 0;
	madvise(table, TABLE_SIZE * sizeof(*table), MADV_DONTNEED);
}

static void *memory_map(u64 address, size_t size)
{
	void *memory = mmap((void *)address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (address ? MAP_FIXED : 0),
		-1, 0);

	if (memory == MAP_FAILED) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	return memory;
}

/* As in the beginning: the world is that of start(), which ran once. */
static void begin_again(const struct node *first)
{
	node_restore(first);
	broken = NULL;
}

bool interleave_explore(const struct interleave *wanted, bool delayed)
{
	if (!arena) {
		arena = memory_map(0, SNAPSHOT_BYTES);
		memory_map(STACK_BASE, PROCESSORS_MAX * STACK_SIZE);
		table = memory_map(0, TABLE_SIZE * sizeof(*table));
		good = memory_map(0, STATES_MAX);
	}
	test = wanted;
	delayed_stores = delayed;
	kept_count = depth = 0;
	memory_forget();
	test->start();
	for (u32 id = 0; id < test->processors; id++) {
		processor_begin(id);
		stack_hash(id);
	}
	node_push(0);
	struct node first = nodes[0];
	u8 *above = arena_end;
	u8 *base = arena;
	arena = above;
	for (u32 i = 0; i < WALKS; i++) {
		begin_again(&first);
		walk();
	}
	do {
		begin_again(&first);
		tables_clear();
		memory_restart = false;
		depth = 0;
		search();
	} while (memory_restart && !broken);
	bool found = broken;
	u32 hopeless = found ? 0 : hopeless_count();
	begin_again(&first); /* locks that are held would stop the next test */
	arena = base;
	printf("# %s: %lu states, %lu ends, %u steps, %u words%s\n", test->name, (unsigned long)interleave_states,
		(unsigned long)interleave_ends, edge_count, memory_cells(), delayed_stores ? ", stores delayed" : "");
	if (hopeless)
		printf("# %s: from %u states the scripts can't end\n", test->name, hopeless);
	return !found && !hopeless;
}

bool interleave_explore_all(const struct interleave *tests, size_t count, bool delayed)
{
	bool all_good = true;

	for (size_t i = 0; i < count; i++)
		if (!delayed || !tests[i].large || getenv("EXPLORE_LONG")) {
			all_good &= interleave_explore(&tests[i], delayed) && interleave_ends;
			if (!all_good && getenv("EXPLORE_ONE")) {
				printf("not ok 1 - %s\n", tests[i].name);
				exit(1);
			}
		}
	return all_good;
}
