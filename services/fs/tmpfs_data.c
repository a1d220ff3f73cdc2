/*
 * Content of tmpfs files: pages of a memory object, which fs reads and writes through its token window. The io gate keeps pages
 * in place while they are copied: whoever frees pages holds it exclusive.
 */
#include "recover.h"
#include <mem_client.h>
#include <mem/mem_types.h>

#define BATCH 32u   /* pages asked for at once */

/* Inodes with an object, by the cookie that their object has at mem: an address that is only compared. */
#define COOKIE_SLOTS 256u
static struct fs_inode *cookies[COOKIE_SLOTS];   /* guarded by cookies_lock */
static struct rt_lock cookies_lock = RT_LOCK_INIT;

static struct fs_inode **cookie_slot(u64 cookie)
{
	return &cookies[(cookie >> 6) % COOKIE_SLOTS];
}

long fs_tmpfs_object(struct fs_inode *inode)
{
	u64 cookie = (u64)(uintptr_t)inode;
	long result = inode->data.object ? 1 : mem_object_create(inode->data.pages, cookie, &inode->data.object);

	if (result)
		return result < 0 ? result : 0;
	lock_acquire(&cookies_lock);
	inode->data.next = *cookie_slot(cookie);
	*cookie_slot(cookie) = inode;
	lock_release(&cookies_lock);
	return 0;
}

void fs_tmpfs_object_forget(struct fs_inode *inode)
{
	struct fs_inode **at = cookie_slot((u64)(uintptr_t)inode);

	lock_acquire(&cookies_lock);
	while (*at && *at != inode)
		at = &(*at)->data.next;
	if (*at)
		*at = inode->data.next;
	lock_release(&cookies_lock);
}

struct fs_inode *fs_tmpfs_inode_of_cookie(u64 cookie)
{
	struct fs_inode *inode;
	u32 count = 0;

	lock_acquire(&cookies_lock);
	for (inode = *cookie_slot(cookie); inode && (u64)(uintptr_t)inode != cookie; inode = inode->data.next)
		;
	if (inode)
		count = __atomic_load_n(&inode->references, __ATOMIC_RELAXED);
	/* One whose last reference is going is not brought back. */
	while (count && !__atomic_compare_exchange_n(&inode->references, &count, count + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	lock_release(&cookies_lock);
	return count ? inode : NULL;
}

static u8 *page_address(frame_t frame)
{
	return (u8 *)token_of_frame(frame);
}

/* Frames of up to BATCH pages from `index`; those without are FRAME_NONE. The number of pages. */
static long pages_get(struct fs_inode *inode, u64 index, u64 count, u32 flags, frame_t *frames)
{
	u64 out = 0;
	long result;

	if (count > BATCH)
		count = BATCH;
	if (count == 1) {
		result = mem_object_page(inode->data.object, index, flags, &out);
		frames[0] = (frame_t)out;
		return result < 0 ? result : 1;
	}
	result = mem_object_pages(inode->data.object, index, (u32)count, flags, frames, count * sizeof(*frames));
	return result < 0 ? result : result / (long)sizeof(*frames);
}

static long data_read(struct fs_file *file, struct fs_transfer *transfer)
{
	struct fs_inode *inode = file->inode;
	frame_t frames[BATCH];
	u64 done = 0, size, first = 0;
	long count = 0;

	fs_gate_shared(&inode->io);
	size = inode->size;
	if (transfer->offset >= size)
		transfer->size = 0;
	else if (transfer->size > size - transfer->offset)
		transfer->size = size - transfer->offset;
	while (done < transfer->size) {
		u64 at = transfer->offset + done, index = at / PAGE_SIZE, in_page = at & PAGE_MASK, part = PAGE_SIZE - in_page, moved;

		if (part > transfer->size - done)
			part = transfer->size - done;
		if (!inode->data.object) {   /* never written: one hole */
			moved = fs_transfer_zero(transfer, done, part);
		} else {
			if (index - first >= (u64)count) {
				count = pages_get(inode, index, (transfer->offset + transfer->size - 1) / PAGE_SIZE - index + 1, 0, frames);
				first = index;
				if (count <= 0)
					break;
			}
			moved = frames[index - first] == FRAME_NONE ? fs_transfer_zero(transfer, done, part)
				: fs_transfer_put(transfer, done, page_address(frames[index - first]) + in_page, part);
		}
		done += moved;
		if (moved < part)
			break;
	}
	fs_gate_release(&inode->io);
	if (done < transfer->size && !done)
		return count < 0 ? count : -EFAULT;
	fs_inode_accessed(file->place, inode, file->flags);
	return (long)done;
}

/* Takes pages from the instance's limit. */
static long pages_charge(struct fs_inode *inode, u64 pages)
{
	struct fs_super *super = inode->super;
	/* A counter; the limit is checked on its value after adding. */
	u64 used = __atomic_add_fetch(&super->pages_used, pages, __ATOMIC_RELAXED);

	if (super->pages_limit && used > super->pages_limit) {
		__atomic_sub_fetch(&super->pages_used, pages, __ATOMIC_RELAXED);
		return -ENOSPC;
	}
	inode->data.charged += pages;
	return 0;
}

/* After pages went away or came by mappings: counts what is there. */
static void pages_recount(struct fs_inode *inode)
{
	struct mem_object_info info = { 0 };
	u64 present = 0;

	if (inode->data.object && mem_object_info(inode->data.object, &info) == 0)
		present = info.present;
	__atomic_add_fetch(&inode->super->pages_used, present - inode->data.charged, __ATOMIC_RELAXED); /* a counter; wraps right */
	inode->data.charged = present;
}

/* Sets the size in pages of the object. */
static long object_fit(struct fs_inode *inode, u64 size)
{
	u64 pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	long result = 0;

	if (pages == inode->data.pages)
		return 0;
	if (inode->data.object)
		result = mem_object_resize(inode->data.object, pages);
	if (!result)
		inode->data.pages = pages;
	return result;
}

static void size_set(struct fs_inode *inode, u64 size)
{
	lock_acquire(&inode->lock);
	inode->size = size;
	lock_release(&inode->lock);
}

/* Zeroes part of one page if it is there. */
static void page_zero(struct fs_inode *inode, u64 from, u64 to)
{
	u64 frame = FRAME_NONE;

	if (from < to && inode->data.object && mem_object_page(inode->data.object, from / PAGE_SIZE, 0, &frame) >= 0 && frame != FRAME_NONE)
		memset(page_address((frame_t)frame) + (from & PAGE_MASK), 0, to - from);
}

long fs_tmpfs_resize(struct fs_inode *inode, u64 size)
{
	u64 old = inode->size;
	long result;

	if (size > FS_OFFSET_MAX - PAGE_SIZE)
		return -EFBIG;
	if (size < old)
		size_set(inode, size);   /* before pages go: readers wait at the gate, mappings ask the object */
	result = object_fit(inode, size);
	if (result) {
		size_set(inode, old);
		return result;
	}
	/* Behind the end is zero, so that growing shows zeros: also what a mapping wrote there. */
	if (size < old)
		page_zero(inode, size, round_up(size, PAGE_SIZE));
	else
		page_zero(inode, old, round_up(old, PAGE_SIZE) < size ? round_up(old, PAGE_SIZE) : size);
	size_set(inode, size);
	if (size < old)
		pages_recount(inode);
	return 0;
}

/* The frame of a page that is written. Behind the end of the file is none yet, unless a mapping has just made one, which nobody has charged. */
static long page_want(struct fs_inode *inode, u64 index, u64 *frame)
{
	bool looks = index < (inode->size + PAGE_SIZE - 1) / PAGE_SIZE;
	long result = looks ? mem_object_page(inode->data.object, index, 0, frame) : 0;

	if (result < 0 || *frame != FRAME_NONE)
		return result;
	result = pages_charge(inode, 1);
	if (result)
		return result;
	result = mem_object_page(inode->data.object, index, MEM_PAGE_CREATE, frame);
	if (result < 0)
		pages_recount(inode);
	return result;
}

/* Copies one piece of a write, within a page; moved is less than part when the application's memory ends. */
static long page_write(struct fs_inode *inode, const struct fs_transfer *transfer, u64 done, u64 part, u64 *moved)
{
	u64 at = transfer->offset + done, frame = FRAME_NONE;
	long result = page_want(inode, at / PAGE_SIZE, &frame);

	if (result < 0)
		return result;
	*moved = fs_transfer_get(transfer, done, page_address((frame_t)frame) + (at & PAGE_MASK), part);
	/* Half a copy may lie behind the end. */
	if (*moved < part && at + part > inode->size)
		page_zero(inode, at + *moved > inode->size ? at + *moved : inode->size, at + part);
	return 0;
}

long fs_tmpfs_write(struct fs_inode *inode, struct fs_transfer *transfer)
{
	u64 done = 0, old = inode->size, end;
	long result;

	if (transfer->offset > FS_OFFSET_MAX - PAGE_SIZE)
		return -EFBIG;
	if (transfer->size > FS_OFFSET_MAX - PAGE_SIZE - transfer->offset)
		transfer->size = FS_OFFSET_MAX - PAGE_SIZE - transfer->offset;
	end = transfer->offset + transfer->size;
	result = fs_tmpfs_object(inode);
	if (!result && end > old)
		result = object_fit(inode, end);
	if (!result && transfer->offset > old)
		page_zero(inode, old, round_up(old, PAGE_SIZE) < transfer->offset ? round_up(old, PAGE_SIZE) : transfer->offset);
	while (!result && done < transfer->size) {
		u64 in_page = (transfer->offset + done) & PAGE_MASK, part = PAGE_SIZE - in_page, moved = 0;

		if (part > transfer->size - done)
			part = transfer->size - done;
		result = page_write(inode, transfer, done, part, &moved);
		done += moved;
		if (moved < part && !result)
			result = -EFAULT;
	}
	transfer->end = transfer->offset + done;
	if (done && transfer->end > old) {
		lock_acquire(&inode->lock);
		inode->size = transfer->end;
		stable_commit((long)done, transfer->end);
		lock_release(&inode->lock);
	}
	if (done < transfer->size && end > old && object_fit(inode, inode->size) == 0)
		pages_recount(inode);
	return done ? (long)done : result;
}

long fs_tmpfs_zero(struct fs_inode *inode, u64 from, u64 to)
{
	page_zero(inode, from, to);
	return 0;
}

long fs_tmpfs_punch(struct fs_inode *inode, u64 from, u64 first, u64 last, u64 to)
{
	long result = first < last ? mem_object_punch(inode->data.object, first / PAGE_SIZE, (last - first) / PAGE_SIZE) : 0;

	if (result)
		return result;
	page_zero(inode, from, first);
	page_zero(inode, last, to);
	pages_recount(inode);
	return 0;
}

long fs_tmpfs_reserve(struct fs_inode *inode, u64 from, u64 to)
{
	u64 index, frame = FRAME_NONE, before = inode->data.pages, end = (to + PAGE_SIZE - 1) / PAGE_SIZE;
	long result = fs_tmpfs_object(inode);

	if (!result && end > before)
		result = object_fit(inode, to);
	for (index = from / PAGE_SIZE; !result && index < end; index++) {
		frame = FRAME_NONE;
		result = page_want(inode, index, &frame);
	}
	if (result < 0 && end > before && object_fit(inode, inode->size) == 0)
		pages_recount(inode);
	return result < 0 ? result : 0;
}

static long data_write(struct fs_file *file, struct fs_transfer *transfer)
{
	struct fs_inode *inode = file->inode;
	long result;

	fs_gate_exclusive(&inode->io);
	if (transfer->flags & FS_O_APPEND)
		transfer->offset = inode->size;
	if ((inode->data.seals & (FS_SEAL_WRITE | FS_SEAL_FUTURE_WRITE))
	    || ((inode->data.seals & FS_SEAL_GROW) && transfer->offset + transfer->size > inode->size))
		result = -EPERM;
	else
		result = fs_tmpfs_write(inode, transfer);
	fs_gate_release(&inode->io);
	if (result > 0) {
		fs_inode_touch(inode, true, true);
		/* A changed program loses its privileges. */
		if ((inode->mode & (FS_ISUID | FS_ISGID)) && !file->keeps_privileges)
			fs_inode_drop_privileges(inode);
	}
	return result;
}

const struct fs_file_ops fs_data_ops = { data_read, data_write, NULL };

/* ---- Recovery: mem knows the objects ----------------------------------------------------------------------------------------- */

#define OBJECTS_AT_ONCE (TK_BULK_MAX / sizeof(struct mem_object_entry))

/* The inode of an object, if there is one and it has no other. */
static struct fs_inode *inode_of_object(const struct mem_object_entry *entry)
{
	struct fs_inode *inode = (struct fs_inode *)(uintptr_t)entry->cookie;

	if (!fs_claimed_inode(inode) || fs_inode_type(inode) != FS_IFREG || inode->super->type->fixed)
		return NULL;
	return !inode->data.object || inode->data.object == entry->object ? inode : NULL;
}

/* Makes the object as large as the file, and zeroes what a write that did not end has left behind the end. */
static long object_settle(struct fs_inode *inode, const struct mem_object_entry *entry)
{
	u64 pages = (inode->size + PAGE_SIZE - 1) / PAGE_SIZE;

	inode->data.object = entry->object;
	inode->data.pages = pages;
	inode->data.charged = entry->present;
	if (pages != entry->pages && mem_object_resize(entry->object, pages))
		return fs_bad("the object of a file has another size");
	if (heap_kind(inode) == FS_CLAIMED_WRITTEN)
		page_zero(inode, inode->size, round_up(inode->size, PAGE_SIZE));
	if (pages != entry->pages)
		pages_recount(inode);
	else
		inode->super->pages_used += entry->present;
	inode->data.next = *cookie_slot(entry->cookie);
	*cookie_slot(entry->cookie) = inode;
	return 0;
}

static long objects_look(const struct mem_object_entry *entries, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		struct fs_inode *inode = inode_of_object(&entries[i]);

		if (inode ? object_settle(inode, &entries[i]) : mem_object_destroy(entries[i].object))
			return fs_bad("an object of mem");
	}
	return 0;
}

static bool inode_settled(struct fs_inode *inode)
{
	struct fs_inode *at;

	for (at = *cookie_slot((u64)(uintptr_t)inode); at && at != inode; at = at->data.next)
		;
	return at;
}

static long inodes_settled(enum fs_claimed kind)
{
	struct fs_inode *inode;

	for (inode = heap_next(NULL, kind); inode; inode = heap_next(inode, kind)) {
		if (fs_inode_type(inode) != FS_IFREG || inode->super->type->fixed)
			continue;
		if (inode->data.object && !inode_settled(inode))
			return fs_bad("the object of a file is gone");
		if (!inode->data.object)
			inode->data.pages = (inode->size + PAGE_SIZE - 1) / PAGE_SIZE;
	}
	return 0;
}

long fs_objects_recover(void)
{
	struct mem_object_entry entries[OBJECTS_AT_ONCE / 4];
	u64 from = 0;
	long size;

	cookies_lock = (struct rt_lock)RT_LOCK_INIT;
	memset(cookies, 0, sizeof(cookies));
	do {
		size = mem_objects_list((u32)from, entries, sizeof(entries), &from);
		if (size < 0 || objects_look(entries, (u32)((u64)size / sizeof(entries[0]))))
			return fs_bad("mem's list of objects");
	} while (from);
	return inodes_settled(FS_CLAIMED_INODE) || inodes_settled(FS_CLAIMED_WRITTEN) ? -EIO : 0;
}
