/* Opening: checks, creation, truncation. */
#include "fs.h"
#include <fs_server.h>

/* What an open for these flags has to be allowed. */
static u32 access_wanted(u32 flags)
{
	static const u8 wanted[] = { FS_MAY_READ, FS_MAY_WRITE, FS_MAY_READ | FS_MAY_WRITE, FS_MAY_READ | FS_MAY_WRITE };
	u32 mask = wanted[flags & FS_O_ACCMODE];

	if (flags & FS_O_EXECUTE)
		mask = FS_MAY_EXECUTE;
	return flags & FS_O_TRUNC ? mask | FS_MAY_WRITE : mask;
}

static long open_check(const struct fs_opening *opening)
{
	struct fs_inode *inode = opening->inode;
	u32 flags = opening->flags, mask = access_wanted(flags), type = fs_inode_type(inode);
	u32 mount_flags = opening->place.mount ? opening->place.mount->flags : 0;
	long result;

	if (type == FS_IFLNK)
		return -ELOOP;
	if (type == FS_IFDIR && ((mask & FS_MAY_WRITE) || (flags & FS_O_EXECUTE)))
		return flags & FS_O_EXECUTE ? -EACCES : -EISDIR;
	if ((type == FS_IFCHR || type == FS_IFBLK) && (mount_flags & FS_MS_NODEV))
		return -EACCES;
	if ((flags & FS_O_EXECUTE) && (type != FS_IFREG || (mount_flags & FS_MS_NOEXEC)))
		return -EACCES;
	if ((type == FS_IFREG || type == FS_IFDIR) && (mask & FS_MAY_WRITE) && (mount_flags & FS_MS_RDONLY))
		return -EROFS;
	result = fs_permission(opening->who, inode, mask);
	if (!result && inode->ops->kind == FS_KIND_GENERATED)
		result = fs_proc_open_check(opening->who, inode);
	if (!result && (flags & FS_O_NOATIME) && !fs_owner_or_capable(opening->who, inode))
		result = -EPERM;
	return result;
}

/* Counts the file as a writer or an execution: they exclude each other. */
static long writers_count(struct fs_file *file)
{
	struct fs_inode *inode = file->inode;
	i32 step = file->flags & FS_O_EXECUTE ? -1 : 1;
	long result = 0;

	if (fs_inode_type(inode) != FS_IFREG || (step > 0 && !(access_wanted(file->flags) & FS_MAY_WRITE)))
		return 0;
	lock_acquire(&inode->lock);
	if (step > 0 ? inode->writers < 0 : inode->writers > 0)
		result = -ETXTBSY;
	else
		inode->writers += step;
	lock_release(&inode->lock);
	file->counted = !result;
	fs_file_mount_count(file, 1);
	return result;
}

long fs_file_open(const struct rt_request *rq, const struct fs_opening *opening, struct fs_file **file)
{
	struct fs_file *made;
	long result;

	if (!(opening->flags & FS_O_PATH) && !opening->created) {
		result = open_check(opening);
		if (result)
			return result;
	}
	result = fs_file_create(rq, opening->place, opening->inode, opening->flags, &made);
	if (result)
		return result;
	made->keeps_privileges = fs_capable(opening->who, FS_CAP_FSETID);
	if (!(opening->flags & FS_O_PATH)) {
		result = writers_count(made);
		if (!result && opening->inode->ops->open)
			result = opening->inode->ops->open(made);
		/* No direct transfers to memory files. */
		if (!result && (opening->flags & FS_O_DIRECT) && fs_inode_type(opening->inode) == FS_IFREG)
			result = -EINVAL;
	}
	*file = made; /* with an error: for the caller to close once fs_tree is free */
	return result;
}

/* A creation is not to be done again: file, handle and answer stay or go together. A regular file has no poll word. */
static void created_note(const struct fs_file *file, long result)
{
	if (result)
		stable_commit(result, 0);
	else
		stable_commit_made(&(struct stable_result){ .outs = { file->handle, fs_file_information(file) } }, NULL);
}

/* What an open found, or made, at the end of its walk; fs_tree is held. Result 1: missing, ask again with fs_tree exclusive. */
static long open_found(const struct rt_request *rq, struct fs_walk *walk, const struct fs_open *request, bool exclusive, struct fs_file **file)
{
	struct fs_opening opening = { .who = walk->who, .flags = request->flags };
	long result;

	if (request->flags & FS_O_CREAT) {
		if ((walk->last_slash && walk->last_kind == FS_LAST_NAME) || (walk->last_kind != FS_LAST_NAME && !(request->flags & FS_O_EXCL)))
			return -EISDIR;
		if ((request->flags & FS_O_EXCL) && (walk->found || walk->last_kind != FS_LAST_NAME))
			return -EEXIST;
		if (!walk->found) {
			struct fs_node node = { .mode = FS_IFREG | (request->mode & 07777 & ~walk->client->directories->umask) };

			if (!exclusive)
				return 1;
			result = fs_node_create(walk, &node);
			if (result)
				return result;
			walk->at = (struct fs_place){ walk->parent.mount, walk->found };
			opening.created = true;
			opening.flags &= ~(u32)FS_O_TRUNC;
		} else if (fs_is_directory(walk->found->inode)) {
			return -EISDIR;
		}
	}
	opening.place = walk->at;
	opening.inode = opening.place.name->inode;
	result = fs_file_open(rq, &opening, file);
	if (opening.created)
		created_note(*file, result);
	return result;
}

/* An unnamed file in the directory where the walk ended. */
static long open_unnamed(const struct rt_request *rq, struct fs_walk *walk, const struct fs_open *request, struct fs_file **file)
{
	struct fs_node node = { .mode = FS_IFREG | (request->mode & 07777 & ~walk->client->directories->umask) };
	struct fs_opening opening = { .who = walk->who, .flags = request->flags & ~(u32)FS_O_TRUNC, .created = true };
	struct fs_inode *inode;
	struct fs_name *name;
	char text[24];
	long result;

	if (walk->at.name->inode->super->type->fixed || walk->at.name->inode->super->type == &fs_devpts_type)
		return -EOPNOTSUPP;
	result = fs_place_writable(walk->at);
	if (!result)
		result = fs_permission(walk->who, walk->at.name->inode, FS_MAY_WRITE | FS_MAY_EXECUTE);
	if (!result)
		result = fs_node_inode(walk, walk->at, &node, &inode);
	if (result)
		return result;
	inode->links = 0;
	inode->linkable = !(request->flags & FS_O_EXCL);
	name = fs_name_create(text, (u32)format_text(text, sizeof(text), "#%llu", (unsigned long long)inode->number), walk->at.name, inode);
	if (!name)
		return -ENOMEM;
	opening.place = (struct fs_place){ walk->at.mount, name };
	opening.inode = inode;
	result = fs_file_open(rq, &opening, file);
	fs_name_put(name);
	return result;
}

static u32 walk_flags(u32 flags)
{
	u32 walk = 0;

	if ((flags & FS_O_TMPFILE) == FS_O_TMPFILE)
		return FS_WALK_FOLLOW | FS_WALK_DIRECTORY;
	if ((flags & FS_O_CREAT) && (flags & FS_O_EXCL))
		walk = FS_WALK_PARENT;
	else if (flags & FS_O_CREAT)
		walk = FS_WALK_CREATE;
	if (!(flags & FS_O_NOFOLLOW))
		walk |= FS_WALK_FOLLOW;
	return flags & FS_O_DIRECTORY ? walk | FS_WALK_DIRECTORY : walk;
}

static long flags_check(struct fs_open *request)
{
	if (request->flags & FS_O_PATH)
		request->flags &= FS_O_DIRECTORY | FS_O_NOFOLLOW | FS_O_PATH | FS_O_CLOEXEC;
	if ((request->flags & FS_O_TMPFILE) == FS_O_TMPFILE)
		return (request->flags & FS_O_CREAT) || !(access_wanted(request->flags) & FS_MAY_WRITE) ? -EINVAL : 0;
	return (request->flags & FS_O_CREAT) && (request->flags & FS_O_DIRECTORY) ? -EINVAL : 0;
}

static long open_truncate(struct fs_file *file)
{
	long result;

	if (!(file->flags & FS_O_TRUNC) || fs_inode_type(file->inode) != FS_IFREG || file->kind != FS_KIND_FILE)
		return 0;
	fs_gate_exclusive(&file->inode->io);
	result = file->inode->size ? fs_tmpfs_resize(file->inode, 0) : 0;
	fs_gate_release(&file->inode->io);
	if (!result)
		fs_inode_touch(file->inode, true, true);
	return result;
}

long fs_op_open(const struct rt_request *rq, const struct fs_open *request, const void *path, size_t path_size, u64 *file, u64 *info,
	u64 *pollword)
{
	struct fs_open wanted = *request;
	struct fs_file *made = NULL;
	struct fs_walk walk;
	bool exclusive = (wanted.flags & FS_O_TMPFILE) == FS_O_TMPFILE;
	long result = flags_check(&wanted);

	if (!result)
		result = fs_walk_begin(&walk, rq, wanted.client, wanted.directory, walk_flags(wanted.flags));
	if (result)
		return result;
	walk.resolve = (u32)wanted.resolve;
	result = fs_walk_path(&walk, path, path_size);
	while (!result) {
		if (exclusive)
			fs_gate_exclusive(&fs_tree);
		else
			fs_gate_shared(&fs_tree);
		result = fs_walk_run(&walk);
		if (!result)
			result = (wanted.flags & FS_O_TMPFILE) == FS_O_TMPFILE ? open_unnamed(rq, &walk, &wanted, &made)
				: open_found(rq, &walk, &wanted, exclusive, &made);
		if (result == 1 && fs_gate_upgrade(&fs_tree)) /* nothing has changed since the walk */
			result = open_found(rq, &walk, &wanted, true, &made);
		fs_walk_unlock(&walk);
		if (result != 1)
			break;
		exclusive = true;
		result = 0;
	}
	fs_walk_end(&walk);
	if (!result)
		result = open_truncate(made);
	if (!result)
		return fs_file_answer(rq, made, file, info, pollword);
	/* It was told to no one: closing can't fail. */
	if (made && fs_handle_close(made->handle, made->owner, FS_HANDLE_FILE))
		return -EBADF;
	return result;
}

long fs_op_reopen(const struct rt_request *rq, u64 client, u64 source, u32 flags, u64 *file, u64 *info, u64 *pollword)
{
	struct fs_client *c = fs_client_get(rq, client);
	struct fs_file *from = c ? fs_file_get(rq, source) : NULL, *made = NULL;
	struct fs_opening opening = { .flags = flags & ~(u32)(FS_O_CREAT | FS_O_EXCL) };
	long result = -EBADF;

	if (from) {
		opening.place = from->place;
		opening.inode = from->inode;
		fs_gate_shared(&fs_tree);
		opening.who = c->identity;
		result = fs_is_directory(from->inode) || !(flags & FS_O_DIRECTORY) ? fs_file_open(rq, &opening, &made) : -ENOTDIR;
		fs_gate_release(&fs_tree);
		if (!result)
			result = open_truncate(made);
		if (!result)
			result = fs_file_answer(rq, made, file, info, pollword);
		else if (made && fs_handle_close(made->handle, made->owner, FS_HANDLE_FILE))
			result = -EBADF;
		fs_file_put(from);
	}
	if (c)
		fs_client_put(c);
	return result;
}
