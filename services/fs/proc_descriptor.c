/*
 * /proc/PID/fd and fdinfo. The descriptors are the shim's: a walk that needs them asks for them by its result, and finds them with
 * its client when it is made again. The shim itself lists the directories.
 */
#include "proc.h"
#include "recover.h"
#include <fs_server.h>

#define DESCRIPTORS_MAX 65536u

struct fs_descriptors {
	i32 pid;
	u32 count;
	struct fs_descriptor *list;
};

static void descriptors_free(struct fs_descriptors *descriptors)
{
	if (descriptors)
		heap_free(descriptors->list);
	heap_free(descriptors);
}

void fs_descriptors_forget(struct fs_client *client)
{
	struct fs_descriptors *old;

	lock_acquire(&client->lock);
	old = client->descriptors;
	client->descriptors = NULL;
	lock_release(&client->lock);
	descriptors_free(old);
}

/* What was told so far with more behind it, or just the new ones; NULL: no memory, or too many. */
static struct fs_descriptors *descriptors_join(struct fs_descriptors *old, i32 pid, const struct fs_descriptor *list, u32 count)
{
	u32 before = old ? old->count : 0;
	struct fs_descriptors *made = heap_alloc(sizeof(*made));

	if (made && before + count <= DESCRIPTORS_MAX)
		made->list = heap_alloc((before + count) * sizeof(*list));
	if (!made || !made->list) {
		heap_free(made);
		return NULL;
	}
	made->pid = pid;
	made->count = before + count;
	if (before)
		memcpy(made->list, old->list, before * sizeof(*list));
	memcpy(made->list + before, list, count * sizeof(*list));
	return made;
}

long fs_op_descriptors_note(const struct rt_request *rq, u64 handle, i32 pid, u32 more, const void *descriptors, size_t descriptors_size)
{
	struct fs_client *client = fs_client_get(rq, handle);
	struct fs_descriptors *old, *made;

	if (!client)
		return -EBADF;
	if (descriptors_size % sizeof(struct fs_descriptor)) {
		fs_client_put(client);
		return -EINVAL;
	}
	lock_acquire(&client->lock);
	old = client->descriptors;
	client->descriptors = NULL;
	lock_release(&client->lock);
	made = descriptors_join(more && old && old->pid == pid ? old : NULL, pid, descriptors, (u32)(descriptors_size / sizeof(struct fs_descriptor)));
	descriptors_free(old);
	lock_acquire(&client->lock);
	old = client->descriptors;   /* another thread's, meanwhile: it asks again */
	client->descriptors = made;
	lock_release(&client->lock);
	descriptors_free(old);
	fs_client_put(client);
	return made ? 0 : -ENOMEM;
}

/* A copy of one descriptor of the process. */
static long descriptor_get(struct fs_client *client, i32 pid, i32 fd, struct fs_descriptor **found)
{
	struct fs_descriptor *copy = heap_alloc(sizeof(*copy));
	const struct fs_descriptors *told;
	long result = -ENOENT;
	u32 i;

	if (!copy)
		return -ENOMEM;
	lock_acquire(&client->lock);
	told = client->descriptors;
	if (!told || told->pid != pid)
		result = -(FS_DESCRIPTORS_WANTED + pid);
	for (i = 0; told && told->pid == pid && i < told->count; i++)
		if (told->list[i].fd == fd) {
			*copy = told->list[i];
			copy->name[sizeof(copy->name) - 1] = 0;
			result = 0;
		}
	lock_release(&client->lock);
	if (result)
		heap_free(copy);
	else
		*found = copy;
	return result;
}

static struct fs_file *file_of(const struct fs_inode *inode)
{
	return fs_handle_peek(((const struct fs_descriptor *)inode->generated.data)->file, FS_HANDLE_FILE);
}

/* ---- fd/N: a magic link ------------------------------------------------------------------------------------------------------ */

static long link_follow(const struct fs_client *client, struct fs_inode *inode, struct fs_place *place)
{
	struct fs_file *file;
	long result = 0;

	if (!fs_proc_may_trace(client->identity, inode))
		return -EACCES;
	file = file_of(inode);
	if (!file)
		return -ENXIO;   /* an event file or the like: there is nothing to open */
	if (file->place.name) {
		*place = file->place;
		fs_place_hold(*place);
	} else {
		result = fs_memory_place(file->inode, place);
	}
	fs_file_put(file);
	return result;
}

static long link_follow_text(const struct fs_client *client, struct fs_inode *inode, char *text, size_t capacity)
{
	const char *name = ((const struct fs_descriptor *)inode->generated.data)->name;
	struct fs_file *file;
	char *buffer, *start;
	long result = -ENOMEM;

	if (!fs_proc_may_trace(client->identity, inode))
		return -EACCES;
	file = file_of(inode);
	buffer = heap_alloc(FS_PATH_MAX);
	if (buffer && file) {
		result = fs_place_show(file->place, file->inode, client->directories->root, buffer, &start) - 1;
	} else if (buffer) {
		start = buffer;
		result = (long)strlen(name);
		memcpy(buffer, name, (size_t)result);
	}
	if (result > 0) {
		result = (size_t)result < capacity ? result : (long)capacity;
		memcpy(text, start, (size_t)result);
	}
	heap_free(buffer);
	if (file)
		fs_file_put(file);
	return result;
}

static void data_destroy(struct fs_inode *inode)
{
	heap_free(inode->generated.data);
}

static const struct fs_inode_ops link_ops = {
	.kind = FS_KIND_GENERATED, .follow = link_follow, .follow_text = link_follow_text, .destroy = data_destroy,
};

/* ---- fdinfo/N ---------------------------------------------------------------------------------------------------------------- */

static long info_show(struct fs_text *text, const struct fs_inode *inode)
{
	const struct fs_descriptor *descriptor = inode->generated.data;
	struct fs_file *file = file_of(inode);

	fs_text_add(text, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%u\n", (unsigned long long)descriptor->position, descriptor->flags,
		file && file->place.mount ? file->place.mount->id : 15);
	if (file) {
		fs_text_add(text, "ino:\t%llu\n", (unsigned long long)file->inode->number);
		fs_file_put(file);
	}
	return 0;
}

static const struct fs_proc_entry link_entry = { .name = "", .mode = FS_IFLNK | 0500, .ops = &link_ops };
static const struct fs_proc_entry info_entry = { .name = "", .mode = FS_IFREG | 0444, .show = info_show };
static const struct fs_inode_ops info_ops = {
	.kind = FS_KIND_GENERATED, .file = &fs_proc_file_operations, .destroy = data_destroy,
};

static long number_lookup(struct fs_client *client, struct fs_name *directory, const char *text, u32 length, struct fs_name **found)
{
	static const u32 access_shown[] = { 0400, 0200, 0600, 0600 };
	const struct fs_inode *folder = directory->inode;
	bool link = folder->ops == &fs_proc_descriptors_ops;
	i32 fd = fs_proc_number(text, length);
	struct fs_descriptor *descriptor;
	struct fs_inode *inode;
	long result = fd < 0 ? -ENOENT : descriptor_get(client, folder->generated.pid, fd, &descriptor);

	if (result)
		return result;
	inode = fs_proc_inode(folder->super, link ? &link_entry : &info_entry, folder->number << 20 | (u32)fd);
	if (!inode) {
		heap_free(descriptor);
		return -ENOMEM;
	}
	inode->ops = link ? &link_ops : &info_ops;
	if (link) {
		inode->mode = FS_IFLNK | 0100 | access_shown[descriptor->flags & FS_O_ACCMODE];
		inode->size = 64;
	}
	inode->generated.data = descriptor;
	inode->generated.pid = folder->generated.pid;
	inode->uid = folder->uid;
	inode->gid = folder->gid;
	return fs_proc_passing_name(directory, text, length, inode, found);
}

const struct fs_inode_ops fs_proc_descriptors_ops = { .kind = FS_KIND_DESCRIPTORS, .lookup = number_lookup };
const struct fs_inode_ops fs_proc_descriptor_infos_ops = { .kind = FS_KIND_DESCRIPTORS, .lookup = number_lookup };

long fs_proc_descriptor_recover(struct fs_inode *inode)
{
	bool link = inode->ops == &link_ops;

	if (!link && inode->ops != &info_ops)
		return 1;
	if (inode->generated.entry != (link ? &link_entry : &info_entry) ||
	    !heap_claim(inode->generated.data, sizeof(struct fs_descriptor), FS_CLAIMED_BYTES))
		return fs_bad("a descriptor in /proc");
	return 0;
}
