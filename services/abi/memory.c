/* System calls on the calling process's memory. mem does the work; here are Linux's argument checks, in Linux's order. */
#include "file.h"
#include "include/abi_mman.h"
#include <fs_client.h>
#include <mem_client.h>

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)
/* What MAP_SHARED_VALIDATE knows. */
#define MAP_KNOWN (MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED | \
                   MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT | MAP_ABOVE4G | MAP_HUGE_2MB | MAP_HUGE_1GB)

long file_map_fs(struct shim_thread *t, struct shim_file *file, bool write, u64 *object)
{
	u64 size;

	(void)t;
	return fs_object(file->handle, write, object, &size);
}

static u32 map_flags(u32 flags)
{
	static const struct { u32 linux_flag, flag; } table[] = {
		{ MAP_FIXED, MEM_MAP_FIXED },         { MAP_FIXED_NOREPLACE, MEM_MAP_FIXED_NOREPLACE },
		{ MAP_GROWSDOWN, MEM_MAP_GROWSDOWN }, { MAP_LOCKED, MEM_MAP_LOCKED },
		{ MAP_32BIT, MEM_MAP_LOW },           { MAP_NORESERVE, MEM_MAP_NORESERVE },
	};
	u32 result = 0;

	for (u32 i = 0; i < countof(table); i++)
		if (flags & table[i].linux_flag)
			result |= table[i].flag;
	if ((flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE)
		result |= MEM_MAP_POPULATE;
	if ((flags & MAP_TYPE) != MAP_PRIVATE)
		result |= MEM_MAP_SHARED;
	if (flags & MAP_FIXED_NOREPLACE)
		result &= ~(u32)MEM_MAP_FIXED;
	return result;
}

/* Linux's checks of a file's mode, and of the kind of mapping. */
static long file_check(const struct shim_file *file, u32 prot, u32 flags)
{
	u32 type = flags & MAP_TYPE, mode = file->flags & O_ACCMODE;

	if (type == MAP_SHARED_VALIDATE && flags & ~(u32)MAP_KNOWN)
		return -EOPNOTSUPP;
	if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type != MAP_PRIVATE && prot & PROT_WRITE && mode == O_RDONLY)
		return -EACCES;
	if (mode == O_WRONLY)
		return -EACCES;
	if (!file->ops->map)
		return -ENODEV;
	if (flags & MAP_HUGETLB)
		return -EINVAL; /* no file has huge pages */
	return flags & MAP_GROWSDOWN ? -EINVAL : 0;
}

static long map_file(struct shim_thread *t, struct shim_file *file, struct mem_map_request *request, u32 flags, u64 *address)
{
	bool read_only = (file->flags & O_ACCMODE) == O_RDONLY, shared = (flags & MAP_TYPE) != MAP_PRIVATE;
	long result;

	if (!request->size)
		return -EINVAL;
	if (request->size <= rt_boot->user_limit && request->offset > INT64_MAX - round_up(request->size, PAGE_SIZE))
		return -EOVERFLOW;
	result = file_check(file, request->prot, flags);
	if (result < 0)
		return result;
	if (shared && read_only)
		request->prot_max = TK_PROT_READ | TK_PROT_EXECUTE;
	if (file_device_is_zero(file)) {
		request->offset = 0;
		return mem_map(request, address);
	}
	result = file->ops->map(t, file, shared && !read_only, &request->object);
	if (result == -EPERM && !(request->prot & PROT_WRITE)) { /* sealed against writing: it may be read, and never be made writable */
		request->prot_max = TK_PROT_READ | TK_PROT_EXECUTE;
		result = file->ops->map(t, file, false, &request->object);
	}
	if (result < 0)
		return result;
	result = mem_map(request, address);
	if (request->object)
		(void)!mem_object_release(request->object);
	return result;
}

static long map_anonymous(const struct mem_map_request *request, u32 flags, u64 *address)
{
	u32 type = flags & MAP_TYPE;

	if (!request->size)
		return -EINVAL;
	if (flags & MAP_HUGETLB)
		return -ENOMEM; /* there are no huge pages set aside */
	if ((type != MAP_SHARED && type != MAP_PRIVATE) || (type == MAP_SHARED && flags & MAP_GROWSDOWN))
		return -EINVAL;
	return mem_map(request, address);
}

long sys_mmap(struct shim_thread *t, const u64 *a)
{
	struct mem_map_request request = { .space = t->process->space, .address = a[0], .size = a[1], .prot = (u32)a[2] & PROT_ALL };
	u32 flags = (u32)a[3];
	struct shim_file *file;
	u64 address;
	long result;

	if (a[5] & PAGE_MASK)
		return -EINVAL;
	request.flags = map_flags(flags);
	if (flags & MAP_ANONYMOUS) {
		result = map_anonymous(&request, flags, &address);
		return result < 0 ? result : (long)address;
	}
	request.offset = a[5];
	file = file_get(t, (i32)a[4]);
	if (!file)
		return -EBADF;
	result = file->flags & O_PATH ? -EBADF : map_file(t, file, &request, flags, &address);
	file_put(file);
	return result < 0 ? result : (long)address;
}

long sys_munmap(struct shim_thread *t, const u64 *a)
{
	return mem_unmap(t->process->space, a[0], a[1]);
}

long sys_mprotect(struct shim_thread *t, const u64 *a)
{
	u64 grows = a[2] & (PROT_GROWSDOWN | PROT_GROWSUP);

	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || a[0] & PAGE_MASK)
		return -EINVAL;
	if (!a[1])
		return 0;
	if (round_up(a[1], PAGE_SIZE) == 0 || a[0] + round_up(a[1], PAGE_SIZE) <= a[0])
		return -ENOMEM;
	if (a[2] & ~(u64)(PROT_ALL | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP) || grows == PROT_GROWSUP)
		return -EINVAL;
	return mem_protect(t->process->space, a[0], a[1], (u32)(a[2] & (PROT_ALL | PROT_GROWSDOWN)));
}

long sys_mremap(struct shim_thread *t, const u64 *a)
{
	struct mem_remap_request request = { .space = t->process->space, .address = a[0], .size = a[1], .new_size = a[2],
	                                     .flags = (u32)a[3], .new_address = a[4] };
	u64 address;
	long result;

	if (a[3] & ~(u64)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	result = mem_remap(&request, &address);
	return result < 0 ? result : (long)address;
}

long sys_brk(struct shim_thread *t, const u64 *a)
{
	u64 now;
	long result = mem_break_set(t->process->space, a[0], &now);

	return result < 0 ? result : (long)now;
}

long sys_madvise(struct shim_thread *t, const u64 *a)
{
	i32 advice = (i32)a[2];

	return advice < 0 ? -EINVAL : mem_advise(t->process->space, a[0], a[1], (u32)advice);
}

long sys_msync(struct shim_thread *t, const u64 *a)
{
	return mem_sync(t->process->space, a[0], a[1], (u32)a[2]);
}

/* One byte a page, by way of a small buffer: stacks here are short. */
long sys_mincore(struct shim_thread *t, const u64 *a)
{
	u64 pages = round_up(a[1], PAGE_SIZE) >> PAGE_SHIFT;
	u8 vector[256];

	if (a[0] & PAGE_MASK)
		return -EINVAL;
	if (a[0] + a[1] < a[0] || a[0] + a[1] > rt_boot->user_limit)
		return -ENOMEM;
	for (u64 done = 0; done < pages;) {
		u32 part = pages - done < sizeof(vector) ? (u32)(pages - done) : (u32)sizeof(vector);
		long result = mem_residency(t->process->space, a[0] + (done << PAGE_SHIFT), part, vector, sizeof(vector));

		if (result >= 0)
			result = user_copy_out(a[2] + done, vector, part);
		if (result < 0)
			return result;
		done += part;
	}
	return 0;
}

long sys_mlock(struct shim_thread *t, const u64 *a)
{
	return mem_lock(t->process->space, a[0], a[1], MEM_LOCK_ON);
}

long sys_mlock2(struct shim_thread *t, const u64 *a)
{
	if (a[2] & ~(u64)MLOCK_ONFAULT)
		return -EINVAL;
	return mem_lock(t->process->space, a[0], a[1], MEM_LOCK_ON | (a[2] ? MEM_LOCK_ON_FAULT : 0));
}

long sys_munlock(struct shim_thread *t, const u64 *a)
{
	return mem_lock(t->process->space, a[0], a[1], 0);
}

long sys_mlockall(struct shim_thread *t, const u64 *a)
{
	u32 flags = MEM_LOCK_ON;

	if (!a[0] || a[0] & ~(u64)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || a[0] == MCL_ONFAULT)
		return -EINVAL;
	flags |= a[0] & MCL_CURRENT ? MEM_LOCK_CURRENT : 0;
	flags |= a[0] & MCL_FUTURE ? MEM_LOCK_FUTURE : 0;
	flags |= a[0] & MCL_ONFAULT ? MEM_LOCK_ON_FAULT : 0;
	return mem_lock_all(t->process->space, flags);
}

long sys_munlockall(struct shim_thread *t, const u64 *a)
{
	(void)a;
	return mem_lock_all(t->process->space, 0);
}

/* The barriers that there are: among the threads of one process. */
long sys_membarrier(struct shim_thread *t, const u64 *a)
{
	switch ((i32)a[0]) {
	case MEMBARRIER_QUERY:
		return a[1] ? -EINVAL : MEMBARRIER_PRIVATE_EXPEDITED | MEMBARRIER_REGISTER_PRIVATE_EXPEDITED;
	case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED:
		return a[1] ? -EINVAL : mem_barrier(t->process->space, 1);
	case MEMBARRIER_PRIVATE_EXPEDITED:
		return a[1] ? -EINVAL : mem_barrier(t->process->space, 0);
	default:
		return -EINVAL;
	}
}

/* Applications have no protection keys: as on a processor without them. */
long sys_pkey_alloc(struct shim_thread *t, const u64 *a)
{
	(void)t;
	return a[0] || a[1] & ~(u64)(PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE) ? -EINVAL : -ENOSPC;
}

long sys_pkey_free(struct shim_thread *t, const u64 *a)
{
	(void)t, (void)a;
	return -EINVAL;
}

long sys_pkey_mprotect(struct shim_thread *t, const u64 *a)
{
	return (i32)a[3] == -1 ? sys_mprotect(t, a) : -EINVAL;
}
