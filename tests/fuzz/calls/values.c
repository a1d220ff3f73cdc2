/* Chooses arguments after their description: mostly what a program would pass, now and then noise and pointers to nowhere. */
#include "fuzz.h"
#include "constants.h"

#include <string.h>
#include <unistd.h>

#define NOISE 24 /* one argument in so many is not what its description says */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint64_t edges[] = { 0, 1, 2, 7, 8, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff, 1ul << 32, 1ul << 47, 1ul << 63, ~0ul,
				  ~0xffful, 0x7ffffffff000, 0xffff800000000000, 0xffffffff80000000, 0x7fffffffffffffff };
/* Below the scratch folder: what a round finds there, what it may make, and what can't be there. */
static const char *const names[] = { "a", "d", "d/b", "l", "loop", "f", "s", "x", "n", "r", "r/y", "new0", "new1", "new2", "d/new", "s/new",
				     "missing/x", "a/x", "", ".", "d/..", "./d/./b", "d/", "a/", "l/", "new3/" };
static const char *const places[] = { "/", "/tmp", "/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/tty", "/proc/self/maps",
				      "/proc/self/status", "/proc/self/fd", "/proc/self/fd/3", "/proc/self/fd/4", "/proc/self/exe",
				      "/proc/self/stat", "/proc/meminfo", "/proc/1/status", "/proc/self/cwd/a", "/proc/self/task", "/proc",
				      "/proc/self/cmdline", "/proc/mounts", "/dev", "/dev/pts", "/dev/ptmx", "/bin/busybox", "/bin/busybox",
				      "/proc/self/environ", "/proc/self/smaps", "/proc/self/limits", "/proc/uptime", "/dev/fd/5" };
static const uint8_t signals[] = { 0, 0, SIGUSR1, SIGUSR1, SIGCONT, SIGCHLD, SIGWINCH, SIGURG, SIGALRM, 34, 40, 64, SIGPIPE, SIGIO };
static const uint8_t signals_rare[] = { SIGSTOP, SIGTSTP, SIGTERM, SIGKILL, SIGHUP, SIGTTIN, SIGQUIT, 65, 32 };

static struct known known[FD_KINDS];
static struct known timers;

uint64_t random_next(struct thread *t)
{
	uint64_t x = t->random += 0x9e3779b97f4a7c15ul; /* splitmix64 */

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
	return x ^ (x >> 31);
}

static void known_add(struct known *k, int value)
{
	k->values[k->count++ % KNOWN_MAX] = value;
}

void fd_keep(enum fd_kind kind, int fd)
{
	if (fd >= 0)
		known_add(&known[kind], fd);
}

static int known_choose(struct thread *t, const struct known *k)
{
	unsigned count = k->count < KNOWN_MAX ? k->count : KNOWN_MAX;

	return count ? k->values[random_below(t, count)] : -1;
}

static uint64_t fd_choose(struct thread *t, enum fd_kind kind)
{
	unsigned way = random_below(t, 16);

	if (kind == FD_DIRECTORY && way < 10)
		return (uint64_t)AT_FDCWD;
	if (way == 15)
		return random_below(t, 24);
	if (kind == FD_ANY || way == 14)
		kind = FD_FILE + random_below(t, FD_KINDS - FD_FILE);
	int fd = known_choose(t, &known[kind]);
	return fd >= 0 ? (uint64_t)fd : random_below(t, 12);
}

/* Room in the thread's arena: sometimes up to the last byte before a page that is not there, rarely across it or nowhere. */
static uint64_t arena_place(struct thread *t, size_t size)
{
	uint64_t base = ARENA(t->number), at;

	switch (random_below(t, 64)) {
	case 0:
		return edges[random_below(t, COUNT(edges))];
	case 1:
		return base + ARENA_SIZE - (size ? random_below(t, size) : 0);
	case 2:
		return base + ARENA_READONLY + random_below(t, PAGE);
	case 3:
		return PLAY + random_below(t, PLAY_PAGES * PAGE);
	case 4: case 5: case 6: case 7: case 8: case 9:
		return base + ARENA_SIZE - size;
	}
	at = base + t->arena_next;
	t->arena_next += (size + 15) & ~15ul;
	if (t->arena_next > ARENA_SIZE - PAGE)
		t->arena_next = 0;
	return at;
}

/* Writes what of it lies in the arena's own pages; the others are not ours to write. */
static void arena_write(struct thread *t, uint64_t at, const void *from, size_t size)
{
	uint64_t base = ARENA(t->number);

	if (at < base || at >= base + ARENA_SIZE)
		return;
	if (size > base + ARENA_SIZE - at)
		size = base + ARENA_SIZE - at;
	if (!sigsetjmp(t->fault, 0))
		memcpy((void *)at, from, size);
}

static uint64_t text_place(struct thread *t, const char *text)
{
	size_t size = strlen(text) + 1;
	uint64_t at = arena_place(t, size);

	arena_write(t, at, text, size);
	return at;
}

static uint64_t name_choose(struct thread *t)
{
	char text[300] = SCRATCH "/";

	if (random_below(t, 40) == 0) {
		memset(text, 'n', 256 + random_below(t, 2));
		return text_place(t, text);
	}
	if (random_below(t, 3))
		text[0] = '\0'; /* the working directory is the scratch folder */
	strcat(text, names[random_below(t, COUNT(names))]);
	return text_place(t, text);
}

static uint64_t path_choose(struct thread *t)
{
	return random_below(t, 3) ? name_choose(t) : text_place(t, places[random_below(t, COUNT(places))]);
}

static uint64_t data_choose(struct thread *t)
{
	uint8_t bytes[256];
	size_t size = random_below(t, 8) ? random_below(t, 256) : random_below(t, 3 * PAGE);

	for (unsigned i = 0; i < sizeof(bytes); i += 8) {
		uint64_t word = random_next(t);
		memcpy(bytes + i, &word, 8);
	}
	if (random_below(t, 2))
		memset(bytes, 0, sizeof(bytes)), bytes[0] = (uint8_t)random_below(t, 8); /* a counter for eventfd, a short line */
	if (random_below(t, 6) == 0)
		size = 8;
	t->last_length = size;
	uint64_t at = arena_place(t, size);
	arena_write(t, at, bytes, size < sizeof(bytes) ? size : sizeof(bytes));
	return at;
}

static uint64_t arguments_choose(struct thread *t)
{
	static const char *const words[] = { "true", "false", "echo", "x", "" };
	uint64_t pointers[4] = { 0 };
	unsigned count = 1 + random_below(t, 3);

	pointers[0] = text_place(t, words[random_below(t, 2)]);
	for (unsigned i = 1; i < count; i++)
		pointers[i] = text_place(t, words[random_below(t, COUNT(words))]);
	uint64_t at = arena_place(t, sizeof(pointers));
	arena_write(t, at, pointers, sizeof(pointers));
	return at;
}

static uint64_t vector_choose(struct thread *t)
{
	uint64_t vector[6];

	t->last_length = random_below(t, 4);
	for (unsigned i = 0; i < 6; i += 2) {
		vector[i] = arena_place(t, 64);
		vector[i + 1] = random_below(t, 12) ? random_below(t, 64) : edges[random_below(t, COUNT(edges))];
	}
	uint64_t at = arena_place(t, sizeof(vector));
	arena_write(t, at, vector, sizeof(vector));
	return at;
}

static uint64_t struct_choose(struct thread *t, const struct argument *a)
{
	uint8_t bytes[512];
	size_t size = 0;

	if (random_below(t, 12) == 0)
		return 0;
	for (unsigned i = 0; i < a->count && size + 8 <= sizeof(bytes); i++) {
		uint64_t value = argument_choose(t, &a->fields[i]);

		memcpy(bytes + size, &value, a->fields[i].width);
		size += a->fields[i].width;
	}
	uint64_t at = arena_place(t, size);
	arena_write(t, at, bytes, size);
	return at;
}

static uint64_t pid_choose(struct thread *t)
{
	switch (random_below(t, 10)) {
	case 0: case 1: case 2:
		return 0;
	case 3: case 4:
		return (uint64_t)getpid();
	case 5: case 6:
		return t->child > 0 ? (uint64_t)t->child : (uint64_t)getpid();
	case 7:
		return 1;
	case 8:
		return 30000;
	default:
		return (uint64_t)(random_below(t, 2) ? -getpid() : (int)random_below(t, 4) - 2);
	}
}

static uint64_t tid_choose(struct thread *t)
{
	switch (random_below(t, 6)) {
	case 0: case 1:
		return 0;
	case 2: case 3:
		return (uint64_t)gettid();
	case 4:
		return (uint64_t)shared->slots[random_below(t, settings.threads)].tid;
	default:
		return pid_choose(t);
	}
}

static uint64_t set_choose(struct thread *t, const struct argument *a)
{
	uint64_t value = 0;
	unsigned odds = 2 + random_below(t, 4);

	for (unsigned i = 0; i < a->count; i++)
		value |= random_below(t, odds) == 0 ? a->values[i] : 0;
	return value;
}

static uint64_t offset_choose(struct thread *t)
{
	switch (random_below(t, 8)) {
	case 0:
		return edges[random_below(t, COUNT(edges))];
	case 1:
		return (uint64_t)-(int64_t)random_below(t, 10);
	case 2:
		return random_below(t, 1 << 20);
	default:
		return random_below(t, 4) * PAGE / (1 + random_below(t, 3));
	}
}

static uint64_t noise_choose(struct thread *t)
{
	switch (random_below(t, 3)) {
	case 0:
		return edges[random_below(t, COUNT(edges))];
	case 1:
		return arena_place(t, random_below(t, 64));
	default:
		return random_next(t) >> random_below(t, 64);
	}
}

static uint64_t signal_choose(struct thread *t)
{
	return random_below(t, 64) ? signals[random_below(t, COUNT(signals))] : signals_rare[random_below(t, COUNT(signals_rare))];
}

/* Small numbers that mean something of their own. */
static uint64_t scalar_choose(struct thread *t, const struct argument *a)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
				      CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_TAI, 12, -6, -2 };
	static const uint32_t users[] = { 0, 1000, 1000, 1000, (uint32_t)-1, 1, 65534 };
	static const uint16_t modes[] = { 0644, 0600, 0755, 0, 0777, 04755, 01777, 0400 };

	switch (a->kind) {
	case ARG_LENGTH: case ARG_COUNT:
		return t->last_length;
	case ARG_SIZE:
		return random_below(t, 4) ? random_below(t, 512) : offset_choose(t);
	case ARG_OFFSET:
		return offset_choose(t);
	case ARG_MODE:
		return modes[random_below(t, COUNT(modes))];
	case ARG_USER:
		return users[random_below(t, COUNT(users))];
	case ARG_SIGNAL:
		return signal_choose(t);
	case ARG_MASK:
		return random_below(t, 2) ? 0 : (1ul << random_below(t, 64) | 1ul << (SIGUSR1 - 1)) & ~(1ul << (SIGUSR2 - 1));
	case ARG_NANOS:
		return random_below(t, 16) ? random_below(t, 2000000) : random_next(t) >> 33;
	case ARG_SECONDS:
		return random_below(t, 40) ? 0 : offset_choose(t);
	case ARG_PAGES:
		return random_below(t, 16) ? PAGE << random_below(t, 4) : offset_choose(t);
	case ARG_CLOCK:
		return (uint64_t)clocks[random_below(t, random_below(t, 3) ? 5 : COUNT(clocks))];
	case ARG_TIMER:
		return (uint64_t)known_choose(t, &timers);
	default:
		return random_next(t) >> random_below(t, 64);
	}
}

uint64_t argument_choose(struct thread *t, const struct argument *a)
{
	if (a->kind != ARG_ZERO && random_below(t, NOISE) == 0)
		return noise_choose(t);
	switch (a->kind) {
	case ARG_ZERO:
		return 0;
	case ARG_FD:
		return fd_choose(t, a->size);
	case ARG_PATH:
		return path_choose(t);
	case ARG_NAME:
		return name_choose(t);
	case ARG_TEXT:
		return text_place(t, random_below(t, 4) ? "user.fuzz" : names[random_below(t, COUNT(names))]);
	case ARG_ARGUMENTS:
		return arguments_choose(t);
	case ARG_DATA:
		return data_choose(t);
	case ARG_VECTOR:
		return vector_choose(t);
	case ARG_PID:
		return pid_choose(t);
	case ARG_TID:
		return tid_choose(t);
	case ARG_ADDRESS:
		return PLAY + random_below(t, PLAY_PAGES) * PAGE + (random_below(t, 16) ? 0 : random_below(t, PAGE));
	case ARG_WORD:
		return ARENA(random_below(t, settings.threads)) + random_below(t, 8) * 4;
	case ARG_ONE:
		return a->values[random_below(t, a->count)];
	case ARG_SET:
		return set_choose(t, a);
	case ARG_NUMBER:
		return (uint64_t)(a->low + (int64_t)random_below(t, (uint64_t)(a->high - a->low + 1)));
	case ARG_IN:
		return struct_choose(t, a);
	case ARG_OUT:
		return arena_place(t, a->size);
	default:
		return scalar_choose(t, a);
	}
}

/* What later calls of the process may use. */
void result_keep(struct thread *t, const struct call *call, const uint64_t *arguments, int64_t result)
{
	int pair[2];

	if (result < 0 || call->result == RESULT_NONE)
		return;
	switch (call->result) {
	case RESULT_PIPE2: case RESULT_TIMER_ID:
		if (arguments[call->result == RESULT_PIPE2 ? 0 : 2] - ARENA(t->number) > ARENA_SIZE - sizeof(pair) || sigsetjmp(t->fault, 0))
			return;
		memcpy(pair, (void *)arguments[call->result == RESULT_PIPE2 ? 0 : 2], sizeof(pair));
		known_add(call->result == RESULT_PIPE2 ? &known[FD_PIPE] : &timers, pair[0]);
		if (call->result == RESULT_PIPE2)
			fd_keep(FD_PIPE, pair[1]);
		return;
	case RESULT_SAME:
		fd_keep(FD_FILE + random_below(t, FD_KINDS - FD_FILE), (int)result);
		return;
	default:
		fd_keep(FD_FILE + call->result - RESULT_FILE, (int)result);
	}
}
