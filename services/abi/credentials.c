/* User and group ids, supplementary groups, capabilities. fs keeps a copy for its permission checks. */
#include "process.h"
#include "include/abi_process.h"
#include <fs_client.h>

long shim_credentials_changed(struct shim_thread *t)
{
	struct proc_credentials is;
	struct fs_credentials shown;
	u32 *groups = heap_alloc(PAGE_SIZE);
	long size = groups ? proc_groups_get(0, groups, PAGE_SIZE) : -ENOMEM, error = size;

	if (error >= 0)
		error = proc_credentials_get(0, &is);
	if (error >= 0) {
		shown = (struct fs_credentials){ .uid = is.fsuid, .gid = is.fsgid, .real_uid = is.uid, .real_gid = is.gid,
						 .capabilities = is.effective, .permitted = is.permitted };
		error = fs_client_credentials(t->process->fs_client, &shown, groups, (size_t)size);
	}
	heap_free(groups);
	shim_limits_changed(t); /* whom the limit of locked memory binds depends on privilege */
	return error;
}

static long ids_set(struct shim_thread *t, u32 kind, const u64 *a)
{
	long result = proc_ids_set(kind, (u32)a[0], (u32)a[1], (u32)a[2]), error;

	if (result < 0)
		return result;
	error = shim_credentials_changed(t);
	return error < 0 ? error : result;
}

long sys_setuid(struct shim_thread *t, const u64 *a) { return ids_set(t, PROC_SET_UID, a); }
long sys_setgid(struct shim_thread *t, const u64 *a) { return ids_set(t, PROC_SET_GID, a); }
long sys_setreuid(struct shim_thread *t, const u64 *a) { return ids_set(t, PROC_SET_REUID, a); }
long sys_setregid(struct shim_thread *t, const u64 *a) { return ids_set(t, PROC_SET_REGID, a); }
long sys_setresuid(struct shim_thread *t, const u64 *a) { return ids_set(t, PROC_SET_RESUID, a); }
long sys_setresgid(struct shim_thread *t, const u64 *a) { return ids_set(t, PROC_SET_RESGID, a); }
long sys_setfsuid(struct shim_thread *t, const u64 *a) { return ids_set(t, PROC_SET_FSUID, a); }
long sys_setfsgid(struct shim_thread *t, const u64 *a) { return ids_set(t, PROC_SET_FSGID, a); }

static long id_get(size_t offset)
{
	struct proc_credentials is;
	long error = proc_credentials_get(0, &is);

	return error < 0 ? error : (long)*(u32 *)((u8 *)&is + offset);
}

long sys_getuid(struct shim_thread *t, const u64 *a) { (void)t; (void)a; return id_get(offsetof(struct proc_credentials, uid)); }
long sys_geteuid(struct shim_thread *t, const u64 *a) { (void)t; (void)a; return id_get(offsetof(struct proc_credentials, euid)); }
long sys_getgid(struct shim_thread *t, const u64 *a) { (void)t; (void)a; return id_get(offsetof(struct proc_credentials, gid)); }
long sys_getegid(struct shim_thread *t, const u64 *a) { (void)t; (void)a; return id_get(offsetof(struct proc_credentials, egid)); }

static long three_put(const u64 *to, u32 first, u32 second, u32 third)
{
	const u32 values[3] = { first, second, third };
	long error = 0;

	for (u32 i = 0; i < 3 && !error; i++)
		error = user_copy_out(to[i], &values[i], sizeof(values[i]));
	return error;
}

long sys_getresuid(struct shim_thread *t, const u64 *a)
{
	struct proc_credentials is;
	long error = proc_credentials_get(0, &is);

	(void)t;
	return error < 0 ? error : three_put(a, is.uid, is.euid, is.suid);
}

long sys_getresgid(struct shim_thread *t, const u64 *a)
{
	struct proc_credentials is;
	long error = proc_credentials_get(0, &is);

	(void)t;
	return error < 0 ? error : three_put(a, is.gid, is.egid, is.sgid);
}

long sys_getgroups(struct shim_thread *t, const u64 *a)
{
	u32 *groups = heap_alloc(PAGE_SIZE);
	long size = groups ? proc_groups_get(0, groups, PAGE_SIZE) : -ENOMEM;
	i32 room = (i32)a[0];

	(void)t;
	if (size >= 0 && room < 0)
		size = -EINVAL;
	if (size > 0 && room) {
		long error = size > room * (long)sizeof(u32) ? -EINVAL : user_copy_out(a[1], groups, (size_t)size);

		if (error < 0)
			size = error;
	}
	heap_free(groups);
	return size < 0 ? size : size / (long)sizeof(u32);
}

long sys_setgroups(struct shim_thread *t, const u64 *a)
{
	u64 size = (u64)(u32)a[0] * sizeof(u32);
	struct proc_credentials is;
	u32 *groups;
	long error = proc_credentials_get(0, &is);

	if (error < 0)
		return error;
	if (!(is.effective >> PROC_CAP_SETGID & 1))
		return -EPERM;
	if ((u32)a[0] > PROC_GROUPS_MAX)
		return -EINVAL;
	groups = heap_alloc(PAGE_SIZE);
	if (!groups)
		return -ENOMEM;
	error = user_copy_in(groups, a[1], size);
	for (u32 i = 0; i < (u32)a[0] && error >= 0; i++)
		error = groups[i] == ~0u ? -EINVAL : 0; /* the id that stands for none */
	if (error >= 0)
		error = proc_groups_set(groups, size);
	heap_free(groups);
	return error < 0 ? error : shim_credentials_changed(t);
}

/* Words of a capability set in the version that the header asks for; -EINVAL tells the version that is spoken. */
static long capability_words(vaddr_t header_at, struct linux_cap_header *header, u32 *words)
{
	const u32 spoken = CAPABILITY_VERSION_3;
	long error = user_copy_in(header, header_at, sizeof(*header));

	if (error < 0)
		return error;
	*words = header->version == CAPABILITY_VERSION_1 ? 1 : 2;
	if (header->version == CAPABILITY_VERSION_1 || header->version == CAPABILITY_VERSION_2 || header->version == CAPABILITY_VERSION_3)
		return 0;
	error = user_copy_out(header_at, &spoken, sizeof(spoken));
	return error < 0 ? error : -EINVAL;
}

long sys_capget(struct shim_thread *t, const u64 *a)
{
	struct linux_cap_header header;
	struct linux_cap_data data[2];
	struct proc_credentials is;
	u32 words;
	long error = capability_words(a[0], &header, &words);

	(void)t;
	if (error == -EINVAL && !a[1])
		return 0; /* only asks for the version */
	if (error < 0)
		return error;
	if (header.pid < 0)
		return -EINVAL;
	error = proc_credentials_get(header.pid, &is);
	if (error < 0)
		return error;
	for (u32 i = 0; i < 2; i++)
		data[i] = (struct linux_cap_data){ (u32)(is.effective >> 32 * i), (u32)(is.permitted >> 32 * i),
						   (u32)(is.inheritable >> 32 * i) };
	return a[1] ? user_copy_out(a[1], data, words * sizeof(data[0])) : 0;
}

long sys_capset(struct shim_thread *t, const u64 *a)
{
	struct linux_cap_header header;
	struct linux_cap_data data[2] = { { 0 } };
	u32 words;
	long error = capability_words(a[0], &header, &words);

	if (error < 0)
		return error;
	if (header.pid && header.pid != t->tid)
		return -EPERM;
	error = user_copy_in(data, a[1], words * sizeof(data[0]));
	if (error >= 0)
		error = proc_capabilities_set(data[0].effective | (u64)data[1].effective << 32,
					      data[0].permitted | (u64)data[1].permitted << 32,
					      data[0].inheritable | (u64)data[1].inheritable << 32);
	return error < 0 ? error : shim_credentials_changed(t);
}
