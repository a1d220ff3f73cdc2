/* Making and removing names. */
#include "fs.h"
#include <fs_server.h>

long fs_node_inode(struct fs_walk *walk, struct fs_place directory, const struct fs_node *node, struct fs_inode **inode)
{
	struct fs_inode *folder = directory.name->inode, *made;
	char *target = NULL;
	long result;

	if (node->target) {
		target = heap_alloc(node->target_size + 1);
		if (!target)
			return -ENOMEM;
		memcpy(target, node->target, node->target_size);
	}
	result = fs_tmpfs_inode(folder->super, node->mode, node->device, &made);
	if (result) {
		heap_free(target);
		return result;
	}
	if (target) {
		made->target = target;
		made->size = node->target_size;
	}
	made->uid = walk->who->ids.uid;
	made->gid = walk->who->ids.gid;
	if (folder->mode & FS_ISGID) {
		made->gid = folder->gid;
		if (fs_is_directory(made))
			made->mode |= FS_ISGID;
	}
	if (!fs_is_directory(made) && (made->mode & (FS_ISGID | 010)) == (FS_ISGID | 010)
	    && !fs_identity_in_group(walk->who, made->gid) && !fs_capable(walk->who, FS_CAP_FSETID))
		made->mode &= ~(u32)FS_ISGID;
	*inode = made;
	return 0;
}

/* Puts an inode (a reference is taken over) into a directory under the walk's last name, and counts it there. */
static long node_link(struct fs_walk *walk, struct fs_inode *inode)
{
	struct fs_inode *folder = walk->parent.name->inode;
	struct fs_name *name = fs_name_create(walk->last, walk->last_length, walk->parent.name, inode);

	if (!name)
		return -ENOMEM;
	fs_name_link(name);
	walk->found = name;
	if (fs_is_directory(inode))
		folder->links++;
	folder->size += FS_DIRECTORY_ENTRY;
	fs_inode_touch(folder, true, true);
	fs_name_put(name);  /* it stays by being linked */
	stable_commit(0, 0);
	return 0;
}

/* Is the walk's last name one that can be made? type: of FS_IFMT. The order of errors is Linux's, here and below. */
static long name_check(const struct fs_walk *walk, u32 type)
{
	if (walk->last_kind != FS_LAST_NAME || walk->found)
		return -EEXIST;
	if (walk->last_slash && type != FS_IFDIR)
		return -ENOENT;
	return walk->parent.name->inode->super->type->fixed ? -ENOENT : fs_place_writable(walk->parent);
}

/* May it be made there, by this one? */
static long maker_check(const struct fs_walk *walk, u32 type)
{
	long result = fs_may_create(walk->who, walk->parent);

	if (!result && walk->parent.name->inode->super->type == &fs_devpts_type && !walk->makes_terminals)
		result = type == FS_IFREG ? -EACCES : -EPERM;
	return result;
}

static long create_check(const struct fs_walk *walk, u32 type)
{
	long result = name_check(walk, type);

	return result ? result : maker_check(walk, type);
}

long fs_node_create(struct fs_walk *walk, const struct fs_node *node)
{
	struct fs_inode *inode;
	long result = create_check(walk, node->mode & FS_IFMT);

	if (!result)
		result = fs_node_inode(walk, walk->parent, node, &inode);
	return result ? result : node_link(walk, inode);
}

/* The walk of an operation that makes a name, with fs_tree held exclusive after success. */
static long walk_to_make(struct fs_walk *walk, const struct rt_request *rq, const struct fs_at *at, const void *path, size_t size)
{
	long result = fs_walk_begin(walk, rq, at->client, at->directory, FS_WALK_PARENT);

	if (result)
		return result;
	walk->makes_terminals = at->flags & FS_AT_TERMINALS;
	result = fs_walk_path(walk, path, size);
	fs_gate_exclusive(&fs_tree);
	if (!result)
		result = fs_walk_run(walk);
	if (!result)
		return 0;
	fs_walk_unlock(walk);
	fs_walk_end(walk);
	return result;
}

static long node_make(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t size, struct fs_node *node)
{
	struct fs_walk walk;
	long result = walk_to_make(&walk, rq, at, path, size);
	u32 type = node->mode & FS_IFMT;

	if (result)
		return result;
	if (type != FS_IFLNK)
		node->mode &= ~walk.client->directories->umask;
	result = create_check(&walk, type);
	/* 0:0 is a whiteout, which everyone may make. */
	if (!result && (type == FS_IFCHR || type == FS_IFBLK) && (type == FS_IFBLK || node->device) && !fs_capable(walk.who, FS_CAP_MKNOD))
		result = -EPERM;
	if (!result)
		result = fs_node_create(&walk, node);
	fs_walk_unlock(&walk);
	fs_walk_end(&walk);
	return result;
}

long fs_op_mkdir(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size)
{
	struct fs_node node = { .mode = FS_IFDIR | (at->mode & (0777 | FS_ISVTX)) };

	return node_make(rq, at, path, path_size, &node);
}

long fs_op_mknod(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size)
{
	struct fs_node node = { .mode = at->mode & (FS_IFMT | 07777), .device = at->value };

	switch (node.mode & FS_IFMT) {
	case 0:
		node.mode |= FS_IFREG;
		break;
	case FS_IFREG: case FS_IFIFO: case FS_IFSOCK: case FS_IFCHR: case FS_IFBLK:
		break;
	case FS_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	if ((node.mode & FS_IFMT) != FS_IFCHR && (node.mode & FS_IFMT) != FS_IFBLK)
		node.device = 0;
	return node_make(rq, at, path, path_size, &node);
}

long fs_op_symlink(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size, const void *target,
	size_t target_size)
{
	struct fs_node node = { .mode = FS_IFLNK | 0777, .target = target, .target_size = strnlen(target, target_size) };

	if (node.target_size == 0)
		return -ENOENT;
	return node.target_size >= FS_PATH_MAX ? -ENAMETOOLONG : node_make(rq, at, path, path_size, &node);
}

/* fs.protected_hardlinks: who neither owns a file nor may read and write it does not pin it, nor one that gives its runner rights. */
static bool source_trusted(const struct fs_identity *who, struct fs_inode *inode)
{
	bool gives = inode->mode & FS_ISUID || (inode->mode & (FS_ISGID | 010)) == (FS_ISGID | 010);

	if (fs_owner_or_capable(who, inode))
		return true;
	return fs_inode_type(inode) == FS_IFREG && !gives && !fs_permission(who, inode, FS_MAY_READ | FS_MAY_WRITE);
}

/* Links `inode`, which `source` names, to the end of the walk. */
static long link_commit(struct fs_walk *walk, struct fs_place source, struct fs_inode *inode)
{
	long result = name_check(walk, FS_IFLNK);

	if (!result && source.mount != walk->parent.mount)
		result = -EXDEV;
	if (!result && !source_trusted(walk->who, inode))
		result = -EPERM;
	if (!result)
		result = maker_check(walk, FS_IFLNK);
	if (result)
		return result;
	if (fs_is_directory(inode))
		return -EPERM;
	if (inode->links == 0 && !inode->linkable) /* a removed file does not come back, an unnamed one does */
		return -ENOENT;
	fs_inode_hold(inode);
	result = node_link(walk, inode);
	if (result)
		return result;
	lock_acquire(&inode->lock);
	inode->links++;
	lock_release(&inode->lock);
	fs_inode_touch(inode, false, true);
	return 0;
}

long fs_op_link(const struct rt_request *rq, const struct fs_pair *request, const void *from, size_t from_size, const void *to, size_t to_size)
{
	struct fs_at at = { .client = request->client, .directory = request->to_directory };
	u32 follow = request->flags & FS_AT_SYMLINK_FOLLOW ? FS_WALK_FOLLOW : 0;
	struct fs_walk *source = heap_alloc(sizeof(*source)), walk;
	long result = -ENOMEM;

	if (source)
		result = fs_walk_begin(source, rq, request->client, request->from_directory, follow | fs_walk_flags_of(request->flags));
	if (result) {
		heap_free(source);
		return result;
	}
	result = fs_walk_path(source, from, from_size);
	if (!result)
		result = walk_to_make(&walk, rq, &at, to, to_size);
	if (!result) {
		result = fs_walk_run(source);
		if (!result && !source->found)
			result = -EXDEV; /* a pipe */
		if (!result)
			result = link_commit(&walk, source->at, source->inode);
		fs_walk_unlock(&walk);
		fs_walk_end(&walk);
	}
	fs_walk_end(source);
	heap_free(source);
	return result;
}

/* Takes a checked name out of its directory. */
static void name_remove(struct fs_name *victim)
{
	struct fs_inode *folder = victim->parent->inode, *inode = victim->inode;
	bool directory = fs_is_directory(inode);
	i64 now = fs_now();

	fs_inode_hold(inode);
	fs_name_hold(victim);
	fs_name_unlink(victim);
	folder->size -= folder->size >= FS_DIRECTORY_ENTRY ? FS_DIRECTORY_ENTRY : 0;
	folder->links -= directory;
	lock_acquire(&folder->lock);
	folder->modified = folder->changed = now;
	lock_release(&folder->lock);
	lock_acquire(&inode->lock);
	inode->links = directory ? 0 : inode->links - 1;
	inode->changed = now;
	lock_release(&inode->lock);
	stable_commit(0, 0);
	fs_name_put(victim);
	fs_inode_put(inode);
}

static long unlink_check(struct fs_walk *walk, bool want_directory)
{
	long result;

	if (walk->last_kind != FS_LAST_NAME) {
		if (!want_directory)
			return -EISDIR;
		return walk->last_kind == FS_LAST_DOT ? -EINVAL : walk->last_kind == FS_LAST_DOTDOT ? -ENOTEMPTY : -EBUSY;
	}
	result = fs_place_writable(walk->parent);
	if (!walk->found)
		return -ENOENT;
	if (walk->last_slash && !want_directory)
		return fs_is_directory(walk->found->inode) ? -EISDIR : -ENOTDIR;
	if (!result && (walk->parent.name->inode->super->type->fixed ||
	    (walk->parent.name->inode->super->type == &fs_devpts_type && !walk->makes_terminals)))
		result = -EPERM;
	if (!result)
		result = fs_may_delete(walk->who, walk->parent, walk->found, want_directory);
	if (!result && !want_directory && walk->found->mounted)
		result = -EBUSY;
	if (!result && want_directory && walk->found->inode->children.first)
		result = -ENOTEMPTY;
	return result;
}

long fs_op_unlink(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size)
{
	struct fs_walk walk;
	struct fs_name *victim = NULL;
	long result = walk_to_make(&walk, rq, at, path, path_size);

	if (result)
		return result;
	result = unlink_check(&walk, at->flags & FS_AT_REMOVEDIR);
	if (!result) {   /* commit */
		victim = walk.found;
		fs_name_hold(victim);
		name_remove(victim);
	}
	fs_walk_unlock(&walk);
	if (victim)
		fs_name_put(victim); /* freeing pages takes its time: not under fs_tree */
	fs_walk_end(&walk);
	return result;
}
