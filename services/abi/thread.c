/* Records of threads and processes: found by the core's thread id in two loads. */
#include "shim.h"

/* Ids rise by one and are never used again; the table holds the last 4 million and refuses a thread that would collide. */
#define LEAF_BITS 10
#define ROOT_BITS 12
#define LEAF_SIZE (1u << LEAF_BITS)
#define ROOT_SIZE (1u << ROOT_BITS)

struct thread_leaf {
	u32 used;                               /* guarded by table_lock */
	struct shim_thread *threads[LEAF_SIZE]; /* written under table_lock, read without */
};
static struct thread_leaf *root[ROOT_SIZE];
static struct rt_lock table_lock = RT_LOCK_INIT;

static inline u32 root_index(u32 thread)
{
	return thread >> LEAF_BITS & (ROOT_SIZE - 1);
}

struct shim_thread *shim_thread_find(u32 thread)
{
	/* A leaf stays while one of its threads lives, and only a live thread or one who keeps it alive asks: relaxed loads do. */
	struct thread_leaf *leaf = __atomic_load_n(&root[root_index(thread)], __ATOMIC_RELAXED);
	struct shim_thread *t;

	if (unlikely(!leaf))
		return NULL;
	t = __atomic_load_n(&leaf->threads[thread & (LEAF_SIZE - 1)], __ATOMIC_RELAXED);
	return likely(t && t->thread == thread) ? t : NULL;
}

struct shim_thread *shim_thread_current(void)
{
	return shim_thread_find(rt_thread_id());
}

/* Enters a thread in the table; false when out of memory or when a live thread has its place. */
static bool table_insert(struct shim_thread *t)
{
	struct thread_leaf **place = &root[root_index(t->thread)];
	u32 index = t->thread & (LEAF_SIZE - 1);
	bool done = false;

	lock_acquire(&table_lock);
	if (!*place) { /* looked at under the lock: the last thread of a leaf takes it away */
		struct thread_leaf *fresh = heap_alloc(sizeof(*fresh));

		__atomic_store_n(place, fresh, __ATOMIC_RELEASE); /* its zeroes before its address */
	}
	if (*place && !(*place)->threads[index]) {
		(*place)->used++;
		__atomic_store_n(&(*place)->threads[index], t, __ATOMIC_RELEASE); /* the record before its address */
		done = true;
	}
	lock_release(&table_lock);
	return done;
}

static void table_remove(struct shim_thread *t)
{
	struct thread_leaf **place = &root[root_index(t->thread)], *empty = NULL;

	lock_acquire(&table_lock);
	(*place)->threads[t->thread & (LEAF_SIZE - 1)] = NULL;
	if (--(*place)->used == 0) {
		empty = *place;
		*place = NULL;
	}
	lock_release(&table_lock);
	heap_free(empty);
}

struct shim_thread *shim_thread_create(struct shim_process *process, u32 thread, i32 tid, vaddr_t token)
{
	struct shim_thread *t = heap_alloc(sizeof(*t));

	if (!t)
		return NULL;
	t->process = process;
	t->thread = thread;
	t->tid = tid;
	t->token = token;
	t->page = (struct tk_thread_page *)token;
	if (!table_insert(t)) {
		heap_free(t);
		return NULL;
	}
	lock_acquire(&process->lock);
	process->threads++;
	lock_release(&process->lock);
	return t;
}

void shim_thread_destroy(struct shim_thread *t)
{
	struct shim_process *process = t->process;

	watch_set_destroy(t->watches);
	table_remove(t);
	heap_free(t);
	shim_process_put(process);
}

static struct rt_lock processes_lock = RT_LOCK_INIT; /* guards the list and the files of those in it */
static struct shim_process *processes;

static void process_list(struct shim_process *process)
{
	lock_acquire(&processes_lock);
	process->next = processes;
	if (processes)
		processes->previous = process;
	processes = process;
	lock_release(&processes_lock);
}

static void process_unlist(struct shim_process *process)
{
	lock_acquire(&processes_lock);
	*(process->previous ? &process->previous->next : &processes) = process->next;
	if (process->next)
		process->next->previous = process->previous;
	lock_release(&processes_lock);
}

struct shim_fd_table *shim_process_files_set(struct shim_process *process, struct shim_fd_table *files)
{
	struct shim_fd_table *old;

	lock_acquire(&processes_lock);
	old = process->files;
	process->files = files;
	lock_release(&processes_lock);
	return old;
}

struct shim_fd_table *shim_process_files(i32 pid)
{
	struct shim_fd_table *files = NULL;
	struct shim_process *process;

	lock_acquire(&processes_lock);
	for (process = processes; process && process->pid != pid; process = process->next)
		;
	if (process)
		files = process->files;
	if (files)
		fd_table_hold(files);
	lock_release(&processes_lock);
	return files;
}

struct shim_process *shim_process_create(i32 pid, u64 space, vaddr_t space_token)
{
	struct shim_process *process = heap_alloc(sizeof(*process));

	if (!process)
		return NULL;
	process->pid = pid;
	process->space = space;
	process->space_token = space_token;
	process->files_limit = 1024;
	process_list(process);
	return process;
}

void shim_process_put(struct shim_process *process)
{
	bool last;

	lock_acquire(&process->lock);
	last = --process->threads == 0;
	lock_release(&process->lock);
	if (!last)
		return;
	process_unlist(process);
	if (process->files)
		fd_table_put(process->files);
	heap_free(process->actions);
	heap_free(process);
}
