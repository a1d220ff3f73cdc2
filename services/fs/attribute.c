/* Attributes of files by name or open file: stat, access, chmod, chown, utimes, links' texts, statfs. */
#include "fs.h"
#include <fs_server.h>
#include <abi/include/abi_stat.h>

#define NANOS_MAX INT64_MAX

/* The walk of an operation on something that exists, with fs_tree held shared after success. */
static long walk_to_target(struct fs_walk *walk, const struct rt_request *rq, const struct fs_at *at, const void *path, size_t size)
{
	u32 follow = at->flags & FS_AT_SYMLINK_NOFOLLOW ? 0 : FS_WALK_FOLLOW;
	long result = fs_walk_begin(walk, rq, at->client, at->directory, follow | fs_walk_flags_of(at->flags));

	if (result)
		return result;
	result = fs_walk_path(walk, path, size);
	if (!result) {
		fs_gate_shared(&fs_tree);
		result = fs_walk_run(walk);
		if (!result)
			return 0;
		fs_walk_unlock(walk);
	}
	fs_walk_end(walk);
	return result;
}

static void walk_done(struct fs_walk *walk)
{
	fs_walk_unlock(walk);
	fs_walk_end(walk);
}

/* Inlined: what a caller does not use is not made. */
static inline __attribute__((always_inline)) struct fs_stat inode_stat(struct fs_place place, struct fs_inode *inode)
{
	struct fs_stat status;

	if (inode->ops->refresh)
		inode->ops->refresh(inode);
	lock_acquire(&inode->lock);
	status = (struct fs_stat){
		.filesystem = inode->super->device, .inode = inode->number, .device = inode->device,
		.mount = place.mount ? place.mount->id : 0, .attributes = place.mount && place.name == place.mount->root ? 0x2000 : 0,
		.block_size = PAGE_SIZE, .mode = inode->mode, .links = inode->links, .uid = inode->uid, .gid = inode->gid, .size = inode->size,
		.blocks = fs_inode_type(inode) == FS_IFREG && inode->ops->kind == FS_KIND_FILE ? inode->data.charged * (PAGE_SIZE / 512) : 0,
		.accessed = fs_time_of_nanos(inode->accessed), .modified = fs_time_of_nanos(inode->modified),
		.changed = fs_time_of_nanos(inode->changed), .created = fs_time_of_nanos(inode->created),
	};
	lock_release(&inode->lock);
	return status;
}

long fs_op_stat_at(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size, struct fs_stat *result)
{
	struct fs_walk walk;
	long error = walk_to_target(&walk, rq, at, path, path_size);

	if (error)
		return error;
	*result = inode_stat(walk.at, walk.inode);
	walk_done(&walk);
	return 0;
}

long fs_op_stat(const struct rt_request *rq, u64 handle, struct fs_stat *result)
{
	struct fs_file *file = fs_file_get(rq, handle);

	if (!file)
		return -EBADF;
	*result = inode_stat(file->place, file->inode);
	fs_file_put(file);
	return 0;
}

/* As the application sees it. */
union stat_shown {
	struct linux_stat stat;
	struct linux_statx statx;
};

static void inode_show(struct fs_place place, struct fs_inode *inode, u32 format, union stat_shown *shown)
{
	struct fs_stat status;

	if (format == FS_STAT_LINUX) {
		status = inode_stat(place, inode);
		shown->stat = linux_stat_of(&status);
	} else {
		status = inode_stat(place, inode);
		shown->statx = linux_statx_of(&status);
	}
}

static bool format_known(u32 format, u64 size)
{
	return format <= FS_STAT_LINUX_STATX && size == linux_stat_size(format);
}

long fs_op_stat_show(const struct rt_request *rq, u64 handle, vaddr_t to, u64 to_size, u32 format)
{
	struct fs_file *file = format_known(format, to_size) ? fs_file_get(rq, handle) : NULL;
	union stat_shown shown;

	if (!file)
		return format_known(format, to_size) ? -EBADF : -EINVAL;
	inode_show(file->place, file->inode, format, &shown);
	fs_file_put(file);
	return user_copy_out(to, &shown, to_size);
}

long fs_op_stat_show_at(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size, vaddr_t to, u64 to_size)
{
	u32 format = at->mode;
	union stat_shown shown;
	struct fs_walk walk;
	long error = format_known(format, to_size) ? walk_to_target(&walk, rq, at, path, path_size) : -EINVAL;

	if (error)
		return error;
	inode_show(walk.at, walk.inode, format, &shown);
	walk_done(&walk);
	return user_copy_out(to, &shown, to_size);
}

/* Credentials of access(2): the real ids, and all capabilities that root has permitted. */
static void real_identity(struct fs_identity *real, const struct fs_identity *who)
{
	real->ids = who->ids;
	real->ids.uid = who->ids.real_uid;
	real->ids.gid = who->ids.real_gid;
	real->ids.capabilities = who->ids.real_uid == 0 ? who->ids.permitted : 0;
	real->group_count = who->group_count;
	memcpy(real->groups, who->groups, who->group_count * sizeof(u32));
}

static long access_check(struct fs_walk *walk, const struct fs_identity *who, u32 mask)
{
	struct fs_inode *inode = walk->inode;
	u32 type = fs_inode_type(inode);

	if ((mask & FS_MAY_EXECUTE) && type == FS_IFREG && walk->at.mount && (walk->at.mount->flags & FS_MS_NOEXEC))
		return -EACCES;
	if (mask && fs_permission(who, inode, mask))
		return -EACCES;
	if ((mask & FS_MAY_WRITE) && type != FS_IFCHR && type != FS_IFBLK && type != FS_IFIFO && type != FS_IFSOCK)
		return fs_place_writable(walk->at);
	return 0;
}

long fs_op_access(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size)
{
	struct fs_walk walk;
	struct fs_identity *real;
	u32 follow = at->flags & FS_AT_SYMLINK_NOFOLLOW ? 0 : FS_WALK_FOLLOW;
	long result;

	if (at->mode & ~7u)
		return -EINVAL;
	result = fs_walk_begin(&walk, rq, at->client, at->directory, follow | fs_walk_flags_of(at->flags));
	if (result)
		return result;
	result = fs_walk_path(&walk, path, path_size);
	fs_gate_shared(&fs_tree);
	real = heap_alloc(sizeof(*real) + walk.client->identity->group_count * sizeof(u32));
	if (!real)
		result = -ENOMEM;
	if (!result) {
		real_identity(real, walk.client->identity);
		walk.as = at->flags & FS_AT_EACCESS ? NULL : real;
		result = fs_walk_run(&walk);
	}
	if (!result)
		result = access_check(&walk, walk.who, at->mode);
	fs_walk_unlock(&walk);
	fs_walk_end(&walk);
	heap_free(real);
	return result;
}

long fs_link_text(const struct fs_client *client, struct fs_inode *inode, char *text, size_t capacity)
{
	size_t length;

	if (inode->ops->follow_text)
		return inode->ops->follow_text(client, inode, text, capacity);
	if (inode->ops->link_text)
		return inode->ops->link_text(inode, text, capacity);
	length = inode->size < capacity ? inode->size : capacity;
	memcpy(text, inode->target, length);
	return (long)length;
}

long fs_op_readlink(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size, void *target,
	size_t target_capacity)
{
	struct fs_at of = *at;
	struct fs_walk walk;
	long result;

	of.flags |= FS_AT_SYMLINK_NOFOLLOW;
	result = walk_to_target(&walk, rq, &of, path, path_size);
	if (result)
		return result;
	if (target_capacity == 0) {
		result = -EINVAL;
	} else if (fs_inode_type(walk.inode) != FS_IFLNK) {
		result = path_size == 0 || !*(const char *)path ? -ENOENT : -EINVAL;
	} else {
		fs_inode_accessed(walk.at, walk.inode, 0);
		result = fs_link_text(walk.client, walk.inode, target, target_capacity);
	}
	walk_done(&walk);
	return result;
}

long fs_op_chmod(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size)
{
	struct fs_walk walk;
	u32 mode = at->mode & 07777;
	long result = walk_to_target(&walk, rq, at, path, path_size);

	if (result)
		return result;
	result = fs_place_writable(walk.at);
	if (!result && !fs_owner_or_capable(walk.who, walk.inode))
		result = -EPERM;
	if (!result && fs_inode_type(walk.inode) == FS_IFLNK)
		result = -EOPNOTSUPP;
	if (!result && walk.inode->generated.pid)
		result = -EPERM; /* what belongs to a process in procfs keeps its mode */
	if (!result) {
		if (!fs_identity_in_group(walk.who, walk.inode->gid) && !fs_capable(walk.who, FS_CAP_FSETID))
			mode &= ~(u32)FS_ISGID;
		lock_acquire(&walk.inode->lock);
		walk.inode->mode = (walk.inode->mode & FS_IFMT) | mode;
		lock_release(&walk.inode->lock);
		fs_inode_touch(walk.inode, false, true);
	}
	walk_done(&walk);
	return result;
}

/* May these credentials give the file to uid and gid (~0: as it is)? */
static long chown_check(const struct fs_identity *who, struct fs_inode *inode, u32 uid, u32 gid)
{
	if (fs_capable(who, FS_CAP_CHOWN))
		return 0;
	if (uid != ~0u && (who->ids.uid != inode->uid || uid != inode->uid))
		return -EPERM;
	if (gid != ~0u && (who->ids.uid != inode->uid || (gid != inode->gid && !fs_identity_in_group(who, gid))))
		return -EPERM;
	/* Nothing changes but what a change of owner drops, and that is the owner's to drop. */
	if (uid == ~0u && gid == ~0u && !fs_is_directory(inode) && inode->mode & (FS_ISUID | FS_ISGID) && !fs_owner_or_capable(who, inode))
		return -EPERM;
	return 0;
}

long fs_op_chown(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size)
{
	u32 uid = (u32)at->value, gid = (u32)(at->value >> 32);
	struct fs_walk walk;
	struct fs_inode *inode;
	long result = walk_to_target(&walk, rq, at, path, path_size);

	if (result)
		return result;
	inode = walk.inode;
	result = fs_place_writable(walk.at);
	if (!result)
		result = chown_check(walk.who, inode, uid, gid);
	if (!result) {
		lock_acquire(&inode->lock);
		if (uid != ~0u)
			inode->uid = uid;
		if (gid != ~0u)
			inode->gid = gid;
		lock_release(&inode->lock);
		fs_inode_drop_privileges(inode);
		fs_inode_touch(inode, false, true);
	}
	walk_done(&walk);
	return result;
}

/* Clamped to what the 64-bit nanoseconds of an inode hold. */
static i64 nanos_of_time(const struct fs_time *time)
{
	if (time->seconds >= NANOS_MAX / 1000000000)
		return NANOS_MAX;
	if (time->seconds <= -(NANOS_MAX / 1000000000))
		return -NANOS_MAX;
	return time->seconds * 1000000000 + time->nanos;
}

static bool time_valid(const struct fs_time *time)
{
	return time->nanos < 1000000000 || time->nanos == FS_TIME_NOW || time->nanos == FS_TIME_OMIT;
}

static void times_set(struct fs_inode *inode, const struct fs_times *times)
{
	i64 now = fs_now();

	lock_acquire(&inode->lock);
	if (times->both_now || times->accessed.nanos == FS_TIME_NOW)
		inode->accessed = now;
	else if (times->accessed.nanos != FS_TIME_OMIT)
		inode->accessed = nanos_of_time(&times->accessed);
	if (times->both_now || times->modified.nanos == FS_TIME_NOW)
		inode->modified = now;
	else if (times->modified.nanos != FS_TIME_OMIT)
		inode->modified = nanos_of_time(&times->modified);
	inode->changed = now;
	lock_release(&inode->lock);
}

long fs_op_utimes(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size, const struct fs_times *times)
{
	bool now = times->both_now || (times->accessed.nanos == FS_TIME_NOW && times->modified.nanos == FS_TIME_NOW);
	struct fs_walk walk;
	long result;

	if (!times->both_now) {
		if (!time_valid(&times->accessed) || !time_valid(&times->modified))
			return -EINVAL;
		if (times->accessed.nanos == FS_TIME_OMIT && times->modified.nanos == FS_TIME_OMIT)
			return 0;
	}
	result = walk_to_target(&walk, rq, at, path, path_size);
	if (result)
		return result;
	result = fs_place_writable(walk.at);
	if (!result && !fs_owner_or_capable(walk.who, walk.inode))
		result = !now ? -EPERM : fs_permission(walk.who, walk.inode, FS_MAY_WRITE);
	if (!result)
		times_set(walk.inode, times);
	walk_done(&walk);
	return result;
}

long fs_op_statfs(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size, struct fs_statfs *result)
{
	struct fs_walk walk;
	struct fs_super *super;
	long error = walk_to_target(&walk, rq, at, path, path_size);

	if (error)
		return error;
	super = walk.inode->super;
	memset(result, 0, sizeof(*result));
	result->type = super->type->magic;
	result->block_size = result->fragment_size = PAGE_SIZE;
	result->name_max = FS_NAME_MAX;
	result->id = super->device;
	if (super->type->statfs)
		super->type->statfs(super, result);
	/* ST_VALID, and the mount's own: ST_RDONLY, NOSUID, NODEV, NOEXEC, NOATIME, NODIRATIME, RELATIME */
	result->flags = 0x20;
	if (walk.at.mount) {
		u32 flags = walk.at.mount->flags;

		result->flags |= (flags & 15) | (flags & (FS_MS_NOATIME | FS_MS_NODIRATIME)) | (flags & FS_MS_RELATIME ? 0x1000 : 0);
	}
	walk_done(&walk);
	return 0;
}
