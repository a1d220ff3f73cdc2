/*
 * Operations of several processors at once, as threads: faults, copies, maps, unmaps, shares, grants, new and ending spaces. There is no
 * model; when all is quiet every count must be what the page tables and windows show. Order of flushes is tested in shootdown.c.
 */
#include <pthread.h>
#include "world.h"

#define THREADS 4u
#define STEPS 30000u
#define SPACES 2u
#define PAGES 600u
#define BASE (0x7f0000200000ul - 300 * PAGE_SIZE) /* crosses tables */
#define OBJECT_FRAMES 16u

static pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the free frames and mem's side of the pool */
static frame_t free_frames[WORLD_FRAMES];
static u32 free_count;
static frame_t object_frames[OBJECT_FRAMES];
static vaddr_t tokens[SPACES], pool_token;
static struct tk_pool_page *pool_page;
static volatile u32 failures;
static pthread_barrier_t start;

#define EXPECT(condition) (void)((condition) ? 0 : (printf("# %s\n", #condition), __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED)))

static u64 random_next(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static frame_t frame_get(void)
{
	pthread_mutex_lock(&free_lock);
	frame_t frame = free_count ? free_frames[--free_count] : FRAME_NONE;
	pthread_mutex_unlock(&free_lock);
	return frame;
}

static void frame_put(frame_t frame)
{
	pthread_mutex_lock(&free_lock);
	free_frames[free_count++] = frame;
	pthread_mutex_unlock(&free_lock);
}

static bool is_object(frame_t frame)
{
	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		if (object_frames[i] == frame)
			return true;
	return false;
}

static void pool_fill(void)
{
	pthread_mutex_lock(&free_lock);
	u32 head = __atomic_load_n(&pool_page->head, __ATOMIC_ACQUIRE);
	while (pool_page->tail - head < TK_POOL_ENTRIES / 2 && free_count) {
		frame_t frame = free_frames[--free_count];
		memset(frame_address(frame), 0, PAGE_SIZE);
		pool_page->entries[pool_page->tail % TK_POOL_ENTRIES] = frame;
		__atomic_store_n(&pool_page->tail, pool_page->tail + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&pool_page->log_head, __atomic_load_n(&pool_page->log_tail, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
	pthread_mutex_unlock(&free_lock);
}

static vaddr_t space_make(frame_t frames[3])
{
	struct tk_object_create create = { .type = TK_OBJECT_VSPACE, .frame_count = 3 };
	struct tk_field_write write = { TK_FIELD_VSPACE_POOL, 0, pool_token };

	for (u32 i = 0; i < 3; i++)
		create.frames[i] = frames[i] = frame_get();
	vaddr_t token = (vaddr_t)object_create(WORLD_MEM, &create);
	EXPECT(object_write(WORLD_MEM, token, &write, 1) == 0);
	struct tk_region_table *table = frame_address(frames[0]);
	table->regions[0] = (struct tk_region){ .start = BASE, .end = BASE + PAGES * PAGE_SIZE, .prot = 3, .kind = TK_REGION_ANONYMOUS, .flags = TK_REGION_PRIVATE };
	table->count = 1;
	return token;
}

static void unmap(vaddr_t token, u64 first, u64 count)
{
	frame_t freed[64];
	struct tk_unmap request = { .vspace = token, .freed = freed, .capacity = 64 };

	for (u64 done = 0; done < count; done += request.done) {
		request.address = BASE + (first + done) * PAGE_SIZE;
		request.pages = count - done;
		if (vspace_unmap(WORLD_MEM, &request)) {
			EXPECT(false);
			return;
		}
		for (u32 i = 0; i < request.freed_count; i++)
			if (!is_object(freed[i]))
				frame_put(freed[i]);
	}
}

static void share(vaddr_t from, vaddr_t to)
{
	for (u64 done = 0; done < PAGES;) {
		struct tk_share request = { from, to, BASE + done * PAGE_SIZE, PAGES - done, 1, 0 };
		long result = vspace_share(WORLD_MEM, &request);
		EXPECT(result > 0);
		done += result > 0 ? (u64)result : PAGES;
	}
}

/* A child: a space of its own that shares, writes and ends. */
static void child_live(vaddr_t parent, u64 *random)
{
	frame_t frames[3];
	vaddr_t token = space_make(frames);
	struct vspace *space = token_resolve(&domains[WORLD_MEM], token, TK_OBJECT_VSPACE);

	share(parent, token);
	for (u32 i = 0; i < 30; i++)
		vspace_fault(space, BASE + random_next(random) % PAGES * PAGE_SIZE, TK_ACCESS_WRITE);
	unmap(token, 0, PAGES);
	EXPECT(object_destroy(WORLD_MEM, token) == 0);
	for (u32 i = 0; i < 3; i++)
		frame_put(frames[i]);
}

static void object_page_map(vaddr_t token, u64 *random)
{
	frame_t frame = object_frames[random_next(random) % OBJECT_FRAMES];
	struct tk_map request = { token, BASE + random_next(random) % PAGES * PAGE_SIZE, 1, 3 | TK_PROT_COW, &frame };

	EXPECT(vspace_map(WORLD_MEM, &request) == 1);
}

static void grant_and_revoke(u64 *random)
{
	vaddr_t token = domains[WORLD_MEM].window + object_frames[random_next(random) % OBJECT_FRAMES] * PAGE_SIZE;
	u32 domain = random_next(random) & 1 ? WORLD_FS : WORLD_ABI;

	EXPECT(token_grant(WORLD_MEM, token, domain, (u32)(random_next(random) & 1)) == 0);
	EXPECT(token_revoke(WORLD_MEM, token, random_next(random) & 1 ? TK_EVERYONE : domain) == 0);
}

/* A claim of the same frame by several: one wins, and gives it back. */
static void claim_fight(u64 *random)
{
	frame_t frame = WORLD_USER_FIRST + (frame_t)(random_next(random) % 4);
	u32 owner = frame_record(frame)->owner, other = owner == WORLD_MEM ? WORLD_FS : WORLD_MEM;

	(void)!frames_give(owner, frame, 1, other);
}

static void *processor_run(void *argument)
{
	u64 random = (u64)argument * 77777 + unit_random();

	pthread_barrier_wait(&start);
	for (u32 step = 0; step < STEPS; step++) {
		u32 s = (u32)(random_next(&random) % SPACES), choice = (u32)(random_next(&random) % 100);
		struct vspace *space = token_resolve(&domains[WORLD_MEM], tokens[s], TK_OBJECT_VSPACE);

		if (choice < 75)
			vspace_fault(space, BASE + random_next(&random) % PAGES * PAGE_SIZE, random_next(&random) & 1 ? TK_ACCESS_WRITE : TK_ACCESS_READ);
		else if (choice < 80)
			unmap(tokens[s], random_next(&random) % (PAGES - 50), 50);
		else if (choice < 85)
			object_page_map(tokens[s], &random);
		else if (choice < 87)
			child_live(tokens[s], &random);
		else if (choice < 92)
			grant_and_revoke(&random);
		else if (choice < 97)
			claim_fight(&random);
		else
			EXPECT(vspace_protect(WORLD_MEM, tokens[s], BASE, 100, (random_next(&random) & 1 ? 3 : 1) | TK_PROT_COW) == 100);
		if (step % 8 == 0)
			pool_fill();
	}
	return NULL;
}

static void counts_check(void)
{
	static u32 counts[WORLD_FRAMES];

	memset(counts, 0, sizeof(counts));
	for (u32 s = 0; s < SPACES; s++) {
		u32 resident = 0;
		for (u32 page = 0; page < PAGES; page++) {
			long q = vspace_query(WORLD_MEM, tokens[s], BASE + page * PAGE_SIZE);
			if (q > 0) {
				counts[(frame_t)q]++;
				resident++;
			}
		}
		const struct vspace *space = token_resolve(&domains[WORLD_MEM], tokens[s], TK_OBJECT_VSPACE);
		CHECK(space->resident == resident);
	}
	for (frame_t f = WORLD_USER_FIRST; f < WORLD_FRAMES; f++)
		if (frame_record(f)->type == FRAME_USER)
			CHECK(frame_record(f)->map_count == counts[f]);
}

/* Every frame is free, in the pool, mapped, an object's or the test's: none is lost. */
static void frames_check(u32 total)
{
	const struct pool *pool = token_resolve(&domains[WORLD_MEM], pool_token, TK_OBJECT_POOL);
	u32 mapped = 0, stashed = 0;

	for (frame_t f = WORLD_USER_FIRST; f < WORLD_FRAMES; f++)
		mapped += frame_record(f)->type == FRAME_USER && frame_record(f)->map_count && !is_object(f);
	for (frame_t f = pool->stash; f != FRAME_NONE; f = frame_record(f)->link, stashed++)
		;
	CHECK(free_count + (pool_page->tail - pool_page->head) + mapped + stashed == total);
}

static void all_at_once(void)
{
	pthread_t threads[THREADS];
	frame_t frames[3];

	world_create(true);
	free_count = 0;
	for (frame_t f = WORLD_USER_FIRST + 4; f < WORLD_FRAMES; f++)
		free_frames[free_count++] = f;
	for (u32 i = 0; i < OBJECT_FRAMES; i++)
		object_frames[i] = frame_get();
	struct tk_object_create create = { .type = TK_OBJECT_POOL, .frame_count = 2, .frames = { frame_get(), frame_get() } };
	pool_token = (vaddr_t)object_create(WORLD_MEM, &create);
	pool_page = frame_address(create.frames[0]);
	for (u32 s = 0; s < SPACES; s++)
		tokens[s] = space_make(frames);
	u32 total = free_count;
	pool_fill();
	world_parallel = true;
	pthread_barrier_init(&start, NULL, THREADS);
	for (u64 i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, processor_run, (void *)(i + 1)) == 0);
	for (u32 i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	world_parallel = false;
	CHECK(failures == 0);
	CHECK(pool_page->log_tail > STEPS);
	counts_check();
	frames_check(total);
	for (u32 s = 0; s < SPACES; s++) {
		unmap(tokens[s], 0, PAGES);
		CHECK(object_destroy(WORLD_MEM, tokens[s]) == 0);
	}
}

static struct vspace *edited;
static enum fault_outcome edited_outcome;

static void *fault_run(void *argument)
{
	(void)argument;
	edited_outcome = vspace_fault(edited, 0x10000000, TK_ACCESS_WRITE);
	return NULL;
}

/* A region is taken out while a fault has found it and waits for the lock: nothing is mapped there. */
static void a_fault_meets_an_edit(void)
{
	struct tk_object_create pool = { .type = TK_OBJECT_POOL, .frame_count = 2, .frames = { 2000, 2001 } };
	struct tk_object_create space = { .type = TK_OBJECT_VSPACE, .frame_count = 3, .frames = { 2010, 2011, 2012 } };
	struct tk_field_write write = { .field = TK_FIELD_VSPACE_POOL };
	pthread_t other;

	world_create(true);
	write.value = (u64)object_create(WORLD_MEM, &pool);
	vaddr_t token = (vaddr_t)object_create(WORLD_MEM, &space);
	CHECK(object_write(WORLD_MEM, token, &write, 1) == 0);
	edited = token_resolve(&domains[WORLD_MEM], token, TK_OBJECT_VSPACE);
	edited->table->regions[0] = (struct tk_region){ .start = 0x10000000, .end = 0x10001000, .prot = 3, .kind = TK_REGION_ANONYMOUS };
	edited->table->count = 1;
	((struct tk_pool_page *)frame_address(2000))->entries[0] = 3000;
	((struct tk_pool_page *)frame_address(2000))->tail = 1;
	world_parallel = true;
	world_waits = false;
	spin_lock(&edited->lock);
	CHECK(pthread_create(&other, NULL, fault_run, NULL) == 0);
	while (!world_waits)
		sched_yield();
	edited->table->count = 0;
	__atomic_add_fetch(&edited->table->generation, 2, __ATOMIC_SEQ_CST);
	spin_unlock(&edited->lock);
	pthread_join(other, NULL);
	world_parallel = false;
	CHECK(edited_outcome == FAULT_CALL_MEM && vspace_query(WORLD_MEM, token, 0x10000000) == -ENOENT && frame_record(3000)->map_count == 0);
}

TEST_MAIN(TEST(all_at_once), TEST(a_fault_meets_an_edit))
