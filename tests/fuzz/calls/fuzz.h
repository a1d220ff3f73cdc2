/*
 * The parts of the system-call fuzzer. A supervisor, which is the first process of the machine, runs rounds; a round is a process with
 * some threads, each of which makes calls that a seed chooses. All of them share one page range, struct shared.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CALLS_MAX 512
#define ERRORS_MAX 192
#define TRACE_MAX 4096
#define THREADS_MAX 8
#define SLOTS_MAX (2 * THREADS_MAX) /* one of each thread, and behind them one for the child of each */
#define SCRATCH "/tmp/fuzz"

/* Where arguments lie: eight pages of each thread, one that is not mapped, one that can't be written, one that is not mapped. */
#define PAGE 4096ul
#define ARENA(thread) (0x10000000ul + (thread) * 0x100000ul)
#define ARENA_SIZE (8 * PAGE)
#define ARENA_READONLY (ARENA_SIZE + PAGE)
/* Pages which calls map, unmap and use as they like. */
#define PLAY 0x30000000ul
#define PLAY_PAGES 64

enum argument_kind {
	ARG_FD, ARG_PATH, ARG_NAME, ARG_TEXT, ARG_ARGUMENTS, ARG_DATA, ARG_LENGTH, ARG_SIZE, ARG_OFFSET, ARG_MODE, ARG_USER, ARG_PID, ARG_TID,
	ARG_SIGNAL, ARG_MASK, ARG_NANOS, ARG_SECONDS, ARG_ADDRESS, ARG_PAGES, ARG_WORD, ARG_TIMER, ARG_CLOCK, ARG_ZERO, ARG_ANY, ARG_VECTOR,
	ARG_COUNT, ARG_ONE, ARG_SET, ARG_NUMBER, ARG_IN, ARG_OUT,
};

/* Kinds of descriptors, in the order of describe.py; FD_ANY has no table of its own. */
enum fd_kind { FD_ANY, FD_FILE, FD_DIRECTORY, FD_PIPE, FD_EVENT, FD_TIMER, FD_SIGNAL, FD_EPOLL, FD_PROCESS, FD_TERMINAL, FD_MEMORY, FD_KINDS };

enum result_kind {
	RESULT_NONE, RESULT_PIPE2, RESULT_TIMER_ID, RESULT_SAME, RESULT_FILE, RESULT_DIRECTORY, RESULT_PIPE, RESULT_EVENT, RESULT_TIMER,
	RESULT_SIGNAL, RESULT_EPOLL, RESULT_PROCESS, RESULT_TERMINAL, RESULT_MEMORY,
};

enum call_options { CALL_CHILD = 1, CALL_USER = 2, CALL_FRAME = 4 };

struct argument {
	uint8_t kind, width;
	uint16_t size;
	uint32_t count;
	const uint64_t *values;
	const struct argument *fields;
	int64_t low, high;
};

struct call {
	const char *name;
	uint16_t number;
	uint8_t argument_count, result, options;
	struct argument arguments[6];
};

extern const struct call calls[];
extern const unsigned call_count;

struct coverage {
	uint32_t tries, successes;
	uint32_t errors[ERRORS_MAX]; /* how often each */
};

/* What one thread is doing: a supervisor that sees no step for a while interrupts it, and then kills it. */
struct slot {
	int pid, tid;
	uint32_t step, call;
	int64_t result;
	bool done; /* a child's call came back with this result */
};

struct trace {
	uint32_t call;
	uint64_t arguments[6];
	int64_t result;
};

struct shared {
	struct coverage coverage[CALLS_MAX];
	struct slot slots[SLOTS_MAX];
	uint32_t trace_count;
	struct trace traces[TRACE_MAX];
};

struct settings {
	uint64_t seed, first, rounds, seconds, threads, steps, trace, race, only, verbose, patience;
};

#define KNOWN_MAX 16
struct known {
	int values[KNOWN_MAX];
	unsigned count;
};

/* One thread of a round. */
struct thread {
	unsigned number;
	uint64_t random;
	struct slot *slot;
	uint64_t arena_next, last_length;
	int child; /* the last one */
	bool forked;
	sigjmp_buf fault;
};

extern struct shared *shared;
extern struct settings settings;
extern _Thread_local struct thread *self;
extern bool round_is_user;

uint64_t random_next(struct thread *t);
static inline uint64_t random_below(struct thread *t, uint64_t limit)
{
	return random_next(t) % limit;
}

uint64_t argument_choose(struct thread *t, const struct argument *a);
void fd_keep(enum fd_kind kind, int fd);
void result_keep(struct thread *t, const struct call *call, const uint64_t *arguments, int64_t result);
int64_t system_call(unsigned number, const uint64_t *arguments);
void thread_run(struct thread *t, unsigned steps);
_Noreturn void round_run(uint64_t round);
/* Whether a page of the play area, or one of the arena, can be touched now: 0, or the negative signal. */
int64_t page_touch(struct thread *t, uint64_t address, bool write);
_Noreturn void frame_return(struct thread *t);
void handlers_install(void);

#endif
