/* The "newc" cpio format, as Linux's Documentation/driver-api/early-userspace/buffer-format.rst defines it. */
#include "archive.h"
#include <fs_server.h>

#define HEADER_SIZE 110u
#define FIELDS 13u
#define TRAILER "TRAILER!!!"

enum field {
	FIELD_INODE, FIELD_MODE, FIELD_UID, FIELD_GID, FIELD_LINKS, FIELD_TIME, FIELD_SIZE, FIELD_MAJOR, FIELD_MINOR, FIELD_DEVICE_MAJOR,
	FIELD_DEVICE_MINOR, FIELD_NAME_SIZE, FIELD_CHECK
};

struct entry {
	u32 fields[FIELDS];
	const char *name;       /* ends in NUL within the archive */
	size_t name_size;       /* with the NUL */
	const u8 *data;
	size_t size;            /* of all of it in the archive */
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

/* Reads one entry; its whole size is in entry->size. */
static long entry_read(const u8 *at, size_t left, struct entry *entry)
{
	u64 name_end, data_end;
	u32 i;

	if (left < HEADER_SIZE || (memcmp(at, "070701", 6) != 0 && memcmp(at, "070702", 6) != 0))
		return -EINVAL;
	for (i = 0; i < FIELDS; i++)
		if (!field_read(at + 6 + i * 8, &entry->fields[i]))
			return -EINVAL;
	entry->name_size = entry->fields[FIELD_NAME_SIZE];
	if (entry->name_size == 0 || entry->name_size > FS_PATH_MAX)
		return -EINVAL;
	name_end = round_up(HEADER_SIZE + entry->name_size, 4);
	data_end = name_end + entry->fields[FIELD_SIZE];
	if (data_end > left)
		return -EINVAL;
	entry->name = (const char *)at + HEADER_SIZE;
	if (entry->name[entry->name_size - 1] != 0)
		return -EINVAL;
	entry->data = at + name_end;
	entry->size = round_up(data_end, 4) < left ? round_up(data_end, 4) : left;
	return 0;
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

/* Writes a file's content to the name, which is made unless it is a link of one that came before. */
static long file_unpack(struct fs_archive *archive, const struct entry *entry)
{
	struct fs_open request = {
		.client = archive->client, .flags = FS_O_WRONLY | FS_O_CREAT | FS_O_NOFOLLOW | FS_O_TRUNC, .mode = entry->fields[FIELD_MODE] & 07777
	};
	const struct fs_archive_links *first = link_find(archive, entry);
	struct fs_pair pair = { .client = archive->client };
	u64 file, info, word, end;
	long result;

	if (first) {
		result = fs_op_link(archive->rq, &pair, first->name, first->name_size, entry->name, entry->name_size);
		if (result || entry->fields[FIELD_SIZE] == 0)
			return result;
	}
	result = fs_op_open(archive->rq, &request, entry->name, entry->name_size, &file, &info, &word);
	if (result)
		return result;
	if (entry->fields[FIELD_SIZE]) {
		result = fs_op_write_bytes(archive->rq, file, entry->data, entry->fields[FIELD_SIZE], 0, 0, &end);
		if (result >= 0)
			result = (u64)result == entry->fields[FIELD_SIZE] ? 0 : -ENOSPC;
	}
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

static long entry_make(struct fs_archive *archive, const struct entry *entry, struct fs_at *at)
{
	u32 size = entry->fields[FIELD_SIZE];
	long result;

	switch (entry->fields[FIELD_MODE] & FS_IFMT) {
	case FS_IFREG:
		return file_unpack(archive, entry);
	case FS_IFDIR:
		result = fs_op_mkdir(archive->rq, at, entry->name, entry->name_size);
		return result == -EEXIST ? 0 : result;
	case FS_IFLNK:
		return size == 0 || size >= FS_PATH_MAX ? -EINVAL
			: fs_op_symlink(archive->rq, at, entry->name, entry->name_size, entry->data, size);
	case FS_IFCHR: case FS_IFBLK: case FS_IFIFO: case FS_IFSOCK:
		at->value = fs_device(entry->fields[FIELD_DEVICE_MAJOR], entry->fields[FIELD_DEVICE_MINOR]);
		result = fs_op_mknod(archive->rq, at, entry->name, entry->name_size);
		return result == -EEXIST ? 0 : result;
	default:
		return -EINVAL;
	}
}

static long entry_unpack(struct fs_archive *archive, const struct entry *entry)
{
	u32 mode = entry->fields[FIELD_MODE];
	struct fs_at at = { .client = archive->client, .flags = FS_AT_SYMLINK_NOFOLLOW, .mode = mode };
	struct fs_times times = { .accessed = { entry->fields[FIELD_TIME], 0, 0 }, .modified = { entry->fields[FIELD_TIME], 0, 0 } };
	long result;

	name_clear(archive, entry);
	result = entry_make(archive, entry, &at);
	if (result)
		return result;
	at.value = entry->fields[FIELD_UID] | (u64)entry->fields[FIELD_GID] << 32;
	result = fs_op_chown(archive->rq, &at, entry->name, entry->name_size);
	if (!result && (mode & FS_IFMT) != FS_IFLNK)
		result = fs_op_chmod(archive->rq, &at, entry->name, entry->name_size);
	return result ? result : fs_op_utimes(archive->rq, &at, entry->name, entry->name_size, &times);
}

long fs_archive_unpack(struct fs_archive *archive, const u8 *data, size_t size)
{
	struct entry entry;
	size_t at = 0;
	long result = 0;

	if (size >= 4 && (memcmp(data, "\x1f\x8b", 2) == 0 || memcmp(data, "\x28\xb5\x2f\xfd", 4) == 0))
		log_line("fs: compressed initial archives are not served: unpack it before");
	while (at < size && !result) {
		if (data[at] == 0) {   /* padding between archives */
			at++;
			continue;
		}
		result = entry_read(data + at, size - at, &entry);
		if (result)
			break;
		at += entry.size;
		if (strcmp(entry.name, TRAILER) == 0) {
			links_forget(archive);
			continue;
		}
		archive->entries++;
		if (entry_unpack(archive, &entry))
			archive->errors++;
	}
	links_forget(archive);
	return result;
}
