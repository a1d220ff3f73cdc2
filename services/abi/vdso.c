/* The vDSO: one memory object for all programs, a page of data and the image behind it. */
#include "clock.h"
#include "vdso_image.h"
#include <mem_client.h>

static struct rt_lock vdso_lock = RT_LOCK_INIT; /* guards the making of the object, and its data */
static u64 vdso_object;
static struct tk_clock_page *vdso_data;

static u64 image_pages(void)
{
	return (vdso_image_size + PAGE_SIZE - 1) / PAGE_SIZE;
}

/* The page of the object in this unit's window; NULL when there is no memory. */
static void *object_page(u64 object, u64 index)
{
	u64 frame;

	return mem_object_page(object, index, MEM_PAGE_CREATE, &frame) < 0 ? NULL : (void *)token_of_frame(frame);
}

/* Fills a new object; the address of its data page, or NULL. */
static struct tk_clock_page *object_fill(u64 object)
{
	struct tk_clock_page *data = object_page(object, 0);

	for (u64 i = 0; data && i < image_pages(); i++) {
		u64 left = vdso_image_size - i * PAGE_SIZE;
		u8 *page = object_page(object, 1 + i);

		if (!page)
			return NULL;
		memcpy(page, vdso_image + i * PAGE_SIZE, left < PAGE_SIZE ? left : PAGE_SIZE);
	}
	if (data)
		*data = *(const struct tk_clock_page *)rt_boot->clock;
	return data;
}

/* The object, made at the first use; 0 when that fails. */
static u64 object_get(void)
{
	u64 object;

	lock_acquire(&vdso_lock);
	if (!vdso_object && mem_object_create(1 + image_pages(), 0, &object) >= 0) {
		vdso_data = object_fill(object);
		if (vdso_data)
			vdso_object = object;
		else
			(void)mem_object_destroy(object);
	}
	object = vdso_object;
	lock_release(&vdso_lock);
	return object;
}

void vdso_clock_update(void)
{
	lock_acquire(&vdso_lock);
	if (vdso_data) {
		__atomic_store_n(&vdso_data->sequence, vdso_data->sequence + 1, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_RELEASE); /* odd before the change */
		vdso_data->realtime_offset = ((const struct tk_clock_page *)rt_boot->clock)->realtime_offset;
		__atomic_store_n(&vdso_data->sequence, vdso_data->sequence + 1, __ATOMIC_RELEASE);
	}
	lock_release(&vdso_lock);
}

vaddr_t shim_vdso_map(struct shim_process *process)
{
	struct mem_map_request request = {
		.space = process->space, .size = (1 + image_pages()) * PAGE_SIZE, .object = object_get(), .prot = TK_PROT_READ,
		.prot_max = TK_PROT_READ, .flags = MEM_MAP_SHARED | MEM_MAP_VVAR | MEM_MAP_IGNORE_LIMITS,
	};
	u64 address, image;

	if (!request.object || mem_map(&request, &address) < 0)
		return 0;
	request.address = address + PAGE_SIZE;
	request.size = image_pages() * PAGE_SIZE;
	request.offset = PAGE_SIZE;
	request.prot = request.prot_max = TK_PROT_READ | TK_PROT_EXECUTE;
	request.flags = MEM_MAP_SHARED | MEM_MAP_FIXED | MEM_MAP_VDSO | MEM_MAP_IGNORE_LIMITS;
	if (mem_map(&request, &image) < 0) {
		(void)mem_unmap(process->space, address, (1 + image_pages()) * PAGE_SIZE);
		return 0;
	}
	return image;
}
