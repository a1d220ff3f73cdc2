/* Address spaces: objects with page tables of their own, their settings, and what all operations on them share. */
#include "vspace.h"
#include "token.h"
#include <arch/page.h>
#include <tessera/arch.h>

#define TABLE_ORDER_MAX 10u /* log2 pages of a region table */

struct vspace *vspace_hold(u32 caller, vaddr_t token)
{
	return token_pin_own(&domains[caller], token, TK_OBJECT_VSPACE);
}

void vspace_release(u32 caller, vaddr_t token)
{
	token_unpin(&domains[caller], token);
}

struct vspace *vspace_reference(const struct domain *d, vaddr_t token)
{
	struct vspace *space = token_pin(d, token, TK_OBJECT_VSPACE);

	if (space) {
		/* Relaxed: the pin keeps the space until the reference counts. */
		__atomic_fetch_add(&space->references, 1, __ATOMIC_RELAXED);
		token_unpin(d, token);
	}
	return space;
}

bool vspace_range_valid(vaddr_t address, u64 pages)
{
	return !(address & PAGE_MASK) && pages && address < ARCH_USER_LIMIT && pages <= (ARCH_USER_LIMIT - address) >> PAGE_SHIFT;
}

void vspace_flush(struct vspace *space, vaddr_t address, u64 pages)
{
	arch_tlb_flush(arch_root_cpus(space->root), address, pages);
}

void vspace_count(struct vspace *space, i64 pages)
{
	space->resident += (u64)pages;
	space->table->resident = space->resident;
}

long vspace_create(u32 caller, const struct tk_object_create *request)
{
	struct vspace *space = frame_address(request->frames[1]);

	*space = (struct vspace){
		.id = request->frames[0],
		.owner = (u16)caller,
		.fault_domain = (u16)caller,
		.root = (paddr_t)request->frames[2] << PAGE_SHIFT,
		.table = frame_address(request->frames[0]),
		.table_capacity = TK_REGIONS_IN_PAGE,
	};
	arch_root_init(space->root);
	return 0;
}

static void table_release(frame_t first, u32 count)
{
	for (u32 i = 0; i < count; i++)
		frame_unclaim(first + i);
}

/* Nobody uses it and nothing is mapped: its empty tables go back. Claimed by the caller, so that nobody begins to use it. */
static bool vspace_idle(struct vspace *space)
{
	const struct frame_record *root = frame_record((frame_t)(space->root >> PAGE_SHIFT));
	frame_t chain = FRAME_NONE;

	spin_lock(&space->lock);
	if (root->map_count) /* empty tables, for pages that were never mapped after all, or of pages still mapped */
		arch_root_trim(space->root, 0, ARCH_USER_LIMIT, &chain);
	if (chain != FRAME_NONE)
		vspace_flush(space, 0, ARCH_TLB_ALL_PAGES);
	/* Acquire: what the last user did with it is over. */
	bool busy = root->map_count || __atomic_load_n(&space->references, __ATOMIC_ACQUIRE);
	spin_unlock(&space->lock);
	reserve_return_chain(chain);
	return !busy;
}

long vspace_destroy(void *vspace)
{
	struct vspace *space = vspace;

	if (!vspace_idle(space))
		return -EBUSY;
	table_release(space->table_first, space->table_frames);
	if (space->pool)
		/* Release: this space is done with it. */
		__atomic_sub_fetch(&space->pool->references, 1, __ATOMIC_RELEASE);
	return 0;
}

/* An idle one is as a new one, with its owner's settings. */
long vspace_renew(void *vspace, u32 caller, u64 argument)
{
	(void)caller;
	if (argument)
		return -EINVAL;
	return vspace_idle(vspace) ? 0 : -EBUSY;
}

static long pool_set(struct vspace *space, u32 caller, vaddr_t token)
{
	struct pool *pool = token_pin_own(&domains[caller], token, TK_OBJECT_POOL);

	if (!pool)
		return -EINVAL;
	/* Relaxed: the pin keeps the pool until the reference counts. */
	__atomic_add_fetch(&pool->references, 1, __ATOMIC_RELAXED);
	spin_lock(&space->lock);
	struct pool *old = space->pool;
	space->pool = pool;
	spin_unlock(&space->lock);
	if (old)
		/* Release: this space is done with it. */
		__atomic_sub_fetch(&old->references, 1, __ATOMIC_RELEASE);
	token_unpin(&domains[caller], token);
	return 0;
}

/* Claims contiguous frames of the caller: nobody else can map them or make them something else while they hold regions. */
static bool table_claim(u32 caller, frame_t first, u32 count)
{
	for (u32 i = 0; i < count; i++)
		if (!frame_claim(first + i, caller)) {
			table_release(first, i);
			return false;
		}
	return true;
}

static long table_set(struct vspace *space, u32 caller, u64 value)
{
	frame_t first = (frame_t)value;
	u64 order = value >> 32;

	if (first != FRAME_NONE) {
		if (order > TABLE_ORDER_MAX || first > ~0u - (1u << order))
			return -EINVAL;
		if (!table_claim(caller, first, 1u << order))
			return -EPERM;
	}
	/* Commit. */
	spin_lock(&space->lock);
	frame_t old_first = space->table_first;
	u32 old_count = space->table_frames;
	space->table_first = first;
	space->table_frames = first == FRAME_NONE ? 0 : 1u << order;
	space->table = frame_address(first == FRAME_NONE ? space->id : first);
	u64 bytes = PAGE_SIZE * (first == FRAME_NONE ? 1 : 1ull << order);
	space->table_capacity = (u32)((bytes - offsetof(struct tk_region_table, regions)) / sizeof(struct tk_region));
	space->hint = 0;
	vspace_count(space, 0);
	spin_unlock(&space->lock);
	table_release(old_first, old_count);
	return 0;
}

long vspace_write_field(struct vspace *space, u32 caller, const struct tk_field_write *write)
{
	switch (write->field) {
	case TK_FIELD_VSPACE_POOL:
		return pool_set(space, caller, write->value);
	case TK_FIELD_VSPACE_TABLE:
		return table_set(space, caller, write->value);
	case TK_FIELD_VSPACE_FAULTS:
		if (!write->value || write->value >= domain_count)
			return -EINVAL;
		space->fault_domain = (u16)write->value;
		return 0;
	default:
		return -EINVAL;
	}
}
