/* Credentials: shared and never changed; a change replaces them. Rules follow Linux's setuid(2), capabilities(7). */
#include "proc.h"

struct proc_identity *proc_identity_first(void)
{
	struct proc_identity *identity = heap_alloc(sizeof(*identity));

	if (!identity)
		return NULL;
	identity->user = proc_user_hold(0);
	if (!identity->user) {
		heap_free(identity);
		return NULL;
	}
	identity->references = 1;
	identity->is.permitted = identity->is.effective = identity->is.bounding = PROC_CAPABILITIES_ALL;
	return identity;
}

struct proc_identity *proc_identity_copy(const struct proc_identity *from)
{
	struct proc_identity *identity = heap_alloc(sizeof(*identity));

	if (!identity)
		return NULL;
	unnoted_copy(identity, from, sizeof(*identity)); /* nobody knows of it yet */
	identity->references = 1;
	if (from->is.group_count) {
		identity->groups = heap_alloc(from->is.group_count * sizeof(u32));
		if (!identity->groups) {
			heap_free(identity);
			return NULL;
		}
		unnoted_copy(identity->groups, from->groups, from->is.group_count * sizeof(u32));
	}
	identity->user->references++;
	return identity;
}

void proc_identity_hold(struct proc_identity *identity)
{
	identity->references++;
}

void proc_identity_drop(struct proc_identity *identity)
{
	if (--identity->references)
		return;
	proc_user_drop(identity->user);
	heap_free(identity->groups);
	heap_free(identity);
}

void proc_identity_replace(struct proc_task *task, struct proc_identity *fresh)
{
	if (task->identity->user != fresh->user) {
		task->identity->user->tasks--;
		fresh->user->tasks++;
	}
	proc_identity_drop(task->identity);
	task->identity = fresh;
}

bool proc_capable(const struct proc_task *task, u32 capability)
{
	return task->identity->is.effective >> capability & 1;
}

long proc_op_credentials_get(const struct rt_request *rq, i32 tid, struct proc_credentials *credentials)
{
	struct proc_task *task;

	lock_acquire(&proc_lock);
	task = proc_task_named(rq, tid);
	if (task)
		*credentials = task->identity->is;
	lock_release(&proc_lock);
	return task ? 0 : -ESRCH;
}

long proc_op_groups_get(const struct rt_request *rq, i32 tid, void *groups, size_t capacity)
{
	struct proc_task *task;
	long result = -ESRCH;

	lock_acquire(&proc_lock);
	task = proc_task_named(rq, tid);
	if (task) {
		result = (long)(task->identity->is.group_count * sizeof(u32));
		if ((size_t)result > capacity)
			result = -EINVAL;
		else
			memcpy(groups, task->identity->groups, (size_t)result);
	}
	lock_release(&proc_lock);
	return result;
}

static void groups_sort(u32 *groups, u32 count)
{
	for (u32 i = 1; i < count; i++) {
		u32 group = groups[i], j = i;

		for (; j && groups[j - 1] > group; j--)
			groups[j] = groups[j - 1];
		groups[j] = group;
	}
}

long proc_op_groups_set(const struct rt_request *rq, const void *groups, size_t groups_size)
{
	struct proc_identity *fresh = NULL;
	struct proc_task *task;
	u32 *copy = NULL;
	long result;

	if (groups_size % sizeof(u32) || groups_size > PROC_GROUPS_MAX * sizeof(u32))
		return -EINVAL;
	if (groups_size) {
		copy = heap_alloc(groups_size);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, groups, groups_size);
		groups_sort(copy, (u32)(groups_size / sizeof(u32)));
	}
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	result = !task ? -ESRCH : !proc_capable(task, PROC_CAP_SETGID) ? -EPERM : 0;
	if (!result) {
		fresh = proc_identity_copy(task->identity);
		result = fresh ? 0 : -ENOMEM;
	}
	if (!result) {
		heap_free(fresh->groups);
		fresh->groups = copy;
		fresh->is.group_count = (u32)(groups_size / sizeof(u32));
		proc_identity_replace(task, fresh);
		copy = NULL;
		stable_commit(0, 0);
	}
	lock_release(&proc_lock);
	heap_free(copy);
	return result;
}

/* What becomes of the capabilities when user ids change (capabilities(7), "Effect of user ID changes"). */
static void capabilities_follow_uid(const struct proc_task *task, const struct proc_credentials *old, struct proc_credentials *now)
{
	bool was_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
	bool is_root = now->uid == 0 || now->euid == 0 || now->suid == 0;

	if (now->secure_bits & 4) /* SECBIT_NO_SETUID_FIXUP */
		return;
	if (was_root && !is_root) {
		if (!task->keep_capabilities && !(now->secure_bits & 16))
			now->permitted = now->effective = 0;
		now->ambient = 0;
	}
	if (old->euid == 0 && now->euid != 0)
		now->effective = 0;
	if (old->euid != 0 && now->euid == 0)
		now->effective = now->permitted;
}

#define FS_CAPABILITIES (1ull << PROC_CAP_CHOWN | 1ull << PROC_CAP_DAC_OVERRIDE | 1ull << PROC_CAP_DAC_READ_SEARCH | \
			 1ull << PROC_CAP_FOWNER | 1ull << PROC_CAP_FSETID | 1ull << 9 | 1ull << 27 | 1ull << 32)
static void capabilities_follow_fsuid(const struct proc_credentials *old, struct proc_credentials *now)
{
	if (now->secure_bits & 4)
		return;
	if (old->fsuid == 0 && now->fsuid != 0)
		now->effective &= ~FS_CAPABILITIES;
	if (old->fsuid != 0 && now->fsuid == 0)
		now->effective |= now->permitted & FS_CAPABILITIES;
}

#define KEEP 0xffffffffu
/* One kind of ids: the user's or the group's. */
struct id_set { u32 real, effective, saved, fs; };

/* setuid, setreuid, setresuid and their group forms: the same rules for both kinds. */
static long ids_change(struct id_set *ids, u32 form, const u32 *wanted, bool privileged)
{
	struct id_set old = *ids;

	switch (form) {
	case PROC_SET_UID:
		if (privileged)
			ids->real = ids->saved = wanted[0];
		else if (wanted[0] != old.real && wanted[0] != old.saved)
			return -EPERM;
		ids->effective = wanted[0];
		break;
	case PROC_SET_REUID:
		if (wanted[0] != KEEP) {
			if (!privileged && wanted[0] != old.real && wanted[0] != old.effective)
				return -EPERM;
			ids->real = wanted[0];
		}
		if (wanted[1] != KEEP) {
			if (!privileged && wanted[1] != old.real && wanted[1] != old.effective && wanted[1] != old.saved)
				return -EPERM;
			ids->effective = wanted[1];
		}
		if (wanted[0] != KEEP || (wanted[1] != KEEP && wanted[1] != old.real))
			ids->saved = ids->effective;
		break;
	case PROC_SET_RESUID:
		for (u32 i = 0; i < 3 && !privileged; i++)
			if (wanted[i] != KEEP && wanted[i] != old.real && wanted[i] != old.effective && wanted[i] != old.saved)
				return -EPERM;
		ids->real = wanted[0] == KEEP ? old.real : wanted[0];
		ids->effective = wanted[1] == KEEP ? old.effective : wanted[1];
		ids->saved = wanted[2] == KEEP ? old.saved : wanted[2];
		break;
	default: /* PROC_SET_FSUID never fails */
		if (wanted[0] != KEEP &&
		    (privileged || wanted[0] == old.real || wanted[0] == old.effective || wanted[0] == old.saved || wanted[0] == old.fs))
			ids->fs = wanted[0];
		return old.fs;
	}
	ids->fs = ids->effective;
	return 0;
}

static long uids_change(struct proc_task *task, struct proc_identity *fresh, u32 form, const u32 *wanted)
{
	struct proc_credentials *now = &fresh->is;
	const struct proc_credentials old = fresh->is;
	struct id_set ids = { now->uid, now->euid, now->suid, now->fsuid };
	long result = ids_change(&ids, form, wanted, proc_capable(task, PROC_CAP_SETUID));

	if (result < 0)
		return result;
	now->uid = ids.real;
	now->euid = ids.effective;
	now->suid = ids.saved;
	now->fsuid = ids.fs;
	if (form == PROC_SET_FSUID) {
		capabilities_follow_fsuid(&old, now);
	} else {
		capabilities_follow_uid(task, &old, now);
		if (now->euid != old.euid)
			task->process->dumpable = 0;
	}
	if (now->uid != old.uid) {
		struct proc_user *user = proc_user_hold(now->uid);

		if (!user)
			return -ENOMEM;
		proc_user_drop(fresh->user);
		fresh->user = user;
	}
	return result;
}

static long gids_change(struct proc_task *task, struct proc_identity *fresh, u32 form, const u32 *wanted)
{
	struct proc_credentials *now = &fresh->is;
	struct id_set ids = { now->gid, now->egid, now->sgid, now->fsgid };
	long result = ids_change(&ids, form, wanted, proc_capable(task, PROC_CAP_SETGID));

	if (result < 0)
		return result;
	now->gid = ids.real;
	now->egid = ids.effective;
	now->sgid = ids.saved;
	now->fsgid = ids.fs;
	return result;
}

long proc_op_ids_set(const struct rt_request *rq, u32 kind, u32 first, u32 second, u32 third)
{
	const u32 wanted[3] = { first, second, third };
	struct proc_identity *fresh = NULL;
	struct proc_task *task;
	long result = -ESRCH;

	if (kind > PROC_SET_FSGID || ((kind == PROC_SET_UID || kind == PROC_SET_GID) && first == KEEP))
		return -EINVAL;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task) {
		fresh = proc_identity_copy(task->identity);
		result = !fresh ? -ENOMEM : kind < PROC_SET_GID ? uids_change(task, fresh, kind, wanted)
			: gids_change(task, fresh, kind - PROC_SET_GID, wanted);
		if (result >= 0)
			proc_identity_replace(task, fresh);
		else if (fresh)
			proc_identity_drop(fresh);
	}
	return proc_done(result);
}

static long capabilities_check(const struct proc_task *task, u64 effective, u64 permitted, u64 inheritable)
{
	const struct proc_credentials *old = &task->identity->is;

	if (!proc_capable(task, PROC_CAP_SETPCAP) && (inheritable & ~(old->inheritable | old->permitted)))
		return -EPERM;
	if (inheritable & ~(old->inheritable | old->bounding))
		return -EPERM;
	if (permitted & ~old->permitted || effective & ~permitted)
		return -EPERM;
	return 0;
}

long proc_op_capabilities_set(const struct rt_request *rq, u64 effective, u64 permitted, u64 inheritable)
{
	struct proc_identity *fresh;
	struct proc_task *task;
	long result = -ESRCH;

	effective &= PROC_CAPABILITIES_ALL;
	permitted &= PROC_CAPABILITIES_ALL;
	inheritable &= PROC_CAPABILITIES_ALL;
	lock_acquire(&proc_lock);
	task = proc_task_calling(rq);
	if (task)
		result = capabilities_check(task, effective, permitted, inheritable);
	if (!result) {
		fresh = proc_identity_copy(task->identity);
		if (fresh) {
			fresh->is.effective = effective;
			fresh->is.permitted = permitted;
			fresh->is.inheritable = inheritable;
			fresh->is.ambient &= permitted & inheritable;
			proc_identity_replace(task, fresh);
		} else {
			result = -ENOMEM;
		}
	}
	return proc_done(result);
}
