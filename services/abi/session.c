/* Process groups and sessions. */
#include "process.h"

long sys_setsid(struct shim_thread *t, const u64 *a)
{
	(void)t;
	(void)a;
	return proc_session_create();
}

long sys_setpgid(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return proc_group_set((i32)a[0], (i32)a[1]);
}

/* One number of a process: which 0 its group, 1 its session. */
static long number_get(i32 pid, u32 which)
{
	u64 parent, group, session;
	long error;

	if (pid < 0)
		return -ESRCH;
	error = proc_ids_get(pid, &parent, &group, &session);
	if (error < 0)
		return error;
	return (long)(which ? session : group);
}

long sys_getpgid(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return number_get((i32)a[0], 0);
}

long sys_getpgrp(struct shim_thread *t, const u64 *a)
{
	(void)t;
	(void)a;
	return number_get(0, 0);
}

long sys_getsid(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return number_get((i32)a[0], 1);
}
