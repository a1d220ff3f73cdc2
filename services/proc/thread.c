/* The core's thread objects: made of frames of mem, destroyed when their thread has left, interrupted and notified. */
#include "recover.h"
#include "mem_client.h"

#define CACHE_FRAMES 16  /* frames kept for the next thread */
#define SPARE_THREADS 8u /* and whole threads that have ended */

static struct rt_lock threads_lock = RT_LOCK_INIT; /* guards what follows; taken inside proc_lock or alone */
static struct list all = LIST_INIT(all);       /* every proc_thread, by proc_thread.all */
static struct list ending = LIST_INIT(ending);
static struct list spare = LIST_INIT(spare);
static u32 spare_count;
static frame_t cache[CACHE_FRAMES];
static u32 cache_count;
static volatile u32 *service_word;
static frame_t service_frame;

/* Frames change from the cache to a thread and back under the lock, so that they are in one of both whatever happens. */
static void frames_from_cache(struct proc_thread *thread, u32 count)
{
	lock_acquire(&threads_lock);
	while (cache_count && thread->frame_count < count)
		thread->frames[thread->frame_count++] = cache[--cache_count];
	lock_release(&threads_lock);
}

static void frames_to_cache(struct proc_thread *thread)
{
	lock_acquire(&threads_lock);
	while (thread->frame_count && cache_count < CACHE_FRAMES)
		cache[cache_count++] = thread->frames[--thread->frame_count];
	lock_release(&threads_lock);
}

/* The last of some frames goes back to mem: forgotten when it is given, and before mem may hand it out again. Whatever a failure leaves in
 * between is this unit's no more, and nobody else's yet. */
static void frame_return(const frame_t *frames, u32 *count)
{
	frame_t frame = frames[*count - 1];
	/* In mem's own unit nothing changes hands. */
	bool given = rt_boot->domain == rt_boot->mem_domain || tk_frames_give(frame, 1, rt_boot->mem_domain) >= 0;

	--*count;
	/* One that was given before a failure may not have been freed. */
	if (mem_frames_free(frame, 0) < 0 && given)
		log_line("proc: frame %u was not taken back", frame);
}

static void frames_return(struct proc_thread *thread)
{
	while (thread->frame_count)
		frame_return(thread->frames, &thread->frame_count);
}

static void frames_put(struct proc_thread *thread)
{
	frames_to_cache(thread);
	frames_return(thread);
}

static long frames_take(struct proc_thread *thread, u32 count)
{
	if (count > TK_OBJECT_FRAMES_MAX)
		return -ENOMEM;
	frames_from_cache(thread, count);
	for (; thread->frame_count < count; thread->frame_count++) {
		u64 fresh;
		long error = mem_frames_alloc(0, &fresh);

		if (error < 0) {
			frames_put(thread);
			return error;
		}
		thread->frames[thread->frame_count] = (frame_t)fresh;
	}
	return 0;
}

/* A record without an object, known from here on. */
static struct proc_thread *record_make(void)
{
	struct proc_thread *thread = heap_alloc(sizeof(*thread));

	if (!thread)
		return NULL;
	lock_acquire(&threads_lock);
	list_push_back(&all, &thread->all);
	lock_release(&threads_lock);
	return thread;
}

static void record_free(struct proc_thread *thread)
{
	lock_acquire(&threads_lock);
	list_remove(&thread->all);
	lock_release(&threads_lock);
	heap_free(thread);
}

/* Makes the object of the frames and shows its page to the shim. */
static long object_make(struct proc_thread *thread, vaddr_t space)
{
	struct tk_object_create request = { .type = TK_OBJECT_THREAD, .frame_count = thread->frame_count, .vspace = space };
	long token;

	memcpy(request.frames, thread->frames, thread->frame_count * sizeof(frame_t));
	token = tk_object_create(&request);
	if (token < 0 && token > -4096)
		return token;
	thread->token = (vaddr_t)token;
	if (rt_boot->abi_domain != rt_boot->domain) {
		long error = tk_grant(thread->token, rt_boot->abi_domain, TK_MODE_WRITE);

		if (error < 0) {
			tk_object_destroy(thread->token);
			thread->token = 0;
			return error;
		}
	}
	thread->page = (struct tk_thread_page *)thread->token;
	thread->id = thread->page->id;
	return 0;
}

static struct proc_thread *thread_make(vaddr_t space, long *error)
{
	struct proc_thread *thread = record_make();

	*error = -ENOMEM;
	if (!thread)
		return NULL;
	*error = frames_take(thread, 2 + rt_boot->vector_frames + TK_STACK_SIZE / PAGE_SIZE);
	if (*error >= 0) {
		*error = object_make(thread, space);
		if (*error >= 0)
			return thread;
		frames_put(thread);
	}
	record_free(thread);
	return NULL;
}

static void thread_destroy(struct proc_thread *thread)
{
	if (tk_object_destroy(thread->token) < 0) {
		log_line("proc: thread %u does not end", thread->id);
		return; /* its frames stay the object's */
	}
	thread->token = 0;
	frames_put(thread);
	record_free(thread);
}

/* Keeps a thread that has exited for the next one, if not enough are kept already. */
static bool thread_spare(struct proc_thread *thread)
{
	bool kept;

	lock_acquire(&threads_lock);
	kept = spare_count < SPARE_THREADS;
	if (kept) {
		list_push_front(&spare, &thread->link);
		spare_count++;
	}
	lock_release(&threads_lock);
	return kept;
}

static struct proc_thread *spare_take(void)
{
	struct list *node;

	lock_acquire(&threads_lock);
	node = list_pop_front(&spare);
	spare_count -= node != NULL;
	lock_release(&threads_lock);
	return node ? container_of(node, struct proc_thread, link) : NULL;
}

struct proc_thread *proc_thread_create(vaddr_t space, long *error)
{
	struct proc_thread *thread;

	proc_threads_reap();
	thread = spare_take();
	if (!thread)
		return thread_make(space, error);
	*error = tk_object_renew(thread->token, space);
	if (*error >= 0)
		return thread;
	thread_destroy(thread);
	return NULL;
}

void proc_thread_discard(struct proc_thread *thread)
{
	thread_destroy(thread);
}

void proc_thread_retire(struct proc_thread *thread)
{
	lock_acquire(&threads_lock);
	list_push_back(&ending, &thread->link);
	lock_release(&threads_lock);
}

void proc_threads_reap(void)
{
	struct list left = LIST_INIT(left);

	lock_acquire(&threads_lock);
	list_each_safe(node, &ending) {
		struct proc_thread *thread = container_of(node, struct proc_thread, link);

		if (thread->page->state == 3) { /* exited: the core's last word about it */
			list_remove(node);
			list_push_back(&left, node);
		}
	}
	lock_release(&threads_lock);
	list_each_safe(node, &left) {
		struct proc_thread *thread = container_of(node, struct proc_thread, link);

		list_remove(node);
		if (!thread_spare(thread))
			thread_destroy(thread);
	}
}

struct proc_thread_shared *proc_thread_shared(const struct proc_task *task)
{
	_Static_assert(sizeof(struct proc_thread_shared) <= sizeof(task->thread->page->owner_data), "fits");
	return (struct proc_thread_shared *)task->thread->page->owner_data;
}

void proc_parent_publish(const struct proc_process *process)
{
	u32 parent = process->parent ? (u32)process->parent->leader->id->number : 0;

	list_each(node, &process->tasks) {
		struct proc_task *task = container_of(node, struct proc_task, link);
		if (task->thread)
			proc_thread_shared(task)->parent = parent;
	}
}

void proc_thread_interrupt(struct proc_task *task, u32 bits)
{
	if (!task->thread || task->life != PROC_ALIVE)
		return;
	/* Already told and not yet looked at: the thread can't be in a wait or in user mode without having been told. */
	if ((task->thread->page->interrupt & bits) == bits)
		return;
	/* Who makes this call neither waits nor runs its program: it looks at the word before it does. */
	if (bits == TK_INTERRUPT_SIGNAL && task->thread->id == rt_thread_id()) {
		__atomic_fetch_or(&task->thread->page->interrupt, bits, __ATOMIC_RELAXED); /* for this thread alone */
		return;
	}
	tk_thread_interrupt(task->thread->token, bits);
}

void proc_task_notify(struct proc_task *task)
{
	volatile u32 *event;

	if (!task->thread)
		return;
	event = &proc_thread_shared(task)->event;
	/* Release: what the event reports is written before it can be seen. */
	__atomic_fetch_add(event, 1, __ATOMIC_RELEASE);
	tk_wake(event, ~0u, 0, ~0u);
}

/* ---- Recovery ---- */

static void cache_drop(void)
{
	if (cache_count > CACHE_FRAMES)
		cache_count = CACHE_FRAMES;
	while (cache_count)
		frame_return(cache, &cache_count); /* what is not this unit's is refused */
}

long proc_threads_recover(void)
{
	threads_lock = (struct rt_lock)RT_LOCK_INIT;
	list_init(&ending);
	list_init(&spare);
	spare_count = 0;
	cache_drop();
	service_word = (volatile u32 *)token_of_frame(service_frame);
	/* Readable, or the core says that it is not. */
	if (tk_wait(service_word, 0, 0, TK_WAIT_NEVER_INTERRUPTED, ~0u) == -EFAULT)
		return proc_bad("the exit word");
	if (!proc_list_claim(&all, offsetof(struct proc_thread, all), sizeof(struct proc_thread), PROC_CLAIMED_THREAD))
		return proc_bad("the list of threads");
	list_each(node, &all) {
		struct proc_thread *thread = container_of(node, struct proc_thread, all);

		if (thread->frame_count > TK_OBJECT_FRAMES_MAX)
			return proc_bad("the frames of a thread");
		list_init(&thread->link);
	}
	return 0;
}

/* That it is a thread of this unit's, the core says when it is told anew how it is scheduled. */
long proc_thread_recover(struct proc_task *task)
{
	struct proc_thread *thread = task->thread;

	if (heap_kind(thread) != PROC_CLAIMED_THREAD || !thread->frame_count || thread->token != token_of_frame(thread->frames[0]) ||
	    !proc_schedule_restore(task))
		return proc_bad("the core's object of a thread");
	heap_reclaim(thread, PROC_CLAIMED_THREAD_USED);
	thread->page = (struct tk_thread_page *)thread->token;
	thread->id = thread->page->id;
	if (!proc_thread_table_restore(task))
		return proc_bad("a thread that two have");
	return 0;
}

/* Threads without a task: the core ends them if they are there and have ended, or were never started. Their frames are not kept for others:
 * one may be mem's already. */
void proc_threads_recovered(void)
{
	list_each_safe(node, &all) {
		struct proc_thread *thread = container_of(node, struct proc_thread, all);
		long error;

		if (heap_kind(thread) != PROC_CLAIMED_THREAD)
			continue;
		error = thread->frame_count ? tk_object_destroy(token_of_frame(thread->frames[0])) : 0;
		if (error != -EBUSY) {
			frames_return(thread);
			list_remove(node);
			heap_reclaim(thread, HEAP_UNCLAIMED);
			continue;
		}
		thread->token = token_of_frame(thread->frames[0]);
		thread->page = (struct tk_thread_page *)thread->token;
		list_push_back(&ending, &thread->link);
	}
}

/* ---- The service's own thread ---- */

long proc_op_exit_page(const struct rt_request *rq, u64 *frame)
{
	if (!proc_caller_is_shim(rq))
		return -EPERM;
	if (!service_word)
		return -ENOMEM;
	*frame = service_frame;
	return 0;
}

void proc_service_wake(void)
{
	if (!service_word)
		return;
	__atomic_store_n(service_word, 1, __ATOMIC_RELEASE); /* after what it is to find */
	tk_wake(service_word, 1, 0, ~0u);
}

void proc_init(void)
{
	u64 frame;

	if (rt_recovers()) {
		if (proc_recover())
			rt_start_fail("its processes can't be trusted");
		return;
	}

	if (mem_frames_alloc(0, &frame) < 0 ||
	    (rt_boot->abi_domain != rt_boot->domain &&
	     tk_grant(token_of_frame(frame), rt_boot->abi_domain, TK_MODE_WRITE) < 0)) {
		log_line("proc: no page for the exit word");
		return;
	}
	service_frame = (frame_t)frame;
	service_word = (volatile u32 *)token_of_frame(frame);
	proc_load_init();
}

/* Ends threads that have left and runs what is due; every exiting thread sets the word to 1. */
void proc_main(u32 index)
{
	(void)index;
	rt_assert(service_word);
	for (;;) {
		nanos_t deadline;

		__atomic_store_n(service_word, 0, __ATOMIC_SEQ_CST); /* before looking: what comes later sets it again */
		proc_threads_reap();
		deadline = proc_alarms_run();
		if (tk_wait(service_word, 0, deadline, 0, ~0u) == -EFAULT)
			unit_fail(__FILE__, __LINE__, "no exit word");
	}
}
