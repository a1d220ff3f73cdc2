/* mount, umount2, and the refusals of swapon and swapoff. */
#include "file.h"
#include <fs_client.h>
#include <proc_client.h>

#define MAGIC 0xc0ed0000u       /* MS_MGC_VAL: old programs have it in the flags */
#define SWAP_FLAGS 0x7ffffu
#define MAGIC_MASK 0xffff0000u
#define CHANGE_FLAGS (FS_MS_REMOUNT | FS_MS_BIND | FS_MS_MOVE | 0xfu << 17)

/* An optional string of the application; empty when there is none. */
static long text_get(char *text, vaddr_t from, size_t capacity)
{
	long result = from ? user_copy_string(text, from, capacity) : 0;

	return result == -ENAMETOOLONG ? -EINVAL : result;
}

static long source_get(struct file_path *source, vaddr_t from)
{
	if (from)
		return file_path_get(source, from);
	source->text = source->own;
	source->own[0] = 0;
	source->size = 1;
	return 0;
}

static long mount_run(struct shim_thread *t, const u64 *a, struct fs_mount *request, struct file_path paths[2])
{
	long result;

	request->client = t->process->fs_client;
	request->flags = (u32)a[3];
	if ((request->flags & MAGIC_MASK) == MAGIC)
		request->flags &= ~(u64)MAGIC_MASK;
	result = text_get(request->type, a[2], sizeof(request->type));
	if (result >= 0)
		result = source_get(&paths[0], a[0]);
	if (result < 0)
		return result;
	result = text_get(request->options, a[4], sizeof(request->options));
	if (result >= 0)
		result = file_path_get(&paths[1], a[1]);
	if (result >= 0) {
		if (!request->type[0] && !(request->flags & CHANGE_FLAGS))
			result = -EINVAL;
		else
			result = fs_mount(request, paths[0].text, paths[0].size, paths[1].text, paths[1].size);
		file_path_put(&paths[1]);
	}
	file_path_put(&paths[0]);
	return result;
}

long sys_mount(struct shim_thread *t, const u64 *a)
{
	struct fs_mount *request = heap_alloc(sizeof(*request));
	struct file_path *paths = heap_alloc(2 * sizeof(*paths));
	long result = request && paths ? mount_run(t, a, request, paths) : -ENOMEM;

	heap_free(paths);
	heap_free(request);
	return result;
}

long sys_umount2(struct shim_thread *t, const u64 *a)
{
	struct file_target target;
	long result;

	if ((u32)a[1] & ~(u32)(FS_MNT_FORCE | FS_MNT_DETACH | FS_MNT_EXPIRE | FS_UMOUNT_NOFOLLOW))
		return -EINVAL;
	result = file_target_get(t, &target, AT_FDCWD, a[0], 0);
	if (result < 0)
		return result;
	target.at.flags = (u32)a[1];
	result = fs_umount(&target.at, target.path.text, target.path.size);
	file_target_put(&target);
	return result;
}

/* ---- Swapping: there is none, so no file is a swap area ---------------------------------------------------------------------- */

static long swap_call(struct shim_thread *t, vaddr_t path)
{
	struct proc_credentials is;
	struct file_target target;
	struct fs_stat status;
	long result = proc_credentials_get(0, &is);

	if (result < 0)
		return result;
	if (!(is.effective >> PROC_CAP_SYS_ADMIN & 1))
		return -EPERM;
	result = file_target_get(t, &target, AT_FDCWD, path, 0);
	if (result < 0)
		return result;
	result = file_call(t, fs_stat_at(&target.at, target.path.text, target.path.size, &status));
	file_target_put(&target);
	return result < 0 ? result : -EINVAL;
}

long sys_swapon(struct shim_thread *t, const u64 *a)
{
	return (u32)a[1] & ~SWAP_FLAGS ? -EINVAL : swap_call(t, a[0]);
}

long sys_swapoff(struct shim_thread *t, const u64 *a)
{
	return swap_call(t, a[0]);
}
