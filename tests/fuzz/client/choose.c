/* Chooses the words of one operation: handles of the kind that a name asks for, flags, paths, ranges; some noise everywhere. */
#include "fuzz.h"

#define KNOWN 32u
#define NOISE 16u /* one word in so many is anything */

enum pool { POOL_NONE, POOL_CLIENT, POOL_FILE, POOL_SPACE, POOL_OBJECT, POOL_TERMINAL, POOL_FRAME, POOL_POLLWORD, POOL_PID, POOL_COUNT };

/* What stands behind a name, of any interface if none is named. The first that fits counts. */
static const struct { const char *interface, *name; enum pool pool; } pool_names[] = {
	{ "fs", "object", POOL_NONE }, /* whoever was told of it may release it: the shim's file would lose its pages */
	{ "proc", "space", POOL_NONE }, /* the first process's: who was told of it may change its mappings */
	{ "fs", "child", POOL_CLIENT }, { "mem", "child", POOL_SPACE }, { NULL, "client", POOL_CLIENT }, { NULL, "fs_client", POOL_CLIENT },
	{ NULL, "file", POOL_FILE }, { NULL, "source", POOL_FILE }, { NULL, "exe", POOL_FILE }, { NULL, "directory", POOL_FILE },
	{ NULL, "from_directory", POOL_FILE }, { NULL, "to_directory", POOL_FILE }, { NULL, "read_file", POOL_FILE },
	{ NULL, "write_file", POOL_FILE }, { NULL, "space", POOL_SPACE }, { NULL, "like", POOL_SPACE }, { NULL, "object", POOL_OBJECT },
	{ NULL, "terminal", POOL_TERMINAL }, { NULL, "frame", POOL_FRAME }, { NULL, "pollword", POOL_POLLWORD }, { NULL, "pid", POOL_PID },
	{ NULL, "tid", POOL_PID }, { NULL, "group", POOL_PID }, { NULL, "session", POOL_PID }, { NULL, "who", POOL_PID },
};

/* Words that a program would pass, by name. */
static const u32 open_flags[] = { 0, 1, 2, 0102, 0302, 01102, 02001, 04000, 0200000, 0400000, 010000000, 1 << 30, 020200002 };
static const u32 modes[] = { 0644, 0100644, 0010600, 0020600, 0040755, 4, 2, 1, 0777 };
static const u32 at_flags[] = { 0, 0, 0, 0x10000, 0x10000, 0x1000, 0x100, 0x200, 0x400 };
static const u32 commands[] = { 0x5401, 0x5402, 0x5413, 0x5414, 0x540f, 0x5410, 0x541b, 0x80045430, 0x40045431, 0x540b, 0, 1, 2 };
static const u32 devices[] = { 0x500, 0x501, 0x502, 0x502, 0x502, 0x440, 0x8800, 0x8801, 0x8802, 0x103 };
static const u32 small[] = { 0, 0, 0, 1, 1, 2, 3, 4, 5, 8, 16 };
static const u32 pages[] = { 0, 0x1000, 0x2000, 0x10000, 0x100, 0x1001 };
static const u32 protections[] = { 0, 1, 3, 5, 3 };
static const u32 page_counts[] = { 0, 1, 2, 3, 16, 64 };
static const struct { const char *name; const u32 *values; u32 count; } value_names[] = {
	{ "mode", modes, countof(modes) }, { "command", commands, countof(commands) }, { "device", devices, countof(devices) },
	{ "offset", pages, countof(pages) }, { "size", pages, countof(pages) }, { "new_size", pages, countof(pages) },
	{ "length", pages, countof(pages) }, { "prot", protections, countof(protections) }, { "prot_max", small, 1 },
	{ "pages", page_counts, countof(page_counts) }, { "count", page_counts, countof(page_counts) },
	{ "index", page_counts, countof(page_counts) }, { "reserved", small, 1 }, { "resolve", small, 2 },
};
static const u64 edges[] = { 0, 1, 2, 3, 7, 8, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff, 1ul << 32, 1ul << 47, 1ul << 63, ~0ul };
static const char *const paths[] = { "/", "/tmp", "/tmp/fuzz", "/tmp/fuzz/a", "/tmp/fuzz/b", "/tmp/a", "/tmp/b", "/tmp/d", "/tmp/d/x", "a", "b",
				     "/tmp/l", "/tmp/f", "/proc/self/maps", "/proc/1/status", "/dev/null", "/dev/zero", "..", "", "tmpfs", "proc",
				     "/bin/busybox", "/tmp/fuzz/../a/./b", "/dev/ptmx", "/proc/meminfo", "x", "/proc/1/fd/0", "/tmp/d/", "l" };

static u64 known[POOL_COUNT][KNOWN]; /* words that services told: handles, frames, numbers */
static u32 known_count[POOL_COUNT];

/* splitmix64: the same at every run of a seed. */
u64 random_next(struct fuzzer *f)
{
	u64 x = f->random += 0x9e3779b97f4a7c15ul;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
	return x ^ (x >> 31);
}

const char *text_find(const char *text, const char *part)
{
	for (; *text; text++) {
		if (!strncmp(text, part, strlen(part)))
			return text;
	}
	return NULL;
}

static enum pool pool_of(const char *interface, const char *name)
{
	for (u32 i = 0; i < countof(pool_names); i++) {
		if (!strcmp(pool_names[i].name, name) && (!pool_names[i].interface || !strcmp(pool_names[i].interface, interface)))
			return pool_names[i].pool;
	}
	return POOL_NONE;
}

u64 noise_choose(struct fuzzer *f)
{
	switch (random_next(f) % 4) {
	case 0:
		return random_next(f) % 20;
	case 1:
		return edges[random_next(f) % countof(edges)];
	case 2:
		return random_next(f) >> (random_next(f) % 64);
	default:
		return known[random_next(f) % POOL_COUNT][random_next(f) % KNOWN];
	}
}

static u64 known_choose(struct fuzzer *f, enum pool pool)
{
	u32 count = known_count[pool] < KNOWN ? known_count[pool] : KNOWN;

	if (pool == POOL_PID && random_next(f) % 2)
		return random_next(f) % 3; /* itself, the first process, none */
	return count ? known[pool][random_next(f) % count] : random_next(f) % 8;
}

static u64 flags_choose(struct fuzzer *f, const char *interface, const char *op)
{
	if (!strcmp(interface, "fs") && text_find(op, "open"))
		return open_flags[random_next(f) % countof(open_flags)];
	if (!strcmp(interface, "fs") && random_next(f) % 4)
		return at_flags[random_next(f) % countof(at_flags)];
	return random_next(f) % 3 ? 1u << random_next(f) % 6 : small[random_next(f) % countof(small)];
}

static u64 word_choose(struct fuzzer *f, const char *interface, const char *op, const char *name)
{
	enum pool pool = pool_of(interface, name);

	if (random_next(f) % NOISE == 0)
		return noise_choose(f);
	if (pool == POOL_FILE && text_find(name, "directory") && random_next(f) % 2)
		return 0; /* the working directory */
	if (pool != POOL_NONE)
		return known_choose(f, pool);
	if (!strcmp(name, "flags"))
		return flags_choose(f, interface, op);
	if (text_find(name, "address") || !strcmp(name, "start") || !strcmp(name, "end"))
		return RANGE_BASE + random_next(f) % (RANGE_SIZE / PAGE_SIZE) * PAGE_SIZE;
	for (u32 i = 0; i < countof(value_names); i++) {
		if (!strcmp(value_names[i].name, name))
			return value_names[i].values[random_next(f) % value_names[i].count];
	}
	return random_next(f) % 4 ? small[random_next(f) % countof(small)] : noise_choose(f);
}

static void noise_fill(struct fuzzer *f, u8 *buffer, size_t size)
{
	for (size_t at = 0; at + 8 <= size; at += 8) {
		u64 word = noise_choose(f);

		memcpy(buffer + at, &word, 8);
	}
}

static void struct_choose(struct fuzzer *f, const char *interface, const char *op, const struct grammar_parameter *p, u8 *buffer)
{
	noise_fill(f, buffer, p->size);
	if (random_next(f) % NOISE == 0)
		return;
	for (const struct grammar_field *field = p->fields; field && field->name; field++) {
		const char *path = paths[random_next(f) % countof(paths)];
		u64 word = word_choose(f, interface, op, field->name);

		memset(buffer + field->offset, 0, field->size);
		if (field->size > 8 && field->size >= 16)
			memcpy(buffer + field->offset, path, strlen(path) < field->size ? strlen(path) : field->size - 1);
		else
			memcpy(buffer + field->offset, &word, field->size < 8 ? field->size : 8);
	}
}

static void bytes_choose(struct fuzzer *f, const struct grammar_parameter *p, u8 *buffer, u64 *words)
{
	size_t size = random_next(f) % (p->size + 1u);

	if (p->kind == GRAMMAR_BYTES_IN && random_next(f) % 8) {
		const char *path = paths[random_next(f) % countof(paths)];

		size = strlen(path) + (random_next(f) % 16 != 0);
		size = size < p->size ? size : p->size;
		memcpy(buffer, path, size);
	} else {
		noise_fill(f, buffer, size);
	}
	words[0] = random_next(f) % 32 ? (u64)buffer : noise_choose(f);
	words[1] = random_next(f) % 32 ? size : noise_choose(f);
}

void words_choose(struct fuzzer *f, const char *interface, const struct grammar_op *op)
{
	u32 at = 0, buffer = 0;

	memset(f->words, 0, sizeof(f->words));
	for (const struct grammar_parameter *p = op->parameters; p->kind != GRAMMAR_END && at < TK_ARGS_MAX; p++) {
		switch (p->kind) {
		case GRAMMAR_BYTES_IN:
		case GRAMMAR_BYTES_OUT:
			bytes_choose(f, p, f->buffers[buffer++], &f->words[at]);
			at += 2;
			break;
		case GRAMMAR_STRUCT_IN:
		case GRAMMAR_STRUCT_OUT:
			struct_choose(f, interface, op->name, p, f->buffers[buffer]);
			f->words[at++] = (u64)f->buffers[buffer++];
			f->words[at++] = p->size;
			break;
		case GRAMMAR_RANGE:
			f->words[at] = random_next(f) % NOISE ? RANGE_BASE + random_next(f) % RANGE_SIZE : noise_choose(f);
			f->words[at + 1] = random_next(f) % NOISE ? random_next(f) % 600 : noise_choose(f);
			at += 2;
			break;
		default:
			f->words[at++] = word_choose(f, interface, op->name, p->name);
		}
	}
}

static void known_add(const char *interface, const char *name, u64 word)
{
	enum pool pool = pool_of(interface, name);

	if (pool != POOL_NONE && word)
		known[pool][__atomic_fetch_add(&known_count[pool], 1, __ATOMIC_RELAXED) % KNOWN] = word; /* relaxed: a ring of hints */
}

void results_keep(struct fuzzer *f, const char *interface, const struct grammar_op *op, const u64 *outs)
{
	u32 buffer = 0;

	for (u32 i = 0; i < TK_OUTS_MAX && op->outs[i]; i++)
		known_add(interface, op->outs[i], outs[i]);
	for (const struct grammar_parameter *p = op->parameters; p->kind != GRAMMAR_END; p++) {
		for (const struct grammar_field *field = p->kind == GRAMMAR_STRUCT_OUT ? p->fields : NULL; field && field->name; field++) {
			u64 word = 0;

			memcpy(&word, f->buffers[buffer] + field->offset, field->size < 8 ? field->size : 8);
			known_add(interface, field->name, word);
		}
		buffer += p->kind == GRAMMAR_BYTES_IN || p->kind == GRAMMAR_BYTES_OUT || p->kind == GRAMMAR_STRUCT_IN || p->kind == GRAMMAR_STRUCT_OUT;
	}
}

void space_keep(u64 space)
{
	known_add("mem", "space", space);
}
