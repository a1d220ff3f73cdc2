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

static long watches_create(u32 caller, const struct tk_object_create *request)
{
	return watch_table_create(frame_address(request->frames[1]), caller, request->frames[0]);
}

static long watches_destroy(void *object, u32 caller)
{
	(void)caller;
	watch_table_destroy(object);
	return 0;
}
static long thread_end(void *object, u32 caller) { return thread_destroy(object, caller); }
static long vspace_end(void *object, u32 caller) { return vspace_destroy(object, caller); }
static long pool_end(void *object, u32 caller) { return pool_destroy(object, caller); }

/* What a domain can make of frames, and the right for it. */
static const struct object_class {
	long (*create)(u32 caller, const struct tk_object_create *request);
	long (*destroy)(void *object, u32 caller);
	u32 right;
	u32 frames_min, frames_max;
} classes[TK_OBJECT_TYPES] = {
	[TK_OBJECT_VSPACE] = { vspace_create, vspace_end, TK_RIGHT_MEMORY, 3, 3 },
	[TK_OBJECT_THREAD] = { thread_create, thread_end, TK_RIGHT_THREADS, 2, TK_OBJECT_FRAMES_MAX },
	[TK_OBJECT_POOL] = { pool_create, pool_end, TK_RIGHT_MEMORY, 2, 2 },
	[TK_OBJECT_WATCHES] = { watches_create, watches_destroy, 0, 2, 2 },
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
	frame_record(frames[0])->link = frames[1];
}

/* The frames behind the exported page are the owner's again, with nothing of the core left in them. */
static void frames_return(u32 owner, frame_t exported)
{
	for (frame_t frame = frame_record(exported)->link; frame != exported;) {
		frame_t next = frame_record(frame)->link;
		arch_page_zero(frame_address(frame));
		frame_retype(frame, FRAME_USER, owner, 0);
		core_assert(window_map(&domains[owner], frame, true) == 0);
		frame = next;
	}
	frame_record(exported)->link = 0;
}

static void object_publish(frame_t exported, u32 type, u32 owner)
{
	struct frame_record *record = frame_record(exported);
	u32 link = record->link;

	frame_retype(exported, FRAME_OBJECT, owner, 0);
	record->link = link;
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
	if (!frames_claim(request->frames, count, caller))
		return -EPERM;
	if (window_prepare(&domains[caller], request->frames, count)) {
		frames_unclaim(request->frames, count);
		return -ENOMEM;
	}
	frame_t exported = request->frames[0];
	frames_convert(caller, request->frames, count);
	long result = class->create(caller, request);
	if (result < 0) {
		frames_return(caller, exported);
		frame_unclaim(exported);
		return result;
	}
	/* Commit. */
	object_publish(exported, request->type, caller);
	return (long)(domains[caller].window + (u64)exported * PAGE_SIZE);
}

/* Claims an object of the caller for its end: nobody can resolve it from now on. Its type, or an error when it is in use. */
static long object_claim(u32 caller, frame_t exported)
{
	struct frame_record *record = frame_record(exported);
	long result;

	spin_lock(frame_lock(exported));
	result = record->object_type;
	if (record->type != FRAME_OBJECT || record->owner != caller || record->flags & FRAME_STATIC)
		result = -EPERM;
	else if (record->pins || record->flags & FRAME_CLAIMED)
		result = -EBUSY;
	if (result > 0) {
		record->pins = 1;
		record->flags |= FRAME_CLAIMED;
		record->object_type = TK_OBJECT_NONE;
	}
	spin_unlock(frame_lock(exported));
	return result;
}

long object_destroy(u32 caller, vaddr_t token)
{
	frame_t exported = token_held(&domains[caller], token);

	if (exported == FRAME_NONE)
		return -EINVAL;
	long type = object_claim(caller, exported);
	if (type <= 0)
		return type ? type : -EPERM;
	long error = classes[type].destroy(token_private(frame_record(exported)), caller);
	if (error) {
		frame_record(exported)->object_type = (u8)type;
		frame_unclaim(exported);
		return error;
	}
	/* Commit. */
	token_revoke_all(exported, caller);
	frames_return(caller, exported);
	frame_retype(exported, FRAME_USER, caller, 0);
	return 0;
}

static long field_write(u32 caller, frame_t frame, const struct tk_field_write *write)
{
	struct frame_record *record = frame_record(frame);
	void *object = token_private(record);

	switch (write->field) {
	case TK_FIELD_THREAD_POLICY:
	case TK_FIELD_THREAD_AFFINITY:
		if (record->object_type != TK_OBJECT_THREAD)
			return -EINVAL;
		if (!(domains[caller].rights & TK_RIGHT_THREADS) && record->owner != caller)
			return -EPERM;
		return write->field == TK_FIELD_THREAD_POLICY ? sched_set_policy(object, write->value) : sched_set_affinity(object, write->value);
	case TK_FIELD_VSPACE_POOL:
	case TK_FIELD_VSPACE_TABLE:
	case TK_FIELD_VSPACE_FAULTS:
		if (record->object_type != TK_OBJECT_VSPACE)
			return -EINVAL;
		return record->owner == caller ? vspace_write_field(object, caller, write) : -EPERM;
	default:
		return -ENOSYS;
	}
}

long object_write(u32 caller, vaddr_t token, const struct tk_field_write *writes, u32 count)
{
	frame_t frame = token_held(&domains[caller], token);
	long result = 0;

	if (frame == FRAME_NONE)
		return -EINVAL;
	struct frame_record *record = frame_record(frame);
	spin_lock(frame_lock(frame));
	bool good = record->type == FRAME_OBJECT && !(record->flags & FRAME_CLAIMED);
	if (good)
		frame_pin(frame);
	spin_unlock(frame_lock(frame));
	if (!good)
		return -EINVAL;
	for (u32 i = 0; i < count && result == 0; i++)
		result = field_write(caller, frame, &writes[i]);
	frame_unpin(frame);
	return result;
}

void object_adopt(frame_t exported, void *private_part, u32 type, u32 owner)
{
	static u32 used;

	core_assert(used < FRAME_STATICS_MAX);
	frame_statics[used] = private_part;
	object_publish(exported, type, owner);
	frame_record(exported)->flags = FRAME_STATIC;
	frame_record(exported)->link = used++;
}
