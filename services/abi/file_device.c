/* The memory devices without state: null, zero and full. Reading and writing them needs no call of fs, which opens and knows them. */
#include "file.h"

enum { DEVICE_NULL = 3, DEVICE_ZERO = 5, DEVICE_FULL = 7 }; /* minor numbers */

void *file_device_data(u64 info)
{
	u32 minor = FS_INFO_DEVICE(info);

	return minor == DEVICE_NULL || minor == DEVICE_ZERO || minor == DEVICE_FULL ? (void *)(uintptr_t)minor : NULL;
}

long file_device_read(struct shim_file *file, vaddr_t to, u64 size)
{
	u64 done = 0;

	if ((uintptr_t)file->data == DEVICE_NULL)
		return 0;
	while (done < size) {
		u64 part = PAGE_SIZE - ((to + done) & PAGE_MASK); /* what is mapped is filled up to a page that is not */

		if (part > size - done)
			part = size - done;
		if (user_fill_zero(to + done, part) < 0)
			return done ? (long)done : -EFAULT;
		done += part;
	}
	return (long)done;
}

long file_device_write(const struct shim_file *file, u64 size)
{
	return (uintptr_t)file->data == DEVICE_FULL && size ? -ENOSPC : (long)size;
}
