/*
 * What mem gives the core ahead: the pool of zeroed frames by which the core serves faults alone, and the reserve of page tables. Every
 * operation that comes by tops the pool up when it is low; the unit's own thread does so when the core says that nobody else did.
 */
#include "mem.h"

#define POOL_FILL 192u    /* entries when it is full */
#define POOL_LOW 128u     /* the core calls for more below this: before its fault log is full */
#define RESERVE_FILL 64u  /* page tables given at a time */
#define RESERVE_LOW 48u
#define RESERVE_ENOUGH 256u /* more than any one call of the core takes: what failed then has another reason */

_Static_assert(POOL_FILL - POOL_LOW < TK_POOL_LOG_ENTRIES, "the log holds what is taken between two fillings");

static struct rt_lock pool_lock = RT_LOCK_RANKED(RANK_MEM_POOL); /* guards the owner's side of the pool */
static struct tk_pool_page *pool;
static vaddr_t pool_object;
static volatile u64 served_alone, reserve_given;

vaddr_t mem_pool_token(void)
{
	return pool_object;
}

u32 mem_pool_held(void)
{
	u32 held = pool->tail - pool->head;

	return held <= TK_POOL_ENTRIES ? held : 0;
}

u64 mem_pool_faults(void)
{
	return served_alone;
}

u64 mem_reserve_given(void)
{
	return reserve_given;
}

static void log_drain(void)
{
	/* Acquire: records up to log_tail are written. */
	u32 tail = __atomic_load_n(&pool->log_tail, __ATOMIC_ACQUIRE);

	served_alone += tail - pool->log_head;
	/* Release: this side is done with the records. */
	__atomic_store_n(&pool->log_head, tail, __ATOMIC_RELEASE);
}

bool mem_pool_tend(bool full)
{
	u32 tail, held;

	if (!full && mem_pool_held() >= POOL_LOW && pool->log_tail - pool->log_head < TK_POOL_LOG_ENTRIES / 2)
		return true;
	lock_acquire(&pool_lock);
	log_drain();
	tail = pool->tail;
	/* Acquire: the core has read the entries before head. */
	held = tail - __atomic_load_n(&pool->head, __ATOMIC_ACQUIRE);
	rt_assert(held <= TK_POOL_ENTRIES);
	while (held < POOL_FILL) {
		frame_t frame = mem_frame_take_zeroed(MEM_FRAME_ANONYMOUS);

		if (!frame)
			break;
		pool->entries[tail % TK_POOL_ENTRIES] = frame;
		tail++;
		held++;
		/* Release: the entry is written before it counts. */
		__atomic_store_n(&pool->tail, tail, __ATOMIC_RELEASE);
	}
	lock_release(&pool_lock);
	return held > 0;
}

/* Gives page tables to the core; the number it holds then, or an error. */
static long reserve_give(u32 count)
{
	frame_t frames[RESERVE_FILL];
	u32 taken = 0;
	long result;

	while (taken < count && taken < RESERVE_FILL) {
		frame_t frame = mem_frames_take(0, MEM_FRAME_ABSENT);

		if (!frame)
			break;
		frames[taken++] = frame;
	}
	if (!taken)
		return -ENOMEM;
	result = tk_reserve_fill(frames, taken);
	if (mem_is_error(result)) {
		for (u32 i = 0; i < taken; i++) {
			mem_frame_state_set(frames[i], MEM_FRAME_OWN);
			mem_frames_put(frames[i], 0);
		}
		return result;
	}
	__atomic_add_fetch(&reserve_given, taken, __ATOMIC_RELAXED); /* relaxed: a statistic */
	return result;
}

long mem_reserve_refill(void)
{
	long result = tk_reserve_fill(NULL, 0);

	if (!mem_is_error(result) && result < (long)RESERVE_ENOUGH)
		result = reserve_give(RESERVE_FILL / 2);
	else
		result = -ENOMEM;
	return mem_is_error(result) ? -ENOMEM : 0;
}

void mem_reserve_tend(void)
{
	long level = tk_reserve_fill(NULL, 0);

	if (!mem_is_error(level) && level < (long)RESERVE_LOW && mem_is_error(reserve_give(RESERVE_FILL / 2)))
		log_line("mem: low on page tables");
}

void mem_pool_init(void)
{
	struct tk_object_create create = { .type = TK_OBJECT_POOL, .frame_count = 2 };
	long token;

	create.frames[0] = mem_frame_take_zeroed(MEM_FRAME_OWN);
	create.frames[1] = mem_frame_take_zeroed(MEM_FRAME_OWN);
	rt_assert(create.frames[0] && create.frames[1]);
	token = tk_object_create(&create);
	rt_assert(!mem_is_error(token));
	pool_object = (vaddr_t)token;
	pool = (struct tk_pool_page *)pool_object;
	pool->low = POOL_LOW;
	if (mem_is_error(reserve_give(RESERVE_FILL)))
		log_line("mem: no reserve of page tables");
	if (!mem_pool_tend(true))
		log_line("mem: no memory for the frame pool");
}

void mem_pool_serve(void)
{
	for (;;) {
		u32 seen = __atomic_load_n(&pool->low_word, __ATOMIC_ACQUIRE); /* acquire: read before the pool's state */

		mem_pool_tend(true);
		mem_reserve_tend();
		(void)tk_wait(&pool->low_word, seen, NANOS_NEVER, TK_WAIT_NEVER_INTERRUPTED, ~0u);
	}
}
