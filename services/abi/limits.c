/* Resource limits: proc keeps them; mem and the descriptor tables are told of theirs. */
#include "process.h"
#include "include/abi_process.h"
#include <mem_client.h>

static u64 soft_limit(u32 resource)
{
	u64 soft, hard;

	return proc_limit_get(resource, &soft, &hard) < 0 ? PROC_LIMIT_INFINITY : soft;
}

void shim_limits_changed(struct shim_thread *t)
{
	struct proc_credentials is;
	struct mem_limits limits = {
		.address_space = soft_limit(PROC_LIMIT_AS), .data = soft_limit(PROC_LIMIT_DATA), .stack = soft_limit(PROC_LIMIT_STACK),
		.locked = soft_limit(PROC_LIMIT_MEMLOCK),
	};
	u64 files = soft_limit(PROC_LIMIT_NOFILE);

	if (proc_credentials_get(0, &is) >= 0)
		limits.locked_ignored = is.effective >> 14 & 1; /* CAP_IPC_LOCK */
	(void)!mem_space_limits(t->process->space, &limits);
	t->process->file_size_cut = ~soft_limit(PROC_LIMIT_FSIZE);
	t->process->files_limit = files > 1048576 ? 1048576 : (u32)files;
}

/* Another process's memory keeps its limits too; how many files it may open stays as it was until it asks itself. */
static void limits_of_other(i32 pid)
{
	struct proc_info *info = heap_alloc(sizeof(*info));

	if (info && proc_info(pid, 1, info) >= 0 && info->space) {
		struct mem_limits limits = {
			.address_space = info->limits[PROC_LIMIT_AS].soft, .data = info->limits[PROC_LIMIT_DATA].soft,
			.stack = info->limits[PROC_LIMIT_STACK].soft, .locked = info->limits[PROC_LIMIT_MEMLOCK].soft,
			.locked_ignored = info->credentials.effective >> 14 & 1, /* CAP_IPC_LOCK */
		};

		(void)!mem_space_limits(info->space, &limits);
	}
	heap_free(info);
}

/* One limit of a process (0: the calling one); given NULL only reads. */
static long limit_exchange(struct shim_thread *t, i32 pid, u32 resource, const struct linux_rlimit *given, struct linux_rlimit *old)
{
	struct proc_limit value = { 0 }, before;
	long error;

	if (resource >= PROC_LIMITS)
		return -EINVAL;
	if (given) {
		value = (struct proc_limit){ given->soft, given->hard };
		resource |= PROC_LIMIT_SET;
	}
	error = proc_limit(pid, resource, &value, &before);
	if (error < 0)
		return error;
	*old = (struct linux_rlimit){ before.soft, before.hard };
	if (given && (!pid || pid == t->process->pid))
		shim_limits_changed(t);
	else if (given)
		limits_of_other(pid);
	return 0;
}

long sys_getrlimit(struct shim_thread *t, const u64 *a)
{
	struct linux_rlimit old;
	long error = limit_exchange(t, 0, (u32)a[0], NULL, &old);

	return error < 0 ? error : user_copy_out(a[1], &old, sizeof(old));
}

long sys_setrlimit(struct shim_thread *t, const u64 *a)
{
	struct linux_rlimit given, old;
	long error = user_copy_in(&given, a[1], sizeof(given));

	return error < 0 ? error : limit_exchange(t, 0, (u32)a[0], &given, &old);
}

long sys_prlimit64(struct shim_thread *t, const u64 *a)
{
	struct linux_rlimit given, old;
	long error = a[2] ? user_copy_in(&given, a[2], sizeof(given)) : 0;

	if ((i32)a[0] < 0)
		return -ESRCH;
	if (error >= 0)
		error = limit_exchange(t, (i32)a[0], (u32)a[1], a[2] ? &given : NULL, &old);
	if (error >= 0 && a[3])
		error = user_copy_out(a[3], &old, sizeof(old));
	return error;
}
