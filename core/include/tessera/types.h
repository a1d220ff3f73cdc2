/* Basic types shared by the core, the services and the tools. Sizes are in bytes unless a name says pages or frames. */
#ifndef TESSERA_TYPES_H
#define TESSERA_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;

typedef u64 vaddr_t;   /* a virtual address */
typedef u64 paddr_t;   /* a physical address */
typedef u32 frame_t;   /* a frame number: physical address / PAGE_SIZE (16 TiB at most) */
typedef u64 nanos_t;   /* monotonic time since boot, nanoseconds */

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul
#define PAGE_MASK (PAGE_SIZE - 1)
#define FRAME_NONE ((frame_t)0)        /* frame 0 is never handed out */
#define NANOS_NEVER ((nanos_t)~0ull)   /* a deadline that never comes */

#define must_check __attribute__((warn_unused_result))
#define noreturn_fn __attribute__((noreturn))
#define countof(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static inline u64 round_up(u64 v, u64 to) { return (v + to - 1) & ~(to - 1); }
static inline u64 round_down(u64 v, u64 to) { return v & ~(to - 1); }

#endif
