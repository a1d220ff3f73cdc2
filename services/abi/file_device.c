/*
 * The memory devices: none has a place in it. null, zero and full have no state at all: reading and writing them needs no call of fs,
 * which opens and knows them.
 */
#include "file.h"
#include "include/abi_ioctl.h"
#include <fs_client.h>

enum { DEVICE_NULL = 3, DEVICE_ZERO = 5, DEVICE_FULL = 7, DEVICE_RANDOM = 8, DEVICE_URANDOM = 9 }; /* minor numbers */
#define ENTROPY_BITS 256 /* of a pool that was filled once, as Linux tells it */

static bool device_is_random(const struct shim_file *file)
{
	return (uintptr_t)file->data == DEVICE_RANDOM || (uintptr_t)file->data == DEVICE_URANDOM;
}

void *file_device_data(u64 info)
{
	u32 minor = FS_INFO_DEVICE(info);

	return minor == DEVICE_NULL || (minor >= DEVICE_ZERO && minor <= DEVICE_URANDOM && minor != 6) ? (void *)(uintptr_t)minor : NULL;
}

bool file_device_is_zero(const struct shim_file *file)
{
	return file->ops == &file_data_ops && (uintptr_t)file->data == DEVICE_ZERO;
}

long file_device_ioctl(const struct shim_file *file, u32 command, vaddr_t argument)
{
	i32 bits = ENTROPY_BITS;

	if (!device_is_random(file))
		return -ENOTTY;
	return command == RNDGETENTCNT ? user_copy_out(argument, &bits, sizeof(bits)) : -EINVAL;
}

long file_device_read(struct shim_file *file, vaddr_t to, u64 size)
{
	u64 done = 0;

	if ((uintptr_t)file->data == DEVICE_NULL)
		return 0;
	if (device_is_random(file))
		return fs_read(file->handle, to, size, 0);
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
	return (uintptr_t)file->data == DEVICE_FULL ? -ENOSPC : (long)size;
}
