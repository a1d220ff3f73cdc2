/* Listing directories in the records of getdents64 and getdents. Positions are cookies: they stay good while names come and go. */
#include "fs.h"
#include <fs_server.h>

#define BUFFER_SIZE 4096u
#define POSITION_DOT 1u
#define POSITION_DOTDOT 2u

struct dirent64 { u64 inode, next; u16 length; u8 type; char name[]; } __attribute__((packed));
struct dirent_old { u64 inode, next; u16 length; char name[]; } __attribute__((packed)); /* the type is its last byte */
_Static_assert(offsetof(struct dirent64, name) == 19 && offsetof(struct dirent_old, name) == 18, "Linux ABI");

bool fs_listing_add(struct fs_listing *listing, u64 inode, u32 mode, const char *text, u32 length, u64 position)
{
	bool wide = listing->format == FS_DIRENT_64;
	size_t head = wide ? offsetof(struct dirent64, name) : offsetof(struct dirent_old, name) + 1;
	size_t size = round_up(head + length + 1, 8);
	u8 *at = listing->buffer + listing->used;
	u8 type = (u8)((mode & FS_IFMT) >> 12);

	if (size > listing->capacity - listing->used) {
		listing->full = true;
		return false;
	}
	memset(at, 0, size);
	if (wide) {
		struct dirent64 *entry = (struct dirent64 *)at;

		entry->inode = inode;
		entry->next = position;
		entry->length = (u16)size;
		entry->type = type;
		memcpy(entry->name, text, length);
	} else {
		struct dirent_old *entry = (struct dirent_old *)at;

		entry->inode = inode;
		entry->next = position;
		entry->length = (u16)size;
		memcpy(entry->name, text, length);
		at[size - 1] = type;
	}
	listing->used += size;
	listing->next = position;
	return true;
}

/* The first child behind a position; the file's cursor finds it at once when the last listing ended there. */
static struct fs_name *child_behind(struct fs_file *file, u64 position)
{
	struct fs_name *name = NULL;

	lock_acquire(&file->lock);
	if (file->cursor && file->cursor->linked && file->cursor->parent == file->place.name && file->cursor->cookie == position)
		name = file->cursor;
	lock_release(&file->lock);
	if (name)
		return name->next;
	for (name = file->inode->children.first; name && name->cookie <= position; name = name->next)
		;
	return name;
}

static void cursor_set(struct fs_file *file, struct fs_name *name)
{
	struct fs_name *old;

	if (name)
		fs_name_hold(name);
	lock_acquire(&file->lock);
	old = file->cursor;
	file->cursor = name;
	lock_release(&file->lock);
	if (old)
		fs_name_put(old);
}

static u64 parent_inode(const struct fs_place *place)
{
	const struct fs_mounted *mount = place->mount;

	if (place->name == mount->root && mount->parent)
		return mount->point->parent->inode->number;
	return place->name->parent->inode->number;
}

/* Fills the listing from a position on; fs_tree is held. */
static long directory_list(struct fs_file *file, u64 position, struct fs_listing *listing)
{
	struct fs_name *name, *last = NULL;

	listing->next = position;
	if (position < POSITION_DOT && !fs_listing_add(listing, file->inode->number, FS_IFDIR, ".", 1, POSITION_DOT))
		return 0;
	if (listing->next < POSITION_DOTDOT && !fs_listing_add(listing, parent_inode(&file->place), FS_IFDIR, "..", 2, POSITION_DOTDOT))
		return 0;
	for (name = child_behind(file, listing->next); name; name = name->next) {
		if (!fs_listing_add(listing, name->inode->number, name->inode->mode, name->text, name->length, name->cookie))
			break;
		last = name;
	}
	if (last)
		cursor_set(file, last);
	if (name || !file->inode->ops->list)
		return 0;
	return file->inode->ops->list(file->place.name, listing->next, listing);
}

static long directory_read(struct fs_file *file, struct fs_listing *listing, u64 position)
{
	long result;

	fs_gate_shared(&fs_tree);
	/* What was removed lists nothing more. */
	if (!file->place.name->linked && !file->place.name->passing && file->place.name->parent != file->place.name)
		result = -ENOENT;
	else
		result = directory_list(file, position, listing);
	fs_gate_release(&fs_tree);
	if (!result && !listing->used && listing->full)
		result = -EINVAL; /* not even one fits */
	return result;
}

long fs_op_readdir(const struct rt_request *rq, u64 directory, vaddr_t data, u64 data_size, u64 position, u32 format, u64 *next)
{
	struct fs_file *file = fs_file_get(rq, directory);
	struct fs_listing listing = { .capacity = data_size < BUFFER_SIZE ? data_size : BUFFER_SIZE, .format = format };
	long result;

	if (!file)
		return -EBADF;
	if (file->kind == FS_KIND_PATH)
		result = -EBADF;
	else if (!fs_is_directory(file->inode))
		result = -ENOTDIR;
	else if (format > FS_DIRENT_OLD || position > FS_OFFSET_MAX)
		result = -EINVAL;
	else
		result = 0;
	if (!result) {
		listing.buffer = heap_alloc(BUFFER_SIZE);
		result = listing.buffer ? directory_read(file, &listing, position) : -ENOMEM;
	}
	if (!result && listing.used)
		result = user_copy_out(data, listing.buffer, listing.used);
	if (!result) {
		fs_inode_accessed(file->place, file->inode, file->flags);
		*next = listing.next;
		result = (long)listing.used;
	}
	heap_free(listing.buffer);
	fs_file_put(file);
	return result;
}
