/* procfs: its instance, its names, reading and writing its files. */
#include "proc.h"
#include "recover.h"
#include <proc_client.h>

#define PROC_MAGIC 0x9fa0ull
#define SYSFS_MAGIC 0x62656572ull
#define FIRST_PROCESS_POSITION 0x10000ull  /* of a process in the root: behind all static entries */
#define STORE_MAX 512u

static const struct fs_proc_entry *entry_of(const struct fs_inode *inode)
{
	return inode->generated.entry;
}

struct proc_info *fs_proc_info(i32 tid, bool process)
{
	struct proc_info *info = heap_alloc(sizeof(*info));

	if (info && proc_info(tid, process, info) < 0) {
		heap_free(info);
		return NULL;
	}
	return info;
}

/* ---- Files ------------------------------------------------------------------------------------------------------------------- */

static long text_make(struct fs_file *file)
{
	long result;

	fs_text_free(&file->text);
	result = entry_of(file->inode)->show(&file->text, file->inode);
	return result ? result : file->text.failed ? -ENOMEM : 0;
}

static long generated_read(struct fs_file *file, struct fs_transfer *transfer)
{
	u64 left, moved = 0;
	long result = 0;

	if (!entry_of(file->inode)->show)
		return -EINVAL;
	fs_gate_exclusive(&file->reading);
	if (transfer->offset == 0 || (!file->text.data && !file->text.failed))
		result = text_make(file);
	if (!result && transfer->offset < file->text.length) {
		left = file->text.length - transfer->offset;
		if (transfer->size > left)
			transfer->size = left;
		moved = fs_transfer_put(transfer, 0, file->text.data + transfer->offset, transfer->size);
		if (moved < transfer->size && !moved)
			result = -EFAULT;
	}
	fs_gate_release(&file->reading);
	return result ? result : (long)moved;
}

static long generated_write(struct fs_file *file, struct fs_transfer *transfer)
{
	u64 size = transfer->size < STORE_MAX ? transfer->size : STORE_MAX;
	char *text;
	long result = -EFAULT;

	if (!entry_of(file->inode)->store)
		return file->inode->generated.pid ? -EINVAL : -EIO;
	text = heap_alloc(size + 1);
	if (!text)
		return -ENOMEM;
	if (fs_transfer_get(transfer, 0, text, size) == size)
		result = entry_of(file->inode)->store(file->inode, text, size);
	heap_free(text);
	transfer->end = transfer->offset + size;
	return result ? result : (long)size;
}

const struct fs_file_ops fs_proc_file_operations = { generated_read, generated_write, NULL };

bool fs_proc_may_trace(const struct fs_identity *who, const struct fs_inode *inode)
{
	return (who->ids.uid == inode->uid && who->ids.gid == inode->gid) || who->ids.capabilities >> PROC_CAP_SYS_PTRACE & 1;
}

long fs_proc_open_check(const struct fs_identity *who, const struct fs_inode *inode)
{
	return !entry_of(inode)->traced || fs_proc_may_trace(who, inode) ? 0 : -EACCES;
}

const struct fs_inode_ops fs_proc_file_ops = { .kind = FS_KIND_GENERATED, .file = &fs_proc_file_operations };
const struct fs_inode_ops fs_proc_directory_ops = { .kind = FS_KIND_FILE };

/* ---- Links ------------------------------------------------------------------------------------------------------------------- */

static long link_text(struct fs_inode *inode, char *text, size_t capacity)
{
	return entry_of(inode)->link(inode, text, capacity);
}

static long magic_follow(const struct fs_client *client, struct fs_inode *inode, struct fs_place *place)
{
	return fs_proc_may_trace(client->identity, inode) ? entry_of(inode)->follow(inode, place) : -EACCES;
}

static long magic_text(const struct fs_client *client, struct fs_inode *inode, char *text, size_t capacity)
{
	struct fs_place place;
	char *buffer, *start;
	long result = magic_follow(client, inode, &place);

	if (result)
		return result;
	buffer = heap_alloc(FS_PATH_MAX);
	result = buffer ? fs_place_show(place, place.name->inode, client->directories->root, buffer, &start) : -ENOMEM;
	if (result > 0) {
		result--; /* without the NUL */
		if ((size_t)result > capacity)
			result = (long)capacity;
		memcpy(text, start, (size_t)result);
	}
	heap_free(buffer);
	fs_place_put(place);
	return result;
}

const struct fs_inode_ops fs_proc_link_ops = { .kind = FS_KIND_GENERATED, .link_text = link_text };
const struct fs_inode_ops fs_proc_magic_ops = { .kind = FS_KIND_GENERATED, .follow = magic_follow, .follow_text = magic_text };

/* ---- Inodes and names -------------------------------------------------------------------------------------------------------- */

struct fs_inode *fs_proc_inode(struct fs_super *super, const struct fs_proc_entry *entry, u64 number)
{
	struct fs_inode *inode = fs_inode_create(super, entry->mode);

	if (!inode)
		return NULL;
	inode->number = number;
	inode->generated.entry = entry;
	if (entry->ops)
		inode->ops = entry->ops;
	else if (entry->link)
		inode->ops = &fs_proc_link_ops;
	else if (entry->follow)
		inode->ops = &fs_proc_magic_ops;
	else if (fs_is_directory(inode))
		inode->ops = &fs_proc_directory_ops;
	else
		inode->ops = &fs_proc_file_ops;
	return inode;
}

/* A name for a process or something of it. The inode is taken over. */
long fs_proc_passing_name(struct fs_name *directory, const char *text, u32 length, struct fs_inode *inode, struct fs_name **found)
{
	*found = inode ? fs_name_create(text, length, directory, inode) : NULL;
	if (!*found)
		return -ENOMEM;
	(*found)->passing = true;
	return 0;
}

static u64 task_number(i32 tid, u32 index)
{
	return ((u64)(u32)tid << 8 | index) + 0x100000000ull;
}

static const struct fs_proc_entry task_entry = { .name = "", .mode = FS_IFDIR | 0555 };

static struct fs_inode *task_inode(struct fs_super *super, const struct proc_info *info, bool process)
{
	struct fs_inode *inode = fs_proc_inode(super, &task_entry, task_number(info->tid, process ? 0 : 1));

	if (!inode)
		return NULL;
	inode->ops = &fs_proc_task_directory_ops;
	inode->generated.pid = info->pid;
	inode->generated.tid = process ? 0 : info->tid;
	inode->links = 3;
	/* What is not dumpable belongs to root. */
	inode->uid = info->dumpable == 1 ? info->credentials.euid : 0;
	inode->gid = info->dumpable == 1 ? info->credentials.egid : 0;
	return inode;
}

/* A decimal number without leading zeros, or -1. */
i32 fs_proc_number(const char *text, u32 length)
{
	i64 value = 0;
	u32 i;

	if (length == 0 || length > 9 || (text[0] == '0' && length > 1))
		return -1;
	for (i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return (i32)value;
}

static long root_lookup(struct fs_client *client, struct fs_name *directory, const char *text, u32 length, struct fs_name **found)
{
	i32 tid = fs_proc_number(text, length);
	struct proc_info *info;
	long result;

	(void)client;
	if (tid <= 0)
		return -ENOENT;
	info = fs_proc_info(tid, false);
	if (!info)
		return -ENOENT;
	/* A thread's own number, which no listing has, shows that thread. */
	result = fs_proc_passing_name(directory, text, length, task_inode(directory->inode->super, info, tid == info->pid), found);
	heap_free(info);
	return result;
}

/* Lists numbered directories; `next` is filled by proc with ids above `after`. */
static long ids_list(struct fs_listing *listing, i32 pid, u64 position)
{
	i32 *ids = heap_alloc(256 * sizeof(*ids)), after = position > FIRST_PROCESS_POSITION ? (i32)(position - FIRST_PROCESS_POSITION) : 0;
	long size = ids ? 0 : -ENOMEM, i;
	bool full = false;
	char text[16];

	while (size >= 0 && !full) {
		size = pid ? proc_thread_list(pid, after, ids, 256 * sizeof(*ids)) : proc_process_list(after, ids, 256 * sizeof(*ids));
		if (size <= 0)
			break;
		for (i = 0; !full && i < size / (long)sizeof(*ids); i++) {
			u32 length = (u32)format_text(text, sizeof(text), "%d", ids[i]);

			full = !fs_listing_add(listing, task_number(ids[i], pid ? 1 : 0), FS_IFDIR, text, length, FIRST_PROCESS_POSITION + (u64)ids[i]);
			if (!full)
				after = ids[i];
		}
	}
	heap_free(ids);
	return size < 0 ? size : 0;
}

static long root_list(struct fs_name *directory, u64 position, struct fs_listing *listing)
{
	(void)directory;
	return ids_list(listing, 0, position);
}

static long threads_lookup(struct fs_client *client, struct fs_name *directory, const char *text, u32 length, struct fs_name **found)
{
	i32 tid = fs_proc_number(text, length);
	struct proc_info *info = tid <= 0 ? NULL : fs_proc_info(tid, false);
	long result = -ENOENT;

	(void)client;
	if (info && info->pid == directory->inode->generated.pid)
		result = fs_proc_passing_name(directory, text, length, task_inode(directory->inode->super, info, false), found);
	heap_free(info);
	return result;
}

static long threads_list(struct fs_name *directory, u64 position, struct fs_listing *listing)
{
	long result = ids_list(listing, directory->inode->generated.pid, position);

	return result == -ESRCH ? -ENOENT : result;
}

static bool task_alive(const struct fs_inode *inode)
{
	u64 pid;

	return proc_task_process(inode->generated.tid ? inode->generated.tid : inode->generated.pid, &pid) >= 0;
}

/* A thread has no threads of its own. */
static bool entry_shown(const struct fs_proc_entry *entry, const struct fs_inode *task)
{
	return entry->ops != &fs_proc_threads_directory_ops || !task->generated.tid;
}

static long task_lookup(struct fs_client *client, struct fs_name *directory, const char *text, u32 length, struct fs_name **found)
{
	const struct fs_inode *task = directory->inode;
	struct fs_inode *inode = NULL;
	u32 i;

	(void)client;
	if (!task_alive(task))
		return -ENOENT;
	for (i = 0; i < fs_proc_task_count; i++)
		if (strlen(fs_proc_task[i].name) == length && memcmp(fs_proc_task[i].name, text, length) == 0)
			break;
	if (i == fs_proc_task_count || !entry_shown(&fs_proc_task[i], task))
		return -ENOENT;
	inode = fs_proc_inode(task->super, &fs_proc_task[i], task_number(task->generated.tid ? task->generated.tid : task->generated.pid, i + 2));
	if (inode) {
		inode->generated.pid = task->generated.pid;
		inode->generated.tid = task->generated.tid;
		inode->uid = task->uid;
		inode->gid = task->gid;
	}
	return fs_proc_passing_name(directory, text, length, inode, found);
}

static long task_list(struct fs_name *directory, u64 position, struct fs_listing *listing)
{
	const struct fs_inode *task = directory->inode;
	u64 i = position > 2 ? position - 2 : 0;

	if (!task_alive(task))
		return -ENOENT;
	for (; i < fs_proc_task_count; i++)
		if (entry_shown(&fs_proc_task[i], task)
		    && !fs_listing_add(listing, task_number(task->generated.tid ? task->generated.tid : task->generated.pid, (u32)i + 2),
			fs_proc_task[i].mode, fs_proc_task[i].name, (u32)strlen(fs_proc_task[i].name), i + 3))
			return 0;
	return 0;
}

const struct fs_inode_ops fs_proc_root_ops = { .kind = FS_KIND_FILE, .lookup = root_lookup, .list = root_list };
const struct fs_inode_ops fs_proc_task_directory_ops = { .kind = FS_KIND_FILE, .lookup = task_lookup, .list = task_list };
const struct fs_inode_ops fs_proc_threads_directory_ops = { .kind = FS_KIND_FILE, .lookup = threads_lookup, .list = threads_list };

/* ---- The instance ------------------------------------------------------------------------------------------------------------ */

/* Puts an entry at its path: the directories before it are entries, too. */
static long static_add(struct fs_super *super, const struct fs_proc_entry *entry)
{
	struct fs_name *parent = super->root, *name;
	const char *text = entry->name, *slash;
	struct fs_inode *inode;

	while ((slash = strchr(text, '/'))) {
		parent = fs_name_find(parent, text, (u32)(slash - text));
		if (!parent)
			return -ENOENT;
		text = slash + 1;
	}
	inode = fs_proc_inode(super, entry, __atomic_add_fetch(&super->next_inode, 1, __ATOMIC_RELAXED)); /* a number by itself */
	name = inode ? fs_name_create(text, (u32)strlen(text), parent, inode) : NULL;
	if (!name)
		return -ENOMEM;
	fs_name_link(name);
	if (fs_is_directory(inode))
		parent->inode->links++;
	fs_name_put(name);
	return 0;
}

static const struct fs_proc_entry root_entry = { .name = "", .mode = FS_IFDIR | 0555 };

static long super_make(const struct fs_type *type, const struct fs_proc_entry *entries, u32 count, struct fs_super **super)
{
	struct fs_super *made = fs_super_create(type);
	struct fs_inode *inode = made ? fs_proc_inode(made, &root_entry, 1) : NULL;
	long result = 0;
	u32 i;

	if (!made)
		return -ENOMEM;
	made->next_inode = 0xf0000000ull;
	made->root = inode ? fs_name_create("", 0, NULL, inode) : NULL;
	if (!made->root)
		return -ENOMEM;
	for (i = 0; !result && i < count; i++)
		result = static_add(made, &entries[i]);
	*super = made;
	return result;
}

/* All mounts show one instance, which stays. */
static struct fs_super *proc_super, *sysfs_super; /* fs_tree */

static long single_mount(const struct fs_type *type, struct fs_super **single, struct fs_super **super)
{
	long result = 0;

	if (!*single && type == &fs_proc_type) {
		result = super_make(type, fs_proc_static, fs_proc_static_count, single);
		if (!result)
			(*single)->root->inode->ops = &fs_proc_root_ops;
	} else if (!*single) {
		result = super_make(type, fs_sysfs_static, fs_sysfs_static_count, single);
	}
	if (result)
		return result;
	__atomic_add_fetch(&(*single)->references, 1, __ATOMIC_RELAXED); /* one is kept for ever */
	*super = *single;
	return 0;
}

static long proc_mount(const char *options, struct fs_super **super)
{
	(void)options; /* hidepid and gid are not there: everything is shown, with the modes of the files */
	return single_mount(&fs_proc_type, &proc_super, super);
}

static long sysfs_mount(const char *options, struct fs_super **super)
{
	(void)options;
	return single_mount(&fs_sysfs_type, &sysfs_super, super);
}

const struct fs_type fs_proc_type = { "proc", PROC_MAGIC, true, proc_mount, NULL, NULL, NULL };
const struct fs_type fs_sysfs_type = { "sysfs", SYSFS_MAGIC, true, sysfs_mount, NULL, NULL, NULL };

bool fs_proc_entry_own(const struct fs_proc_entry *entry)
{
	return entry == &root_entry || entry == &task_entry;
}

long fs_proc_recover(void)
{
	fs_proc_static_recover();
	return (proc_super && fs_recover_super(proc_super, true)) || (sysfs_super && fs_recover_super(sysfs_super, true)) ? -EIO : 0;
}
