/* What the command line asks for, calls and what they answered. */
#include "fuzz.h"
#include <runtime_unit.h>

#define CALLS_DEFAULT 20000u
#define OPS_MAX 512u
#define OTHER_ODDS 6u    /* one call in so many goes to another interface, whose handles are arguments of this one */
#define SEQUENCE_ODDS 8u /* one turn in so many is a sequence */
#define ERRORS_MAX 192u
#define TURNS_SAID 2048u

static bool tracing; /* asked for, and the sequences as they stand, which name themselves, are over */
struct fuzz_options fuzz_options = { .calls = CALLS_DEFAULT };

/* What an operation has answered so far. */
static struct { u32 tries, successes; u64 errors[ERRORS_MAX / 64]; } coverage[OPS_MAX];

static u64 number_read(const char **text)
{
	u64 value = 0;

	for (; **text >= '0' && **text <= '9'; ++*text)
		value = value * 10 + (u64)(**text - '0');
	return value;
}

void options_read(void)
{
	const char *text = text_find(rt_boot->command_line, "fuzz=");

	fuzz_options.trace = text_find(rt_boot->command_line, "trace") != NULL;
	if (!text)
		return;
	text += 5;
	fuzz_options.seed = number_read(&text);
	if (*text++ != ',')
		return;
	fuzz_options.calls = (u32)number_read(&text);
	if (*text++ != ',')
		return;
	for (u32 i = 0; i + 1 < sizeof(fuzz_options.interface) && *text > ' '; i++)
		fuzz_options.interface[i] = *text++;
}

bool fuzzer_init(struct fuzzer *f, u64 seed)
{
	f->random = seed;
	for (u32 i = 0; i < BUFFERS; i++) {
		f->buffers[i] = heap_alloc(PAGE_SIZE);
		if (!f->buffers[i])
			return false;
	}
	return true;
}

void fuzzer_end(struct fuzzer *f)
{
	for (u32 i = 0; i < BUFFERS; i++)
		heap_free(f->buffers[i]);
}

u32 interface_find(const char *name)
{
	u32 i = 0;

	while (i < countof(grammar) && strcmp(grammar[i].name, name))
		i++;
	return i;
}

u32 op_find(u32 interface, const char *name)
{
	u32 op = 0;

	while (op < grammar[interface].op_count && strcmp(grammar[interface].ops[op].name, name))
		op++;
	return op;
}

static u32 gate_of(const char *part)
{
	for (const struct runtime_gate *gate = unit_gates; gate->interface; gate++) {
		if (!strcmp(gate->interface, part))
			return gate->gate;
	}
	return TK_GATES_MAX - 1;
}

bool op_reachable(u32 interface, u32 op)
{
	return gate_of(grammar[interface].ops[op].part) != TK_GATES_MAX - 1;
}

/* Memory that is asked for and never given back ends in an honest -ENOMEM for all. */
static bool op_left_out(const char *interface, const char *op)
{
	return !strcmp(interface, "mem") && (!strcmp(op, "heap_grow") || !strcmp(op, "frames_alloc"));
}

static u32 coverage_of(u32 interface, u32 op)
{
	for (u32 i = 0; i < interface; i++)
		op += grammar[i].op_count;
	return op;
}

/* Relaxed: counts of several threads, read when all are done. */
static void result_note(u32 number, long result)
{
	__atomic_fetch_add(&coverage[number].tries, 1, __ATOMIC_RELAXED);
	if (result >= 0)
		__atomic_fetch_add(&coverage[number].successes, 1, __ATOMIC_RELAXED);
	else if (-result < (long)ERRORS_MAX)
		__atomic_fetch_or(&coverage[number].errors[-result / 64], 1ul << (-result % 64), __ATOMIC_RELAXED);
}

long call_make(struct fuzzer *f, u64 actor, u32 interface, u32 op)
{
	struct tk_message message;
	const struct place_call call = { interface, op, gate_of(grammar[interface].ops[op].part), actor, &message };
	long result;

	memcpy(message.args, f->words, sizeof(f->words));
	if (tracing)
		log_line("# %lu %s.%s %lx %lx %lx %lx %lx %lx", actor, grammar[interface].name, grammar[interface].ops[op].name,
			 message.args[0], message.args[1], message.args[2], message.args[3], message.args[4], message.args[5]);
	result = place_call(f, &call);
	result_note(coverage_of(interface, op), result);
	memcpy(f->words, message.args, sizeof(f->words));
	return result;
}

static u32 interface_choose(struct fuzzer *f)
{
	u32 wanted = interface_find(fuzz_options.interface);

	if (wanted < countof(grammar) && random_next(f) % OTHER_ODDS)
		return wanted;
	return (u32)(random_next(f) % countof(grammar));
}

static void call_random(struct fuzzer *f)
{
	u32 interface = interface_choose(f);
	const struct grammar_interface *of = &grammar[interface];
	u32 op = (u32)(random_next(f) % of->op_count);

	if (!op_reachable(interface, op) || op_left_out(of->name, of->ops[op].name))
		return;
	words_choose(f, of->name, &of->ops[op]);
	if (call_make(f, 0, interface, op) >= 0)
		results_keep(f, of->name, &of->ops[op], f->words);
}

void calls_random(struct fuzzer *f, u32 count)
{
	tracing = fuzz_options.trace;
	for (f->turns = 0; f->turns < count && !f->gone && !(f->interrupt && *f->interrupt & TK_INTERRUPT_KILL); f->turns++) {
		if (f->turns % TURNS_SAID == 0)
			log_line("# turn %u", f->turns); /* that it goes on */
		if (random_next(f) % SEQUENCE_ODDS == 0)
			sequence_random(f);
		else
			call_random(f);
	}
}

void fuzz_pause(void)
{
	static volatile u32 never;

	(void)tk_wait(&never, 0, clock_monotonic() + 1000000, TK_WAIT_NEVER_INTERRUPTED, ~0u);
}

void coverage_say(const char *what)
{
	for (u32 i = 0; i < countof(grammar); i++) {
		for (u32 op = 0; op < grammar[i].op_count; op++) {
			u32 number = coverage_of(i, op);
			char line[200];
			size_t length = (size_t)format_text(line, sizeof(line), "%s %s.%s %u %u", what, grammar[i].name, grammar[i].ops[op].name,
							     coverage[number].tries, coverage[number].successes);

			for (u32 e = 1; e < ERRORS_MAX && length < sizeof(line) - 8; e++) {
				if (coverage[number].errors[e / 64] >> (e % 64) & 1)
					length += (size_t)format_text(line + length, sizeof(line) - length, " %u", e);
			}
			log_line("%s", line);
		}
	}
}

noreturn_fn void fuzz_end(void)
{
	coverage_say("C");
	log_line("1..1");
	log_line("ok 1 - services outlive hostile calls");
	log_line("=== EXIT fuzz 0");
	tk_power(TK_POWER_OFF, 0);
	for (;;)
		tk_yield();
}
