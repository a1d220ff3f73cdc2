/* Memory files (memfd_create) and the hidden instances that they and pipes belong to. */
#include "recover.h"
#include <fs_server.h>
#include <mem_client.h>
#include <mem/mem_types.h>

const struct fs_type fs_pipefs_type = { .name = "pipefs", .magic = 0x50495045 };
static struct fs_super *memory_super, *pipe_super;
static struct fs_mounted *memory_mount, *pipe_mount;

struct fs_super *fs_pipe_super(void)
{
	return pipe_super;
}

/* A mount that is in no list, with a root directory for passing names. */
static struct fs_mounted *mount_hidden(struct fs_super *super)
{
	struct fs_mounted *mount = super ? heap_alloc(sizeof(*mount)) : NULL;
	struct fs_inode *root;

	if (!mount || fs_tmpfs_inode(super, FS_IFDIR, 0, &root))
		return NULL;
	super->root = fs_name_create("", 0, NULL, root);
	mount->references = 1;
	mount->super = super;
	mount->root = super->root;
	return super->root ? mount : NULL;
}

long fs_memory_start(void)
{
	memory_super = fs_super_create(&fs_tmpfs_type);
	pipe_super = fs_super_create(&fs_pipefs_type);
	memory_mount = mount_hidden(memory_super);
	pipe_mount = mount_hidden(pipe_super);
	return memory_mount && pipe_mount ? 0 : -ENOMEM;
}

long fs_memory_place(struct fs_inode *inode, struct fs_place *place)
{
	struct fs_mounted *mount = inode->super == pipe_super ? pipe_mount : memory_mount;
	struct fs_name *name;

	fs_inode_hold(inode);
	name = fs_name_create("file", 4, mount->root, inode);
	if (!name)
		return -ENOMEM;
	name->passing = true;
	fs_mount_hold(mount);
	*place = (struct fs_place){ mount, name };
	return 0;
}

long fs_op_memory_file(const struct rt_request *rq, u64 client, const void *name, size_t name_size, u32 flags, u64 *file, u64 *info)
{
	struct fs_client *c = fs_client_get(rq, client);
	struct fs_file *made;
	struct fs_inode *inode;
	size_t length = strnlen(name, name_size);
	long result;

	if (!c)
		return -EBADF;
	if ((flags & ~(u32)(FS_MFD_CLOEXEC | FS_MFD_ALLOW_SEALING)) || length > FS_MEMORY_NAME_MAX) {
		fs_client_put(c);
		return -EINVAL;
	}
	result = fs_tmpfs_inode(memory_super, FS_IFREG | 0777, 0, &inode);
	if (!result) {
		fs_gate_shared(&fs_tree);
		inode->uid = c->identity->ids.uid;
		inode->gid = c->identity->ids.gid;
		fs_gate_release(&fs_tree);
		inode->links = 0;
		inode->data.seals = flags & FS_MFD_ALLOW_SEALING ? 0 : FS_SEAL_SEAL;
		inode->data.name = heap_alloc(length + 1);
		if (inode->data.name)
			memcpy(inode->data.name, name, length);
		result = inode->data.name ? fs_file_create(rq, (struct fs_place){ NULL, NULL }, inode, FS_O_RDWR, &made) : -ENOMEM;
		fs_inode_put(inode);
	}
	fs_client_put(c);
	return result ? result : fs_file_answer(rq, made, file, info, NULL);
}

long fs_op_seals(const struct rt_request *rq, u64 handle, u32 add)
{
	struct fs_file *file = fs_file_get(rq, handle);
	struct mem_object_info object = { 0 };
	struct fs_inode *inode;
	long result = 0;

	if (!file)
		return -EBADF;
	inode = file->inode;
	/* Only memory files have seals; in Linux tmpfs files have F_SEAL_SEAL, others none. */
	if (!fs_file_is_data(file) || !inode->data.name) {
		result = fs_file_is_data(file) && !add ? FS_SEAL_SEAL : fs_file_is_data(file) ? -EPERM : -EINVAL;
		fs_file_put(file);
		return result;
	}
	fs_gate_exclusive(&inode->io);
	if (add & ~31u)
		result = -EINVAL;
	else if (add && (file->flags & FS_O_ACCMODE) == FS_O_RDONLY)
		result = -EPERM;
	else if (add && (inode->data.seals & FS_SEAL_SEAL))
		result = -EPERM;
	else if ((add & FS_SEAL_WRITE) && inode->data.object && mem_object_info(inode->data.object, &object) == 0 && object.writable_mappings)
		result = -EBUSY;
	else
		result = (long)(inode->data.seals |= add);
	fs_gate_release(&inode->io);
	fs_file_put(file);
	return result;
}

long fs_memory_recover(void)
{
	if (fs_recover_super(memory_super, true) || fs_recover_super(pipe_super, true) || memory_super->type != &fs_tmpfs_type ||
	    pipe_super->type != &fs_pipefs_type)
		return fs_bad("the instance of pipes or memory files");
	if (heap_kind(memory_mount->super) != FS_CLAIMED_SUPER || heap_kind(pipe_mount->super) != FS_CLAIMED_SUPER)
		return fs_bad("the mount of pipes or memory files");
	return fs_mount_recover(memory_mount, true) || fs_mount_recover(pipe_mount, true) ? -EIO : 0;
}
