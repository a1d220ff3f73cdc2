/* Numbers and names: pid -> id, core thread -> task, user records. */
#include "recover.h"

struct rt_lock proc_lock = RT_LOCK_INIT;
struct list proc_processes = LIST_INIT(proc_processes);
struct proc_process *proc_init_process;
struct proc_system proc_counts;

#define LEAF_SIZE 256
static struct proc_id **id_leaves[PROC_PID_MAX / LEAF_SIZE];

struct proc_id *proc_id_find(i32 number)
{
	if (number <= 0 || number >= PROC_PID_MAX || !id_leaves[number / LEAF_SIZE])
		return NULL;
	return id_leaves[number / LEAF_SIZE][number % LEAF_SIZE];
}

struct proc_id *proc_id_next(i32 after)
{
	i32 number = after < 0 ? 1 : after + 1;

	while (number < PROC_PID_MAX) {
		struct proc_id *id = proc_id_find(number);

		if (id)
			return id;
		if (!id_leaves[number / LEAF_SIZE])
			number |= LEAF_SIZE - 1;
		number++;
	}
	return NULL;
}

/* The next number that is free behind the last one; 0 when all are taken. */
static i32 number_choose(void)
{
	i32 number = proc_counts.last_pid;

	for (i32 tried = 0; tried < PROC_PID_MAX; tried++) {
		if (++number >= PROC_PID_MAX)
			number = PROC_ID_RESERVED;
		if (!proc_id_find(number))
			return number;
	}
	return 0;
}

struct proc_id *proc_id_create(i32 wanted, long *error)
{
	i32 number = wanted ? wanted : number_choose();
	struct proc_id ***leaf, *id;

	*error = -EAGAIN;
	if (number <= 0 || number >= PROC_PID_MAX)
		return NULL;
	*error = -EEXIST;
	if (proc_id_find(number))
		return NULL;
	*error = -ENOMEM;
	leaf = &id_leaves[number / LEAF_SIZE];
	if (!*leaf)
		*leaf = heap_alloc(LEAF_SIZE * sizeof(**leaf));
	id = heap_alloc(sizeof(*id));
	if (!*leaf || !id) {
		heap_free(id);
		return NULL;
	}
	id->number = number;
	id->uses = 1;
	list_init(&id->group_members);
	list_init(&id->session_members);
	(*leaf)[number % LEAF_SIZE] = id;
	if (!wanted)
		proc_counts.last_pid = number;
	*error = 0;
	return id;
}

void proc_id_hold(struct proc_id *id)
{
	id->uses++;
}

void proc_id_drop(struct proc_id *id)
{
	if (--id->uses)
		return;
	if (id->end_word)
		pollword_free(id->end_word);
	id_leaves[id->number / LEAF_SIZE][id->number % LEAF_SIZE] = NULL;
	heap_free(id);
}

struct proc_task *proc_task_find(i32 tid)
{
	struct proc_id *id = proc_id_find(tid);

	return id ? id->task : NULL;
}

struct proc_process *proc_process_find(i32 pid)
{
	struct proc_task *task = proc_task_find(pid);

	return task && task->process->leader == task ? task->process : NULL;
}

/* ---- Core thread id -> task ---- */

#define THREAD_BUCKETS 512
static struct proc_task *thread_buckets[THREAD_BUCKETS];

static struct proc_task **thread_bucket(u32 thread)
{
	return &thread_buckets[thread % THREAD_BUCKETS];
}

void proc_thread_table_insert(struct proc_task *task)
{
	struct proc_task **bucket = thread_bucket(task->thread->id);

	task->hash_next = *bucket;
	*bucket = task;
}

void proc_thread_table_remove(struct proc_task *task)
{
	struct proc_task **place = thread_bucket(task->thread->id);

	while (*place && *place != task)
		place = &(*place)->hash_next;
	if (*place)
		*place = task->hash_next;
}

struct proc_task *proc_task_serving(const struct rt_request *rq)
{
	struct proc_task *task = *thread_bucket(rq->thread);

	while (task && task->thread->id != rq->thread)
		task = task->hash_next;
	return task && task->life == PROC_ALIVE ? task : NULL;
}

struct proc_task *proc_task_calling(const struct rt_request *rq)
{
	return proc_caller_is_shim(rq) ? proc_task_serving(rq) : NULL;
}

struct proc_task *proc_task_named(const struct rt_request *rq, i32 tid)
{
	struct proc_task *task = tid ? proc_task_find(tid) : proc_task_serving(rq);

	return task && task->life != PROC_NEW ? task : NULL;
}

bool proc_caller_is_shim(const struct rt_request *rq)
{
	return rq->caller == rt_boot->abi_domain;
}

/* ---- Users ---- */

static struct list users = LIST_INIT(users);

struct proc_user *proc_user_hold(u32 uid)
{
	struct proc_user *user;

	list_each(node, &users) {
		user = container_of(node, struct proc_user, link);
		if (user->uid == uid) {
			user->references++;
			return user;
		}
	}
	user = heap_alloc(sizeof(*user));
	if (!user)
		return NULL;
	user->uid = uid;
	user->references = 1;
	list_push_back(&users, &user->link);
	return user;
}

void proc_user_drop(struct proc_user *user)
{
	if (--user->references)
		return;
	list_remove(&user->link);
	heap_free(user);
}

/* ---- Recovery ---- */

#define WATCHES_MAX (1u << 30) /* more can't be counted */

static long id_recover(struct proc_id *id, i32 number)
{
	if (!heap_claim(id, sizeof(*id), PROC_CLAIMED_ID) || id->number != number || id->watches > WATCHES_MAX ||
	    (id->end_word && !pollword_claim(id->end_word)))
		return proc_bad("a number");
	id->uses = id->watches;
	list_init(&id->group_members);
	list_init(&id->session_members);
	return 0;
}

static long leaf_recover(u32 leaf)
{
	if (!heap_claim(id_leaves[leaf], LEAF_SIZE * sizeof(*id_leaves[leaf]), PROC_CLAIMED_BYTES))
		return proc_bad("the table of numbers");
	for (u32 i = 0; i < LEAF_SIZE; i++)
		if (id_leaves[leaf][i] && id_recover(id_leaves[leaf][i], (i32)(leaf * LEAF_SIZE + i)))
			return -EIO;
	return 0;
}

long proc_tables_recover(void)
{
	if (!proc_list_claim(&users, offsetof(struct proc_user, link), sizeof(struct proc_user), PROC_CLAIMED_USER))
		return proc_bad("the list of users");
	list_each(node, &users) {
		struct proc_user *user = container_of(node, struct proc_user, link);

		user->references = user->tasks = user->pending = 0;
	}
	for (u32 leaf = 0; leaf < countof(id_leaves); leaf++)
		if (id_leaves[leaf] && leaf_recover(leaf))
			return -EIO;
	proc_first_session = (struct proc_id){ .uses = 1 };
	list_init(&proc_first_session.group_members);
	list_init(&proc_first_session.session_members);
	memset(thread_buckets, 0, sizeof(thread_buckets));
	if (proc_counts.last_pid < 0 || proc_counts.last_pid >= PROC_PID_MAX)
		proc_counts.last_pid = PROC_ID_RESERVED;
	return 0;
}

bool proc_thread_table_restore(struct proc_task *task)
{
	for (const struct proc_task *other = *thread_bucket(task->thread->id); other; other = other->hash_next)
		if (other->thread->id == task->thread->id)
			return false;
	proc_thread_table_insert(task);
	return true;
}

static void users_recovered(void)
{
	list_each_safe(node, &users) {
		struct proc_user *user = container_of(node, struct proc_user, link);

		if (user->references)
			continue;
		list_remove(node);
		heap_reclaim(user, HEAP_UNCLAIMED);
	}
}

/* Whoever watches the end of a process looks again. */
static void end_tell(struct proc_id *id)
{
	bool lives = id->task && !id->task->process->zombie;

	if (id->end_word)
		pollword_event(id->end_word, lives ? 0 : PROC_POLL_READABLE);
}

long proc_numbers_recovered(void)
{
	struct proc_id *id;

	users_recovered();
	for (id = proc_id_next(0); id; id = proc_id_next(id->number)) {
		if (id->task && (heap_kind(id->task) != PROC_CLAIMED_TASK || id->task->id != id))
			return proc_bad("whose number it is");
		if (id->foreground && !proc_id_known(id->foreground))
			return proc_bad("the group in front of a terminal");
		if (id->foreground)
			proc_id_hold(id->foreground);
	}
	for (id = proc_id_next(0); id; id = proc_id_next(id->number)) {
		if (!id->uses)
			return proc_bad("a number that nobody uses");
		end_tell(id);
	}
	return 0;
}
