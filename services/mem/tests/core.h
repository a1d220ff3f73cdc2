/*
 * A model of the core for tests of mem: frame records, page tables as a map, fault service from the pool by the region table. It checks
 * what the core would refuse, and what would be a bug whatever the core did: a frame freed while it is mapped, an entry without a region.
 */
#ifndef TEST_CORE_H
#define TEST_CORE_H

#include <runtime.h>
#include <mem/mem.h>
#include <mem_server.h>
#include <harness.h>

#define OWN_DOMAIN 3u
#define ABI_DOMAIN 1u
#define FS_DOMAIN 4u
#define FRAMES 16384u     /* of the machine: 64 MiB in four sections */
#define SECTION 4096u
#define THREAD 77u

void core_start(void);             /* boots the machine and mem once */
void core_short(u32 percent);      /* that many of the calls that may stop early do */
void core_tables_set(u32 tables);  /* page tables in the reserve */
extern u64 core_heap_refusals;     /* heap_alloc fails after this many more, ~0: never */
extern void (*core_meanwhile)(frame_t frame); /* what another thread does while a frame changes hands, unless a lock keeps it out */

u64 core_space(vaddr_t token);     /* index of a space */
void core_client(vaddr_t token);   /* the calling thread's client */
/* The application touches a byte: what it finds there (or wrote, when it is not negative), or the error that becomes a signal. */
long core_touch(vaddr_t token, u64 address, u32 access, int value);
u64 core_mapped(vaddr_t token);    /* pages mapped */
void core_check(vaddr_t token);    /* every mapped page lies in a region and allows no more than that */
u32 core_objects(void);            /* objects alive */
bool core_is_granted(frame_t frame, u32 domain);

/* A request of a domain. */
static inline struct rt_request request_of(u32 domain) { return (struct rt_request){ .caller = domain, .thread = THREAD }; }

#endif
