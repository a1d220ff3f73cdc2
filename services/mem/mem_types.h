/*
 * Types of mem's interface. Handles are unguessable numbers below 2^63: a unit that was told one by its owner may use it.
 * Addresses and sizes are bytes of the application's address space; pages and indexes count PAGE_SIZE.
 */
#ifndef MEM_TYPES_H
#define MEM_TYPES_H

#include <tessera/types.h>

/* Protection of a mapping: enum tk_prot without TK_PROT_COW, the same numbers as PROT_READ, PROT_WRITE and PROT_EXEC. */
#define MEM_PROT_GROWSDOWN 0x01000000u /* protect: from the start of the stack that holds the address */

/* Where, in Linux's words: mem picks an address unless FIXED. */
enum mem_map_flags {
	MEM_MAP_SHARED = 1 << 0,        /* writes are seen by all who map the object; without an object: a new one, kept over fork */
	MEM_MAP_FIXED = 1 << 1,         /* replaces what is there */
	MEM_MAP_FIXED_NOREPLACE = 1 << 2,
	MEM_MAP_GROWSDOWN = 1 << 3,     /* a stack */
	MEM_MAP_POPULATE = 1 << 4,      /* bring the pages in now */
	MEM_MAP_LOCKED = 1 << 5,        /* counts against MEM_LIMIT_MEMLOCK */
	MEM_MAP_LOW = 1 << 6,           /* below 2 GiB (MAP_32BIT) */
	MEM_MAP_IGNORE_LIMITS = 1 << 7, /* the program loader's mappings that Linux does not refuse either */
	MEM_MAP_VDSO = 1 << 8,          /* only marks: named in the list of regions */
	MEM_MAP_VVAR = 1 << 9,
	MEM_MAP_STACK = 1 << 10,        /* the main thread's stack: named, and counted for RLIMIT_STACK */
	MEM_MAP_NORESERVE = 1 << 11,
};

struct mem_map_request {
	u64 space;
	u64 address;    /* hint, or the address for FIXED */
	u64 size;       /* bytes, above 0: rounded up to pages */
	u64 object;     /* 0: anonymous */
	u64 offset;     /* in the object, multiple of PAGE_SIZE */
	u32 prot;
	u32 prot_max;   /* what mprotect may give at most: a shared mapping of a file opened read-only lacks TK_PROT_WRITE; 0: all */
	u32 flags;      /* enum mem_map_flags */
	u32 reserved;   /* 0 */
};

enum mem_remap_flags { MEM_REMAP_MAYMOVE = 1, MEM_REMAP_FIXED = 2, MEM_REMAP_DONTUNMAP = 4 };
struct mem_remap_request {
	u64 space;
	u64 address, size, new_size;
	u64 new_address; /* for FIXED */
	u32 flags;
	u32 reserved;
};

/* Advice, the numbers of madvise(2); those not listed are -EINVAL. */
enum mem_advice {
	MEM_ADVICE_NORMAL = 0, MEM_ADVICE_RANDOM = 1, MEM_ADVICE_SEQUENTIAL = 2, MEM_ADVICE_WILLNEED = 3, MEM_ADVICE_DONTNEED = 4,
	MEM_ADVICE_FREE = 8, MEM_ADVICE_REMOVE = 9, MEM_ADVICE_DONTFORK = 10, MEM_ADVICE_DOFORK = 11, MEM_ADVICE_MERGEABLE = 12,
	MEM_ADVICE_UNMERGEABLE = 13, MEM_ADVICE_HUGEPAGE = 14, MEM_ADVICE_NOHUGEPAGE = 15, MEM_ADVICE_DONTDUMP = 16,
	MEM_ADVICE_DODUMP = 17, MEM_ADVICE_WIPEONFORK = 18, MEM_ADVICE_KEEPONFORK = 19, MEM_ADVICE_COLD = 20, MEM_ADVICE_PAGEOUT = 21,
	MEM_ADVICE_POPULATE_READ = 22, MEM_ADVICE_POPULATE_WRITE = 23, MEM_ADVICE_DONTNEED_LOCKED = 24,
};

enum mem_lock_flags {
	MEM_LOCK_ON = 1,      /* without it: unlock */
	MEM_LOCK_ON_FAULT = 2,/* do not bring pages in now */
	MEM_LOCK_CURRENT = 4, /* lock_all: what is mapped now */
	MEM_LOCK_FUTURE = 8,  /* lock_all: what will be mapped */
};

/* Limits of an address space, bytes; MEM_UNLIMITED is none. The shim sets them with setrlimit; fork and exec keep them. */
#define MEM_UNLIMITED (~0ull)
struct mem_limits {
	u64 address_space, data, stack, locked;
	u32 locked_ignored; /* the caller has the capability to lock without limit (root) */
	u32 reserved;
};

/* Flags of space_layout. */
enum mem_layout_flags {
	MEM_LAYOUT_FIXED = 1,  /* no randomisation (ADDR_NO_RANDOMIZE) */
};

/* What stands behind a region, for /proc/PID/maps. */
enum mem_region_name { MEM_NAME_NONE, MEM_NAME_FILE, MEM_NAME_HEAP, MEM_NAME_STACK, MEM_NAME_VDSO, MEM_NAME_VVAR, MEM_NAME_SHARED };
struct mem_region_info {
	u64 start, end;
	u64 object;      /* its handle; 0 anonymous */
	u64 cookie;      /* of object_create */
	u64 offset;      /* of start, bytes */
	u8 prot;
	u8 name;         /* enum mem_region_name */
	u8 shared;
	u8 reserved;
	u32 resident;    /* pages mapped now, when asked for by MEM_LIST_RESIDENT */
};
enum mem_list_flags { MEM_LIST_RESIDENT = 1 };

/* Counts of an address space, pages; addresses in bytes. */
struct mem_space_info {
	u64 total, data, stack, executable, shared, locked; /* size of mappings: VmSize, VmData, VmStk, VmExe + VmLib, ... */
	u64 resident, resident_peak, total_peak;
	u64 page_tables;
	u64 break_start, break_end;
	u64 stack_start;   /* lowest mapped address of the main stack */
	u64 faults_minor, faults_major;
	u64 regions;
};

/* object_page and object_pages. */
enum mem_page_flags {
	MEM_PAGE_CREATE = 1,   /* a zeroed page where there is none; without it a hole is FRAME_NONE */
};
enum mem_seek { MEM_SEEK_DATA = 3, MEM_SEEK_HOLE = 4 };
struct mem_object_info {
	u64 pages;      /* size */
	u64 present;    /* pages with a frame */
	u64 mappings;   /* regions that map it */
	u64 writable_mappings; /* shared ones that may be written now or by mprotect */
	u64 cookie;
};

struct mem_object_entry { u64 object, cookie, pages, present; }; /* of objects_list */

/* The machine's memory, pages. */
struct mem_information {
	u64 total, free, available;
	u64 objects;        /* in memory objects: page cache, tmpfs and shared memory */
	u64 anonymous;      /* in applications */
	u64 page_tables;
	u64 units;          /* in heaps and objects of services */
	u64 shared;         /* of objects: shared anonymous memory */
	u64 committed;      /* sum of private writable mappings */
	u64 faults, faults_major; /* since boot */
};

/* Atomic operations on a word of the client's memory (futex operations and robust lists). */
enum mem_word_operation {
	MEM_WORD_SET, MEM_WORD_ADD, MEM_WORD_OR, MEM_WORD_AND_NOT, MEM_WORD_XOR, /* the numbers of FUTEX_OP_* */
	MEM_WORD_COMPARE,   /* store operand if the word equals compare */
	MEM_WORD_LOAD,
};

_Static_assert(sizeof(struct mem_map_request) == 56, "ABI");
_Static_assert(sizeof(struct mem_remap_request) == 48, "ABI");
_Static_assert(sizeof(struct mem_region_info) == 48, "ABI");

#endif
