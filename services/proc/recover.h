/*
 * Recovery of what proc has kept over its failure (docs/recovery.md): all that can be reached is claimed and checked before it is used, what
 * can be counted or derived is made anew, locks are open, what nobody reaches is freed, and whoever may wait looks again. Nothing is
 * looked into before it was claimed, so every list ends. Each function answers 0, or -EIO after a line when something can't be.
 */
#ifndef PROC_RECOVER_H
#define PROC_RECOVER_H

#include "proc.h"

enum proc_claimed {
	PROC_CLAIMED_PROCESS = HEAP_KINDS,
	PROC_CLAIMED_TASK, PROC_CLAIMED_ID, PROC_CLAIMED_USER, PROC_CLAIMED_IDENTITY, PROC_CLAIMED_DISPOSITIONS, PROC_CLAIMED_QUEUED,
	PROC_CLAIMED_TIMER,
	PROC_CLAIMED_TIMER_QUEUED,  /* a timer whose signal was seen in a queue */
	PROC_CLAIMED_THREAD,
	PROC_CLAIMED_THREAD_USED,   /* a thread that a task has */
	PROC_CLAIMED_SEMAPHORES, PROC_CLAIMED_BYTES,
};

/* recover.c */
long proc_recover(void) must_check;
long proc_bad(const char *what);                       /* says it; -EIO */
/* The nodes of a list, each `offset` bytes into a block of this size: false when one can't be. The way back is made anew. */
bool proc_list_claim(struct list *head, size_t offset, size_t size, u32 kind) must_check;
bool proc_bools_valid(const bool *first, const bool *last); /* that stand side by side */
bool proc_id_known(const struct proc_id *id);
bool proc_process_known(const struct proc_process *process);

/* recover_task.c */
long proc_task_recover(struct proc_task *task) must_check;
long proc_timers_recover(struct proc_process *process) must_check;   /* before the queues */
long proc_pending_recover(struct proc_pending *pending) must_check;
bool proc_user_use(struct proc_user *user) must_check;               /* counts a reference; false: there is no such user */

/* recover_semaphore.c */
long proc_semaphores_recover(void) must_check;

/* What only these files can see. */
long proc_tables_recover(void) must_check;             /* table.c: users, numbers; their counts are 0 */
long proc_numbers_recovered(void) must_check;          /* when all uses are counted */
long proc_threads_recover(void) must_check;            /* thread.c */
long proc_thread_recover(struct proc_task *task) must_check; /* the task's own; enters it in the table */
void proc_threads_recovered(void);                     /* when those of all tasks are known: the others end */
long proc_alarms_recover(u32 needed) must_check;       /* alarm.c: the heap is empty, with room for so many */
void proc_alarm_recover(struct proc_alarm *alarm);     /* enters one that was armed */
long proc_images_recover(void) must_check;             /* image.c */
void proc_load_recover(void);                          /* load.c */
void proc_timer_expires(struct proc_timer *timer);     /* timer.c: what its alarm does */
bool proc_schedule_restore(const struct proc_task *task) must_check; /* schedule.c; false: the core knows no such thread */
bool proc_thread_table_restore(struct proc_task *task) must_check; /* table.c; false: that thread is there already */
void proc_queued_spares_drop(void);                    /* signal_queue.c, semaphore.c */
void proc_semaphore_spares_drop(void);
extern struct proc_id proc_first_session;              /* task.c */

#endif
