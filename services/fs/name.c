/* Names: the tree of directory entries, with one hash table for all. All changes need fs_tree held exclusive. */
#include "recover.h"

#define TABLE_FIRST 1024u

static struct fs_name **table;     /* fs_tree */
static u32 table_size, table_used;
static u64 table_seed;

/* The part that a text is, as a walk would have found it. */
static struct fs_part text_part(const char *text, u32 length)
{
	struct fs_part part = { .text = text, .length = length, .first = fs_word_load(text, length) };
	u32 i;

	for (i = 0; i < length; i += sizeof(u64))
		part.hash = fs_hash_add(part.hash, fs_word_load(text + i, length - i));
	return part;
}

/* Only who knows the seed can make names that meet in one place of the table. */
static u32 table_hash(const struct fs_name *parent, u64 hash)
{
	return (u32)(fs_hash_add(hash ^ table_seed, (uintptr_t)parent) >> 32);
}

struct fs_name *fs_name_find_part(struct fs_name *parent, const struct fs_part *part)
{
	struct fs_name *name;
	u32 hash;

	if (!table)
		return NULL;
	hash = table_hash(parent, part->hash);
	for (name = table[hash & (table_size - 1)]; name; name = name->hash_next)
		if (name->hash == hash && name->parent == parent && name->first == part->first && name->length == part->length &&
		    (part->length <= sizeof(u64) || memcmp(name->text + sizeof(u64), part->text + sizeof(u64), part->length - sizeof(u64)) == 0))
			return name;
	return NULL;
}

struct fs_name *fs_name_find(struct fs_name *parent, const char *text, u32 length)
{
	struct fs_part part = text_part(text, length);

	return fs_name_find_part(parent, &part);
}

/* Doubles the table; without memory it stays as it is, which is slower but right. Recovery makes it anew. */
static UNNOTED void table_grow(void)
{
	u32 size = table ? table_size * 2 : TABLE_FIRST, i;
	struct fs_name **larger = heap_alloc(size * sizeof(*larger));

	if (!larger)
		return;
	for (i = 0; i < table_size; i++) {
		while (table[i]) {
			struct fs_name *name = table[i];

			table[i] = name->hash_next;
			name->hash_next = larger[name->hash & (size - 1)];
			larger[name->hash & (size - 1)] = name;
		}
	}
	heap_free(table);
	table = larger;
	table_size = size;
}

static void table_insert(struct fs_name *name)
{
	struct fs_part part = text_part(name->text, name->length);

	name->first = part.first;
	name->hash = table_hash(name->parent, part.hash);
	name->hash_next = table[name->hash & (table_size - 1)];
	table[name->hash & (table_size - 1)] = name;
	if (++table_used > table_size)
		table_grow();
}

static void table_remove(struct fs_name *name)
{
	struct fs_name **at = &table[name->hash & (table_size - 1)];

	while (*at != name)
		at = &(*at)->hash_next;
	*at = name->hash_next;
	table_used--;
}

struct fs_name *fs_name_create(const char *text, u32 length, struct fs_name *parent, struct fs_inode *inode)
{
	struct fs_name *name = heap_alloc(sizeof(*name) + length + 1);

	if (!table) {   /* the first name is made before anything runs in parallel */
		random_bytes(&table_seed, sizeof(table_seed));
		table_grow();
	}
	if (!name || !table) {
		heap_free(name);
		fs_inode_put(inode);
		return NULL;
	}
	name->references = 1;
	name->length = (u16)length;
	name->room = (u16)(length + 1);
	name->text = name->own_text;
	memcpy(name->text, text, length);
	name->inode = inode;
	lock_acquire(&inode->lock);
	inode->alias = name;
	lock_release(&inode->lock);
	name->parent = parent ? parent : name;
	if (parent)
		fs_name_hold(parent);
	return name;
}

static void children_add(struct fs_inode *directory, struct fs_name *name)
{
	name->previous = directory->children.last;
	name->next = NULL;
	*(name->previous ? &name->previous->next : &directory->children.first) = name;
	directory->children.last = name;
	if (directory->children.next_cookie < 3)
		directory->children.next_cookie = 3;   /* 1 and 2 are behind "." and ".." */
	name->cookie = directory->children.next_cookie++;
	directory->children.count++;
}

static void children_remove(struct fs_inode *directory, struct fs_name *name)
{
	*(name->previous ? &name->previous->next : &directory->children.first) = name->next;
	*(name->next ? &name->next->previous : &directory->children.last) = name->previous;
	directory->children.count--;
}

void fs_name_link(struct fs_name *name)
{
	children_add(name->parent->inode, name);
	table_insert(name);
	name->linked = true;
	fs_name_hold(name);
}

void fs_name_unlink(struct fs_name *name)
{
	children_remove(name->parent->inode, name);
	table_remove(name);
	name->linked = false;
	fs_name_put(name);
}

long fs_name_move_prepare(struct fs_name *name, u32 length, char **room)
{
	*room = NULL;
	if (length < name->room)
		return 0;
	*room = heap_alloc(length + 1);
	return *room ? 0 : -ENOMEM;
}

static void name_text_set(struct fs_name *name, const char *text, u32 length, char *room)
{
	if (room) {
		if (name->text != name->own_text)
			heap_free(name->text);
		name->text = room;
		name->room = (u16)(length + 1);
	}
	memcpy(name->text, text, length);
	name->text[length] = 0;
	name->length = (u16)length;
}

void fs_name_move(struct fs_name *name, struct fs_name *parent, const char *text, u32 length, char *room)
{
	struct fs_name *old = name->parent;

	children_remove(old->inode, name);
	table_remove(name);
	name_text_set(name, text, length, room);
	fs_name_hold(parent);
	name->parent = parent;
	children_add(parent->inode, name);
	table_insert(name);
	fs_name_put(old);
}

/* Moves the text out of the name itself, for fs_name_exchange. */
long fs_name_exchange_prepare(struct fs_name *name)
{
	char *text;

	if (name->text != name->own_text)
		return 0;
	text = heap_alloc(name->length + 1u);
	if (!text)
		return -ENOMEM;
	memcpy(text, name->text, name->length);
	name->room = (u16)(name->length + 1);
	name->text = text;
	return 0;
}

/* Two names keep their texts and places and exchange what they name: the names move, so that open files follow. */
void fs_name_exchange(struct fs_name *a, struct fs_name *b)
{
	struct fs_name *parent = a->parent;
	char *text = a->text;
	u16 length = a->length, room = a->room;

	rt_assert(a->text != a->own_text && b->text != b->own_text);
	children_remove(a->parent->inode, a);
	children_remove(b->parent->inode, b);
	table_remove(a);
	table_remove(b);
	a->text = b->text;
	a->length = b->length;
	a->room = b->room;
	b->text = text;
	b->length = length;
	b->room = room;
	a->parent = b->parent;
	b->parent = parent;
	children_add(a->parent->inode, a);
	children_add(b->parent->inode, b);
	table_insert(a);
	table_insert(b);
}

void fs_name_hold(struct fs_name *name)
{
	__atomic_add_fetch(&name->references, 1, __ATOMIC_RELAXED); /* the caller has one or holds fs_tree */
}

void fs_name_put(struct fs_name *name)
{
	while (__atomic_sub_fetch(&name->references, 1, __ATOMIC_ACQ_REL) == 0) { /* the last one sees all uses as over */
		struct fs_name *parent = name->parent;

		lock_acquire(&name->inode->lock);
		if (name->inode->alias == name)
			name->inode->alias = NULL;
		lock_release(&name->inode->lock);
		fs_inode_put(name->inode);
		if (name->text != name->own_text)
			heap_free(name->text);
		heap_free(name);
		if (parent == name)
			return;
		name = parent;
	}
}

struct fs_name *fs_inode_name(struct fs_inode *inode)
{
	struct fs_name *name;
	u32 count;

	lock_acquire(&inode->lock);
	name = inode->alias;
	count = name ? __atomic_load_n(&name->references, __ATOMIC_RELAXED) : 0;
	/* One whose last reference is going is not brought back. */
	while (count && !__atomic_compare_exchange_n(&name->references, &count, count + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	lock_release(&inode->lock);
	return count ? name : NULL;
}

bool fs_name_below(const struct fs_name *name, const struct fs_name *top)
{
	for (; name != top; name = name->parent)
		if (name->parent == name)
			return false;
	return true;
}

/* ---- Recovery ---------------------------------------------------------------------------------------------------------------- */

/* The way up ends at a root: names whose way was gone have a hash of 1. */
static bool name_rooted(struct fs_name *name, u64 limit)
{
	struct fs_name *at;

	for (at = name; !at->hash && at->parent != at; at = at->parent)
		if (!limit--)
			return false;
	for (; !name->hash; name = name->parent)
		name->hash = 1;
	return true;
}

/* Counts what its link adds; directories are counted by their own names and by those in them. */
static void links_count(struct fs_name *name)
{
	struct fs_inode *inode = name->inode;

	if (inode->super->type->fixed || inode->super->type == &fs_pipefs_type || name->passing || (!name->linked && name->parent != name))
		return;
	inode->links += fs_is_directory(inode) ? 2 : 1;
	if (fs_is_directory(inode) && name->parent != name)
		name->parent->inode->links++;
}

static bool mounts_seen(struct fs_name *name)
{
	struct fs_mounted *mount;

	for (mount = name->mounted; mount; mount = mount->next_here) {
		if (heap_kind(mount) != FS_CLAIMED_MOUNT || mount->point != name)
			return false;
		heap_reclaim(mount, FS_CLAIMED_STACKED);
	}
	return true;
}

static long names_recover(enum fs_claimed kind, u64 limit)
{
	struct fs_name *name;

	for (name = heap_next(NULL, kind); name; name = heap_next(name, kind)) {
		if (name->linked != (kind == FS_CLAIMED_LISTED) || !mounts_seen(name) || !name_rooted(name, limit))
			return fs_bad("a name that stands nowhere");
		if (!name->inode->alias || name->linked)
			name->inode->alias = name;
		links_count(name);
	}
	return 0;
}

/* A table of the right size; the old one is freed with all that nobody claims. */
static long table_recover(u64 linked)
{
	struct fs_name *name;

	for (table_size = TABLE_FIRST; table_size < linked; table_size *= 2)
		;
	table_used = 0;
	table = heap_alloc(table_size * sizeof(*table));
	if (!table)
		return fs_bad("there is no memory for the table of names");
	heap_reclaim(table, FS_CLAIMED_BYTES);
	for (name = heap_next(NULL, FS_CLAIMED_LISTED); name; name = heap_next(name, FS_CLAIMED_LISTED))
		table_insert(name);
	return 0;
}

long fs_names_recover(void)
{
	static const enum fs_claimed kinds[] = { FS_CLAIMED_NAME, FS_CLAIMED_LISTED };
	u64 counts[2] = { 0, 0 };
	struct fs_name *name;
	u32 i;

	for (i = 0; i < countof(kinds); i++)
		for (name = heap_next(NULL, kinds[i]); name; name = heap_next(name, kinds[i])) {
			name->hash = 0;
			counts[i]++;
		}
	for (i = 0; i < countof(kinds); i++)
		if (names_recover(kinds[i], counts[0] + counts[1]))
			return -EIO;
	return table_recover(counts[1]);
}
