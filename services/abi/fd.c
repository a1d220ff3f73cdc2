/* Open files and descriptor tables: the one place where a process's descriptors are. */
#include "shim.h"
#include "include/abi_fcntl.h"

#define TABLE_FIRST 64u            /* entries of a new table */
#define TABLE_LARGEST (1u << 20)   /* fs.nr_open */

struct shim_file *file_create(const struct shim_file_ops *ops, u32 flags, u64 handle)
{
	struct shim_file *file = heap_alloc(sizeof(*file));

	if (!file)
		return NULL;
	file->ops = ops;
	lock_rank_set(&file->position_lock, RANK_ABI_POSITION);
	file->references = 1;
	file->flags = flags & ~(u32)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
	file->handle = handle;
	return file;
}

void file_hold(struct shim_file *file)
{
	__atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED); /* the caller's own reference keeps it alive */
}

void file_put(struct shim_file *file)
{
	/* Every use before a release is seen by whoever closes. */
	if (__atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL) == 0) {
		epoll_file_closed(file);
		file->ops->close(file);
		heap_free(file);
	}
}

/* The slot of an open descriptor; the table's lock is held. */
static struct shim_fd *table_slot(struct shim_fd_table *table, i32 fd)
{
	if ((u32)fd >= table->capacity || !table->fds[fd].file)
		return NULL;
	return &table->fds[fd];
}

struct shim_file *file_get(struct shim_thread *t, i32 fd)
{
	struct shim_fd_table *table = t->process->files;
	struct shim_file *file = NULL;

	lock_acquire(&table->lock);
	if (likely((u32)fd < table->capacity)) {
		file = table->fds[fd].file;
		if (file)
			file_hold(file);
	}
	lock_release(&table->lock);
	return file;
}

struct file_use file_use_begin(struct shim_thread *t, i32 fd)
{
	const struct shim_fd_table *table = t->process->files;

	/* Both counts rise from one by a call of this thread alone, or by who only lists the table. */
	if (unlikely(t->process->threads != 1 || table->references != 1))
		return (struct file_use){ file_get(t, fd), true };
	return (struct file_use){ (u32)fd < table->capacity ? table->fds[fd].file : NULL, false };
}

void file_use_end(struct file_use use)
{
	if (unlikely(use.held))
		file_put(use.file);
}

struct shim_fd_table *fd_table_create(void)
{
	struct shim_fd_table *table = heap_alloc(sizeof(*table));

	if (!table)
		return NULL;
	table->fds = heap_alloc(TABLE_FIRST * sizeof(*table->fds));
	if (!table->fds) {
		heap_free(table);
		return NULL;
	}
	table->references = 1;
	table->capacity = TABLE_FIRST;
	return table;
}

void fd_table_hold(struct shim_fd_table *table)
{
	__atomic_fetch_add(&table->references, 1, __ATOMIC_RELAXED); /* the caller's own reference keeps it alive */
}

/* Entries that a copy needs: up to the last open descriptor. */
static u32 table_used(const struct shim_fd_table *table)
{
	u32 used = table->capacity;

	while (used > 0 && !table->fds[used - 1].file)
		used--;
	return used;
}

struct shim_fd_table *fd_table_copy(struct shim_fd_table *from)
{
	struct shim_fd_table *copy = heap_alloc(sizeof(*copy));
	u32 used, capacity;

	if (!copy)
		return NULL;
	for (;;) {
		lock_acquire(&from->lock);
		used = table_used(from);
		lock_release(&from->lock);
		capacity = (u32)round_up(used + 1, TABLE_FIRST);
		copy->fds = heap_alloc(capacity * sizeof(*copy->fds));
		if (!copy->fds) {
			heap_free(copy);
			return NULL;
		}
		lock_acquire(&from->lock);
		if (table_used(from) <= capacity)
			break;
		lock_release(&from->lock); /* it grew meanwhile */
		heap_free(copy->fds);
	}
	used = table_used(from);
	for (u32 i = 0; i < used; i++) {
		copy->fds[i] = from->fds[i];
		if (copy->fds[i].file)
			file_hold(copy->fds[i].file);
	}
	copy->next = from->next;
	lock_release(&from->lock);
	copy->references = 1;
	copy->capacity = capacity;
	return copy;
}

/* What a closed descriptor leaves behind: record locks go, then the reference. */
static void descriptor_drop(struct shim_fd_table *table, struct shim_file *file)
{
	if (file->ops->flush)
		file->ops->flush(file, table);
	file_put(file);
}

void fd_table_put(struct shim_fd_table *table)
{
	/* Every use before a release is seen by whoever frees. */
	if (__atomic_sub_fetch(&table->references, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	for (u32 i = 0; i < table->capacity; i++)
		if (table->fds[i].file)
			descriptor_drop(table, table->fds[i].file);
	heap_free(table->fds);
	heap_free(table);
}

/* Makes room for descriptor `fd`. The table's lock is not held. */
static long table_grow(struct shim_fd_table *table, u32 fd)
{
	u32 capacity = table->capacity;
	struct shim_fd *fds, *old;

	if (fd >= TABLE_LARGEST)
		return -EMFILE;
	while (capacity <= fd)
		capacity *= 2;
	fds = heap_alloc(capacity * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	lock_acquire(&table->lock);
	old = fds;
	if (table->capacity < capacity) {
		memcpy(fds, table->fds, table->capacity * sizeof(*fds));
		old = table->fds;
		table->fds = fds;
		table->capacity = capacity;
	}
	lock_release(&table->lock);
	heap_free(old);
	return 0;
}

long fd_install(struct shim_thread *t, struct shim_file *file, u32 open_flags, i32 lowest)
{
	struct shim_fd_table *table = t->process->files;
	u32 fd, limit = t->process->files_limit;
	long result;

	for (;;) {
		lock_acquire(&table->lock);
		fd = (u32)lowest > table->next ? (u32)lowest : table->next;
		while (fd < table->capacity && table->fds[fd].file)
			fd++;
		if (fd >= limit || fd < table->capacity)
			break;
		lock_release(&table->lock);
		result = table_grow(table, fd);
		if (result < 0)
			goto refused;
	}
	if (fd < limit) {
		/* commit */
		table->fds[fd] = (struct shim_fd){ file, open_flags & O_CLOEXEC };
		if ((u32)lowest <= table->next)
			table->next = fd + 1;
		lock_release(&table->lock);
		return fd;
	}
	lock_release(&table->lock);
	result = -EMFILE;
refused:
	file_put(file);
	return result;
}

/* Takes a descriptor out of the table; the caller drops the file. */
static struct shim_file *table_remove(struct shim_fd_table *table, i32 fd)
{
	struct shim_file *file = NULL;
	struct shim_fd *slot;

	lock_acquire(&table->lock);
	slot = table_slot(table, fd);
	if (slot) {
		file = slot->file;
		*slot = (struct shim_fd){ 0 };
		if ((u32)fd < table->next)
			table->next = (u32)fd;
	}
	lock_release(&table->lock);
	return file;
}

long fd_close(struct shim_thread *t, i32 fd)
{
	struct shim_fd_table *table = t->process->files;
	struct shim_file *file = table_remove(table, fd);

	if (!file)
		return -EBADF;
	descriptor_drop(table, file);
	return 0;
}

long fd_replace(struct shim_thread *t, struct shim_file *file, i32 fd, u32 open_flags)
{
	struct shim_fd_table *table = t->process->files;
	struct shim_file *old;
	long result;

	if ((u32)fd >= t->process->files_limit) {
		file_put(file);
		return -EBADF;
	}
	while ((u32)fd >= table->capacity) {
		result = table_grow(table, (u32)fd);
		if (result < 0) {
			file_put(file);
			return result;
		}
	}
	lock_acquire(&table->lock);
	old = table->fds[fd].file;
	table->fds[fd] = (struct shim_fd){ file, open_flags & O_CLOEXEC };
	lock_release(&table->lock);
	if (old)
		descriptor_drop(table, old);
	return fd;
}

long fd_duplicate(struct shim_thread *t, i32 fd, i32 lowest, bool close_on_exec)
{
	struct shim_file *file = file_get(t, fd);

	if (!file)
		return -EBADF;
	if ((u32)lowest >= t->process->files_limit) {
		file_put(file);
		return -EINVAL;
	}
	return fd_install(t, file, close_on_exec ? O_CLOEXEC : 0, lowest);
}

long fd_flags_get(struct shim_thread *t, i32 fd)
{
	struct shim_fd_table *table = t->process->files;
	struct shim_fd *slot;
	long result = -EBADF;

	lock_acquire(&table->lock);
	slot = table_slot(table, fd);
	if (slot)
		result = slot->close_on_exec ? FD_CLOEXEC : 0;
	lock_release(&table->lock);
	return result;
}

long fd_flags_set(struct shim_thread *t, i32 fd, u32 flags)
{
	struct shim_fd_table *table = t->process->files;
	struct shim_fd *slot;
	long result = -EBADF;

	lock_acquire(&table->lock);
	slot = table_slot(table, fd);
	if (slot) {
		slot->close_on_exec = flags & FD_CLOEXEC;
		result = 0;
	}
	lock_release(&table->lock);
	return result;
}

i32 fd_next(struct shim_fd_table *table, i32 from)
{
	i32 found = -1;

	lock_acquire(&table->lock);
	for (u32 fd = from < 0 ? 0 : (u32)from; fd < table->capacity && found < 0; fd++)
		if (table->fds[fd].file)
			found = (i32)fd;
	lock_release(&table->lock);
	return found;
}

long fd_table_unshare(struct shim_thread *t)
{
	struct shim_fd_table *table = t->process->files, *own;

	if (__atomic_load_n(&table->references, __ATOMIC_ACQUIRE) == 1) /* nobody else can raise it from one */
		return 0;
	own = fd_table_copy(table);
	if (!own)
		return -ENOMEM;
	fd_table_put(shim_process_files_set(t->process, own));
	return 0;
}

void fd_table_close_on_exec(struct shim_thread *t)
{
	struct shim_fd_table *table = t->process->files;

	for (i32 fd = fd_next(table, 0); fd >= 0; fd = fd_next(table, fd + 1)) {
		if (fd_flags_get(t, fd) == FD_CLOEXEC)
			(void)fd_close(t, fd);
	}
}
