/* /proc/PID/fd and fdinfo: what fs asks about a process's descriptors, and the listing of these directories. */
#include "file.h"
#include <fs_client.h>

#define TRIES_MAX 4u   /* another thread may use up what was told */
#define CHUNK 64u      /* descriptors told at once */
#define POSITION_FIRST 2   /* behind "." and ".." */

static void descriptor_fill(struct fs_descriptor *descriptor, i32 fd, const struct shim_fd *slot)
{
	struct shim_file *file = slot->file;

	*descriptor = (struct fs_descriptor){
		.file = file_fs_handle(file), .position = (u64)file->offset, .fd = fd,
		.flags = (file->flags & ~(u32)FS_O_EXECUTE) | (slot->close_on_exec ? O_CLOEXEC : 0),
	};
	memcpy(descriptor->name, file->ops->name, strnlen(file->ops->name, sizeof(descriptor->name) - 1));
}

/* Up to CHUNK descriptors from *next on, which moves behind them. */
static u32 descriptors_collect(struct shim_fd_table *table, i32 *next, struct fs_descriptor *list)
{
	u32 count = 0, fd;

	lock_acquire(&table->lock);
	for (fd = (u32)*next; fd < table->capacity && count < CHUNK; fd++)
		if (table->fds[fd].file)
			descriptor_fill(&list[count++], (i32)fd, &table->fds[fd]);
	lock_release(&table->lock);
	*next = (i32)fd;
	return count;
}

static long descriptors_tell(u64 client, i32 pid, struct shim_fd_table *table)
{
	struct fs_descriptor *list = heap_alloc(CHUNK * sizeof(*list));
	long result = list ? 0 : -ENOMEM;
	u32 count, more = 0;
	i32 next = 0;

	do {
		count = result < 0 ? 0 : descriptors_collect(table, &next, list);
		if (count || !more)
			result = result < 0 ? result : fs_descriptors_note(client, pid, more, list, count * sizeof(*list));
		more = 1;
	} while (count == CHUNK && result >= 0);
	heap_free(list);
	return result;
}

bool file_descriptors_told(struct shim_thread *t, long result, u32 *tries)
{
	i32 pid = (i32)(-result - FS_DESCRIPTORS_WANTED);
	struct shim_fd_table *table;

	if (++*tries > TRIES_MAX)
		return false;
	table = shim_process_files(pid);
	if (!table)
		return false;
	result = descriptors_tell(t->process->fs_client, pid, table);
	fd_table_put(table);
	return result >= 0;
}

/* ---- Listing ----------------------------------------------------------------------------------------------------------------- */

struct listing { u8 *buffer; u64 capacity, used; u32 format; };

/* A record as getdents64 or getdents define it; false when it does not fit. */
static bool record_add(struct listing *listing, const char *name, i64 position, u8 type)
{
	bool wide = listing->format == FS_DIRENT_64;
	size_t length = strlen(name), head = wide ? 19 : 18, size = round_up(head + length + (wide ? 1 : 2), 8);
	u8 *at = listing->buffer + listing->used;
	u64 inode = (u64)position + 1;
	u16 record = (u16)size;

	if (listing->used + size > listing->capacity)
		return false;
	memset(at, 0, size);
	memcpy(at, &inode, 8);
	memcpy(at + 8, &position, 8);
	memcpy(at + 16, &record, 2);
	memcpy(at + head, name, length);
	at[wide ? 18 : size - 1] = type;
	listing->used += size;
	return true;
}

/* Position: 0 the start, then 2 + the next descriptor. */
static i64 descriptors_fill(struct shim_fd_table *table, struct listing *listing, i64 position)
{
	char name[16];

	if (position == 0 && record_add(listing, ".", 1, 4))
		position = 1;
	if (position == 1 && record_add(listing, "..", POSITION_FIRST, 4))
		position = POSITION_FIRST;
	while (position >= POSITION_FIRST) {
		i32 fd = fd_next(table, (i32)(position - POSITION_FIRST));

		if (fd < 0)
			break;
		(void)format_text(name, sizeof(name), "%d", fd);
		if (!record_add(listing, name, fd + POSITION_FIRST + 1, 10))
			break;
		position = fd + POSITION_FIRST + 1;
	}
	return position;
}

long file_descriptors_list(struct shim_file *file, vaddr_t to, u64 size, u32 format)
{
	struct listing listing = { .capacity = size < PAGE_SIZE ? size : PAGE_SIZE, .format = format };
	struct shim_fd_table *table = shim_process_files((i32)(uintptr_t)file->data);
	i64 position;
	long result = -ENOENT;

	if (!table)
		return result;
	listing.buffer = heap_alloc(PAGE_SIZE);
	lock_acquire(&file->position_lock);
	position = listing.buffer ? descriptors_fill(table, &listing, file->offset) : 0;
	result = !listing.buffer ? -ENOMEM : listing.used ? user_copy_out(to, listing.buffer, listing.used) : 0;
	if (result >= 0 && !listing.used && listing.capacity < 32 && position < POSITION_FIRST)
		result = -EINVAL; /* not even one fits */
	if (result >= 0) {
		file->offset = position;
		result = (long)listing.used;
	}
	lock_release(&file->position_lock);
	heap_free(listing.buffer);
	fd_table_put(table);
	return result;
}

static long list_seek(struct shim_thread *t, struct shim_file *file, i64 offset, u32 whence)
{
	long result = -EINVAL;

	(void)t;
	lock_acquire(&file->position_lock);
	if (whence == SEEK_CUR && __builtin_add_overflow(offset, file->offset, &offset))
		offset = -1;
	if (whence <= SEEK_CUR && offset >= 0 && offset <= INT32_MAX) {
		file->offset = offset;
		result = offset;
	}
	lock_release(&file->position_lock);
	return result;
}

static long list_read(struct shim_thread *t, struct shim_file *file, vaddr_t to, u64 size, i64 offset)
{
	(void)t, (void)file, (void)to, (void)size, (void)offset;
	return -EISDIR;
}

const struct shim_file_ops file_descriptors_ops = {
	.name = "descriptors", .read = list_read, .seek = list_seek, .stat = file_object_stat, .fs_handle = file_object_handle,
	.close = file_object_close,
};
