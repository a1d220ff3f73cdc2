/*
 * Exported pages of objects and the other structures that a unit shares with the core. Nothing here holds a kernel pointer or a
 * saved register. What a unit may write, the core reads once, checks, and never trusts twice.
 */
#ifndef TESSERA_OBJECT_H
#define TESSERA_OBJECT_H

#include <tessera/types.h>

/* ---- Thread: exported page ----------------------------------------------------------------------------------------------- */
struct tk_thread_page {
	volatile u32 interrupt;    /* enum tk_interrupt: pending reasons; its holders clear bits with atomic and */
	u32 id;                    /* thread id */
	volatile u32 processor;    /* where it runs or ran last; written by the core */
	volatile u32 state;        /* 0 not started, 1 runnable, 2 waiting, 3 exited; written by the core */
	volatile u64 run_nanos;    /* processor time; written by the core */
	volatile u32 ticks_user, ticks_system; /* how often it was met in user mode, and in services and core, every 4 ms of its processor */
	volatile u64 switches_voluntary, switches_forced;
	volatile u64 running_since; /* monotonic time up to which run_nanos counts while it runs; 0 it does not; 1 changing */
	volatile u32 left_calls;   /* calls that it left behind when it was killed; written by the core */
	u8 owner_data[1024] __attribute__((aligned(64))); /* the owner's and its co-holders' use */
};

/* ---- Address space: region table ------------------------------------------------------------------------------------------ */
enum tk_region_kind {
	TK_REGION_NONE,
	TK_REGION_ANONYMOUS,   /* a missing page is a zeroed frame of the pool */
	TK_REGION_OBJECT,      /* a missing page is a call to mem */
	TK_REGION_GUARD,       /* every access is a call to mem (stack growth) */
};
enum tk_region_flags {
	TK_REGION_PRIVATE = 1, /* copy on write: a write to a shared frame copies it into a frame of the pool */
};
struct tk_region {
	u64 start, end;    /* page-aligned; sorted, not overlapping */
	u8 prot;           /* enum tk_prot, no COW */
	u8 kind;           /* enum tk_region_kind */
	u8 flags;          /* enum tk_region_flags */
	u8 order;          /* log2 pages of a unit of mapping; 0 now */
	u32 object;        /* memory object behind it: key of shared waits; 0 none */
	u64 offset;        /* of start in the object, bytes */
	u64 owner_data;    /* mem's */
};
#define TK_REGIONS_IN_PAGE 100
/* The exported page of a vspace is this header and its first regions; a larger table has the same layout in contiguous frames. */
struct tk_region_table {
	volatile u32 generation; /* odd while mem edits; the core commits a fault only if even and unchanged */
	volatile u32 count;
	volatile u64 resident;   /* pages mapped; written by the core, for information */
	u64 reserved[4];
	struct tk_region regions[TK_REGIONS_IN_PAGE];
};

/* ---- Frame pool: exported page --------------------------------------------------------------------------------------------- */
#define TK_POOL_ENTRIES 256  /* power of two */
#define TK_POOL_LOG_ENTRIES 128 /* power of two */
struct tk_fault_record {
	u64 address;       /* page address | 1 when it was a copy on write */
	u32 space;         /* id of the vspace */
	frame_t frame;     /* frame taken from the pool */
};
struct tk_pool_page {
	volatile u32 tail;       /* written by mem: entries filled */
	volatile u32 head;       /* written by the core: entries taken */
	volatile u32 log_tail;   /* written by the core: records written */
	volatile u32 log_head;   /* written by mem: records drained; a full log stops the core from serving faults alone */
	volatile u32 low;        /* written by mem: the core wakes `low_word` when fewer entries are left */
	volatile u32 low_word;   /* counts up and is woken by the core: the refill thread waits on it */
	u32 reserved[10];
	frame_t entries[TK_POOL_ENTRIES]; /* zeroed user frames owned by mem, mapped nowhere but in its window */
	struct tk_fault_record log[TK_POOL_LOG_ENTRIES];
};

/* ---- Watch table: exported page, the owner's ready queue ------------------------------------------------------------------- */
#define TK_WATCHES_IN_TABLE 48   /* watches of one table */
#define TK_READY_ENTRIES 64      /* power of two, above TK_WATCHES_IN_TABLE: an armed watch is in the queue at most once */
struct tk_watch_page {
	volatile u32 tail;            /* written by the core, woken at each entry */
	volatile u32 head;            /* written by the owner */
	u64 ready[TK_READY_ENTRIES];  /* cookies */
	volatile u8 queued[TK_WATCHES_IN_TABLE]; /* 1 while the watch's cookie waits; the owner clears it when it takes the cookie */
};

/* ---- Clock: a page that every unit and every application can read ------------------------------------------------------------ */
struct tk_clock_page {
	volatile u32 sequence;   /* odd while it changes */
	u32 reserved;
	u64 counter_base;        /* processor's time counter at nanos_base */
	u64 nanos_base;          /* monotonic, ns */
	u32 multiplier;          /* ns = (counter - counter_base) * multiplier >> shift */
	u32 shift;
	volatile i64 realtime_offset; /* realtime - monotonic, ns; written by the holder of the write token (abi) */
	u64 counter_hertz;
};

/* ---- Domain: exported page -------------------------------------------------------------------------------------------------- */
enum tk_domain_state { TK_DOMAIN_RUNNING = 1, TK_DOMAIN_FAILED, TK_DOMAIN_RESTARTING, TK_DOMAIN_STOPPED };
#define TK_FAULT_HUNG 256u
struct tk_domain_page {
	volatile u32 state;       /* enum tk_domain_state; written by the core, woken at each change */
	volatile u32 generation;  /* counts failures */
	u32 id;
	u32 class;                /* 0, 1, 2: for reports only */
	volatile u32 fault_vector, fault_code;   /* of the last failure; TK_FAULT_HUNG: a call that nobody waits for never ended */
	volatile u64 fault_address, fault_ip;
	char name[32];
	u32 recovery;             /* enum tk_recovery */
	u32 restart_limit, restart_window, when_exhausted; /* struct tk_restart_policy */
};

_Static_assert(sizeof(struct tk_thread_page) <= PAGE_SIZE, "one page");
_Static_assert(sizeof(struct tk_region) == 40, "ABI");
_Static_assert(sizeof(struct tk_region_table) <= PAGE_SIZE, "one page");
_Static_assert(sizeof(struct tk_pool_page) <= PAGE_SIZE, "one page");
_Static_assert(sizeof(struct tk_watch_page) <= PAGE_SIZE, "one page");
_Static_assert(sizeof(struct tk_domain_page) <= PAGE_SIZE, "one page");

#endif
