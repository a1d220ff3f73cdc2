/* Clients: working directory, root and umask (shared by CLONE_FS), and the credentials that permission checks use. */
#include "fs.h"
#include <fs_server.h>

static void identity_put(struct fs_identity *who)
{
	if (__atomic_sub_fetch(&who->references, 1, __ATOMIC_ACQ_REL) == 0) /* the last one sees all uses as over */
		heap_free(who);
}

static void directories_put(struct fs_directories *directories)
{
	if (__atomic_sub_fetch(&directories->references, 1, __ATOMIC_ACQ_REL)) /* as above */
		return;
	fs_place_put(directories->root);
	fs_place_put(directories->working);
	heap_free(directories);
}

/* A copy of the directories, or new ones at the first root; fs_tree is held. */
static struct fs_directories *directories_create(const struct fs_directories *from)
{
	struct fs_directories *directories = heap_alloc(sizeof(*directories));

	if (!directories)
		return NULL;
	directories->references = 1;
	directories->umask = from ? from->umask : 022;
	directories->root = from ? from->root : fs_root;
	directories->working = from ? from->working : fs_root;
	fs_place_hold(directories->root);
	fs_place_hold(directories->working);
	return directories;
}

static struct fs_identity *identity_create(const struct fs_credentials *ids, const u32 *groups, u32 count)
{
	struct fs_identity *who = heap_alloc(sizeof(*who) + count * sizeof(u32));
	u32 i, at;

	if (!who)
		return NULL;
	who->references = 1;
	who->ids = *ids;
	for (i = 0; i < count; i++) {   /* insertion sort: few groups, mostly sorted */
		for (at = i; at > 0 && who->groups[at - 1] > groups[i]; at--)
			who->groups[at] = who->groups[at - 1];
		who->groups[at] = groups[i];
	}
	who->group_count = count;
	return who;
}

bool fs_identity_in_group(const struct fs_identity *who, u32 gid)
{
	u32 low = 0, high = who->group_count;

	if (who->ids.gid == gid)
		return true;
	while (low < high) {
		u32 middle = (low + high) / 2;

		if (who->groups[middle] == gid)
			return true;
		if (who->groups[middle] < gid)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

struct fs_client *fs_client_get(const struct rt_request *rq, u64 handle)
{
	return fs_handle_get(handle, rq->caller, FS_HANDLE_CLIENT);
}

void fs_client_put(struct fs_client *client)
{
	fs_handle_put(client->handle);
}

void fs_client_destroy(struct fs_client *client)
{
	directories_put(client->directories);
	identity_put(client->identity);
	fs_descriptors_forget(client);
	heap_free(client);
}

/* Makes the handle of a client whose parts are there (or NULL: out of memory); takes them over. */
static long client_publish(const struct rt_request *rq, struct fs_directories *directories, struct fs_identity *who, u64 *handle)
{
	struct fs_client *client = heap_alloc(sizeof(*client));

	if (client && directories && who) {
		client->directories = directories;
		client->identity = who;
		*handle = fs_handle_create(rq->caller, FS_HANDLE_CLIENT, client);
		/* No one can use a handle that was not told yet: its number may be written after. */
		client->handle = *handle;
		if (*handle) {
			stable_commit_made(&(struct stable_result){ .outs = { *handle } }, NULL);
			return 0;
		}
	}
	if (directories)
		directories_put(directories);
	if (who)
		identity_put(who);
	heap_free(client);
	return -ENOMEM;
}

long fs_op_client_create(const struct rt_request *rq, u64 *client)
{
	static const struct fs_credentials root = { .capabilities = ~0ull, .permitted = ~0ull };
	struct fs_directories *directories;

	fs_gate_shared(&fs_tree);
	directories = directories_create(NULL);
	fs_gate_release(&fs_tree);
	return client_publish(rq, directories, identity_create(&root, NULL, 0), client);
}

long fs_op_client_fork(const struct rt_request *rq, u64 client, u32 flags, u64 *child)
{
	struct fs_client *from = fs_client_get(rq, client);
	struct fs_directories *directories;
	struct fs_identity *who;

	if (!from)
		return -EBADF;
	fs_gate_shared(&fs_tree);
	who = from->identity;
	__atomic_add_fetch(&who->references, 1, __ATOMIC_RELAXED); /* from holds one */
	if (flags & FS_CLIENT_SHARE) {
		directories = from->directories;
		__atomic_add_fetch(&directories->references, 1, __ATOMIC_RELAXED);
	} else {
		directories = directories_create(from->directories);
	}
	fs_gate_release(&fs_tree);
	fs_client_put(from);
	return client_publish(rq, directories, who, child);
}

long fs_op_client_unshare(const struct rt_request *rq, u64 client)
{
	struct fs_client *c = fs_client_get(rq, client);
	struct fs_directories *mine, *old = NULL;

	if (!c)
		return -EBADF;
	fs_gate_exclusive(&fs_tree);
	mine = directories_create(c->directories);
	if (mine) {
		old = c->directories;
		c->directories = mine;
	}
	fs_gate_release(&fs_tree);
	if (old)
		directories_put(old);
	fs_client_put(c);
	return mine ? 0 : -ENOMEM;
}

long fs_op_client_credentials(const struct rt_request *rq, u64 client, const struct fs_credentials *credentials, const void *groups,
	size_t groups_size)
{
	struct fs_client *c = fs_client_get(rq, client);
	struct fs_identity *who, *old;

	if (!c)
		return -EBADF;
	if (groups_size % sizeof(u32) || groups_size / sizeof(u32) > FS_GROUPS_MAX) {
		fs_client_put(c);
		return -EINVAL;
	}
	who = identity_create(credentials, groups, (u32)(groups_size / sizeof(u32)));
	if (!who) {
		fs_client_put(c);
		return -ENOMEM;
	}
	fs_gate_exclusive(&fs_tree);
	old = c->identity;
	c->identity = who;
	fs_gate_release(&fs_tree);
	identity_put(old);
	fs_client_put(c);
	return 0;
}

long fs_op_client_release(const struct rt_request *rq, u64 client)
{
	long result = fs_handle_close(client, rq->caller, FS_HANDLE_CLIENT);

	fs_supers_reap();
	return result;
}

long fs_op_umask_set(const struct rt_request *rq, u64 client, u32 mask)
{
	struct fs_client *c = fs_client_get(rq, client);
	long old;

	if (!c)
		return -EBADF;
	fs_gate_exclusive(&fs_tree);
	old = c->directories->umask;
	c->directories->umask = mask & 0777;
	stable_commit(old, 0);
	fs_gate_release(&fs_tree);
	fs_client_put(c);
	return old;
}

/* Sets working directory or root to where the walk ended, if it may be searched. */
static long directory_change(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size, bool change_root)
{
	struct fs_walk walk;
	struct fs_place old = { NULL, NULL };
	struct fs_place *place;
	long result = fs_walk_begin(&walk, rq, at->client, at->directory,
		FS_WALK_FOLLOW | FS_WALK_DIRECTORY | fs_walk_flags_of(at->flags));

	if (result)
		return result;
	result = fs_walk_path(&walk, path, path_size);
	fs_gate_exclusive(&fs_tree);
	if (!result)
		result = fs_walk_run(&walk);
	if (!result)
		result = fs_permission(walk.who, walk.found->inode, FS_MAY_EXECUTE);
	if (!result && change_root && !fs_capable(walk.who, FS_CAP_SYS_CHROOT))
		result = -EPERM;
	if (!result) {   /* commit */
		place = change_root ? &walk.client->directories->root : &walk.client->directories->working;
		old = *place;
		*place = walk.at;
		fs_place_hold(*place);
	}
	fs_walk_unlock(&walk);
	if (old.name)
		fs_place_put(old);
	fs_walk_end(&walk);
	fs_supers_reap();
	return result;
}

long fs_op_chdir(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size)
{
	return directory_change(rq, at, path, path_size, false);
}

long fs_op_chroot(const struct rt_request *rq, const struct fs_at *at, const void *path, size_t path_size)
{
	return directory_change(rq, at, path, path_size, true);
}

long fs_op_getcwd(const struct rt_request *rq, u64 client, void *path, size_t path_capacity)
{
	struct fs_client *c = fs_client_get(rq, client);
	char *buffer, *start;
	struct fs_place place;
	long result;

	if (!c)
		return -EBADF;
	buffer = heap_alloc(FS_PATH_MAX);
	if (!buffer) {
		fs_client_put(c);
		return -ENOMEM;
	}
	fs_gate_shared(&fs_tree);
	place = c->directories->working;
	if (!place.name->linked && place.name != place.mount->root && !place.name->passing)
		result = -ENOENT;
	else
		result = fs_place_path(place, c->directories->root, buffer, FS_PATH_MAX, &start);
	fs_gate_release(&fs_tree);
	if (result > 0 && (size_t)result > path_capacity)
		result = -ERANGE;
	if (result > 0)
		memcpy(path, start, (size_t)result);
	heap_free(buffer);
	fs_client_put(c);
	return result;
}
