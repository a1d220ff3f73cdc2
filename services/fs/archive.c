/* The "newc" cpio format, as Linux's Documentation/driver-api/early-userspace/buffer-format.rst defines it. */
#include "archive.h"
#include "decompress.h"
#include <fs_server.h>

#define HEADER_SIZE 110u
#define FIELDS 13u
#define WINDOW_SIZE 65536u   /* of decompressed bytes, and of content written at once */
#define TRAILER "TRAILER!!!"

enum field {
	FIELD_INODE, FIELD_MODE, FIELD_UID, FIELD_GID, FIELD_LINKS, FIELD_TIME, FIELD_SIZE, FIELD_MAJOR, FIELD_MINOR, FIELD_DEVICE_MAJOR,
	FIELD_DEVICE_MINOR, FIELD_NAME_SIZE, FIELD_CHECK
};

struct entry {
	u32 fields[FIELDS];
	char *name;             /* ends in NUL */
	size_t name_size;       /* with the NUL */
};

/* Bytes one after the other: of memory, or of a compressed member through a window. */
struct source {
	const u8 *data;
	size_t size, at;
	const struct fs_decompressor *decompressor;   /* NULL: plain */
	void *state;
	struct fs_compressed from;
	u8 *window;
	size_t window_used, window_at;
	u64 position;           /* bytes given out since the entry's start: its parts are aligned by it */
};

struct fs_archive_links {
	struct fs_archive_links *next;
	u32 inode, major, minor;
	size_t name_size;
	char name[];
};

static bool field_read(const u8 *at, u32 *value)
{
	u32 i;

	for (*value = 0, i = 0; i < 8; i++) {
		u8 c = at[i];

		if (c >= '0' && c <= '9')
			c = (u8)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			c = (u8)((c | 32) - 'a' + 10);
		else
			return false;
		*value = *value << 4 | c;
	}
	return true;
}

/* Fills the window so that `size` bytes are there, if there are so many; what was there moves to its start. */
static long window_fill(struct source *source, size_t size)
{
	memmove(source->window, source->window + source->window_at, source->window_used - source->window_at);
	source->window_used -= source->window_at;
	source->window_at = 0;
	while (source->window_used < size) {
		long got = source->decompressor->read(source->state, &source->from, source->window + source->window_used,
			WINDOW_SIZE - source->window_used);

		if (got <= 0)
			return got;
		source->window_used += (size_t)got;
	}
	return 0;
}

/* The next bytes, at most WINDOW_SIZE, good until the next call. The number is smaller only at the end; -EINVAL: bad data. */
static long source_take(struct source *source, size_t size, const u8 **bytes)
{
	if (!source->decompressor) {
		size = size < source->size - source->at ? size : source->size - source->at;
		*bytes = source->data + source->at;
		source->at += size;
	} else {
		long result = source->window_used - source->window_at < size ? window_fill(source, size) : 0;

		if (result < 0)
			return result;
		size = size < source->window_used - source->window_at ? size : source->window_used - source->window_at;
		*bytes = source->window + source->window_at;
		source->window_at += size;
	}
	source->position += size;
	return (long)size;
}

static long source_align(struct source *source)
{
	const u8 *bytes;
	size_t pad = -source->position & 3;

	/* The last entry need not be padded. */
	return source_take(source, pad, &bytes) < 0 ? -EINVAL : 0;
}

/* Reads the head of an entry and its name. */
static long entry_read(struct source *source, struct entry *entry)
{
	const u8 *at;
	u32 i;

	source->position = 0;
	if (source_take(source, HEADER_SIZE, &at) != HEADER_SIZE || (memcmp(at, "070701", 6) != 0 && memcmp(at, "070702", 6) != 0))
		return -EINVAL;
	for (i = 0; i < FIELDS; i++)
		if (!field_read(at + 6 + i * 8, &entry->fields[i]))
			return -EINVAL;
	entry->name_size = entry->fields[FIELD_NAME_SIZE];
	if (entry->name_size == 0 || entry->name_size > FS_PATH_MAX)
		return -EINVAL;
	if (source_take(source, entry->name_size, &at) != (long)entry->name_size || at[entry->name_size - 1] != 0)
		return -EINVAL;
	memcpy(entry->name, at, entry->name_size);
	return source_align(source);
}

/* Passes over what is left of an entry's content. */
static long content_skip(struct source *source, u64 left)
{
	const u8 *bytes;

	while (left) {
		u64 part = left < WINDOW_SIZE ? left : WINDOW_SIZE;

		if (source_take(source, part, &bytes) != (long)part)
			return -EINVAL;
		left -= part;
	}
	return source_align(source);
}

static void links_forget(struct fs_archive *archive)
{
	while (archive->links) {
		struct fs_archive_links *next = archive->links->next;

		heap_free(archive->links);
		archive->links = next;
	}
}

/* The name under which a file with more than one link came before; notes it when it is the first. NULL: none. */
static const struct fs_archive_links *link_find(struct fs_archive *archive, const struct entry *entry)
{
	struct fs_archive_links *link;

	if (entry->fields[FIELD_LINKS] < 2)
		return NULL;
	for (link = archive->links; link; link = link->next)
		if (link->inode == entry->fields[FIELD_INODE] && link->major == entry->fields[FIELD_MAJOR] && link->minor == entry->fields[FIELD_MINOR])
			return link;
	link = heap_alloc(sizeof(*link) + entry->name_size);
	if (!link)
		return NULL;
	link->inode = entry->fields[FIELD_INODE];
	link->major = entry->fields[FIELD_MAJOR];
	link->minor = entry->fields[FIELD_MINOR];
	link->name_size = entry->name_size;
	memcpy(link->name, entry->name, entry->name_size);
	link->next = archive->links;
	archive->links = link;
	return NULL;
}

/* Writes content to an open file; *left is what was not taken from the source. -EINVAL: the source ends or is bad. */
static long content_write(struct fs_archive *archive, struct source *source, u64 file, u64 *left)
{
	u64 end = 0, at = 0;
	const u8 *bytes;
	long result;

	while (*left) {
		u64 part = *left < WINDOW_SIZE ? *left : WINDOW_SIZE;

		if (source_take(source, part, &bytes) != (long)part)
			return -EINVAL;
		*left -= part;
		result = fs_op_write_bytes(archive->rq, file, bytes, part, at, 0, &end);
		if (result != (long)part)
			return result < 0 && result != -EINVAL ? result : -ENOSPC;
		at += part;
	}
	return 0;
}

/* Writes a file's content to the name, which is made unless it is a link of one that came before. */
static long file_unpack(struct fs_archive *archive, struct source *source, const struct entry *entry, u64 *left)
{
	struct fs_open request = {
		.client = archive->client, .flags = FS_O_WRONLY | FS_O_CREAT | FS_O_NOFOLLOW | FS_O_TRUNC, .mode = entry->fields[FIELD_MODE] & 07777
	};
	const struct fs_archive_links *first = link_find(archive, entry);
	struct fs_pair pair = { .client = archive->client };
	u64 file, info, word;
	long result;

	if (first) {
		result = fs_op_link(archive->rq, &pair, first->name, first->name_size, entry->name, entry->name_size);
		if (result || *left == 0)
			return result == -EINVAL ? -EIO : result;
	}
	result = fs_op_open(archive->rq, &request, entry->name, entry->name_size, &file, &info, &word);
	if (result)
		return result == -EINVAL ? -EIO : result;
	result = content_write(archive, source, file, left);
	if (fs_op_close(archive->rq, file))
		return -EBADF;
	return result;
}

/* What is in the way goes, as Linux's unpacker has it; directories stay. */
static void name_clear(struct fs_archive *archive, const struct entry *entry)
{
	struct fs_at at = { .client = archive->client, .flags = FS_AT_SYMLINK_NOFOLLOW };
	struct fs_stat status;

	if (fs_op_stat_at(archive->rq, &at, entry->name, entry->name_size, &status))
		return;
	if ((status.mode & FS_IFMT) == (entry->fields[FIELD_MODE] & FS_IFMT) && (status.mode & FS_IFMT) != FS_IFLNK)
		return;
	at.flags = (status.mode & FS_IFMT) == FS_IFDIR ? FS_AT_REMOVEDIR : 0;
	if (fs_op_unlink(archive->rq, &at, entry->name, entry->name_size))
		return; /* making the entry will fail, and be counted */
}

static long link_unpack(struct fs_archive *archive, struct source *source, const struct entry *entry, u64 *left)
{
	struct fs_at at = { .client = archive->client };
	const u8 *target;
	u64 size = *left;

	if (size == 0 || size >= FS_PATH_MAX)
		return -EIO;
	if (source_take(source, size, &target) != (long)size)
		return -EINVAL;
	*left = 0;
	return fs_op_symlink(archive->rq, &at, entry->name, entry->name_size, target, size) ? -EIO : 0;
}

/* Makes what the entry says. -EINVAL: the source is bad; any other error: this entry can't be made. */
static long entry_make(struct fs_archive *archive, struct source *source, const struct entry *entry, u64 *left)
{
	struct fs_at at = { .client = archive->client, .mode = entry->fields[FIELD_MODE] };
	long result;

	switch (entry->fields[FIELD_MODE] & FS_IFMT) {
	case FS_IFREG:
		return file_unpack(archive, source, entry, left);
	case FS_IFDIR:
		result = fs_op_mkdir(archive->rq, &at, entry->name, entry->name_size);
		break;
	case FS_IFLNK:
		return link_unpack(archive, source, entry, left);
	case FS_IFCHR: case FS_IFBLK: case FS_IFIFO: case FS_IFSOCK:
		at.value = fs_device(entry->fields[FIELD_DEVICE_MAJOR], entry->fields[FIELD_DEVICE_MINOR]);
		result = fs_op_mknod(archive->rq, &at, entry->name, entry->name_size);
		break;
	default:
		return -EIO;
	}
	return result == -EEXIST ? 0 : result ? -EIO : 0;
}

static long attributes_set(struct fs_archive *archive, const struct entry *entry)
{
	u32 mode = entry->fields[FIELD_MODE];
	struct fs_at at = { .client = archive->client, .flags = FS_AT_SYMLINK_NOFOLLOW, .mode = mode };
	struct fs_times times = { .accessed = { entry->fields[FIELD_TIME], 0, 0 }, .modified = { entry->fields[FIELD_TIME], 0, 0 } };
	long result;

	at.value = entry->fields[FIELD_UID] | (u64)entry->fields[FIELD_GID] << 32;
	result = fs_op_chown(archive->rq, &at, entry->name, entry->name_size);
	if (!result && (mode & FS_IFMT) != FS_IFLNK)
		result = fs_op_chmod(archive->rq, &at, entry->name, entry->name_size);
	return result ? result : fs_op_utimes(archive->rq, &at, entry->name, entry->name_size, &times);
}

/* One entry, whose head was read. */
static long entry_unpack(struct fs_archive *archive, struct source *source, const struct entry *entry)
{
	u64 left = entry->fields[FIELD_SIZE];
	long result;

	name_clear(archive, entry);
	result = entry_make(archive, source, entry, &left);
	if (result == -EINVAL)
		return result;
	if (result || attributes_set(archive, entry))
		archive->errors++;
	archive->entries++;
	return content_skip(source, left);
}

/* Entries until the end, or (memory) until something that is no entry: 0, or -EINVAL. */
static long source_unpack(struct fs_archive *archive, struct source *source, char *name)
{
	struct entry entry = { .name = name };
	const u8 *byte;
	long result;

	for (;;) {
		/* Zeros between archives. */
		do
			result = source_take(source, 1, &byte);
		while (result == 1 && *byte == 0);
		if (result <= 0)
			return result;
		*(source->decompressor ? &source->window_at : &source->at) -= 1;
		if (!source->decompressor && fs_decompressor_of(source->data + source->at, source->size - source->at))
			return 0;
		result = entry_read(source, &entry);
		if (result)
			return result;
		if (strcmp(name, TRAILER) == 0)
			links_forget(archive);
		else
			result = entry_unpack(archive, source, &entry);
		if (result)
			return result;
	}
}

/* The compressed member at the start of `from`. */
static long member_unpack(struct fs_archive *archive, const struct fs_decompressor *decompressor, struct fs_compressed *from, char *name)
{
	struct source source = { .decompressor = decompressor, .from = *from };
	long result = -ENOMEM;

	if (!decompressor->present) {
		log_line("fs: built without the library for %s: an initial archive compressed so is not served", decompressor->name);
		return -EINVAL;
	}
	source.state = decompressor->open();
	source.window = heap_alloc(WINDOW_SIZE);
	if (source.state && source.window)
		result = source_unpack(archive, &source, name);
	*from = source.from;
	if (source.state)
		decompressor->close(source.state);
	heap_free(source.window);
	return result;
}

long fs_archive_unpack(struct fs_archive *archive, const u8 *data, size_t size)
{
	struct source source = { .data = data, .size = size };
	char *name = heap_alloc(FS_PATH_MAX);
	long result = name ? 0 : -ENOMEM;

	while (!result && source.at < size) {
		struct fs_compressed from = { data + source.at, size - source.at, 0 };
		const struct fs_decompressor *decompressor = fs_decompressor_of(from.data, from.size);

		if (decompressor) {
			result = member_unpack(archive, decompressor, &from, name);
			source.at += from.used;
		} else {
			result = source_unpack(archive, &source, name);
		}
	}
	links_forget(archive);
	heap_free(name);
	return result;
}
