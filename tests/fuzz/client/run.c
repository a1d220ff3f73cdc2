/* Runs sequences: as they stand, or with steps left out, made twice, and words changed. */
#include "fuzz.h"
#include "sequence.h"
#include "sequences.h"
#include <mem_client.h>

#define WORD_ODDS 12u  /* one step in so many gets another word, */
#define STEP_ODDS 24u  /* is left out, or made twice */
#define HOARD_MAX 8192u
#define UNTRUE_SAID 3u
#define KEPT_MAX 32768u

/* All memory that there was. One sequence at a time has it. */
static u64 hoard[HOARD_MAX];
static u32 hoard_count;
static u64 hoard_mapping;      /* of the caller's space */
static u64 kept[KEPT_MAX];     /* a ring, for pop */
static u32 kept_first, kept_count;

/* ---- The words of a step ---------------------------------------------------------------------------------------------------------- */

void words_good(struct fuzzer *f, const struct grammar_op *op)
{
	u32 at = 0, buffer = 0;

	memset(f->words, 0, sizeof(f->words));
	for (const struct grammar_parameter *p = op->parameters; p->kind != GRAMMAR_END; p++) {
		u64 size = p->kind == GRAMMAR_BYTES_IN ? 0 : p->size;

		switch (p->kind) {
		case GRAMMAR_BYTES_IN:
		case GRAMMAR_BYTES_OUT:
		case GRAMMAR_STRUCT_IN:
		case GRAMMAR_STRUCT_OUT:
			memset(f->buffers[buffer], 0, p->size);
			f->words[at++] = (u64)f->buffers[buffer++];
			f->words[at++] = size;
			break;
		case GRAMMAR_RANGE:
			f->words[at++] = RANGE_BASE;
			f->words[at++] = 64;
			break;
		default:
			at++;
		}
	}
}

static u8 *buffer_of(const struct fuzzer *f, const struct grammar_op *op, u32 parameter)
{
	u32 buffer = 0;

	for (u32 i = 0; i < parameter; i++)
		buffer += op->parameters[i].kind >= GRAMMAR_BYTES_IN && op->parameters[i].kind <= GRAMMAR_STRUCT_OUT;
	return f->buffers[buffer];
}

static void value_put(struct fuzzer *f, const struct grammar_op *op, const struct sequence_value *v, const u64 *variables)
{
	u64 word = v->kind == SEQUENCE_VARIABLE ? variables[v->value] : v->value;

	if (v->size && v->kind == SEQUENCE_BYTES)
		memcpy(buffer_of(f, op, v->parameter) + v->offset, v->bytes, v->value < v->size ? v->value : v->size);
	else if (v->size)
		memcpy(buffer_of(f, op, v->parameter) + v->offset, &word, v->size < 8 ? v->size : 8);
	else if (v->kind == SEQUENCE_SIZE)
		f->words[v->word + 1] = word;
	else if (v->kind == SEQUENCE_BYTES) {
		memcpy(buffer_of(f, op, v->parameter), v->bytes, v->value < PAGE_SIZE ? v->value : PAGE_SIZE);
		f->words[v->word + 1] = v->value;
	} else {
		f->words[v->word] = word;
	}
}

static void words_put(struct fuzzer *f, const struct grammar_op *op, const struct sequence_step *step, const u64 *variables)
{
	words_good(f, op);
	for (const struct sequence_value *v = step->values; v && v->kind != SEQUENCE_END; v++)
		value_put(f, op, v, variables);
}

static void keep(u64 word)
{
	if (kept_count < KEPT_MAX)
		kept[(kept_first + kept_count++) % KEPT_MAX] = word;
}

static void captures_take(const struct fuzzer *f, const struct grammar_op *op, const struct sequence_step *step, long result, u64 *variables)
{
	for (const struct sequence_capture *c = step->captures; c && c->kind != SEQUENCE_END; c++) {
		u64 word = c->kind == SEQUENCE_RESULT ? (u64)result : c->kind == SEQUENCE_OUT ? f->words[c->from] : 0;

		if (c->kind == SEQUENCE_MEMBER)
			memcpy(&word, buffer_of(f, op, c->from) + c->offset, c->size < 8 ? c->size : 8);
		if (c->variable != SEQUENCE_KEEP)
			variables[c->variable] = word;
		else if (result >= 0)
			keep(word);
	}
}

/* ---- All memory ------------------------------------------------------------------------------------------------------------------- */

/* As the caller's pages; of what is left by then, and what is kept back from programs, the unit has its share in frames. */
static void memory_exhaust(struct fuzzer *f)
{
	struct mem_map_request request = { .space = f->given[SEQUENCE_SPACE], .size = rt_boot->memory_frames * PAGE_SIZE, .prot = 3,
		.flags = MEM_MAP_POPULATE | MEM_MAP_NORESERVE | MEM_MAP_IGNORE_LIMITS };
	u32 mem = interface_find("mem"), op = op_find(mem, "frames_alloc");

	if (mem_map(&request, &hoard_mapping) < 0)
		log_line("# FAIL memory can't be mapped");
	while (hoard_count < HOARD_MAX) {
		memset(f->words, 0, sizeof(f->words));
		if (call_make(f, 0, mem, op) < 0)
			break;
		hoard[hoard_count++] = f->words[0];
	}
}

static void memory_relieve(struct fuzzer *f)
{
	u32 mem = interface_find("mem"), op = op_find(mem, "frames_free");

	while (hoard_count) {
		u64 frame = hoard[--hoard_count];

		if (tk_frames_give((frame_t)frame, 1, rt_boot->mem_domain) < 0)
			log_line("# FAIL frame %lu can't be given back", frame);
		memset(f->words, 0, sizeof(f->words));
		f->words[0] = frame;
		if (call_make(f, 0, mem, op) < 0)
			log_line("# FAIL frame %lu is not taken back", frame);
	}
	if (mem_unmap(f->given[SEQUENCE_SPACE], hoard_mapping, rt_boot->memory_frames * PAGE_SIZE) < 0)
		log_line("# FAIL memory stays mapped");
}

/* ---- Steps ------------------------------------------------------------------------------------------------------------------------ */

static bool result_fits(const struct sequence_step *step, long result)
{
	return step->result == SEQUENCE_ANY || (step->result ? result == step->result : result >= 0);
}

static void step_run(struct fuzzer *f, const struct sequence *s, const struct sequence_step *step, u64 *variables, u32 *said)
{
	const struct grammar_op *op = &grammar[step->interface].ops[step->op];
	u64 actor = step->actor ? variables[step->actor - 1] : 0;
	long result = 0;

	for (u32 time = 0; time < step->times; time++) {
		if (step->times > 1)
			variables[SEQUENCE_TURN] = time;
		words_put(f, op, step, variables);
		result = call_make(f, actor, step->interface, step->op);
		captures_take(f, op, step, result, variables);
		if (result_fits(step, result))
			return;
	}
	f->untrue = true;
	if ((*said)++ < UNTRUE_SAID)
		log_line("# FAIL %s, line %u: %s.%s answers %ld, not %d", s->name, step->line, grammar[step->interface].name, op->name, result,
			 step->result);
}

struct position { u32 at, loop_start, loop_left; };

static u32 loop_end(const struct sequence *s, u32 from)
{
	while (from + 1 < s->step_count && s->steps[from].pseudo != SEQUENCE_END_LOOP)
		from++;
	return from;
}

/* What is no call; moves on. */
static void pseudo_run(struct fuzzer *f, const struct sequence *s, struct position *p, u64 *variables)
{
	const struct sequence_step *step = &s->steps[p->at];

	switch (step->pseudo) {
	case SEQUENCE_EXHAUST:
		memory_exhaust(f);
		break;
	case SEQUENCE_RELIEVE:
		memory_relieve(f);
		break;
	case SEQUENCE_LOOP:
		p->loop_start = p->at;
		p->loop_left = step->times;
		variables[SEQUENCE_TURN] = 0;
		break;
	case SEQUENCE_END_LOOP:
		variables[SEQUENCE_TURN]++;
		if (--p->loop_left)
			p->at = p->loop_start;
		break;
	case SEQUENCE_PUSH:
		keep(variables[step->actor - 1]);
		break;
	default: /* pop */
		if (!kept_count) {
			p->at = loop_end(s, p->at);
			break;
		}
		kept_count--;
		variables[step->actor - 1] = kept[kept_first];
		kept_first = (kept_first + 1) % KEPT_MAX;
	}
	p->at++;
}

void sequence_run(struct fuzzer *f, u32 number)
{
	const struct sequence *s = &sequences[number];
	u64 variables[SEQUENCE_VARIABLES] = { f->given[0], f->given[1], f->given[2] };
	struct position p = { 0 };
	u32 said = 0;

	f->untrue = false;
	log_line("# sequence %s", s->name);
	while (p.at < s->step_count && !f->gone) {
		if (s->steps[p.at].pseudo == SEQUENCE_CALL)
			step_run(f, s, &s->steps[p.at++], variables, &said);
		else
			pseudo_run(f, s, &p, variables);
	}
}

void refusals_see(struct fuzzer *f)
{
	for (u32 i = 0; i < countof(grammar); i++) {
		for (u32 op = 0; op < grammar[i].op_count; op++) {
			if (!op_reachable(i, op))
				continue;
			words_good(f, &grammar[i].ops[op]);
			(void)call_make(f, 0, i, op);
		}
	}
}

u32 sequence_next(enum sequence_place where, u32 from)
{
	for (u32 i = from; i < countof(sequences); i++)
		if (sequences[i].place == where)
			return i;
	return ~0u;
}

void sequences_run(struct fuzzer *f, enum sequence_place where)
{
	for (u32 i = sequence_next(where, 0); i != ~0u; i = sequence_next(where, i + 1))
		sequence_run(f, i);
}

/* One word of the step as a random call would have it, or noise. */
static void word_change(struct fuzzer *f, const char *interface, const struct grammar_op *op)
{
	u64 words[TK_ARGS_MAX];
	u32 at = (u32)(random_next(f) % TK_ARGS_MAX);

	if (random_next(f) % 2) {
		f->words[at] = noise_choose(f);
		return;
	}
	memcpy(words, f->words, sizeof(words));
	words_choose(f, interface, op);
	words[at] = f->words[at];
	memcpy(f->words, words, sizeof(words));
}

static void step_random(struct fuzzer *f, const struct sequence_step *step, u64 *variables)
{
	const char *interface = grammar[step->interface].name;
	const struct grammar_op *op = &grammar[step->interface].ops[step->op];
	u32 times = random_next(f) % STEP_ODDS == 0 ? (u32)(random_next(f) % 3) : 1;
	u64 actor = step->actor ? variables[step->actor - 1] : 0;

	for (u32 i = 0; i < times && !f->gone; i++) {
		long result;

		words_put(f, op, step, variables);
		if (random_next(f) % WORD_ODDS == 0)
			word_change(f, interface, op);
		result = call_make(f, actor, step->interface, step->op);
		captures_take(f, op, step, result, variables);
		if (result >= 0 && !actor)
			results_keep(f, interface, op, f->words);
	}
}

void sequence_random(struct fuzzer *f)
{
	const struct sequence *s = &sequences[random_next(f) % countof(sequences)];
	u64 variables[SEQUENCE_VARIABLES] = { f->given[0], f->given[1], f->given[2] };

	if (s->place != place)
		return;
	for (u32 i = 0; i < s->step_count; i++)
		if (s->steps[i].pseudo != SEQUENCE_CALL)
			return; /* the others would have no memory */
	for (u32 i = 0; i < s->step_count && !f->gone; i++)
		step_random(f, &s->steps[i], variables);
}
