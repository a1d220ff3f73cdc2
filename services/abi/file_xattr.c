/* Extended attributes: no file system has any. The calls check their arguments as Linux does, and answer as it does there. */
#include "file.h"
#include <fs_client.h>

#define XATTR_SIZE_MAX 65536u
#define XATTR_FLAGS 3u    /* XATTR_CREATE, XATTR_REPLACE */

/* The name must be readable, not empty and not too long. */
static long name_check(vaddr_t name)
{
	char text[XATTR_NAME_MAX + 1];
	long length = user_copy_string(text, name, sizeof(text));

	return length == -ENAMETOOLONG || length == 0 ? -ERANGE : length < 0 ? length : 0;
}

static long path_check(struct shim_thread *t, vaddr_t path, u32 flags)
{
	struct file_target target;
	struct fs_stat status;
	long result = file_target_get(t, &target, AT_FDCWD, path, flags);

	if (result < 0)
		return result;
	result = fs_stat_at(&target.at, target.path.text, target.path.size, &status);
	file_target_put(&target);
	return result;
}

static long file_check(struct shim_thread *t, i32 fd)
{
	struct shim_file *file = file_get(t, fd);
	long result;

	if (!file)
		return -EBADF;
	result = file->flags & O_PATH ? -EBADF : 0;
	file_put(file);
	return result;
}

static long set_check(const u64 *a)
{
	if ((u32)a[4] & ~XATTR_FLAGS)
		return -EINVAL;
	if (a[3] > XATTR_SIZE_MAX)
		return -E2BIG;
	return name_check(a[1]);
}

static long unsupported(long result)
{
	return result < 0 ? result : -EOPNOTSUPP;
}

/* Lists are empty rather than refused. */
static long empty(long result)
{
	return result < 0 ? result : 0;
}

long sys_setxattr(struct shim_thread *t, const u64 *a)
{
	long result = set_check(a);

	return unsupported(result < 0 ? result : path_check(t, a[0], 0));
}

long sys_lsetxattr(struct shim_thread *t, const u64 *a)
{
	long result = set_check(a);

	return unsupported(result < 0 ? result : path_check(t, a[0], AT_SYMLINK_NOFOLLOW));
}

long sys_fsetxattr(struct shim_thread *t, const u64 *a)
{
	long result = file_check(t, (i32)a[0]);

	return unsupported(result < 0 ? result : set_check(a));
}

static long named_path(struct shim_thread *t, const u64 *a, u32 flags)
{
	long result = path_check(t, a[0], flags);

	return unsupported(result < 0 ? result : name_check(a[1]));
}

static long named_file(struct shim_thread *t, const u64 *a)
{
	long result = file_check(t, (i32)a[0]);

	return unsupported(result < 0 ? result : name_check(a[1]));
}

long sys_getxattr(struct shim_thread *t, const u64 *a) { return named_path(t, a, 0); }
long sys_lgetxattr(struct shim_thread *t, const u64 *a) { return named_path(t, a, AT_SYMLINK_NOFOLLOW); }
long sys_fgetxattr(struct shim_thread *t, const u64 *a) { return named_file(t, a); }
long sys_removexattr(struct shim_thread *t, const u64 *a) { return named_path(t, a, 0); }
long sys_lremovexattr(struct shim_thread *t, const u64 *a) { return named_path(t, a, AT_SYMLINK_NOFOLLOW); }
long sys_fremovexattr(struct shim_thread *t, const u64 *a) { return named_file(t, a); }
long sys_listxattr(struct shim_thread *t, const u64 *a) { return empty(path_check(t, a[0], 0)); }
long sys_llistxattr(struct shim_thread *t, const u64 *a) { return empty(path_check(t, a[0], AT_SYMLINK_NOFOLLOW)); }
long sys_flistxattr(struct shim_thread *t, const u64 *a) { return empty(file_check(t, (i32)a[0])); }
