/* rename: moves or exchanges names. Everything is checked and all memory is there before the first change. */
#include "fs.h"
#include <fs_server.h>

struct renaming {
	struct fs_walk from, to;
	u32 flags;
	char *room;          /* for the new text */
	struct fs_name *replaced;
	struct fs_name *whiteout; /* to stand in the old place; not linked yet */
};

static long places_check(const struct renaming *r)
{
	if (r->from.parent.mount != r->to.parent.mount)
		return -EXDEV;
	if (r->from.last_kind != FS_LAST_NAME)
		return -EBUSY;
	if (r->to.last_kind != FS_LAST_NAME)
		return r->flags & FS_RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	return fs_place_writable(r->from.parent);
}

/* A directory must not be moved into itself, nor replace one of its own ancestors. */
static long loop_check(const struct renaming *r)
{
	const struct fs_name *source = r->from.found, *target = r->to.found;

	if (fs_name_below(r->to.parent.name, source))
		return -EINVAL;
	if (target && fs_name_below(r->from.parent.name, target))
		return r->flags & FS_RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static long slashes_check(const struct renaming *r)
{
	const struct fs_name *source = r->from.found, *target = r->to.found;

	if (r->flags & FS_RENAME_EXCHANGE) {
		if (r->to.last_slash && !fs_is_directory(target->inode))
			return -ENOTDIR;
	}
	if (!fs_is_directory(source->inode) && (r->from.last_slash || (!(r->flags & FS_RENAME_EXCHANGE) && r->to.last_slash)))
		return -ENOTDIR;
	return 0;
}

static long permissions_check(const struct renaming *r)
{
	const struct fs_identity *who = r->from.who;
	struct fs_name *source = r->from.found, *target = r->to.found;
	bool directory = fs_is_directory(source->inode), exchange = r->flags & FS_RENAME_EXCHANGE;
	bool moved = r->from.parent.name != r->to.parent.name;
	long result;

	if (source->inode->super->type->fixed || source->inode->super->type == &fs_devpts_type)
		return -EPERM;
	result = fs_may_delete(who, r->from.parent, source, directory);
	if (result)
		return result;
	if (!target)
		result = fs_may_create(who, r->to.parent);
	else
		result = fs_may_delete(who, r->to.parent, target, exchange ? fs_is_directory(target->inode) : directory);
	/* A directory that changes its parent has ".." written. */
	if (!result && moved && directory)
		result = fs_permission(who, source->inode, FS_MAY_WRITE);
	if (!result && moved && exchange && fs_is_directory(target->inode))
		result = fs_permission(who, target->inode, FS_MAY_WRITE);
	if (!result && (source->mounted || (target && target->mounted)))
		result = -EBUSY;
	return result;
}

/* The device 0:0 that says: there is nothing here, whatever a lower file system has. */
static long whiteout_prepare(struct renaming *r)
{
	const struct fs_node node = { .mode = FS_IFCHR };
	struct fs_inode *inode;
	long result = fs_node_inode(&r->from, r->from.parent, &node, &inode);

	if (result)
		return result;
	r->whiteout = fs_name_create(r->from.last, r->from.last_length, r->from.parent.name, inode);
	return r->whiteout ? 0 : -ENOMEM;
}

/* Everything that may fail. 1: nothing to do. */
static long rename_check(struct renaming *r)
{
	long result = places_check(r);

	if (result)
		return result;
	if (!r->from.found || ((r->flags & FS_RENAME_EXCHANGE) && !r->to.found))
		return -ENOENT;
	if (!r->to.found && r->to.parent.name->inode->super->type->fixed)
		return -ENOENT; /* procfs knows no new names */
	if ((r->flags & FS_RENAME_NOREPLACE) && r->to.found)
		return -EEXIST;
	result = slashes_check(r);
	if (!result)
		result = loop_check(r);
	if (!result && r->to.found && r->from.found->inode == r->to.found->inode)
		return 1;
	if (!result)
		result = permissions_check(r);
	if (!result && r->to.found && !(r->flags & FS_RENAME_EXCHANGE) && fs_is_directory(r->to.found->inode) && r->to.found->inode->children.first)
		result = -ENOTEMPTY;
	if (!result && (r->flags & FS_RENAME_EXCHANGE)) {
		result = fs_name_exchange_prepare(r->from.found);
		return result ? result : fs_name_exchange_prepare(r->to.found);
	}
	if (!result && (r->flags & FS_RENAME_WHITEOUT))
		result = whiteout_prepare(r);
	return result ? result : fs_name_move_prepare(r->from.found, r->to.last_length, &r->room);
}

static void move_commit(struct renaming *r)
{
	struct fs_name *source = r->from.found, *target = r->to.found;
	struct fs_inode *from = r->from.parent.name->inode, *to = r->to.parent.name->inode;

	if (target) {
		fs_name_hold(target);
		r->replaced = target;
		lock_acquire(&target->inode->lock);
		if (fs_is_directory(target->inode)) {
			to->links--;
			target->inode->links = 0;
		} else {
			target->inode->links--;
		}
		lock_release(&target->inode->lock);
		fs_inode_touch(target->inode, false, true);
		fs_name_unlink(target);
	} else {
		to->size += FS_DIRECTORY_ENTRY;
	}
	from->size -= from->size >= FS_DIRECTORY_ENTRY ? FS_DIRECTORY_ENTRY : 0;
	if (fs_is_directory(source->inode)) {
		from->links--;
		to->links++;
	}
	fs_name_move(source, r->to.parent.name, r->to.last, r->to.last_length, r->room);
	if (r->whiteout) {
		fs_name_link(r->whiteout);
		from->size += FS_DIRECTORY_ENTRY;
	}
}

static void exchange_commit(struct renaming *r)
{
	struct fs_inode *from = r->from.parent.name->inode, *to = r->to.parent.name->inode;

	if (fs_is_directory(r->from.found->inode)) {
		from->links--;
		to->links++;
	}
	if (fs_is_directory(r->to.found->inode)) {
		to->links--;
		from->links++;
	}
	fs_name_exchange(r->from.found, r->to.found);
	fs_inode_touch(r->to.found->inode, false, true);
}

static long rename_locked(struct renaming *r)
{
	long result = fs_walk_run(&r->from);

	if (!result)
		result = fs_walk_run(&r->to);
	if (!result)
		result = rename_check(r);
	if (result)
		return result;
	/* commit */
	if (r->flags & FS_RENAME_EXCHANGE)
		exchange_commit(r);
	else
		move_commit(r);
	fs_inode_touch(r->from.found->inode, false, true);
	fs_inode_touch(r->from.parent.name->inode, true, true);
	fs_inode_touch(r->to.parent.name->inode, true, true);
	stable_commit(0, 0);
	return 0;
}

/* Begins both walks, runs them and renames; the request is on the heap, for its size. */
static long rename_run(struct renaming *r, const struct rt_request *rq, const struct fs_pair *request, const struct fs_segment paths[2])
{
	long result = fs_walk_begin(&r->from, rq, request->client, request->from_directory, FS_WALK_PARENT);

	if (result)
		return result;
	result = fs_walk_begin(&r->to, rq, request->client, request->to_directory, FS_WALK_PARENT);
	if (result) {
		fs_walk_end(&r->from);
		return result;
	}
	result = fs_walk_path(&r->from, paths[0].rest, paths[0].left);
	if (!result)
		result = fs_walk_path(&r->to, paths[1].rest, paths[1].left);
	if (!result) {
		fs_gate_exclusive(&fs_tree);
		result = rename_locked(r);
		fs_gate_release(&fs_tree);
	}
	if (r->replaced)
		fs_name_put(r->replaced);
	if (r->whiteout)
		fs_name_put(r->whiteout); /* it stays by being linked */
	fs_walk_end(&r->from);
	fs_walk_end(&r->to);
	return result == 1 ? 0 : result;
}

long fs_op_rename(const struct rt_request *rq, const struct fs_pair *request, const void *from, size_t from_size, const void *to, size_t to_size)
{
	const struct fs_segment paths[2] = { { .rest = from, .left = from_size }, { .rest = to, .left = to_size } };
	struct renaming *r;
	long result;

	if ((request->flags & ~(u32)(FS_RENAME_NOREPLACE | FS_RENAME_EXCHANGE | FS_RENAME_WHITEOUT))
	    || ((request->flags & FS_RENAME_EXCHANGE) && request->flags != FS_RENAME_EXCHANGE))
		return -EINVAL;
	r = heap_alloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->flags = request->flags;
	result = rename_run(r, rq, request, paths);
	heap_free(r);
	return result;
}
