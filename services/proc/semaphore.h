/* Structures of semaphore.c, all guarded by its lock. */
#ifndef PROC_SEMAPHORE_H
#define PROC_SEMAPHORE_H

#include "proc.h"

#define SEMAPHORE_PLACES 32768 /* an id is place + SEMAPHORE_PLACES * sequence, so that an old id is not mistaken for a new one */
#define NANOS_PER_SECOND 1000000000
#define SEMAPHORE_GROUPS 32u   /* supplementary groups that are looked at */

struct semaphore_caller {
	const struct proc_process *process;
	i32 pid;
	u32 uid, gid;
	bool owns_all, admin;      /* CAP_IPC_OWNER, CAP_SYS_ADMIN */
	u32 group_count, groups[SEMAPHORE_GROUPS];
};
struct semaphore_waiter { struct list link; u32 thread, number; bool zero; };
struct semaphore_undo {
	struct list link;
	const struct proc_process *process; /* goes with it: proc_semaphores_end */
	i32 adjust[];              /* what its end adds to each semaphore */
};
struct semaphore { i32 value, pid; };
struct semaphore_set {
	struct proc_semaphore_set is;
	struct tk_pollword *word;  /* counts changes */
	struct list waiters, undos;
	struct semaphore semaphores[];
};
struct semaphore_request {
	struct proc_semaphore_operation *operations;
	u32 count;
	bool alters, undoes;
	struct semaphore_set *set;
	struct semaphore_undo *undo;
};

/* semaphore.c, for semaphore_control.c */
extern struct rt_lock proc_semaphore_lock;        /* guards all sets; taken inside proc_lock or alone */
extern struct semaphore_set **proc_semaphore_sets; /* by place */
extern u32 proc_semaphore_places, proc_semaphore_count, proc_semaphore_lowest;
long proc_semaphore_caller(const struct rt_request *rq, struct semaphore_caller *caller) must_check; /* without proc_lock; -ESRCH */
struct semaphore_set *proc_semaphore_set_find(i32 id);
/* access: bits 4 and 2, for reading and altering. */
bool proc_semaphore_set_allows(const struct semaphore_set *set, const struct semaphore_caller *caller, u32 access);
void proc_semaphore_set_free(struct semaphore_set *set);      /* in no place any more, or NULL; without the lock */

#endif
