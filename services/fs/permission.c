/* Permission checks with owner, group, others and capabilities. fs_tree is held, so credentials stand still. */
#include "fs.h"

long fs_permission(const struct fs_identity *who, struct fs_inode *inode, u32 mask)
{
	u32 mode, granted;

	if (inode->ops->refresh)
		inode->ops->refresh(inode);
	mode = inode->mode; /* one load: a change at the same time counts before or after */
	if (who->ids.uid == inode->uid)
		granted = mode >> 6;
	else if (fs_identity_in_group(who, inode->gid))
		granted = mode >> 3;
	else
		granted = mode;
	if ((mask & ~granted & 7) == 0)
		return 0;
	if (fs_is_directory(inode)) {
		if (fs_capable(who, FS_CAP_DAC_OVERRIDE))
			return 0;
		return !(mask & FS_MAY_WRITE) && fs_capable(who, FS_CAP_DAC_READ_SEARCH) ? 0 : -EACCES;
	}
	/* Execution needs at least one execute bit, whoever asks. */
	if (fs_capable(who, FS_CAP_DAC_OVERRIDE) && (!(mask & FS_MAY_EXECUTE) || (mode & 0111)))
		return 0;
	return mask == FS_MAY_READ && fs_capable(who, FS_CAP_DAC_READ_SEARCH) ? 0 : -EACCES;
}

bool fs_owner_or_capable(const struct fs_identity *who, struct fs_inode *inode)
{
	if (inode->ops->refresh)
		inode->ops->refresh(inode);
	return who->ids.uid == inode->uid || fs_capable(who, FS_CAP_FOWNER);
}

long fs_may_create(const struct fs_identity *who, struct fs_place directory)
{
	/* A removed directory takes nothing any more. */
	if (!directory.name->linked && directory.name != directory.name->parent)
		return -ENOENT;
	return fs_permission(who, directory.name->inode, FS_MAY_WRITE | FS_MAY_EXECUTE);
}

long fs_may_delete(const struct fs_identity *who, struct fs_place directory, struct fs_name *victim, bool want_directory)
{
	struct fs_inode *folder = directory.name->inode, *inode = victim->inode;
	long result = fs_permission(who, folder, FS_MAY_WRITE | FS_MAY_EXECUTE);

	if (result)
		return result;
	if ((folder->mode & FS_ISVTX) && who->ids.uid != inode->uid && who->ids.uid != folder->uid && !fs_capable(who, FS_CAP_FOWNER))
		return -EPERM;
	if (want_directory)
		return !fs_is_directory(inode) ? -ENOTDIR : victim->mounted || victim->parent == victim ? -EBUSY : 0;
	return fs_is_directory(inode) ? -EISDIR : 0;
}
