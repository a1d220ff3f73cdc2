/* open, openat, openat2, creat. */
#include "file.h"
#include <fs_client.h>

#define OPEN_FLAGS (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_ASYNC | O_DIRECT | O_LARGEFILE \
	| O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE)
#define PATH_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
#define RESOLVE_FLAGS 0x3full

/* Flags and mode as openat2(2) checks them. */
static long how_check(const struct linux_open_how *how)
{
	bool creates = how->flags & O_CREAT || (how->flags & O_TMPFILE) == O_TMPFILE;

	if (how->flags & ~(u64)OPEN_FLAGS || how->resolve & ~RESOLVE_FLAGS)
		return -EINVAL;
	if ((how->resolve & FS_RESOLVE_BENEATH) && (how->resolve & FS_RESOLVE_IN_ROOT))
		return -EINVAL;
	if (creates ? how->mode & ~07777ull : how->mode != 0)
		return -EINVAL;
	/* The bit of O_TMPFILE means nothing without O_DIRECTORY. */
	if ((how->flags & 020000000) && ((how->flags & O_TMPFILE) != O_TMPFILE || (how->flags & O_ACCMODE) == O_RDONLY))
		return -EINVAL;
	if ((how->flags & O_PATH) && how->flags & ~(u64)PATH_FLAGS)
		return -EINVAL;
	if ((how->resolve & FS_RESOLVE_CACHED) && how->flags & (O_TRUNC | O_CREAT | 020000000))
		return -EAGAIN;
	return 0;
}

static long open_run(struct shim_thread *t, i32 directory, vaddr_t path_from, const struct linux_open_how *how)
{
	struct fs_open request = {
		.client = t->process->fs_client, .flags = (u32)how->flags | O_LARGEFILE, .mode = (u32)how->mode, .resolve = how->resolve
	};
	struct shim_file *base = NULL, *file;
	struct file_path path;
	long result = how_check(how);

	if (result < 0)
		return result;
	if (how->flags & O_PATH)
		request.flags &= ~(u32)O_LARGEFILE;
	result = file_path_get(&path, path_from);
	if (result < 0)
		return result;
	/* RESOLVE_IN_ROOT needs the directory for absolute paths, too. */
	if ((how->resolve & FS_RESOLVE_IN_ROOT) && directory != AT_FDCWD) {
		base = file_get(t, directory);
		request.directory = base ? file_fs_handle(base) : 0;
		result = !base ? -EBADF : request.directory ? 0 : -ENOTDIR;
	} else {
		result = file_directory_get(t, directory, &path, &request.directory, &base);
	}
	if (result >= 0)
		result = file_open_at(t, &request, path.text, path.size, &file);
	if (result >= 0)
		result = fd_install(t, file, request.flags, 0);
	if (base)
		file_put(base);
	file_path_put(&path);
	return result;
}

/* The old calls ignore what they do not know. */
static long open_old(struct shim_thread *t, i32 directory, vaddr_t path, u32 flags, u32 mode)
{
	struct linux_open_how how = { .flags = flags & (u32)OPEN_FLAGS };

	if (how.flags & O_PATH)
		how.flags &= PATH_FLAGS;
	if (how.flags & (O_CREAT | 020000000))
		how.mode = mode & 07777;
	return open_run(t, directory, path, &how);
}

long sys_open(struct shim_thread *t, const u64 *a)
{
	return open_old(t, AT_FDCWD, a[0], (u32)a[1], (u32)a[2]);
}

long sys_openat(struct shim_thread *t, const u64 *a)
{
	return open_old(t, (i32)a[0], a[1], (u32)a[2], (u32)a[3]);
}

long sys_creat(struct shim_thread *t, const u64 *a)
{
	return open_old(t, AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, (u32)a[1]);
}

long sys_openat2(struct shim_thread *t, const u64 *a)
{
	struct linux_open_how how;
	u64 size = a[3], at;
	u8 more;
	long result;

	if (size < OPEN_HOW_SIZE_FIRST)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	result = user_copy_in(&how, a[2], sizeof(how));
	/* What a newer program says beyond what we know must be zero. */
	for (at = sizeof(how); result >= 0 && at < size; at++) {
		result = user_copy_in(&more, a[2] + at, 1);
		if (result >= 0 && more)
			return -E2BIG;
	}
	return result < 0 ? result : open_run(t, (i32)a[0], a[1], &how);
}

long sys_memfd_create(struct shim_thread *t, const u64 *a)
{
	u32 flags = (u32)a[1];
	char name[256];
	struct shim_file *file;
	u64 handle, info;
	long result, length;

	if (flags & ~(u32)(FS_MFD_CLOEXEC | FS_MFD_ALLOW_SEALING))
		return -EINVAL;
	length = user_copy_string(name, a[0], 250);
	if (length < 0)
		return length == -ENAMETOOLONG ? -EINVAL : length;
	result = fs_memory_file(t->process->fs_client, name, (size_t)length + 1, flags, &handle, &info);
	if (result < 0)
		return result;
	result = file_from_handle(t, handle, info, 0, O_RDWR | O_LARGEFILE, &file);
	return result < 0 ? result : fd_install(t, file, flags & FS_MFD_CLOEXEC ? O_CLOEXEC : 0, 0);
}
