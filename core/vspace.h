/*
 * Address spaces of applications: page tables, region table, pool. The private page of a vspace object. Page tables and the private
 * fields are guarded by `lock`; the region table is mem's and is read once, checked, verified by its generation.
 */
#ifndef CORE_VSPACE_H
#define CORE_VSPACE_H

#include <tessera/types.h>
#include <tessera/call.h>
#include <tessera/object.h>
#include "spinlock.h"

struct domain;

struct pool {                       /* private page of a pool object */
	struct spinlock lock;
	u32 id;                         /* = frame number of the exported page */
	struct tk_pool_page *page;      /* core's address */
	u32 head, log_tail;             /* the core's own copies: never read back from the page */
	bool low;                       /* mem is to be told that entries or page tables are few; a hint */
	u32 promised;                   /* log records promised by pool_take, not yet written */
	frame_t stash;                  /* chain of frames that a copy left without mapping: served again, cleared */
	u32 references;                 /* spaces that use it, atomic */
	u32 owner;                      /* domain */
};

struct vspace {
	struct spinlock lock;
	u32 id;                         /* = frame number of the exported page; key of private waits */
	u16 owner;                      /* domain */
	u16 fault_domain;               /* serves TK_UPCALL_FAULT */
	paddr_t root;
	struct tk_region_table *table;  /* core's address of the region table */
	u32 table_capacity;
	frame_t table_first;            /* pinned frames of a larger region table; FRAME_NONE: the exported page */
	u32 table_frames;
	u32 hint;                       /* index of the region found last, unguarded */
	struct pool *pool;
	u32 references;                 /* threads and activations that name it, atomic */
	u64 resident;
};

long vspace_create(u32 caller, const struct tk_object_create *request) must_check;
long vspace_destroy(void *vspace) must_check;
long vspace_renew(void *vspace, u32 caller, u64 argument) must_check; /* as tk_object_renew */
long vspace_write_field(struct vspace *space, u32 caller, const struct tk_field_write *write);
long vspace_map(u32 caller, const struct tk_map *request);
long vspace_unmap(u32 caller, struct tk_unmap *request);
long vspace_protect(u32 caller, vaddr_t token, vaddr_t address, u64 pages, u32 prot);
long vspace_share(u32 caller, const struct tk_share *request);
long vspace_move(u32 caller, const struct tk_move *request);
long vspace_query(u32 caller, vaddr_t token, vaddr_t address);
/* The space of a token, which can't be destroyed until vspace_unreference; NULL: no such token. */
struct vspace *vspace_reference(const struct domain *d, vaddr_t token);
static inline void vspace_unreference(struct vspace *space) /* or NULL */
{
	if (space)
		/* Release: this user is done with it. */
		__atomic_fetch_sub(&space->references, 1, __ATOMIC_RELEASE);
}
/* The region that holds address, copied and checked: false if none or mem is editing. */
bool vspace_region(struct vspace *space, vaddr_t address, struct tk_region *out, u32 *generation);

enum fault_outcome { FAULT_SERVED, FAULT_CALL_MEM, FAULT_REFUSED /* the region's protection forbids it */ };
/* Serves a missing or write-protected page from the pool, if the region table allows it. Called with the space not locked. */
enum fault_outcome vspace_fault(struct vspace *space, vaddr_t address, u32 access);
/* Core's address of a mapped user page for access (enum tk_access) or NULL: the software walk of user copies. Caller holds no lock;
 * the frame is pinned until frame_unpin. */
void *vspace_pin(struct vspace *space, vaddr_t address, u32 access, frame_t *frame);

long pool_create(u32 caller, const struct tk_object_create *request) must_check;
long pool_destroy(void *pool) must_check;
/* A zeroed, checked frame out of the ring with its first mapping counted; FRAME_NONE. A log record is promised: pool_log must follow. */
frame_t pool_take(struct pool *pool);
/* Writes the promised record. address: page | 1 for a copy. */
void pool_log(struct pool *pool, u32 space, vaddr_t address, frame_t frame);
/* Both at once, for the common fault. */
frame_t pool_serve(struct pool *pool, u32 space, vaddr_t address);
/* An anonymous frame that a copy left with no mapping, claimed. */
void pool_stash(struct pool *pool, frame_t frame);
/* When pool.low is set: the pool with a reference, so that pool_low_tell can wake mem's refill thread once the space is unlocked (waiting
 * comes before spaces in the order of locks). NULL: nothing to tell. */
struct pool *pool_low_hold(struct pool *pool);
void pool_low_tell(struct pool *pool);

/* ---- for the files of vspace --------------------------------------------------------------------------------------------------------- */
#define VSPACE_BATCH 512     /* pages changed by one call */
#define VSPACE_TABLES 32     /* leaf tables looked at by one call */
/* The caller's own space, pinned; NULL: no such token. vspace_release unpins. */
struct vspace *vspace_hold(u32 caller, vaddr_t token);
void vspace_release(u32 caller, vaddr_t token);
/* Page-aligned, not empty, below the limit of applications. */
bool vspace_range_valid(vaddr_t address, u64 pages);
/* All processors that may have the space loaded flush; with the lock held. */
void vspace_flush(struct vspace *space, vaddr_t address, u64 pages);
void vspace_count(struct vspace *space, i64 pages); /* resident pages */
/* End of what the leaf table of address covers, or end. */
static inline vaddr_t vspace_table_end(vaddr_t address, vaddr_t end)
{
	vaddr_t next = round_down(address, 512 * PAGE_SIZE) + 512 * PAGE_SIZE;
	return next < end ? next : end;
}

#endif
