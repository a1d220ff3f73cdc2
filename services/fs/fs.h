/*
 * Inside the file system service. Lock order: fs_tree, then inode io gates, then rt_locks (inode, file, client), then mem and proc.
 * fs_tree held shared: names, mounts and the places of clients stand still. Held exclusive: they may be changed.
 * Only gates (never rt_locks) may be held over a copy from or to the application.
 */
#ifndef FS_H
#define FS_H

#include <runtime.h>
#include <fs/fs_types.h>

struct fs_inode;
struct fs_name;
struct fs_mounted;
struct fs_file;
struct fs_walk;

#define FS_OFFSET_MAX ((u64)INT64_MAX)
#define FS_DIRECTORY_ENTRY 20u   /* what a name counts in its directory's size, as in Linux's tmpfs */

/* ---- gate.c: sleeping locks, shared or exclusive --------------------------------------------------------------------------- */
struct fs_gate { volatile u32 state; };
void fs_gate_shared(struct fs_gate *gate);
void fs_gate_exclusive(struct fs_gate *gate);
bool fs_gate_upgrade(struct fs_gate *gate) must_check; /* from shared to exclusive; false: others hold it or wait, and it stays shared */
void fs_gate_release(struct fs_gate *gate);   /* of either kind */
extern struct fs_gate fs_tree;

/* ---- handle.c: ids of clients and files, found in O(1) and checked against caller, kind and generation -------------------------- */
enum fs_handle_kind { FS_HANDLE_FREE, FS_HANDLE_CLIENT, FS_HANDLE_FILE };
u64 fs_handle_create(u32 owner, enum fs_handle_kind kind, void *object) must_check; /* 0: none is left */
long fs_handle_refusal(void); /* why: out of numbers or of memory */
void *fs_handle_get(u64 handle, u32 owner, enum fs_handle_kind kind) must_check;    /* takes a reference; NULL: no such handle */
void *fs_handle_peek(u64 handle, enum fs_handle_kind kind) must_check;              /* the same, whoever owns it (procfs) */
void fs_handle_put(u64 handle);                                                     /* the last one destroys the object */
long fs_handle_close(u64 handle, u32 owner, enum fs_handle_kind kind);              /* no one finds it any more: 0 or -EBADF */

/* ---- Clients (client.c) ---------------------------------------------------------------------------------------------------- */
struct fs_place { struct fs_mounted *mount; struct fs_name *name; };
struct fs_identity {
	volatile u32 references;
	u32 group_count;
	struct fs_credentials ids;
	u32 groups[];             /* sorted */
};
struct fs_directories {           /* what CLONE_FS shares */
	volatile u32 references;
	volatile u32 umask;
	struct fs_place root, working; /* written with fs_tree exclusive */
};
struct fs_client {
	u64 handle;
	struct fs_directories *directories; /* these two: written with fs_tree exclusive */
	struct fs_identity *identity;
	struct rt_lock lock;                /* guards descriptors */
	struct fs_descriptors *descriptors; /* of some process, for the next walk that asks (proc_descriptor.c) */
};
struct fs_client *fs_client_get(const struct rt_request *rq, u64 handle) must_check;
void fs_client_put(struct fs_client *client);
void fs_client_destroy(struct fs_client *client);
void fs_descriptors_forget(struct fs_client *client);
bool fs_identity_in_group(const struct fs_identity *who, u32 gid);
static inline bool fs_capable(const struct fs_identity *who, enum fs_capability capability)
{
	return who->ids.capabilities >> capability & 1;
}

/* ---- Instances of file systems and mounts (mount.c, mount_ops.c) ------------------------------------------------------------------ */
struct fs_super;
struct fs_text;
struct fs_type {
	const char *name;
	u64 magic;
	bool fixed;                 /* programs can't make, remove or rename anything in it */
	long (*mount)(const char *options, struct fs_super **super); /* an instance with a reference for the caller */
	long (*remount)(struct fs_super *super, const char *options);
	void (*statfs)(struct fs_super *super, struct fs_statfs *result);
	void (*options)(struct fs_super *super, struct fs_text *text); /* for /proc/mounts: ",size=..." */
};
struct fs_super {
	volatile u32 references;    /* mounts and who makes one: at the last, its names go */
	volatile u64 memory_references; /* its inodes, and one while `references` is not 0: at the last, this memory goes */
	const struct fs_type *type;
	u64 device;                 /* st_dev */
	struct fs_name *root;       /* a reference */
	volatile u64 next_inode;
	volatile u64 pages_used, inodes_used;  /* tmpfs */
	volatile u64 pages_limit, inodes_limit;
	u64 shown_size;             /* size= as it was given, 0: not */
	struct fs_super *next_dead;
};
struct fs_mounted {
	volatile u32 references;    /* places, and one while it is attached */
	u32 id;
	volatile u32 writers;       /* files that are open for writing; new ones with fs_tree shared */
	u32 flags;                  /* enum fs_mount_flags; these and all below: fs_tree */
	struct fs_super *super;
	struct fs_name *root;
	struct fs_mounted *parent;  /* NULL: the first mount, or detached */
	struct fs_name *point;      /* where it is mounted in parent; NULL as parent */
	struct fs_mounted *next, *previous; /* all mounts, in the order of mounting */
	struct fs_mounted *next_here;       /* further mounts on `point` */
	char *source;
};
extern struct fs_mounted *fs_mounts;
extern struct fs_place fs_root;       /* of the first mount */
const struct fs_type *fs_type_find(const char *name);
const struct fs_type *fs_type_at(u32 index);
struct fs_super *fs_super_create(const struct fs_type *type) must_check;
void fs_super_put(struct fs_super *super);
void fs_super_memory_put(struct fs_super *super);
void fs_supers_reap(void);             /* at the end of operations which may have dropped the last use of an instance */
long fs_mount_attach(struct fs_super *super, struct fs_name *root, struct fs_place at, u32 flags, const char *source);
void fs_mount_move(struct fs_mounted *mount, struct fs_place to);  /* to another place (name NULL: none); references are the caller's */
void fs_mount_unlist(struct fs_mounted *mount);
struct fs_mounted *fs_mount_at(struct fs_mounted *parent, struct fs_name *point);
void fs_mount_hold(struct fs_mounted *mount);
void fs_mount_put(struct fs_mounted *mount);
void fs_place_hold(struct fs_place place);
void fs_place_put(struct fs_place place);
long fs_place_writable(struct fs_place place);  /* 0 or -EROFS */
bool fs_place_below(struct fs_place place, struct fs_place top);  /* place is top or inside it */
/* How /proc shows an open file: its path, "... (deleted)", "pipe:[5]", "/memfd:name (deleted)". buffer: FS_PATH_MAX. */
long fs_place_show(struct fs_place place, struct fs_inode *inode, struct fs_place root, char *buffer, char **start) must_check;
long fs_place_path(struct fs_place place, struct fs_place root, char *buffer, size_t capacity, char **start) must_check;

/* ---- Names (name.c): the tree. A tmpfs directory is its names; procfs adds passing ones for processes --------------------------- */
struct fs_name {
	volatile u32 references;    /* places, children, and one while linked */
	u32 hash;
	u64 first;                  /* the first eight bytes of text, zero behind its end; this and hash as of its last linking */
	u16 length, room;           /* bytes of text; room in own_text with the NUL */
	bool linked;                /* in its parent and in the hash table; fs_tree */
	bool passing;               /* never linked: made by a lookup of procfs */
	char *text;
	struct fs_name *parent;     /* a reference; the root: itself, without one */
	struct fs_inode *inode;     /* a reference */
	struct fs_mounted *mounted; /* mounts on it, by next_here; fs_tree */
	struct fs_name *hash_next, *previous, *next;
	u64 cookie;                 /* position behind it in its directory */
	char own_text[];
};
struct fs_name *fs_name_create(const char *text, u32 length, struct fs_name *parent, struct fs_inode *inode) must_check; /* takes the inode over, also on failure */
struct fs_name *fs_name_find(struct fs_name *parent, const char *text, u32 length);
/* A part of a path, as walks find it: its hash grows by words of eight bytes while its end is looked for. */
struct fs_part { const char *text; u64 hash, first; u32 length; bool slash; /* follows */ };
struct fs_name *fs_name_find_part(struct fs_name *parent, const struct fs_part *part);
#define FS_HASH_FACTOR 0x9e3779b97f4a7c15ull
/* Up to eight bytes of a text as a word, zero behind its end. */
static inline u64 fs_word_load(const char *text, size_t left)
{
	u64 word = 0;

	if (likely(left >= sizeof(word)))
		__builtin_memcpy(&word, text, sizeof(word));
	else
		for (size_t i = 0; i < left; i++)
			word |= (u64)(u8)text[i] << 8 * i;
	return word;
}
static inline u64 fs_hash_add(u64 hash, u64 word)
{
	return (hash ^ word) * FS_HASH_FACTOR;
}
void fs_name_link(struct fs_name *name);             /* into its parent: a reference of its own */
void fs_name_unlink(struct fs_name *name);           /* out of its parent, and that reference is dropped */
long fs_name_move_prepare(struct fs_name *name, u32 length, char **room) must_check; /* memory for a longer text, or NULL */
void fs_name_move(struct fs_name *name, struct fs_name *parent, const char *text, u32 length, char *room);
long fs_name_exchange_prepare(struct fs_name *name) must_check;
void fs_name_exchange(struct fs_name *a, struct fs_name *b);
struct fs_name *fs_inode_name(struct fs_inode *inode) must_check; /* a name of it, with a reference, or NULL */
void fs_name_hold(struct fs_name *name);
void fs_name_put(struct fs_name *name);
bool fs_name_below(const struct fs_name *name, const struct fs_name *top);

/* ---- Inodes (inode.c, permission.c) --------------------------------------------------------------------------------------------- */
struct fs_listing;
struct fs_inode_ops {
	enum fs_kind kind;
	const struct fs_file_ops *file;
	long (*open)(struct fs_file *file);
	long (*lookup)(struct fs_client *client, struct fs_name *directory, const char *text, u32 length, struct fs_name **found); /* beyond the names in the tree */
	long (*list)(struct fs_name *directory, u64 position, struct fs_listing *listing);               /* the same for readdir */
	long (*link_text)(struct fs_inode *inode, char *text, size_t capacity);      /* of a generated symbolic link: its length */
	long (*follow)(const struct fs_client *client, struct fs_inode *inode, struct fs_place *place);  /* magic link: takes references */
	long (*follow_text)(const struct fs_client *client, struct fs_inode *inode, char *text, size_t capacity); /* readlink of one */
	void (*refresh)(struct fs_inode *inode);                 /* before attributes are looked at */
	void (*destroy)(struct fs_inode *inode);
};
struct fs_inode {
	volatile u32 references;
	struct rt_lock lock;        /* guards mode to created, writers */
	struct fs_gate io;          /* shared: reads; exclusive: writes, changes of size */
	u32 mode, uid, gid, links;
	i32 writers;                /* open for writing; below 0: being executed */
	bool linkable;              /* made by O_TMPFILE: may be given a name */
	u64 size;                   /* written with io exclusive and lock */
	i64 accessed, modified, changed, created;  /* ns since 1970 */
	u64 number, device;
	struct fs_super *super;
	const struct fs_inode_ops *ops;
	struct fs_locks *locks;     /* lock.c */
	struct fs_name *alias;      /* a name of it, without a reference; lock */
	union {
		struct { u64 object, pages, charged; u32 seals; char *name; struct fs_inode *next; } data;        /* regular file; io; name: of a memory file */
		struct { struct fs_name *first, *last; u64 next_cookie; u64 count; } children; /* directory; fs_tree */
		char *target;                                                              /* symbolic link */
		struct fs_pipe_state *pipe;                                                /* FIFO; lock */
	};
	struct { const void *entry; void *data; i32 pid, tid; } generated;                             /* procfs, directories too */
};
struct fs_locks;
void fs_locks_destroy(struct fs_locks *locks);
void fs_locks_drop_file(struct fs_file *file);   /* of an open file that ends */
struct fs_inode *fs_inode_create(struct fs_super *super, u32 mode) must_check;
void fs_inode_hold(struct fs_inode *inode);
void fs_inode_put(struct fs_inode *inode);
void fs_inode_touch(struct fs_inode *inode, bool modified, bool changed);
void fs_inode_accessed(struct fs_place place, struct fs_inode *inode, u32 open_flags);
enum { FS_MAY_EXECUTE = 1, FS_MAY_WRITE = 2, FS_MAY_READ = 4 };
void fs_inode_drop_privileges(struct fs_inode *inode); /* set-user-id, and set-group-id of what its group may run */
long fs_permission(const struct fs_identity *who, struct fs_inode *inode, u32 mask);
bool fs_owner_or_capable(const struct fs_identity *who, struct fs_inode *inode);
long fs_may_create(const struct fs_identity *who, struct fs_place directory);
long fs_may_delete(const struct fs_identity *who, struct fs_place directory, struct fs_name *victim, bool want_directory);
static inline u32 fs_inode_type(const struct fs_inode *inode) { return inode->mode & FS_IFMT; }
static inline bool fs_is_directory(const struct fs_inode *inode) { return fs_inode_type(inode) == FS_IFDIR; }

/* ---- Walks along paths (walk.c). Begin, lock fs_tree, run, use, unlock, end. ----------------------------------------------------- */
enum fs_walk_flags {
	FS_WALK_FOLLOW = 1,     /* a symbolic link at the end */
	FS_WALK_PARENT = 2,     /* the end may be missing, and its last part counts as written (no following, "." is special) */
	FS_WALK_CREATE = 4,     /* the end may be missing: open with O_CREAT */
	FS_WALK_EMPTY = 8,      /* an empty path is the directory itself */
	FS_WALK_DIRECTORY = 16, /* the end must be a directory */
	FS_WALK_OPEN_FILE = 32, /* no path: the open file `directory` itself, -EBADF for O_PATH */
};
enum fs_last { FS_LAST_NAME, FS_LAST_ROOT, FS_LAST_DOT, FS_LAST_DOTDOT };
#define FS_LINKS_MAX 40
#define FS_MAGIC_MAX 4
struct fs_segment { const char *rest; size_t left; const char *begin; };
struct fs_walk {
	struct fs_client *client;
	const struct fs_identity *who;   /* valid while fs_tree is held */
	const struct fs_identity *as;    /* other credentials than the client's, or NULL */
	struct fs_file *base;            /* directory handle, or NULL: the working directory */
	u32 flags;                       /* enum fs_walk_flags */
	u32 resolve;
	struct fs_place root, start, at, parent;
	struct fs_segment now;
	struct fs_segment *stack;        /* what is left behind links */
	char *scratch;                   /* text of generated links */
	u32 depth, links;
	struct fs_place magic[FS_MAGIC_MAX]; /* references from magic links, dropped at the end */
	u32 magic_count;
	struct fs_name *passing, *held;  /* references on names that nothing else holds: where it stands; what it found */
	const char *last;                /* the last part, within the path or a link */
	u32 last_length;
	enum fs_last last_kind;
	bool last_slash;
	bool asked;                      /* it ended by asking for descriptors */
	bool makes_terminals;            /* FS_AT_TERMINALS */
	struct fs_name *found;           /* NULL: missing (or a pipe, with FS_WALK_OPEN_FILE) */
	struct fs_inode *inode;          /* of found, or of the pipe */
	const char *path;
	size_t path_size;
	struct fs_super *unused;         /* mount: dropped by the operation once fs_tree is free, */
	struct fs_place moved;           /* and this too */
};
/* How FS_AT_EMPTY_PATH and FS_AT_OPEN_FILE say it to a walk. */
static inline u32 fs_walk_flags_of(u32 at_flags)
{
	return (at_flags & FS_AT_OPEN_FILE ? FS_WALK_OPEN_FILE | FS_WALK_EMPTY : 0) | (at_flags & FS_AT_EMPTY_PATH ? FS_WALK_EMPTY : 0);
}
/* path need not end in NUL: it ends at one, or at its size. */
long fs_walk_begin(struct fs_walk *walk, const struct rt_request *rq, u64 client, u64 directory, u32 flags) must_check;
long fs_walk_path(struct fs_walk *walk, const void *path, size_t size) must_check;
long fs_walk_run(struct fs_walk *walk) must_check;   /* fs_tree held; may be run again */
void fs_walk_unlock(struct fs_walk *walk);           /* lets fs_tree go, and what only the walk held */
void fs_walk_end(struct fs_walk *walk);
long fs_link_text(const struct fs_client *client, struct fs_inode *inode, char *text, size_t capacity) must_check;

/* ---- Open files (file.c, open.c) ---------------------------------------------------------------------------------------------------- */
struct fs_text { char *data; size_t length, capacity; bool failed; };  /* text.c: growing text of procfs */
void fs_text_add(struct fs_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fs_text_add_bytes(struct fs_text *text, const void *bytes, size_t size);
void fs_text_add_number(struct fs_text *text, u64 value, char behind);   /* decimal, and one more character */
void fs_text_add_escaped(struct fs_text *text, const char *string, const char *escaped); /* octal, as /proc/mounts */
void fs_text_free(struct fs_text *text);

struct fs_transfer {             /* data goes to or comes from the application, or the caller's own memory when `bytes` is not NULL */
	vaddr_t user;
	u8 *bytes;
	u64 size;
	u64 offset;
	u32 flags;               /* of the call: FS_O_APPEND, FS_O_NONBLOCK */
	u64 end;                 /* out of write: offset behind the last byte */
};
/* Moves up to `size` bytes at `done` of the transfer; the number moved is less when the application's memory ends. */
size_t fs_transfer_put(const struct fs_transfer *transfer, u64 done, const void *from, size_t size);
size_t fs_transfer_get(const struct fs_transfer *transfer, u64 done, void *to, size_t size);
size_t fs_transfer_zero(const struct fs_transfer *transfer, u64 done, size_t size);

struct fs_file_ops {
	long (*read)(struct fs_file *file, struct fs_transfer *transfer);
	long (*write)(struct fs_file *file, struct fs_transfer *transfer);
	void (*close)(struct fs_file *file);
};
struct fs_file {
	u64 handle;
	u32 owner;                  /* domain */
	volatile u32 flags;
	enum fs_kind kind;
	bool keeps_privileges;      /* its opener may write without losing set-user-id bits */
	bool counted;               /* in inode->writers */
	struct fs_place place;      /* references; none for pipes */
	struct fs_inode *inode;     /* a reference */
	const struct fs_file_ops *ops;
	struct tk_pollword *word;   /* the file's own, or of its pipe's end; NULL: always ready */
	struct rt_lock lock;        /* guards all below */
	struct fs_name *cursor;     /* readdir: last name listed, a reference */
	struct fs_text text;        /* generated content, read under `reading` */
	struct fs_gate reading;
	u64 seen;                   /* FIFO: openings of the other side when this one was opened */
};
struct fs_file *fs_file_get(const struct rt_request *rq, u64 handle) must_check;
void fs_file_put(struct fs_file *file);
void fs_file_destroy(struct fs_file *file);
void fs_file_mount_count(struct fs_file *file, i32 step); /* a writer of its mount comes (1) or goes (-1) */
/* A new open file on a place (references are taken) or, with place.name NULL, on an inode alone. */
long fs_file_create(const struct rt_request *rq, struct fs_place place, struct fs_inode *inode, u32 flags, struct fs_file **file) must_check;
/* The same with all checks and effects of an open, but O_TRUNC. created: without permission checks. fs_tree is held. */
struct fs_opening { const struct fs_identity *who; struct fs_place place; struct fs_inode *inode; u32 flags; bool created; };
long fs_file_open(const struct rt_request *rq, const struct fs_opening *opening, struct fs_file **file) must_check;
u64 fs_file_information(const struct fs_file *file); /* the word `info` of open */
/* Tells of the file's poll word (0: none), or closes the file. */
long fs_file_word(const struct rt_request *rq, struct fs_file *file, u64 *word) must_check;
/* The same for the end of a call that has made this file, with all its out words. */
long fs_file_answer(const struct rt_request *rq, struct fs_file *file, u64 *handle, u64 *info, u64 *pollword);

/* A regular file with content of its own. */
static inline bool fs_file_is_data(const struct fs_file *file)
{
	return file->kind == FS_KIND_FILE && fs_inode_type(file->inode) == FS_IFREG;
}

/* ---- readdir ------------------------------------------------------------------------------------------------------------------------ */
struct fs_listing { u8 *buffer; size_t capacity, used; u32 format; u64 next; bool full; };
/* Adds a record; false when it does not fit. `position` is the one behind it. */
bool fs_listing_add(struct fs_listing *listing, u64 inode, u32 mode, const char *text, u32 length, u64 position);

/* ---- tmpfs, devices, pipes, procfs ------------------------------------------------------------------------------------------------------ */
extern const struct fs_type fs_tmpfs_type, fs_devtmpfs_type, fs_proc_type, fs_sysfs_type, fs_ramfs_type, fs_rootfs_type, fs_devpts_type;
long fs_tmpfs_inode(struct fs_super *super, u32 mode, u64 device, struct fs_inode **inode) must_check;
long fs_tmpfs_resize(struct fs_inode *inode, u64 size) must_check;             /* io held exclusive */
long fs_tmpfs_write(struct fs_inode *inode, struct fs_transfer *transfer) must_check; /* io held exclusive */
long fs_tmpfs_object(struct fs_inode *inode) must_check;                       /* makes the memory object; io held exclusive */
struct fs_inode *fs_tmpfs_inode_of_cookie(u64 cookie) must_check;              /* of its object; with a reference, NULL: gone */
void fs_tmpfs_object_forget(struct fs_inode *inode);
/* io held exclusive: zeros within one page; holes in whole pages [first, last) and zeros in [from, first) and [last, to); pages. */
long fs_tmpfs_zero(struct fs_inode *inode, u64 from, u64 to) must_check;
long fs_tmpfs_punch(struct fs_inode *inode, u64 from, u64 first, u64 last, u64 to) must_check;
long fs_tmpfs_reserve(struct fs_inode *inode, u64 from, u64 to) must_check;
extern const struct fs_file_ops fs_data_ops;
u64 fs_pipe_available(struct fs_file *file);
extern const struct fs_inode_ops fs_fifo_ops, fs_device_ops, fs_socket_ops;
/* Makes the missing end of a walk; fs_tree is held exclusive. */
struct fs_node { u32 mode; u64 device; const char *target; size_t target_size; };
long fs_node_create(struct fs_walk *walk, const struct fs_node *node) must_check;
long fs_node_inode(struct fs_walk *walk, struct fs_place directory, const struct fs_node *node, struct fs_inode **inode) must_check;
#define FS_MEMORY_NAME_MAX 249
struct fs_super *fs_pipe_super(void);     /* of pipes: never mounted, as that of memory files */
long fs_memory_start(void) must_check;
/* A place for a pipe or memory file, which has none: a passing name on a mount of its own; with references. */
long fs_memory_place(struct fs_inode *inode, struct fs_place *place) must_check;
long fs_proc_open_check(const struct fs_identity *who, const struct fs_inode *inode); /* beyond permissions: 0 or -EACCES */
void fs_initial_unpack(void);
void fs_devices_populate(struct fs_super *super);
void fs_terminals_populate(struct fs_super *super);

static inline i64 fs_now(void) { return clock_realtime(); }
static inline struct fs_time fs_time_of_nanos(i64 nanos)
{
	u64 after = (u64)nanos;
	i64 seconds;

	if (likely(nanos >= 0)) /* division without a sign takes a third */
		return (struct fs_time){ (i64)(after / 1000000000), (u32)(after % 1000000000), 0 };
	seconds = (nanos + 1) / 1000000000 - 1;
	return (struct fs_time){ seconds, (u32)(nanos - seconds * 1000000000), 0 };
}

#endif
