/* fork, vfork, clone and clone3. */
#include "process.h"
#include "pidfd.h"
#include "include/abi_process.h"
#include <mem_client.h>
#include <fs_client.h>
#include <tessera/arch.h>

struct clone_request {
	u64 flags;
	u32 exit_signal;
	i32 set_tid;
	vaddr_t stack, parent_tid, child_tid, pidfd;
	u64 tls;
};

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static long clone_check(const struct clone_request *request)
{
	u64 flags = request->flags;

	if (flags & (NAMESPACES | CLONE_INTO_CGROUP))
		return -EINVAL; /* as a kernel built without them */
	if ((flags & CLONE_THREAD && !(flags & CLONE_SIGHAND)) || (flags & CLONE_SIGHAND && !(flags & CLONE_VM)))
		return -EINVAL;
	if (flags & CLONE_PIDFD && flags & (CLONE_THREAD | CLONE_DETACHED))
		return -EINVAL;
	if (flags & CLONE_SIGHAND && flags & CLONE_CLEAR_SIGHAND)
		return -EINVAL;
	if (flags & CLONE_THREAD && (flags & (CLONE_FS | CLONE_FILES)) != (CLONE_FS | CLONE_FILES))
		return -EINVAL; /* descriptors and directories belong to the process */
	return 0;
}

/* The address space of the child: a copy, or one more use of the maker's. */
static long space_make(struct shim_process *process, const struct shim_process *maker, bool share)
{
	u64 space, frame;
	long error;

	if (share) {
		process->space = maker->space;
		process->space_token = maker->space_token;
		process->space_users = maker->space_users;
		__atomic_fetch_add(process->space_users, 1, __ATOMIC_RELAXED); /* the maker's use keeps it alive */
		return 0;
	}
	process->space_users = heap_alloc(sizeof(*process->space_users));
	if (!process->space_users)
		return -ENOMEM;
	error = mem_space_fork(maker->space, &space, &frame);
	if (error < 0) {
		heap_free((void *)process->space_users);
		process->space_users = NULL;
		return error;
	}
	*process->space_users = 1;
	process->space = space;
	process->space_token = token_of_frame(frame);
	return 0;
}

static void process_unmake(struct shim_process *process)
{
	if (process->fs_client)
		(void)!fs_client_release(process->fs_client);
	if (process->space_users)
		shim_space_put(process->space, process->space_users);
	shim_program_put(process->program);
	process->threads = 1;
	shim_process_put(process);
}

/* The record of a child process, without threads; its pid comes later. */
static struct shim_process *process_make(struct shim_process *maker, u64 flags, long *error)
{
	struct shim_process *process = shim_process_create(0, 0, 0);

	*error = -ENOMEM;
	if (!process)
		return NULL;
	process->files_limit = maker->files_limit;
	process->file_size_cut = maker->file_size_cut;
	process->personality = maker->personality;
	process->program = maker->program;
	if (process->program)
		__atomic_fetch_add(&process->program->references, 1, __ATOMIC_RELAXED); /* the maker's keeps it alive */
	if (flags & CLONE_FILES) {
		process->files = maker->files;
		fd_table_hold(process->files);
	} else {
		process->files = fd_table_copy(maker->files);
	}
	if (process->files) {
		*error = fs_client_fork(maker->fs_client, flags & CLONE_FS ? FS_CLIENT_SHARE : 0, &process->fs_client);
		if (*error >= 0)
			*error = space_make(process, maker, flags & CLONE_VM);
	}
	if (*error < 0) {
		process_unmake(process);
		return NULL;
	}
	return process;
}

/* Registers and vector state of the maker, with the changes asked for. */
static long registers_copy(vaddr_t token, const struct clone_request *request)
{
	struct tk_regs regs;
	long result = tk_thread_regs_get(0, &regs);

	if (result < 0)
		return result;
	shim_regs_child(&regs, request->stack, request->flags & CLONE_SETTLS, request->tls);
	return tk_thread_regs_set(token, &regs, TK_VECTOR_COPY, 0, 0) < 0 ? -EINVAL : 0; /* an address that is none */
}

/* Fills the child's record and memory; nothing of it can be seen yet. */
static long child_prepare(struct shim_thread *t, struct shim_thread *child, const struct clone_request *request)
{
	i32 tid = child->tid;
	long error = registers_copy(child->token, request);

	if (error < 0)
		return error;
	if (request->flags & CLONE_CHILD_CLEARTID)
		child->clear_child_tid = request->child_tid;
	if (!(request->flags & CLONE_VM) || request->flags & CLONE_VFORK)
		child->altstack = t->altstack;
	if (request->flags & CLONE_PARENT_SETTID)
		(void)!user_copy_out(request->parent_tid, &tid, sizeof(tid)); /* a bad address is no error */
	if (request->flags & CLONE_CHILD_SETTID) {
		if (request->flags & CLONE_VM)
			(void)!user_copy_out(request->child_tid, &tid, sizeof(tid));
		else
			(void)!mem_space_write(child->process->space, request->child_tid, &tid, sizeof(tid));
	}
	return 0;
}

/* Waits until the child has left the memory that it was lent; only a kill ends this early. */
static void vfork_wait(struct shim_thread *t, i32 tid)
{
	volatile u32 *event = &shim_shared(t)->event;

	for (;;) {
		u32 seen = __atomic_load_n(event, __ATOMIC_ACQUIRE); /* before proc is asked */

		if (proc_vfork_check(tid) != -EAGAIN || tk_wait(event, seen, NANOS_NEVER, TK_WAIT_KILLABLE, ~0u) == -EINTR)
			return;
	}
}

static u32 create_flags(u64 flags)
{
	return (flags & CLONE_THREAD ? PROC_CREATE_THREAD : 0) | (flags & CLONE_SIGHAND ? PROC_CREATE_SIGHAND : 0) |
	       (flags & CLONE_VFORK ? PROC_CREATE_VFORK : 0) | (flags & CLONE_PARENT ? PROC_CREATE_PARENT : 0) |
	       (flags & CLONE_CLEAR_SIGHAND ? PROC_CREATE_CLEAR_SIGHAND : 0);
}

/* The shim's record of a created task, entered in its process. */
static struct shim_thread *record_make(struct shim_process *process, const struct proc_created *created)
{
	struct shim_thread *child = shim_thread_create(process, created->thread, created->tid, token_of_frame(created->thread_frame));

	if (!child)
		return NULL;
	lock_acquire(&process->lock);
	process->running++;
	lock_release(&process->lock);
	return child;
}

static void record_unmake(struct shim_thread *child, bool keep_process)
{
	struct shim_process *process = child->process;

	lock_acquire(&process->lock);
	process->running--;
	if (!keep_process)
		process->threads++; /* process_unmake drops it */
	lock_release(&process->lock);
	shim_thread_destroy(child);
}

/* CLONE_PIDFD: a descriptor of the child for its maker. */
static long pidfd_put(struct shim_thread *t, i32 pid, vaddr_t to)
{
	long error, fd = shim_pidfd_create(t, pid, 0);
	i32 shown = (i32)fd;

	if (fd < 0)
		return fd;
	error = user_copy_out(to, &shown, sizeof(shown));
	if (error < 0)
		(void)!fd_close(t, (i32)fd);
	return error;
}

static long task_make(struct shim_thread *t, const struct clone_request *request, struct shim_process *process)
{
	bool is_thread = process == t->process;
	struct proc_create create = {
		.flags = create_flags(request->flags), .exit_signal = request->exit_signal, .space = process->space,
		.fs_client = process->fs_client, .set_tid = request->set_tid,
	};
	struct proc_created created;
	struct shim_thread *child;
	long error;

	shim_actions_hold(t->process); /* a child process has a copy of them */
	if (!is_thread && request->flags & CLONE_SIGHAND) {
		shim_actions_share(t->process);
		shim_actions_share(process);
	}
	error = proc_task_create(&create, &created);
	shim_actions_release(t->process, 0);
	if (error < 0)
		return error;
	if (!is_thread)
		process->pid = created.pid;
	child = record_make(process, &created);
	error = child ? child_prepare(t, child, request) : -ENOMEM;
	if (error >= 0 && request->flags & CLONE_PIDFD)
		error = pidfd_put(t, created.pid, request->pidfd);
	if (error >= 0)
		error = proc_task_start(created.tid);
	if (error >= 0)
		return created.tid;
	if (child)
		record_unmake(child, is_thread);
	(void)!proc_task_discard(created.tid);
	return error;
}

static long clone_run(struct shim_thread *t, const struct clone_request *request)
{
	struct shim_process *process = t->process;
	bool is_thread = request->flags & CLONE_THREAD;
	long result = clone_check(request);

	if (result < 0)
		return result;
	if (t->page->interrupt)
		return -ERESTARTNOINTR; /* signals first: the child must not inherit a stop or an end */
	if (!is_thread) {
		process = process_make(t->process, request->flags, &result);
		if (!process)
			return result;
	}
	result = task_make(t, request, process);
	if (result < 0 && !is_thread)
		process_unmake(process);
	if (result > 0 && request->flags & CLONE_VFORK)
		vfork_wait(t, (i32)result);
	return result;
}

long sys_clone(struct shim_thread *t, const u64 *a)
{
	const struct clone_request request = {
		.flags = (a[0] & 0xffffffff) & ~CLONE_EXIT_SIGNAL, .exit_signal = (u32)(a[0] & CLONE_EXIT_SIGNAL),
		.stack = a[1], .parent_tid = a[2], .child_tid = a[3], .tls = a[4], .pidfd = a[2],
	};

	if (request.flags & CLONE_PIDFD && request.flags & CLONE_PARENT_SETTID)
		return -EINVAL; /* one place for two results */

	if (request.exit_signal > PROC_SIGNALS)
		return -EINVAL;
	return clone_run(t, &request);
}

long sys_fork(struct shim_thread *t, const u64 *a)
{
	const struct clone_request request = { .exit_signal = SIGCHLD };

	(void)a;
	return clone_run(t, &request);
}

long sys_vfork(struct shim_thread *t, const u64 *a)
{
	const struct clone_request request = { .flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD };

	(void)a;
	return clone_run(t, &request);
}

/* A structure that may be longer than what is known: the rest must be zero. */
static long tail_check(vaddr_t from, u64 size)
{
	u8 chunk[64];

	while (size) {
		u64 part = size < sizeof(chunk) ? size : sizeof(chunk);
		long error = user_copy_in(chunk, from, part);

		if (error < 0)
			return error;
		for (u64 i = 0; i < part; i++)
			if (chunk[i])
				return -E2BIG;
		from += part;
		size -= part;
	}
	return 0;
}

static long clone_args_check(const struct linux_clone_args *args)
{
	if (args->flags & (CLONE_DETACHED | (CLONE_EXIT_SIGNAL & ~CLONE_NEWTIME)) || args->flags >> 34)
		return -EINVAL;
	if (args->flags & CLONE_NEWTIME || args->exit_signal > PROC_SIGNALS)
		return -EINVAL;
	if (args->flags & (CLONE_THREAD | CLONE_PARENT) && args->exit_signal)
		return -EINVAL;
	if (!args->stack != !args->stack_size || args->stack >= rt_boot->user_limit || args->stack_size > rt_boot->user_limit - args->stack)
		return -EINVAL;
	if (!args->set_tid != !args->set_tid_size || args->set_tid_size > 1)
		return -EINVAL;
	return 0;
}

long sys_clone3(struct shim_thread *t, const u64 *a)
{
	struct linux_clone_args args = { 0 };
	struct clone_request request = { 0 };
	u64 size = a[1];
	long error;

	if (size < CLONE_ARGS_SIZE_FIRST)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	error = user_copy_in(&args, a[0], size < sizeof(args) ? size : sizeof(args));
	if (error >= 0 && size > sizeof(args))
		error = tail_check(a[0] + sizeof(args), size - sizeof(args));
	if (error >= 0)
		error = clone_args_check(&args);
	if (error >= 0 && args.set_tid) {
		error = user_copy_in(&request.set_tid, args.set_tid, sizeof(request.set_tid));
		if (error >= 0 && request.set_tid <= 0)
			error = -EINVAL;
	}
	if (error < 0)
		return error;
	request.flags = args.flags;
	request.exit_signal = (u32)args.exit_signal;
	request.stack = args.stack + args.stack_size;
	request.pidfd = args.pidfd;
	request.parent_tid = args.parent_tid;
	request.child_tid = args.child_tid;
	request.tls = args.tls;
	return clone_run(t, &request);
}
