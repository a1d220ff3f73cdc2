/* Inodes: what all kinds of files have in common. */
#include "fs.h"

#define DAY_NANOS (24ll * 3600 * 1000000000)

struct fs_inode *fs_inode_create(struct fs_super *super, u32 mode)
{
	struct fs_inode *inode = heap_alloc(sizeof(*inode));

	if (!inode)
		return NULL;
	lock_rank_set(&inode->lock, RANK_FS_INODE);
	inode->references = 1;
	inode->mode = mode;
	inode->links = fs_is_directory(inode) ? 2 : 1;
	inode->super = super;
	__atomic_add_fetch(&super->memory_references, 1, __ATOMIC_RELAXED); /* the caller's keeps it alive */
	inode->number = __atomic_add_fetch(&super->next_inode, 1, __ATOMIC_RELAXED); /* a number by itself */
	inode->accessed = inode->modified = inode->changed = inode->created = fs_now();
	return inode;
}

void fs_inode_hold(struct fs_inode *inode)
{
	__atomic_add_fetch(&inode->references, 1, __ATOMIC_RELAXED); /* the caller has one or holds fs_tree */
}

void fs_inode_put(struct fs_inode *inode)
{
	if (__atomic_sub_fetch(&inode->references, 1, __ATOMIC_ACQ_REL)) /* the last one sees all uses as over */
		return;
	if (inode->ops && inode->ops->destroy)
		inode->ops->destroy(inode);
	fs_locks_destroy(inode->locks);
	fs_super_memory_put(inode->super);
	heap_free(inode);
}

/* Notes a change of content or attributes; lock must not be held. */
void fs_inode_touch(struct fs_inode *inode, bool modified, bool changed)
{
	i64 now = fs_now();

	lock_acquire(&inode->lock);
	if (modified)
		inode->modified = now;
	if (modified || changed)
		inode->changed = now;
	lock_release(&inode->lock);
}

/* Notes a read, as the mount's options want it (relatime unless told otherwise). */
void fs_inode_accessed(struct fs_place place, struct fs_inode *inode, u32 open_flags)
{
	u32 flags = place.mount ? place.mount->flags : 0;
	i64 now, before = inode->accessed;

	if ((flags & (FS_MS_NOATIME | FS_MS_RDONLY)) || ((flags & FS_MS_NODIRATIME) && fs_is_directory(inode)) || (open_flags & FS_O_NOATIME))
		return;
	/* Read without the lock: at worst an update is left out that another reader makes. */
	if ((flags & FS_MS_RELATIME) && before > inode->modified && before > inode->changed && fs_now() - before < DAY_NANOS)
		return;
	now = fs_now();
	lock_acquire(&inode->lock);
	inode->accessed = now;
	lock_release(&inode->lock);
}

void fs_inode_drop_privileges(struct fs_inode *inode)
{
	lock_acquire(&inode->lock);
	if (!fs_is_directory(inode))
		inode->mode &= ~(u32)(FS_ISUID | (inode->mode & 010 ? FS_ISGID : 0));
	lock_release(&inode->lock);
}
