/*
 * Inside of the memory service. Lock order: space, object, handles, pool, given, frames; a lock to the right is taken last.
 * Non-static names start with mem_; functions named *_locked want the lock their comment names.
 */
#ifndef MEM_H
#define MEM_H

#include <runtime.h>
#include <bitmap.h>
#include <mem/mem_types.h>

#define MEM_STACK_GUARD (256 * PAGE_SIZE) /* distance that a growing stack keeps from the mapping below */
#define MEM_REGIONS_MAX 65530             /* regions of one address space, Linux's vm.max_map_count */
#define MEM_LOWEST_HINT 65536ul           /* mem itself chooses no address below (vm.mmap_min_addr) */

static inline bool mem_is_error(long result)
{
	return (unsigned long)result > -4096ul;
}

/* ---- frames.c: who uses each frame, and the free ones ------------------------------------------------------------------------ */

enum mem_frame_state {
	MEM_FRAME_ABSENT,      /* not mem's */
	MEM_FRAME_IDLE,        /* inside a free block, or in the cache of single frames */
	MEM_FRAME_ANONYMOUS,   /* in a pool, or mapped in applications: free when its last mapping goes */
	MEM_FRAME_OBJECT,      /* in a memory object */
	MEM_FRAME_LENT,        /* the same, and granted to the object's maker */
	MEM_FRAME_SPARE,       /* granted to who made an object that had it, for another one: see spare.c */
	MEM_FRAME_OWN,         /* mem's own: tables, heap, core objects */
	MEM_FRAME_UNIT = 0x20, /* given to another unit; | order at the first frame of the block */
	MEM_FRAME_NEIGHBOUR = 0x60, /* the same for a service of mem's own unit: other units can't give it back */
	MEM_FRAME_FREE = 0x40, /* first frame of a free block; | order */
};
#define MEM_ORDER_MAX 10
#define MEM_ORDER_INNER 0x1f /* with MEM_FRAME_UNIT: not the first frame of its block */

void mem_frames_init(void);
frame_t mem_frames_take(u32 order, u8 state) must_check;    /* content undefined; FRAME_NONE when there are none */
frame_t mem_frame_take_zeroed(u8 state) must_check;
void mem_frames_put(frame_t first, u32 order);
frame_t mem_frames_end(void);                               /* none of mem's is above */
u8 mem_frame_state(frame_t frame);                          /* MEM_FRAME_ABSENT for any number that is not mem's */
void mem_frame_state_set(frame_t frame, u8 state);
bool mem_frame_state_change(frame_t frame, u8 from, u8 to) must_check; /* atomically; false: it was not `from` */
u64 mem_frames_used(enum mem_frame_state state);            /* how many have that state */
u64 mem_frames_adopted(void);                                    /* frames that came later than the boot's: in no count of the core's */
u64 mem_frames_available(void);                                  /* frames that could be had, those off line and spare ones included */
bool mem_frames_short(void);                                     /* the last ones are left, which applications and files do not get */
static inline void *mem_frame_address(frame_t frame)
{
	return (void *)token_of_frame(frame);
}
void mem_frame_zero(frame_t frame);
void mem_frame_copy(frame_t to, frame_t from);

/* ---- spare.c ------------------------------------------------------------------------------------------------------------------ */

bool mem_spare_put(u32 maker, frame_t frame) must_check;    /* a lent frame that is mapped nowhere; false: it stays lent */
frame_t mem_spare_take(u32 maker) must_check;               /* lent again, content undefined; FRAME_NONE when there is none */
bool mem_spares_free(void) must_check;                      /* takes all back; false: there was none */
u32 mem_spares_held(void);

/* ---- pool.c: frames given to the core ahead ------------------------------------------------------------------------------------ */

void mem_pool_init(void);
vaddr_t mem_pool_token(void);
bool mem_pool_tend(bool full);      /* drains the log and fills the pool when it is low (or always); false: it is empty */
u32 mem_pool_held(void);            /* frames that wait in it */
u64 mem_pool_faults(void);          /* faults the core served alone */
void mem_reserve_tend(void);         /* gives the core page tables while it still has some: others, who can't, need them next */
long mem_reserve_refill(void) must_check; /* after the core ran out of page tables; -ENOMEM */
u64 mem_reserve_given(void);        /* frames that became page tables or wait to */
noreturn_fn void mem_pool_serve(void); /* the unit's own thread */

/* ---- handle.c ------------------------------------------------------------------------------------------------------------------- */

enum mem_handle_type { MEM_HANDLE_NONE, MEM_HANDLE_SPACE, MEM_HANDLE_OBJECT };
struct mem_handled {                /* first member of what has a handle */
	u64 handle;                     /* 0 once it can't be found any more */
	volatile u32 references;
	u32 type;                       /* enum mem_handle_type */
};
long mem_handle_create(struct mem_handled *thing, u32 type) must_check; /* with one reference */
struct mem_handled *mem_handle_get(u64 handle, u32 type) must_check;    /* takes a reference; NULL: no such */
struct mem_handled *mem_handle_get_slot(u32 slot, u32 type) must_check;
u32 mem_handle_slots(void);                         /* all slots that were ever used are below */
static inline u32 mem_handle_slot(const struct mem_handled *thing) { return (u32)(thing->handle & 0xfffff); }
bool mem_handle_close(struct mem_handled *thing);   /* can't be found any more; false: it was closed before */
void mem_handled_hold(struct mem_handled *thing);
bool mem_handled_drop(struct mem_handled *thing);   /* true: that was the last reference */

/* ---- index.c: page index to frame, sparse ----------------------------------------------------------------------------------------- */

struct mem_index { void *root; u32 height; u64 count; };
frame_t mem_index_get(const struct mem_index *index, u64 at);
long mem_index_set(struct mem_index *index, u64 at, frame_t frame) must_check; /* -ENOMEM; frame is not FRAME_NONE */
frame_t mem_index_remove(struct mem_index *index, u64 at);
bool mem_index_next(const struct mem_index *index, u64 *at, frame_t *frame);   /* first at or above *at */

/* ---- Objects ------------------------------------------------------------------------------------------------------------------------ */

struct mem_space;
struct mem_mapping {                /* one region that maps an object; guarded by the object's lock */
	struct mem_mapping *next, **previous;
	struct mem_mapping *detached;   /* the next of a chain of regions that are gone; the space's lock guards it */
	struct mem_object *object;
	struct mem_space *space;
	u64 start, end;                 /* addresses */
	u64 page;                       /* of start in the object */
	bool shared;
	bool may_write;                 /* shared, and writable now or by mprotect */
};
struct mem_object {
	struct mem_handled handled;
	struct rt_lock lock;            /* guards all below */
	u32 maker;                      /* domain that looks into its pages; 0: mem itself (shared anonymous memory) */
	u32 holds;
	bool maker_gone;
	u64 pages;
	u64 cookie;
	struct mem_index index;
	struct mem_mapping *mappings;
	u64 mapping_count, writable_count;
};
struct mem_object *mem_object_make(u64 pages, u32 maker, u64 cookie) must_check;
struct mem_object *mem_object_get(u64 handle) must_check;
void mem_object_drop(struct mem_object *object);
frame_t mem_object_frame_locked(struct mem_object *object, u64 index, bool create); /* object lock; FRAME_NONE: hole or no memory */
enum mem_remove {
	MEM_REMOVE_PRIVATE = 1,         /* private copies too: the file ended there, else a hole was punched */
	MEM_REMOVE_BY_MAKER = 2,        /* who is at work on none of them; else they are only cleared */
};
void mem_object_remove(struct mem_object *object, u64 first, u64 end, u32 how);     /* no lock: pages become holes; enum mem_remove */
void mem_object_size_set(struct mem_object *object, u64 pages);                     /* no lock */
bool mem_object_recall(struct mem_object *object) must_check;                       /* no lock: takes lent frames back from the maker, once */
u64 mem_object_frames_shared(void);                                                 /* frames of shared anonymous memory */

struct mem_mapping *mem_mapping_create(struct mem_object *object, struct mem_space *space, const struct tk_region *region,
                                       u32 notes) must_check;
void mem_mapping_destroy(struct mem_mapping *mapping);
void mem_mapping_move(struct mem_mapping *mapping, const struct tk_region *region, u32 notes);

/* ---- Address spaces ------------------------------------------------------------------------------------------------------------------- */

enum mem_note { /* mem's flags of a region */
	MEM_NOTE_SHARED = 1 << 0,
	MEM_NOTE_GROWSDOWN = 1 << 1,
	MEM_NOTE_LOCKED = 1 << 2,
	MEM_NOTE_LOCK_ON_FAULT = 1 << 3,
	MEM_NOTE_DONTFORK = 1 << 4,
	MEM_NOTE_WIPEONFORK = 1 << 5,
	MEM_NOTE_DONTDUMP = 1 << 6,
	MEM_NOTE_VDSO = 1 << 7,
	MEM_NOTE_VVAR = 1 << 8,
	MEM_NOTE_STACK = 1 << 9,
	MEM_NOTE_WRITTEN = 1 << 10,     /* was writable at some time: may have private copies of an object's pages */
	MEM_NOTE_PROT_SHIFT = 16,       /* what mprotect may give: three bits of enum tk_prot */
};
struct mem_side { u32 notes; u32 reserved; struct mem_mapping *mapping; }; /* beside each tk_region */

struct mem_space {
	struct mem_handled handled;
	struct rt_lock lock;            /* guards all below */
	u32 maker;                      /* unit that made it and may end it; does not change */
	bool dead;
	bool lock_future, lock_on_fault;
	bool barriers;                  /* has enrolled for memory barriers */
	frame_t frame, core_frames[2];  /* of the core's object: exported page; private page and root */
	vaddr_t token;
	struct tk_region_table *table;  /* in the exported page or in larger_frame */
	struct tk_region *regions;      /* the table's entries */
	frame_t larger_frame;
	u32 larger_order;
	u32 capacity;                   /* entries of table and side */
	struct mem_side *side;
	u64 break_start, break_end;
	u64 top;                        /* mappings go below */
	struct mem_limits limits;
	u64 total, total_peak, resident_peak, data, stack, executable, shared, locked; /* pages */
	u64 faults_minor, faults_major;
	struct mem_space *next_dying;
	u64 announced[BITMAP_WORDS(TK_DOMAINS_MAX)]; /* domains that hold its token */
};

/* space.c */
struct mem_space *mem_space_get(u64 handle) must_check;       /* locked, with a reference; NULL: no such */
struct mem_space *mem_space_of_frame(frame_t frame) must_check;
struct mem_space *mem_space_of_client(void) must_check;
void mem_space_put(struct mem_space *space);                  /* unlocks and drops */
long mem_space_allocate(struct mem_space **result) must_check;
u32 mem_spaces_spare(void);                                   /* objects of ended spaces that are kept for new ones */

/* region.c: all want the space's lock */
u32 mem_region_find(const struct mem_space *space, u64 address);   /* first region that ends above address; count if none */
long mem_regions_reserve(struct mem_space *space, u32 extra) must_check;
void mem_edit_begin(struct mem_space *space);                      /* the core serves no fault from here ... */
void mem_edit_end(struct mem_space *space);                        /* ... to here */
void mem_region_insert(struct mem_space *space, u32 at, const struct tk_region *region, struct mem_side side);
long mem_range_isolate(struct mem_space *space, u64 start, u64 end, u32 *first, u32 *last) must_check; /* room for 2 is reserved */
/* Takes entries out; their mappings, to be destroyed after their pages are unmapped, are the result. */
struct mem_mapping *mem_regions_detach(struct mem_space *space, u32 first, u32 last) must_check;
void mem_mappings_destroy(struct mem_mapping *detached);
void mem_regions_merge(struct mem_space *space, u32 first, u32 last);    /* each of [first, last] with the one before it */
void mem_region_count(struct mem_space *space, const struct tk_region *region, u32 notes, bool add);
bool mem_region_is_data(u8 prot, u32 notes);
u64 mem_committed(void);                                                 /* pages of private writable memory in all spaces */
static inline u64 mem_region_pages(const struct tk_region *region) { return (region->end - region->start) >> PAGE_SHIFT; }

/* pages.c: loops around the core's calls; all want the space's lock */
long mem_pages_map(struct mem_space *space, u64 address, const frame_t *frames, u32 count, u32 prot) must_check;
void mem_pages_unmap(struct mem_space *space, u64 start, u64 end);
void mem_pages_unmap_token(vaddr_t token, u64 start, u64 end);     /* object lock instead of the space's */
long mem_pages_protect(struct mem_space *space, u64 start, u64 end, u32 prot);
long mem_pages_share(struct mem_space *from, struct mem_space *to, u64 start, u64 end) must_check;
long mem_pages_move(struct mem_space *space, u64 from, u64 to, u64 size) must_check;

/* fault.c: all want the space's lock. 0, -EFAULT, -EACCES, -EIO, -ENOMEM */
long mem_fault_serve(struct mem_space *space, u64 address, u32 access) must_check;
long mem_fault_range(struct mem_space *space, u64 start, u64 end, u32 access) must_check;
void mem_page_edit_begin(struct mem_space *space, u32 at);   /* an edit of one page of region `at`, with its object's lock */
void mem_page_edit_end(struct mem_space *space, u32 at);
/* Inside such an edit. Maps a frame that is the space's own where nothing is; it is freed on failure. */
long mem_page_give(struct mem_space *space, u64 page, frame_t frame, u32 prot) must_check;
/* The same for a copy of what is mapped there. */
long mem_page_copy(struct mem_space *space, u64 page, frame_t from, u32 prot) must_check;
extern volatile u64 mem_fault_count, mem_fault_major_count;

/* place.c: choice of addresses and limits */
long mem_place_find(struct mem_space *space, u64 hint, u64 size, u32 flags, u64 *address) must_check;
long mem_limits_check(const struct mem_space *space, u64 pages, u8 prot, u32 notes) must_check;
u64 mem_place_guard(const struct mem_space *space, u32 index); /* lowest address which region `index` claims, with its guard gap */

/* map.c */
struct mem_placement { u64 start, end, offset; struct mem_object *object; u32 notes; u8 prot; };
long mem_range_add(struct mem_space *space, const struct mem_placement *what) must_check; /* where nothing is; inside an edit */
long mem_range_remove(struct mem_space *space, u64 start, u64 end) must_check;            /* takes part in an edit; room for 2 is reserved */
long mem_range_unmap(struct mem_space *space, u64 start, u64 end) must_check;            /* an edit of its own */
bool mem_range_valid(u64 start, u64 size);

/* protect.c. A visit gets a region and the part of it that lies in the range; what it answers but 0 ends the walk. */
typedef long mem_region_visit(struct mem_space *space, u32 at, u64 start, u64 end, void *context);
/* Cuts the regions at the range's ends and visits them within one edit; -ENOMEM if the range has a hole, past which it goes or not. */
struct mem_change { u64 start, end; mem_region_visit *visit; void *context; bool past_holes; };
long mem_range_change(struct mem_space *space, const struct mem_change *change) must_check;
/* Visits without changing regions, past holes: -ENOMEM at the end if there was one. */
long mem_range_walk(struct mem_space *space, u64 start, u64 end, mem_region_visit *visit, void *context) must_check;

#endif
