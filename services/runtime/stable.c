/*
 * Units that keep their state. The compiler calls a function before each store of such a unit (the hooks of its thread sanitizer, of
 * which only those of plain stores do something here); atomic operations are not noted, since others see them at once.
 */
#include <runtime_unit.h>
#include <undo.h>
#include <arch_counter.h>
#include <mem_client.h>

/* Inlined at the end, where the calls that the compiler has put in may lack the line numbers that debug information would ask for. */
#define BARE __attribute__((always_inline, nodebug)) inline
#define UNDO_OFFSET 256ul        /* in the lowest page of a stack, behind struct rt_request and what debug builds note of locks */
#define READY 0x7265636f766572ull

extern char unit_kept_start[], unit_kept_end[];
static struct undo_log *logs;    /* one for each stack */
static struct undo_answer answers[128]; /* of calls that had committed when the unit failed: the last one of each thread */
static struct rt_lock answers_lock = RT_LOCK_INIT;
static u64 ready;                /* READY: the state is whole but for what the logs tell */
static FRESH bool noting, recovers;
static FRESH u64 heap_from, heap_bytes; /* where the heap can be, as soon as noting begins */

static BARE struct undo *undo_here(void)
{
	return (struct undo *)((u64)runtime_request_of(arch_stack_address()) + UNDO_OFFSET);
}

static struct undo *undo_of_stack(u64 index)
{
	return (struct undo *)((u64)runtime_request_of(rt_boot->stacks + index * TK_STACK_STRIDE) + UNDO_OFFSET);
}

/* Memory that outlives the unit: its variables and its heap, whatever that has grown to. */
static BARE bool kept(u64 address)
{
	if (likely(address - heap_from < heap_bytes))
		return true;
	return address - (u64)unit_kept_start < (u64)unit_kept_end - (u64)unit_kept_start;
}

/* A section that gets long has its log grow before it is full; within the heap, which notes what it stores itself, the reserve is enough.
 * Not inlined: the places where little is noted are many, and would save registers for it. */
static __attribute__((noinline)) void note_all(struct undo *undo, u64 address, u64 size)
{
	size_t wanted;

	while (unlikely((wanted = undo_records_wanted(undo, undo->log, size)) && !heap_held())) {
		void *piece = heap_alloc(wanted);

		if (piece)
			undo_piece_add(undo, &undo->log->more_records, piece);
		else
			undo->starved = 1;
	}
	undo_note(undo, undo->log, address, size);
}

static __attribute__((noinline)) void note(struct undo *undo, u64 address, u64 size)
{
	if (kept(address))
		note_all(undo, address, size);
}

/* Stores by their sizes. Noting is not inlined: the places where it is done are many. */
#define NOTE(bits) \
	typedef u##bits __attribute__((may_alias, aligned(1))) part##bits; \
	static __attribute__((noinline)) void note##bits(struct undo *undo, u64 address) \
	{ \
		if (kept(address) && !undo_note_value(undo, undo->log, address, bits / 8, *(const part##bits *)address)) \
			note_all(undo, address, bits / 8); \
	} \
	static BARE void store##bits##_comes(const void *p) \
	{ \
		struct undo *undo = undo_here(); \
		if (unlikely(undo->depth)) \
			note##bits(undo, (u64)p); \
	}

NOTE(8) NOTE(16) NOTE(32) NOTE(64)

static BARE void copy_comes(const void *p, u64 size)
{
	struct undo *undo = undo_here();

	if (unlikely(undo->depth))
		note(undo, (u64)p, size);
}

void stable_section_begin(void)
{
	if (noting)
		undo_begin(undo_here());
}

static void pieces_free(struct undo_pieces *pieces)
{
	while (pieces->count)
		heap_free(pieces->piece[--pieces->count]);
}

/* The heap's own lock ends a section, too: for those there is nothing left to do. */
static __attribute__((noinline)) void section_clear(struct undo *undo)
{
	struct undo_log *log = undo->log;
	u32 frees = undo->frees, grown = undo->grown;

	if (unlikely(undo->overflowed))
		log_line("there was no memory to note all that was done at once: a failure then would have reset the machine");
	undo->frees = undo->grown = undo->overflowed = 0;
	while (frees)
		heap_free(undo_freed(log, --frees));
	if (likely(!grown))
		return;
	pieces_free(&log->more_records);
	pieces_free(&log->more_frees);
}

void stable_section_end(void)
{
	struct undo *undo = undo_here();

	if (undo->depth && undo_end(undo))
		section_clear(undo);
}

bool stable_free_later(void *p)
{
	struct undo *undo = undo_here();

	if (!undo->depth)
		return false;
	size_t wanted = undo_frees_wanted(undo, undo->log);
	void *piece = unlikely(wanted) ? heap_alloc(wanted) : NULL;

	if (piece)
		undo_piece_add(undo, &undo->log->more_frees, piece);
	return undo_free_later(undo, undo->log, p);
}

void stable_call_begin(u32 operation)
{
	struct undo *undo = undo_here();

	undo->operation = operation;
	undo->current &= ~UNDO_KNOWN;
}

void stable_call_end(void)
{
	undo_here()->handles = 0;
}

/* known: UNDO_KNOWN, if with the note the call's handles are. */
static void commit(const struct stable_result *is, const void *kept, u32 known)
{
	struct undo *undo = undo_here();
	struct undo_answer *answer = undo_answer_current(undo);
	bool other = !undo->answered; /* the one that does not count is written over, and then counts */

	if (other)
		answer = &undo->answers[!(undo->current & 1)];
	else if (undo->depth)
		note_all(undo, (u64)answer, offsetof(struct undo_answer, kept) + is->kept_size);
	answer->of = *runtime_request_of(arch_stack_address());
	answer->operation = undo->operation;
	answer->time = arch_counter_read();
	answer->is = *is;
	if (is->kept_size)
		unnoted_copy(answer->kept, kept, is->kept_size);
	if (undo->depth && (other || known)) {
		note_all(undo, (u64)&undo->current, sizeof(undo->current));
		undo->answered = 1;
	}
	UNDO_IN_ORDER(); /* complete before it counts */
	undo->current = (undo->current ^ other) | known;
}

void stable_commit(long result, u64 out)
{
	const struct stable_result is = { .result = result, .outs = { out } };

	stable_commit_all(&is, NULL);
}

void stable_commit_all(const struct stable_result *is, const void *kept)
{
	commit(is, kept, 0);
}

void stable_commit_made(const struct stable_result *is, const void *kept)
{
	struct undo *undo = undo_here();

	if (undo->handles && !(undo->current & UNDO_KNOWN))
		commit(is, kept, UNDO_KNOWN);
}

static struct undo_answer *answer_find(const struct rt_request *of, u32 operation)
{
	for (u32 i = 0; i < countof(answers); i++)
		if (answers[i].time && answers[i].of.caller == of->caller && answers[i].of.thread == of->thread && answers[i].operation == operation)
			return &answers[i];
	return NULL;
}

long stable_answer(const struct rt_request *rq, const struct stable_question *question, u64 outs[3], void *kept, size_t size)
{
	long result = -ESRCH;

	lock_acquire(&answers_lock);
	const struct undo_answer *answer = answer_find(rq, question->operation);

	if (answer && (i64)(answer->time - question->since) > 0) {
		u64 there = answer->is.kept_size < UNDO_KEPT ? answer->is.kept_size : UNDO_KEPT;

		result = answer->is.result;
		memcpy(outs, answer->is.outs, sizeof(answer->is.outs));
		if (size)
			memcpy(kept, answer->kept, there < size ? there : size);
	}
	lock_release(&answers_lock);
	return result;
}

/* In the place of an older one of the same thread and operation, or of the oldest of all. */
static void answer_keep(const struct undo_answer *answer)
{
	struct undo_answer *place = answer_find(&answer->of, answer->operation);

	if (!place) {
		place = &answers[0];
		for (u32 i = 1; i < countof(answers); i++)
			place = answers[i].time < place->time ? &answers[i] : place;
	}
	if (answer->time > place->time)
		*place = *answer;
}

void stable_made(u64 handle)
{
	struct undo *undo = undo_here();

	if (undo->handles < UNDO_HANDLES)
		undo->made[undo->handles++] = handle;
}

bool stable_unanswered(u32 *at, u64 *handle)
{
	for (; *at < rt_boot->stack_count * UNDO_HANDLES; ++*at) {
		const struct undo *undo = undo_of_stack(*at / UNDO_HANDLES);

		if (*at % UNDO_HANDLES >= undo->handles || undo->current & UNDO_KNOWN)
			continue;
		*handle = undo->made[*at % UNDO_HANDLES];
		++*at;
		return true;
	}
	return false;
}

bool stable_start(const struct tk_boot_info *boot)
{
	const struct undo_area areas[] = { { (u64)unit_kept_start, (u64)unit_kept_end },
		{ boot->heap, boot->heap + boot->heap_pages * PAGE_SIZE } };
	u64 size = boot->stack_count * sizeof(*logs);

	if (ready == 0 && logs == NULL)
		return false;
	recovers = true;
	/* What stands in these words is no better than the rest. */
	if (ready != READY || (u64)logs < areas[1].start || (u64)logs >= areas[1].end || size > areas[1].end - (u64)logs)
		rt_start_fail("it failed before it was ready, or its logs are gone");
	for (u64 i = 0; i < boot->stack_count && !rt_start_result(); i++)
		if (undo_take_back(undo_of_stack(i), &logs[i], areas, countof(areas)))
			rt_start_fail("a section that was under way can't be taken back");
	for (u64 i = 0; i < boot->stack_count && !rt_start_result(); i++) /* the heap gets the pieces back, since nobody claims them */
		logs[i].more_records.count = logs[i].more_frees.count = 0;
	answers_lock = (struct rt_lock)RT_LOCK_INIT;
	for (u64 i = 0; i < boot->stack_count && !rt_start_result(); i++)
		answer_keep(undo_answer_current(undo_of_stack(i)));
	return true;
}

void stable_ready(void)
{
	if (!logs) {
		logs = heap_alloc(rt_boot->stack_count * sizeof(*logs));
		rt_assert(logs != NULL);
		for (u64 i = 0; i < rt_boot->stack_count; i++)
			*undo_of_stack(i) = (struct undo){ 0 };
	}
	for (u64 i = 0; i < rt_boot->stack_count; i++) {
		undo_of_stack(i)->handles = 0;
		undo_of_stack(i)->log = &logs[i];
	}
	ready = READY;
	heap_from = rt_boot->heap;
	heap_bytes = rt_boot->heap_limit * PAGE_SIZE;
	noting = true;
}

bool rt_recovers(void)
{
	return recovers;
}

bool stable_frames_free(frame_t first, u32 order)
{
	return tk_frames_give(first, 1u << order, rt_boot->mem_domain) >= 0 && mem_frames_free(first, order) >= 0;
}

const void *stable_logs(void)
{
	return logs;
}

size_t stable_logs_size(void)
{
	return rt_boot->stack_count * sizeof(*logs);
}

/* ---- What the compiler calls ------------------------------------------------------------------------------------------------- */

#define HOOK(name) void name(const void *p); BARE void name(const void *p)
#define STORE(name, bits) HOOK(__tsan_##name) { store##bits##_comes(p); }
#define STORE_PAIR(name) HOOK(__tsan_##name) { copy_comes(p, 16); }
#define LOAD(name) HOOK(__tsan_##name) { (void)p; }

STORE(write1, 8) STORE(write2, 16) STORE(write4, 32) STORE(write8, 64) STORE_PAIR(write16)
STORE(unaligned_write2, 16) STORE(unaligned_write4, 32) STORE(unaligned_write8, 64) STORE_PAIR(unaligned_write16)
LOAD(read1) LOAD(read2) LOAD(read4) LOAD(read8) LOAD(read16)
LOAD(unaligned_read2) LOAD(unaligned_read4) LOAD(unaligned_read8) LOAD(unaligned_read16)

void __tsan_init(void);
void __tsan_init(void) {}

/* Copies become calls of the functions of these names, which the linker sends here; what is not noted copies without. */
#define COPY(name, value, ...) \
	void *__real_##name(void *to, value, size_t size); \
	void *__wrap_##name(void *to, value, size_t size); \
	void *__wrap_##name(void *to, value, size_t size) \
	{ \
		copy_comes(to, size); \
		return __real_##name(to, __VA_ARGS__, size); \
	}

COPY(memset, int byte, byte) COPY(memcpy, const void *from, from) COPY(memmove, const void *from, from)

void unnoted_copy(void *to, const void *from, size_t size)
{
	__real_memcpy(to, from, size);
}

void unnoted_zero(void *to, size_t size)
{
	__real_memset(to, 0, size);
}
