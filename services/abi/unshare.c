/* unshare: what a process shares with others becomes its own. There are no namespaces to leave. */
#include "process.h"
#include "include/abi_process.h"
#include <fs_client.h>

#define UNSHARABLE (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM)
#define ALONE_ALREADY (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM) /* nothing to do for the only thread of a process */

long sys_unshare(struct shim_thread *t, const u64 *a)
{
	u64 flags = a[0];
	long error = 0;

	if (flags & ~(UNSHARABLE | ALONE_ALREADY))
		return -EINVAL;
	if (flags & ALONE_ALREADY && (t->process->running > 1 || (flags & CLONE_VM && *t->process->space_users > 1)))
		return -EINVAL;
	if (flags & CLONE_FILES)
		error = fd_table_unshare(t);
	if (error >= 0 && flags & CLONE_FS)
		error = fs_client_unshare(t->process->fs_client);
	return error;
}
