/*
 * A hostile unit: it calls each operation of mem, fs, proc and tty with random words, handles that it was told or guesses, buffers of
 * random bytes and paths. No service may fail or hang by it. The command line's `fuzz=SEED,CALLS` chooses what is tried; each call
 * stands in the log before it is made, so the last one is known.
 */
#include "fuzz_server.h"
#include <runtime_unit.h>
#include "grammar.h"

#define CALLS_DEFAULT 20000u
#define KNOWN 64u

static const char *const paths[] = { "/", "/tmp", "/tmp/fuzz", "/proc/self/maps", "/proc/1/status", "/dev/null", "/dev/zero", "..", "",
				     "/bin/busybox", "/tmp/fuzz/../a/./b", "/dev/console", "/proc/meminfo", "x" };
static const u64 edges[] = { 0, 1, 2, 3, 7, 8, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff, 1ul << 32, 1ul << 47, 1ul << 63, ~0ul };

static u64 state;
static u64 known[KNOWN]; /* words that services told: handles, frames, addresses */
static u32 known_count;
static u8 *buffers[4];

void fuzz_init(void)
{
}

/* splitmix64: the same at every run of a seed. */
static u64 next(void)
{
	u64 x = state += 0x9e3779b97f4a7c15ul;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
	return x ^ (x >> 31);
}

static u64 word_choose(void)
{
	switch (next() % 5) {
	case 0:
		return next() % 20;
	case 1:
		return edges[next() % countof(edges)];
	case 2:
		return next() >> (next() % 64);
	default:
		return known_count ? known[next() % (known_count < KNOWN ? known_count : KNOWN)] : next() % 4;
	}
}

/* Structs are mostly small numbers and known handles, so that some get past the first check. */
static void buffer_fill(u8 *buffer, size_t size)
{
	for (size_t at = 0; at + 8 <= size; at += 8) {
		u64 word = word_choose();

		memcpy(buffer + at, &word, 8);
	}
}

static void bytes_choose(u8 *buffer, size_t limit, u64 *words)
{
	size_t size = next() % (limit + 1);

	if (next() % 2) {
		const char *path = paths[next() % countof(paths)];

		size = strlen(path) + next() % 2;
		size = size < limit ? size : limit;
		memcpy(buffer, path, size);
	} else {
		buffer_fill(buffer, size);
	}
	words[0] = next() % 32 ? (u64)buffer : word_choose();
	words[1] = next() % 32 ? size : word_choose();
}

/* The words of one call after the grammar. */
static void words_choose(const struct grammar_op *op, u64 *words)
{
	u32 at = 0, buffer = 0;

	for (const struct grammar_parameter *p = op->parameters; p->kind != GRAMMAR_END && at < TK_ARGS_MAX; p++) {
		switch (p->kind) {
		case GRAMMAR_BYTES_IN:
		case GRAMMAR_BYTES_OUT:
			bytes_choose(buffers[buffer++], p->size, &words[at]);
			at += 2;
			break;
		case GRAMMAR_STRUCT_IN:
		case GRAMMAR_STRUCT_OUT:
			buffer_fill(buffers[buffer], p->size);
			words[at++] = (u64)buffers[buffer++];
			words[at++] = p->size;
			break;
		case GRAMMAR_RANGE:
			words[at++] = word_choose();
			words[at++] = word_choose();
			break;
		default:
			words[at++] = word_choose();
		}
	}
}

static u32 gate_of(const char *interface)
{
	for (const struct runtime_gate *gate = unit_gates; gate->interface; gate++) {
		if (!strcmp(gate->interface, interface))
			return gate->gate;
	}
	return TK_GATES_MAX - 1;
}

static bool op_left_out(const char *interface, const char *op)
{
	/* Memory that is asked for and never given back ends in an honest -ENOMEM for all. */
	return !strcmp(interface, "mem") && (!strcmp(op, "heap_grow") || !strcmp(op, "frames_alloc"));
}

static void call_make(u32 number, u32 *answers)
{
	const struct grammar_interface *interface = &grammar[next() % countof(grammar)];
	const struct grammar_op *op = &interface->ops[next() % interface->op_count];
	struct tk_message message = { { 0 } };

	if (op_left_out(interface->name, op->name))
		return;
	words_choose(op, message.args);
	log_line("# %u %s.%s %lx %lx %lx %lx %lx %lx", number, interface->name, op->name, message.args[0], message.args[1], message.args[2],
		 message.args[3], message.args[4], message.args[5]);
	long result = tk_call(gate_of(interface->name), (u32)(op - interface->ops), &message);

	if (result == -EIO || result == -EAGAIN)
		log_line("# %u answered %ld", number, result);
	if (result < 0)
		return;
	++*answers;
	for (u32 i = 0; i < TK_OUTS_MAX; i++) {
		if (message.args[i])
			known[known_count++ % KNOWN] = message.args[i];
	}
}

static u64 number_read(const char **text)
{
	u64 value = 0;

	for (; **text >= '0' && **text <= '9'; ++*text)
		value = value * 10 + (u64)(**text - '0');
	return value;
}

static u32 options_read(void)
{
	const char *text = rt_boot->command_line;

	while (*text && strncmp(text, "fuzz=", 5))
		text++;
	if (!*text)
		return CALLS_DEFAULT;
	text += 5;
	state = number_read(&text);
	if (*text++ != ',')
		return CALLS_DEFAULT;
	return (u32)number_read(&text);
}

void fuzz_main(u32 index)
{
	u32 calls = options_read(), answers = 0;

	(void)index;
	for (u32 i = 0; i < countof(buffers); i++) {
		buffers[i] = heap_alloc(PAGE_SIZE);
		rt_assert(buffers[i] != NULL);
	}
	log_line("=== RUN fuzz");
	log_line("1..2");
	for (u32 i = 0; i < calls; i++)
		call_make(i, &answers);
	log_line("# %u of %u calls succeeded", answers, calls);
	log_line("ok 1 - services outlive hostile calls");
	log_line("%sok 2 - some calls get through", answers > calls / 100 ? "" : "not ");
	log_line("=== EXIT fuzz %u", answers <= calls / 100);
	tk_power(TK_POWER_OFF, 0);
	for (;;)
		tk_yield();
}
