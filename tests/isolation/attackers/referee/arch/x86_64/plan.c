/* What is attacked, in this order: addresses of x86_64, then instructions, states, requests, races, jumps into the core. */
#include <arch/layout.h>
#include <neighbour_client.h>
#include <tessera/arch.h>
#include "../../referee.h"
#include "../../../usurper/include/usurpation.h"

enum access { READ_ONLY_TRIED = 1, WRITE_TRIED = 2, BOTH_TRIED = 3, WRITE_ONLY_DIES = 4 };
struct place {
	const char *name;
	u64 address;
	u32 access;           /* WRITE_ONLY_DIES: an IC1 unit may read it */
	const char *argument; /* its address is given by the harness */
};

static struct place places[] = {
	{ "the core's text", ARCH_IMAGE, BOTH_TRIED, NULL },
	{ "the core's entry text", 0, WRITE_TRIED, "entry" },
	{ "the core's constants", 0, BOTH_TRIED, "constants" },
	{ "the core's data", 0, BOTH_TRIED, "data" },
	{ "the domains", 0, BOTH_TRIED, "domains" },
	{ "the stack guard of the core", 0, BOTH_TRIED, "guard" },
	{ "the map of all memory, page tables", ARCH_PHYSMAP + 0x1000, BOTH_TRIED, NULL },
	{ "the map of all memory, the image", ARCH_PHYSMAP + 0x200000, BOTH_TRIED, NULL },
	{ "the map of all memory, its last page", ARCH_PHYSMAP + 0x7f00000, BOTH_TRIED, NULL },
	{ "the records of frames", ARCH_RECORDS + 0x20, BOTH_TRIED, NULL },
	{ "the registers of processor 0", ARCH_ENTRY + ARCH_ENTRY_CPU, BOTH_TRIED, NULL },
	{ "the stack of processor 0", ARCH_ENTRY + ARCH_ENTRY_STACK_TOP - 16, BOTH_TRIED, NULL },
	{ "the stack of processor 1", ARCH_ENTRY + ARCH_ENTRY_STRIDE + ARCH_ENTRY_STACK_TOP - 16, BOTH_TRIED, NULL },
	{ "the fatal stack of processor 0", ARCH_ENTRY + ARCH_ENTRY_FATAL_TOP - 16, BOTH_TRIED, NULL },
	{ "the guard page below the core's stack", ARCH_ENTRY + 0x3000, BOTH_TRIED, NULL },
	{ "the local interrupt controller", ARCH_DEVICES + 0xfee00020, BOTH_TRIED, NULL },
	{ "the interrupt controller", ARCH_DEVICES + 0xfec00000, BOTH_TRIED, NULL },
	{ "the entry page: return frame", ARCH_ENTRY + 16, WRITE_ONLY_DIES, NULL },
	{ "the entry page: descriptors", ARCH_ENTRY + 0x48, WRITE_ONLY_DIES, NULL },
	{ "the entry page: task state", ARCH_ENTRY + 0xc4, WRITE_ONLY_DIES, NULL },
	{ "the entry page of processor 1", ARCH_ENTRY + ARCH_ENTRY_STRIDE, WRITE_ONLY_DIES, NULL },
	{ "the interrupt descriptors", 0, WRITE_ONLY_DIES, "idt" },
	{ "entry stacks of another unit", ARCH_ENTRY_STACKS + 64 * ARCH_ENTRY_STACK_STRIDE + 0xff0, BOTH_TRIED, NULL },
	{ "the heap of units in class IC0", ARCH_KERNEL_UNIT_PRIVATE(0) + ARCH_UNIT_HEAP, BOTH_TRIED, NULL },
	{ "the stacks of units in class IC0", ARCH_KERNEL_UNIT_PRIVATE(0) + ARCH_UNIT_STACKS + TK_STACK_STRIDE - 16, BOTH_TRIED, NULL },
	{ "the heap of another unit", ARCH_KERNEL_UNIT_PRIVATE(1) + ARCH_UNIT_HEAP, BOTH_TRIED, NULL },
	{ "the boot page of another unit", ARCH_KERNEL_UNIT_PRIVATE(1) + ARCH_UNIT_BOOT, BOTH_TRIED, NULL },
	{ "the window of another unit", ARCH_KERNEL_UNIT_WINDOW(1) + 0x8000000, BOTH_TRIED, NULL },
	{ "the neighbour's heap", 0, BOTH_TRIED, "neighbour_heap" },
	{ "the neighbour's stack", 0, BOTH_TRIED, "neighbour_stack" },
	{ "an address that is not canonical", 0x7770000000000000, BOTH_TRIED, NULL },
	{ "address 0", 0, BOTH_TRIED, NULL },
	{ "memory of applications", 0x400000, WRITE_TRIED, NULL },
};

static const char *const instruction_names[] = {
#define X(identifier, name, code) name,
	INSTRUCTIONS(X)
#undef X
};
static const char *const state_names[] = {
#define X(identifier, name, before, after) name,
	STATES(X)
#undef X
};
static const char *const request_names[] = {
#define X(identifier, name) name,
	REQUESTS(X)
#undef X
};
static const char *const race_names[] = {
#define X(identifier, name) name,
	RACES(X)
#undef X
};

static const char *const greed_names[] = {
#define X(identifier, name) name,
	GREEDS(X)
#undef X
};
static const char *const stack_names[] = {
#define X(identifier, name) name,
	STACKS(X)
#undef X
};
static const char *const usurpation_names[] = {
#define X(identifier, name) name,
	USURPATIONS(X)
#undef X
};

static bool kernel_unit; /* the raider is in class IC1 */
static char text[96];

void plan_prepare(void)
{
	u64 heap, stack;
	bool found;

	kernel_unit = argument_number("class", 0, &found) == 1;
	rt_assert(found && neighbour_secret(&heap, &stack) == 0);
	for (u32 i = 0; i < countof(places); i++) {
		if (!places[i].argument)
			continue;
		if (!strcmp(places[i].argument, "neighbour_heap"))
			places[i].address = heap;
		else if (!strcmp(places[i].argument, "neighbour_stack"))
			places[i].address = stack;
		else
			places[i].address = argument_number(places[i].argument, 0, &found);
		rt_assert(places[i].address != 0);
	}
}

/* Two steps a place: reading, writing. */
static void place_step(u32 index, struct step *step)
{
	const struct place *place = &places[index / 2];
	bool write = index & 1;

	format_text(text, sizeof(text), "%s %s", write ? "write" : "read", place->name);
	*step = (struct step){ text, write ? ATTACK_WRITE : ATTACK_READ, DIES, place->address, 0x5ec2e7bad };
	if (!write && place->access == WRITE_ONLY_DIES && kernel_unit)
		step->outcome = WORKS;
	if (!write && (place->access == WRITE_TRIED || place->address == ARCH_ENTRY + ARCH_ENTRY_STRIDE)) /* there may be one processor */
		step->outcome = EITHER;
}

static bool jump_step(u32 index, struct step *step)
{
	bool found;
	u64 address = argument_number("jumps", index, &found);

	if (!found)
		return false;
	format_text(text, sizeof(text), "jump to 0x%lx in the core", ARCH_IMAGE + address);
	*step = (struct step){ text, ATTACK_EXECUTE, DIES, ARCH_IMAGE + address, 0 };
	return true;
}

static void race_step(u32 index, struct step *step)
{
	bool found;

	*step = (struct step){ race_names[index], ATTACK_RACE, NOTHING, index, 300 };
	if (index == RACE_frames || index == RACE_nowhere || index == RACE_nmi_frames)
		step->outcome = EITHER;
	if (index == RACE_nmi_frames)
		step->second = argument_number("entry", 0, &found);
	if (index == RACE_saved)
		step->second = 1000; /* threads must be preempted meanwhile, which does not happen often */
	if (index == RACE_rights || index == RACE_nowhere)
		step->second = 2500; /* an interrupt must come between two writes */
	if (index == RACE_wait_begins || index == RACE_resumed)
		step->outcome = DIES;
}

bool plan_step(u32 index, struct step *step)
{
	if (index < 2 * countof(places)) {
		place_step(index, step);
		return true;
	}
	index -= 2 * countof(places);
	if (index < INSTRUCTION_COUNT) {
		*step = (struct step){ instruction_names[index], ATTACK_INSTRUCTION, DIES, index, 0 };
		return true;
	}
	index -= INSTRUCTION_COUNT;
	if (index < STATE_COUNT) {
		*step = (struct step){ state_names[index], ATTACK_STATE, NOTHING, index, 0 };
		return true;
	}
	index -= STATE_COUNT;
	if (index < REQUEST_COUNT) {
		*step = (struct step){ request_names[index], ATTACK_REQUEST, NOTHING, index, 0 };
		return true;
	}
	index -= REQUEST_COUNT;
	if (index == 0) {
		*step = (struct step){ "popf of the interrupt and privilege flags", ATTACK_FLAGS, NOTHING, 0, 0 };
		return true;
	}
	index--;
	if (index == 0) {
		*step = (struct step){ "registers at the entry of a call", ATTACK_ENTRY, NOTHING, 0, 0 };
		return true;
	}
	index--;
	if (index < RACE_COUNT) {
		race_step(index, step);
		return true;
	}
	index -= RACE_COUNT;
	if (index < STACK_COUNT) {
		*step = (struct step){ stack_names[index], ATTACK_STACK, NOTHING, index, 0 };
		return true;
	}
	index -= STACK_COUNT;
	if (index < GREED_COUNT) {
		*step = (struct step){ greed_names[index], ATTACK_GREED, DIES, index, 8 };
		return true;
	}
	index -= GREED_COUNT;
	if (index < USURPATION_COUNT) {
		*step = (struct step){ usurpation_names[index], ATTACK_USURP, index == USURPATION_random ? EITHER : NOTHING, index,
			clock_monotonic() };
		return true;
	}
	return jump_step(index - USURPATION_COUNT, step);
}
