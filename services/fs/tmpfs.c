/* tmpfs: instances, options and inodes. A directory is its names (name.c), a file's pages are a memory object (tmpfs_data.c). */
#include "recover.h"
#include <mem_client.h>

#define TMPFS_MAGIC 0x01021994ull
#define DEVPTS_MAGIC 0x1cd1ull
#define RAMFS_MAGIC 0x858458f6ull

static void target_destroy(struct fs_inode *inode)
{
	heap_free(inode->target);
	__atomic_sub_fetch(&inode->super->inodes_used, 1, __ATOMIC_RELAXED); /* a counter */
}

static void node_destroy(struct fs_inode *inode)
{
	__atomic_sub_fetch(&inode->super->inodes_used, 1, __ATOMIC_RELAXED); /* a counter */
}

static void data_destroy(struct fs_inode *inode)
{
	if (inode->data.object) {
		/* It fails only for a bad handle, and this one is ours. */
		if (mem_object_destroy(inode->data.object))
			log_line("fs: object %llx is unknown", (unsigned long long)inode->data.object);
		fs_tmpfs_object_forget(inode);
	}
	heap_free(inode->data.name);
	__atomic_sub_fetch(&inode->super->pages_used, inode->data.charged, __ATOMIC_RELAXED); /* counters */
	__atomic_sub_fetch(&inode->super->inodes_used, 1, __ATOMIC_RELAXED);
}

static const struct fs_inode_ops data_inode_ops = { .kind = FS_KIND_FILE, .file = &fs_data_ops, .destroy = data_destroy };
static const struct fs_inode_ops directory_ops = { .kind = FS_KIND_FILE, .destroy = node_destroy };
static const struct fs_inode_ops link_ops = { .kind = FS_KIND_FILE, .destroy = target_destroy };

const struct fs_inode_ops *fs_tmpfs_ops(u32 mode)
{
	switch (mode & FS_IFMT) {
	case FS_IFREG:
		return &data_inode_ops;
	case FS_IFDIR:
		return &directory_ops;
	case FS_IFLNK:
		return &link_ops;
	case FS_IFIFO:
		return &fs_fifo_ops;
	case FS_IFSOCK:
		return &fs_socket_ops;
	default:
		return &fs_device_ops;
	}
}

long fs_tmpfs_inode(struct fs_super *super, u32 mode, u64 device, struct fs_inode **inode)
{
	struct fs_inode *made;

	if (super->inodes_limit && super->inodes_used >= super->inodes_limit)
		return -ENOSPC;
	made = fs_inode_create(super, mode);
	if (!made)
		return -ENOMEM;
	__atomic_add_fetch(&super->inodes_used, 1, __ATOMIC_RELAXED); /* a counter */
	made->device = device;
	made->ops = fs_tmpfs_ops(mode);
	if (fs_is_directory(made) && super->type->magic == TMPFS_MAGIC)
		made->size = 2 * FS_DIRECTORY_ENTRY; /* "." and ".."; some programs take 0 for empty */
	*inode = made;
	return 0;
}

struct tmpfs_options { u64 pages, inodes, shown; u32 mode, uid, gid; };

static bool number_read(const char **at, u32 base, u64 *value)
{
	const char *start = *at;

	for (*value = 0; **at >= '0' && **at < (char)('0' + base) && *value < 1ull << 56; (*at)++)
		*value = *value * base + (u64)(**at - '0');
	return *at != start;
}

/* A size with k, m, g or % behind it. */
static bool size_read(const char **at, u64 *value)
{
	if (!number_read(at, 10, value))
		return false;
	switch (**at) {
	case 'k': case 'K':
		*value <<= 10;
		break;
	case 'm': case 'M':
		*value <<= 20;
		break;
	case 'g': case 'G':
		*value <<= 30;
		break;
	case '%':
		*value = *value * rt_boot->memory_frames / 100 * PAGE_SIZE;
		break;
	default:
		return true;
	}
	(*at)++;
	return true;
}

static bool option_is(const char **at, const char *name)
{
	size_t length = strlen(name);

	if (strncmp(*at, name, length) != 0)
		return false;
	*at += length;
	return true;
}

static long options_parse(const char *at, struct tmpfs_options *options)
{
	u64 value = 0;

	while (*at) {
		if (option_is(&at, "size=")) {
			if (!size_read(&at, &value))
				return -EINVAL;
			options->pages = (value + PAGE_SIZE - 1) / PAGE_SIZE;
			options->shown = options->pages * PAGE_SIZE;
		} else if (option_is(&at, "nr_blocks=")) {
			if (!size_read(&at, &options->pages))
				return -EINVAL;
		} else if (option_is(&at, "nr_inodes=")) {
			if (!size_read(&at, &options->inodes))
				return -EINVAL;
		} else if (option_is(&at, "mode=")) {
			if (!number_read(&at, 8, &value))
				return -EINVAL;
			options->mode = (u32)value & 07777;
		} else if (option_is(&at, "uid=")) {
			if (!number_read(&at, 10, &value))
				return -EINVAL;
			options->uid = (u32)value;
		} else if (option_is(&at, "gid=")) {
			if (!number_read(&at, 10, &value))
				return -EINVAL;
			options->gid = (u32)value;
		} else {
			return -EINVAL;
		}
		if (*at == ',')
			at++;
		else if (*at)
			return -EINVAL;
	}
	return 0;
}

static long super_make(const struct fs_type *type, const struct tmpfs_options *options, struct fs_super **super)
{
	struct fs_super *made = fs_super_create(type);
	struct fs_inode *root = NULL;

	if (!made)
		return -ENOMEM;
	made->pages_limit = options->pages;
	made->inodes_limit = options->inodes;
	made->shown_size = options->shown;
	if (fs_tmpfs_inode(made, FS_IFDIR | options->mode, 0, &root) == 0) {
		root->uid = options->uid;
		root->gid = options->gid;
		made->root = fs_name_create("", 0, NULL, root);
	}
	if (!made->root) {
		fs_super_put(made);
		return -ENOMEM;
	}
	*super = made;
	return 0;
}

static long tmpfs_mount(const char *text, struct fs_super **super)
{
	struct tmpfs_options options = { rt_boot->memory_frames / 2, rt_boot->memory_frames / 2, 0, 01777, 0, 0 };
	long result = options_parse(text, &options);

	return result ? result : super_make(&fs_tmpfs_type, &options, super);
}

static long rootfs_mount(const char *text, struct fs_super **super)
{
	struct tmpfs_options options = { rt_boot->memory_frames / 2, rt_boot->memory_frames / 2, 0, 0755, 0, 0 };

	(void)text; /* mounted once, at the start */
	return super_make(&fs_rootfs_type, &options, super);
}

static long tmpfs_remount(struct fs_super *super, const char *text)
{
	struct tmpfs_options options = { super->pages_limit, super->inodes_limit, super->shown_size, 0, 0, 0 };
	long result = options_parse(text, &options);

	if (result)
		return result;
	if ((options.pages && options.pages < super->pages_used) || (options.inodes && options.inodes < super->inodes_used))
		return -EINVAL;
	super->pages_limit = options.pages;
	super->inodes_limit = options.inodes;
	super->shown_size = options.shown;
	return 0;
}

static long ramfs_mount(const char *text, struct fs_super **super)
{
	struct tmpfs_options options = { .mode = 0755 };

	/* Linux's ramfs knows mode= alone and ignores what it does not know. */
	if (options_parse(text, &options) || !options.mode)
		options.mode = 0755;
	options.pages = options.inodes = options.shown = 0;
	return super_make(&fs_ramfs_type, &options, super);
}

/* Terminals' nodes: the shim makes them. All mounts show one instance; it has ptmx, which no one may open there but by its mode. */
static struct fs_super *terminals; /* fs_tree */

static long devpts_mount(const char *text, struct fs_super **super)
{
	struct tmpfs_options options = { .mode = 0755 };
	long result = 0;

	(void)text; /* gid=, mode= and ptmxmode= are for nodes that the shim makes with Linux's defaults */
	if (!terminals) {
		result = super_make(&fs_devpts_type, &options, &terminals);
		if (!result)
			fs_terminals_populate(terminals);
	}
	if (!result) {
		__atomic_add_fetch(&terminals->references, 1, __ATOMIC_RELAXED); /* one is kept for ever */
		*super = terminals;
	}
	return result;
}

static void tmpfs_statfs(struct fs_super *super, struct fs_statfs *result)
{
	u64 pages = super->pages_limit, used = super->pages_used;

	if (pages) {
		result->blocks = pages;
		result->blocks_free = result->blocks_available = pages > used ? pages - used : 0;
	}
	if (super->inodes_limit) {
		result->files = super->inodes_limit;
		result->files_free = super->inodes_limit > super->inodes_used ? super->inodes_limit - super->inodes_used : 0;
	}
}

static void tmpfs_options_show(struct fs_super *super, struct fs_text *text)
{
	if (super->shown_size)
		fs_text_add(text, ",size=%lluk", (unsigned long long)super->shown_size >> 10);
	if ((super->root->inode->mode & 07777) != 01777)
		fs_text_add(text, ",mode=%o", super->root->inode->mode & 07777);
}

/* All mounts of devtmpfs show one instance. */
static struct fs_super *devices; /* fs_tree */

static long devtmpfs_mount(const char *text, struct fs_super **super)
{
	struct tmpfs_options options = { .mode = 0755 };
	long result = 0;

	(void)text; /* as Linux: the first mount decided */
	if (!devices) {
		result = super_make(&fs_devtmpfs_type, &options, &devices);
		if (!result)
			fs_devices_populate(devices);
	}
	if (!result) {
		__atomic_add_fetch(&devices->references, 1, __ATOMIC_RELAXED); /* one is kept for ever */
		*super = devices;
	}
	return result;
}

const struct fs_type fs_tmpfs_type = {
	"tmpfs", TMPFS_MAGIC, false, tmpfs_mount, tmpfs_remount, tmpfs_statfs, tmpfs_options_show
};
const struct fs_type fs_devpts_type = { "devpts", DEVPTS_MAGIC, false, devpts_mount, NULL, NULL, NULL };
const struct fs_type fs_rootfs_type = { "rootfs", TMPFS_MAGIC, false, rootfs_mount, tmpfs_remount, tmpfs_statfs, NULL };
const struct fs_type fs_ramfs_type = { "ramfs", RAMFS_MAGIC, false, ramfs_mount, NULL, NULL, NULL };
const struct fs_type fs_devtmpfs_type = { "devtmpfs", TMPFS_MAGIC, false, devtmpfs_mount, NULL, tmpfs_statfs, tmpfs_options_show };

long fs_tmpfs_recover(void)
{
	return (devices && fs_recover_super(devices, true)) || (terminals && fs_recover_super(terminals, true)) ? -EIO : 0;
}
