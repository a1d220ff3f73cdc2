/*
 * The hostile shim: its programs have no code, each thread of them is in the shim for all its life. The director (the first process)
 * makes drivers, processes that run sequences or draw calls; what drivers make are hands, which make the calls that they are told to.
 */
#ifndef SHIM_H
#define SHIM_H

#include "../../client/fuzz.h"

#define PLAYERS 96u

enum role { ROLE_NONE, ROLE_DIRECTOR, ROLE_DRIVER, ROLE_HAND };

/* A task of proc and its thread. */
struct player {
	volatile u32 role;            /* guarded by the table's lock until it is set */
	u32 thread;                   /* core's id: 0 once it is leaving */
	i32 tid, pid;
	struct player *maker;         /* who sees to its end */
	volatile u32 *interrupt;      /* the thread's word */
	volatile bool started;
	volatile u32 begun;           /* it is in the shim */
	volatile u32 asked, answered; /* counts of calls it was told to make and has made */
	bool leave;                   /* instead of a call */
	const struct place_call *call;
	long result;
	/* A driver's: */
	struct fuzzer fuzzer;
	u32 sequence;                 /* ~0u: it draws calls, */
	u32 calls;                    /* so many */
	volatile u32 ended;
};

struct proc_created;
struct player *player_find(u32 thread);                   /* NULL: unknown */
struct player *player_of_task(const struct player *maker, u64 tid); /* a hand; NULL as maker: whoever made it */
struct player *player_make(struct player *maker, enum role role, const struct proc_created *created); /* NULL: too many, or no memory */
void player_forget(struct player *p);
noreturn_fn void player_leave(struct player *p);          /* its task has ended */
bool player_tell(struct player *p, const struct place_call *call, long *result); /* NULL: leave; false: it does not answer */
noreturn_fn void hand_play(struct player *hand);
noreturn_fn void driver_play(struct player *driver);
noreturn_fn void director_play(struct player *director);
void task_end(void);                                      /* of the calling thread */
void hands_end(struct player *driver);

#endif
