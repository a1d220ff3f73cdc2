/* Record locks and flock. The owner of POSIX locks is the descriptor table, which gets its number at its first lock. */
#include "file.h"
#include <fs_client.h>

static u64 table_owner(struct shim_fd_table *table)
{
	static volatile u64 last;
	u64 owner = __atomic_load_n(&table->lock_owner, __ATOMIC_RELAXED), none = 0;

	if (owner)
		return owner;
	owner = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED); /* numbers by themselves */
	if (__atomic_compare_exchange_n(&table->lock_owner, &none, owner, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return owner;
	return none;
}

void file_locks_flush(struct shim_file *file, struct shim_fd_table *table)
{
	if (table->lock_owner && fs_lock_drop(file->handle, table->lock_owner) < 0)
		log_line("abi: record locks of a closed descriptor are left");
}

/* One call of fs: TEST gives what is in the way, SET_WAIT what to wait on. */
static long lock_ask(u64 handle, const struct fs_lock *request, u64 *first, u64 *second, u64 *third)
{
	return fs_lock(handle, fs_lock_pack(request), request->owner, request->start, request->end, first, second, third);
}

/* Sets a lock, waiting for it if the request says so. */
static long lock_set(struct shim_thread *t, struct shim_file *file, const struct fs_lock *request)
{
	const struct tk_pollword *word;
	u64 handle = file_fs_handle(file), name, sequence, none;
	long result = lock_ask(handle, request, &name, &sequence, &none);

	while (result == FS_LOCK_WAITS) {
		word = pollword_of_handle(name);
		result = word ? shim_wait_word(t, word, (u32)sequence, NANOS_NEVER) : -ENOLCK;
		if (result < 0) {
			if (fs_lock_cancel(handle, fs_lock_pack(request), request->owner, request->start, request->end) < 0)
				return -EBADF;
			return result;
		}
		result = lock_ask(handle, request, &name, &sequence, &none);
	}
	return result;
}

/* Where l_whence counts from. */
static long lock_base(struct shim_thread *t, struct shim_file *file, i16 whence, i64 *base)
{
	struct fs_stat status;
	long result = 0;

	switch (whence) {
	case SEEK_SET:
		*base = 0;
		break;
	case SEEK_CUR:
		*base = file->offset;
		break;
	case SEEK_END:
		result = file_stat_get(t, file, &status);
		*base = (i64)status.size;
		break;
	default:
		result = -EINVAL;
	}
	return result;
}

/* Linux's range: a negative length counts backwards, zero goes to the end of all files. */
static long lock_range(const struct linux_flock *flock, i64 base, struct fs_lock *request)
{
	i64 start, end;

	if (__builtin_add_overflow(base, flock->l_start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	end = INT64_MAX;
	if (flock->l_len > 0 && __builtin_add_overflow(start, flock->l_len - 1, &end))
		return -EOVERFLOW;
	if (flock->l_len < 0) {
		if (start + flock->l_len < 0)
			return -EINVAL;
		end = start - 1;
		start += flock->l_len;
	}
	request->start = (u64)start;
	request->end = (u64)end;
	return 0;
}

static long lock_test(struct shim_file *file, const struct fs_lock *request, struct linux_flock *flock, vaddr_t argument)
{
	u64 what, start, end;
	long result = lock_ask(file_fs_handle(file), request, &what, &start, &end);

	if (result < 0)
		return result;
	struct fs_lock conflict = fs_lock_unpack(what, 0, start, end);

	flock->l_type = (i16)conflict.type;
	if (conflict.type != FS_LOCK_NONE) {
		flock->l_whence = SEEK_SET;
		flock->l_start = (i64)conflict.start;
		flock->l_len = conflict.end == INT64_MAX ? 0 : (i64)(conflict.end - conflict.start + 1);
		flock->l_pid = conflict.pid;
	}
	return user_copy_out(argument, flock, sizeof(*flock));
}

long file_lock_command(struct shim_thread *t, struct shim_file *file, u32 command, vaddr_t argument)
{
	bool open_file = command >= F_OFD_GETLK, test = command == F_GETLK || command == F_OFD_GETLK;
	struct fs_lock request = { .kind = open_file ? FS_LOCK_OPEN : FS_LOCK_POSIX, .pid = t->process->pid };
	struct linux_flock flock;
	i64 base;
	long result = user_copy_in(&flock, argument, sizeof(flock));

	if (result < 0)
		return result;
	if (!file_fs_handle(file))
		return -EBADF;
	if ((u16)flock.l_type > FS_LOCK_NONE || (test && flock.l_type == FS_LOCK_NONE) || (open_file && flock.l_pid != 0))
		return -EINVAL;
	result = lock_base(t, file, flock.l_whence, &base);
	if (result >= 0)
		result = lock_range(&flock, base, &request);
	if (result < 0)
		return result;
	request.type = (u32)flock.l_type;
	request.owner = open_file ? 0 : table_owner(t->process->files);
	if (test)
		return lock_test(file, &request, &flock, argument);
	request.command = command == F_SETLKW || command == F_OFD_SETLKW ? FS_LOCK_SET_WAIT : FS_LOCK_SET;
	return lock_set(t, file, &request);
}

long sys_flock(struct shim_thread *t, const u64 *a)
{
	static const u32 types[] = { [LOCK_SH] = FS_LOCK_READ, [LOCK_EX] = FS_LOCK_WRITE, [LOCK_UN] = FS_LOCK_NONE };
	u32 operation = (u32)a[1], what = operation & ~LOCK_NB;
	struct fs_lock request = { .kind = FS_LOCK_FLOCK, .end = INT64_MAX };
	struct shim_file *file;
	long result;

	if (operation & LOCK_MAND)
		return 0; /* mandatory locks are no more: Linux 5.16 and later say so in the log and do nothing */
	if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
		return -EINVAL;
	file = file_get(t, (i32)a[0]);
	if (!file)
		return -EBADF;
	request.type = types[what];
	request.command = operation & LOCK_NB ? FS_LOCK_SET : FS_LOCK_SET_WAIT;
	result = (file->flags & O_PATH) || !file_fs_handle(file) ? -EBADF : lock_set(t, file, &request);
	file_put(file);
	return result;
}
