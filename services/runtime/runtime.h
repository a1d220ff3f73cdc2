/*
 * What every service is written against, the same in every isolation class. A service never asks which class it is in.
 * Everything here may be called from any thread of the unit; nothing here blocks but lock_acquire and the wait functions.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdarg.h>
#include <tessera/types.h>
#include <tessera/errno.h>
#include <tessera/call.h>
#include <tessera/object.h>
#include <tessera/boot.h>
#include <text.h> /* lib/: strings, memory, format_text */

/* Who calls: told by the core (for a call inside the unit: the enclosing one). First parameter of every <service>_op_ function. */
struct rt_request {
	u32 caller; /* domain of the calling unit; own domain for a call inside the unit */
	u32 thread; /* core thread id of the thread that makes the call: the caller can't forge it */
};

#include <stable.h>

extern const struct tk_boot_info *rt_boot; /* read-only facts from the core */
u32 rt_stack_number(void);                 /* of the stack on which the caller runs: its address / TK_STACK_STRIDE, low 30 bits */
u32 rt_thread_id(void);                    /* core id of the calling thread */

/* ---- Start: each service defines <service>_init (called once, in level order) and, if its profile gives it threads,
 *      <service>_main(index), which must not return. Generated glue of the unit calls them. ------------------------------------ */

/* In an init function: what was kept of the unit can't be used. It stays down, or the machine is reset, as the profile says. */
void rt_start_fail(const char *why);

/* ---- Locks (short critical sections; never held over a client copy, a call that waits for an event, or a return) --------------- */
struct rt_lock {
	volatile u32 word; /* 0 free, else the stack of its owner; bit 31: somebody waits */
#ifdef RT_DEBUG
	u32 rank;          /* enum lock_rank */
#endif
};
#define RT_LOCK_INIT { 0 }
/* Locks of different kinds that are held together are taken in this order; debug builds see to it. RANK_NONE: held with any. A file's
 * position alone is kept while user memory is copied, as in Linux: nothing that serves a fault takes it. */
enum lock_rank { RANK_NONE, RANK_ABI_POSITION, RANK_FS_INODE, RANK_MEM_SPACE, RANK_MEM_OBJECT, RANK_MEM_HANDLES, RANK_MEM_POOL, RANK_MEM_GIVEN, RANK_MEM_FRAMES };
#ifdef RT_DEBUG
#define RT_LOCK_RANKED(lock_rank) { 0, lock_rank }
static inline void lock_rank_set(struct rt_lock *lock, enum lock_rank rank) { lock->rank = rank; }
#else
#define RT_LOCK_RANKED(lock_rank) RT_LOCK_INIT
static inline void lock_rank_set(struct rt_lock *lock, enum lock_rank rank) { (void)lock, (void)rank; }
#endif
void lock_acquire(struct rt_lock *lock);
bool lock_try(struct rt_lock *lock);
void lock_release(struct rt_lock *lock);
bool lock_held(const struct rt_lock *lock); /* by the calling thread: for assertions */
/* Before a wait for what another processor has taken: one that works usually leaves soon. False: it is time to wait; looks begins at 0. */
bool lock_moment(u32 *looks);

/* ---- Memory -------------------------------------------------------------------------------------------------------------- */
void *heap_alloc(size_t size) must_check;        /* zeroed, 16-byte aligned; NULL when out of memory */
void *heap_resize(void *p, size_t size) must_check;
void heap_free(void *p);
/* Address of a frame in this unit's token window; valid once the frame or object is granted to the unit. */
static inline vaddr_t token_of_frame(u64 frame) { return rt_boot->window + frame * PAGE_SIZE; }
static inline frame_t frame_of_token(vaddr_t token) { return (frame_t)((token - rt_boot->window) / PAGE_SIZE); }

/* ---- Recovery (docs/recovery.md), by one thread: who finds a block claims it, as something. All pointers may be anything. -------------- */
enum { HEAP_UNCLAIMED = 1, HEAP_KINDS = 2 /* the service's own begin here */, HEAP_RUNTIME = 255 };
u32 heap_kind(const void *p);                    /* 0: no block of the heap */
bool heap_claim(const void *p, size_t size, u32 kind) must_check; /* false: no block of that size, or claimed already */
void heap_reclaim(const void *p, u32 kind);      /* one that is claimed or new, as something else */
size_t heap_size(const void *p);                 /* of a block: at least what was asked for */
void *heap_next(void *p, u32 kind);              /* the next block that was claimed as this, from NULL */
u64 heap_sweep(void);                            /* frees all that nobody claimed; their number. Ends the recovery. */
bool pollword_claim(struct tk_pollword *word) must_check; /* false: no poll word, or claimed already */

/* ---- The client's memory: 0 or -EFAULT. Drop all locks before: they may call `mem` to bring pages in. ------------------------- */
long user_copy_in(void *to, vaddr_t from, size_t length) must_check;
long user_copy_out(vaddr_t to, const void *from, size_t length) must_check;
long user_fill_zero(vaddr_t to, size_t length) must_check;
/* A NUL-terminated string: its length without the NUL, -EFAULT, or -ENAMETOOLONG if it does not fit into capacity with its NUL. */
long user_copy_string(char *to, vaddr_t from, size_t capacity) must_check;

/* ---- Poll words ------------------------------------------------------------------------------------------------------------ */
/* Poll words live in pages of their own, which are granted read-only to whoever is told of them.
 * pollword_alloc: NULL when out of memory. The handle names it to other units: frame << 12 | offset. */
struct tk_pollword *pollword_alloc(void) must_check;
void pollword_free(struct tk_pollword *word);
void pollword_set(struct tk_pollword *word, u32 level);   /* new level; wakes and counts if it changed to include more */
void pollword_event(struct tk_pollword *word, u32 level); /* new level; always counts and wakes */
u64 pollword_handle(struct tk_pollword *word, const struct rt_request *to); /* grants its page to the caller's unit; 0 on failure */
const struct tk_pollword *pollword_of_handle(u64 handle); /* in the unit that was told of it; NULL: no poll word of that handle */

/* ---- Time, randomness, log --------------------------------------------------------------------------------------------------- */
nanos_t clock_monotonic(void);
i64 clock_realtime(void);          /* ns since 1970 */
void random_bytes(void *to, size_t length);  /* cryptographically secure, seeded by the boot page */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));  /* subset of printf: see format_text */

void rt_unit_returned(const char *what);     /* a unit runs again: calls of it go on; what: for a line about them */

/* A bug in the service: one line, then the unit fails and super restarts it by its recovery class. Never for values from outside. */
noreturn_fn void unit_fail(const char *file, int line, const char *what);
#define RT_DEATHS_MAX 4u /* a call that its unit dies of is sent again, but not as often as a unit may fail (restart_limit) */
#define rt_assert(condition) ((condition) ? (void)0 : unit_fail(__FILE__, __LINE__, #condition))

#endif
