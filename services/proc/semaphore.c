/*
 * System V semaphores. A call whose operations can't be done now says what to wait on: the set's word counts every change. What
 * SEM_UNDO is to take back stands with the set, by process. One lock guards all sets; it is taken inside proc_lock or alone.
 */
#include "semaphore.h"
#include "recover.h"
#include <proc_server.h>

#define ID_SEQUENCES 65536u

struct rt_lock proc_semaphore_lock = RT_LOCK_INIT;
struct semaphore_set **proc_semaphore_sets;  /* by place */
u32 proc_semaphore_places, proc_semaphore_count;
u32 proc_semaphore_lowest;                   /* no place below it is free */
static u32 set_sequence;
static struct list waiters_spare = LIST_INIT(waiters_spare); /* of waits that have ended, for the next ones */
static u32 spare_count;
#define WAITERS_KEPT 32u

void proc_semaphore_spares_drop(void)
{
	list_init(&waiters_spare);
	spare_count = 0;
}

/* ---- Who may ---------------------------------------------------------------------------------------------------------------------- */

/* The calling task, for as long as proc_lock is held. */
static long caller_fill(const struct rt_request *rq, struct semaphore_caller *caller)
{
	struct proc_task *task = proc_task_calling(rq);

	if (task) {
		const struct proc_identity *identity = task->identity;

		caller->process = task->process;
		caller->pid = task->process->leader->id->number;
		caller->uid = identity->is.euid;
		caller->gid = identity->is.egid;
		caller->owns_all = proc_capable(task, PROC_CAP_IPC_OWNER);
		caller->admin = proc_capable(task, PROC_CAP_SYS_ADMIN);
		caller->group_count = identity->is.group_count < SEMAPHORE_GROUPS ? identity->is.group_count : SEMAPHORE_GROUPS;
		memcpy(caller->groups, identity->groups, caller->group_count * sizeof(u32));
	}
	return task ? 0 : -ESRCH;
}

long proc_semaphore_caller(const struct rt_request *rq, struct semaphore_caller *caller)
{
	long result;

	lock_acquire(&proc_lock);
	result = caller_fill(rq, caller);
	lock_release(&proc_lock);
	return result;
}

static bool in_group(const struct semaphore_caller *caller, u32 gid)
{
	for (u32 i = 0; i < caller->group_count; i++)
		if (caller->groups[i] == gid)
			return true;
	return caller->gid == gid;
}

/* access: bits 4 and 2, for reading and altering. */
bool proc_semaphore_set_allows(const struct semaphore_set *set, const struct semaphore_caller *caller, u32 access)
{
	const struct proc_semaphore_set *is = &set->is;
	u32 granted = is->mode;

	if (caller->uid == is->creator_uid || caller->uid == is->uid)
		granted >>= 6;
	else if (in_group(caller, is->creator_gid) || in_group(caller, is->gid))
		granted >>= 3;
	return !(access & ~granted) || caller->owns_all;
}

/* ---- Sets ------------------------------------------------------------------------------------------------------------------------------ */

struct semaphore_set *proc_semaphore_set_find(i32 id)
{
	u32 place = (u32)id % SEMAPHORE_PLACES;

	return id >= 0 && place < proc_semaphore_places && proc_semaphore_sets[place] && proc_semaphore_sets[place]->is.id == id ? proc_semaphore_sets[place] : NULL;
}

static struct semaphore_set *set_of_key(i32 key)
{
	for (u32 place = 0; key && place < proc_semaphore_places; place++)
		if (proc_semaphore_sets[place] && proc_semaphore_sets[place]->is.key == key)
			return proc_semaphore_sets[place];
	return NULL;
}

void proc_semaphore_set_free(struct semaphore_set *set)
{
	if (!set)
		return;
	list_each_safe(node, &set->waiters)
		heap_free(container_of(node, struct semaphore_waiter, link));
	list_each_safe(node, &set->undos)
		heap_free(container_of(node, struct semaphore_undo, link));
	if (set->word)
		pollword_free(set->word);
	heap_free(set);
}

static struct semaphore_set *set_make(const struct semaphore_caller *caller, i32 key, u32 count, u32 mode)
{
	struct semaphore_set *set = heap_alloc(sizeof(*set) + count * sizeof(set->semaphores[0]));

	if (!set)
		return NULL;
	list_init(&set->waiters);
	list_init(&set->undos);
	set->is = (struct proc_semaphore_set){ .key = key, .count = count, .mode = mode & 0777, .uid = caller->uid, .gid = caller->gid,
		.creator_uid = caller->uid, .creator_gid = caller->gid, .change_time = clock_realtime() / NANOS_PER_SECOND };
	set->word = pollword_alloc();
	if (set->word)
		return set;
	heap_free(set);
	return NULL;
}

/* A place for one more set; the lock is held. */
static long place_find(u32 *place)
{
	for (*place = proc_semaphore_lowest; *place < proc_semaphore_places; ++*place)
		if (!proc_semaphore_sets[*place])
			return 0;
	if (proc_semaphore_places == PROC_SEMAPHORE_SETS)
		return -ENOSPC;
	u32 places = proc_semaphore_places ? proc_semaphore_places * 2 : 16;
	struct semaphore_set **larger = heap_resize(proc_semaphore_sets, (places < PROC_SEMAPHORE_SETS ? places : PROC_SEMAPHORE_SETS) * sizeof(*proc_semaphore_sets));

	if (!larger)
		return -ENOMEM;
	proc_semaphore_sets = larger;
	proc_semaphore_places = places < PROC_SEMAPHORE_SETS ? places : PROC_SEMAPHORE_SETS;
	return 0;
}

static long set_enter(struct semaphore_set *set)
{
	u32 place;
	long error = place_find(&place);

	if (error)
		return error;
	set->is.id = (i32)(place + SEMAPHORE_PLACES * (set_sequence++ % ID_SEQUENCES));
	set->is.sequence = (u32)set->is.id / SEMAPHORE_PLACES;
	proc_semaphore_sets[place] = set;
	proc_semaphore_lowest = place + 1;
	proc_semaphore_count++;
	stable_commit(set->is.id, 0);
	return set->is.id;
}

static long existing_take(struct semaphore_set *set, const struct semaphore_caller *caller, u32 count, u32 flags)
{
	if ((flags & (PROC_SEMAPHORE_CREATE | PROC_SEMAPHORE_EXCLUSIVE)) == (PROC_SEMAPHORE_CREATE | PROC_SEMAPHORE_EXCLUSIVE))
		return -EEXIST;
	if (count > set->is.count)
		return -EINVAL;
	return proc_semaphore_set_allows(set, caller, (flags | flags >> 3 | flags >> 6) & 6) ? set->is.id : -EACCES;
}

long proc_op_semaphore_get(const struct rt_request *rq, i32 key, u32 count, u32 flags)
{
	struct semaphore_caller caller;
	struct semaphore_set *made = NULL, *set;
	long result = proc_semaphore_caller(rq, &caller);

	if (result)
		return result;
	if (count > PROC_SEMAPHORES_MAX)
		return -EINVAL;
	if (count)
		made = set_make(&caller, key, count, flags);
	lock_acquire(&proc_semaphore_lock);
	set = set_of_key(key);
	if (set) {
		result = existing_take(set, &caller, count, flags);
	} else if (key && !(flags & PROC_SEMAPHORE_CREATE)) {
		result = -ENOENT;
	} else if (!count) {
		result = -EINVAL;
	} else {
		result = made ? set_enter(made) : -ENOMEM;
		made = result < 0 ? made : NULL;
	}
	lock_release(&proc_semaphore_lock);
	proc_semaphore_set_free(made);
	return result;
}

/* ---- Operations ------------------------------------------------------------------------------------------------------------------------ */

static struct semaphore_undo *undo_find(struct semaphore_set *set, const struct proc_process *process)
{
	list_each(node, &set->undos) {
		struct semaphore_undo *undo = container_of(node, struct semaphore_undo, link);

		if (undo->process == process)
			return undo;
	}
	return NULL;
}

/* Who waited for the same thread before; it asks again or gives up. */
static void waiter_end(struct semaphore_set *set, u32 thread)
{
	list_each_safe(node, &set->waiters) {
		struct semaphore_waiter *waiter = container_of(node, struct semaphore_waiter, link);

		if (waiter->thread != thread)
			continue;
		list_remove(node);
		if (spare_count == WAITERS_KEPT) {
			heap_free(waiter);
			return;
		}
		spare_count++;
		list_push_front(&waiters_spare, node);
		return;
	}
}

/* What one operation does to a value; -EAGAIN when it must wait. */
static long value_after(const struct proc_semaphore_operation *operation, i32 value)
{
	if (!operation->change)
		return value ? -EAGAIN : 0;
	value += operation->change;
	if (value < 0)
		return -EAGAIN;
	return value > PROC_SEMAPHORE_VALUE_MAX ? -ERANGE : value;
}

static bool undo_fits(const struct semaphore_undo *undo, const struct proc_semaphore_operation *operation)
{
	i32 adjust = undo->adjust[operation->number] - operation->change;

	return adjust >= -PROC_SEMAPHORE_VALUE_MAX - 1 && adjust <= PROC_SEMAPHORE_VALUE_MAX;
}

/* Takes the first `count` operations back. */
static void operations_undo(const struct semaphore_request *r, u32 count)
{
	while (count--) {
		const struct proc_semaphore_operation *operation = &r->operations[count];

		r->set->semaphores[operation->number].value -= operation->change;
		if (operation->flags & PROC_SEMAPHORE_UNDO && r->undo)
			r->undo->adjust[operation->number] += operation->change;
	}
}

/* All operations or none: 0, -ERANGE, or -EAGAIN with the number of the one that must wait. */
static long operations_try(const struct semaphore_request *r, u32 *blocked)
{
	for (u32 i = 0; i < r->count; i++) {
		const struct proc_semaphore_operation *operation = &r->operations[i];
		struct semaphore *semaphore = &r->set->semaphores[operation->number];
		bool undone = operation->flags & PROC_SEMAPHORE_UNDO && operation->change;
		long after = value_after(operation, semaphore->value);

		if (after >= 0 && undone && !undo_fits(r->undo, operation))
			after = -ERANGE;
		if (after < 0) {
			operations_undo(r, i);
			*blocked = i;
			return after;
		}
		semaphore->value = (i32)after;
		if (undone)
			r->undo->adjust[operation->number] -= operation->change;
	}
	return 0;
}

/* The request can be done by this caller at all. */
static long request_check(const struct semaphore_request *r, const struct semaphore_caller *caller)
{
	for (u32 i = 0; i < r->count; i++)
		if (r->operations[i].number >= r->set->is.count)
			return -EFBIG;
	return proc_semaphore_set_allows(r->set, caller, r->alters ? 2 : 4) ? 0 : -EACCES;
}

/* Memory that a request turned out to need: it is made without the locks, and the request tried again. */
struct semaphore_spare { struct semaphore_waiter *waiter; struct semaphore_undo *undo; bool waiter_wanted; u32 undo_wanted; };

static long request_block(const struct semaphore_request *r, u32 blocked, struct semaphore_spare *spare, u32 thread)
{
	const struct proc_semaphore_operation *operation = &r->operations[blocked];
	struct semaphore_waiter *waiter = spare->waiter;

	if (operation->flags & PROC_SEMAPHORE_NO_WAIT)
		return -EAGAIN;
	if (!waiter && spare_count) {
		waiter = container_of(list_pop_front(&waiters_spare), struct semaphore_waiter, link);
		spare_count--;
	}
	spare->waiter_wanted = !waiter;
	if (!waiter)
		return -ENOMEM;
	*waiter = (struct semaphore_waiter){ .thread = thread, .number = operation->number, .zero = !operation->change };
	list_push_back(&r->set->waiters, &waiter->link);
	spare->waiter = waiter == spare->waiter ? NULL : spare->waiter;
	return PROC_SEMAPHORE_WAITS;
}

/* What the caller's end takes back, entered in the set at the first operation that asks for it. */
static long undo_take(struct semaphore_request *r, const struct semaphore_caller *caller, struct semaphore_spare *spare)
{
	r->undo = undo_find(r->set, caller->process);
	if (r->undo)
		return 0;
	spare->undo_wanted = spare->undo ? 0 : r->set->is.count;
	if (!spare->undo)
		return -ENOMEM;
	r->undo = spare->undo;
	r->undo->process = caller->process;
	list_push_back(&r->set->undos, &r->undo->link);
	spare->undo = NULL;
	return 0;
}

static long request_run(struct semaphore_request *r, const struct semaphore_caller *caller, u32 thread, struct semaphore_spare *spare)
{
	u32 blocked = 0;
	long result = request_check(r, caller);

	if (!result && r->undoes)
		result = undo_take(r, caller, spare);
	if (result)
		return result;
	result = operations_try(r, &blocked);
	if (result == -EAGAIN)
		return request_block(r, blocked, spare, thread);
	if (result)
		return result;
	for (u32 i = 0; i < r->count; i++)
		r->set->semaphores[r->operations[i].number].pid = caller->pid;
	r->set->is.operation_time = clock_realtime() / NANOS_PER_SECOND;
	if (r->alters)
		pollword_event(r->set->word, 0);
	return 0;
}

/* One attempt. Under proc_lock, so that the caller's end, which undoes, comes before or after it. */
static long attempt(const struct rt_request *rq, i32 id, struct semaphore_request *r, struct semaphore_spare *spare, u64 out[2])
{
	struct semaphore_caller caller;
	long result;

	lock_acquire(&proc_lock);
	lock_acquire(&proc_semaphore_lock);
	result = caller_fill(rq, &caller);
	r->set = proc_semaphore_set_find(id);
	if (!result && !r->set)
		result = -EINVAL;
	if (!result) {
		waiter_end(r->set, rq->thread);
		result = request_run(r, &caller, rq->thread, spare);
		out[1] = r->set->word->sequence; /* changed under the lock alone */
		out[0] = result == PROC_SEMAPHORE_WAITS ? pollword_handle(r->set->word, rq) : 0;
		if (!result)
			stable_commit_all(&(struct stable_result){ .outs = { 0, out[1] } }, NULL);
	}
	lock_release(&proc_semaphore_lock);
	lock_release(&proc_lock);
	return result;
}

static long operate(const struct rt_request *rq, i32 id, struct semaphore_request *r, u64 out[2])
{
	struct semaphore_spare spare = { 0 };
	long result;

	for (u32 i = 0; i < r->count; i++) {
		r->alters |= r->operations[i].change != 0;
		r->undoes |= r->operations[i].flags & PROC_SEMAPHORE_UNDO && r->operations[i].change;
	}
	for (;;) {
		result = attempt(rq, id, r, &spare, out);
		if (result != -ENOMEM)
			break;
		if (spare.waiter_wanted && !spare.waiter)
			spare.waiter = heap_alloc(sizeof(*spare.waiter));
		else if (spare.undo_wanted && !spare.undo)
			spare.undo = heap_alloc(sizeof(*spare.undo) + spare.undo_wanted * sizeof(spare.undo->adjust[0]));
		if ((spare.waiter_wanted && !spare.waiter) || (spare.undo_wanted && !spare.undo))
			break;
	}
	heap_free(spare.waiter);
	heap_free(spare.undo);
	return result;
}

long proc_op_semaphore_operate(const struct rt_request *rq, i32 id, vaddr_t operations, u64 operations_size, u64 first, u64 *pollword, u64 *sequence)
{
	struct proc_semaphore_operation one = { (u16)first, (i16)(first >> 16), (i16)(first >> 32) };
	struct semaphore_request request = { .operations = &one, .count = 1 };
	u64 count = operations_size / sizeof(one), out[2] = { 0 };
	long result;

	*pollword = *sequence = 0;
	if (count > PROC_SEMAPHORE_OPERATIONS)
		return -E2BIG;
	if (!count) {
		result = operate(rq, id, &request, out);
		*pollword = out[0];
		*sequence = out[1];
		return result;
	}
	request.operations = heap_alloc(operations_size);
	if (!request.operations)
		return -ENOMEM;
	request.count = (u32)count;
	result = user_copy_in(request.operations, operations, count * sizeof(one));
	if (!result)
		result = operate(rq, id, &request, out);
	*pollword = out[0];
	*sequence = out[1];
	heap_free(request.operations);
	return result;
}

long proc_op_semaphore_forget(const struct rt_request *rq, i32 id)
{
	struct semaphore_set *set;

	lock_acquire(&proc_semaphore_lock);
	set = proc_semaphore_set_find(id);
	if (set)
		waiter_end(set, rq->thread);
	lock_release(&proc_semaphore_lock);
	return set ? 0 : -EINVAL;
}

/* The process has ended: what it asked to be undone is, as far as the values allow. Called with proc_lock. */
void proc_semaphores_end(const struct proc_process *process)
{
	lock_acquire(&proc_semaphore_lock);
	for (u32 place = 0; proc_semaphore_count && place < proc_semaphore_places; place++) {
		struct semaphore_undo *undo = proc_semaphore_sets[place] ? undo_find(proc_semaphore_sets[place], process) : NULL;

		if (!undo)
			continue;
		for (u32 i = 0; i < proc_semaphore_sets[place]->is.count; i++) {
			struct semaphore *semaphore = &proc_semaphore_sets[place]->semaphores[i];
			i32 value = semaphore->value + undo->adjust[i];

			if (!undo->adjust[i])
				continue;
			semaphore->value = value < 0 ? 0 : value > PROC_SEMAPHORE_VALUE_MAX ? PROC_SEMAPHORE_VALUE_MAX : value;
			semaphore->pid = process->leader->id->number;
		}
		list_remove(&undo->link);
		heap_free(undo);
		pollword_event(proc_semaphore_sets[place]->word, 0);
	}
	lock_release(&proc_semaphore_lock);
}
