/*
 * The undo log of one stack: what stood in memory before the stores of critical sections that have not ended. Everything in it may be
 * scribbled when it is read: undo_take_back checks each record against the areas that may be written.
 */
#ifndef UNDO_H
#define UNDO_H

#include <runtime.h>

#define UNDO_RECORDS 1024u /* that a log has room for by itself, */
#define UNDO_FREES 64u     /* and blocks to free; for more it has pieces, */
#define UNDO_PIECES 12u    /* each for as many as there was room for before */
#define UNDO_RESERVE 256u  /* records that the heap may make when it is asked for a piece, or for anything else */
#define UNDO_DEPTH 8u   /* locks held at once */
#define UNDO_HANDLES 4u

#define UNDO_KEPT 176u  /* bytes of a call's buffer that goes back to its caller */

/* The last call that has committed on a stack: whose, of which operation, when (arch_counter_read), and its result. */
struct undo_answer {
	struct rt_request of;
	u32 operation;
	u64 time;
	struct stable_result is;
	u8 kept[UNDO_KEPT];
};

#define UNDO_KNOWN 2u /* the handles that the call has made are part of the answer */

struct undo_log;

/* Stands at the base of each stack, behind the record of its caller. */
struct undo {
	u32 depth, count;           /* sections that are open, records of them */
	u32 frees, handles;
	u32 overflowed;             /* a section was longer than its log, and can't be taken back */
	u32 grown;                  /* the log has pieces */
	u32 starved;                /* there was no memory for another */
	u32 current;                /* which of the answers counts, | UNDO_KNOWN: noted when it changes, and all that a commit costs the log */
	u32 answered;               /* it has changed since the first section began */
	u32 operation;              /* of the call under way */
	struct undo_log *log;       /* for notes alone: recovery knows where the logs are */
	u32 marks[UNDO_DEPTH];      /* records when each section began */
	u64 made[UNDO_HANDLES];
	struct undo_answer answers[2];
};
struct undo_record { u64 place; u64 old; }; /* place: address << 8 | size, at most 8 bytes */
struct undo_pieces { u32 count; void *piece[UNDO_PIECES]; };
struct undo_log {
	struct undo_record records[UNDO_RECORDS];
	void *frees[UNDO_FREES];
	struct undo_pieces more_records, more_frees; /* until the outermost section ends */
};
struct undo_area { u64 start, end; };

/* A thread that ends is looked at as if it had been stopped by a signal: only the compiler could change the order of its stores. */
#define UNDO_IN_ORDER() __asm__ volatile("" : : : "memory")

static inline u64 undo_address(const struct undo_record *record) { return (u64)((i64)record->place >> 8); }

static inline struct undo_answer *undo_answer_current(struct undo *undo) { return &undo->answers[undo->current & 1]; }

/* One store of 1, 2, 4 or 8 bytes; old: what stands there. false: it is not noted, the section gets long. */
static inline bool undo_note_value(struct undo *undo, struct undo_log *log, u64 address, u32 size, u64 old)
{
	if (unlikely(undo->count >= UNDO_RECORDS - UNDO_RESERVE))
		return false;
	log->records[undo->count] = (struct undo_record){ address << 8 | size, old };
	UNDO_IN_ORDER();
	undo->count++;
	UNDO_IN_ORDER();
	return true;
}

void undo_begin(struct undo *undo);
bool undo_end(struct undo *undo);   /* true: the last section has ended, and there are blocks to free, pieces, or a log that was too short */
void undo_note(struct undo *undo, struct undo_log *log, u64 address, u64 size);
bool undo_free_later(struct undo *undo, struct undo_log *log, void *p);
void *undo_freed(const struct undo_log *log, u32 index); /* the block that was to be freed later as this one */
/* Bytes of the piece that the log should get before so much is noted, or another block to be freed; 0: none, or it can't have one now. */
size_t undo_records_wanted(const struct undo *undo, const struct undo_log *log, u64 size);
size_t undo_frees_wanted(const struct undo *undo, const struct undo_log *log);
void undo_piece_add(struct undo *undo, struct undo_pieces *pieces, void *piece);
/* Takes back all sections that are open: 0, or -EIO when they can't be. May be done again from the start. */
long undo_take_back(struct undo *undo, const struct undo_log *log, const struct undo_area *areas, u32 count) must_check;

#endif
