/*
 * Walks along a path, one part at a time, without recursion: a symbolic link pushes what is left of the path on a small stack.
 * While fs_tree is held, names in the tree stand still and need no references; only passing names and magic links take some.
 */
#include "fs.h"

long fs_walk_begin(struct fs_walk *walk, const struct rt_request *rq, u64 client, u64 directory, u32 flags)
{
	/* The rest is written by each run. */
	walk->flags = flags;
	walk->resolve = 0;
	walk->as = NULL;
	walk->base = NULL;
	walk->stack = NULL;
	walk->scratch = NULL;
	walk->passing = walk->held = NULL;
	walk->magic_count = 0;
	walk->asked = false;
	walk->unused = NULL;
	walk->makes_terminals = false;
	walk->moved = (struct fs_place){ NULL, NULL };
	walk->client = fs_client_get(rq, client);
	if (!walk->client)
		return -EBADF;
	if (directory != FS_CWD) {
		walk->base = fs_file_get(rq, directory);
		if (!walk->base || ((flags & FS_WALK_OPEN_FILE) && walk->base->kind == FS_KIND_PATH)) {
			if (walk->base)
				fs_file_put(walk->base);
			fs_client_put(walk->client);
			return -EBADF;
		}
	}
	return 0;
}

long fs_walk_path(struct fs_walk *walk, const void *path, size_t size)
{
	walk->path = path;
	walk->path_size = walk->flags & FS_WALK_OPEN_FILE ? 0 : strnlen(path, size);
	if (walk->path_size >= FS_PATH_MAX)
		return -ENAMETOOLONG;
	return walk->path_size == 0 && !(walk->flags & FS_WALK_EMPTY) ? -ENOENT : 0;
}

/* The walk goes on at `name`: a reference is kept only on names that nothing else holds. */
static void walk_to(struct fs_walk *walk, struct fs_mounted *mount, struct fs_name *name)
{
	struct fs_name *passing = walk->passing;

	if (walk->at.name == name && walk->at.mount == mount)
		return;
	walk->at.mount = mount;
	walk->at.name = name;
	walk->passing = NULL;
	if (name->passing) {
		fs_name_hold(name);
		walk->passing = name;
	}
	if (passing)
		fs_name_put(passing);
}

static long walk_up(struct fs_walk *walk)
{
	struct fs_mounted *mount = walk->at.mount;
	struct fs_name *name = walk->at.name;

	if (walk->at.name == walk->start.name && walk->at.mount == walk->start.mount && (walk->resolve & FS_RESOLVE_BENEATH))
		return -EXDEV;
	for (;;) {
		if (name == walk->root.name && mount == walk->root.mount)
			return 0;
		if (name != mount->root)
			break;
		if (!mount->parent)
			return 0;
		name = mount->point;
		mount = mount->parent;
	}
	if (mount != walk->at.mount && (walk->resolve & FS_RESOLVE_NO_XDEV))
		return -EXDEV;
	name = name->parent;
	/* What is mounted over the parent covers it. */
	while (name->mounted) {
		struct fs_mounted *over = fs_mount_at(mount, name);

		if (!over)
			break;
		mount = over;
		name = over->root;
	}
	walk_to(walk, mount, name);
	return 0;
}

static long walk_push(struct fs_walk *walk, const char *text, size_t length)
{
	if (!walk->stack)
		walk->stack = heap_alloc(FS_LINKS_MAX * sizeof(*walk->stack));
	if (!walk->stack)
		return -ENOMEM;
	walk->stack[walk->depth++] = walk->now;
	walk->now = (struct fs_segment){ text, length, text };
	return 0;
}

/* Jumps to where a magic link (/proc/PID/cwd) leads. */
static long walk_magic(struct fs_walk *walk, struct fs_inode *inode)
{
	struct fs_place to;
	long result;

	if ((walk->resolve & FS_RESOLVE_NO_MAGICLINKS) || walk->magic_count == FS_MAGIC_MAX)
		return -ELOOP;
	if (walk->resolve & (FS_RESOLVE_BENEATH | FS_RESOLVE_IN_ROOT))
		return -EXDEV;
	result = inode->ops->follow(walk->client, inode, &to);
	if (result)
		return result;
	walk->magic[walk->magic_count++] = to;
	if (to.mount != walk->at.mount && (walk->resolve & FS_RESOLVE_NO_XDEV))
		return -EXDEV;
	walk_to(walk, to.mount, to.name);
	return 0;
}

/* fs.protected_symlinks: at the end of a path, one who may write to a sticky directory leads nobody else but its owner astray. */
static bool link_trusted(const struct fs_walk *walk, const struct fs_inode *link)
{
	const struct fs_inode *folder = walk->at.name->inode;

	return walk->who->ids.uid == link->uid || folder->uid == link->uid || (folder->mode & (FS_ISVTX | 02)) != (FS_ISVTX | 02);
}

/* Goes on along the symbolic link `link` in the directory where the walk stands; end: nothing follows. */
static long walk_link(struct fs_walk *walk, struct fs_name *link, bool end)
{
	struct fs_inode *inode = link->inode;
	const char *text = inode->target;
	long length;

	if (end && !link_trusted(walk, inode))
		return -EACCES;
	if (++walk->links > FS_LINKS_MAX || (walk->resolve & FS_RESOLVE_NO_SYMLINKS) || (walk->at.mount->flags & FS_MS_NOSYMFOLLOW))
		return -ELOOP;
	fs_inode_accessed((struct fs_place){ walk->at.mount, link }, inode, 0);
	if (inode->ops->follow)
		return walk_magic(walk, inode);
	if (inode->ops->link_text) {
		/* Generated texts are short and without links inside: one at a time. */
		if (!walk->scratch)
			walk->scratch = heap_alloc(64);
		if (!walk->scratch)
			return -ENOMEM;
		length = inode->ops->link_text(inode, walk->scratch, 64);
		if (length < 0)
			return length;
		text = walk->scratch;
	} else {
		length = (long)inode->size;
	}
	if (length == 0)
		return -ENOENT;
	if (text[0] == '/') {
		if (walk->resolve & FS_RESOLVE_BENEATH)
			return -EXDEV;
		if ((walk->resolve & FS_RESOLVE_NO_XDEV) && walk->root.mount != walk->at.mount)
			return -EXDEV;
		walk_to(walk, walk->root.mount, walk->root.name);
	}
	return walk_push(walk, text, (size_t)length);
}

#define BYTES(byte) (0x0101010101010101ull * (byte))

/* The word at a place of a text, zero behind its end: near the end it comes from the last eight bytes, where there are so many. */
static inline u64 text_word(const char *begin, const char *at, const char *end)
{
	size_t left = (size_t)(end - at);

	if (left >= sizeof(u64) || !left || (size_t)(end - begin) < sizeof(u64))
		return fs_word_load(at, left);
	return fs_word_load(end - sizeof(u64), sizeof(u64)) >> 8 * (sizeof(u64) - left);
}

/* Takes the bytes of a word before a slash, or before the end of the text: how many there are. */
static inline u32 word_part(u64 *word, size_t left)
{
	u64 other = *word ^ BYTES('/'), found = (other - BYTES(1)) & ~other & BYTES(0x80); /* the lowest mark is the first slash */

	if (!found)
		return left < sizeof(*word) ? (u32)left : (u32)sizeof(*word);
	*word &= ((found & -found) - 1) >> 7;
	return (u32)__builtin_ctzll(found) / 8;
}

/* The part that begins at a place of a text; the result is its end. */
static inline const char *part_scan(const char *begin, const char *at, const char *end, struct fs_part *part)
{
	u64 word = text_word(begin, at, end), hash;
	u32 taken = word_part(&word, (size_t)(end - at));

	part->text = at;
	part->first = word;
	hash = fs_hash_add(0, word);
	for (at += taken; taken == sizeof(u64); at += taken) {
		word = text_word(begin, at, end);
		taken = word_part(&word, (size_t)(end - at));
		if (taken)
			hash = fs_hash_add(hash, word);
	}
	part->hash = hash;
	part->length = (u32)(at - part->text);
	part->slash = at < end;
	return at;
}

/* True when nothing but slashes is left, of this segment and of all below; they may still ask for a directory. */
static bool walk_at_end(const struct fs_walk *walk, bool *slash)
{
	u32 level = walk->depth;
	struct fs_segment segment = walk->now;

	for (;;) {
		for (; segment.left; segment.rest++, segment.left--) {
			if (*segment.rest != '/')
				return false;
			*slash = true;
		}
		if (!level)
			return true;
		segment = walk->stack[--level];
	}
}

/* Looks a name up in the directory where the walk stands. found: with a reference if it is passing, noted in walk->passing later. */
static long walk_lookup(struct fs_walk *walk, const struct fs_part *part, struct fs_name **found)
{
	struct fs_name *directory = walk->at.name;

	*found = NULL;
	if (part->length > FS_NAME_MAX)
		return -ENAMETOOLONG;
	*found = fs_name_find_part(directory, part);
	if (*found || !directory->inode->ops->lookup)
		return 0;
	return directory->inode->ops->lookup(walk->client, directory, part->text, part->length, found);
}

/* Goes to a child that was looked up, and on to what is mounted there. */
static long walk_down(struct fs_walk *walk, struct fs_name *child)
{
	struct fs_mounted *mount = walk->at.mount;
	struct fs_name *name = child;

	while (name->mounted) {
		struct fs_mounted *over = fs_mount_at(mount, name);

		if (!over)
			break;
		if (walk->resolve & FS_RESOLVE_NO_XDEV)
			return -EXDEV;
		mount = over;
		name = over->root;
	}
	walk_to(walk, mount, name);
	return 0;
}

static enum fs_last part_kind(const char *part, u32 length)
{
	if (part[0] != '.' || length > 2 || (length == 2 && part[1] != '.'))
		return FS_LAST_NAME;
	return length == 1 ? FS_LAST_DOT : FS_LAST_DOTDOT;
}

/* One part of the path; end: it is the last one. Result 1: the walk is over. */
static long walk_part(struct fs_walk *walk, const struct fs_part *part, bool end)
{
	bool as_written = end && (walk->flags & FS_WALK_PARENT), follow;
	enum fs_last kind = part_kind(part->text, part->length);
	struct fs_name *child;
	long result;

	if (!fs_is_directory(walk->at.name->inode))
		return -ENOTDIR;
	result = fs_permission(walk->who, walk->at.name->inode, FS_MAY_EXECUTE);
	if (result)
		return result;
	if (end) {
		walk->parent = walk->at;
		walk->last = part->text;
		walk->last_length = part->length;
		walk->last_kind = kind;
	}
	if (kind != FS_LAST_NAME)
		return as_written || kind == FS_LAST_DOT ? 0 : walk_up(walk);
	result = walk_lookup(walk, part, &child);
	walk->asked = result <= -FS_DESCRIPTORS_WANTED;
	if (result == -ENOENT && as_written)
		result = 0;            /* procfs says so itself; the operation tells what that means */
	if (result)
		return result;
	if (!child)
		return end && (walk->flags & (FS_WALK_PARENT | FS_WALK_CREATE)) ? 1 : -ENOENT;
	follow = !end || (walk->flags & FS_WALK_FOLLOW) || (walk->last_slash && !as_written);
	if (as_written)
		walk->found = child;   /* what is removed or replaced is the name itself */
	else if (fs_inode_type(child->inode) == FS_IFLNK && follow)
		result = walk_link(walk, child, end);
	else
		result = walk_down(walk, child);
	if (child->passing && as_written)
		walk->held = child;
	else if (child->passing)
		fs_name_put(child);    /* walk_to took its own */
	return result;
}

/* Where a step to a directory of the tree leads, as most steps do; false: it is for walk_part. */
static inline bool step_plain(const struct fs_walk *walk, struct fs_place *at, const struct fs_part *part)
{
	struct fs_inode *inode = at->name->inode;
	struct fs_mounted *over = at->mount;
	struct fs_name *child;

	/* A directory which its owner may search needs no further look. */
	if (inode->ops->refresh || walk->who->ids.uid != inode->uid || (inode->mode & (FS_IFMT | 0100)) != (FS_IFDIR | 0100))
		if (!fs_is_directory(inode) || fs_permission(walk->who, inode, FS_MAY_EXECUTE))
			return false;
	child = fs_name_find_part(at->name, part);
	if (!child)
		return false;
	if (unlikely(child->mounted)) {
		over = fs_mount_at(over, child);
		if (!over || over->root->mounted || (walk->resolve & FS_RESOLVE_NO_XDEV))
			return false;
		child = over->root;
	}
	if (!fs_is_directory(child->inode) || child->passing)
		return false;
	*at = (struct fs_place){ over, child };
	return true;
}

/* Takes the next part off the path with which the walk does more than to go through a directory of the tree: false at its end. */
static bool walk_next(struct fs_walk *walk, struct fs_part *part)
{
	const char *begin = walk->now.begin, *at = walk->now.rest, *end = at + walk->now.left;
	struct fs_place place = walk->at;
	bool found = false;

	for (;;) {
		while (at < end && *at == '/')
			at++;
		if (at == end) {
			if (!walk->depth)
				break;
			walk->now = walk->stack[--walk->depth];
			begin = walk->now.begin;
			at = walk->now.rest;
			end = at + walk->now.left;
			continue;
		}
		at = part_scan(begin, at, end, part);
		/* More of this text follows, and nothing that has a meaning of its own. */
		found = end - at < 2 || at[1] == '/' || part->text[0] == '.' || part->length > FS_NAME_MAX || walk->passing ||
			!step_plain(walk, &place, part);
		if (found)
			break;
	}
	walk->at = place;
	walk->now = (struct fs_segment){ at, (size_t)(end - at), begin };
	return found;
}

static void walk_start(struct fs_walk *walk)
{
	walk->who = walk->as ? walk->as : walk->client->identity;
	walk->root = walk->client->directories->root;
	walk->start = walk->base ? walk->base->place : walk->client->directories->working;
	if (walk->resolve & FS_RESOLVE_IN_ROOT)
		walk->root = walk->start;
	walk->now = (struct fs_segment){ walk->path, walk->path_size, walk->path };
	walk->at = (struct fs_place){ NULL, NULL };
	walk->depth = walk->links = 0;
	walk->last_kind = FS_LAST_ROOT;
	walk->last_slash = false;
	walk->found = NULL;
	walk->inode = NULL;
}

long fs_walk_run(struct fs_walk *walk)
{
	bool absolute = walk->path_size && walk->path[0] == '/', end = false, over = false;
	struct fs_part part;
	long result;

	walk_start(walk);
	if (absolute && (walk->resolve & FS_RESOLVE_BENEATH))
		return -EXDEV;
	/* A pipe as directory: good for the empty path alone. An absolute path needs it as its root, if it is one. */
	if (!(absolute ? walk->root.name : walk->start.name)) {
		walk->inode = walk->base->inode;
		return walk->path_size || (walk->flags & FS_WALK_DIRECTORY) ? -ENOTDIR : 0;
	}
	if (absolute)
		walk_to(walk, walk->root.mount, walk->root.name);
	else
		walk_to(walk, walk->start.mount, walk->start.name);
	walk->parent = walk->at;
	while (!over && walk_next(walk, &part)) {
		bool after = part.slash;

		end = walk_at_end(walk, &after);
		walk->last_slash = end && after;
		result = walk_part(walk, &part, end);
		if (result < 0)
			return result;
		over = result == 1;
	}
	if (over)   /* the end is missing */
		return 0;
	if (!(walk->flags & FS_WALK_PARENT))
		walk->found = walk->at.name;
	/* Who wants to make the end says itself what a slash behind it means. */
	if (walk->found && !fs_is_directory(walk->found->inode) && !(walk->flags & FS_WALK_PARENT)
	    && ((walk->flags & FS_WALK_DIRECTORY) || (walk->last_slash && !(walk->flags & FS_WALK_CREATE))))
		return -ENOTDIR;
	walk->inode = walk->found ? walk->found->inode : NULL;
	return 0;
}

/* Drops what only the walk held: outside fs_tree, which dropping a mount may need. */
static void walk_drop(struct fs_walk *walk)
{
	if (walk->passing)
		fs_name_put(walk->passing);
	if (walk->held)
		fs_name_put(walk->held);
	walk->passing = walk->held = NULL;
	while (walk->magic_count)
		fs_place_put(walk->magic[--walk->magic_count]);
}

void fs_walk_unlock(struct fs_walk *walk)
{
	fs_gate_release(&fs_tree);
	walk_drop(walk);
}

void fs_walk_end(struct fs_walk *walk)
{
	walk_drop(walk);
	if (unlikely(walk->client->descriptors && !walk->asked))
		fs_descriptors_forget(walk->client);   /* told for this walk alone */
	if (walk->stack)
		heap_free(walk->stack);
	if (walk->scratch)
		heap_free(walk->scratch);
	if (walk->base)
		fs_file_put(walk->base);
	fs_client_put(walk->client);
}
