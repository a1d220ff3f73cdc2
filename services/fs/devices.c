/* Device files. fs serves the memory devices (major 1) itself; terminals are opened by the shim at tty. Also what /dev holds. */
#include "recover.h"

#define MAJOR_MEMORY 1u

enum { DEVICE_NULL = 3, DEVICE_ZERO = 5, DEVICE_FULL = 7, DEVICE_RANDOM = 8, DEVICE_URANDOM = 9, DEVICE_LOG = 11 };

static long zero_read(struct fs_transfer *transfer)
{
	u64 done = 0;

	while (done < transfer->size) {
		u64 part = transfer->size - done < PAGE_SIZE ? transfer->size - done : PAGE_SIZE;
		u64 moved = fs_transfer_zero(transfer, done, part);

		done += moved;
		if (moved < part)
			break;
	}
	return done || !transfer->size ? (long)done : -EFAULT;
}

static long random_read(struct fs_transfer *transfer)
{
	u8 bytes[256];
	u64 done = 0;

	while (done < transfer->size) {
		u64 part = transfer->size - done < sizeof(bytes) ? transfer->size - done : sizeof(bytes), moved;

		random_bytes(bytes, part);
		moved = fs_transfer_put(transfer, done, bytes, part);
		done += moved;
		if (moved < part)
			break;
	}
	memset(bytes, 0, sizeof(bytes));
	return done || !transfer->size ? (long)done : -EFAULT;
}

static long device_read(struct fs_file *file, struct fs_transfer *transfer)
{
	switch (fs_device_minor(file->inode->device)) {
	case DEVICE_NULL:
		return 0;
	case DEVICE_ZERO:
	case DEVICE_FULL:
		return zero_read(transfer);
	case DEVICE_RANDOM:
	case DEVICE_URANDOM:
		return random_read(transfer);
	default:
		return -EINVAL;
	}
}

/* One record to the machine's log, without its priority "<n>". */
static long log_write(struct fs_transfer *transfer)
{
	char text[201];
	u64 size = transfer->size < sizeof(text) - 1 ? transfer->size : sizeof(text) - 1, start = 0, i;

	if (fs_transfer_get(transfer, 0, text, size) < size)
		return -EFAULT;
	while (size && text[size - 1] == '\n')
		size--;
	text[size] = 0;
	if (text[0] == '<') {
		for (i = 1; text[i] >= '0' && text[i] <= '9'; i++)
			;
		if (text[i] == '>')
			start = i + 1;
	}
	log_line("%s", text + start);
	return (long)transfer->size;
}

static long device_write(struct fs_file *file, struct fs_transfer *transfer)
{
	transfer->end = transfer->offset + transfer->size;
	switch (fs_device_minor(file->inode->device)) {
	case DEVICE_FULL:
		return -ENOSPC;
	case DEVICE_LOG:
		return log_write(transfer);
	case DEVICE_NULL:
	case DEVICE_ZERO:
	case DEVICE_RANDOM:   /* the pool takes no entropy from programs: it needs none */
	case DEVICE_URANDOM:
		return (long)transfer->size;
	default:
		return -EINVAL;
	}
}

const struct fs_file_ops fs_memory_device_ops = { device_read, device_write, NULL };

static bool memory_device_known(u32 minor)
{
	return minor == DEVICE_NULL || minor == DEVICE_ZERO || minor == DEVICE_FULL || minor == DEVICE_RANDOM || minor == DEVICE_URANDOM
		|| minor == DEVICE_LOG;
}

/* Terminals by major: virtual consoles and serial lines, /dev/tty and console, pseudo-terminals. */
static bool terminal_known(u32 major)
{
	return major == 4 || major == 5 || (major >= 136 && major <= 143);
}

static long device_open(struct fs_file *file)
{
	struct fs_inode *inode = file->inode;
	u32 major = fs_device_major(inode->device);

	if (fs_inode_type(inode) == FS_IFCHR && major == MAJOR_MEMORY && memory_device_known(fs_device_minor(inode->device))) {
		file->kind = FS_KIND_DEVICE;
		file->ops = &fs_memory_device_ops;
		return 0;
	}
	if (fs_inode_type(inode) == FS_IFCHR && terminal_known(major)) {
		file->kind = FS_KIND_TERMINAL;
		return 0;
	}
	return -ENXIO;
}

static long socket_open(struct fs_file *file)
{
	(void)file;
	return -ENXIO;
}

static void node_destroy(struct fs_inode *inode)
{
	__atomic_sub_fetch(&inode->super->inodes_used, 1, __ATOMIC_RELAXED); /* a counter */
}

const struct fs_inode_ops fs_device_ops = { .kind = FS_KIND_DEVICE, .open = device_open, .destroy = node_destroy };
const struct fs_inode_ops fs_socket_ops = { .kind = FS_KIND_STREAM, .open = socket_open, .destroy = node_destroy };

/* A name in a directory of a new instance, where nothing can be in the way; fs_tree exclusive or nobody else yet. */
static struct fs_name *entry_add(struct fs_name *parent, const char *text, u32 mode, u64 device)
{
	struct fs_inode *inode;
	struct fs_name *name;

	if (fs_tmpfs_inode(parent->inode->super, mode, device, &inode))
		return NULL;
	name = fs_name_create(text, (u32)strlen(text), parent, inode);
	if (!name)
		return NULL;
	fs_name_link(name);
	if (fs_is_directory(inode))
		parent->inode->links++;
	fs_name_put(name);
	return name;
}

static void link_add(struct fs_name *parent, const char *text, const char *target)
{
	size_t length = strlen(target);
	char *copy = heap_alloc(length + 1);
	struct fs_name *name = copy ? entry_add(parent, text, FS_IFLNK | 0777, 0) : NULL;

	if (!name) {
		heap_free(copy);
		return;
	}
	memcpy(copy, target, length);
	name->inode->target = copy;
	name->inode->size = length;
}

static const struct { const char *name; u32 mode; u16 major, minor; u32 gid; } nodes[] = {
	{ "null", 0666, MAJOR_MEMORY, DEVICE_NULL, 0 }, { "zero", 0666, MAJOR_MEMORY, DEVICE_ZERO, 0 },
	{ "full", 0666, MAJOR_MEMORY, DEVICE_FULL, 0 }, { "random", 0666, MAJOR_MEMORY, DEVICE_RANDOM, 0 },
	{ "urandom", 0666, MAJOR_MEMORY, DEVICE_URANDOM, 0 }, { "kmsg", 0644, MAJOR_MEMORY, DEVICE_LOG, 0 },
	{ "tty", 0666, 5, 0, 5 }, { "console", 0600, 5, 1, 5 }, { "ptmx", 0666, 5, 2, 5 }, { "ttyS0", 0660, 4, 64, 20 },
};

void fs_terminals_populate(struct fs_super *super)
{
	entry_add(super->root, "ptmx", FS_IFCHR, fs_device(5, 2));
}

void fs_devices_populate(struct fs_super *super)
{
	struct fs_name *name;
	u32 i;

	for (i = 0; i < countof(nodes); i++) {
		name = entry_add(super->root, nodes[i].name, FS_IFCHR | nodes[i].mode, fs_device(nodes[i].major, nodes[i].minor));
		if (name)
			name->inode->gid = nodes[i].gid;
	}
	entry_add(super->root, "pts", FS_IFDIR | 0755, 0);
	entry_add(super->root, "shm", FS_IFDIR | FS_ISVTX | 0777, 0);
	link_add(super->root, "fd", "/proc/self/fd");
	link_add(super->root, "stdin", "/proc/self/fd/0");
	link_add(super->root, "stdout", "/proc/self/fd/1");
	link_add(super->root, "stderr", "/proc/self/fd/2");
}
