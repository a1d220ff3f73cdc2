/* Instances of file systems, and where they are mounted. */
#include "recover.h"

#define MOUNTS_MAX 100000u   /* fs.mount-max */

struct fs_mounted *fs_mounts;   /* fs_tree */
struct fs_place fs_root;
static struct fs_mounted *mounts_last; /* fs_tree, as the count */
static u32 mount_count;

static const struct fs_type *const types[] = { &fs_sysfs_type, &fs_tmpfs_type, &fs_proc_type, &fs_devtmpfs_type, &fs_ramfs_type, &fs_devpts_type };
static volatile u32 last_mount_id = 20, last_device = 20;

const struct fs_type *fs_type_find(const char *name)
{
	u32 i;

	for (i = 0; i < countof(types); i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return NULL;
}

const struct fs_type *fs_type_at(u32 index)
{
	return index < countof(types) ? types[index] : NULL;
}

struct fs_super *fs_super_create(const struct fs_type *type)
{
	struct fs_super *super = heap_alloc(sizeof(*super));

	if (!super)
		return NULL;
	super->references = 1;
	super->memory_references = 1;
	super->type = type;
	super->device = fs_device(0, __atomic_add_fetch(&last_device, 1, __ATOMIC_RELAXED)); /* a number by itself */
	return super;
}

/* Takes all names out of a tree that nothing can reach any more, without recursion. */
static void tree_drop(struct fs_name *root)
{
	struct fs_name *at = root;

	for (;;) {
		struct fs_name *parent = at->parent;

		if (fs_is_directory(at->inode) && at->inode->children.last) {
			at = at->inode->children.last;
			continue;
		}
		if (at == root)
			break;
		fs_name_unlink(at);
		at = parent;
	}
	fs_name_put(root);
}

static struct rt_lock dead_lock = RT_LOCK_INIT;
static struct fs_super *dead;   /* guarded by dead_lock: instances whose names are still to be dropped */

/* The last reference may go while fs_tree is held: the work is done by fs_supers_reap. */
void fs_super_put(struct fs_super *super)
{
	if (__atomic_sub_fetch(&super->references, 1, __ATOMIC_ACQ_REL)) /* the last one sees all uses as over */
		return;
	lock_acquire(&dead_lock);
	super->next_dead = dead;
	dead = super;
	lock_release(&dead_lock);
}

void fs_supers_reap(void)
{
	struct fs_super *super;

	if (likely(!__atomic_load_n(&dead, __ATOMIC_RELAXED))) /* who put one there reaps after */
		return;
	lock_acquire(&dead_lock);
	super = dead;
	dead = NULL;
	lock_release(&dead_lock);
	while (super) {
		struct fs_super *next = super->next_dead;

		if (super->root) {
			fs_gate_exclusive(&fs_tree);
			tree_drop(super->root);
			fs_gate_release(&fs_tree);
		}
		fs_super_memory_put(super);
		super = next;
	}
}

void fs_super_memory_put(struct fs_super *super)
{
	if (__atomic_sub_fetch(&super->memory_references, 1, __ATOMIC_ACQ_REL) == 0) /* the last one sees all uses as over */
		heap_free(super);
}

void fs_mount_move(struct fs_mounted *mount, struct fs_place to)
{
	struct fs_mounted **at;

	if (mount->point) {
		for (at = &mount->point->mounted; *at != mount; at = &(*at)->next_here)
			;
		*at = mount->next_here;
	}
	mount->parent = to.mount;
	mount->point = to.name;
	mount->next_here = NULL;
	if (to.name) {
		mount->next_here = to.name->mounted;
		to.name->mounted = mount;
	}
}

void fs_mount_unlist(struct fs_mounted *mount)
{
	*(mount->previous ? &mount->previous->next : &fs_mounts) = mount->next;
	*(mount->next ? &mount->next->previous : &mounts_last) = mount->previous;
	mount_count--;
}

long fs_mount_attach(struct fs_super *super, struct fs_name *root, struct fs_place at, u32 flags, const char *source)
{
	struct fs_mounted *mount;
	size_t length = strlen(source) + 1;

	if (mount_count == MOUNTS_MAX)
		return -ENOSPC;
	mount = heap_alloc(sizeof(*mount));
	if (mount)
		mount->source = heap_alloc(length);
	if (!mount || !mount->source) {
		heap_free(mount);
		return -ENOMEM;
	}
	memcpy(mount->source, source, length);
	mount->references = 1;
	mount->id = __atomic_add_fetch(&last_mount_id, 1, __ATOMIC_RELAXED); /* a number by itself */
	mount->flags = flags;
	mount->super = super;
	__atomic_add_fetch(&super->references, 1, __ATOMIC_RELAXED); /* the caller has one */
	mount->root = root;
	fs_name_hold(root);
	if (at.name) {
		fs_place_hold(at);
		fs_mount_move(mount, at);
	}
	mount->previous = mounts_last;
	*(mounts_last ? &mounts_last->next : &fs_mounts) = mount;
	mounts_last = mount;
	mount_count++;
	return 0;
}

struct fs_mounted *fs_mount_at(struct fs_mounted *parent, struct fs_name *point)
{
	struct fs_mounted *mount = point->mounted;

	while (mount && mount->parent != parent)
		mount = mount->next_here;
	return mount;
}

void fs_mount_hold(struct fs_mounted *mount)
{
	__atomic_add_fetch(&mount->references, 1, __ATOMIC_RELAXED); /* the caller has one or holds fs_tree */
}

/* The last reference goes after the mount was detached: only places held it. */
void fs_mount_put(struct fs_mounted *mount)
{
	if (__atomic_sub_fetch(&mount->references, 1, __ATOMIC_ACQ_REL)) /* the last one sees all uses as over */
		return;
	fs_name_put(mount->root);
	fs_super_put(mount->super);
	heap_free(mount->source);
	heap_free(mount);
}

void fs_place_hold(struct fs_place place)
{
	fs_mount_hold(place.mount);
	fs_name_hold(place.name);
}

void fs_place_put(struct fs_place place)
{
	fs_name_put(place.name);
	fs_mount_put(place.mount);
}

long fs_place_writable(struct fs_place place)
{
	return place.mount && (place.mount->flags & FS_MS_RDONLY) ? -EROFS : 0;
}

/* One step towards the root: false when there is none. */
static bool place_up(struct fs_place *place)
{
	while (place->name == place->mount->root) {
		if (!place->mount->parent)
			return false;
		*place = (struct fs_place){ place->mount->parent, place->mount->point };
	}
	place->name = place->name->parent;
	return true;
}

bool fs_place_below(struct fs_place place, struct fs_place top)
{
	while (place.name != top.name || place.mount != top.mount) {
		/* The root of a mount is also the place it covers. */
		if (place.name == place.mount->root && place.mount->parent) {
			place = (struct fs_place){ place.mount->parent, place.mount->point };
			continue;
		}
		if (!place_up(&place))
			return false;
	}
	return true;
}

static char *prepend(char *at, const char *buffer, const char *text, size_t length)
{
	if ((size_t)(at - buffer) < length)
		return NULL;
	return memcpy(at - length, text, length);
}

long fs_place_path(struct fs_place place, struct fs_place root, char *buffer, size_t capacity, char **start)
{
	static const char unreachable[] = "(unreachable)";
	char *end = buffer + capacity - 1, *at = end;
	bool reached = true;

	*end = 0;
	while (place.name != root.name || place.mount != root.mount) {
		if (place.name == place.mount->root) {
			if (!place.mount->parent) {
				reached = false;
				break;
			}
			place = (struct fs_place){ place.mount->parent, place.mount->point };
			continue;
		}
		at = prepend(at, buffer, place.name->text, place.name->length);
		if (at)
			at = prepend(at, buffer, "/", 1);
		if (!at)
			return -ENAMETOOLONG;
		place.name = place.name->parent;
	}
	if (at == end)
		at = prepend(at, buffer, "/", 1);
	if (!reached)
		at = prepend(at, buffer, unreachable, sizeof(unreachable) - 1);
	if (!at)
		return -ENAMETOOLONG;
	*start = at;
	return end - at + 1;
}

long fs_place_show(struct fs_place place, struct fs_inode *inode, struct fs_place root, char *buffer, char **start)
{
	static const char deleted[] = " (deleted)";
	long length;

	if (!place.name || (place.name->passing && !place.mount->source)) {
		*start = buffer;
		if (fs_inode_type(inode) == FS_IFREG)
			return format_text(buffer, FS_PATH_MAX, "/memfd:%s (deleted)", inode->data.name) + 1;
		return format_text(buffer, FS_PATH_MAX, "pipe:[%llu]", (unsigned long long)inode->number) + 1;
	}
	if (place.name->linked || place.name->passing || place.name->parent == place.name)
		return fs_place_path(place, root, buffer, FS_PATH_MAX, start);
	length = fs_place_path(place, root, buffer, FS_PATH_MAX - sizeof(deleted) + 1, start);
	if (length > 0) {
		memcpy(*start + length - 1, deleted, sizeof(deleted));
		length += (long)sizeof(deleted) - 1;
	}
	return length;
}

/* ---- Recovery ---------------------------------------------------------------------------------------------------------------- */

#define DEPTH_MEAN 64u   /* of mounts on mounts: on an average no more are believed */

bool fs_type_known(const struct fs_type *type)
{
	u32 i;

	for (i = 0; i < countof(types); i++)
		if (types[i] == type)
			return true;
	return type == &fs_rootfs_type || type == &fs_pipefs_type;
}

static long mount_look(struct fs_mounted *mount)
{
	if (!fs_claim_text(mount->source, FS_PATH_MAX + 5))
		return fs_bad("the source of a mount");
	return fs_recover_super(mount->super, true) || fs_recover_name(mount->root) ? -EIO : 0;
}

/* Those in the list are claimed before: one that is not was taken off its place, or is of a hidden instance, whose root is its own. */
long fs_mount_recover(struct fs_mounted *mount, bool hidden)
{
	if (heap_kind(mount) != FS_CLAIMED_MOUNT) {
		if (!heap_claim(mount, sizeof(*mount), FS_CLAIMED_MOUNT) || mount->parent || mount->point)
			return fs_bad("a mount");
		mount->references = mount->writers = 0;
		if (hidden ? mount->source || mount->root != mount->super->root : mount_look(mount))
			return fs_bad("a mount without a place");
	}
	mount->references++;
	return 0;
}

/* Both ways through the list, which gives each mount a reference. */
static long list_claim(void)
{
	struct fs_mounted *mount, *last = NULL;

	mount_count = 0;
	for (mount = fs_mounts; mount; mount = mount->next, mount_count++) {
		if (!heap_claim(mount, sizeof(*mount), FS_CLAIMED_MOUNT) || mount->previous != last)
			return fs_bad("the list of mounts");
		mount->references = 1;
		mount->writers = 0;   /* counted with the open files */
		last = mount;
	}
	mounts_last = last;
	return mount_count ? 0 : fs_bad("nothing is mounted");
}

static long place_look(struct fs_mounted *mount, u64 *budget)
{
	struct fs_mounted *up;

	if (!mount->parent && !mount->point)
		return 0;
	for (up = mount->parent; up && heap_kind(up) == FS_CLAIMED_MOUNT && *budget; up = up->parent)
		--*budget;
	if (up || !mount->parent)
		return fs_bad("the place of a mount");
	mount->parent->references++;
	return fs_recover_name(mount->point);
}

long fs_mounts_recover(void)
{
	struct fs_mounted *mount;
	u64 budget;

	dead_lock = (struct rt_lock)RT_LOCK_INIT;
	dead = NULL;   /* nothing reaches them: their memory is freed with all that nobody claims */
	if (list_claim())
		return -EIO;
	budget = (u64)mount_count * DEPTH_MEAN;
	for (mount = fs_mounts; mount; mount = mount->next)
		if (mount_look(mount) || place_look(mount, &budget))
			return -EIO;
	if (fs_mounts->parent)
		return fs_bad("the first mount");
	fs_root = (struct fs_place){ fs_mounts, fs_mounts->root };
	return fs_recover_super(fs_mounts->super, true);   /* it was made at the start, and is never let go */
}

bool fs_mounts_stacked(void)
{
	struct fs_mounted *mount;

	for (mount = fs_mounts; mount; mount = mount->next)
		if (mount->point && heap_kind(mount) != FS_CLAIMED_STACKED)
			return false;
	return true;
}
