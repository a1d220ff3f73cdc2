/*
 * A hostile unit: its threads call each operation of the services with words that the grammar of their interfaces lets them choose well,
 * and with noise. No service may fail or hang by it. The command line has `fuzz=SEED,CALLS,INTERFACE`: most calls go to that interface;
 * with `trace`, each call stands in the log before it is made.
 */
#include "fuzz_server.h"
#include <runtime_unit.h>
#include "fuzz.h"
#include "grammar.h"
#include <proc_client.h>

#define CALLS_DEFAULT 20000u
#define THREADS 3u
#define OPS_MAX 512u
#define START_NANOS 20000000000ull
#define OTHER_ODDS 6u /* one call in so many goes to another interface, whose handles are arguments of this one */

static u64 seed;
static u32 calls = CALLS_DEFAULT;
static char wanted[16];
static bool trace;
static volatile u32 threads_done;

/* What an operation has answered so far. */
static struct { u32 tries, successes; u64 errors[3]; } coverage[OPS_MAX];

void fuzz_init(void)
{
}

static u32 gate_of(const char *part)
{
	for (const struct runtime_gate *gate = unit_gates; gate->interface; gate++) {
		if (!strcmp(gate->interface, part))
			return gate->gate;
	}
	return TK_GATES_MAX - 1;
}

static bool op_left_out(const char *interface, const char *op)
{
	/* Memory that is asked for and never given back ends in an honest -ENOMEM for all. */
	return !strcmp(interface, "mem") && (!strcmp(op, "heap_grow") || !strcmp(op, "frames_alloc"));
}

static u32 coverage_of(const struct grammar_interface *interface, const struct grammar_op *op)
{
	u32 number = (u32)(op - interface->ops);

	for (const struct grammar_interface *i = grammar; i != interface; i++)
		number += i->op_count;
	return number;
}

static const struct grammar_interface *interface_choose(struct fuzzer *f)
{
	for (u32 i = 0; i < countof(grammar) && random_next(f) % OTHER_ODDS; i++) {
		if (!strcmp(grammar[i].name, wanted))
			return &grammar[i];
	}
	return &grammar[random_next(f) % countof(grammar)];
}

/* Relaxed: counts of several threads, read when all are done. */
static void result_note(u32 number, long result)
{
	__atomic_fetch_add(&coverage[number].tries, 1, __ATOMIC_RELAXED);
	if (result >= 0)
		__atomic_fetch_add(&coverage[number].successes, 1, __ATOMIC_RELAXED);
	else if (-result < 192)
		__atomic_fetch_or(&coverage[number].errors[-result / 64], 1ul << (-result % 64), __ATOMIC_RELAXED);
}

static void call_make(struct fuzzer *f)
{
	const struct grammar_interface *interface = interface_choose(f);
	const struct grammar_op *op = &interface->ops[random_next(f) % interface->op_count];
	struct tk_message message = { { 0 } };

	if (op_left_out(interface->name, op->name))
		return;
	words_choose(f, interface->name, op);
	memcpy(message.args, f->words, sizeof(f->words));
	if (trace)
		log_line("# %s.%s %lx %lx %lx %lx %lx %lx", interface->name, op->name, message.args[0], message.args[1], message.args[2],
			 message.args[3], message.args[4], message.args[5]);
	long result = tk_call(gate_of(op->part), op->number, &message);

	result_note(coverage_of(interface, op), result);
	if (result >= 0)
		results_keep(f, interface->name, op, message.args);
}

static void calls_make(u32 index)
{
	struct fuzzer f = { .random = (seed << 8) + index };

	for (u32 i = 0; i < BUFFERS; i++) {
		f.buffers[i] = heap_alloc(PAGE_SIZE);
		rt_assert(f.buffers[i] != NULL);
	}
	client_make();
	for (u32 i = 0; i < calls / THREADS; i++)
		call_make(&f);
}

static u64 number_read(const char **text)
{
	u64 value = 0;

	for (; **text >= '0' && **text <= '9'; ++*text)
		value = value * 10 + (u64)(**text - '0');
	return value;
}

static void options_read(void)
{
	const char *text = text_find(rt_boot->command_line, "fuzz=");

	trace = text_find(rt_boot->command_line, "trace") != NULL;
	if (!text)
		return;
	text += 5;
	seed = number_read(&text);
	if (*text++ != ',')
		return;
	calls = (u32)number_read(&text);
	if (*text++ != ',')
		return;
	for (u32 i = 0; i + 1 < sizeof(wanted) && *text > ' '; i++)
		wanted[i] = *text++;
}

static void coverage_say(void)
{
	u32 number = 0;

	for (u32 i = 0; i < countof(grammar); i++) {
		for (u32 o = 0; o < grammar[i].op_count; o++, number++) {
			char line[160];
			size_t length = (size_t)format_text(line, sizeof(line), "C %s.%s %u %u", grammar[i].name, grammar[i].ops[o].name,
							     coverage[number].tries, coverage[number].successes);

			for (u32 e = 1; e < 192 && length < sizeof(line) - 8; e++) {
				if (coverage[number].errors[e / 64] >> (e % 64) & 1)
					length += (size_t)format_text(line + length, sizeof(line) - length, " %u", e);
			}
			log_line("%s", line);
		}
	}
}

/* Until the first process runs its program: a tree without it would say nothing about the services. */
static void first_process_await(void)
{
	struct proc_info info;
	nanos_t limit = clock_monotonic() + START_NANOS;

	while ((proc_info(1, 1, &info) < 0 || !info.exe) && clock_monotonic() < limit)
		tk_yield();
}

void fuzz_main(u32 index)
{
	if (index == 0) {
		options_read();
		first_process_await();
		log_line("=== RUN fuzz");
		__atomic_store_n(&threads_done, 1, __ATOMIC_RELEASE); /* release: the options are read */
	}
	while (!__atomic_load_n(&threads_done, __ATOMIC_ACQUIRE))
		tk_yield();
	calls_make(index);
	__atomic_fetch_add(&threads_done, 1, __ATOMIC_ACQ_REL); /* its counts are complete */
	while (index || __atomic_load_n(&threads_done, __ATOMIC_ACQUIRE) <= THREADS)
		tk_yield();
	coverage_say();
	log_line("1..1");
	log_line("ok 1 - services outlive hostile calls");
	log_line("=== EXIT fuzz 0");
	tk_power(TK_POWER_OFF, 0);
	for (;;)
		tk_yield();
}
