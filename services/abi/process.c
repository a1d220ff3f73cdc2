/* Numbers of the calling task. */
#include "process.h"

long sys_getpid(struct shim_thread *t, const u64 *a)
{
	(void)a;
	return t->process->pid;
}

long sys_gettid(struct shim_thread *t, const u64 *a)
{
	(void)a;
	return t->tid;
}

long sys_getppid(struct shim_thread *t, const u64 *a)
{
	(void)a;
	return shim_shared(t)->parent;
}

long sys_set_tid_address(struct shim_thread *t, const u64 *a)
{
	t->clear_child_tid = a[0];
	return t->tid;
}

long sys_personality(struct shim_thread *t, const u64 *a)
{
	u32 old = t->process->personality;

	if ((u32)a[0] != 0xffffffffu)
		t->process->personality = (u32)a[0];
	return old;
}
