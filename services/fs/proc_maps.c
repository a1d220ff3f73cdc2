/* /proc/PID/maps and auxv: an address space and what the loader left on its stack. */
#include "proc.h"
#include <mem_client.h>
#include <mem/mem_types.h>

#define BUFFER_SIZE 4096u
#define NAME_COLUMN 73u       /* of maps */
#define AUXILIARY_MAX 64u     /* pairs */
#define SCAN_MAX (2u << 20)   /* bytes of pointers before them */

struct maps { struct fs_text *text; struct fs_place root; char *path; };

static i32 tid_of(const struct fs_inode *inode)
{
	return inode->generated.tid ? inode->generated.tid : inode->generated.pid;
}

/* Adds the path of a file, by one of its names and the first mount that shows it; fs_tree is held. */
static void file_name_add(struct maps *maps, struct fs_inode *inode)
{
	struct fs_name *name = fs_inode_name(inode);
	struct fs_mounted *mount;
	char *start;

	for (mount = name ? fs_mounts : NULL; mount; mount = mount->next)
		if (mount->super == inode->super && fs_name_below(name, mount->root))
			break;
	if (mount && fs_place_show((struct fs_place){ mount, name }, inode, maps->root, maps->path, &start) > 0)
		fs_text_add_escaped(maps->text, start, "\n");
	else if (inode->data.name)
		fs_text_add(maps->text, "/memfd:%s (deleted)", inode->data.name);
	if (name)
		fs_name_put(name);
}

static void region_add(struct maps *maps, const struct mem_region_info *region)
{
	static const char *const names[] = {
		[MEM_NAME_HEAP] = "[heap]", [MEM_NAME_STACK] = "[stack]", [MEM_NAME_VDSO] = "[vdso]", [MEM_NAME_VVAR] = "[vvar]",
		[MEM_NAME_SHARED] = "/dev/zero (deleted)",
	};
	struct fs_inode *inode = region->name == MEM_NAME_FILE ? fs_tmpfs_inode_of_cookie(region->cookie) : NULL;
	u64 device = inode ? inode->super->device : 0;
	size_t start = maps->text->length, length;

	fs_text_add(maps->text, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu", (unsigned long long)region->start, (unsigned long long)region->end,
		region->prot & TK_PROT_READ ? 'r' : '-', region->prot & TK_PROT_WRITE ? 'w' : '-', region->prot & TK_PROT_EXECUTE ? 'x' : '-',
		region->shared ? 's' : 'p', (unsigned long long)region->offset, fs_device_major(device), fs_device_minor(device),
		(unsigned long long)(inode ? inode->number : 0));
	length = maps->text->length - start;
	fs_text_add(maps->text, "%*s", length < NAME_COLUMN ? (int)(NAME_COLUMN - length) : 1, "");
	if (inode) {
		fs_gate_shared(&fs_tree);
		file_name_add(maps, inode);
		fs_gate_release(&fs_tree);
		fs_inode_put(inode);
	} else if (region->name < countof(names) && names[region->name]) {
		fs_text_add(maps->text, "%s", names[region->name]);
	}
	fs_text_add(maps->text, "\n");
}

static long regions_add(struct maps *maps, u64 space)
{
	struct mem_region_info *regions = heap_alloc(BUFFER_SIZE);
	u64 at = 0;
	long size = regions ? 1 : -ENOMEM, i;

	while (size > 0) {
		size = mem_regions_list(space, at, 0, regions, BUFFER_SIZE);
		for (i = 0; i < size / (long)sizeof(*regions); i++) {
			region_add(maps, &regions[i]);
			at = regions[i].end;
		}
	}
	heap_free(regions);
	return size == -EBADF ? 0 : size; /* the space ended meanwhile */
}

long fs_proc_maps_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct proc_info *info = fs_proc_info(tid_of(inode), false);
	struct maps maps = { .text = text };
	long result = 0;

	if (!info)
		return -ESRCH;
	fs_gate_shared(&fs_tree);
	result = fs_proc_client_place(tid_of(inode), true, &maps.root);
	fs_gate_release(&fs_tree);
	if (!result) {
		maps.path = heap_alloc(FS_PATH_MAX);
		result = !maps.path ? -ENOMEM : info->space ? regions_add(&maps, info->space) : 0;
		heap_free(maps.path);
		fs_place_put(maps.root);
	} else {
		result = 0; /* it has ended: nothing is mapped */
	}
	heap_free(info);
	return result;
}

/* Reads one word of a space; false when it can't be had. */
static bool word_read(u64 space, u64 address, u64 *word)
{
	return mem_space_read(space, address, word, sizeof(*word)) == sizeof(*word);
}

/* The pairs stand behind the argument count, the arguments' pointers, NULL, the environment's, NULL. */
static u64 auxiliary_find(const struct proc_info *info)
{
	u64 at = info->stack_start, word, count, end = at + SCAN_MAX;

	if (!word_read(info->space, at, &count) || count > SCAN_MAX / sizeof(word))
		return 0;
	for (at += (count + 2) * sizeof(word); at < end; at += sizeof(word))
		if (!word_read(info->space, at, &word) || !word)
			return at + sizeof(word);
	return 0;
}

long fs_proc_auxv_show(struct fs_text *text, const struct fs_inode *inode)
{
	struct proc_info *info = fs_proc_info(tid_of(inode), false);
	u64 at = info && info->space ? auxiliary_find(info) : 0, pair[2] = { 1, 0 };
	u32 i;

	for (i = 0; at && i < AUXILIARY_MAX && pair[0]; i++, at += sizeof(pair)) {
		if (mem_space_read(info->space, at, pair, sizeof(pair)) != sizeof(pair))
			break;
		fs_text_add_bytes(text, pair, sizeof(pair));
	}
	if (!info)
		return -ESRCH;
	heap_free(info);
	return 0;
}
