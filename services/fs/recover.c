/* Recovery: names, inodes and instances, and the order in which all is done. */
#include "recover.h"

#define SYMLINK_MAX (FS_PATH_MAX - 1)

static FRESH struct fs_name *unscanned;   /* names that were claimed and not looked into, by hash_next */

long fs_bad(const char *what)
{
	log_line("fs: what was kept is damaged: %s", what);
	return -EIO;
}

bool fs_is_bool(const bool *value)
{
	u8 byte;

	memcpy(&byte, value, sizeof(byte));
	return byte <= 1;
}

bool fs_claim_text(const char *text, size_t size)
{
	size_t limit;

	if (!heap_claim(text, 1, FS_CLAIMED_BYTES))
		return false;
	limit = heap_size(text) < size ? heap_size(text) : size;
	return strnlen(text, limit) < limit;
}

long fs_recover_name(struct fs_name *name)
{
	u32 kind = heap_kind(name);

	if (kind != FS_CLAIMED_NAME && kind != FS_CLAIMED_LISTED) {
		if (!heap_claim(name, sizeof(*name), FS_CLAIMED_NAME))
			return fs_bad("a name");
		name->references = 0;
		name->hash_next = unscanned;
		unscanned = name;
	}
	name->references++;
	return 0;
}

long fs_recover_place(struct fs_place place)
{
	long result = fs_mount_recover(place.mount, false);

	return result ? result : fs_recover_name(place.name);
}

long fs_recover_super(struct fs_super *super, bool mounted)
{
	if (heap_kind(super) != FS_CLAIMED_SUPER) {
		if (!heap_claim(super, sizeof(*super), FS_CLAIMED_SUPER) || !fs_type_known(super->type))
			return fs_bad("an instance of a file system");
		super->references = 0;
		super->memory_references = 0;
		super->pages_used = super->inodes_used = 0;
		super->next_dead = NULL;
	}
	if (!mounted) {
		super->memory_references++;
		return 0;
	}
	return super->references++ ? 0 : fs_recover_name(super->root);
}

/* ---- Inodes -------------------------------------------------------------------------------------------------------------------- */

static long node_recover(struct fs_inode *inode)
{
	u32 type = fs_inode_type(inode);

	inode->super->inodes_used++;
	if (inode->super->type != &fs_pipefs_type)
		inode->links = 0;   /* counted with the names */
	inode->ops = fs_tmpfs_ops(inode->mode);
	if (type == FS_IFREG) {
		inode->data.next = NULL;
		inode->data.charged = 0;
		return !inode->data.name || fs_claim_text(inode->data.name, FS_MEMORY_NAME_MAX + 1) ? 0 : fs_bad("the name of a memory file");
	}
	if (type == FS_IFLNK)
		return inode->size <= SYMLINK_MAX && heap_claim(inode->target, inode->size + 1, FS_CLAIMED_BYTES) ? 0 : fs_bad("a symbolic link");
	return type == FS_IFIFO && inode->pipe ? fs_recover_pipe(inode->pipe) : 0;
}

static bool type_known(u32 mode)
{
	u32 type = mode & FS_IFMT;

	return !(mode & ~(u32)(FS_IFMT | 07777)) && (type == FS_IFREG || type == FS_IFDIR || type == FS_IFLNK || type == FS_IFIFO ||
		type == FS_IFSOCK || type == FS_IFCHR || type == FS_IFBLK);
}

static long inode_look(struct fs_inode *inode)
{
	long result = fs_recover_super(inode->super, false);

	if (result)
		return result;
	if (!type_known(inode->mode) || inode->size > FS_OFFSET_MAX || !fs_is_bool(&inode->linkable))
		return fs_bad("an inode");
	result = inode->super->type->fixed ? fs_proc_inode_recover(inode) : node_recover(inode);
	return result || !inode->locks ? result : fs_locks_recover_inode(inode->locks);
}

long fs_recover_inode(struct fs_inode *inode)
{
	if (!fs_claimed_inode(inode)) {
		if (!heap_claim(inode, sizeof(*inode), FS_CLAIMED_INODE))
			return fs_bad("an inode is missing");
		if (fs_gate_recover(&inode->io))
			heap_reclaim(inode, FS_CLAIMED_WRITTEN);
		inode->lock = (struct rt_lock)RT_LOCK_INIT;
		inode->references = 0;
		inode->writers = 0;
		inode->alias = NULL;
		if (inode_look(inode))
			return -EIO;
	}
	inode->references++;
	return 0;
}

/* ---- Names --------------------------------------------------------------------------------------------------------------------- */

static bool name_text_recover(struct fs_name *name)
{
	size_t there = heap_size(name) - sizeof(*name);

	if (name->length > FS_NAME_MAX)
		return false;
	if (name->text != name->own_text) {
		if (!heap_claim(name->text, name->length + 1u, FS_CLAIMED_BYTES))
			return false;
		there = heap_size(name->text);
	}
	if (name->room > there)
		name->room = (u16)(name->length + 1);
	return name->length < there;
}

static long children_look(struct fs_name *name)
{
	struct fs_inode *directory = name->inode;
	struct fs_name *child, *last = NULL;
	u64 count = 0;

	for (child = directory->children.first; child; child = child->next, count++) {
		if (fs_recover_name(child))
			return -EIO;
		if (heap_kind(child) != FS_CLAIMED_NAME || !fs_is_bool(&child->linked) || !child->linked || child->parent != name || child->previous != last ||
		    (last && child->cookie <= last->cookie))
			return fs_bad("the names in a directory");
		heap_reclaim(child, FS_CLAIMED_LISTED);
		last = child;
	}
	directory->children.last = last;
	directory->children.count = count;
	return last && directory->children.next_cookie <= last->cookie ? fs_bad("the places of names in a directory") : 0;
}

static long name_look(struct fs_name *name)
{
	if (!fs_is_bool(&name->linked) || !fs_is_bool(&name->passing) || !name_text_recover(name) || (name->linked && (name->passing || name->parent == name)))
		return fs_bad("the text of a name");
	if (fs_recover_inode(name->inode) || (name->parent != name && fs_recover_name(name->parent)))
		return -EIO;
	return fs_is_directory(name->inode) ? children_look(name) : 0;
}

static long names_look(void)
{
	while (unscanned) {
		struct fs_name *name = unscanned;

		unscanned = name->hash_next;
		if (name_look(name))
			return -EIO;
	}
	return 0;
}

/* ---- All ----------------------------------------------------------------------------------------------------------------------- */

static void supers_recovered(void)
{
	struct fs_super *super;

	for (super = heap_next(NULL, FS_CLAIMED_SUPER); super; super = heap_next(super, FS_CLAIMED_SUPER)) {
		if (super->references)
			super->memory_references++;
		else
			super->root = NULL;   /* only inodes are left of it */
	}
}

static u32 claimed_count(enum fs_claimed kind)
{
	u32 count = 0;
	void *p;

	for (p = heap_next(NULL, kind); p; p = heap_next(p, kind))
		count++;
	return count;
}

long fs_recover(void)
{
	u32 names, files;

	(void)fs_gate_recover(&fs_tree);
	fs_start_recover();
	if (fs_mounts_recover() || fs_memory_recover() || fs_tmpfs_recover() || fs_proc_recover() || fs_handles_recover() || names_look())
		return -EIO;
	if (fs_names_recover() || fs_objects_recover() || fs_locks_recovered())
		return -EIO;
	if (!fs_mounts_stacked())
		return fs_bad("a mount that its point does not know");
	fs_pipes_recovered();
	supers_recovered();
	names = claimed_count(FS_CLAIMED_LISTED);
	files = claimed_count(FS_CLAIMED_FILE);
	log_line("fs: goes on with %u names and %u open files; %llu blocks freed", names, files, (unsigned long long)heap_sweep());
	return 0;
}
