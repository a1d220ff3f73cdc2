/* Moves data between file pages and the application or the caller's own memory. No lock of the runtime may be held.
 * What lies in a page or a ring counts only when a size or position says so: nothing of it is noted. */
#include "fs.h"

/* A piece that failed as a whole goes on page by page of the application's memory, up to the one that is missing. */
static size_t page_part(vaddr_t user, size_t left)
{
	size_t part = PAGE_SIZE - (user & PAGE_MASK);

	return part < left ? part : left;
}

size_t fs_transfer_put(const struct fs_transfer *transfer, u64 done, const void *from, size_t size)
{
	size_t moved = 0, part;

	if (transfer->bytes) {
		unnoted_copy(transfer->bytes + done, from, size);
		return size;
	}
	if (likely(user_copy_out(transfer->user + done, from, size) == 0))
		return size;
	for (; moved < size; moved += part) {
		part = page_part(transfer->user + done + moved, size - moved);
		if (user_copy_out(transfer->user + done + moved, (const u8 *)from + moved, part) < 0)
			break;
	}
	return moved;
}

size_t fs_transfer_get(const struct fs_transfer *transfer, u64 done, void *to, size_t size)
{
	size_t moved = 0, part;

	if (transfer->bytes) {
		unnoted_copy(to, transfer->bytes + done, size);
		return size;
	}
	if (likely(user_copy_in(to, transfer->user + done, size) == 0))
		return size;
	for (; moved < size; moved += part) {
		part = page_part(transfer->user + done + moved, size - moved);
		if (user_copy_in((u8 *)to + moved, transfer->user + done + moved, part) < 0)
			break;
	}
	return moved;
}

size_t fs_transfer_zero(const struct fs_transfer *transfer, u64 done, size_t size)
{
	size_t moved = 0, part;

	if (transfer->bytes) {
		unnoted_zero(transfer->bytes + done, size);
		return size;
	}
	if (user_fill_zero(transfer->user + done, size) == 0)
		return size;
	for (; moved < size; moved += part) {
		part = page_part(transfer->user + done + moved, size - moved);
		if (user_fill_zero(transfer->user + done + moved, part) < 0)
			break;
	}
	return moved;
}
