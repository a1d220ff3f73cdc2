/* The start: the first mount, the initial archive, the usual mounts. */
#include "recover.h"
#include <fs_server.h>
#include "archive.h"
#include <mem_client.h>

#define GIVE_MAX 512ul /* frames that tk_frames_give takes at once */

static char node_names[2][64] = { "tessera", "(none)" };   /* guarded by names_lock */
static u32 node_name_sizes[2] = { 7, 6 };
static struct rt_lock names_lock = RT_LOCK_INIT;

long fs_op_node_name_get(const struct rt_request *rq, u32 which, void *name, size_t name_capacity)
{
	u32 size;

	(void)rq;
	if (which >= countof(node_names))
		return -EINVAL;
	lock_acquire(&names_lock);
	size = node_name_sizes[which];
	if (size <= name_capacity)
		memcpy(name, node_names[which], size);
	lock_release(&names_lock);
	return size <= name_capacity ? (long)size : -EINVAL;
}

long fs_op_node_name_set(const struct rt_request *rq, u32 which, const void *name, size_t name_size)
{
	(void)rq;
	if (which >= countof(node_names) || name_size > sizeof(node_names[0]))
		return -EINVAL;
	lock_acquire(&names_lock);
	memcpy(node_names[which], name, name_size);
	node_name_sizes[which] = (u32)name_size;
	lock_release(&names_lock);
	return 0;
}

static const struct rt_request *own_request(void)
{
	static struct rt_request rq;

	rq.caller = rt_boot->domain;
	return &rq;
}

/* The frames of the archive are not needed any more. */
static void initial_free(void)
{
	u64 first = rt_boot->initial.first_frame, count = rt_boot->initial.count;
	long taken = 0;

	for (u64 done = 0; done < count; done += GIVE_MAX) {
		u64 part = count - done < GIVE_MAX ? count - done : GIVE_MAX;

		if (rt_boot->domain == rt_boot->mem_domain || tk_frames_give((frame_t)(first + done), (u32)part, rt_boot->mem_domain) == 0)
			taken += mem_frames_adopt(first + done, part);
	}
	if (taken != (long)count)
		log_line("fs: %ld of %llu frames of the initial archive are free again", taken, (unsigned long long)count);
}

static void initial_unpack(u64 client)
{
	struct fs_archive archive = { .rq = own_request(), .client = client };
	const struct tk_boot_range *range = &rt_boot->initial;

	if (range->count == 0 || rt_boot->initial_size > range->count * PAGE_SIZE)
		return;
	if (fs_archive_unpack(&archive, (const u8 *)token_of_frame(range->first_frame), rt_boot->initial_size))
		log_line("fs: the initial archive is bad after %llu entries", (unsigned long long)archive.entries);
	if (archive.errors)
		log_line("fs: %llu entries of the initial archive could not be made", (unsigned long long)archive.errors);
	initial_free();
}

/* Mounts a type on a directory of the root, which is made if need be. */
static void usual_mount(u64 client, const char *type, const char *path)
{
	const struct rt_request *rq = own_request();
	struct fs_at at = { .client = client, .mode = 0755 };
	struct fs_mount *request = heap_alloc(sizeof(*request));
	long result = request ? fs_op_mkdir(rq, &at, path, strlen(path) + 1) : -ENOMEM;

	if (!result || result == -EEXIST) {
		request->client = client;
		memcpy(request->type, type, strlen(type));
		result = fs_op_mount(rq, request, type, strlen(type) + 1, path, strlen(path) + 1);
	}
	if (result)
		log_line("fs: %s is not on %s: error %ld", type, path, -result);
	heap_free(request);
}

long fs_op_answer(const struct rt_request *rq, u64 since, u32 operation, struct fs_kept *kept, u64 *first, u64 *second, u64 *third)
{
	const struct stable_question question = { since, operation };
	u64 outs[3] = { 0 };
	long result = stable_answer(rq, &question, outs, kept, sizeof(*kept));

	*first = outs[0];
	*second = outs[1];
	*third = outs[2];
	return result;
}

void fs_start_recover(void)
{
	u32 i;

	names_lock = (struct rt_lock)RT_LOCK_INIT;
	for (i = 0; i < countof(node_names); i++)
		if (node_name_sizes[i] > sizeof(node_names[i]))
			node_name_sizes[i] = 0;
}

void fs_init(void)
{
	struct fs_super *super;
	u64 client;

	if (rt_recovers()) {
		if (fs_recover())
			rt_start_fail("its files can't be trusted");
		return;
	}
	rt_assert(fs_memory_start() == 0);
	rt_assert(fs_rootfs_type.mount("", &super) == 0);
	rt_assert(fs_mount_attach(super, super->root, (struct fs_place){ NULL, NULL }, FS_MS_RELATIME, "rootfs") == 0);
	fs_root = (struct fs_place){ fs_mounts, super->root };
	rt_assert(fs_op_client_create(own_request(), &client) == 0);
	rt_assert(fs_op_umask_set(own_request(), client, 0) >= 0);
	initial_unpack(client);
	usual_mount(client, "devtmpfs", "/dev");
	usual_mount(client, "devpts", "/dev/pts");
	usual_mount(client, "proc", "/proc");
	usual_mount(client, "sysfs", "/sys");
	rt_assert(fs_op_client_release(own_request(), client) == 0);
}
