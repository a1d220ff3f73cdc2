/* The files of /proc/PID that show strings of its memory or places of the file system: cmdline, environ, mounts, links. */
#include "proc.h"
#include <mem_client.h>
#include <mem/mem_types.h>

#define BUFFER_SIZE 4096u
#define TEXT_MAX (1u << 20)   /* of cmdline and environ */

static i32 tid_of(const struct fs_inode *inode)
{
	return inode->generated.tid ? inode->generated.tid : inode->generated.pid;
}

/* ---- Places ------------------------------------------------------------------------------------------------------------------ */

/* fs_tree is held: the place stands still while a reference is taken. */
long fs_proc_client_place(i32 tid, bool root, struct fs_place *place)
{
	struct proc_info *info = fs_proc_info(tid, false);
	struct fs_client *client = info ? fs_handle_peek(info->fs_client, FS_HANDLE_CLIENT) : NULL;

	heap_free(info);
	if (!client)
		return -ENOENT;
	*place = root ? client->directories->root : client->directories->working;
	fs_place_hold(*place);
	fs_client_put(client);
	return 0;
}

long fs_proc_exe_place(i32 tid, struct fs_place *place)
{
	struct proc_info *info = fs_proc_info(tid, false);
	struct fs_file *file = info ? fs_handle_peek(info->exe, FS_HANDLE_FILE) : NULL;
	long result = -ENOENT;

	heap_free(info);
	if (!file)
		return -ENOENT;
	if (file->place.name) {
		*place = file->place;
		fs_place_hold(*place);
		result = 0;
	}
	fs_file_put(file);
	return result;
}

long fs_proc_with_root(i32 tid, struct fs_text *text, void (*show)(struct fs_text *, struct fs_place))
{
	struct fs_place root;
	long result;

	fs_gate_shared(&fs_tree);
	result = fs_proc_client_place(tid, true, &root);
	if (!result)
		show(text, root);
	fs_gate_release(&fs_tree);
	if (!result)
		fs_place_put(root);
	return result ? -EINVAL : 0;
}

void fs_proc_umask_add(struct fs_text *text, u64 handle)
{
	struct fs_client *client = fs_handle_peek(handle, FS_HANDLE_CLIENT);

	if (!client)
		return;
	fs_text_add(text, "Umask:\t%04o\n", client->directories->umask);
	fs_client_put(client);
}

/* ---- Mounts ------------------------------------------------------------------------------------------------------------------ */

static void mount_flags_add(struct fs_text *text, u32 flags)
{
	static const struct { u32 flag; const char *text; } names[] = {
		{ FS_MS_NOSUID, ",nosuid" }, { FS_MS_NODEV, ",nodev" }, { FS_MS_NOEXEC, ",noexec" }, { FS_MS_NOATIME, ",noatime" },
		{ FS_MS_NODIRATIME, ",nodiratime" }, { FS_MS_RELATIME, ",relatime" }, { FS_MS_NOSYMFOLLOW, ",nosymfollow" },
	};
	u32 i;

	fs_text_add(text, flags & FS_MS_RDONLY ? "ro" : "rw");
	for (i = 0; i < countof(names); i++)
		if (flags & names[i].flag)
			fs_text_add(text, "%s", names[i].text);
}

/* The place of a mount as seen from the root; NULL: outside of it. */
static const char *mount_path(const struct fs_mounted *mount, struct fs_place root, char *buffer)
{
	struct fs_place place = { (struct fs_mounted *)(uintptr_t)mount, mount->root };
	char *start;

	if (mount == root.mount)
		place.name = root.name;
	else if (!fs_place_below(place, root))
		return NULL;
	return fs_place_path(place, root, buffer, FS_PATH_MAX, &start) > 0 ? start : NULL;
}

void fs_proc_mounts_show(struct fs_text *text, struct fs_place root)
{
	char *buffer = heap_alloc(FS_PATH_MAX);
	const struct fs_mounted *mount;
	const char *path;

	for (mount = buffer ? fs_mounts : NULL; mount; mount = mount->next) {
		path = mount_path(mount, root, buffer);
		if (!path)
			continue;
		fs_text_add_escaped(text, mount->source, " \t\n#");
		fs_text_add(text, " ");
		fs_text_add_escaped(text, path, " \t\n#");
		fs_text_add(text, " %s ", mount->super->type->name);
		mount_flags_add(text, mount->flags);
		if (mount->super->type->options)
			mount->super->type->options(mount->super, text);
		fs_text_add(text, " 0 0\n");
	}
	text->failed |= !buffer;
	heap_free(buffer);
}

/* The root of a bind mount within its own file system. */
static void inner_root_add(struct fs_text *text, const struct fs_name *root, u32 depth)
{
	if (root->parent == root || depth == 32) {
		if (depth == 0)
			fs_text_add(text, "/");
		return;
	}
	inner_root_add(text, root->parent, depth + 1);
	fs_text_add(text, "/");
	fs_text_add_escaped(text, root->text, " \t\n");
}

void fs_proc_mountinfo_show(struct fs_text *text, struct fs_place root)
{
	char *buffer = heap_alloc(FS_PATH_MAX);
	const struct fs_mounted *mount;
	const char *path;

	for (mount = buffer ? fs_mounts : NULL; mount; mount = mount->next) {
		path = mount_path(mount, root, buffer);
		if (!path)
			continue;
		fs_text_add(text, "%u %u %u:%u ", mount->id, mount->parent ? mount->parent->id : mount->id, fs_device_major(mount->super->device),
			fs_device_minor(mount->super->device));
		inner_root_add(text, mount->root, 0);
		fs_text_add(text, " ");
		fs_text_add_escaped(text, path, " \t\n");
		fs_text_add(text, " ");
		mount_flags_add(text, mount->flags);
		fs_text_add(text, " - %s ", mount->super->type->name);
		fs_text_add_escaped(text, mount->source, " \t\n");
		fs_text_add(text, " rw");
		if (mount->super->type->options)
			mount->super->type->options(mount->super, text);
		fs_text_add(text, "\n");
	}
	text->failed |= !buffer;
	heap_free(buffer);
}

/* ---- Address spaces ---------------------------------------------------------------------------------------------------------- */

/* cmdline (argument 0) and environ: the strings in the task's own memory. */
long fs_proc_memory_show(struct fs_text *text, const struct fs_inode *inode)
{
	bool environment = ((const struct fs_proc_entry *)inode->generated.entry)->argument;
	struct proc_info *info = fs_proc_info(tid_of(inode), false);
	u64 at, end;
	u8 *buffer;

	if (!info)
		return -ESRCH;
	at = environment ? info->environment_start : info->arguments_start;
	end = environment ? info->environment_end : info->arguments_end;
	buffer = info->space && at < end ? heap_alloc(BUFFER_SIZE) : NULL;
	while (buffer && at < end && text->length < TEXT_MAX) {
		long size = mem_space_read(info->space, at, buffer, end - at < BUFFER_SIZE ? end - at : BUFFER_SIZE);

		if (size <= 0)
			break;
		fs_text_add_bytes(text, buffer, (size_t)size);
		at += (u64)size;
	}
	heap_free(buffer);
	heap_free(info);
	return 0;
}
