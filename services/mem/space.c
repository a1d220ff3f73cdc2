/* Address spaces: making, copying, ending. Ends that the core refuses because a thread is still leaving are tried again later. */
#include "mem.h"
#include <mem_server.h>

#define SPACE_FRAMES 3u /* exported page, private page, root table */
#define NEAR_BYTES (64 * PAGE_SIZE) /* a hole that is cheaper to look through than to make another call for */

static struct rt_lock dying_lock = RT_LOCK_INIT;
static struct mem_space *dying; /* spaces whose core object still has a user; guarded by dying_lock */

/* Spaces that have ended, renewed: their objects are empty and nobody uses them. */
#define SPARE_SPACES 16u
static struct rt_lock spare_lock = RT_LOCK_INIT; /* guards what follows */
static struct mem_space *spare[SPARE_SPACES];
static u32 spare_count;

static void frames_return(const frame_t *frames, u32 count)
{
	for (u32 i = 0; i < count; i++)
		if (frames[i])
			mem_frames_put(frames[i], 0);
}

/* Three frames; the last is 0 when there are not so many. */
static void frames_take(frame_t *frames)
{
	for (u32 i = 0; i < SPACE_FRAMES; i++) {
		frames[i] = mem_frames_take(0, MEM_FRAME_OWN);
		if (!frames[i])
			break;
	}
}

static bool space_spare(struct mem_space *space)
{
	bool kept;

	lock_acquire(&spare_lock);
	kept = spare_count < SPARE_SPACES;
	if (kept)
		spare[spare_count++] = space;
	lock_release(&spare_lock);
	return kept;
}

static struct mem_space *spare_take(void)
{
	struct mem_space *space = NULL;

	lock_acquire(&spare_lock);
	if (spare_count)
		space = spare[--spare_count];
	lock_release(&spare_lock);
	return space;
}

/* Gives the core its frames for an address space, and takes the object's page as the region table. */
static long core_object_make(struct mem_space *space)
{
	struct tk_object_create create = { .type = TK_OBJECT_VSPACE, .frame_count = SPACE_FRAMES };
	struct tk_field_write writes[2] = { { .field = TK_FIELD_VSPACE_POOL, .value = mem_pool_token() },
	                                    { .field = TK_FIELD_VSPACE_FAULTS, .value = rt_boot->domain } };
	long token = -ENOMEM;

	frames_take(create.frames);
	if (create.frames[SPACE_FRAMES - 1])
		token = tk_object_create(&create);
	if (token == -ENOMEM && create.frames[SPACE_FRAMES - 1] && mem_reserve_refill() == 0)
		token = tk_object_create(&create);
	if (mem_is_error(token)) {
		frames_return(create.frames, SPACE_FRAMES);
		return -ENOMEM;
	}
	space->frame = create.frames[0];
	space->core_frames[0] = create.frames[1];
	space->core_frames[1] = create.frames[2];
	space->token = (vaddr_t)token;
	space->table = (struct tk_region_table *)space->token;
	space->regions = space->table->regions;
	space->capacity = TK_REGIONS_IN_PAGE;
	if (mem_is_error(tk_object_write(space->token, writes, countof(writes)))) {
		rt_assert(tk_object_destroy(space->token) == 0);
		frames_return(create.frames, SPACE_FRAMES);
		return -ENOMEM;
	}
	return 0;
}

/* The space's last user has gone: it is kept for the next one, or its objects end; false while something uses it still. */
static bool core_object_end(struct mem_space *space)
{
	frame_t frames[SPACE_FRAMES] = { space->frame, space->core_frames[0], space->core_frames[1] };

	if (!space->larger_frame && !mem_is_error(tk_object_renew(space->token, 0)) && space_spare(space))
		return true;
	if (mem_is_error(tk_object_destroy(space->token)))
		return false;
	frames_return(frames, SPACE_FRAMES);
	if (space->larger_frame)
		mem_frames_put(space->larger_frame, space->larger_order);
	heap_free(space->side);
	heap_free(space);
	return true;
}

static void dying_retry(void)
{
	struct mem_space **at;

	if (!dying)
		return;
	lock_acquire(&dying_lock);
	at = &dying;
	while (*at) {
		struct mem_space *space = *at, *next = space->next_dying;

		if (core_object_end(space))
			*at = next;
		else
			at = &space->next_dying;
	}
	lock_release(&dying_lock);
}

u32 mem_spaces_spare(void) { return spare_count; }

static struct mem_space *space_make(void)
{
	struct mem_space *space = heap_alloc(sizeof(*space));

	if (!space)
		return NULL;
	lock_rank_set(&space->lock, RANK_MEM_SPACE);
	space->side = heap_alloc(TK_REGIONS_IN_PAGE * sizeof(*space->side));
	if (space->side && !core_object_make(space))
		return space;
	heap_free(space->side);
	heap_free(space);
	return NULL;
}

/* A kept space: of its last life only the core's object and those who hold it are left. */
static void space_clear(struct mem_space *space)
{
	struct mem_space fresh = { .frame = space->frame, .core_frames = { space->core_frames[0], space->core_frames[1] }, .token = space->token,
	                           .table = space->table, .regions = space->regions, .capacity = space->capacity, .side = space->side,
	                           .lock = RT_LOCK_RANKED(RANK_MEM_SPACE) };

	memcpy(fresh.announced, space->announced, sizeof(fresh.announced));
	*space = fresh;
}

long mem_space_allocate(struct mem_space **result)
{
	struct mem_space *space;

	dying_retry();
	space = spare_take();
	if (space)
		space_clear(space);
	else
		space = space_make();
	if (!space)
		return -ENOMEM;
	space->top = rt_boot->user_limit;
	space->limits = (struct mem_limits){ .address_space = MEM_UNLIMITED, .data = MEM_UNLIMITED, .stack = MEM_UNLIMITED,
	                                     .locked = MEM_UNLIMITED };
	if (mem_handle_create(&space->handled, MEM_HANDLE_SPACE)) {
		(void)core_object_end(space);
		return -ENOMEM;
	}
	space->table->reserved[0] = mem_handle_slot(&space->handled);
	*result = space;
	return 0;
}

static struct mem_space *space_lock(struct mem_space *space)
{
	if (!space)
		return NULL;
	lock_acquire(&space->lock);
	if (!space->dead)
		return space;
	mem_space_put(space);
	return NULL;
}

struct mem_space *mem_space_get(u64 handle)
{
	return space_lock((struct mem_space *)mem_handle_get(handle, MEM_HANDLE_SPACE));
}

struct mem_space *mem_space_of_frame(frame_t frame)
{
	const struct tk_region_table *table = mem_frame_address(frame);
	struct mem_space *space;

	if (mem_frame_state(frame) != MEM_FRAME_OWN)
		return NULL;
	space = space_lock((struct mem_space *)mem_handle_get_slot((u32)table->reserved[0], MEM_HANDLE_SPACE));
	if (space && space->frame != frame) {
		mem_space_put(space);
		return NULL;
	}
	return space;
}

struct mem_space *mem_space_of_client(void)
{
	long frame = tk_client_get();

	return mem_is_error(frame) || frame == 0 ? NULL : mem_space_of_frame((frame_t)frame);
}

void mem_space_put(struct mem_space *space)
{
	lock_release(&space->lock);
	if (!mem_handled_drop(&space->handled) || core_object_end(space))
		return;
	lock_acquire(&dying_lock);
	space->next_dying = dying;
	dying = space;
	lock_release(&dying_lock);
}

/* Makes a domain able to name the space to the core; the space is locked. */
static long space_announce(struct mem_space *space, u32 domain)
{
	long result;

	if (domain == rt_boot->domain || bitmap_test(space->announced, domain))
		return 0;
	result = tk_grant(space->token, domain, TK_MODE_READ);
	if (result == -ENOMEM && mem_reserve_refill() == 0)
		result = tk_grant(space->token, domain, TK_MODE_READ);
	if (mem_is_error(result))
		return -ENOMEM;
	bitmap_set(space->announced, domain);
	return 0;
}

/* The end of the run of regions from `at` on that lie near each other and, if asked for, give their pages to a child. */
static u32 run_end(const struct mem_space *space, u32 at, bool (*belongs)(const struct mem_space *, u32))
{
	u32 end = at;

	while (end < space->table->count && (!belongs || belongs(space, end)) &&
	       (end == at || space->regions[end].start - space->regions[end - 1].end <= NEAR_BYTES))
		end++;
	return end;
}

/* Ends a locked space: nothing is mapped and nobody finds it afterwards. */
static void space_end(struct mem_space *space)
{
	u32 end;

	mem_edit_begin(space);
	for (u32 at = 0; at < space->table->count; at = end) {
		end = run_end(space, at, NULL);
		mem_pages_unmap(space, space->regions[at].start, space->regions[end - 1].end);
	}
	mem_mappings_destroy(mem_regions_detach(space, 0, space->table->count));
	mem_edit_end(space);
	space->dead = true;
	mem_handle_close(&space->handled);
	(void)mem_handled_drop(&space->handled); /* the handle's reference; the caller still has its own */
}

static long space_publish(struct mem_space *space, u32 caller, u64 *handle, u64 *frame)
{
	space->maker = caller;
	lock_acquire(&space->lock);
	mem_handled_hold(&space->handled);
	if (space_announce(space, caller) || (caller != rt_boot->abi_domain && space_announce(space, rt_boot->abi_domain))) {
		space_end(space);
		mem_space_put(space);
		return -ENOMEM;
	}
	*handle = space->handled.handle;
	*frame = space->frame;
	mem_space_put(space);
	return 0;
}

long mem_op_space_create(const struct rt_request *rq, u64 like, u64 *space, u64 *frame)
{
	struct mem_limits limits;
	struct mem_space *made, *model = NULL;

	if (like) {
		model = mem_space_get(like);
		if (!model)
			return -EBADF;
		limits = model->limits;
		mem_space_put(model);
	}
	if (mem_space_allocate(&made))
		return -ENOMEM;
	if (like)
		made->limits = limits;
	return space_publish(made, rq->caller, space, frame);
}

/* Copies region `at` of a parent to the end of the child's table; the child has room. */
static long region_inherit(const struct mem_space *parent, u32 at, struct mem_space *child)
{
	const struct tk_region *region = &parent->regions[at];
	struct mem_side side = parent->side[at];

	side.notes &= ~(u32)(MEM_NOTE_LOCKED | MEM_NOTE_LOCK_ON_FAULT);
	if (side.mapping) {
		side.mapping = mem_mapping_create(side.mapping->object, child, region, side.notes);
		if (!side.mapping)
			return -ENOMEM;
	}
	mem_region_insert(child, child->table->count, region, side);
	mem_region_count(child, region, side.notes, true);
	return 0;
}

/* Pages that a child gets at once: anonymous ones and private copies. What an object can bring again is left to faults. */
static bool region_shares_pages(const struct mem_space *space, u32 at)
{
	u32 notes = space->side[at].notes;

	if (notes & (MEM_NOTE_SHARED | MEM_NOTE_DONTFORK | MEM_NOTE_WIPEONFORK))
		return false;
	return !space->side[at].mapping || (notes & MEM_NOTE_WRITTEN);
}

static long pages_inherit(struct mem_space *parent, struct mem_space *child)
{
	u32 at = 0;

	while (at < parent->table->count) {
		u32 end = run_end(parent, at, region_shares_pages);
		long result = 0;

		if (end > at)
			result = mem_pages_share(parent, child, parent->regions[at].start, parent->regions[end - 1].end);
		if (result)
			return result;
		at = end > at ? end : at + 1;
	}
	return 0;
}

static long space_copy(struct mem_space *parent, struct mem_space *child)
{
	long result = mem_regions_reserve(child, parent->table->count);

	if (result)
		return result;
	child->limits = parent->limits;
	child->break_start = parent->break_start;
	child->break_end = parent->break_end;
	child->top = parent->top;
	mem_edit_begin(child);
	for (u32 at = 0; at < parent->table->count && !result; at++)
		if (!(parent->side[at].notes & MEM_NOTE_DONTFORK))
			result = region_inherit(parent, at, child);
	if (!result)
		result = pages_inherit(parent, child);
	mem_edit_end(child);
	return result;
}

long mem_op_space_fork(const struct rt_request *rq, u64 space, u64 *child, u64 *frame)
{
	struct mem_space *parent, *made;
	long result;

	if (mem_space_allocate(&made))
		return -ENOMEM;
	parent = mem_space_get(space);
	result = parent ? 0 : -EBADF;
	if (parent) {
		mem_edit_begin(parent);
		result = space_copy(parent, made);
		mem_edit_end(parent);
		mem_space_put(parent);
	}
	if (result) {
		lock_acquire(&made->lock);
		mem_handled_hold(&made->handled);
		space_end(made);
		mem_space_put(made);
		return result;
	}
	mem_pool_tend(false);
	mem_reserve_tend();
	return space_publish(made, rq->caller, child, frame);
}

long mem_op_space_token(const struct rt_request *rq, u64 space, u64 *frame)
{
	struct mem_space *found = mem_space_get(space);
	long result;

	if (!found)
		return -EBADF;
	result = space_announce(found, rq->caller);
	*frame = found->frame;
	mem_space_put(found);
	return result;
}

long mem_op_space_destroy(const struct rt_request *rq, u64 space)
{
	struct mem_space *found = mem_space_get(space);
	long result = !found ? -EBADF : found->maker != rq->caller ? -EPERM : 0;

	if (!result)
		space_end(found);
	if (found)
		mem_space_put(found);
	return result;
}

long mem_op_space_limits(const struct rt_request *rq, u64 space, const struct mem_limits *limits)
{
	struct mem_space *found = mem_space_get(space);

	(void)rq;
	if (!found)
		return -EBADF;
	found->limits = *limits;
	mem_space_put(found);
	return 0;
}
