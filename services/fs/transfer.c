/* Moves data between file pages and the application or the caller's own memory. No lock of the runtime may be held. */
#include "fs.h"

/* A piece that failed as a whole may succeed up to the next page of the application's memory. */
static size_t first_part(vaddr_t user, size_t size)
{
	size_t part = PAGE_SIZE - (user & PAGE_MASK);

	return part < size ? part : 0;
}

size_t fs_transfer_put(const struct fs_transfer *transfer, u64 done, const void *from, size_t size)
{
	size_t part;

	if (transfer->bytes) {
		memcpy(transfer->bytes + done, from, size);
		return size;
	}
	if (user_copy_out(transfer->user + done, from, size) == 0)
		return size;
	part = first_part(transfer->user + done, size);
	return part && user_copy_out(transfer->user + done, from, part) == 0 ? part : 0;
}

size_t fs_transfer_get(const struct fs_transfer *transfer, u64 done, void *to, size_t size)
{
	size_t part;

	if (transfer->bytes) {
		memcpy(to, transfer->bytes + done, size);
		return size;
	}
	if (user_copy_in(to, transfer->user + done, size) == 0)
		return size;
	part = first_part(transfer->user + done, size);
	return part && user_copy_in(to, transfer->user + done, part) == 0 ? part : 0;
}

size_t fs_transfer_zero(const struct fs_transfer *transfer, u64 done, size_t size)
{
	size_t part;

	if (transfer->bytes) {
		memset(transfer->bytes + done, 0, size);
		return size;
	}
	if (user_fill_zero(transfer->user + done, size) == 0)
		return size;
	part = first_part(transfer->user + done, size);
	return part && user_fill_zero(transfer->user + done, part) == 0 ? part : 0;
}
