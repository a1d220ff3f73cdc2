/* Recovery of procfs: what its inodes say is one of a few things. */
#include "proc.h"
#include "recover.h"

static bool entry_in(const struct fs_proc_entry *entry, const struct fs_proc_entry *table, u32 count)
{
	u64 offset = (u64)entry - (u64)table;

	return offset < count * sizeof(*table) && offset % sizeof(*table) == 0;
}

static bool entry_known(const struct fs_proc_entry *entry)
{
	return entry_in(entry, fs_proc_static, fs_proc_static_count) || entry_in(entry, fs_sysfs_static, fs_sysfs_static_count) ||
	       entry_in(entry, fs_proc_task, fs_proc_task_count) || fs_proc_entry_own(entry);
}

long fs_proc_inode_recover(struct fs_inode *inode)
{
	static const struct fs_inode_ops *const directories[] = { &fs_proc_directory_ops, &fs_proc_root_ops, &fs_proc_task_directory_ops,
		&fs_proc_threads_directory_ops, &fs_proc_descriptors_ops, &fs_proc_descriptor_infos_ops };
	const struct fs_proc_entry *entry = inode->generated.entry;
	long result = fs_proc_descriptor_recover(inode);
	u32 i;

	if (result != 1)
		return result;
	if (!entry_known(entry) || inode->generated.data)
		return fs_bad("an inode of /proc");
	for (i = 0; i < countof(directories); i++)
		if (inode->ops == directories[i])
			return fs_is_directory(inode) ? 0 : fs_bad("a directory of /proc");
	if (fs_is_directory(inode) || (inode->ops != &fs_proc_file_ops && (inode->ops != &fs_proc_link_ops || !entry->link) &&
	    (inode->ops != &fs_proc_magic_ops || !entry->follow)))
		return fs_bad("a file of /proc");
	return 0;
}
