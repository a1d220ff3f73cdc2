/*
 * Objects: frames that a domain gives become one, and are its own again when it ends. The first frame is the exported page, which stays
 * in its owner's window; the others leave it, are cleared, and are linked in a ring through their records.
 */
#include "token.h"
#include "sched.h"
#include "thread.h"
#include "vspace.h"
#include "wait.h"
#include "assert.h"
#include <arch/page.h>

/* What a domain can make of frames, and the right for it. */
static const struct object_class {
	long (*create)(u32 caller, const struct tk_object_create *request);
	long (*destroy)(void *object);
	long (*renew)(void *object, u32 caller, u64 argument);
	u32 right;
	u32 frames_min, frames_max;
} classes[TK_OBJECT_TYPES] = {
	[TK_OBJECT_VSPACE] = { vspace_create, vspace_destroy, vspace_renew, TK_RIGHT_MEMORY, 3, 3 },
	[TK_OBJECT_THREAD] = { thread_create, thread_destroy, thread_renew, TK_RIGHT_THREADS, 2, TK_OBJECT_FRAMES_MAX },
	[TK_OBJECT_POOL] = { pool_create, pool_destroy, NULL, TK_RIGHT_MEMORY, 2, 2 },
	[TK_OBJECT_WATCHES] = { watch_table_create, watch_table_destroy, NULL, 0, 2, 2 },
};

/* Private frames become the core's: out of the owner's window, cleared, linked. The exported page is cleared too. */
static void frames_convert(u32 owner, const frame_t *frames, u32 count)
{
	window_remove(&domains[owner], frames + 1, count - 1);
	for (u32 i = 0; i < count; i++)
		arch_page_zero(frame_address(frames[i]));
	for (u32 i = 1; i < count; i++) {
		frame_retype(frames[i], FRAME_PRIVATE, owner, 0);
		frame_record(frames[i])->link = frames[i + 1 < count ? i + 1 : 0];
	}
}

/* The frames behind the exported page, from `frame` on, are the owner's again, with nothing of the core left in them. */
static void frames_return(u32 owner, frame_t exported, frame_t frame)
{
	while (frame != exported) {
		frame_t next = frame_record(frame)->link;
		arch_page_zero(frame_address(frame));
		frame_retype(frame, FRAME_USER, owner, 0);
		core_assert(window_map(&domains[owner], frame, true) == 0);
		frame = next;
	}
}

static void object_publish(frame_t exported, void *private_part, u32 type, u32 owner)
{
	struct frame_record *record = frame_record(exported);

	frame_retype(exported, FRAME_OBJECT, owner, 0);
	record->object = private_part;
	/* Release: the private part is complete for whoever resolves the token. */
	__atomic_store_n(&record->object_type, (u8)type, __ATOMIC_RELEASE);
}

long object_create(u32 caller, const struct tk_object_create *request)
{
	u32 count = request->frame_count;

	if (request->type >= TK_OBJECT_TYPES || !classes[request->type].create)
		return -EINVAL;
	const struct object_class *class = &classes[request->type];
	if (class->right & ~domains[caller].rights)
		return -EPERM;
	if (count < class->frames_min || count > class->frames_max)
		return -EINVAL;
	long result = window_claim(&domains[caller], request->frames, count);
	if (result)
		return result;
	frame_t exported = request->frames[0];
	frames_convert(caller, request->frames, count);
	result = class->create(caller, request);
	if (result < 0) {
		frames_return(caller, exported, request->frames[1]);
		frame_unclaim(exported);
		return result;
	}
	/* Commit. */
	object_publish(exported, frame_address(request->frames[1]), request->type, caller);
	return (long)(domains[caller].window + (u64)exported * PAGE_SIZE);
}

/* Claims the object of a token, which must be the caller's, for its end or renewal: nobody can resolve it from now on. Its type, or an
 * error when it is in use. */
static long object_claim(u32 caller, vaddr_t token, frame_t *exported)
{
	long result = -EPERM;

	*exported = token_held(&domains[caller], token);
	if (*exported == FRAME_NONE)
		return -EINVAL;
	struct frame_record *record = frame_record(*exported);
	spin_lock(frame_lock(*exported));
	if (record->type == FRAME_OBJECT && record->owner == caller && !(record->flags & FRAME_STATIC))
		result = record->pins || record->flags & FRAME_CLAIMED || !record->object_type ? -EBUSY : record->object_type;
	if (result > 0) {
		record->pins = 1;
		record->flags |= FRAME_CLAIMED;
		record->object_type = TK_OBJECT_NONE;
	}
	spin_unlock(frame_lock(*exported));
	return result;
}

/* The object can be resolved again. */
static void object_unclaim(frame_t exported, long type)
{
	/* Release: its private part is complete, as in object_publish. */
	__atomic_store_n(&frame_record(exported)->object_type, (u8)type, __ATOMIC_RELEASE);
	frame_unclaim(exported);
}

long object_renew(u32 caller, vaddr_t token, u64 argument)
{
	frame_t exported;
	long type = object_claim(caller, token, &exported);

	if (type < 0)
		return type;
	long error = -EINVAL;
	if (classes[type].renew)
		error = classes[type].renew(frame_record(exported)->object, caller, argument);
	object_unclaim(exported, type);
	return error;
}

long object_destroy(u32 caller, vaddr_t token)
{
	frame_t exported;
	long type = object_claim(caller, token, &exported);

	if (type < 0)
		return type;
	void *object = frame_record(exported)->object;
	long error = classes[type].destroy(object);
	if (error) {
		object_unclaim(exported, type);
		return error;
	}
	/* Commit. */
	token_revoke_all(exported, caller);
	frames_return(caller, exported, frame_of_address(object));
	frame_retype(exported, FRAME_USER, caller, 0);
	return 0;
}

/* The type of the objects that have a field. */
static const u8 field_owners[TK_FIELD_COUNT] = {
	[TK_FIELD_THREAD_POLICY] = TK_OBJECT_THREAD, [TK_FIELD_THREAD_AFFINITY] = TK_OBJECT_THREAD,
	[TK_FIELD_VSPACE_POOL] = TK_OBJECT_VSPACE, [TK_FIELD_VSPACE_TABLE] = TK_OBJECT_VSPACE, [TK_FIELD_VSPACE_FAULTS] = TK_OBJECT_VSPACE,
};

static long field_write(u32 caller, vaddr_t token, const struct tk_field_write *write)
{
	const struct domain *d = &domains[caller];
	u32 type = write->field < TK_FIELD_COUNT ? field_owners[write->field] : TK_OBJECT_NONE;
	long result = -EPERM;

	if (type == TK_OBJECT_NONE)
		return -ENOSYS;
	void *object = token_pin(d, token, type);
	if (object == NULL)
		return -EINVAL;
	bool own = frame_record(token_frame(d, token))->owner == caller;
	if (type == TK_OBJECT_VSPACE && own)
		result = vspace_write_field(object, caller, write);
	else if (type == TK_OBJECT_THREAD && (own || d->rights & TK_RIGHT_THREADS))
		result = write->field == TK_FIELD_THREAD_POLICY ? sched_set_policy(object, write->value) : sched_set_affinity(object, write->value);
	token_unpin(d, token);
	return result;
}

long object_write(u32 caller, vaddr_t token, const struct tk_field_write *writes, u32 count)
{
	long result = token_held(&domains[caller], token) == FRAME_NONE ? -EINVAL : 0;

	for (u32 i = 0; i < count && result == 0; i++)
		result = field_write(caller, token, &writes[i]);
	return result;
}

void object_adopt(frame_t exported, void *private_part, u32 type, u32 owner)
{
	object_publish(exported, private_part, type, owner);
	frame_record(exported)->flags = FRAME_STATIC;
}
