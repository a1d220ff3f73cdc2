/* getrandom. */
#include "shim.h"

#define GRND_NONBLOCK 1u
#define GRND_RANDOM 2u
#define GRND_INSECURE 4u
#define CHUNK 256u

long sys_getrandom(struct shim_thread *t, const u64 *a)
{
	u64 size = a[1] > INT32_MAX ? INT32_MAX : a[1], done = 0;
	u32 flags = (u32)a[2];
	u8 bytes[CHUNK];

	(void)t;
	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) || (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	while (done < size) {
		u64 part = size - done < CHUNK ? size - done : CHUNK;

		random_bytes(bytes, part);
		if (user_copy_out(a[0] + done, bytes, part) < 0) {
			if (done)
				break;
			return -EFAULT;
		}
		done += part;
		if (t->page->interrupt && done < size) /* a large request can be interrupted */
			break;
	}
	memset(bytes, 0, sizeof(bytes));
	return (long)done;
}
