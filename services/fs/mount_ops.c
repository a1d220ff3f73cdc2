/* mount, umount, pivot_root. All changes of the mount tree are made with fs_tree held exclusive. */
#include "fs.h"
#include <fs_server.h>

#define KEPT_FLAGS (FS_MS_RDONLY | FS_MS_NOSUID | FS_MS_NODEV | FS_MS_NOEXEC | FS_MS_NOATIME | FS_MS_NODIRATIME | FS_MS_RELATIME \
	| FS_MS_NOSYMFOLLOW | FS_MS_SYNCHRONOUS | FS_MS_DIRSYNC)
#define BIND_DEPTH_MAX 8   /* mounts on mounts that a recursive bind follows */
#define PROPAGATION_FLAGS (0xfu << 17)   /* MS_UNBINDABLE, PRIVATE, SLAVE, SHARED */

static u32 flags_kept(u64 flags)
{
	u32 kept = (u32)flags & KEPT_FLAGS;

	/* relatime is what there is when nothing is said. */
	if (!(flags & (FS_MS_NOATIME | FS_MS_STRICTATIME)))
		kept |= FS_MS_RELATIME;
	return flags & FS_MS_STRICTATIME ? kept & ~(u32)(FS_MS_RELATIME | FS_MS_NOATIME) : kept;
}

static bool text_ends(const char *text, size_t size)
{
	return strnlen(text, size) < size;
}

static long mount_new(struct fs_walk *walk, const struct fs_mount *request, const char *source)
{
	const struct fs_type *type = fs_type_find(request->type);
	struct fs_super *super;
	long result;

	if (!type)
		return -ENODEV;
	if (!fs_is_directory(walk->inode))
		return -ENOTDIR;
	result = type->mount(request->options, &super);
	if (result)
		return result;
	/* The same on itself is refused. */
	if (walk->at.mount->super == super && walk->found == super->root)
		result = -EBUSY;
	else
		result = fs_mount_attach(super, super->root, walk->at, flags_kept(request->flags), source);
	walk->unused = super; /* the mount has its own reference; this one goes when fs_tree is free */
	return result;
}

static long mount_again(struct fs_walk *walk, const struct fs_mount *request)
{
	struct fs_mounted *mount = walk->at.mount;
	long result = 0;

	if (!mount || walk->at.name != mount->root)
		return -EINVAL;
	if (request->flags & FS_MS_RDONLY && !(mount->flags & FS_MS_RDONLY) && mount->writers)
		return -EBUSY; /* nobody opens anything now */
	if (!(request->flags & FS_MS_BIND) && request->options[0] && mount->super->type->remount)
		result = mount->super->type->remount(mount->super, request->options);
	if (!result)
		mount->flags = flags_kept(request->flags);
	return result;
}

/* What is mounted below `from` is shown at the same places below the new mount. */
static long bind_below(struct fs_mounted *from, struct fs_name *root, struct fs_mounted *to, u32 depth)
{
	struct fs_mounted *mount, *last;
	long result = depth > BIND_DEPTH_MAX ? -ENOSPC : 0;

	for (last = fs_mounts; last->next; last = last->next)
		;
	for (mount = fs_mounts; !result && mount; mount = mount->next) {
		if (mount->parent == from && mount != to && fs_name_below(mount->point, root)) {
			struct fs_mounted *copy;

			result = fs_mount_attach(mount->super, mount->root, (struct fs_place){ to, mount->point }, mount->flags, mount->source);
			copy = result ? NULL : fs_mount_at(to, mount->point);
			if (copy)
				result = bind_below(mount, mount->root, copy, depth + 1);
		}
		if (mount == last)
			break;
	}
	return result;
}

static long mount_bind(struct fs_walk *from, struct fs_walk *walk, const struct fs_mount *request)
{
	long result;

	if (!from->found)
		return -EINVAL;
	if (fs_is_directory(from->inode) != fs_is_directory(walk->inode))
		return -ENOTDIR;
	result = fs_mount_attach(from->inode->super, from->found, walk->at, from->at.mount->flags, from->at.mount->source);
	if (!result && (request->flags & FS_MS_REC))
		result = bind_below(from->at.mount, from->found, fs_mount_at(walk->at.mount, walk->at.name), 0);
	return result;
}

static long mount_move(struct fs_walk *from, struct fs_walk *walk)
{
	struct fs_mounted *mount = from->at.mount;

	if (!from->found || !mount->parent || from->found != mount->root)
		return -EINVAL;
	if (fs_is_directory(from->inode) != fs_is_directory(walk->inode))
		return -ENOTDIR;
	if (fs_place_below(walk->at, from->at))
		return -ELOOP;
	walk->moved = (struct fs_place){ mount->parent, mount->point }; /* dropped when fs_tree is free */
	fs_place_hold(walk->at);
	fs_mount_move(mount, walk->at);
	return 0;
}

/* With fs_tree held exclusive; `from` is the walk to the source of a bind or move. */
static long mount_locked(struct fs_walk *from, struct fs_walk *walk, const struct fs_mount *request, const char *source)
{
	long result = fs_walk_run(walk);

	if (result)
		return result;
	if (!fs_capable(walk->who, FS_CAP_SYS_ADMIN))
		return -EPERM;
	if (request->flags & FS_MS_REMOUNT)
		return mount_again(walk, request);
	if (request->flags & PROPAGATION_FLAGS)
		return walk->at.name == walk->at.mount->root ? 0 : -EINVAL; /* one namespace: all mounts are private */
	if (request->flags & (FS_MS_BIND | FS_MS_MOVE)) {
		result = fs_walk_run(from);
		if (result)
			return result;
		return request->flags & FS_MS_BIND ? mount_bind(from, walk, request) : mount_move(from, walk);
	}
	return mount_new(walk, request, source);
}

static long mount_run(const struct rt_request *rq, const struct fs_mount *request, const char *source, const struct fs_segment paths[2])
{
	struct fs_walk *walks = heap_alloc(2 * sizeof(*walks));
	long result = walks ? fs_walk_begin(&walks[0], rq, request->client, FS_CWD, FS_WALK_FOLLOW) : -ENOMEM;

	if (result) {
		heap_free(walks);
		return result;
	}
	result = fs_walk_begin(&walks[1], rq, request->client, FS_CWD, FS_WALK_FOLLOW);
	if (!result) {
		if (request->flags & (FS_MS_BIND | FS_MS_MOVE) && !(request->flags & (FS_MS_REMOUNT | PROPAGATION_FLAGS)))
			result = fs_walk_path(&walks[0], paths[0].rest, paths[0].left);
		if (!result)
			result = fs_walk_path(&walks[1], paths[1].rest, paths[1].left);
		if (!result) {
			fs_gate_exclusive(&fs_tree);
			result = mount_locked(&walks[0], &walks[1], request, source);
			if (!result)
				stable_commit(0, 0);
			fs_gate_release(&fs_tree);
		}
		if (walks[1].unused)
			fs_super_put(walks[1].unused);
		if (walks[1].moved.name)
			fs_place_put(walks[1].moved);
		fs_walk_end(&walks[1]);
	}
	fs_walk_end(&walks[0]);
	heap_free(walks);
	return result;
}

long fs_op_mount(const struct rt_request *rq, const struct fs_mount *request, const void *source, size_t source_size, const void *target,
	size_t target_size)
{
	const struct fs_segment paths[2] = { { .rest = source, .left = source_size }, { .rest = target, .left = target_size } };
	struct fs_mount *copy;
	char *name;
	size_t length = strnlen(source, source_size);
	long result = -ENOMEM;

	if (!text_ends(request->type, sizeof(request->type)) || !text_ends(request->options, sizeof(request->options)))
		return -EINVAL;
	copy = heap_alloc(sizeof(*copy));
	name = heap_alloc(length + 5);
	if (copy && name) {
		*copy = *request;
		memcpy(name, length ? source : "none", length ? length : 4);
		result = mount_run(rq, copy, name, paths);
	}
	heap_free(copy);
	heap_free(name);
	fs_supers_reap();
	return result;
}

static bool has_children(const struct fs_mounted *mount)
{
	const struct fs_mounted *other;

	for (other = fs_mounts; other; other = other->next)
		if (other->parent == mount)
			return true;
	return false;
}

/* Takes a mount off its place, without those on it. The list's reference and the place go to the caller. */
static struct fs_place mount_detach(struct fs_mounted *mount)
{
	struct fs_place place = { mount->parent, mount->point };

	fs_mount_unlist(mount);
	fs_mount_move(mount, (struct fs_place){ NULL, NULL });
	return place;
}

/* The mount itself, or one on it that has none on it. */
static struct fs_mounted *deepest(struct fs_mounted *mount)
{
	struct fs_mounted *other = fs_mounts;

	while (other) {
		if (other->parent == mount) {
			mount = other;
			other = fs_mounts;
		} else {
			other = other->next;
		}
	}
	return mount;
}

static long umount_check(struct fs_walk *walk, u32 flags)
{
	struct fs_mounted *mount = walk->at.mount;

	if (!fs_capable(walk->who, FS_CAP_SYS_ADMIN))
		return -EPERM;
	if (!mount || walk->at.name != mount->root || !mount->parent)
		return -EINVAL;
	if (flags & FS_MNT_DETACH)
		return 0;
	return has_children(mount) || mount->references > 1 ? -EBUSY : 0;
}

long fs_op_umount(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size)
{
	u32 follow = at->flags & FS_UMOUNT_NOFOLLOW ? 0 : FS_WALK_FOLLOW;
	struct fs_mounted *mount, *top = NULL;
	struct fs_place place = { NULL, NULL };
	struct fs_walk walk;
	bool more = true;
	long result;

	if (at->flags & ~(u32)(FS_MNT_FORCE | FS_MNT_DETACH | FS_MNT_EXPIRE | FS_UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (at->flags & FS_MNT_EXPIRE)
		return at->flags & (FS_MNT_FORCE | FS_MNT_DETACH) ? -EINVAL : -EOPNOTSUPP;
	result = fs_walk_begin(&walk, rq, at->client, at->directory, follow);
	if (result)
		return result;
	result = fs_walk_path(&walk, path, path_size);
	while (!result && more) {
		fs_gate_exclusive(&fs_tree);
		mount = NULL;
		if (!top) {
			result = fs_walk_run(&walk);
			if (!result)
				result = umount_check(&walk, at->flags);
			if (!result) {
				top = walk.at.mount;
				fs_mount_hold(top);
			}
		}
		more = top && top->parent;   /* someone else may have been here between two rounds */
		if (more) {                  /* commit: one mount at a time, those on it first */
			mount = deepest(top);
			more = mount != top;
			place = mount_detach(mount);
			if (!more)
				stable_commit(0, 0);
		}
		fs_walk_unlock(&walk);
		if (mount) {
			fs_place_put(place);
			fs_mount_put(mount);
		}
	}
	if (top)
		fs_mount_put(top);
	fs_walk_end(&walk);
	fs_supers_reap();
	return result;
}
